"""Frames in, float matrices out.

pandas and polars frames are read here and nowhere else: which columns were meant (by
name or position), what they hold, and an error that lists the columns when there is no
such one. A polars frame is turned into a pandas frame column by column, because its
own conversion needs pyarrow.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru.exceptions import InputError


def as_frame(X: Any) -> pd.DataFrame | None:
    """X as a pandas frame, or None if it is not a frame."""
    if isinstance(X, pd.DataFrame):
        return X
    if type(X).__module__.partition(".")[0] == "polars" and hasattr(X, "get_columns"):
        return pd.DataFrame({c.name: _polars_column(c) for c in X.get_columns()})
    return None


def _polars_column(column: Any) -> Any:
    zone = getattr(column.dtype, "time_zone", None)
    if type(column.dtype).__name__ in ("Categorical", "Enum"):
        # An Enum lists its values; those of a Categorical are the ones it holds.
        fixed = type(column.dtype).__name__ == "Enum"
        listed = column.dtype.categories.to_list() if fixed else None
        return pd.Categorical(column.to_list(), listed)
    values = column.to_numpy()
    if zone is None:
        return values
    return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(zone)


def as_list(keys: Any) -> list[Any]:
    """A single name or position, or several, or None, as a list."""
    if keys is None:
        return []
    if isinstance(keys, (str, bytes)) or not isinstance(keys, Iterable):
        return [keys]
    return list(keys)


def find_column(names: Sequence[Any], key: Any, parameter: str) -> int:
    """Position of the column called `key`, or at position `key`."""
    if key in names:
        return list(names).index(key)
    whole = isinstance(key, Integral) and not isinstance(key, bool)
    if whole and -len(names) <= key < len(names):
        return int(key) % len(names)
    raise InputError(missing_column_message(names, key, parameter))


def missing_column_message(names: Sequence[Any], key: Any, parameter: str) -> str:
    """What was asked for, what there is, and the closest names."""
    close = difflib.get_close_matches(str(key), [str(n) for n in names], n=3)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    shown = ", ".join(repr(n) for n in list(names)[:30])
    more = f", … ({len(names)} in all)" if len(names) > 30 else ""
    return f"{parameter}={key!r}: X has no such column.{hint} Seen: {shown}{more}."


def float_column(column: pd.Series, dtype: Any) -> np.ndarray:
    """A column as floats, missing as NaN."""
    _check_numeric(column)
    try:
        return column.to_numpy(dtype=dtype, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Column {column.name!r} (dtype {column.dtype}) holds values that are not "
            f"numbers, such as {_first_text(column)!r}. Name it in "
            "categorical_features=, encode it as numbers or drop it; if it is a key of "
            "the rows, name it in groups= or time= of SlidingWindow."
        ) from error


def _check_numeric(column: pd.Series) -> None:
    dtype = column.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        raise InputError(
            f"Column {column.name!r} holds times (dtype {dtype}). If it is the time of "
            f"the rows, pass time={column.name!r}; otherwise turn it into numbers "
            "(hour of day, day of week, …) or drop it."
        )
    if pd.api.types.is_complex_dtype(dtype):
        raise InputError(
            f"Column {column.name!r} has dtype {dtype}, which is no real number. Give "
            "real and imaginary part as two columns, or drop it."
        )


def _first_text(column: pd.Series) -> Any:
    for value in column:
        try:
            float(value)
        except (TypeError, ValueError):
            return value
    return column.iloc[0]
