"""Windows that end at consecutive rows: a rule in place of 16 bytes per window.

Windows of the rows of one series differ only in the row at which they end. With starts,
lengths and ranks in arrays they would take as much memory as a few features, and four
gigabytes of rows in a file would take one and a half of memory before anything is
learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import OF_COLUMNS, Sequences
from sklearn_gru._support.on_disk import BLOCK_ROWS, Place

FEW = 1 << 12  # windows, of which arrays are small, and faster than a rule


def sequences_of(array: np.ndarray, **about: Any) -> Sequences:
    """Return the sequences of a 3-D array, without a copy if its strides allow.

    A view of windows, each a row after the one before, has a rule.
    """
    n, n_steps, _ = array.shape
    if n < FEW or n_steps < 2 or not _are_consecutive(array):
        return Sequences.from_array(array, **about)
    rows = np.lib.stride_tricks.as_strided(
        array,
        shape=(n - 1 + n_steps, array.shape[2]),
        strides=array.strides[1:],
        writeable=False,
    )
    return ConsecutiveSequences(rows, n, n_steps, n_steps, **about)


def _are_consecutive(array: np.ndarray) -> bool:
    starts = Sequences.from_array(array[:2]).starts
    return bool((np.diff(starts) == 1).all())


class ConsecutiveSequences(Sequences):
    """Sequences that end one row after the other; arrays are made when asked for.

    Window i has the rows from ``end + i - window`` to ``end + i``, without those that
    lie outside the rows.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        The rows.
    n : int
        Number of windows.
    end : int
        Row after the last of the first window; 0 or less if that window is empty.
    window : int
        Number of rows of a whole window.
    rank : int, default=0
        Time rank of the first window.
    **about
        `n_steps`, `feature_names` and `categories`.
    """

    def __init__(
        self,
        values: np.ndarray,
        n: int,
        end: int,
        window: int,
        rank: int = 0,
        **about: Any,
    ) -> None:
        nothing = np.empty(0, dtype=np.int64)
        about.setdefault("n_steps", window)
        checked = Sequences(values, nothing, nothing, **about)
        own = {f.name: getattr(checked, f.name) for f in fields(Sequences)}
        for name in ("starts", "lengths", "order"):
            own.pop(name)
        own["_rule"] = n, end, window, rank
        vars(self).update(own)

    _rule: tuple[int, int, int, int]

    def _ends(self) -> np.ndarray:
        n, end, _, _ = self._rule
        last = np.arange(end, end + n)
        return np.clip(last, 0, len(self.values), out=last)

    @property
    def starts(self) -> np.ndarray:
        """Row at which each sequence starts."""
        n, end, window, _ = self._rule
        first = np.arange(end - window, end - window + n)
        return np.clip(first, 0, len(self.values), out=first)

    @property
    def lengths(self) -> np.ndarray:
        """Number of rows of each sequence."""
        found = self._ends()
        found -= self.starts
        return found

    @property
    def order(self) -> np.ndarray:
        """Time rank of each sequence."""
        n, _, _, rank = self._rule
        return np.arange(rank, rank + n)

    @property
    def nbytes(self) -> int:
        """Number of bytes of the rows."""
        return self.values.nbytes

    def __len__(self) -> int:
        return self._rule[0]

    def __getitem__(self, key: Any) -> Any:
        run = key if isinstance(key, slice) else run_of(key, len(self))
        if run is None:
            some = positions(key, len(self))
            return super().__getitem__(key) if some is None else self._picked(some)
        first, stop, step = run.indices(len(self))
        if step != 1:
            return self._picked(np.arange(first, stop, step))
        return self._windows(first, max(first, stop))

    def _picked(self, index: np.ndarray) -> Sequences:
        """Return some of the windows, without the arrays of all."""
        _, end, window, rank = self._rule
        starts, ends = (
            np.clip(index + first, 0, len(self.values)) for first in (end - window, end)
        )
        return Sequences(
            self.values,
            starts,
            ends - starts,
            order=index + rank,
            **columns_of(vars(self)),
        )

    def _windows(self, first: int, stop: int) -> ConsecutiveSequences:
        _, end, window, rank = self._rule
        return self._ruled(self.values, stop - first, end + first, window, rank + first)

    def _ruled(self, values: np.ndarray, *rule: int) -> ConsecutiveSequences:
        return ConsecutiveSequences(values, *rule, **columns_of(vars(self)))

    def _with(self, **changes: Any) -> Sequences:
        if set(changes) <= OF_COLUMNS:
            state = {**vars(self), **changes}
            return ConsecutiveSequences(
                state["values"], *self._rule, **columns_of(state)
            )
        described = {f.name: getattr(self, f.name) for f in fields(Sequences)}
        return Sequences(**{**described, **changes})

    def _shortest(self) -> int:
        # Windows grow from the first row on, and shrink behind the last.
        ends = (self[:1], self[max(len(self) - 1, 0) :])
        return min(int(part.lengths.min(initial=self.shape[1])) for part in ends)

    def _between(self, first: int, last: int) -> Sequences:
        n, end, window, rank = self._rule
        return self._ruled(self.values[first:last], n, end - first, window, rank)

    def _span(self) -> tuple[int, int]:
        """Return the first row in use, and the row after the last one."""
        n, end, window, _ = self._rule
        size = len(self.values)
        last = min(max(end + n - 1, 0), size) if n else 0
        return min(max(0, end - window), last), last

    def _fills_rows(self) -> bool:
        return bool(len(self)) and self._span() == (0, len(self.values))

    def within(self) -> Sequences:
        """Return the same sequences over the rows from the first to the last in use."""
        return self._between(*self._span())

    def row_blocks(self, size: int = BLOCK_ROWS) -> Iterator[tuple[Any, Sequences]]:
        """Yield positions of sequences, and them over a part of the rows."""
        for at in range(0, len(self), size):
            stop = min(at + size, len(self))
            yield slice(at, stop), self._windows(at, stop).within()

    def coverage(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return how many times, or with what weight, each row is used (n_rows,)."""
        if weights is not None:
            return super().coverage(weights)
        return self._covered(0, len(self.values))

    def _covered(self, first: int, stop: int) -> np.ndarray:
        """Return how many windows use each of some rows."""
        n, end, window, _ = self._rule
        row = np.arange(first, stop)
        # Row r is used by the windows that end at r + 1 to r + window.
        latest = np.minimum(row + window, end + n - 1)
        return np.maximum(latest - np.maximum(row + 1, end) + 1, 0)

    def coverage_blocks(
        self, weights: np.ndarray | None = None, size: int = BLOCK_ROWS
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of the rows, and the :meth:`coverage` of each."""
        if weights is not None:
            yield from super().coverage_blocks(weights, size)
            return
        for at in range(0, len(self.values), size):
            stop = min(at + size, len(self.values))
            yield slice(at, stop), self._covered(at, stop)

    # -- pickling ---------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        used = self.within()
        place = Place.of(used.values)
        state = dict(vars(used))
        rows = used.values
        state["values"] = np.ascontiguousarray(rows) if place is None else place
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        values = state["values"]
        rows = values.open() if isinstance(values, Place) else values
        self.__init__(rows, *state["_rule"], **columns_of(state))  # type: ignore[misc]


def columns_of(state: dict[str, Any]) -> dict[str, Any]:
    """Return what a state says of the steps and columns."""
    return {name: state[name] for name in ("n_steps", "feature_names", "categories")}


def positions(key: Any, n: int) -> np.ndarray | None:
    """Return what a mask or positions pick as positions from 0 on; None for others."""
    key = np.asarray(key) if isinstance(key, (np.ndarray, list)) else None
    if key is None or key.ndim != 1 or key.dtype.kind not in "biu" or not key.size:
        return None
    if key.dtype == bool:
        return np.flatnonzero(key) if len(key) == n else None
    if key.min() < -n or key.max() >= n:
        return None
    key = key.astype(np.int64, copy=False)
    return np.where(key < 0, key + n, key) if key.min() < 0 else key


def run_of(key: Any, n: int) -> slice | None:
    """Return the run that a mask or positions pick, or None if they pick another."""
    key = np.asarray(key) if isinstance(key, (np.ndarray, list)) else None
    if key is None or key.ndim != 1 or not key.size:
        return None
    if key.dtype == bool:
        if len(key) != n or not key.any():
            return None
        first, count = int(key.argmax()), int(np.count_nonzero(key))
        return slice(first, first + count) if key[first : first + count].all() else None
    if key.dtype.kind not in "iu" or key[0] < 0 or key[-1] - key[0] != len(key) - 1:
        return None
    if key[-1] >= n or not (key[1:] - key[:-1] == 1).all():
        return None
    return slice(int(key[0]), int(key[-1]) + 1)
