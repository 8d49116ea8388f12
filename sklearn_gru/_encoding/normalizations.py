"""Each sequence seen from its own level, and a target that continues a channel.

A series that wanders is at another level in every window: what the network learned at
one level is worth nothing at the next. Normalisation takes the level out of each
sequence and, where the target continues one of the channels, puts it back into the
prediction (NLinear, Zeng et al. 2023; RevIN, Kim et al. 2022).

What is computed is one shift and one scale for every sequence and channel, two arrays
``(n, n_features)``: windows are read in blocks and never stored, and the rows stay as
they are. Each entry depends on its own sequence alone. Batches subtract and divide
while they gather.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.standardizer import Standardizer

_CELLS = 1 << 18  # of the windows read at a time: two megabytes of float64


class Normalization:
    """One way to see a sequence from its own level.

    Attributes
    ----------
    name : str
        Name in the registry and value of the parameter `normalization`.
    scales : bool
        Whether each sequence has a scale of its own, besides a shift.
    """

    name: ClassVar[str]
    scales: ClassVar[bool] = False

    def levels(
        self, sequences: Sequences, standardizer: Standardizer, precision: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return shift and scale (n, n_features) in units of X; NaN where none."""
        raise NotImplementedError(f"{type(self).__name__} defines no levels")


class LastValue(Normalization):
    """Subtract the last observed value (NLinear, Zeng et al. 2023)."""

    name = "last"

    def levels(
        self, sequences: Sequences, standardizer: Standardizer, precision: float
    ) -> tuple[np.ndarray, np.ndarray]:
        shift = last_observed(sequences)
        return shift, np.where(np.isnan(shift), np.nan, 1.0)


class MeanAndDeviation(Normalization):
    """Subtract the mean, divide by the standard deviation (RevIN, Kim et al. 2022)."""

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
        Of the training set.
    precision : float
        Rounding of what the network computes in: below it a deviation is none.
    """

    kind: str
    standardizer: Standardizer
    precision: float

    def levels(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Shift and scale (n, n_features) in units of X.

        NaN where a sequence has none: it was never observed, or never moved.
        """
        return NORMALIZATIONS[self.kind].levels(
            sequences, self.standardizer, self.precision
        )

    def inputs(
        self, sequences: Sequences, dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        """Shift and scale (n, n_numeric) in units of standardised rows.

        Categories, which stand behind all numbers there, have no level.
        """
        shift, scale = self.levels(sequences)
        whole = self.standardizer
        shift = (shift - whole.mean) / whole.scale
        if NORMALIZATIONS[self.kind].scales:
            scale = scale / whole.scale
        else:
            scale = np.ones_like(shift)
        # A channel never observed has no cell to shift; a constant one is 0 already.
        shift[np.isnan(shift)] = 0.0
        scale[np.isnan(scale)] = 1.0
        if len(whole.embedded):
            shift, scale = (
                np.delete(a, whole.embedded, axis=1) for a in (shift, scale)
            )
        return shift.astype(dtype), scale.astype(dtype)


@dataclass(frozen=True, eq=False)
class Continuation:
    """How the target continues one of the channels: ``y = y' * scale + shift``.

    Attributes
    ----------
    normalizer : Normalizer
        That of the inputs.
    column : int
        The channel that is continued.
    power : int
        Degree of the loss. Each sequence weighs ``scale**power`` more, so that the
        loss of y' stays one in units of y.
    shift, scale : float
        Of a sequence that has none of its own, because the channel was never observed
        or is constant: the weighted means over those of the training set.
    unit : float
        Weighted mean of ``scale**power`` over the training set, where factors
        therefore have mean 1.
    """

    normalizer: Normalizer
    column: int
    power: int
    shift: float = 0.0
    scale: float = 1.0
    unit: float = 1.0

    @classmethod
    def fit(
        cls,
        normalizer: Normalizer,
        column: int,
        power: int,
        sequences: Sequences,
        weights: np.ndarray | None,
    ) -> Continuation:
        """Typical shift and scale of a training set."""
        own = cls(normalizer, column, power)._own_levels(sequences)
        shift, scale = (_mean_of_known(level, weights) for level in own)
        if np.isnan(scale):
            scale = float(normalizer.standardizer.scale[column])
        scales = np.where(np.isnan(own[1]), scale, own[1])
        return cls(
            normalizer,
            column,
            power,
            0.0 if np.isnan(shift) else shift,
            scale,
            float(np.average(scales**power, weights=weights)),
        )

    def levels(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Shift and scale (n, 1) of the target of every sequence."""
        shift, scale = self._own_levels(sequences)
        shift[np.isnan(shift)] = self.shift
        scale[np.isnan(scale)] = self.scale
        return shift[:, None], scale[:, None]

    def add(self, y: np.ndarray, sequences: Sequences) -> np.ndarray:
        """Return y' (n, n_outputs, ...) of sequences in units of y."""
        shift, scale = self.levels(sequences)
        extra = (1,) * (y.ndim - 2)  # of quantiles
        return y * scale.reshape(-1, 1, *extra) + shift.reshape(-1, 1, *extra)

    def factors(self, scale: np.ndarray) -> np.ndarray | None:
        """Weights (n,) that keep the loss in units of y; None where all are 1."""
        if not NORMALIZATIONS[self.normalizer.kind].scales:
            return None
        return scale[:, 0] ** self.power / self.unit

    def _own_levels(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        one = slice(self.column, self.column + 1)
        whole = self.normalizer.standardizer
        normalizer = Normalizer(
            self.normalizer.kind,
            Standardizer(whole.mean[one], whole.scale[one], whole.marked[:0]),
            self.normalizer.precision,
        )
        channel = Sequences(
            sequences.values[:, one], sequences.starts, sequences.lengths
        )
        shift, scale = normalizer.levels(channel)
        return shift[:, 0], scale[:, 0]


def _mean_of_known(level: np.ndarray, weights: np.ndarray | None) -> float:
    """Weighted mean of what is not NaN; NaN if all is."""
    known = ~np.isnan(level)
    if not known.any():
        return np.nan
    weights = None if weights is None else weights[known]
    return float(np.average(level[known], weights=weights))


def last_observed(sequences: Sequences) -> np.ndarray:
    """Last value that is not missing (n, n_features) in float64; NaN if there is none.

    One pass over the rows finds, for every row, the latest one observed up to it.
    """
    values, starts = sequences.values, sequences.starts
    last = np.full((len(starts), values.shape[1]), np.nan)
    some = np.flatnonzero(sequences.lengths > 0)
    ends = (starts + sequences.lengths)[some] - 1
    row = np.arange(len(values))
    for k, column in enumerate(values.T):
        latest = np.maximum.accumulate(np.where(np.isnan(column), -1, row))[ends]
        found = latest >= starts[some]
        last[some[found], k] = column[latest[found]]
    return last


def moments(sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (n, n_features) of observed cells; NaN without any.

    From the cells of each sequence and in two passes: running sums would be faster and
    lose the deviation of a small ripple on a high level, and make it depend on what
    stands before the sequence.
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
    """All sequences in blocks of about equal length and a bounded number of cells."""
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
