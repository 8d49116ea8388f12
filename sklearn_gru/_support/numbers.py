"""Numbers that several folders compute alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def nonzero_scale(std: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return `std`, or 1 where the column is constant up to rounding."""
    rounding = 10 * np.finfo(np.float64).eps * np.abs(mean)
    return np.where(std > rounding, std, 1.0)


def unit_exponent(largest: np.ndarray) -> np.ndarray:
    """Return e such that ``ldexp(x, -e)`` can be squared; 0 for ordinary numbers.

    `largest` are the largest absolute values. Scaling by a power of two keeps all bits.
    """
    ordinary = (largest == 0) | ((largest > 1e-100) & (largest < 1e100))
    return np.where(ordinary, 0, np.frexp(largest)[1])


def mean_of(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of arrays, each divided first, so that no sum overflows.

    They are added in their order: the same arrays give the same bits, and values in
    ascending order stay so.
    """
    if len(parts) == 1:
        return parts[0]
    total = parts[0] / len(parts)
    for part in parts[1:]:
        total += part / len(parts)
    return total


def evenly(n: int, most: int) -> np.ndarray:
    """Return at most so many of n positions, at even distances."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
