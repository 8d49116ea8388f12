"""The levels of the training data, and the warning about sequences far outside them.

A network does not extrapolate: after a trend or a change of level, its predictions stay
near the targets that it was trained on, without any other sign.

The level of a sequence is the mean of its steps. Single values say less: pressure
leaves their range in ordinary weather, and peaks can double without leaving it in
most steps. The numbers below were chosen with ``python -m tests.benchmarks.unseen``, by
what fires on planted changes and not on the ordinary rows after a fit.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.wide_rows import column_ends
from sklearn_gru._support.on_disk import blocks
from sklearn_gru._support.warn import warn
from sklearn_gru.exceptions import UnseenDataWarning

# Far outside is beyond all levels of fit by more than this share of the range of its
# values. This share of the sequences must be.
_MARGIN = 0.5
_SEQUENCES = 0.15
# A value counts as at most this many ranges beyond: an outlier is not a level.
_OUTLIER = 1.0
# A feature of so few values is a code, such as a month: its level says little.
_FEW_VALUES = 12
_LOOKED_AT = 4096  # rows
_CELLS = 1 << 17  # of which the means are computed at once: a megabyte of float64


@dataclass(frozen=True, eq=False)
class SeenRange:
    """Ends of the values and of the levels of each feature; NaN where fit saw none.

    Attributes
    ----------
    low, high : ndarray of shape (n_features,)
        Smallest and largest value.
    lowest, highest : ndarray of shape (n_features,)
        Smallest and largest mean of a sequence of at least `usual` steps.
    is_code : ndarray of bool of shape (n_features,)
        Mask of the features that took only few values.
    usual : float
        Half of the median length. The mean of fewer steps is compared with values.
    """

    low: np.ndarray
    high: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    is_code: np.ndarray
    usual: float

    @classmethod
    def of(
        cls, sequences: Sequences, codes: np.ndarray, before: SeenRange | None = None
    ) -> SeenRange:
        """Return what the sequences span, together with an earlier fit.

        `codes` are the positions of the features that are known to be codes.
        """
        low, high = column_ends(sequences.values)
        usual = float(np.median(sequences.lengths)) / 2 if len(sequences) else 0.0
        lowest, highest = np.full((2, len(low)), np.nan)
        for _, part in sequences.row_blocks():
            whole = part.lengths >= usual
            for at in blocks(len(low), _at_once(part)):
                means = _means(part, part.values[:, at], low[at])
                means = means.compress(whole, axis=1)  # contiguous, unlike [:, whole]
                least = np.fmin.reduce(means, axis=1, initial=np.nan)
                largest = np.fmax.reduce(means, axis=1, initial=np.nan)
                lowest[at] = np.fmin(lowest[at], least)
                highest[at] = np.fmax(highest[at], largest)
        if before is not None:
            low, high = np.fmin(low, before.low), np.fmax(high, before.high)
            lowest = np.fmin(lowest, before.lowest)
            highest = np.fmax(highest, before.highest)
            usual = min(usual, before.usual)
            return cls(low, high, lowest, highest, before.is_code, usual)
        some = sequences.values[:: max(1, len(sequences.values) // _LOOKED_AT)]
        is_code = _have_few_values(some)
        is_code[codes] = True
        return cls(low, high, lowest, highest, is_code, usual)

    @functools.cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The span of each feature, the margin, and what far outside is; NaN for codes.

        Nothing is below or above NaN.
        """
        with np.errstate(over="ignore"):
            span = self.high.astype(np.float64) - self.low
            margin = _MARGIN * span
            under, over = self.lowest - margin, self.highest + margin
        under[self.is_code] = over[self.is_code] = np.nan
        return span, margin, under, over

    def warn_outside(self, sequences: Sequences) -> None:
        """Warn about sequences whose level lies far outside."""
        span, margin, under, over = self._bounds
        low, high = column_ends(sequences.values)
        columns = ((low < under) | (high > over)).nonzero()[0]
        if not len(columns) or not _can_be_far(sequences, columns, under, over):
            return
        short = sequences.lengths < self.usual
        far = {}
        for j in columns:
            ends = self.low[j] - _OUTLIER * span[j], self.high[j] + _OUTLIER * span[j]
            means = _all_means(sequences, int(j), ends)
            far[j] = means < np.where(short, self.low[j] - margin[j], under[j])
            far[j] |= means > np.where(short, self.high[j] + margin[j], over[j])
        worst = max(far, key=lambda j: far[j].sum())
        if far[worst].sum() > _SEQUENCES * len(sequences):
            any_far = np.logical_or.reduce(list(far.values()))
            self._warn(sequences[far[worst]], int(worst), any_far)

    def _warn(self, sequences: Sequences, j: int, far: np.ndarray) -> None:
        names = sequences.feature_names
        name: Any = j if names is None else names[j]
        means = _all_means(sequences, j)
        low, high = np.nanmin(means), np.nanmax(means)
        beyond = high if high > self.highest[j] else low
        warn(
            f"{far.sum()} of {len(far)} sequences lie far outside the training data: "
            f"the mean of feature {name!r} reaches {beyond:.6g}, and in fit it was "
            f"{self.lowest[j]:.6g} to {self.highest[j]:.6g}. A network does not "
            "extrapolate. If the level changes, as with a trend, set "
            "normalization='last' (and in a regressor target_feature= to the feature "
            "that y continues); otherwise fit on data that reach as far.",
            UnseenDataWarning,
        )


