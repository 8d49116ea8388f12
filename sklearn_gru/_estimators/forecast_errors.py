"""The errors of a forecaster of newest steps, in robust standard deviations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.covariance import ledoit_wolf

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._estimators.newest_steps import Context, NewestSteps, blocks
from sklearn_gru.exceptions import UnseenDataWarning

# An error beyond this many deviations counts as this many: one broken reading does not
# outweigh all others of its window.
_CLIP = 50.0

# The same for the correlation of channels, which outliers would make 1 or -1.
_CORRELATION_CLIP = 3.0

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
    correlation : ndarray of shape (n_channels, n_channels)
        Correlation between the errors of two channels.
    """

    regressor: Any
    context: Context
    channels: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    correlation: np.ndarray

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
        plain = cls(regressor, context, channels, 0 * one, one, np.diag(one))
        return plain._scaled(plain._raw_newest(sequences), spread)

    def of_newest(self, sequences: Sequences) -> np.ndarray:
        """Return the errors (n, n_channels) at the newest steps."""
        parts = [self._of_last(block, 1)[:, 0] for block in blocks(sequences)]
        return np.concatenate(parts)

    def sizes(self, sequences: Sequences, k: int) -> np.ndarray:
        """Return the size (n,) of the errors at the last `k` steps.

        It is the root of the mean squared Mahalanobis distance per channel: the root
        mean square, if the channels are not correlated. It is 0 where there was nothing
        to judge.
        """
        parts = [self._size(self._of_last(block, k)) for block in blocks(sequences)]
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
        found = correlation_of((error - center) / scale)
        return replace(self, center=center, scale=scale, correlation=found)

    def _raw_newest(self, sequences: Sequences) -> np.ndarray:
        return self._raw(NewestSteps.of(sequences, self.context))

    def _of_last(self, sequences: Sequences, k: int) -> np.ndarray:
        """Return the errors (n, k, n_channels) at the last `k` steps."""
        steps = NewestSteps.of(sequences, self.context, k)
        error = np.clip((self._raw(steps) - self.center) / self.scale, -_CLIP, _CLIP)
        absent = np.full((1, error.shape[1]), np.nan)
        return np.concatenate([error, absent])[steps.place]

    def _size(self, errors: np.ndarray) -> np.ndarray:
        """Return the size (n,) of errors (n, k, n_channels)."""
        n, k, n_channels = errors.shape
        squares = squared_distances(errors.reshape(-1, n_channels), self.correlation)
        judged = (~np.isnan(errors)).sum(axis=(1, 2))
        return np.sqrt(squares.reshape(n, k).sum(axis=1) / np.maximum(judged, 1))

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


def correlation_of(errors: np.ndarray) -> np.ndarray:
    """Return the correlation of scaled errors (m, n_channels), robust and shrunk.

    Shrunk, it has an inverse also if there are more channels than errors.
    """
    n, n_channels = errors.shape
    if n < 2 or n_channels < 2:
        return np.eye(n_channels)
    covariance, _ = ledoit_wolf(
        np.clip(errors, -_CORRELATION_CLIP, _CORRELATION_CLIP), assume_centered=True
    )
    deviation = np.sqrt(np.diag(covariance))
    deviation[deviation == 0] = 1.0
    found = covariance / np.outer(deviation, deviation)
    np.fill_diagonal(found, 1.0)
    return found


def squared_distances(errors: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Return the squared Mahalanobis distances (m,) over what is not NaN."""
    known = ~np.isnan(errors)
    found = np.zeros(len(errors))
    patterns, members = np.unique(known, axis=0, return_inverse=True)
    for k, kept in enumerate(patterns):
        rows = np.flatnonzero(members.reshape(-1) == k)
        e = errors[np.ix_(rows, kept)]
        inverse = np.linalg.inv(correlation[np.ix_(kept, kept)])
        # A matrix product would round a row by how many are beside it.
        product = sum(e[:, [i]] * row for i, row in enumerate(inverse))
        found[rows] = (e * product).sum(axis=1)
    return found
