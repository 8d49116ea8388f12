"""Data frames of any library, and the columns that parameters name in them.

pandas and polars are known here and nowhere else. A frame library is one class that
meets :class:`Table`, listed in ``TABLES``: the rest of the package reads frames as
pandas and asks the class for everything that it gives back in the library of the user.

Examples
--------
>>> import pandas as pd
>>> X = pd.DataFrame({"load": [3.0, 4.0]}, index=["a", "b"])
>>> table = table_of(X)
>>> table.take(X, [1])
   load
b   4.0
>>> table.beside(X, {"step_1": [5.0, 6.0]})
   step_1
a     5.0
b     6.0
"""

from __future__ import annotations

import difflib
import functools
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import pandas as pd

from sklearn_gru._tables.axis import Keys
from sklearn_gru.exceptions import InputError


class Table(Protocol):
    """A library of data frames."""

    def accepts(self, X: Any) -> bool:
        """Tell whether X is a frame of this library."""

    def to_pandas(self, X: Any) -> pd.DataFrame:
        """Return X as a pandas frame."""

    def labels(self, X: Any) -> pd.Index | None:
        """Return the index of X, or None if the library has no index."""

    def take(self, X: Any, rows: Any) -> Any:
        """Return the rows at some positions."""

    def joined(self, parts: Sequence[Any]) -> Any:
        """Return the rows of several frames, one after the other."""

    def content(self, X: Any) -> Iterator[bytes]:
        """Yield bytes that are the same in every process for the same rows."""

    def beside(self, X: Any, columns: Mapping[str, Any]) -> Any:
        """Return new columns as a frame with the rows of X."""

    def extend(
        self,
        X: Any,
        rows: Any,
        keys: Keys,
        times: np.ndarray,
        carried: Mapping[int, np.ndarray],
    ) -> Any:
        """Return copies of some rows at other times, with missing non-key columns.

        A column in `carried` has the values of other rows instead.
        """


