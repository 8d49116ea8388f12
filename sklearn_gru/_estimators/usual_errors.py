"""The usual errors of a forecaster: their center, scale and correlation, robustly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.covariance import ledoit_wolf

# An error beyond this many deviations counts as this many: one broken reading does not
# outweigh all others of its window.
_CLIP = 50.0

# The same for the correlation of channels, which outliers would make 1 or -1.
_CORRELATION_CLIP = 3.0


class Usual(NamedTuple):
    """The usual errors of steps that are forecast from so many steps, or more.

    Attributes
    ----------
    least : int
        Number of steps.
    center, scale : ndarray of shape (n_channels,)
        Median and robust standard deviation of the errors.
    correlation : ndarray of shape (n_channels, n_channels)
        Correlation between the errors of two channels.
    """

    least: int
    center: np.ndarray
    scale: np.ndarray
    correlation: np.ndarray

    @classmethod
    def of(cls, least: int, errors: np.ndarray, spread: np.ndarray) -> Usual:
        """Measure errors (m, n_channels).

        The deviation is at least 0.001 of the `spread` of each channel.
        """
        center = np.median(errors, axis=0)
        deviation = 1.4826 * np.median(np.abs(errors - center), axis=0)
        floor = 1e-3 * spread
        scale = np.where(deviation > floor, deviation, errors.std(axis=0))
        scale = np.maximum(scale, np.where(floor > 0, floor, 1.0))
        return cls(least, center, scale, correlation_of((errors - center) / scale))

    def scaled(self, errors: np.ndarray) -> np.ndarray:
        """Return errors in robust standard deviations."""
        return np.clip((errors - self.center) / self.scale, -_CLIP, _CLIP)


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
