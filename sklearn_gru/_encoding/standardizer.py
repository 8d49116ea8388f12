"""Standardization of sequences, including their missing cells.

The moments are those of the dense array of all steps, with every sequence counted by
its weight. They are computed on the flat rows, each weighted by the sequences that use
it, so windows cost no more than their rows. Sums are accumulated in float64, block by
block: a column of large numbers (a timestamp, a price) keeps its digits even though the
network computes in float32.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.wide_rows import by_column
from sklearn_gru._support.numbers import nonzero_scale, unit_exponent
from sklearn_gru._support.warn import warn

# What a network of float32 reads in place of larger numbers; products of it and of
# weights must not overflow.
_LARGEST = 1e30
_TOO_LARGE = (
    "X holds values that are more standard deviations from those in fit than float32 "
    f"can hold; they are read as {_LARGEST:g}. Look for wrong units or markers of "
    "missing values, and replace those by NaN."
)

_ROWS_PER_BLOCK = 8192  # a few hundred kilobytes of float64, which stay in the cache


# Writes (values - mean) / scale of the first rows to memory; returns how many.
Begin = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], int]


@dataclass(frozen=True, eq=False)
class Standardizer:
    """Affine map of the columns, and the columns whose missing cells are marked.

    Columns of categories are not quantities: code k becomes row k + 1 of a table of
    embeddings, and a missing category becomes row 0.

    Attributes
    ----------
    mean, scale : ndarray of shape (n_features,)
        The network sees ``(x - mean) / scale``.
    marked : ndarray of shape (n_marked,)
        Columns in which fit saw missing cells; each adds an indicator column.
    embedded : ndarray of shape (n_embedded,)
        Columns of categories; they come last in the output.
    """

    mean: np.ndarray
    scale: np.ndarray
    marked: np.ndarray
    embedded: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @classmethod
    def fit(
        cls,
        sequences: Sequences,
        weights: np.ndarray | None,
        *,
        identity: bool,
        embedded: np.ndarray | None = None,
    ) -> Standardizer:
        """Learn weighted moments of all observed steps; with `identity`, only marks."""
        found = cls._moments(sequences, weights, identity=identity)
        if embedded is None or not len(embedded):
            return found
        mean, scale = found.mean.copy(), found.scale.copy()
        mean[embedded], scale[embedded] = -1.0, 1.0  # index = code + 1
        return cls(mean, scale, np.setdiff1d(found.marked, embedded), embedded)

    @classmethod
    def _moments(
        cls, sequences: Sequences, weights: np.ndarray | None, *, identity: bool
    ) -> Standardizer:
        origin = _origin(sequences, weights)
        total, first = np.zeros((2, len(origin)))
        marked = np.zeros(len(origin), dtype=bool)
        for rows, weight in _blocks(sequences, weights):
            by_column(np.subtract, rows, origin, out=rows)
            sums = weight @ rows
            if np.isnan(sums).any():
                missing = np.isnan(rows)
                marked |= missing.any(axis=0)
                total += weight @ ~missing
                rows[missing] = 0.0
                sums = weight @ rows
            else:
                total += weight.sum()
            first += sums
        if identity:
            zeros = np.zeros(len(origin))
            return cls(zeros, zeros + 1, np.flatnonzero(marked))
        total = np.maximum(total, np.finfo(float).tiny)
        mean = origin + first / total
        std = _deviation(sequences, weights, mean, total)
        return cls(mean, nonzero_scale(std, mean), np.flatnonzero(marked))

    @property
    def n_inputs(self) -> int:
        """Number of columns after :meth:`transform`."""
        return len(self.mean) + len(self.marked)

    def transform(
        self,
        values: np.ndarray,
        dtype: np.dtype,
        *,
        keep_missing: bool = False,
        n_before: int = 0,
        out: np.ndarray | None = None,
        begin: Begin | None = None,
    ) -> np.ndarray:
        """Return rows (n_rows, n_inputs): standardized columns, then marks and indices.

        Missing cells become 0. With `keep_missing` they stay NaN, so that a later shift
        can leave them out. `n_before` columns in front of them are left for others.
        `out` may be the memory of the values. `begin` may write the first rows.
        """
        n_numeric = len(self.mean) - len(self.embedded)
        n_dense = self.n_inputs - len(self.embedded)
        done = 0
        if out is None:
            out = np.empty((len(values), n_before + self.n_inputs), dtype=dtype)
            is_plain = not n_before and n_numeric == self.n_inputs
            if begin is not None and is_plain and dtype == np.float32:
                done = begin(values, self.mean, self.scale, out)
        buffer = np.empty((min(len(values), _ROWS_PER_BLOCK), len(self.mean)))
        most = _largest_of(dtype)
        for at in range(done, len(values), _ROWS_PER_BLOCK):
            rows = buffer[: len(values) - at]
            given = values[at : at + _ROWS_PER_BLOCK]
            by_column(np.subtract, given, self.mean, out=rows)
            by_column(np.divide, rows, self.scale, out=rows)
            block = out[at : at + _ROWS_PER_BLOCK, n_before:]
            if n_dense > n_numeric:
                block[:, n_numeric:n_dense] = 0.0
            largest = _largest(rows)
            if math.isnan(largest):
                missing = np.isnan(rows)
                block[:, n_numeric:n_dense] = missing[:, self.marked]
                if keep_missing:
                    missing &= np.isin(np.arange(len(self.mean)), self.embedded)
                rows[missing] = 0.0
                largest = np.fmax.reduce(np.abs(rows), axis=None, initial=0.0)
            if largest > most:
                warn(_TOO_LARGE, RuntimeWarning)
                rows = rows.clip(-_LARGEST, _LARGEST)
            if len(self.embedded):
                block[:, n_dense:] = rows[:, self.embedded]
                rows = np.delete(rows, self.embedded, axis=1)
            block[:, :n_numeric] = rows
        return out


@functools.cache
def _largest_of(dtype: np.dtype) -> float:
    return float(np.finfo(dtype).max)


def _largest(rows: np.ndarray) -> float:
    """Return the largest absolute value; NaN if a value is missing."""
    return max(rows.max(), -rows.min()) if rows.size else 0.0


def _deviation(
    sequences: Sequences,
    weights: np.ndarray | None,
    mean: np.ndarray,
    total: np.ndarray,
) -> np.ndarray:
    """Return the weighted standard deviation of each column."""
    with np.errstate(over="ignore", invalid="ignore"):
        second = _squares(sequences, weights, mean, np.zeros(len(mean), dtype=int))
    ordinary = (second > 1e-200) & (second < 1e200)
    if ordinary.all():
        return np.sqrt(second / total)
    # Squares of huge or tiny numbers leave the range of float64; so does no power of
    # two times them.
    largest = np.zeros(len(mean))
    for rows, _ in _blocks(sequences, weights):
        largest = np.fmax(largest, np.nan_to_num(np.abs(rows - mean)).max(axis=0))
    exponent = np.where(ordinary, 0, unit_exponent(largest))
    second = _squares(sequences, weights, mean, exponent)
    return np.ldexp(np.sqrt(second / total), exponent)


def _squares(
    sequences: Sequences,
    weights: np.ndarray | None,
    mean: np.ndarray,
    exponent: np.ndarray,
) -> np.ndarray:
    """Return the weighted sums of the squares of ``(x - mean) / 2**exponent``."""
    total = np.zeros(len(mean))
    for rows, weight in _blocks(sequences, weights):
        by_column(np.subtract, rows, mean, out=rows)
        if exponent.any():
            np.ldexp(rows, -exponent, out=rows)
        rows *= rows
        sums = weight @ rows
        if np.isnan(sums).any():
            rows[np.isnan(rows)] = 0.0
            sums = weight @ rows
        total += sums
    return total


def _origin(sequences: Sequences, weights: np.ndarray | None) -> np.ndarray:
    """Return the first value of each column, relative to which a constant is 0."""
    origin = _first_row(sequences, weights)
    if not np.isnan(origin).any():
        return origin
    for rows, _ in _blocks(sequences, weights):
        known = ~np.isnan(rows)
        found = rows[known.argmax(axis=0), np.arange(len(origin))]
        origin = np.where(np.isnan(origin), found, origin)
        if not np.isnan(origin).any():
            break
    return np.nan_to_num(origin, nan=0.0)


def _first_row(sequences: Sequences, weights: np.ndarray | None) -> np.ndarray:
    """Return the first row in use, in float64; zeros if none is."""
    for part, coverage in sequences.coverage_blocks(weights):
        used = coverage > 0
        if used.any():
            return sequences.values[part.start + used.argmax()].astype(np.float64)
    return np.zeros(sequences.shape[2])


def _blocks(
    sequences: Sequences, weights: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows in use in float64 with their weights, block by block."""
    for part, coverage in sequences.coverage_blocks(weights):
        for at in range(0, len(coverage), _ROWS_PER_BLOCK):
            weight = coverage[at : at + _ROWS_PER_BLOCK].astype(np.float64)
            used = weight > 0
            if not used.any():
                continue
            first = part.start + at
            rows = sequences.values[first : first + len(weight)].astype(np.float64)
            yield (rows, weight) if used.all() else (rows[used], weight[used])
