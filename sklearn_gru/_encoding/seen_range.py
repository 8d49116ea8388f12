"""The range of the training data, and the warning about values far outside it.

A network does not extrapolate: after a trend or a change of level, its predictions stay
near the targets that it was trained on, without any other sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.warn import warn
from sklearn_gru.exceptions import UnseenDataWarning

# Far outside is beyond the range by more than this share of it, in more than half of
# the steps: noise and single outliers are not. This share of the sequences must be.
_MARGIN = 0.1
_SEQUENCES = 0.1
# A feature of so few values is a code, such as a month: its level says little.
_FEW_VALUES = 12
_LOOKED_AT = 4096  # rows


@dataclass(frozen=True, eq=False)
class SeenRange:
    """Smallest and largest value of each feature; NaN where fit saw none.

    Attributes
    ----------
    low, high : ndarray of shape (n_features,)
        Ends of the range.
    is_code : ndarray of bool of shape (n_features,)
        Mask of the features that took only few values.
    """

    low: np.ndarray
    high: np.ndarray
    is_code: np.ndarray

    @classmethod
    def of(cls, sequences: Sequences, before: SeenRange | None = None) -> SeenRange:
        """Return the range of the rows of sequences, and of an earlier fit."""
        low = np.fmin.reduce(sequences.values, axis=0)
        high = np.fmax.reduce(sequences.values, axis=0)
        if before is not None:
            low, high = np.fmin(low, before.low), np.fmax(high, before.high)
            return cls(low, high, before.is_code)
        some = sequences.values[:: max(1, len(sequences.values) // _LOOKED_AT)]
        n_values = [len(np.unique(column[~np.isnan(column)])) for column in some.T]
        return cls(low, high, np.array(n_values) <= _FEW_VALUES)

    def warn_outside(self, sequences: Sequences) -> None:
        """Warn about sequences most of whose steps lie far outside."""
        values = sequences.values
        margin = _MARGIN * (self.high - self.low)
        outside = ~self.is_code & (
            (values < self.low - margin) | (values > self.high + margin)
        )
        if not outside.any():
            return
        total = np.zeros((len(values) + 1, values.shape[1]), dtype=np.int64)
        np.cumsum(outside, axis=0, out=total[1:])
        ends = sequences.starts + sequences.lengths
        steps = total[ends] - total[sequences.starts]  # (n, n_features)
        mostly = 2 * steps > sequences.lengths[:, None]
        count = mostly.sum(axis=0)
        worst = int(count.argmax())
        if count[worst] > _SEQUENCES * len(sequences):
            self._warn(sequences, worst, mostly.any(axis=1))

    def _warn(self, sequences: Sequences, j: int, far: np.ndarray) -> None:
        names = sequences.feature_names
        name: Any = j if names is None else names[j]
        column = sequences[far].without_gaps().values[:, j]
        low, high = np.nanmin(column), np.nanmax(column)
        beyond = high if high > self.high[j] else low
        warn(
            f"{far.sum()} of {len(far)} sequences lie far outside the training data in "
            f"most of their steps: feature {name!r} reaches {beyond:.6g}, and fit saw "
            f"{self.low[j]:.6g} to {self.high[j]:.6g}. A network does not extrapolate. "
            "If the level changes, as with a trend, set normalization='last' (and in a "
            "regressor target_feature= to the feature that y continues); otherwise fit "
            "on data that reach as far.",
            UnseenDataWarning,
        )
