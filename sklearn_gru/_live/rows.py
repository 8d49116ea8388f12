"""One row as numbers: from an array, a dict, a Series or a frame of one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_gru._tables.codebook import check_kinds
from sklearn_gru._tables.frames import as_frame
from sklearn_gru.exceptions import InputError

# The code of each category of a feature, or None if it is numeric.
Codes = dict[Any, float] | None


def codes_of(categories: Sequence[Any] | None, n: int) -> list[Codes]:
    """Return the codes of the categories of n features."""
    if categories is None:
        return [None] * n
    return [
        None if c is None else {value: float(k) for k, value in enumerate(c)}
        for c in categories
    ]


class Given(NamedTuple):
    """A row as it was given: its cells by column, and its label."""

    cells: Any  # sequence in the order of the columns, or mapping by name
    label: Any  # of the index, or None


def unpack(row: Any) -> Given:
    """Return the cells of a row of any kind, and its label in an index."""
    if isinstance(row, (Mapping, pd.Series)):
        label = row.name if isinstance(row, pd.Series) else None
        return Given(row, label)
    frame = as_frame(row)
    if frame is not None:
        if len(frame) != 1:
            raise InputError(
                f"A row is expected, but this frame has {len(frame)}. Pass frame.iloc"
                "[[i]], or several rows to update_many."
            )
        cells = {c: frame.iloc[0, j] for j, c in enumerate(frame.columns)}
        return Given(cells, frame.index[0])
    array = row if isinstance(row, np.ndarray) else np.asarray(row, dtype=object)
    if array.ndim == 2 and len(array) == 1:
        array = array[0]
    if array.ndim != 1:
        raise InputError(
            f"A row is expected, but got an array of shape {array.shape}. Pass one row "
            "of shape (n_features,), or several to update_many."
        )
    return Given(array, None)


class RowReader:
    """Reader of the features of a row into an array of float64.

    Parameters
    ----------
    owner : str
        What was fitted, for messages.
    columns : list of str or None
        Names of the columns of X in fit; None if it had none.
    n_columns : int
        Number of them.
    features : list of int
        The columns that are features; numbers after the columns are parts of the key.
    codes : list
        Codes of each feature that is a category.
    """

    def __init__(
        self,
        owner: str,
        columns: Sequence[Any] | None,
        n_columns: int,
        features: Sequence[int],
        codes: Sequence[Codes],
        parts_of_key: Mapping[int, int] | None = None,
    ) -> None:
        self.owner = owner
        self.columns = None if columns is None else list(columns)
        self.n_columns = n_columns
        self.features = list(features)
        self.codes = list(codes)
        # Feature -> part of the key, for keys that are features too.
        self.parts_of_key = dict(parts_of_key or {})
        coded = any(code is not None for code in codes)
        #: Whether an array of numbers is the features as they are.
        self.is_plain = not coded and self.features == list(range(n_columns))
        self._order: tuple[Any, np.ndarray] | None = None
        self._names: list[Any] = []
        if self.columns is not None:
            known = self.columns
            self._names = [known[j] if j < n_columns else None for j in self.features]

    def read(self, row: Any, into: np.ndarray, key: Any = None) -> None:
        """Write the features of a row."""
        kind = type(row)
        if kind is np.ndarray and self.is_plain and row.dtype.kind in "fiub":
            self.write(row, into)
        elif kind is dict and self.is_plain and self._names:
            try:
                into[:] = [row[name] for name in self._names]
            except (KeyError, TypeError, ValueError):
                self._read_cells(row, into, key)
        elif kind is pd.Series and self.is_plain and row.dtype.kind in "fiub":
            self.write(self._ordered(row), into)
        else:
            self._read_cells(unpack(row).cells, into, key)

    def write(self, values: np.ndarray, into: np.ndarray) -> None:
        """Write an array of numbers, one per feature."""
        if values.shape != into.shape:
            values = unpack(values).cells
            if len(values) != len(into):
                raise self._wrong_width(len(values))
        into[:] = values

    def _ordered(self, row: pd.Series) -> np.ndarray:
        """Return the values of a numeric Series in the order of fit."""
        if self.columns is None:
            return row.to_numpy()
        index = row.index
        if self._order is None or self._order[0] is not index:
            place = index.get_indexer(pd.Index(self._names))
            if (place < 0).any() or not index.is_unique:
                raise self._missing([n for n, p in zip(self._names, place) if p < 0])  # noqa: B905
            self._order = index, place
        return row.to_numpy()[self._order[1]]

    def _read_cells(self, cells: Any, into: np.ndarray, key: Any) -> None:
        """Write features from cells of any kind, one by one."""
        get = self._getter(cells)
        for k, code in enumerate(self.codes):
            part = self.parts_of_key.get(k)
            if part is not None and key is not None:
                value = key[part] if isinstance(key, tuple) else key
            else:
                value = get(k)
            into[k] = self._number(k, value) if code is None else self._code(k, value)

    def _getter(self, cells: Any) -> Callable[[int], Any]:
        if isinstance(cells, (Mapping, pd.Series)):
            if self.columns is None:
                raise InputError(
                    f"The row has names, but {self.owner} was fitted on columns "
                    "without names. Pass the values as an array."
                )
            missing = [
                name
                for k, name in enumerate(self._names)
                if name not in cells and k not in self.parts_of_key
            ]
            if missing:
                raise self._missing(missing)
            return lambda k: cells[self._names[k]]
        if len(cells) == self.n_columns:
            return lambda k: cells[self.features[k]]
        own = [k for k in range(len(self.features)) if k not in self.parts_of_key]
        if len(cells) != len(own):
            raise self._wrong_width(len(cells))
        place = {k: at for at, k in enumerate(own)}
        return lambda k: cells[place[k]]

    def _number(self, k: int, value: Any) -> float:
        try:
            return np.nan if value is None or value is pd.NA else float(value)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"Feature {self._name(k)!r} of the row is {value!r}, but was numeric "
                "in fit."
            ) from error

    def _code(self, k: int, value: Any) -> float:
        """Return the code of a category; NaN if it is missing or unknown."""
        if value is None or value is pd.NA or value != value:
            return np.nan
        codes = self.codes[k]
        assert codes is not None
        code = codes.get(value)
        if code is None:
            check_kinds([value], list(codes), f"Feature {self._name(k)!r}")
            return np.nan
        return code

    def _name(self, k: int) -> Any:
        return self._names[k] if self._names else k

    def _missing(self, names: list[Any]) -> InputError:
        return InputError(
            f"The row has no {', '.join(map(repr, names))}, which {self.owner} was "
            f"fitted with. Expected the columns {self._names}."
        )

    def _wrong_width(self, n: int) -> InputError:
        names = f": {self._names}" if self._names else ""
        return InputError(
            f"The row has {n} values, but {self.owner} was fitted with "
            f"{len(self.features)} features{names}."
        )
