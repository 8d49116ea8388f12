"""Numbers that several folders compute alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Values of which it takes less time to look at each than to add them up.
_FEW = 2048
_SOME = 1 << 20  # of which an array of booleans may be made


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
    if n <= most:
        return np.arange(n)
    return np.unique(np.linspace(0, n - 1, most).astype(np.int64))


def stretches(weight: np.ndarray, n: int) -> np.ndarray:
    """Return which of n stretches of equal weight each element (m,) lies in."""
    total = np.cumsum(weight)
    number = ((total - weight / 2) * (n / total[-1])).astype(np.int64)
    return np.minimum(number, n - 1)


def may_have_nan(values: np.ndarray) -> bool:
    """Return False if no value is NaN; ten times as fast as checking each value."""
    if values.size <= _FEW:
        return bool(np.count_nonzero(np.isnan(values)))  # any() takes twice as long
    return bool(np.isnan(_sum(values)))


def none_infinite(values: np.ndarray) -> bool:
    """Return True if no value is infinite; values may be NaN.

    False does not say that one is: many values with NaN are not looked at.
    """
    if values.size > _FEW and np.isfinite(_sum(values)):
        return True
    return values.size <= _SOME and not np.count_nonzero(np.isinf(values))


def _sum(values: np.ndarray) -> float:
    """Return a sum of floats, which numpy.sum adds up in a careful order, and slower.

    It does not warn if the sum overflows.
    """
    return float(np.einsum(values, range(values.ndim), []))
