"""Weights of the linear part and the network, from outputs for other sequences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sklearn_gru._support.numbers import stretches

# Ridge regression cannot be more certain than this: separable classes have no best one.
_MOST_CERTAIN = 30.0

_PRIOR = 0.25  # deviation of the shares of other data sets
_STRETCHES = 8

_LEAST_NETWORK = 0.01  # weight of the network beside ridge regression and the mean


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


class Mix(NamedTuple):
    """Recipe of a linear part: the ridge regression, and its weight."""

    penalty: float
    factor: float  # of the outputs of ridge regression
    share: float


def squares_share(
    network: np.ndarray, linear: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> float:
    """Return the share of the least squared error; all (n, n_outputs), weight (n,)."""
    gap, error = linear - network, target - network
    size = float((weight[:, None] * gap * gap).sum())
    best = float((weight[:, None] * gap * error).sum()) / size if size > 0 else 0.0
    return min(max(best, 0.0), 1.0)


def cautious_share(
    network: np.ndarray, linear: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> float:
    """Return the share of the least squared error, drawn toward 1/2.

    The share is a mean of both, weighted by the variance of a prior around 1/2 and that
    of the best share (Diebold & Pauly 1990). Neighbors err alike, so the latter is the
    variance between stretches of sequences; one stretch tells nothing. The share is 0
    if both outputs are the same, or apart by more than float64 can square.
    """
    gap, error = linear - network, target - network
    with np.errstate(over="ignore", invalid="ignore"):
        slope = weight * (gap * error).sum(axis=1)
        size = weight * (gap * gap).sum(axis=1)
        total = size.sum()
        if not 0 < total < np.inf:
            return 0.0
        best = float(slope.sum() / total)
        number = stretches(weight / weight.max(), _STRETCHES)
        n = len(np.unique(number[weight > 0]))
        if n == 1:
            return 0.5
        sums = np.bincount(number, (slope - best * size) / total)
        variance = float((sums * sums).sum()) * n / (n - 1)
    trust = _PRIOR**2 / (_PRIOR**2 + variance)
    return _within(0.0, trust * best + (1.0 - trust) * 0.5, 1.0)


def squares_weights(
    network: np.ndarray, linear: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> tuple[float, float]:
    """Return the weights of network and linear part with the least squared error.

    They are not negative, and their sum is at most 1 (stacked regressions, Breiman
    1996): where both know little, what is left of 1 is the weight of 0, the mean. That
    of the network is at least a hundredth: fit trains it, and streams read it.
    """
    parts = np.stack([network, linear])
    moment = np.einsum("ino,jno,n->ij", parts, parts, weight)
    product = np.einsum("ino,no,n->i", parts, target, weight)
    own, both, other = (float(moment[i]) for i in ((0, 0), (0, 1), (1, 1)))
    low = _LEAST_NETWORK
    # The best pair lies inside the triangle of all pairs, or is the best of an edge.
    found = [(_within(low, product[0] / own if own > 0 else low, 1.0), 0.0)]
    if other > 0:
        most = min(squares_share(network, linear, target, weight), 1.0 - low)
        found.append((1.0 - most, most))
        found.append((low, _within(0.0, (product[1] - low * both) / other, 1.0 - low)))
        if own * other - both**2 > 1e-9 * own * other:
            inside = np.linalg.solve(moment, product)
            if inside[0] >= low and inside[1] >= 0 and inside.sum() <= 1:
                found.append((float(inside[0]), float(inside[1])))

    def error(pair: tuple[float, float]) -> float:
        w = np.array(pair)
        return float(w @ moment @ w - 2 * w @ product)

    return min(found, key=error)


def _within(low: float, value: float, high: float) -> float:
    return float(min(max(value, low), high))


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
