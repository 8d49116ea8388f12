"""Python's garbage collector, which looks through all objects as their number grows.

Importing and compiling create about a million objects that stay. Scanning them again
and again takes a sixth of the import and a third of the loading of compiled code.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Collect no garbage in any thread for a while."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
