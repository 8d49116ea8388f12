"""Backward differences of the channels, as further inputs of the network.

A recurrent network finds out slowly how fast a channel moves: its first layer sees one
step at a time. The difference from the step before says it outright (derivatives as
features: Górecki & Łuczak 2013). Differences look back only, so that a later step
changes none of them.

The difference of a cell is its value minus the latest value observed before it in the
same sequence. Where there is none (a missing cell, the first observed cell of a
sequence), the network reads 0, the mean of the standardized differences.

Windows are never stored: the difference of a row from the rows in front of it is the
same in all windows, except in the `leading` steps of a window, at which the value in
front is outside. Batches set those to 0 while they gather rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.numbers import may_have_nan, nonzero_scale
from sklearn_gru._support.on_disk import is_on_disk

# The variance is computed from sums: below this share of the mean, it is rounding.
_ROUNDING = 1e-7


@dataclass(frozen=True, eq=False)
class Differences:
    """Moments of the differences of the numeric features.

    Attributes
    ----------
    columns : ndarray of shape (n_numeric,)
        The numeric features.
    unit : ndarray of shape (n_numeric,)
        Standard deviations of these features, the units of everything below.
    mean, scale : ndarray of shape (n_numeric,)
        The network reads ``(difference - mean) / scale``, where the difference is also
        divided by the scale of its own sequence if the normalization has one.
    """

    columns: np.ndarray
    unit: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(
        cls,
        sequences: Sequences,
        weights: np.ndarray | None,
        columns: np.ndarray,
        unit: np.ndarray,
        scales: np.ndarray | None,
        *,
        identity: bool,
    ) -> Differences:
        """Learn weighted moments; `scales` (n, n_numeric) are those of each sequence.

        With `identity`, the differences are left as they are.
        """
        mean, scale = np.zeros(len(columns)), np.ones(len(columns))
        if identity:
            return cls(columns, unit, mean, scale)
        order = np.argsort(sequences.starts, kind="stable")
        w = np.ones(len(order)) if weights is None else weights[order]
        for j, column in enumerate(columns):
            own = 1.0 if scales is None else scales[order, j]
            count, first, second = _all_sums(sequences, order, column, unit[j])
            total = max(w @ count, np.finfo(float).tiny)
            mean[j] = w @ (first / own) / total
            spread = second / own**2 - 2 * mean[j] * first / own + mean[j] ** 2 * count
            std = np.sqrt(max(w @ spread, 0.0) / total)
            scale[j] = nonzero_scale(std * (std > _ROUNDING * abs(mean[j])), mean[j])
        return cls(columns, unit, mean, scale)

    def write(self, values: np.ndarray, out: np.ndarray, *, keep_missing: bool) -> None:
        """Write the differences of rows (n_rows, n_features) to (n_rows, n_numeric).

        They are standardized, and 0 where a cell is missing. With `keep_missing` they
        are differences in units of the features, and NaN: :meth:`levels` does the rest.
        """
        for j, column in enumerate(self.columns):
            found = backward_differences(values[:, column]) / self.unit[j]
            if not keep_missing:
                found = np.nan_to_num((found - self.mean[j]) / self.scale[j], nan=0.0)
            out[:, j] = found

    def levels(
        self, shift: np.ndarray, scale: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the levels of sequences, with those of their differences in front."""
        own = scale.astype(np.float64)
        shifts = np.hstack([(self.mean * own).astype(shift.dtype), shift])
        return shifts, np.hstack([(self.scale * own).astype(scale.dtype), scale])

    def leading(self, sequences: Sequences) -> np.ndarray:
        """Return the number of steps up to the first observed cell; (n, n_numeric)."""
        n, n_numeric = len(sequences), len(self.columns)
        if not may_have_nan(sequences.values):
            return np.broadcast_to(np.ones(n_numeric, dtype=np.int64), (n, n_numeric))
        found = np.empty((n, n_numeric), dtype=np.int64)
        for j, column in enumerate(self.columns):
            observed = ~np.isnan(sequences.values[:, column])
            found[:, j] = _leading(sequences, observed)
        return found


def backward_differences(column: np.ndarray) -> np.ndarray:
    """Return each value minus the latest one before it in float64, NaN without it."""
    found = np.full(len(column), np.nan)
    observed = np.flatnonzero(~np.isnan(column))
    found[observed[1:]] = np.diff(column[observed].astype(np.float64))
    return found


def _leading(sequences: Sequences, observed: np.ndarray) -> np.ndarray:
    """Return the number of steps (n,) of each sequence up to its first observed one."""
    at = np.append(np.flatnonzero(observed), len(observed))
    first = at[np.searchsorted(at, sequences.starts)]
    return np.minimum(first - sequences.starts + 1, sequences.lengths)


def _all_sums(
    sequences: Sequences, order: np.ndarray, column: int, unit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return :func:`_sums`, block by block for rows in a file."""
    if not is_on_disk(sequences.values):
        return _sums(sequences, order, column, unit)
    found = np.empty((3, len(sequences)))
    for index, part in sequences.row_blocks():
        own = np.argsort(part.starts, kind="stable")
        sums = np.empty((3, len(part)))
        sums[:, own] = _sums(part, own, column, unit)
        found[:, index] = sums
    count, first, second = found[:, order]
    return count, first, second


def _sums(
    sequences: Sequences, order: np.ndarray, column: int, unit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return count, sum and sum of squares (n,) of the differences of each sequence.

    `order` sorts the sequences by their starts, so that the gaps between them, which
    are summed too, do not overlap.
    """
    differences = backward_differences(sequences.values[:, column]) / unit
    leading = _leading(sequences, ~np.isnan(sequences.values[:, column]))
    starts = (sequences.starts + leading)[order]
    ends = (sequences.starts + sequences.lengths)[order]
    known = ~np.isnan(differences)
    differences[~known] = 0.0
    bounds = np.column_stack([starts, ends]).ravel()

    def total(cells: np.ndarray) -> np.ndarray:
        found = np.add.reduceat(np.append(cells, 0.0), bounds)[::2]
        return np.where(starts < ends, found, 0.0)

    return total(known.astype(float)), total(differences), total(differences**2)
