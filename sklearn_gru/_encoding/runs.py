"""Windows of the runs of a panel: a rule per run in place of numbers per window.

The rows of a panel lie group after group, and the windows of a group, or of the part of
it between two long holes, are those of one series. Starts, lengths, ranks and groups of
all windows would take as much memory as the rows of a few columns, and again in each
selection. Windows in another order, as of a panel whose rows lie time after time, have
their places besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_gru._encoding.consecutive import FEW, columns_of, positions
from sklearn_gru._encoding.sequences import OF_COLUMNS, Sequences
from sklearn_gru._support.on_disk import BLOCK_ROWS, blocks

# Windows per run, on average, below which a rule is not worth it.
LEAST = 16


class Runs(NamedTuple):
    """Runs of rows, and of windows that end one row after the other in each.

    Window k of a run has the rows from ``end + k - window`` to ``end + k``, counted
    from the first row of the run, without those that lie outside the run.
    """

    begin: np.ndarray  # (n_runs,) first row
    size: np.ndarray  # (n_runs,) number of rows
    end: np.ndarray  # (n_runs,) row after the last of the first window, in the run
    n_windows: np.ndarray  # (n_runs,) number of windows
    rank: np.ndarray  # (n_runs,) time rank of the first window
    group: np.ndarray  # (n_runs,) code of the group

    def take(self, run: np.ndarray, skipped: np.ndarray, count: np.ndarray) -> Runs:
        """Return parts of runs: `count` windows each, after some that are skipped."""
        begin, size, end, _, rank, group = (part[run] for part in self)
        return Runs(begin, size, end + skipped, count, rank + skipped, group)

    def used(self, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row in use of each run, and the row after the last one."""
        last = np.clip(self.end + self.n_windows - 1, 0, self.size)
        return np.minimum(np.maximum(self.end - window, 0), last), last


