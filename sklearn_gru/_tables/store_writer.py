"""One pass over the frames of a source, into the file of a row store.

Each frame is sorted by group and time, and its rows are appended. A piece is a run of
rows of one group; at the end the pieces are put in order, which costs a copy of the
file only if a group came in several pieces, or not in order.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from sklearn_gru._support.on_disk import BLOCK_ROWS
from sklearn_gru._tables.axis import Axis
from sklearn_gru._tables.codebook import (
    Codebook,
    has_categories,
    read_columns,
    sorted_order,
)
from sklearn_gru._tables.frames import as_frame, as_list, find_column, table_of
from sklearn_gru._tables.keys import factorized, read_time
from sklearn_gru._tables.store_file import finish, map_rows, new_file
from sklearn_gru.exceptions import InputError, TimeIndexError

_EXPECTED = (
    "expected an iterable of frames: pandas or polars frames, record batches of "
    "pyarrow, or partitions of dask"
)

# Methods of a table of pyarrow, a frame of dask, and a lazy one of polars.
_OF_A_FRAME = ("to_pandas", "compute", "collect")

_NUMBERS = ("boolean", "decimal")  # objects that are read as numbers


def write_store(
    source: Iterable[Any], path: Path, *, groups: Any, time: Any, target: Any
) -> None:
    """Write the rows of all frames of a source; `path` is replaced at the end."""
    if not path.parent.is_dir():
        raise InputError(
            f"path={str(path)!r}: there is no folder {str(path.parent)!r}. Make it "
            f"first: Path({str(path.parent)!r}).mkdir(parents=True)."
        )
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(new_file(path))
        sides: dict[str, Any] = {
            name: stack.enter_context(tempfile.TemporaryFile(dir=path.parent))
            for name in ("time", "target")
        }
        writer = _Writer(as_list(groups), time, as_list(target), file, sides)
        for frame in _frames(source):
            writer.append(frame)
        if not writer.pieces:
            raise InputError(f"source has no rows; {_EXPECTED}.")
        writer.finish()


def _frames(source: Any) -> Iterator[pd.DataFrame]:
    """Yield the frames of a source as pandas."""
    is_one = table_of(source) is not None or any(
        hasattr(source, name) for name in _OF_A_FRAME
    )
    if is_one or isinstance(source, (str, bytes, Path, np.ndarray)):
        raise InputError(
            f"source is a {type(source).__name__}; {_EXPECTED}. Pass one frame as "
            "[frame], one of dask as frame.partitions, and collect a lazy one."
        )
    for item in source:
        part = item.compute() if hasattr(item, "compute") else item  # of dask
        frame = as_frame(part)
        if frame is None and hasattr(part, "to_pandas"):  # of pyarrow
            frame = part.to_pandas(**_options_of(part))
        if frame is None:
            raise InputError(f"source has a {type(item).__name__}; {_EXPECTED}.")
        yield frame


def _options_of(part: Any) -> dict[str, Any]:
    """Return the options of `to_pandas` with which dates of pyarrow are times."""
    is_arrow = type(part).__module__.partition(".")[0] == "pyarrow"
    return {"date_as_object": False} if is_arrow else {}


@dataclass
class _Moments:
    """Count, mean and squared deviations of columns, merged block by block.

    The merge is that of Chan, Golub and LeVeque (1983).
    """

    count: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> _Moments:
        known = ~np.isnan(rows)
        count = known.sum(axis=0)
        mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(count, 1)
        square = (np.where(known, rows - mean, 0.0) ** 2).sum(axis=0)
        return cls(
            count, mean, square, np.fmin.reduce(rows), np.fmax.reduce(rows, axis=0)
        )

    def and_those_of(self, other: _Moments) -> _Moments:
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        apart = other.mean - self.mean
        square = self.square + other.square + apart**2 * self.count * share
        low, high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        return _Moments(count, self.mean + apart * share, square, low, high)

    def described(self) -> dict[str, list[float]]:
        std = np.sqrt(self.square / np.maximum(self.count, 1))
        parts = {"mean": self.mean, "std": std, "min": self.low, "max": self.high}
        found = {name: values.astype(float).tolist() for name, values in parts.items()}
        return {"count": self.count.tolist(), **found}


@dataclass
class _Writer:
    groups: list[Any]
    time: Any
    targets: list[Any]
    file: BinaryIO
    sides: dict[str, BinaryIO]
    names: list[str] = field(default_factory=list)
    books: list[Codebook | None] = field(default_factory=list)
    axis: Axis | None = None
    labels: dict[Any, int] = field(default_factory=dict)
    # code, first row, number of rows, first and last time of each piece
    pieces: list[tuple[int, int, int, Any, Any]] = field(default_factory=list)
    n_rows: int = 0
    moments: _Moments | None = None
    time_dtype: str = ""

    def append(self, frame: pd.DataFrame) -> None:
        """Append the rows of a frame, in order of group and time."""
        frame = self._without_index(frame)
        if not len(frame):
            return
        times, codes = self._keys(frame)
        values = self._values(frame)
        target = self._target(frame)
        order = np.lexsort((times, codes))
        times, codes = times[order], codes[order]
        begins = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        ends = np.append(begins[1:], len(codes))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            first, last = times[begin].item(), times[end - 1].item()
            at = self.n_rows + begin
            self.pieces.append((int(codes[begin]), at, end - begin, first, last))
        self.file.write(values[order].tobytes())
        self.sides["time"].write(times.tobytes())
        self.sides["target"].write(target[order].tobytes())
        self.n_rows += len(times)

    def _without_index(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with the keys that its index holds as columns."""
        keys = [self.time, *self.groups]
        if any(key in frame.index.names for key in keys if key not in frame.columns):
            return frame.reset_index()
        return frame

    def _keys(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return times (n,) and the code of the group of each row."""
        columns = list(frame.columns)
        at = find_column(columns, self.time, "time")
        times, axis = read_time(pd.Index(frame.iloc[:, at]))
        if self.axis is None:
            self.axis, self.time_dtype = axis, times.dtype.str
        self.axis.check_same(axis)
        keys = [pd.Index(frame[columns[find_column(columns, key, "groups")]])
                for key in self.groups]  # fmt: skip
        own, seen = factorized(keys, len(frame))
        place = [self.labels.setdefault(_plain(g), len(self.labels)) for g in seen]
        return times, np.array(place, dtype=np.int64)[own]

    def _values(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the features in float32, with codes of categories."""
        keys = [self.time, *self.groups]
        names = [str(c) for c in frame.columns if c not in keys]
        if not self.names:
            if not names:
                raise InputError("The frames have no columns but the keys.")
            self.names = names
            columns = [frame[c] for c in frame.columns if c not in keys]
            self.books = [Codebook() if _is_coded(c) else None for c in columns]
        if sorted(names) != sorted(self.names):
            raise InputError(
                f"A frame of source has the columns {names}, but the first one has "
                f"{self.names}."
            )
        by_name = {str(c): frame[c] for c in frame.columns}
        values, self.books = read_columns([by_name[n] for n in self.names], self.books)
        rows = values.astype(np.float32)
        if np.isinf(rows).any():
            j = int(np.isinf(rows).any(axis=0).argmax())
            raise InputError(
                f"Column {self.names[j]!r} holds infinity, or a value too large for "
                "float32. Mark it as missing, or choose a larger unit."
            )
        found = _Moments.of(rows.astype(np.float64))
        known = self.moments
        self.moments = found if known is None else known.and_those_of(found)
        return rows

    def _target(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the targets (n, n_targets) in float64."""
        columns = list(frame.columns)
        found = np.empty((len(frame), len(self.targets)))
        for k, key in enumerate(self.targets):
            column = frame[columns[find_column(columns, key, "target")]]
            if not pd.api.types.is_numeric_dtype(column.dtype):
                raise InputError(
                    f"target={key!r} holds {column.dtype}; expected numbers. Number "
                    f"the classes: frame[{key!r}] = frame[{key!r}].cat.codes."
                )
            found[:, k] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return found

    # -- the end ----------------------------------------------------------------------

    def finish(self) -> None:
        """Put the pieces in order, sort the categories, and describe the store."""
        widths = {"time": 1, "target": len(self.targets)}
        dtypes = {"time": self.time_dtype, "target": "<f8"}
        sides = {
            name: _mapped(file, dtypes[name], (self.n_rows, widths[name]))
            for name, file in self.sides.items()
        }
        rows = map_rows(self.file, self.n_rows, len(self.names))
        pieces = sorted(self.pieces, key=lambda piece: (piece[0], piece[3]))
        counts = np.bincount([p[0] for p in pieces], [p[2] for p in pieces])
        counts = counts.astype(np.int64)
        self._sort_categories(rows)
        order = self._order(pieces, sides["time"])
        if order is not None:
            for array in (rows, *sides.values()):
                _put_in_order(array, order)
        self._check_repeated(sides["time"][:, 0], counts)
        for array in (rows, *sides.values()):
            if isinstance(array, np.memmap):
                array.flush()
        finish(self.file, self.sides, self._about(counts))

    def _order(self, pieces: list[Any], time: np.ndarray) -> list[np.ndarray] | None:
        """Return the rows of each group in order of time; None if they are."""
        at, in_order = 0, True
        for k, (code, first, count, _, _) in enumerate(pieces):
            in_order &= first == at
            if k and pieces[k - 1][0] == code:
                in_order &= pieces[k - 1][4] <= pieces[k][3]
            at += count
        if in_order:
            return None
        found: list[np.ndarray] = []
        begin = 0
        for k in range(len(pieces)):
            if k + 1 < len(pieces) and pieces[k + 1][0] == pieces[k][0]:
                continue
            index = np.concatenate(
                [np.arange(p[1], p[1] + p[2]) for p in pieces[begin : k + 1]]
            )
            found.append(index[np.argsort(time[index, 0], kind="stable")])
            begin = k + 1
        return found

    def _sort_categories(self, rows: np.ndarray) -> None:
        """Number the categories in their order, as a fit does, so none is recoded."""
        for j, book in enumerate(self.books):
            if book is None:
                continue
            values = list(book.values)
            order = sorted_order(values)
            if order == list(range(len(order))):
                continue
            rank = np.empty(len(order) + 1, dtype=np.float32)
            rank[order], rank[-1] = np.arange(len(order)), np.nan
            for at in range(0, len(rows), BLOCK_ROWS):
                codes = rows[at : at + BLOCK_ROWS, j]
                known = np.where(np.isnan(codes), len(order), codes).astype(np.int64)
                rows[at : at + BLOCK_ROWS, j] = rank[known]
            self.books[j] = Codebook(values[k] for k in order)

    def _check_repeated(self, time: np.ndarray, counts: np.ndarray) -> None:
        assert self.axis is not None
        ends = np.cumsum(counts)
        for group, end in enumerate(ends.tolist()):
            own = time[end - counts[group] : end]
            again = own[1:] == own[:-1]
            if again.any():
                raise TimeIndexError(
                    f"{again.sum() + 1} rows of the group {list(self.labels)[group]!r} "
                    f"have the time of another, the first at "
                    f"{self.axis.show(own[1:][again][0])}. If several series are "
                    "stacked in it, name the columns that tell them apart with groups=;"
                    " otherwise aggregate or drop the duplicates."
                )

    def _about(self, counts: np.ndarray) -> dict[str, Any]:
        assert self.axis is not None
        assert self.moments is not None
        kind, zone, period = self.axis
        return {
            "n_rows": self.n_rows,
            "names": self.names,
            "categories": [
                None if b is None else [_plain(v) for v in b.values] for b in self.books
            ],
            "group_names": [str(key) for key in self.groups],
            "labels": list(self.labels),
            "counts": counts.tolist(),
            "time_name": str(self.time),
            "time_dtype": self.time_dtype,
            "axis": [kind, None if zone is None else str(zone), period],
            "targets": [str(key) for key in self.targets],
            "moments": self.moments.described(),
        }


def _is_coded(column: pd.Series) -> bool:
    """Tell whether a column holds categories: texts, or a categorical dtype."""
    dtype = column.dtype
    if has_categories(dtype):
        return True
    if pd.api.types.is_numeric_dtype(dtype) or dtype.kind in "mM":
        return False
    return pd.api.types.infer_dtype(column, skipna=True) not in _NUMBERS


def _plain(value: Any) -> Any:
    """Return a label as JSON holds it."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, (str, int, float, bool)):
        raise InputError(
            f"A store keeps groups and categories that are texts or numbers, but there "
            f"is {value!r} of type {type(value).__name__}. Convert it with astype(str)."
        )
    return value


def _mapped(file: BinaryIO, dtype: str, shape: tuple[int, int]) -> np.ndarray:
    file.flush()
    if not np.prod(shape):
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, "r+", 0, shape)


def _put_in_order(array: np.ndarray, order: list[np.ndarray]) -> None:
    """Put the rows of an array in a file in order, through a second file."""
    if not array.size:
        return
    with tempfile.TemporaryFile() as file:
        for index in order:
            for at in range(0, len(index), BLOCK_ROWS):
                file.write(array[index[at : at + BLOCK_ROWS]].tobytes())
        file.flush()
        sorted_rows = np.memmap(file, array.dtype, "r", 0, array.shape)
        for at in range(0, len(array), BLOCK_ROWS):
            array[at : at + BLOCK_ROWS] = sorted_rows[at : at + BLOCK_ROWS]
