"""The feature columns of a frame, and how to read them.

Keys are dropped from the features, columns known ahead are marked, and columns of
categories become codes. A group key may also be a feature: a network that knows the
shop of a row can learn what shops share and how they differ. Such a key is read at the
time of the row itself, like a column known ahead, because the group of a row is always
known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._support.on_disk import BLOCK_ROWS, blank
from sklearn_gru._tables.codebook import (
    Codebook,
    categories_of,
    has_categories,
    named_features,
    read_columns,
)
from sklearn_gru._tables.frames import as_list, find_column
from sklearn_gru.exceptions import InputError


@dataclass(frozen=True, eq=False)
class Columns:
    """The features of a frame or array, as seen in fit.

    Attributes
    ----------
    names : list of str
        One per feature.
    positions : list of int
        Position of each feature; index levels are numbered after the columns.
    levels : list
        Index levels that are features.
    known : ndarray of bool
        Features read up to the row itself.
    books : list of Codebook or None
        Codes of each categorical feature.
    """

    names: list[str]
    positions: list[int]
    levels: list[Any]
    known: np.ndarray
    books: list[Codebook | None]

    @classmethod
    def find(
        cls,
        X: Any,
        key_columns: Sequence[int],
        *,
        categorical: Any = None,
        groups: Any = None,
        time: Any = None,
        known_future: Any = None,
    ) -> Columns:
        """Return the features of a frame or array, some columns of which are keys."""
        named = isinstance(X, pd.DataFrame)
        columns = list(X.columns) if named else list(range(X.shape[1]))
        levels = _wanted_levels(X, columns, categorical) if named else []
        everything = columns + levels
        chosen = named_features(categorical, everything)
        _refuse_time(everything, chosen, time)
        positions = [
            j for j in range(len(everything)) if j not in key_columns or chosen[j]
        ]
        if not columns:
            raise InputError("X has no columns; expected at least one to learn from.")
        if not positions:
            raise InputError(
                f"X has no column left: all of {columns} are keys (time= or groups=)."
            )
        known = np.zeros(len(everything), dtype=bool)
        for key in as_list(known_future):
            known[find_column(columns, key, "known_future")] = True
        known[list(key_columns)] = True
        for at, level in enumerate(levels, start=len(columns)):
            known[at] = groups is None or level in as_list(groups)
        found = cls(
            names=[str(everything[j]) if named else f"x{j}" for j in positions],
            positions=positions,
            levels=levels,
            known=known[positions],
            books=[],
        )
        series = found._series(X) if named or chosen.any() else []
        books: list[Codebook | None] = [None] * len(positions)
        for k, column in enumerate(series):
            if chosen[positions[k]] or (named and has_categories(column.dtype)):
                books[k] = Codebook()
        return replace(found, books=books)

    @property
    def categories(self) -> tuple[Any, ...] | None:
        """Categories of each feature, None where numeric; None if all are."""
        return categories_of(self.books)

    def read(self, X: Any) -> tuple[np.ndarray, Columns]:
        """Return features (n_rows, n_features), and the columns with new codes."""
        if isinstance(X, np.ndarray) and self.categories is None:
            whole = self.positions == list(range(X.shape[1]))
            return X if whole else X[:, self.positions], self
        values, books = read_columns(self._series(X), self.books)
        return values, replace(self, books=books)

    def with_codes_of(self, categories: Sequence[Any]) -> Columns:
        """Return these columns with the codes of rows that have them already."""
        books = [
            None if book is None else Codebook(categories[j])
            for j, book in zip(self.positions, self.books, strict=True)
        ]
        return replace(self, books=books)

    def recoded(
        self, values: np.ndarray, categories: Sequence[Any]
    ) -> tuple[np.ndarray, Columns]:
        """Return rows with codes of `categories` in the codes of these columns."""
        books = list(self.books)
        places: dict[int, np.ndarray] = {}
        for k, book in enumerate(self.books):
            if book is None or list(book.values) == list(categories[k]):
                continue
            column = pd.Series(categories[k], name=self.names[k])
            codes, books[k] = book.encode(column)
            places[k] = np.append(codes, np.nan)
        if not places:
            return values, self
        found = blank(values.shape, values.dtype, like=values)
        for at in range(0, len(values), BLOCK_ROWS):
            block = np.array(values[at : at + BLOCK_ROWS])
            for k, place in places.items():
                missing = np.isnan(block[:, k])
                code = np.where(missing, len(place) - 1, block[:, k])
                block[:, k] = place[code.astype(np.int64)]
            found[at : at + BLOCK_ROWS] = block
        return found, replace(self, books=books)

    def without_new(self, values: np.ndarray) -> np.ndarray:
        """Set categories not in these books to missing, in values with their codes."""
        for j, book in enumerate(self.books):
            if book is not None:
                values[values[:, j] >= len(book), j] = np.nan
        return values

    def and_numbers(self, names: list[str]) -> Columns:
        """Return these and further numeric columns, which are not of the frame."""
        return replace(
            self,
            names=self.names + names,
            known=np.append(self.known, np.zeros(len(names), dtype=bool)),
            books=[*self.books, *[None] * len(names)],
        )

    def renamed(self, given: list[str]) -> list[str]:
        """Return the names of the features if `given` names the columns of X."""
        pairs = zip(self.positions, self.names, strict=True)
        return [given[j] if j < len(given) else name for j, name in pairs]

    def _series(self, X: Any) -> list[pd.Series]:
        frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
        n = frame.shape[1]
        columns = [column for _, column in frame.items()]  # iloc takes 3 times as long
        return [
            columns[j] if j < n else _level(frame, self.levels[j - n])
            for j in self.positions
        ]


def _wanted_levels(frame: pd.DataFrame, columns: list[Any], keys: Any) -> list[Any]:
    """Return the index levels among the names of categorical features."""
    levels = [name for name in frame.index.names if name is not None]
    return [key for key in as_list(keys) if key not in columns and key in levels]


def _level(frame: pd.DataFrame, name: Any) -> pd.Series:
    values = frame.index.get_level_values(name)
    if isinstance(values, (pd.DatetimeIndex, pd.PeriodIndex)):
        raise InputError(
            f"categorical_features={name!r} names an index level of times, which are "
            "not categories. Make a calendar column (hour, weekday) of it."
        )
    return pd.Series(values, name=name)


def _refuse_time(names: list[Any], chosen: np.ndarray, time: Any) -> None:
    if time is None or (time not in names and not isinstance(time, int)):
        return
    if chosen[find_column(names, time, "time")]:
        raise InputError(
            f"{time!r} is both time= and named in categorical_features: the time of a "
            "row is not a category. Make a calendar column (hour, weekday) of it."
        )
