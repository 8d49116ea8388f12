"""The errors of a forecaster of newest steps, in robust standard deviations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._estimators.newest_steps import Context, NewestSteps, blocks
from sklearn_gru._estimators.usual_errors import Usual, squared_distances
from sklearn_gru.exceptions import UnseenDataWarning

# Errors needed to measure what is usual after some number of steps.
_LEAST = 20

# Parts that the held-out sequences are divided into: each is judged by the scale of the
# others.
_PARTS = 20

# Errors (n, n_channels) by the number of steps that were read; NaN without so many.
Histories = dict[int, np.ndarray]


@dataclass(frozen=True, eq=False)
class ForecastErrors:
    """A fitted forecaster, and the usual size of its errors.

    A forecast from few steps errs more, and in other channels. So the usual errors are
    measured for 1, 2, 4, ... steps, by what the forecaster makes of the latest ones.

    Attributes
    ----------
    regressor : estimator
        Forecaster of the newest step.
    context : Context
        The steps that it reads.
    channels : ndarray of int of shape (n_channels,)
        Positions of the channels that it forecasts.
    usual : tuple of Usual
        Usual errors by the number of steps read; the last is that of most steps.
    """

    regressor: Any
    context: Context
    channels: np.ndarray
    usual: tuple[Usual, ...] = ()

    def of_newest(self, sequences: Sequences) -> np.ndarray:
        """Return the errors (n, n_channels) at the newest steps."""
        parts = [self._of_last(block, 1)[0][:, 0] for block in blocks(sequences)]
        return np.concatenate(parts)

    def sizes(self, sequences: Sequences, k: int) -> np.ndarray:
        """Return the size (n,) of the errors at the last `k` steps.

        It is the root of the mean squared Mahalanobis distance per channel: the root
        mean square, if the channels are not correlated. It is 0 where there was nothing
        to judge.
        """
        found = []
        for block in blocks(sequences):
            errors, squares = self._of_last(block, k)
            judged = (~np.isnan(errors)).sum(axis=(1, 2))
            found.append(np.sqrt(squares.sum(axis=1) / np.maximum(judged, 1)))
        return np.concatenate(found)

    def by_history(self, sequences: Sequences) -> Histories:
        """Return the errors at the newest steps, forecast from 1, 2, 4, ... steps.

        The last are those from all steps. All newest steps must be observed.
        """
        steps = NewestSteps.of(sequences, self.context)
        lengths = steps.before.lengths
        powers = [2**k for k in range(1, int(lengths.max()).bit_length())]
        enough = [n for n in powers if np.count_nonzero(lengths >= n) >= _LEAST]
        *short, whole = [1, *enough]
        found = {n: self._raw(steps.reading(n)) for n in short}
        found[whole] = self._raw(steps)
        for n, errors in found.items():
            errors[lengths < n] = np.nan
        return found

    def measured(self, histories: Histories, spread: np.ndarray) -> ForecastErrors:
        """Return the same, knowing what is usual from errors."""
        usual = [
            Usual.of(n, errors[~np.isnan(errors).any(axis=1)], spread)
            for n, errors in histories.items()
        ]
        return replace(self, usual=tuple(usual))

    def unseen_sizes(
        self, sequences: Sequences, histories: Histories, k: int, spread: np.ndarray
    ) -> np.ndarray:
        """Return the sizes (n,) that sequences in order of time have as new ones.

        Their errors take part in what is usual, so they are smaller than new ones. So
        each part of the sequences is judged by what is usual in the others:
        cross-conformal prediction (Vovk 2015). The sequences just before a part share
        smoothed steps with it and are left out too.
        """
        n = len(sequences)
        shared = min(k - 1, n // 2)
        sizes = np.empty(n)
        for part in np.array_split(np.arange(n), min(_PARTS, n)):
            near = slice(max(0, part[0] - shared), part[-1] + 1)
            others = {m: np.delete(e, near, axis=0) for m, e in histories.items()}
            sizes[part] = self.measured(others, spread).sizes(sequences[part], k)
        return sizes

    def _of_last(self, sequences: Sequences, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return errors (n, k, n_channels) and squared distances (n, k) of steps."""
        steps = NewestSteps.of(sequences, self.context, k)
        errors = self._raw(steps)
        squares = np.zeros(len(errors) + 1)
        least = [usual.least for usual in self.usual[1:]]
        level = np.searchsorted(least, steps.before.lengths, side="right")
        for number, usual in enumerate(self.usual):
            own = np.flatnonzero(level == number)
            errors[own] = usual.scaled(errors[own])
            squares[own] = squared_distances(errors[own], usual.correlation)
        errors = np.concatenate([errors, np.full((1, errors.shape[1]), np.nan)])
        return errors[steps.place], squares[steps.place]

    def _raw(self, steps: NewestSteps) -> np.ndarray:
        """Return value minus forecast (m, n_channels); NaN without input or value."""
        values = steps.values[:, self.channels].astype(np.float64)
        some = (steps.before.lengths > 0) & ~np.isnan(values).all(axis=1)
        found = np.full(values.shape, np.nan)
        if some.any():
            with warnings.catch_warnings():  # that is what the errors say
                warnings.simplefilter("ignore", UnseenDataWarning)
                forecast = np.asarray(self.regressor.predict(steps.before[some]))
            found[some] = values[some] - forecast.reshape(int(some.sum()), -1)
        return found