def _can_be_far(
    sequences: Sequences, columns: np.ndarray, under: np.ndarray, over: np.ndarray
) -> bool:
    """Tell whether enough sequences may hold a value outside the bounds of a column.

    A mean lies outside only if a value does, and to count those takes less time.
    """
    outside = np.zeros(len(columns), dtype=np.int64)
    for part in blocks(len(sequences.values)):
        for k, j in enumerate(columns):
            column = sequences.values[part, j]
            outside[k] += np.count_nonzero((column < under[j]) | (column > over[j]))
    enough, most = _SEQUENCES * len(sequences), int(outside.max())
    return most > enough or most * _most_sharing(sequences) > enough


def _most_sharing(sequences: Sequences) -> int:
    """Return how many sequences use the same row, at most."""
    if type(sequences) is Sequences:  # others have a rule in place of arrays
        ends = sequences.starts + sequences.lengths
        if (ends[:-1] <= sequences.starts[1:]).all():
            return 1
    return max(int(used.max()) for _, used in sequences.coverage_blocks())


def _at_once(part: Sequences) -> int:
    """Return the number of columns of which the means are computed at once."""
    return max(1, _CELLS // max(1, len(part.values)))


def _have_few_values(rows: np.ndarray) -> np.ndarray:
    """Return the mask of columns of few values; usually, the first rows suffice."""
    few = np.ones(rows.shape[1], dtype=bool)
    for part in (rows[: 4 * _FEW_VALUES], rows):
        left = np.flatnonzero(few)
        ordered = np.sort(part[:, left], axis=0)  # NaN comes last
        larger = ordered[1:] > ordered[:-1]
        few[left] = larger.sum(axis=0) < _FEW_VALUES
    return few


def _all_means(
    sequences: Sequences, j: int, ends: tuple[float, float] | None = None
) -> np.ndarray:
    """Return the mean (n,) of a feature in each sequence, clipped to the ends."""
    means = np.full(len(sequences), np.nan)
    for index, part in sequences.row_blocks():
        column = part.values[:, j : j + 1]
        column = column if ends is None else np.clip(column, *ends)
        low = np.fmin.reduce(column, axis=0, initial=np.nan)
        means[index] = _means(part, column, low)[0]
    return means


def _means(sequences: Sequences, columns: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return means (n_columns, n) over the steps of each sequence; NaN without any.

    `columns` are some of the values (n_rows, n_columns), and `low` the least of each,
    or less.
    """
    starts, ends = sequences.starts, sequences.starts + sequences.lengths
    counts, center = sequences.lengths, low.astype(np.float64)[:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        values = columns.T.astype(np.float64, order="C")
        values -= center  # keeps the sums exact
        sums = _sums(values, starts, ends)
        if np.isnan(sums).any():
            missing = np.isnan(values)
            counts = _sums(~missing, starts, ends)
            values[missing] = 0.0
            sums = _sums(values, starts, ends)
        return center + sums / counts


def _sums(rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return sums (n_rows, n) of the numbers of a row from each start to its end."""
    kind = np.int64 if rows.dtype == bool else np.float64
    if len(ends) and (ends[:-1] == starts[1:]).all() and (ends > starts).all():
        return np.add.reduceat(rows[:, : ends[-1]], starts, axis=1, dtype=kind)
    total = np.zeros((len(rows), rows.shape[1] + 1), dtype=kind)  # of the first 0, 1, …
    np.cumsum(rows, axis=1, out=total[:, 1:])
    return total.take(ends, axis=1) - total.take(starts, axis=1)
