"""Per-sequence normalization, and targets that continue a channel.

A drifting series is at a different level in every window, so what the network learns at
one level does not carry over to the next. Normalization removes the level from each
sequence and, if the target continues one of the channels, adds it back to the
prediction (NLinear, Zeng et al. 2023; RevIN, Kim et al. 2022).

This module computes one shift and one scale per sequence and channel, two arrays
``(n, n_features)``. Windows are read in blocks and never stored, and the rows stay
unchanged. Each entry depends only on its own sequence. Batches subtract the shift and
divide by the scale while they gather rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.standardizer import Standardizer
from sklearn_gru._support.numbers import may_have_nan
from sklearn_gru._support.on_disk import is_on_disk

# Share of the typical scale below which no target is scaled; series of a panel may be
# this much smaller than the typical one.
LEAST_SCALE = 1e-3

_CELLS = 1 << 18  # cells of windows read at a time: two megabytes of float64


class Normalization:
    """One way to remove the level of a sequence.

    Attributes
    ----------
    name : str
        Name in the registry and value of the parameter `normalization`.
    scales : bool
        Whether each sequence has its own scale in addition to a shift.
    """

    name: ClassVar[str]
    scales: ClassVar[bool] = False

    def levels(
        self, sequences: Sequences, standardizer: Standardizer, precision: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return shift and scale (n, n_features) in units of X; NaN where none."""
        raise NotImplementedError(f"{type(self).__name__} defines no levels")


class LastValue(Normalization):
    """Normalization by the last observed value (NLinear, Zeng et al. 2023)."""

    name = "last"

    def levels(
        self, sequences: Sequences, standardizer: Standardizer, precision: float
    ) -> tuple[np.ndarray, np.ndarray]:
        shift = last_observed(sequences)
        return shift, np.where(np.isnan(shift), np.nan, 1.0)


class MeanAndDeviation(Normalization):
    """Normalization by mean and standard deviation (RevIN, Kim et al. 2022)."""

    name = "standard"
    scales = True

    def levels(
        self, sequences: Sequences, standardizer: Standardizer, precision: float
    ) -> tuple[np.ndarray, np.ndarray]:
        mean, deviation = moments(sequences)
        rounding = 10 * np.maximum(
            precision * np.abs(mean - standardizer.mean),
            np.finfo(np.float64).eps * np.abs(mean),
        )
        return mean, np.where(deviation > rounding, deviation, np.nan)


NORMALIZATIONS: dict[str, Normalization] = {
    kind.name: kind for kind in (LastValue(), MeanAndDeviation())
}


