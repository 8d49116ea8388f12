"""The automatic `target_feature` and `normalization`: rules on the training set.

Both are functions of the data alone, without a random split: shuffling the sequences
changes nothing, and an integer weight counts like repeated sequences.
"""

from __future__ import annotations

import numpy as np

from sklearn_gru._encoding.normalizations import (
    last_observed,
    median_of_known,
    moments,
)
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.wide_rows import column_ends
from sklearn_gru._support.numbers import evenly
from sklearn_gru._support.on_disk import is_on_disk
from sklearn_gru._support.remembered import remembered

_LOOKED_AT = 4096  # sequences
# Sequences of a training set; of more, windows that follow a rule would become arrays.
_MOST_REMEMBERED = 1 << 16
_FURTHEST = 1024  # rows between the end of a window and the row of its target
_ALIKE = 0.9  # share of the targets that must be the value of a later row
_FEW_OF = 8  # every 8th sequence is checked first
_STEPS = 64  # read by the linear stand-in
_RIDGE = np.logspace(-6, 1, 8)  # in units of the number of sequences

# Sizes this far apart, among the middle four fifths of the sequences, are scaled.
_APART = 30.0

# A short window tells its deviation with noise, so dividing by it must win clearly:
# `python -m tests.benchmarks.accuracy.rules` prints the errors on development series.
_PENALTIES = {None: 1.0, "last": 1.0, "standard": 1.1}


def continued_channel(
    sequences: Sequences, y: np.ndarray, numeric: np.ndarray
) -> int | None:
    """Return the numeric channel whose next values y holds, or None.

    The values of y (n, n_outputs) must be those of one channel at a fixed number of
    rows after each sequence or, for shuffled sequences, must occur in one channel. If
    two channels agree with y, neither is chosen.
    """
    if len(sequences) > _MOST_REMEMBERED or is_on_disk(sequences.values):
        return _continued_channel(sequences, y, numeric)
    places = sequences.starts, sequences.lengths
    return _continued_channel_of_few(sequences.values, *places, y, numeric)


@remembered
def _continued_channel_of_few(
    values: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    y: np.ndarray,
    numeric: np.ndarray,
) -> int | None:
    return _continued_channel(Sequences(values, starts, lengths), y, numeric)


def _continued_channel(
    sequences: Sequences, y: np.ndarray, numeric: np.ndarray
) -> int | None:
    some = evenly(len(sequences), 256)
    first = y[some, 0].astype(sequences.dtype)
    if len(np.unique(first)) < min(10, len(some)):
        return None
    found = numeric[_follow(sequences[some], first, numeric)]
    if is_on_disk(sequences.values):  # the rows after a few sequences say enough
        return int(found[0]) if len(found) == 1 and y.shape[1] == 1 else None
    values = sequences.values
    if len(found) == 0:
        found = numeric[_occur(first, values[:, numeric])]
    if len(found) != 1:
        return None
    if y.shape[1] == 1:
        return int(found[0])
    # Further outputs are further steps of that channel, or others are not continued.
    further = np.isin(y[some, 1:].astype(sequences.dtype), values[:, found[0]])
    return int(found[0]) if (further.mean(axis=0) >= _ALIKE).all() else None


