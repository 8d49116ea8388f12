"""What an engine reads: rows as numbers, and the sequences over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Encoded:
    """Standardized rows, the sequences over them, and what they are trained toward.

    With or without `levels`, what the network reads at a cell of sequence i is
    ``(row - shift[i]) / scale[i]``, and 0 where the row is NaN; columns behind those of
    `shift` (the marks of missing cells) are read as they are. Every engine has to
    follow this rule.

    Segments of k steps end where their sequence ends, so the first may reach up to
    k - 1 rows in front of it; those are read as 0, and exist in front of the first.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_inputs)
        Missing cells are 0, but NaN where `levels` are given.
    starts, lengths : ndarray of shape (n,)
        First row and number of rows of each sequence.
    levels : pair of ndarrays of shape (n, n_levels), or None
        Shift and scale of each sequence, in units of `rows` and in their dtype.
    segment_length : int
        Steps read together, k.
    observed : ndarray of shape (n_rows,), or None
        Rows that hold a value, for a network that has to know.
    target : ndarray of shape (n, n_targets) or (n,), or None
    weight : ndarray of shape (n,), or None
        Weights of mean 1.
    """

    rows: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    levels: tuple[np.ndarray, np.ndarray] | None = None
    segment_length: int = 1
    observed: np.ndarray | None = None
    target: np.ndarray | None = None
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.starts)