class RunSequences(Sequences):
    """Sequences that end one row after the other in each of a few runs of rows.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        The rows.
    runs : Runs
        The rule; no run is empty of windows.
    window : int
        Number of rows of a whole window.
    index : ndarray of shape (n,), default=None
        Number of each sequence among the windows of the runs; None for all of them.
    labels : pandas.CategoricalDtype, default=None
        Label of each group.
    **about
        `n_steps`, `feature_names` and `categories`.
    """

    def __init__(
        self,
        values: np.ndarray,
        runs: Runs,
        window: int,
        index: np.ndarray | None = None,
        labels: Any = None,
        **about: Any,
    ) -> None:
        nothing = np.empty(0, dtype=np.int64)
        about.setdefault("n_steps", window)
        checked = Sequences(values, nothing, nothing, **about)
        own = {f.name: getattr(checked, f.name) for f in fields(Sequences)}
        for name in ("starts", "lengths", "order", "groups"):
            own.pop(name)
        own.update(_runs=runs, _window=window, _index=index, _labels=labels)
        vars(self).update(own, _first=np.cumsum(runs.n_windows) - runs.n_windows)

    _runs: Runs
    _first: np.ndarray  # number of the first window of each run
    _window: int
    _index: np.ndarray | None
    _labels: Any

    def __len__(self) -> int:
        index = self._index
        return int(self._runs.n_windows.sum()) if index is None else len(index)

    # -- what the rule stands for ------------------------------------------------------

    @property
    def starts(self) -> np.ndarray:
        """Row at which each sequence starts."""
        return self._each(lambda runs, run, k: self._spans(runs, run, k)[0])

    @property
    def lengths(self) -> np.ndarray:
        """Number of rows of each sequence."""

        def lengths(runs: Runs, run: np.ndarray, k: np.ndarray) -> np.ndarray:
            starts, ends = self._spans(runs, run, k)
            ends -= starts
            return ends

        return self._each(lengths)

    @property
    def order(self) -> np.ndarray:
        """Time rank of each sequence."""
        rank = self._runs.rank.dtype
        return self._each(lambda runs, run, k: runs.rank[run] + k, rank)

    @property
    def groups(self) -> Any:
        """Label of the group each sequence belongs to."""
        if self._labels is None:
            return None
        dtype = np.min_scalar_type(-len(self._labels.categories))
        codes = self._each(lambda runs, run, k: runs.group[run], dtype)
        return self._categorical(codes)

    def _categorical(self, codes: np.ndarray) -> pd.Categorical:
        return pd.Categorical.from_codes(codes, dtype=self._labels, validate=False)

    @property
    def nbytes(self) -> int:
        """Number of bytes of the rows and their description."""
        return self.values.nbytes + (0 if self._index is None else self._index.nbytes)

    def _spans(
        self, runs: Runs, run: np.ndarray, k: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row of windows `k` of runs, and the row after the last."""
        begin, size = runs.begin[run], runs.size[run]
        ends = runs.end[run] + k
        starts = np.clip(ends - self._window, 0, size)
        np.clip(ends, 0, size, out=ends)
        starts += begin
        ends += begin
        return starts, ends

    def _each(
        self,
        compute: Callable[[Runs, np.ndarray, np.ndarray], np.ndarray],
        dtype: Any = np.int64,
    ) -> np.ndarray:
        """Return what is computed of each sequence, from its run and its place there.

        Block by block, so that it takes no more memory than the result.
        """
        found = np.empty(len(self), dtype=dtype)
        first = self._first
        for part in blocks(len(found)):
            if self._index is None:
                number = np.arange(part.start, part.stop)
                run = _runs_between(self._runs, first, part)
            else:
                number = self._index[part]
                run = np.searchsorted(first, number, side="right") - 1
            found[part] = compute(self._runs, run, number - first[run])
        return found

    # -- selections --------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            key = np.arange(*key.indices(len(self)))
        some = positions(key, len(self))
        return super().__getitem__(key) if some is None else self._picked(some)

    def _picked(self, index: np.ndarray) -> Sequences:
        """Return some of the windows, by a rule if they are many."""
        if self._index is not None:
            return self._at(self._index[index])
        if len(index) < FEW:
            return self._plain(index)
        found = self._parts(index)
        return self._at(index) if found is None else self._ruled(found)

    def _at(self, number: np.ndarray) -> Sequences:
        if len(number) < FEW:
            return self._plain(number)
        largest = int(self._runs.n_windows.sum())
        number = number.astype(np.min_scalar_type(-largest), copy=False)
        return self._ruled(self._runs, index=number)

    def _parts(self, number: np.ndarray) -> Runs | None:
        """Return the windows of these numbers as runs, if they are few and in order."""
        apart = number[1:] - number[:-1]
        if (apart < 1).any():
            return None
        begins = np.append(True, apart != 1)
        first = self._first
        place = np.searchsorted(number, first)
        place = place[place < len(number)]
        begins[place] = True
        at = np.flatnonzero(begins)
        if len(at) * LEAST > len(number):
            return None
        run = np.searchsorted(first, number[at], side="right") - 1
        count = np.diff(np.append(at, len(number)))
        return self._runs.take(run, number[at] - first[run], count)

    def _ruled(
        self, runs: Runs, values: Any = None, index: np.ndarray | None = None
    ) -> RunSequences:
        values = self.values if values is None else values
        about = columns_of(vars(self))
        return RunSequences(values, runs, self._window, index, self._labels, **about)

    def plain(self) -> Sequences:
        """Return the same sequences with numbers of each."""
        index = self._index
        return self._plain(np.arange(len(self)) if index is None else index)

    def _plain(self, number: np.ndarray) -> Sequences:
        runs, first = self._runs, self._first
        run = np.searchsorted(first, number, side="right") - 1
        k = number - first[run]
        starts, ends = self._spans(runs, run, k)
        groups = None
        if self._labels is not None:
            groups = self._categorical(runs.group[run])
        return Sequences(
            self.values,
            starts,
            ends - starts,
            order=runs.rank[run] + k,
            groups=groups,
            **columns_of(vars(self)),
        )

    def _with(self, **changes: Any) -> Sequences:
        if not set(changes) <= OF_COLUMNS:
            own = {f.name for f in fields(Sequences)} - set(changes)
            return Sequences(**{name: getattr(self, name) for name in own}, **changes)
        state = {**vars(self), **changes}
        return RunSequences(
            state["values"],
            self._runs,
            self._window,
            self._index,
            self._labels,
            **columns_of(state),
        )

    # -- the rows in use ---------------------------------------------------------------

    def within(self) -> Sequences:
        """Return the same sequences over the rows from the first to the last in use."""
        return self.plain().within()

    def compact(self) -> Sequences:
        """Return the same sequences over a copy in memory of the rows in use."""
        return self.plain().compact()

    @cached_property
    def _in_order(self) -> tuple[Runs, np.ndarray, np.ndarray] | None:
        """Runs of all sequences with a row, the first row of each and that after it.

        They are in the order of the rows, and no two share a row; None if they do.
        """
        runs: Runs | None = self._runs
        if self._index is not None:
            runs = self._parts(np.sort(self._index))
        if runs is None:
            return None
        low, high = (runs.begin + row for row in runs.used(self._window))
        some = high > low
        runs, low, high = Runs(*(part[some] for part in runs)), low[some], high[some]
        apart = len(low) > 0 and (low[1:] >= high[:-1]).all()
        return (runs, low, high) if apart else None

    def _fills_rows(self) -> bool:
        if self._in_order is None:
            return super()._fills_rows()
        _, low, high = self._in_order
        ends = low[0] == 0 and high[-1] == len(self.values)
        return bool(ends and (low[1:] == high[:-1]).all())

    def coverage(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return how many times, or with what weight, each row is used (n_rows,)."""
        if weights is not None or self._in_order is None:
            return super().coverage(weights)
        return self._covered(0, len(self.values), *self._in_order[:2])

    def coverage_blocks(
        self, weights: np.ndarray | None = None, size: int = BLOCK_ROWS
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of the rows, and the :meth:`coverage` of each."""
        if weights is not None or self._in_order is None:
            yield from super().coverage_blocks(weights, size)
            return
        for at in range(0, len(self.values), size):
            stop = min(at + size, len(self.values))
            yield slice(at, stop), self._covered(at, stop, *self._in_order[:2])

    def _covered(
        self, first: int, stop: int, runs: Runs, low: np.ndarray
    ) -> np.ndarray:
        """Return how many windows of runs use each of some rows."""
        row = np.arange(first, stop)
        run = np.maximum(np.searchsorted(low, row, side="right") - 1, 0)
        row -= runs.begin[run]
        end, last = runs.end[run], (runs.end + runs.n_windows)[run] - 1
        # Row r is used by the windows that end at r + 1 to r + window.
        count = np.minimum(row + self._window, last) - np.maximum(row + 1, end) + 1
        outside = (row < 0) | (row >= runs.size[run])
        return np.where(outside, 0, np.maximum(count, 0))

    # -- pickling, as numbers of each sequence -----------------------------------------

    def __reduce__(self) -> Any:
        return object.__new__, (Sequences,), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        return self.plain().__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        # For skops, which makes an object of the class before it has the state.
        object.__setattr__(self, "__class__", Sequences)
        Sequences.__setstate__(self, state)


def _runs_between(runs: Runs, first: np.ndarray, part: slice) -> np.ndarray:
    """Return the run of each window between two numbers."""
    low = int(np.searchsorted(first, part.start, side="right")) - 1
    high = int(np.searchsorted(first, part.stop))
    begin, end = first[low:high], (first + runs.n_windows)[low:high]
    inside = np.minimum(end, part.stop) - np.maximum(begin, part.start)
    return np.repeat(np.arange(low, high), inside)
