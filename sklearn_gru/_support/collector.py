"""Python's garbage collector, which looks through all objects as their number grows.

What is imported or compiled is a million objects that stay. To look through them again
and again takes a sixth of the import and a third of the loading of compiled code.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Collect no garbage for a while."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
