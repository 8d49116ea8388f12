"""The share of the linear part: the best on a validation set, or a cautious one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Ridge regression cannot be more certain than this: separable classes have no best one.
_MOST_CERTAIN = 30.0


class Judged(NamedTuple):
    """Linear outputs of sequences that the linear part was not fitted to.

    Attributes
    ----------
    linear : ndarray of shape (n, n_outputs)
        Linear outputs.
    network : ndarray of shape (n, n_outputs), or None
        Those of the network, if it was not fitted to these sequences either.
    target : ndarray of shape (n, n_outputs) or (n,)
        Encoded targets.
    weight : ndarray of shape (n,)
        Weights.
    """

    linear: np.ndarray
    network: np.ndarray | None
    target: np.ndarray
    weight: np.ndarray


def squares_share(
    network: np.ndarray, linear: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> float:
    """Return the share of the least squared error; all (n, n_outputs), weight (n,)."""
    gap, error = linear - network, target - network
    size = float((weight[:, None] * gap * gap).sum())
    best = float((weight[:, None] * gap * error).sum()) / size if size > 0 else 0.0
    return min(max(best, 0.0), 1.0)


def explained(predicted: np.ndarray, target: np.ndarray, weight: np.ndarray) -> float:
    """Return the share of the variance of the targets that is explained, at least 0."""
    weight = weight[:, None] / weight.sum()
    total = float((weight * (target - (weight * target).sum(axis=0)) ** 2).sum())
    left = float((weight * (target - predicted) ** 2).sum())
    return max(0.0, 1.0 - left / total) if total > 0 else 0.0


def certainty(scores: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> float:
    """Return the factor that turns scores (n, n_classes) into logits.

    This is temperature scaling (Guo et al. 2017).
    """
    return _least_cross_entropy(0.0 * scores, scores, codes, weight, _MOST_CERTAIN)


def cross_entropy_share(
    network: np.ndarray, linear: np.ndarray, codes: np.ndarray, weight: np.ndarray
) -> float:
    """Return the share of least cross-entropy in the mean of two logits."""
    return _least_cross_entropy(network, linear - network, codes, weight, 1.0)


def _least_cross_entropy(
    start: np.ndarray,
    direction: np.ndarray,
    codes: np.ndarray,
    weight: np.ndarray,
    most: float,
) -> float:
    """Return the t from 0 to `most` of least cross-entropy of start + t * direction.

    It is convex in t, so its slope is bisected.
    """
    own = direction[np.arange(len(codes)), codes]

    def slope(t: float) -> float:
        logits = start + t * direction
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        expected = (odds * direction).sum(axis=1) / odds.sum(axis=1)
        return float(weight @ (expected - own))

    low, high = 0.0, most
    if slope(low) >= 0:
        return low
    if slope(high) <= 0:
        return high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return (low + high) / 2