def _follow(sequences: Sequences, first: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    """Return the mask (n_numeric,) of channels that hold most targets at one distance.

    A few of the sequences suffice to reject most channels.
    """
    ends = sequences.starts + sequences.lengths
    row = ends[:, None] + np.arange(_FURTHEST)
    inside = row < len(sequences.values)
    enough = 2 * inside.sum(axis=0) > len(ends)
    row, inside = row[:, enough], inside[:, enough]
    row = np.minimum(row, len(sequences.values) - 1)
    count = inside.sum(axis=0)
    follow = np.zeros(len(numeric), dtype=bool)
    few = slice(None, None, _FEW_OF)
    for k, column in enumerate(numeric):
        values = sequences.values[:, column]
        others = inside[few] & (values[row[few]] != first[few, None])
        at = np.flatnonzero((count - others.sum(axis=0)) / count >= _ALIKE)
        alike = inside[:, at] & (values[row[:, at]] == first[:, None])
        follow[k] = (alike.sum(axis=0) / count[at] >= _ALIKE).any()
    return follow


def _occur(first: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mask (n_numeric,) of channels in which most targets occur anywhere.

    The smallest and the largest value suffice to reject most channels.
    """
    occur = np.zeros(values.shape[1], dtype=bool)
    for k, (low, high) in enumerate(zip(*column_ends(values), strict=True)):
        if ((first >= low) & (first <= high)).mean() >= _ALIKE:
            occur[k] = np.isin(first, values[:, k]).mean() >= _ALIKE
    return occur


def choose_normalization(
    sequences: Sequences, y: np.ndarray, weights: np.ndarray | None, column: int
) -> str | None:
    """Return the normalization with which a linear stand-in predicts y best.

    Ridge regression on the latest steps of the channel that y continues learns from the
    earlier four fifths of the training set and is judged on the latest fifth (on all
    sequences, if they have no order), in units of each sequence's own deviation. Its
    predictions stay within the targets it has seen, as those of a network do, which no
    more follow a trend. A linear model also follows series of very different size,
    which a network does not: they are scaled without asking it.
    """
    some = evenly(len(sequences), _LOOKED_AT)
    sequences, y = sequences[some].compact(), y[some].astype(np.float64)
    weights = np.ones(len(some)) if weights is None else weights[some]
    channel = _latest_steps(sequences, column)
    learns = _earlier(sequences.order, weights)
    places = channel.starts, channel.lengths
    return _best_normalization(channel.values, *places, learns, y, weights)


@remembered
def _best_normalization(
    values: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    learns: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
) -> str | None:
    channel = Sequences(values, starts, lengths)
    shift, own = moments(channel)
    if _are_apart(shift, own, weights):
        return "standard"
    own = np.fmax(own, 1e-3 * median_of_known(own[:, 0], weights))
    own[~(own > 0)] = 1.0
    last = last_observed(channel)
    levels = {
        None: (np.zeros_like(last), np.ones_like(last)),
        "last": (np.nan_to_num(last), np.ones_like(last)),
        "standard": (np.nan_to_num(shift), own),
    }
    steps = np.asarray(channel, dtype=np.float64)[:, :, 0]
    errors = {
        name: _PENALTIES[name] * _error(steps, y, weights, own, *level, learns)
        for name, level in levels.items()
    }
    return min(errors, key=errors.__getitem__)


def sizes_are_apart(
    sequences: Sequences, weights: np.ndarray | None, column: int
) -> bool:
    """Return whether levels and deviations of a channel differ by far.

    Series of such different size have no common scale, so sequences are scaled.
    """
    some = evenly(len(sequences), _LOOKED_AT)
    weights = np.ones(len(some)) if weights is None else weights[some]
    channel = _latest_steps(sequences[some].compact(), column)
    return _are_apart(*moments(channel), weights)


def _are_apart(shift: np.ndarray, own: np.ndarray, weights: np.ndarray) -> bool:
    sizes = np.abs(shift[:, 0]), own[:, 0]
    return min(_spread(size, weights) for size in sizes) > _APART


def _error(
    steps: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    own: np.ndarray,
    shift: np.ndarray,
    scale: np.ndarray,
    learns: np.ndarray,
) -> float:
    """Return the smallest mean squared error of ridge regression, in own units."""
    x, target = (steps - shift) / scale, (y - shift) / scale
    x = np.where(np.isnan(x), _column_means(x[learns], weights[learns]), x)
    judged = learns if learns.all() else ~learns
    a, b, w = x[learns], target[learns], weights[learns, None] / weights[learns].sum()
    mean_a, mean_b = (w * a).sum(axis=0), (w * b).sum(axis=0)
    a, b = a - mean_a, b - mean_b
    spread = np.sqrt((w * a * a).sum(axis=0))
    a = a / np.where(spread > 0, spread, 1.0)
    moment, product = a.T @ (w * a), a.T @ (w * b)
    penalties = _RIDGE[:, None, None] * np.eye(len(moment))
    coefs = np.linalg.solve(moment + penalties, product)
    ends = target[learns].min(axis=0), target[learns].max(axis=0)
    x, y, size = x[judged] - mean_a, target[judged], scale[judged] / own[judged]
    errors = []
    for coef in coefs / np.where(spread > 0, spread, 1.0)[:, None]:
        error = (((np.clip(x @ coef + mean_b, *ends) - y) * size) ** 2).mean(axis=1)
        errors.append(np.average(error, weights=weights[judged]))
    return float(min(errors))


def _latest_steps(sequences: Sequences, column: int) -> Sequences:
    """Return the latest steps of one channel, as sequences of that channel."""
    lengths = np.minimum(sequences.lengths, _STEPS)
    starts = sequences.starts + sequences.lengths - lengths
    return Sequences(sequences.values[:, column : column + 1], starts, lengths)


def _earlier(order: np.ndarray | None, weights: np.ndarray) -> np.ndarray:
    """Return the mask of the earlier four fifths; all without an order."""
    if order is None:
        return np.ones(len(weights), dtype=bool)
    by_time = np.argsort(order, kind="stable")
    total = np.cumsum(weights[by_time])
    cut = order[by_time][np.searchsorted(total, 0.8 * total[-1])]
    earlier = order < cut
    return earlier if earlier.any() else np.ones(len(weights), dtype=bool)


def _column_means(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted means of the cells that are not NaN; 0 without any."""
    known = ~np.isnan(x)
    total = weights @ known
    return (weights @ np.where(known, x, 0.0)) / np.where(total > 0, total, 1.0)


def _spread(sizes: np.ndarray, weights: np.ndarray) -> float:
    """Return the ratio of the last to the first decile of the sizes above 0."""
    known = sizes > 0
    if not known.any():
        return 1.0
    low, high = np.quantile(
        sizes[known], [0.1, 0.9], weights=weights[known], method="inverted_cdf"
    )
    return float(high / low)
