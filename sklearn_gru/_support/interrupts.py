"""Ctrl-C: how to tell it from other KeyboardInterrupts, and how to put it off.

Python turns SIGINT into a KeyboardInterrupt between any two instructions of the main
thread. Callbacks of skorch raise the same exception to end training early.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupts:
    """Flag that SIGINT arrived while the context was open; the handler still runs.

    In other threads than the main one, and where the program handles SIGINT itself in
    C, nothing is heard.
    """

    def __init__(self) -> None:
        self.heard = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *error: Any) -> None:
        # A callback may have set a handler of its own meanwhile, which stays.
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._hear:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, number: int, frame: Any) -> None:
        self.heard = True
        self._before(number, frame)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Put SIGINT off until the end of the context, so that it is finished whole."""
    before: Any = None
    arrived: list[Any] = []
    if threading.current_thread() is threading.main_thread():
        before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: arrived.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if arrived:
            before(*arrived[-1])
