"""Python's garbage collector, which looks through all objects as their number grows.

Importing and compiling create about a million objects that stay. Scanning them again
and again takes a sixth of the import and a third of the loading of compiled code, and
scanning them when the process ends takes another half second.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process


@contextmanager
def paused_collector() -> Iterator[None]:
    """Collect no garbage in any thread for a while.

    Afterwards, a child process of `multiprocessing`, such as a worker of a pool, never
    scans the objects that exist, nearly all of which belong to libraries. Other
    processes scan them as before: a user's objects may hold data and become garbage.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if parent_process() is not None:
            gc.freeze()
        if was_enabled:
            gc.enable()
