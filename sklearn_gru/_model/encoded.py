"""The input of an engine: rows as numbers, and the sequences over them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Encoded:
    """Standardized rows, the sequences over them, and the training targets.

    With `levels`, the network reads ``(row - shift[i]) / scale[i]`` at a cell of
    sequence i, and 0 where the row is NaN; columns after those of `shift` (the marks of
    missing cells) are read unchanged. Without `levels`, all columns are read unchanged.
    Every engine must follow this rule.

    With `leading`, the first columns are differences from the row before: column j of
    sequence i is read as 0 at its first ``leading[i, j]`` steps, whose value in front
    is outside the sequence.

    The last segment of k steps ends where its sequence ends, so the first segment may
    start up to k - 1 rows before its sequence. Those rows are read as 0; `rows` starts
    with k - 1 of them, so that they exist for the first sequence too.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_inputs)
        Missing cells are 0, or NaN if `levels` are given.
    starts, lengths : ndarray of shape (n,)
        First row and number of rows of each sequence.
    levels : pair of ndarrays of shape (n, n_levels), or None
        Shift and scale of each sequence, in units of `rows` and in their dtype.
    leading : ndarray of shape (n, n_differences) or None
        Number of steps without a difference. Its rows may be one and the same.
    segment_length : int
        Number of steps read together, k.
    observed : ndarray of shape (n_rows,), or None
        Mask of the rows that hold a value, for a network that needs it.
    target : ndarray of shape (n, n_targets) or (n,), or None
        Encoded target of each sequence; of each row, (n_rows,), for a network with an
        output at every step. No two sequences share a row then. Of texts, codes
        (n, longest) filled with -1.
    weight : ndarray of shape (n,), or None
        Weights with mean 1; those of rows, (n_rows,), with targets of rows.
    by_row : bool
        Whether targets and weights are those of rows.
    texts : bool
        Whether targets are texts, which the loss aligns with the steps. No two
        sequences share a row then.
    reads_target : bool
        Whether the network reads the texts that it is to write, in training.
    piece_length : int or None
        Most rows that training reads at once of a sequence with targets of rows; None
        for all of them.
    """

    rows: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    levels: tuple[np.ndarray, np.ndarray] | None = None
    leading: np.ndarray | None = None
    segment_length: int = 1
    observed: np.ndarray | None = None
    target: np.ndarray | None = None
    weight: np.ndarray | None = None
    by_row: bool = False
    texts: bool = False
    reads_target: bool = False
    piece_length: int | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def n_columns(self) -> int:
        """Number of encoded columns."""
        return self.rows.shape[1]

    @property
    def n_differences(self) -> int:
        """Number of encoded columns that are differences; they come first."""
        return 0 if self.leading is None else self.leading.shape[1]

    @property
    def whole(self) -> Encoded:
        """All sequences."""
        return self

    def at(self, index: np.ndarray) -> tuple[Encoded, np.ndarray]:
        """Return encoded data with some of the sequences, and their positions in it."""
        return self, index

    def between(self, first: int, last: int) -> Encoded:
        """Return some neighboring sequences, without their targets."""
        return self._part(slice(first, last), target=None, weight=None)

    def select(self, mask: np.ndarray) -> Encoded:
        """Return the sequences of a mask (n,), their weights again with mean 1.

        Their targets are one each, not of rows.
        """
        assert self.target is not None
        weight = self.weight
        if weight is not None:
            weight = weight[mask] / weight[mask].mean()
        return self._part(mask, target=self.target[mask], weight=weight)

    def _part(self, some: Any, **changes: Any) -> Encoded:
        levels, leading = self.levels, self.leading
        return replace(
            self,
            starts=self.starts[some],
            lengths=self.lengths[some],
            levels=None if levels is None else (levels[0][some], levels[1][some]),
            leading=None if leading is None else leading[some],
            **changes,
        )

    def sample(self) -> Encoded:
        """Return sequences that stand for all of them: all of them."""
        return self
