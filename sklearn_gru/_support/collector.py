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
    processes scan them when they scan the oldest objects, which is seldom: a user's
    objects may hold data and become garbage. What compiling leaves, some 350 000
    objects, waits for that, too.
    """
    was_enabled, is_frozen = gc.isenabled(), gc.get_freeze_count() > 0
    gc.disable()
    try:
        yield
    finally:
        if parent_process() is not None:
            gc.freeze()
        elif not is_frozen:
            gc.freeze()
            gc.unfreeze()  # they are the oldest now, without a look at them
        if was_enabled:
            gc.enable()