class PandasTable:
    """Frames of pandas."""

    def accepts(self, X: Any) -> bool:
        return isinstance(X, pd.DataFrame)

    def to_pandas(self, X: pd.DataFrame) -> pd.DataFrame:
        return X

    def labels(self, X: pd.DataFrame) -> pd.Index | None:
        return X.index

    def take(self, X: pd.DataFrame, rows: Any) -> pd.DataFrame:
        return X.iloc[rows]

    def joined(self, parts: Sequence[Any]) -> Any:
        return pd.concat(_with_same_categories(parts))

    def content(self, X: Any) -> Iterator[bytes]:
        yield repr(list(map(str, getattr(X, "columns", [])))).encode()
        yield pd.util.hash_pandas_object(X).to_numpy().tobytes()

    def beside(self, X: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
        return pd.DataFrame(columns, index=X.index)

    def extend(
        self,
        X: pd.DataFrame,
        rows: Any,
        keys: Keys,
        times: np.ndarray,
        carried: Mapping[int, np.ndarray],
    ) -> pd.DataFrame:
        future = X.take(rows)
        for j in range(X.shape[1]):
            if j in carried:
                future.isetitem(j, X.iloc[carried[j], j].array)
            elif j not in keys.columns:
                future.isetitem(j, _missing(X.iloc[:0, j], len(rows)))
        if keys.time_column is not None:
            old = pd.Index(X.iloc[:, keys.time_column])
            future.isetitem(keys.time_column, _written_like(old, keys, times).array)
            if keys.levels or isinstance(X.index, pd.MultiIndex):
                return future
            return future.set_axis(_index_after(X.index, len(rows)), axis=0)
        assert keys.time_level is not None
        index = future.index
        if not isinstance(index, pd.MultiIndex):
            return future.set_axis(_written_like(X.index, keys, times), axis=0)
        levels = [index.get_level_values(i) for i in range(index.nlevels)]
        levels[keys.time_level] = _written_like(
            X.index.get_level_values(keys.time_level), keys, times
        )
        extended = pd.MultiIndex.from_arrays(levels, names=index.names)
        return future.set_axis(extended, axis=0)


def _missing(column: pd.Series, n: int) -> Any:
    """Return `n` missing values of the dtype of a column, or of one that has them."""
    if column.dtype == np.bool_:
        column = column.astype(np.float64)
    return column.reset_index(drop=True).reindex(range(n)).array


def _index_after(index: pd.Index, n: int) -> pd.Index:
    """Return labels for `n` rows after an index that is not a key: unique numbers."""
    start = 0
    if pd.api.types.is_integer_dtype(index.dtype):
        start = int(index.max()) + 1
    return pd.RangeIndex(start, start + n, name=index.name)


def _written_like(old: pd.Index, keys: Keys, times: np.ndarray) -> pd.Index:
    """Return times as an index with the kind, unit, zone and name of the old one."""
    new: Any = keys.axis.written(times)
    if keys.axis.kind == "datetime" and isinstance(old, pd.DatetimeIndex):
        new = new.as_unit(old.unit)
    elif keys.axis.kind == "datetime":
        new = pd.Index(new).astype(old.dtype)  # timestamps of pyarrow
    elif keys.axis.kind != "period":
        narrow = new.astype(old.dtype)
        new = narrow if (np.asarray(narrow) == times).all() else new
    return new.rename(old.name)


class PolarsTable:
    """Frames of polars, which is never imported: only a user of it has such a frame.

    Frames are converted column by column, because the conversion that polars offers
    needs pyarrow.
    """

    def accepts(self, X: Any) -> bool:
        library = type(X).__module__.partition(".")[0]
        return library == "polars" and hasattr(X, "get_columns")

    def to_pandas(self, X: Any) -> pd.DataFrame:
        return pd.DataFrame({c.name: _polars_column(c) for c in X.get_columns()})

    def labels(self, X: Any) -> pd.Index | None:
        return None

    def take(self, X: Any, rows: Any) -> Any:
        return X[np.asarray(rows).tolist()]

    def joined(self, parts: Sequence[Any]) -> Any:
        return functools.reduce(lambda whole, part: whole.vstack(part), parts)

    def content(self, X: Any) -> Iterator[bytes]:
        yield repr(X.columns).encode()
        yield X.hash_rows().to_numpy().tobytes()

    def beside(self, X: Any, columns: Mapping[str, Any]) -> Any:
        return type(X)(dict(columns))

    def extend(
        self,
        X: Any,
        rows: Any,
        keys: Keys,
        times: np.ndarray,
        carried: Mapping[int, np.ndarray],
    ) -> Any:
        names = X.columns
        taken = self.take(X, rows)
        at = names[keys.time_column]
        dtype = taken[at].dtype
        series = type(taken[at])
        if keys.axis.kind == "datetime":
            new = series(at, times.astype("datetime64[ns]"))
            if keys.axis.tz is not None:
                new = new.dt.replace_time_zone("UTC")
                new = new.dt.convert_time_zone(dtype.time_zone)
        else:
            new = series(at, times)
        known = [taken[names[j]] for j in keys.columns if j != keys.time_column]
        known += [self.take(X, at)[names[j]] for j, at in carried.items()]
        return X.clear(len(rows)).with_columns([*known, new.cast(dtype)])


def _polars_column(column: Any) -> Any:
    zone = getattr(column.dtype, "time_zone", None)
    if type(column.dtype).__name__ in ("Categorical", "Enum"):
        # An Enum lists its values; the values of a Categorical are those it holds.
        fixed = type(column.dtype).__name__ == "Enum"
        listed = column.dtype.categories.to_list() if fixed else None
        return pd.Categorical(column.to_list(), listed)
    values = column.to_numpy()
    if zone is None:
        return values
    return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(zone)


class StoreTable:
    """A :class:`~sklearn_gru.store.RowStore`, as a frame in memory.

    Only windows and splits read a store without that.
    """

    def accepts(self, X: Any) -> bool:
        return is_store(X)

    def to_pandas(self, X: Any) -> pd.DataFrame:
        return X.to_frame()

    def labels(self, X: Any) -> pd.Index | None:
        return X.to_frame().index

    def take(self, X: Any, rows: Any) -> Any:
        return X[np.asarray(rows)]

    def joined(self, parts: Sequence[Any]) -> Any:
        return PandasTable().joined([X.to_frame() for X in parts])

    def content(self, X: Any) -> Iterator[bytes]:
        yield pickle.dumps(X)  # which holds the path and a stamp of the file

    def beside(self, X: Any, columns: Mapping[str, Any]) -> pd.DataFrame:
        return pd.DataFrame(columns, index=self.labels(X))

    def extend(
        self,
        X: Any,
        rows: Any,
        keys: Keys,
        times: np.ndarray,
        carried: Mapping[int, np.ndarray],
    ) -> pd.DataFrame:
        return PandasTable().extend(X.to_frame(), rows, keys, times, carried)


TABLES: tuple[Table, ...] = (PandasTable(), PolarsTable(), StoreTable())


def table_of(X: Any) -> Table | None:
    """Return the library that X is a frame of, or None if X is not a frame."""
    return next((table for table in TABLES if table.accepts(X)), None)


def table_of_column(X: Any) -> Table | None:
    """Return what :func:`table_of` does, also for a single column of pandas."""
    return PandasTable() if isinstance(X, pd.Series) else table_of(X)


def _with_same_categories(parts: Sequence[Any]) -> list[Any]:
    """Return frames or columns whose categories are those of all of them."""
    if isinstance(parts[0], pd.Series):
        frames = _with_same_categories([part.to_frame("y") for part in parts])
        named = zip(frames, parts, strict=True)
        return [frame["y"].rename(part.name) for frame, part in named]
    parts = [part.copy(deep=False) for part in parts]
    for column, dtype in parts[0].dtypes.items():
        if isinstance(dtype, pd.CategoricalDtype):
            every = parts[0][column].cat.categories
            for part in parts[1:]:
                every = every.union(part[column].cat.categories, sort=False)
            for part in parts:
                part[column] = part[column].cat.set_categories(every)
    return parts


def is_store(X: Any) -> bool:
    """Tell whether X is a RowStore, which lies above this module."""
    return type(X).__module__ == "sklearn_gru._tables.row_store"


def as_frame(X: Any) -> pd.DataFrame | None:
    """Return X as a pandas frame, or None if X is not a frame."""
    table = table_of(X)
    return None if table is None else table.to_pandas(X)


# -- columns by name or position


def as_list(keys: Any) -> list[Any]:
    """Return a single name or position, or several, or None, as a list."""
    if keys is None:
        return []
    if isinstance(keys, (str, bytes)) or not isinstance(keys, Iterable):
        return [keys]
    return list(keys)


def find_column(names: Sequence[Any], key: Any, parameter: str) -> int:
    """Return the position of the column called `key`, or at position `key`."""
    if key in names:
        return list(names).index(key)
    whole = isinstance(key, Integral) and not isinstance(key, bool)
    if whole and -len(names) <= key < len(names):
        return int(key) % len(names)
    raise InputError(missing_column_message(names, key, parameter))


def missing_column_message(names: Sequence[Any], key: Any, parameter: str) -> str:
    """Return a message with the column asked for, the close names and all names."""
    close = difflib.get_close_matches(str(key), [str(n) for n in names], n=3)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    shown = ", ".join(repr(n) for n in list(names)[:30])
    more = f", … ({len(names)} in all)" if len(names) > 30 else ""
    return f"{parameter}={key!r}: X has no such column.{hint} Seen: {shown}{more}."


def float_column(column: pd.Series, dtype: Any) -> np.ndarray:
    """Return a column as floats, with missing values as NaN."""
    check_numeric(column)
    try:
        return column.to_numpy(dtype=dtype, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Column {column.name!r} (dtype {column.dtype}) holds values that are not "
            f"numbers, such as {_first_text(column)!r}. Name it in "
            "categorical_features=, encode it as numbers or drop it; if it is a key of "
            "the rows, name it in groups= or time= of SlidingWindow."
        ) from error


def refuse_texts(columns: Iterable[pd.Series]) -> None:
    """Raise InputError if several columns hold values that are not numbers."""
    found = {}
    for column in columns:
        if not pd.api.types.is_numeric_dtype(column.dtype):
            example = _first_text(column)
            if isinstance(example, str):
                found[column.name] = example
    if len(found) < 2:
        return
    shown = ", ".join(f"{name!r} ({text!r})" for name, text in list(found.items())[:8])
    more = f", … ({len(found)} in all)" if len(found) > 8 else ""
    raise InputError(
        f"Columns hold values that are not numbers: {shown}{more}. Name them in "
        "categorical_features=, encode them as numbers or drop them; if they are keys "
        "of the rows, name them in groups= or time= of SlidingWindow."
    )


def check_numeric(column: pd.Series) -> None:
    """Raise InputError for times and complex numbers, which are not refused below."""
    dtype = column.dtype
    if dtype.kind == "m":
        raise InputError(
            f"Column {column.name!r} holds durations (dtype {dtype}), which are not "
            f"numbers. Choose their unit, such as hours: X[{column.name!r}] = "
            f"X[{column.name!r}] / pd.Timedelta('1h')."
        )
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        raise InputError(
            f"Column {column.name!r} holds times (dtype {dtype}). If it is the time of "
            f"the rows, pass time={column.name!r}; otherwise turn it into numbers "
            "(hour of day, day of week, …) or drop it."
        )
    if pd.api.types.is_complex_dtype(dtype):
        raise InputError(
            f"Column {column.name!r} has dtype {dtype}, which is not real. Give the "
            "real and the imaginary part as two columns, or drop it."
        )


def _first_text(column: pd.Series) -> Any:
    for value in column:
        try:
            float(value)
        except (TypeError, ValueError):
            return value
    return column.iloc[0]
