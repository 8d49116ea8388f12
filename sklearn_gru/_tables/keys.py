"""Times and groups of rows, read from columns or from the index.

Windows are looked up by time, not by row number. The time and the group of a row can be
in the index, in levels of a MultiIndex, or in columns. Here they become numbers in one
unit and codes, so that higher modules need not know where they came from.
"""

from __future__ import annotations

import datetime
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from sklearn_gru._tables.axis import Axis, Keys
from sklearn_gru._tables.codebook import kind_of
from sklearn_gru._tables.frames import (
    as_frame,
    as_list,
    find_column,
    is_store,
    missing_column_message,
)
from sklearn_gru._tables.numbering import numbered
from sklearn_gru.exceptions import InputError, TimeIndexError

# A year and a month, three numbers, or an hour: "10-12" may be a size, "3.5" a number.
_LARGEST = np.iinfo(np.int64).max
_DATE = re.compile(r"\d{4}[-/.]\d|\d[-/.]\d+[-/.]\d|\d:\d\d")

NO_GROUP: tuple[Any, ...] = ()  # the label of all rows if X has no groups


class _Source(NamedTuple):
    """One column or index level that a key is read from."""

    values: pd.Index
    column: int | None = None
    level: int | None = None


class _Unread:
    """The columns and index levels of a frame; a level read as a key leaves it."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.names = list(frame.columns)
        levels = enumerate(_index_levels(frame.index).items())
        self.levels = {name: _Source(v, level=i) for i, (name, v) in levels}

    def take(self, key: Any, parameter: str) -> _Source:
        """Return the column or index level that a parameter names."""
        if key not in self.names and key in self.levels:
            return self.levels.pop(key)
        try:
            at = find_column(self.names, key, parameter)
        except InputError:
            seen = self.names + [n for n in self.levels if isinstance(n, str)]
            message = missing_column_message(seen, key, parameter)
            raise TimeIndexError(message) from None
        return _Source(_dates(pd.Index(self.frame.iloc[:, at])), column=at)

    def take_time_level(self) -> _Source:
        """Return the level of a MultiIndex that is the time."""
        levels = {name: source.values for name, source in self.levels.items()}
        return self.levels.pop(_time_level(levels))


def read_keys(
    frame: pd.DataFrame, time: Any, groups: Any, *, from_array: bool = False
) -> Keys | None:
    """Return the keys of a frame, or None if it has neither a time nor groups."""
    unread = _Unread(frame)
    when = None if time is None else unread.take(time, "time")
    told_by = [unread.take(key, "groups") for key in as_list(groups)]
    if isinstance(frame.index, pd.MultiIndex):
        when = unread.take_time_level() if when is None else when
        if groups is None:
            told_by = list(unread.levels.values())
    elif when is None and not from_array and _is_time(_dates(frame.index)):
        when = _Source(_dates(frame.index), level=0)
    if when is None and not told_by:
        return None
    if when is not None:
        times, axis = read_time(when.values, whole_floats=from_array)
    elif from_array:
        raise TimeIndexError(
            "groups= needs a time: pass time= with the column that holds it, or "
            "give X as a DataFrame whose index is the time."
        )
    else:
        # Any other index: within a group, rows are time steps in their order.
        times, axis = np.arange(len(frame)), Axis("row")
    found = None
    if len(told_by) == 1 and told_by[0].level is not None:
        found = _codes_of_level(frame.index, told_by[0].level)
    if found is None:
        found = factorized([source.values for source in told_by], len(frame))
    codes, labels = found
    sources = told_by if when is None else [when, *told_by]
    return Keys(
        times,
        axis,
        codes,
        labels,
        columns=[s.column for s in sources if s.column is not None],
        time_column=None if when is None else when.column,
        time_level=None if when is None else when.level,
        levels=tuple(s.level for s in sources if s.level is not None),
        copied=when is not None and times.flags.writeable and _is_copied(frame, when),
    )


def _is_copied(frame: pd.DataFrame, when: _Source) -> bool:
    """Tell whether times were read into memory that X does not share."""
    if isinstance(frame.index, pd.MultiIndex) and when.level is not None:
        return True  # a level holds each time once
    times = when.values
    return isinstance(times, pd.DatetimeIndex) and times.unit != "ns"


def keys_of(
    X: Any, time: Any = None, groups: Any = None, *, refuse_unnamed: bool = True
) -> Keys | None:
    """Return the keys of a frame or array, or None if it has none.

    `refuse_unnamed` raises an error for a column of times that was not named. It is
    for callers that only cut or extend X: without a model behind them, nothing else
    would notice, and rows would silently count as time steps.
    """
    if is_store(X):
        return X.keys(time, groups)
    frame = as_frame(X)
    if frame is None:
        if time is None and not as_list(groups):
            return None
        return read_keys(pd.DataFrame(np.asarray(X)), time, groups, from_array=True)
    keys = read_keys(frame, time, groups)
    numbered = keys is None or keys.axis.kind in ("integer", "row")
    if refuse_unnamed and time is None and numbered:
        used = [] if keys is None else keys.columns
        for j in range(frame.shape[1]):
            if j not in used:
                _refuse_unnamed_time(frame.iloc[:, j])
    return keys


def _refuse_unnamed_time(column: pd.Series) -> None:
    name, dtype = column.name, column.dtype
    if isinstance(dtype, pd.PeriodDtype) or is_datetime64_any_dtype(dtype):
        raise TimeIndexError(
            f"Column {name!r} holds times (dtype {dtype}), but the index of X was "
            f"taken. If it is the time of the rows, pass time={name!r}; otherwise drop "
            "it."
        )
    first = column.iloc[0] if len(column) else None
    if isinstance(first, str) and _DATE.search(first) and looks_like_time(first):
        raise TimeIndexError(
            f"Column {name!r} holds text that looks like times, such as "
            f"{first!r}, but the index of X was taken. If it is the time of "
            f"the rows: X[{name!r}] = pd.to_datetime(X[{name!r}]), and pass "
            f"time={name!r}; otherwise drop it."
        )


def _index_levels(index: pd.Index) -> dict[Any, pd.Index]:
    if isinstance(index, pd.MultiIndex):
        return {
            name if name is not None else ("level", i): _dates(
                index.get_level_values(i)
            )
            for i, name in enumerate(index.names)
        }
    return {} if index.name is None else {index.name: _dates(index)}


def _dates(index: pd.Index) -> pd.Index:
    """Return timestamps of pyarrow as a DatetimeIndex, and anything else unchanged."""
    dtype = index.dtype
    if isinstance(dtype, pd.ArrowDtype) and dtype.kind == "M":
        return pd.DatetimeIndex(index, name=index.name)
    return index


def _is_time(index: pd.Index) -> bool:
    return isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) or (
        pd.api.types.is_integer_dtype(index.dtype)
    )


def _time_level(levels: dict[Any, pd.Index]) -> Any:
    """Return the only datetime or period level, else the last integer level."""
    dated = [
        name
        for name, level in levels.items()
        if isinstance(level, (pd.DatetimeIndex, pd.PeriodIndex))
    ]
    if len(dated) == 1:
        return dated[0]
    whole = [
        name
        for name, level in levels.items()
        if pd.api.types.is_integer_dtype(level.dtype)
    ]
    if not dated and whole:
        return whole[-1]
    found = f"{len(dated)} datetime levels" if dated else "no datetime or integer level"
    raise TimeIndexError(
        f"The index of X has {found} among {list(levels)}: pass time= with the name of "
        "the level or column that is the time."
    )


def read_time(
    index: pd.Index, *, whole_floats: bool = False
) -> tuple[np.ndarray, Axis]:
    """Return times as numbers in one unit, and their axis.

    `whole_floats` reads floats without a fraction as integers: an array has one dtype
    for all its columns.
    """
    index = _dates(index)
    name = "time" if index.name is None else f"time {index.name!r}"
    missing = np.asarray(index.isna())
    if missing.any():
        raise TimeIndexError(
            f"{name} is missing (NaT) in {missing.sum()} of {len(index)} rows, first "
            f"in row {int(missing.argmax())}. Drop those rows: a row without a time "
            "has no place in a sequence."
        )
    if isinstance(index, pd.DatetimeIndex):
        return index.as_unit("ns").asi8, Axis("datetime", tz=index.tz)
    if isinstance(index, pd.PeriodIndex):
        return index.asi8, Axis("period", period=index.freqstr)
    if pd.api.types.is_bool_dtype(index.dtype):
        raise TimeIndexError(f"{name} holds booleans; expected times or numbers.")
    if pd.api.types.is_integer_dtype(index.dtype):
        if len(index) and int(index.max()) > _LARGEST:
            raise TimeIndexError(
                f"{name} holds {index.max()}; the largest time is {_LARGEST}. Subtract "
                "a constant, or count in a larger unit."
            )
        return index.to_numpy(dtype=np.int64), Axis("integer")
    if pd.api.types.is_float_dtype(index.dtype):
        values = index.to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise TimeIndexError(f"{name} holds infinity.")
        whole = (values == np.rint(values)) & (np.abs(values) < float(_LARGEST))
        if whole_floats and whole.all():
            return values.astype(np.int64), Axis("integer")
        return values, Axis("number")
    raise TimeIndexError(
        f"{name} has dtype {index.dtype}, such as {index[0]!r}. Convert it first, for "
        "example with pandas.to_datetime."
    )


def _codes_of_level(index: pd.Index, level: int) -> tuple[np.ndarray, list[Any]] | None:
    """Return what :func:`factorized` does of a level that is stored as codes."""
    if not isinstance(index, pd.MultiIndex):
        return None
    codes, values = np.asarray(index.codes[level]), index.levels[level]
    if len(codes) == 0 or codes.min() < 0 or not values.is_unique:
        return None
    found, order = numbered(codes, len(values))
    return found, list(_dates(values.take(order)))


def factorized(columns: list[pd.Index], n: int) -> tuple[np.ndarray, list[Any]]:
    """Return the code of each row and the label of each code, by first appearance."""
    if not columns:
        return np.zeros(n, dtype=np.int32), [NO_GROUP]
    codes = np.zeros(n, dtype=np.int64)
    parts: list[tuple[np.ndarray, list[Any]]] = []
    for column in columns:
        code, unique = pd.factorize(column)
        if (code < 0).any():
            row = int((code < 0).argmax())
            name = "" if column.name is None else f" {column.name!r}"
            raise TimeIndexError(
                f"Group key{name} is missing (NaN) in {(code < 0).sum()} of {n} rows, "
                f"first in row {row}. Fill it or drop those rows."
            )
        if len(columns) == 1:
            return code.astype(np.int32), list(unique)
        parts.append((code, list(unique)))
        # Numbered anew after each column: the product of the numbers of values of many
        # columns would not fit into an integer.
        codes = pd.factorize(codes * max(len(unique), 1) + code)[0].astype(np.int64)
    _, first = np.unique(codes, return_index=True)
    labels = zip(
        *([unique[k] for k in code[first]] for code, unique in parts), strict=True
    )
    return codes.astype(np.int32), list(labels)


def looks_like_time(value: Any) -> bool:
    """Tell whether a label or cell is a date that was not parsed."""
    if isinstance(value, str) and any(c.isdigit() for c in value):
        return pd.to_datetime(value, errors="coerce", format="mixed") is not pd.NaT
    return isinstance(value, (datetime.date, pd.Timedelta))


def check_group_kinds(labels: list[Any], known: dict[Any, int]) -> None:
    """Refuse text if fit saw numbers: all groups would silently be new."""
    if not known or any(label in known for label in labels):
        return
    if (labels[0] == NO_GROUP) != (next(iter(known)) == NO_GROUP):
        seen = [label for label in known if label != NO_GROUP][:1]
        raise TimeIndexError(
            f"The rows name no group, but those seen in fit did, such as {seen[0]!r}: "
            "pass them with the same columns or index levels as in fit."
            if seen
            else f"The rows name groups, such as {labels[0]!r}, but those seen in fit "
            "named none: drop that index level, or fit on rows of all groups."
        )
    now, before = kind_of(labels[0]), kind_of(next(iter(known)))
    if now != before:
        raise TimeIndexError(
            f"The groups hold {now}, such as {labels[0]!r}, but those seen in fit hold "
            f"{before}, such as {next(iter(known))!r}: convert them with astype."
        )
