"""The errors of a forecaster of newest steps, in robust standard deviations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._estimators.newest_steps import Context, NewestSteps, blocks
from sklearn_gru.exceptions import UnseenDataWarning

# An error beyond this many deviations counts as this many: one broken reading does not
# outweigh all others of its window.
_CLIP = 50.0

# Parts that the held-out sequences are divided into: each is judged by the scale of the
# others.
_PARTS = 20


@dataclass(frozen=True, eq=False)
class ForecastErrors:
    """A fitted forecaster, and the usual size of its errors.

    Attributes
    ----------
    regressor : estimator
        Forecaster of the newest step.
    context : Context
        The steps that it reads.
    channels : ndarray of int of shape (n_channels,)
        Positions of the channels that it forecasts.
    center, scale : ndarray of shape (n_channels,)
        Median and robust standard deviation of the errors.
    """

    regressor: Any
    context: Context
    channels: np.ndarray
    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(
        cls,
        regressor: Any,
        context: Context,
        channels: np.ndarray,
        sequences: Sequences,
        spread: np.ndarray,
    ) -> ForecastErrors:
        """Measure the errors at the newest steps of sequences.

        The deviation is at least 0.001 of the `spread` of each channel.
        """
        one = np.ones(len(channels))
        plain = cls(regressor, context, channels, 0 * one, one)
        return plain._scaled(plain._raw_newest(sequences), spread)

    def of_newest(self, sequences: Sequences) -> np.ndarray:
        """Return the errors (n, n_channels) at the newest steps."""
        parts = [self._of_last(block, 1)[:, 0] for block in blocks(sequences)]
        return np.concatenate(parts)

    def sizes(self, sequences: Sequences, k: int) -> np.ndarray:
        """Return the root mean square (n,) of the errors at the last `k` steps.

        It is 0 where there was nothing to judge.
        """
        parts = [_root_mean_square(self._of_last(b, k)) for b in blocks(sequences)]
        return np.concatenate(parts)

    def unseen_sizes(
        self, sequences: Sequences, k: int, spread: np.ndarray
    ) -> np.ndarray:
        """Return the sizes (n,) that sequences in order of time have as new ones.

        Errors that take part in the center and the scale are smaller than new ones, so
        each part of the sequences is judged by the center and the scale of the others:
        cross-conformal prediction (Vovk 2015). The sequences just before a part share
        smoothed steps with it and are left out too.
        """
        n, error = len(sequences), self._raw_newest(sequences)
        shared = min(k - 1, n // 2)
        sizes = np.empty(n)
        for part in np.array_split(np.arange(n), min(_PARTS, n)):
            near = slice(max(0, part[0] - shared), part[-1] + 1)
            apart = self._scaled(np.delete(error, near, axis=0), spread)
            sizes[part] = apart.sizes(sequences[part], k)
        return sizes

    def _scaled(self, error: np.ndarray, spread: np.ndarray) -> ForecastErrors:
        """Return the same with the center and the scale of errors (m, n_channels)."""
        center = np.median(error, axis=0)
        deviation = 1.4826 * np.median(np.abs(error - center), axis=0)
        floor = 1e-3 * spread
        scale = np.where(deviation > floor, deviation, error.std(axis=0))
        scale = np.maximum(scale, np.where(floor > 0, floor, 1.0))
        return replace(self, center=center, scale=scale)

    def _raw_newest(self, sequences: Sequences) -> np.ndarray:
        return self._raw(NewestSteps.of(sequences, self.context))

    def _of_last(self, sequences: Sequences, k: int) -> np.ndarray:
        """Return the errors (n, k, n_channels) at the last `k` steps."""
        steps = NewestSteps.of(sequences, self.context, k)
        error = np.clip((self._raw(steps) - self.center) / self.scale, -_CLIP, _CLIP)
        absent = np.full((1, error.shape[1]), np.nan)
        return np.concatenate([error, absent])[steps.place]

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


def _root_mean_square(errors: np.ndarray) -> np.ndarray:
    """Return the value per sequence over what was judged; 0 where nothing was."""
    squares = errors.reshape(len(errors), -1) ** 2
    judged = ~np.isnan(squares)
    total = np.where(judged, squares, 0.0).sum(axis=1)
    return np.sqrt(total / np.maximum(judged.sum(axis=1), 1))
