"""The data structure of the package: many sequences over one flat array of rows.

Windows overlap: n windows of T time steps repeat every row T times, so a dense 3-D
array costs T times the memory of the rows, and a copy in every fold of a search. A
:class:`Sequences` keeps the rows once, with the start and the length of each sequence.
Selecting sequences selects these numbers, and batches are gathered from the rows when
they are needed. All code after input validation sees only this structure.

Two conventions hold everywhere:

* in a dense array, absent steps are NaN and come *before* the others: the last step of
  every sequence is the last step of the array;
* a row in which every value is NaN is a step that was not observed.

**Shape**: ``values (n_rows, n_features)``, ``starts (n,)``, ``lengths (n,)``; as an
array ``(n, n_steps, n_features)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._support.numbers import may_have_nan
from sklearn_gru._support.on_disk import BLOCK_ROWS, Place, blank, blocks, is_on_disk
from sklearn_gru._tables.numbering import place_dtype

__all__ = ["Sequences"]

_FLOATS = np.dtype(np.float32), np.dtype(np.float64)

# What changes no place: rows for rows, and what is said of their columns.
OF_COLUMNS = {"values", "categories", "feature_names"}


@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """Many, possibly overlapping, possibly ragged sequences over one array of rows.

    A Sequences behaves like a read-only array of shape
    ``(n_sequences, n_steps, n_features)``:
    ``shape``, ``ndim``, ``dtype``, ``len``, selection of sequences and ``np.asarray``
    work, so it passes through Pipeline, searches and cross-validation.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        The rows, float32 or float64. NaN marks a missing value. Those of a file
        (``np.memmap``) stay there, and a pickle holds its path.
    starts : ndarray of shape (n_sequences,)
        Row at which each sequence starts.
    lengths : ndarray of shape (n_sequences,)
        Number of consecutive rows of each sequence; 0 is allowed.
    n_steps : int, default=None
        Declared width of the dense array; None takes the longest sequence.
    feature_names : tuple of str, default=None
        Names of the columns of `values`.
    categories : tuple, default=None
        The array of categories of each column, or None for a numeric column.
    order : ndarray of shape (n_sequences,), default=None
        Time rank of each sequence; None if sequences have no order.
    groups : array-like of shape (n_sequences,), default=None
        Label of the group each sequence belongs to.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import Sequences
    >>> rows = np.arange(8.0).reshape(4, 2)
    >>> s = Sequences(rows, starts=[0, 0, 1], lengths=[1, 2, 3])
    >>> s
    Sequences(3 sequences of 1 to 3 steps, 2 features, float64, over 4 rows)
    >>> s[1:].values is s.values
    True
    >>> np.asarray(s)[0]
    array([[nan, nan],
           [nan, nan],
           [ 0.,  1.]])
    """

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    n_steps: int | None = None
    feature_names: tuple[str, ...] | None = None
    categories: tuple[Any, ...] | None = None
    order: np.ndarray | None = None
    groups: Any = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        starts = np.asarray(self.starts, dtype=np.int64)
        lengths = np.asarray(self.lengths, dtype=np.int64)
        if values.ndim != 2 or starts.ndim != 1 or starts.shape != lengths.shape:
            raise ValueError(
                "Sequences needs values of shape (n_rows, n_features) and starts and "
                f"lengths of shape (n_sequences,); got {values.shape}, {starts.shape} "
                f"and {lengths.shape}."
            )
        longest = int(lengths.max(initial=0))
        if lengths.size and (
            lengths.min() < 0
            or starts.min() < 0
            or (starts > len(values) - lengths).any()  # their sum could wrap around
        ):
            raise ValueError("starts and lengths reach outside the rows of values.")
        n_steps = longest if self.n_steps is None else int(self.n_steps)
        if n_steps < longest:
            raise ValueError(
                f"n_steps={n_steps}, but the longest sequence has {longest} steps."
            )
        self._set_rows(values, starts, lengths, n_steps)
        self._check_description()

    def _set_rows(
        self, values: np.ndarray, starts: np.ndarray, lengths: np.ndarray, n_steps: int
    ) -> None:
        """Set rows, and starts and lengths that do not reach outside them."""
        if values.dtype not in _FLOATS:
            values = values.astype(np.float64)
        vars(self).update(
            values=_read_only(values),
            starts=_read_only(starts),
            lengths=_read_only(lengths),
            n_steps=n_steps,
        )

    def _check_description(self) -> None:
        """Check the sizes of what is said of columns and sequences."""
        n, n_features = len(self.starts), self.values.shape[1]
        for name, size in (
            ("feature_names", n_features),
            ("categories", n_features),
            ("order", n),
            ("groups", n),
        ):
            described = getattr(self, name)
            if described is not None and len(described) != size:
                raise ValueError(
                    f"{name} has {len(described)} entries, expected {size}."
                )
        if self.order is not None:
            object.__setattr__(self, "order", np.asarray(self.order))
        if isinstance(self.groups, (list, tuple)):
            groups = np.empty(n, dtype=object)  # labels may be tuples
            groups[:] = self.groups
            object.__setattr__(self, "groups", groups)

    # -- the dense array that a Sequences represents -----------------------------------

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the dense array, ``(n_sequences, n_steps, n_features)``."""
        return len(self), int(self.n_steps or 0), self.values.shape[1]

    @property
    def ndim(self) -> int:
        """Number of dimensions, always 3."""
        return 3

    @property
    def dtype(self) -> np.dtype:
        """Type of the rows, float32 or float64."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Number of bytes of the rows and their description."""
        return self.values.nbytes + self.starts.nbytes + self.lengths.nbytes

    def __len__(self) -> int:
        return len(self.starts)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("The dense array of a Sequences is always a copy.")
        n, n_steps, n_features = self.shape
        dense = np.full((n, n_steps, n_features), np.nan, dtype=dtype or self.dtype)
        step = np.arange(n_steps) - n_steps  # counted from the end
        present = step >= -self.lengths[:, None]  # (n, n_steps)
        row = (self.starts + self.lengths)[:, None] + step
        dense[present] = self.values[row[present]]
        return dense

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            rows, *rest = key if key else (Ellipsis,)
            if any(not _is_full(k) for k in rest):
                # A dense array handles the keys after the first. If they are simple,
                # only the selected rows become a dense array.
                if rows is Ellipsis or not all(_is_simple(k) for k in rest):
                    return np.asarray(self)[key]
                if isinstance(rows, (int, np.integer)):
                    return self[rows][tuple(rest)]
                return np.asarray(self[rows])[(slice(None), *rest)]
            key = rows
        if isinstance(key, (int, np.integer)):
            index = range(len(self))[key]
            return np.asarray(self[index : index + 1])[0]
        if key is Ellipsis:
            return self
        if not isinstance(key, slice):
            key = np.asarray(key)
            if key.size == 0:
                key = key.astype(np.int64)
        return self._with(
            starts=self.starts[key],
            lengths=self.lengths[key],
            order=None if self.order is None else self.order[key],
            groups=None if self.groups is None else self.groups[key],
        )

    def _shortest(self) -> int:
        return int(self.lengths.min(initial=self.shape[1]))

    def _with(self, **changes: Any) -> Sequences:
        if not changes.keys() <= OF_COLUMNS:
            return replace(self, **changes)
        # There are as many rows, so that the places, which were checked, are right.
        found = object.__new__(type(self))
        vars(found).update(vars(self), **changes)
        vars(found)["values"] = _read_only(found.values)
        return found

    def __repr__(self) -> str:
        n, n_steps, n_features = self.shape
        shortest = self._shortest()
        steps = str(n_steps) if shortest == n_steps else f"{shortest} to {n_steps}"
        return (
            f"Sequences({n} sequences of {steps} steps, {n_features} features, "
            f"{self.dtype}, over {len(self.values)} rows)"
        )

    # -- pickling, which keeps only the rows in use ------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        place = Place.of(self.values)
        packed = self if place is not None else self._keep_rows(self.coverage() > 0)
        state = {f.name: getattr(packed, f.name) for f in fields(packed)}
        rows = packed.values
        state["values"] = np.ascontiguousarray(rows) if place is None else place
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            rows = value.open() if isinstance(value, Place) else value
            object.__setattr__(self, name, rows)
        self.__post_init__()  # a file may have been changed

    # -- other views and selections ----------------------------------------------------

    @classmethod
    def from_array(
        cls,
        array: np.ndarray,
        *,
        feature_names: tuple[str, ...] | None = None,
        categories: tuple[Any, ...] | None = None,
        order: np.ndarray | None = None,
        groups: Any = None,
    ) -> Sequences:
        """Return the sequences of a 3-D array, without a copy if its strides allow.

        Both a C-ordered array and a sliding-window view are rows at a fixed stride,
        with sequences that start at multiples of it.
        """
        n, n_steps, _ = array.shape
        flat, starts = _rows_of(array)
        if order is None and n > 1 and 0 < starts[1] - starts[0] < n_steps:
            order = np.arange(n)  # windows in row order
        lengths = np.full(n, n_steps, dtype=np.int64)
        about = {
            "feature_names": feature_names,
            "categories": categories,
            "order": order,
            "groups": groups,
        }
        found = object.__new__(cls)  # whose starts and lengths need no check
        found._set_rows(flat, starts, lengths, n_steps)
        vars(found).update(about)
        if any(described is not None for described in about.values()):
            found._check_description()
        return found

    def channel(self, column: int) -> Sequences:
        """Return the numbers of one column of the same sequences."""
        values = self.values[:, column : column + 1]
        return self._with(values=values, categories=None, feature_names=None)

    def coverage(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return how many times, or with what weight, each row is used (n_rows,)."""
        some = self.lengths > 0
        starts, ends = self.starts[some], (self.starts + self.lengths)[some]
        n = len(self.values)
        if weights is None:
            change = np.bincount(starts, minlength=n + 1)
            change -= np.bincount(ends, minlength=n + 1)
            return np.cumsum(change)[:n]
        weights = weights[some]
        change = np.bincount(starts, weights, minlength=n + 1)
        change -= np.bincount(ends, weights, minlength=n + 1)
        # Float cancellation can leave about 1e-17 in unused rows; zero them using the
        # exact integer count.
        return np.where(self.coverage() > 0, np.cumsum(change)[:n], 0.0)

    def coverage_blocks(
        self, weights: np.ndarray | None = None, size: int = BLOCK_ROWS
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of the rows, and the :meth:`coverage` of each, to the bit."""
        n = len(self.values)
        if n <= size:
            yield slice(0, n), self.coverage(weights)
            return
        some = self.lengths > 0
        if not some.all():
            used = None if weights is None else weights[some]
            yield from self[some].coverage_blocks(used, size)
            return
        begins = _ByRow.of(self.starts)
        ends = _ByRow.of(self.starts + self.lengths)
        count, total = 0, 0.0
        for at in range(0, n, size):
            stop = min(at + size, n)
            change = begins.counts(at, stop) - ends.counts(at, stop)
            change[0] += count
            covered = np.cumsum(change)
            count = covered[-1]
            if weights is None:
                yield slice(at, stop), covered
                continue
            heavy = begins.counts(at, stop, weights)
            heavy -= ends.counts(at, stop, weights)
            heavy[0] += total
            heavy = np.cumsum(heavy)
            total = heavy[-1]
            yield slice(at, stop), np.where(covered > 0, heavy, 0.0)

    def observed_rows(self) -> np.ndarray:
        """Return a mask (n_rows,) of the rows with at least one value."""
        found = np.ones(len(self.values), dtype=bool)
        for at in range(0, len(found), BLOCK_ROWS):
            rows = self.values[at : at + BLOCK_ROWS]
            if may_have_nan(rows):
                found[at : at + BLOCK_ROWS] = ~np.isnan(rows).all(axis=1)
        return found

    def row_blocks(self, size: int = BLOCK_ROWS) -> Iterator[tuple[Any, Sequences]]:
        """Yield positions of sequences, and them over a part of the rows, to the last.

        A part reaches over about `size` rows, or one sequence.
        """
        order: Any = slice(None)
        starts = self.starts
        if (starts[1:] < starts[:-1]).any():
            order = np.argsort(starts, kind="stable")
            starts = starts[order]
        at = 0
        while at < len(starts):
            stop = int(np.searchsorted(starts, starts[at] + size))
            index = slice(at, stop) if isinstance(order, slice) else order[at:stop]
            yield index, self[index].within()
            at = stop

    def within(self) -> Sequences:
        """Return the same sequences over the rows from the first to the last in use."""
        some = self.lengths > 0
        if not some.any():
            return self._with(values=self.values[:0], starts=np.zeros_like(self.starts))
        first = int(self.starts[some].min())
        last = int((self.starts + self.lengths)[some].max())
        return self._between(first, last)

    def compact(self) -> Sequences:
        """Return the same sequences over a copy in memory of the rows in use."""
        starts, values = self._rows_in_use()
        return self._with(values=values, starts=starts, lengths=self.lengths)

    def _rows_in_use(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the start of each sequence in a copy of the rows in use, and these.

        In its own function, so that its arrays are gone when sequences are made of it.
        """
        order = np.argsort(self.starts, kind="stable")
        starts, ends = self.starts[order], (self.starts + self.lengths)[order]
        reach = np.maximum.accumulate(ends)
        begins = np.ones(len(starts), dtype=bool)
        begins[1:] = starts[1:] > reach[:-1]
        low = starts[begins]
        high = reach[np.append(np.flatnonzero(begins)[1:] - 1, len(reach) - 1)]
        moved = np.cumsum(high - low) - high  # from a row to its place in the copy
        place = np.empty_like(starts)
        place[order] = starts + moved[np.cumsum(begins) - 1]
        values = np.empty((int((high - low).sum()), self.shape[2]), self.dtype)
        row = np.repeat((-moved).astype(place_dtype(len(self.values))), high - low)
        for part in blocks(len(row)):
            row[part] += np.arange(part.start, part.stop)
            values[part] = self.values[row[part]]
        return place, values

    def without_leading_gaps(self) -> Sequences:
        """Return the same sequences, each starting at its first observed step."""
        observed = self.observed_rows()
        if observed.all():
            return self
        n = len(observed)
        at = np.where(observed, np.arange(n), n)
        following = np.append(np.minimum.accumulate(at[::-1])[::-1], n)
        ends = self.starts + self.lengths
        starts = np.minimum(following[self.starts], ends)
        return self._with(starts=starts, lengths=ends - starts)

    def without_gaps(self, *, interior: bool = True) -> Sequences:
        """Return the same sequences over the rows they use, without unobserved steps.

        A step without any value leaves a recurrent state unchanged, and no pooling
        includes it, so dropping it is exact at any position. With `interior` False,
        such steps are dropped at both ends only: layers that read neighbors together
        need the gap between two steps.
        """
        on_disk = is_on_disk(self.values)
        if not on_disk and self._fills_rows() and not may_have_nan(self.values):
            return self
        cut = self.within() if on_disk else self
        if not interior:
            cut = cut.without_leading_gaps().without_trailing_gaps()
        return cut._keep_rows(cut._rows_to_keep(interior=interior))

    def _fills_rows(self) -> bool:
        """Tell whether each row is in use, if sequences are in the order of the rows.

        It takes no memory that is as large as the rows.
        """
        if not len(self):
            return False
        starts, ends = self.starts, self.starts + self.lengths
        if starts[0] != 0 or ends[-1] != len(self.values):
            return False
        return len(starts) == 1 or bool((starts[1:] <= ends[:-1]).all())

    def _rows_to_keep(self, *, interior: bool) -> np.ndarray:
        """Return a mask of the rows in use, and of others that cost a copy to drop."""
        kept = np.ones(len(self.values), dtype=bool)
        if interior:
            kept = self.observed_rows()
        on_disk = is_on_disk(self.values)
        if on_disk and kept.all():
            return kept
        for rows, covered in self.coverage_blocks():
            if on_disk:
                kept[rows] |= covered == 0
            else:
                kept[rows] &= covered > 0
        return kept

    def without_trailing_gaps(self) -> Sequences:
        """Return the same sequences, each ending at its last observed step."""
        observed = self.observed_rows()
        if observed.all():
            return self
        at = np.where(observed, np.arange(len(observed)), -1)
        latest = np.append(np.maximum.accumulate(at), -1)
        ends = latest[self.starts + self.lengths - 1] + 1
        return self._with(lengths=np.maximum(ends - self.starts, 0))

    def _keep_rows(self, kept: np.ndarray) -> Sequences:
        if kept.all():
            return self
        first, n = int(kept.argmax()), int(np.count_nonzero(kept))
        if kept[first : first + n].all():  # without a copy
            return self._between(first, first + n)
        before = np.concatenate([[0], np.cumsum(kept)])
        starts = before[self.starts]
        lengths = before[self.starts + self.lengths] - starts
        values = blank((n, self.values.shape[1]), self.values.dtype, like=self.values)
        for at in range(0, len(kept), BLOCK_ROWS):
            part = slice(at, at + BLOCK_ROWS)
            block = self.values[part][kept[part]]
            values[before[at] : before[at] + len(block)] = block
        return self._with(values=values, starts=starts, lengths=lengths)

    def _between(self, first: int, last: int) -> Sequences:
        """Return the sequences over a run of the rows, without steps outside it."""
        if (first, last) == (0, len(self.values)):
            return self
        starts = np.clip(self.starts - first, 0, last - first)
        ends = np.clip(self.starts + self.lengths - first, 0, last - first)
        return self._with(
            values=self.values[first:last], starts=starts, lengths=ends - starts
        )


class _ByRow(NamedTuple):
    """Rows at which sequences begin, or end, in order."""

    rows: np.ndarray
    order: Any  # of the sequences

    @classmethod
    def of(cls, rows: np.ndarray) -> _ByRow:
        if (rows[1:] >= rows[:-1]).all():
            return cls(rows, slice(None))
        order = np.argsort(rows, kind="stable")
        return cls(rows[order], order)

    def counts(
        self, first: int, last: int, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Return how many sequences, or with what weight, are at each row of a run."""
        low, high = np.searchsorted(self.rows, (first, last))
        row, n = self.rows[low:high] - first, last - first
        if weights is None:
            return np.bincount(row, minlength=n)
        found = np.bincount(row, weights[self.order][low:high], minlength=n)
        return found.astype(np.float64)  # integers, if there are none


def _read_only(array: np.ndarray) -> np.ndarray:
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _is_full(key: Any) -> bool:
    return key is Ellipsis or (isinstance(key, slice) and key == slice(None))


def _is_simple(key: Any) -> bool:
    return key is Ellipsis or isinstance(key, (slice, int, np.integer))


def _rows_of(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return flat rows (n_rows, n_features) and starts (n,) of a 3-D array."""
    n, n_steps, n_features = array.shape
    if array.flags.c_contiguous:
        return array.reshape(n * n_steps, n_features), np.arange(n) * n_steps
    between_sequences, between_rows, between_cells = array.strides
    if n_steps == 1:
        between_rows = between_sequences
    if n == 1:
        between_sequences = 0
    row_bytes = n_features * array.itemsize
    flat = (
        (between_cells == array.itemsize or n_features == 1)
        and between_rows >= row_bytes
        and between_sequences >= 0
        and between_sequences % between_rows == 0
    )
    step = between_sequences // between_rows if flat else n_steps
    if not flat or step > 2 * n_steps:  # a thinned array would include its gaps
        array = np.ascontiguousarray(array)
        step, between_rows, between_cells = n_steps, row_bytes, array.itemsize
    rows = np.lib.stride_tricks.as_strided(
        array,
        shape=((n - 1) * step + n_steps, n_features),
        strides=(between_rows, between_cells),
        writeable=False,
    )
    return rows, np.arange(n, dtype=np.int64) * step
