"""Numbers that several folders compute alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sklearn_gru._support.on_disk import blocks

_WIDE = 1024  # values in a wide row
_FEW = 64  # rows that are not worth to be reshaped


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


def column_ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest value of each column; NaN without any."""
    if len(values) <= _FEW:
        low = np.fmin.reduce(values, axis=0, initial=np.nan)
        return low, np.fmax.reduce(values, axis=0, initial=np.nan)
    low, high = np.full((2, values.shape[1]), np.nan, dtype=values.dtype)
    for part in blocks(len(values)):
        rows = _wide(values[part])
        low = np.fmin(low, _reduced(np.fmin, *rows))
        high = np.fmax(high, _reduced(np.fmax, *rows))
    return low, high


def _wide(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows reshaped so that several form a wide one, and the remaining rows.

    NumPy reduces wide rows 20 times as fast as narrow ones, and computes with them
    twice as fast.
    """
    n, width = rows.shape
    many = max(1, _WIDE // max(1, width))
    n_wide = n // many
    even = n_wide * many
    return rows[:even].reshape(n_wide, many * width), rows[even:]


def by_column(
    function: np.ufunc, rows: np.ndarray, columns: np.ndarray, out: np.ndarray
) -> None:
    """Write function(rows, columns), where `columns` has one row, to `out`."""
    if len(rows) <= _FEW or not out.flags.c_contiguous:
        function(rows, columns, out=out)
        return
    (wide, rest), (wide_out, rest_out) = _wide(rows), _wide(out)
    many = wide.shape[1] // max(1, rows.shape[1])
    function(wide, np.tile(columns, many), out=wide_out)
    function(rest, columns, out=rest_out)


def _reduced(function: np.ufunc, wide: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return what a function makes of each column, NaN aside."""
    shape = wide.shape[1] // max(1, rest.shape[1]), rest.shape[1]
    folded = function.reduce(wide, axis=0, initial=np.nan).reshape(shape)
    return function.reduce(np.concatenate([folded, rest]), axis=0, initial=np.nan)


def evenly(n: int, most: int) -> np.ndarray:
    """Return at most so many of n positions, at even distances."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
