"""Sharing the blocks of a batch among threads, where the blocks are large enough.

Compiled code runs without the GIL, so plain Python threads do. A batch is cut into the
same blocks whatever the number of threads, every block's gradient is complete before
any is added, and they are added in the same binary tree: the bits are those of one
thread. Handing a batch over costs about a tenth of a millisecond, so small networks
stay on one thread.
"""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import numpy as np

from sklearn_gru._engines.numba.compile import checked
from sklearn_gru._engines.numba.memory import BLOCK, Shape
from sklearn_gru._support.ranks import Ranks

# Multiply-adds of a core, about.
PER_SECOND = 1e11

# Multiply-adds to hand to a thread at a time, below which it does not pay.
WORTH_SHARING = 0.5e-3 * PER_SECOND

# Multiply-adds of a call, about a quarter of a second, from which Ctrl-C can stop it.
LONG = 5e9


def for_training(shape: Shape, n: int, n_steps: int, available: int) -> int:
    """Return how many threads to share batches of n sequences among.

    One a block at most, and one in all if a block takes less than about half a
    millisecond (see the table of threads in docs/performance.md).
    """
    if checked.ENABLED or 3 * _forward(shape) * BLOCK * n_steps < WORTH_SHARING:
        return 1  # threads of the checked build would not see each other's writes
    return max(1, min(available, -(-n // BLOCK)))


def worth_ranks(shape: Shape, n: int, n_steps: int, ranks: Ranks) -> bool:
    """Return whether it pays to share batches of n sequences among processes.

    Each rank should compute for twice as long as an exchange takes (see the table of
    ranks in docs/performance.md).
    """
    work = 3 * _forward(shape) * n * n_steps / ranks.size
    return work >= 2 * PER_SECOND * ranks.exchange_seconds


def for_prediction(shape: Shape, n: int, n_steps: int, available: int) -> int:
    """Return how many threads to share n sequences among, which is done once."""
    worth = int(_forward(shape) * n * n_steps / WORTH_SHARING)
    return max(1, min(available, n, worth))


def forward_work(shape: Shape, n: int, n_steps: int) -> int:
    """Return the multiply-adds of a forward pass over n sequences, at most."""
    return _forward(shape) * n * n_steps


def stoppable(work: float, stop: np.ndarray, call: Any, *arguments: Any) -> Any:
    """Return what a call returns; a long one ends soon after an interrupt.

    Python hears Ctrl-C between two of its own instructions, which is not while the main
    thread runs compiled code. So another thread runs it, and the main thread waits. It
    sets `stop`, which the code looks at in every step, and waits for it to end: its
    memory must not be freed before.
    """
    if work < LONG or threading.current_thread() is not threading.main_thread():
        return call(*arguments)
    with ThreadPoolExecutor(1) as pool:
        try:
            future = pool.submit(call, *arguments)
        except RuntimeError:  # no memory for a thread
            return call(*arguments)
        try:
            while not future.done():
                wait([future], timeout=0.1)
        except BaseException:
            stop[0] = 1
            raise
        return future.result()


def _forward(shape: Shape) -> int:
    """Return the multiply-adds of one step of one sequence."""
    above = (shape.layers - 1) * (shape.width + shape.hidden)
    columns = shape.n_inputs + shape.hidden + above
    return shape.directions * shape.gates * shape.hidden * columns


class Team:
    """Threads that run the same compiled program on parts of the same work."""

    def __init__(self, pool: ThreadPoolExecutor, size: int) -> None:
        self.pool = pool
        self.size = size

    def run(self, program: Any, arguments: list[tuple]) -> None:
        """Call the program once a member, this thread being one of them."""
        waiting = [self.pool.submit(program, *a) for a in arguments[1:]]
        program(*arguments[0])
        for future in waiting:
            future.result()


@contextmanager
def team(size: int) -> Iterator[Team]:
    """Gather `size` threads, of which this is one."""
    with ThreadPoolExecutor(max(1, size - 1)) as pool:  # which starts threads if needed
        yield Team(pool, size)


def spread(n: int, size: int) -> list[tuple[int, int]]:
    """Cut n sequences into `size` runs of about equal length: (begin, end)."""
    edges = np.linspace(0, n, size + 1).astype(int).tolist()
    return list(itertools.pairwise(edges))
