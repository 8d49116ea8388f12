"""Sharing the blocks of a batch among processes, the ranks of a fit.

Gradients of blocks are added in a binary tree (`parts.tree`). It is cut into branches
of equal width; each rank computes one, or several, and the ranks exchange the sums. All
then add the same branches, so that they, and one process alone, take the same step to
the bit.
"""

from typing import NamedTuple

import numpy as np

from sklearn_gru._support.ranks import Ranks


class Branch(NamedTuple):
    """Blocks of a batch whose gradients are added first: from begin to end."""

    begin: int
    end: int


def branches_of(n_blocks: int, n_ranks: int) -> tuple[int, list[list[Branch]]]:
    """Cut the tree over some blocks; return the width of branches, and each rank's.

    Ranks are as many as a power of two to share evenly; of three, one has two branches.
    """
    leaves = _power_of_two(n_blocks)
    n = min(leaves, _power_of_two(n_ranks))
    width = leaves // n
    each: list[list[Branch]] = [[] for _ in range(n_ranks)]
    for k in range(n):
        begin, end = k * width, min((k + 1) * width, n_blocks)
        if begin < end:
            each[k * n_ranks // n].append(Branch(begin, end))
    return width, each


def _power_of_two(n: int) -> int:
    """Return the smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()


class Exchange:
    """Exchange of the gradients and losses that ranks have computed for a batch.

    Parameters
    ----------
    ranks : Ranks or None
        The processes; None for this one alone.
    grads : float32 array (n_blocks, n_packed)
        Gradients; the first of a branch is its sum. Those of other ranks are written.
    losses : float64 array (n_blocks,)
        Losses of blocks; those of other ranks are written.
    """

    def __init__(
        self, ranks: Ranks | None, grads: np.ndarray, losses: np.ndarray
    ) -> None:
        self.ranks = ranks
        self.rank, self.size = (0, 1) if ranks is None else (ranks.rank, ranks.size)
        self.grads = grads
        self.losses = losses
        width, each = branches_of(len(grads), self.size)
        branches = max(len(own) for own in each)
        self._sums = branches, grads.shape[1]
        # All messages have the size of the largest: sums, then losses.
        message = branches * (grads.nbytes // len(grads) + 8 * width)
        self._out = np.zeros(message, dtype=np.uint8)
        self._in = np.zeros((self.size, message), dtype=np.uint8)

    def own_branches(self, n_blocks: int) -> list[Branch]:
        """Return the branches of this rank in a batch of some blocks."""
        return branches_of(n_blocks, self.size)[1][self.rank]

    def run(self, n_blocks: int) -> int:
        """Exchange the branches of a batch; return their width."""
        width, each = branches_of(n_blocks, self.size)
        if self.ranks is None:
            return width
        sums, losses = self._parts(self._out)
        at = 0
        for k, (begin, end) in enumerate(each[self.rank]):
            sums[k] = self.grads[begin]
            losses[at : at + end - begin] = self.losses[begin:end]
            at += end - begin
        self.ranks.exchange(self._out, self._in)
        for message, branches in zip(self._in, each, strict=True):
            sums, losses = self._parts(message)
            at = 0
            for k, (begin, end) in enumerate(branches):
                self.grads[begin] = sums[k]
                self.losses[begin:end] = losses[at : at + end - begin]
                at += end - begin
        return width

    def _parts(self, message: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return views of the sums and of the losses in a message."""
        n_bytes = 4 * self._sums[0] * self._sums[1]
        sums = message[:n_bytes].view(np.float32).reshape(self._sums)
        return sums, message[n_bytes:].view(np.float64)
