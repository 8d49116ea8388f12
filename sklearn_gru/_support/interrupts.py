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

import numpy as np

_of_thread = threading.local()


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


class Stopped(Exception):
    """End of the work of a thread, because the thread that waits for it gave up."""


@contextmanager
def stopped_by(flag: np.ndarray) -> Iterator[None]:
    """Let the work of this thread end soon after another one sets `flag`, int64 (1,).

    Ctrl-C reaches the main thread alone, which sets the flag. Compiled code looks at it
    in every step, and :func:`raise_if_stopped` between its calls.
    """
    _of_thread.flag = flag
    try:
        yield
    finally:
        del _of_thread.flag


def stop_flag(own: np.ndarray) -> np.ndarray:
    """Return the flag of this thread; `own`, int64 (1,), where nobody sets one."""
    flag = getattr(_of_thread, "flag", None)
    return own if flag is None else flag


def raise_if_stopped() -> None:
    """Raise Stopped if the flag of this thread is set."""
    flag = getattr(_of_thread, "flag", None)
    if flag is not None and flag[0]:
        raise Stopped


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
