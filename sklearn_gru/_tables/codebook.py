"""Categories and their codes, while data are read.

A column of categories is stored in the flat float array as codes, and
``Sequences.categories`` holds its values. Two frames rarely agree on codes (a fold
lacks a value, a dtype lists the values in another order), so codes of different origin
are never compared: a :class:`Codebook` assigns codes to values while data are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._tables.frames import as_list, find_column, float_column, refuse_texts
from sklearn_gru.exceptions import InputError

# Codes are stored in float32, which is exact for integers up to this one.
MAX_CATEGORIES = 2**24 - 1


class Codebook:
    """Values of one column and their codes; new values need a new codebook.

    Examples
    --------
    >>> import pandas as pd
    >>> codes, book = Codebook().encode(pd.Series(["b", "a", None]))
    >>> codes, list(book.values)
    (array([ 1.,  0., nan]), ['a', 'b'])
    >>> codes, grown = book.encode(pd.Series(["c", "b"]))
    >>> codes, list(grown.values), list(book.values)
    (array([2., 1.]), ['a', 'b', 'c'], ['a', 'b'])
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self._code = {value: code for code, value in enumerate(values)}

    def __len__(self) -> int:
        return len(self._code)

    @property
    def values(self) -> np.ndarray:
        """The values in the order of their codes."""
        return object_array(self._code)

    def encode(self, column: pd.Series) -> tuple[np.ndarray, Codebook]:
        """Return codes as floats, NaN if missing, and the book with any new values."""
        codes, seen = _factorize(column)
        new = [value for value in seen if value not in self._code]
        if len(new) == len(seen):
            check_kinds(seen, list(self._code), f"Column {column.name!r}")
        book = Codebook([*self._code, *new]) if new else self
        check_count(f"Column {column.name!r}", len(book))
        place = np.array([book._code[value] for value in seen] + [np.nan])
        return place[codes], book


def _factorize(column: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """Return the code of each row, -1 if missing, and the value of each code."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), list(column.cat.categories)
    try:
        codes, seen = pd.factorize(column)
    except TypeError as error:  # unhashable; the message that scikit-learn expects
        raise TypeError(
            f"Column {column.name!r} cannot be categories ({error}): a category as an "
            "argument must be a string or a number."
        ) from error
    values = list(pd.Index(seen, tupleize_cols=False))
    order = sorted_order(values)
    rank = np.empty(len(values) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(values)), -1
    return rank[codes], [values[k] for k in order]


def sorted_order(values: list[Any]) -> list[int]:
    """Return the order of the values, or their own if they cannot be compared."""
    try:
        return sorted(range(len(values)), key=values.__getitem__)
    except TypeError:
        return list(range(len(values)))


def object_array(values: Iterable[Any]) -> np.ndarray:
    """Return values as a 1-D array of objects."""
    values = list(values)
    out = np.empty(len(values), dtype=object)  # values may be tuples
    out[:] = values
    return out


def kind_of(value: Any) -> Any:
    """Return the kind of a value: text, numbers, or the name of its type."""
    if isinstance(value, tuple):
        return tuple(kind_of(part) for part in value)
    if isinstance(value, str):
        return "text"
    number = isinstance(value, (int, float, np.number, np.bool_))
    return "numbers" if number else type(value).__name__


def check_kinds(now: Sequence[Any], before: Sequence[Any], what: str) -> None:
    """Refuse text after numbers: all categories would silently be unknown."""
    if not len(now) or not len(before) or kind_of(now[0]) == kind_of(before[0]):
        return
    raise InputError(
        f"{what} holds {kind_of(now[0])}, such as {now[0]!r}, but the categories seen "
        f"before are {kind_of(before[0])}, such as {before[0]!r}: convert them with "
        "astype."
    )


def check_count(what: str, n: int) -> None:
    """Refuse more categories than there are codes."""
    if n > MAX_CATEGORIES:
        raise InputError(
            f"{what} has {n} categories; at most {MAX_CATEGORIES} can be told apart."
        )


def has_categories(dtype: Any) -> bool:
    """Tell whether a pandas dtype is categorical."""
    return isinstance(dtype, pd.CategoricalDtype)


def read_columns(
    columns: Sequence[pd.Series], books: Sequence[Codebook | None]
) -> tuple[np.ndarray, list[Codebook | None]]:
    """Return columns as a float matrix, with codes if they have a book, and books."""
    numeric = [c for c, book in zip(columns, books, strict=True) if book is None]
    single = bool(numeric) and all(
        c.dtype in (np.dtype(np.float32), np.dtype(np.float16)) for c in numeric
    )
    dtype = np.float32 if single else np.float64
    out = np.empty((len(columns[0]) if columns else 0, len(columns)), dtype=dtype)
    grown = list(books)
    for j, (column, book) in enumerate(zip(columns, books, strict=True)):
        if book is None:
            try:
                out[:, j] = float_column(column, dtype)
            except InputError:
                refuse_texts(numeric)
                raise
        else:
            out[:, j], grown[j] = book.encode(column)
    return out, grown


def categories_of(books: Sequence[Codebook | None]) -> tuple[Any, ...] | None:
    """Return the categories of each column, None if numeric; None if all are."""
    if all(book is None for book in books):
        return None
    return tuple(None if book is None else book.values for book in books)


def named_features(keys: Any, names: Sequence[Any]) -> np.ndarray:
    """Return a mask of the features chosen by names, positions or a mask."""
    chosen = np.zeros(len(names), dtype=bool)
    keys = as_list(keys)
    if keys and all(isinstance(key, (bool, np.bool_)) for key in keys):
        if len(keys) != len(names):
            raise InputError(
                f"categorical_features is a mask of {len(keys)} entries, but X has "
                f"{len(names)} features: {', '.join(repr(n) for n in names[:30])}."
            )
        return np.array(keys, dtype=bool)
    for key in keys:
        chosen[find_column(names, key, "categorical_features")] = True
    return chosen


def needs_codes(dtype: Any, named: bool) -> bool:
    """Tell whether the values of a feature need codes to enter a float array."""
    return has_categories(dtype) or (
        bool(named) and not pd.api.types.is_numeric_dtype(dtype)
    )