@dataclass(frozen=True, eq=False)
class Normalizer:
    """Shift and scale of sequences, by kind.

    Attributes
    ----------
    kind : str
        A name in ``NORMALIZATIONS``.
    standardizer : Standardizer
        Moments of the training set.
    precision : float
        Rounding unit of the network's dtype; a smaller deviation counts as zero.
    """

    kind: str
    standardizer: Standardizer
    precision: float

    def levels(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Return shift and scale (n, n_features) in units of X.

        They are NaN where a channel of the sequence was never observed; the scale is
        also NaN where the channel is constant.
        """
        kind = NORMALIZATIONS[self.kind]
        if not is_on_disk(sequences.values):
            return kind.levels(sequences, self.standardizer, self.precision)
        shift, scale = np.full((2, len(sequences), sequences.shape[2]), np.nan)
        for index, part in sequences.row_blocks():
            found = kind.levels(part, self.standardizer, self.precision)
            shift[index], scale[index] = found
        return shift, scale

    def inputs(
        self, sequences: Sequences, dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return shift and scale (n, n_numeric) in units of standardized rows.

        Categories, which come last in those rows, have no level.
        """
        shift, scale = self.levels(sequences)
        whole = self.standardizer
        shift = (shift - whole.mean) / whole.scale
        if NORMALIZATIONS[self.kind].scales:
            scale = scale / whole.scale
        else:
            scale = np.ones_like(shift)
        # An unobserved channel has no cell to shift; a constant channel is already 0.
        shift[np.isnan(shift)] = 0.0
        scale[np.isnan(scale)] = 1.0
        if len(whole.embedded):
            shift, scale = (
                np.delete(a, whole.embedded, axis=1) for a in (shift, scale)
            )
        return shift.astype(dtype), scale.astype(dtype)


@dataclass(frozen=True, eq=False)
class Continuation:
    """Relation of the target to the channel it continues: ``y = y' * scale + shift``.

    The loss is one of y', in units of each sequence, so that large series do not drown
    small ones.

    Attributes
    ----------
    normalizer : Normalizer
        The normalizer of the inputs.
    column : int
        The channel that is continued.
    shift, scale : float
        Values for a sequence that does not have its own, because the channel was never
        observed or is constant: weighted mean and weighted median over the training
        set. Of scales that span decades, the mean is that of the largest.
    """

    normalizer: Normalizer
    column: int
    shift: float = 0.0
    scale: float = 1.0

    @classmethod
    def fit(
        cls,
        normalizer: Normalizer,
        column: int,
        sequences: Sequences,
        weights: np.ndarray | None,
    ) -> Continuation:
        """Learn the typical shift and scale of a training set."""
        shifts, scales = cls(normalizer, column)._own_levels(sequences)
        shift = _mean_of_known(shifts, weights)
        scale = median_of_known(scales, weights)
        if np.isnan(scale):
            scale = float(normalizer.standardizer.scale[column])
        return cls(normalizer, column, 0.0 if np.isnan(shift) else shift, scale)

    def levels(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Return shift and scale (n, 1) of the target of every sequence."""
        shift, scale = self._own_levels(sequences)
        shift[np.isnan(shift)] = self.shift
        scale[np.isnan(scale)] = self.scale
        # A sequence that hardly varies would make any change of y enormous.
        scale = np.maximum(scale, LEAST_SCALE * self.scale)
        return shift[:, None], scale[:, None]

    def add(self, y: np.ndarray, sequences: Sequences) -> np.ndarray:
        """Return y' (n, n_outputs, ...) of sequences in units of y."""
        shift, scale = self.levels(sequences)
        extra = (1,) * (y.ndim - 2)  # of quantiles
        return y * scale.reshape(-1, 1, *extra) + shift.reshape(-1, 1, *extra)

    def _own_levels(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        shift, scale = self._of_channel.levels(sequences.channel(self.column))
        return shift[:, 0], scale[:, 0]

    @cached_property
    def _of_channel(self) -> Normalizer:
        one, whole = [self.column], self.normalizer.standardizer
        return replace(
            self.normalizer,
            standardizer=Standardizer(
                whole.mean[one], whole.scale[one], whole.marked[:0]
            ),
        )


def _mean_of_known(level: np.ndarray, weights: np.ndarray | None) -> float:
    """Return the weighted mean of the values that are not NaN; NaN without any."""
    known = ~np.isnan(level)
    if not known.any():
        return np.nan
    weights = None if weights is None else weights[known]
    return float(np.average(level[known], weights=weights))


def median_of_known(level: np.ndarray, weights: np.ndarray | None) -> float:
    """Return the weighted median of the values that are not NaN; NaN without any."""
    known = ~np.isnan(level)
    if not known.any():
        return np.nan
    weights = None if weights is None else weights[known]
    return float(np.quantile(level[known], 0.5, weights=weights, method="inverted_cdf"))


def last_observed(sequences: Sequences) -> np.ndarray:
    """Return the last observed value (n, n_features) in float64; NaN without any.

    Where the last step of a sequence has none, one pass over the rows finds, for every
    row, the latest one observed up to it.
    """
    values, starts = sequences.values, sequences.starts
    ends = starts + sequences.lengths - 1
    if sequences.lengths.all():
        last = values.take(ends, axis=0).astype(np.float64)
        if not may_have_nan(last):
            return last
    last = np.full((len(starts), values.shape[1]), np.nan)
    some = np.flatnonzero(sequences.lengths > 0)
    ends = ends[some]
    last[some] = values[ends]
    for k in np.flatnonzero(np.isnan(last[some]).any(axis=0)):
        column, row = values[:, k], np.arange(len(values))
        latest = np.maximum.accumulate(np.where(np.isnan(column), -1, row))[ends]
        found = latest >= starts[some]
        last[some[found], k] = column[latest[found]]
    return last


def moments(sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation (n, n_features) of observed cells; NaN without any.

    They are computed from the cells of each sequence in two passes. Running sums would
    be faster, but would lose the deviation of a small ripple on a high level, and make
    it depend on the rows before the sequence.
    """
    mean = np.empty((len(sequences), sequences.values.shape[1]))
    deviation = np.empty_like(mean)
    for index, part in _windows(sequences):
        cells = part.__array__(np.float64)  # (B, T, n_features)
        seen = ~np.isnan(cells)
        count = seen.sum(axis=1).astype(np.float64)
        count[count == 0] = np.nan
        mean[index] = np.where(seen, cells, 0.0).sum(axis=1) / count
        cells -= mean[index][:, None]
        cells[~seen] = 0.0
        deviation[index] = np.sqrt((cells**2).sum(axis=1) / count)
    return mean, deviation


def _windows(sequences: Sequences) -> Iterator[tuple[np.ndarray, Sequences]]:
    """Yield all sequences in blocks of similar length and a bounded number of cells."""
    lengths = sequences.lengths
    order = np.argsort(lengths, kind="stable")
    end = len(order)
    while end:
        longest = max(1, int(lengths[order[end - 1]]))
        size = max(1, _CELLS // (longest * max(1, sequences.values.shape[1])))
        index = order[max(0, end - size) : end]
        yield (
            index,
            Sequences(sequences.values, sequences.starts[index], lengths[index]),
        )
        end -= len(index)
