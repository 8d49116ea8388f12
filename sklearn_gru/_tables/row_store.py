"""Rows of a panel in a file, read as the frame they were: :class:`RowStore`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._support.on_disk import gathered
from sklearn_gru._tables.axis import Axis, Keys
from sklearn_gru._tables.codebook import object_array
from sklearn_gru._tables.frames import find_column
from sklearn_gru._tables.store_file import open_file
from sklearn_gru._tables.store_writer import write_store
from sklearn_gru.exceptions import InputError, StoreError, TimeIndexError

__all__ = ["RowStore"]

NO_GROUP: tuple[Any, ...] = ()


class RowStore:
    """Rows of a panel in one file, which need not fit into memory.

    A store stands for the frame that was written: its rows group after group, each in
    order of time, its features as float32. :class:`~sklearn_gru.SlidingWindow` reads
    the times and groups of a store by itself, and the rows stay in the file.
    Cross-validation and searches select rows of it as they do of an array.

    :meth:`write` makes a store, :meth:`open` reads one. A pickle holds the path.

    Attributes
    ----------
    path : Path
        The file.
    columns : list of str
        Names of the features.
    categories : tuple
        For each feature the array of its categories, None for a numeric feature.
    groups : list
        Labels of the groups in the order of the rows; tuples for several columns.
    moments : DataFrame
        Count, mean, standard deviation, minimum and maximum of each feature of all
        rows; of codes for a categorical one.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        The target of each row, float64.
    shape : tuple of int
        Number of rows and of features.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> from sklearn_gru.store import RowStore
    >>> path = tempfile.mkdtemp() + "/sales.rows"
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> def months():  # any iterable of frames
    ...     for shop in ("a", "b"):
    ...         yield pd.DataFrame({"shop": shop, "day": days, "sales": [3, 4, 5]})
    >>> keys = dict(groups="shop", time="day", target="sales")
    >>> store = RowStore.write(months(), path, **keys)
    >>> store
    RowStore(6 rows, 1 features, 2 groups, at sales.rows)
    >>> store.y
    memmap([3., 4., 5., 3., 4., 5.])
    >>> store[3:].to_frame()
                     sales
    shop day
    b    2024-01-01    3.0
         2024-01-02    4.0
         2024-01-03    5.0
    """

    ndim = 2

    def __init__(self, path: Any) -> None:
        self.path = Path(path)
        self._sections = open_file(self.path)
        found = os.stat(self.path)
        self._stamp = found.st_size, found.st_mtime_ns
        self._rows: Any = slice(0, self._sections.about["n_rows"])

    # -- making one -------------------------------------------------------------------

    @classmethod
    def write(cls, source, path, *, groups=None, time, target=None):
        """Write the rows of many frames to a file, in one pass over them.

        Memory holds one frame at a time. Groups may come in pieces and in any order.
        The file appears under its name when it is whole: a write that is killed leaves
        an older store as it was.

        Parameters
        ----------
        source : iterable of frames
            Frames of pandas or polars, record batches of pyarrow, partitions of dask
            (``frame.partitions``), or a generator of them, with the same columns.
            Texts and columns of category dtype become categories.
        path : str or Path
            The file to write; an existing one is replaced at the end.
        groups : str or list of str, default=None
            Columns or index levels that identify the series; texts or numbers.
        time : str
            Column or index level that is the time.
        target : str or list of str, default=None
            Columns that :attr:`y` holds. They stay features too: their past is what a
            forecast with a lag reads.

        Returns
        -------
        store : RowStore
            The store, open.

        Raises
        ------
        InputError
            A column is missing, not numeric, or infinite, or frames differ in columns.
        TimeIndexError
            Two rows have the same group and time, or a key is missing.
        """
        write_store(source, Path(path), groups=groups, time=time, target=target)
        return cls(path)

    @classmethod
    def open(cls, path):
        """Open a store.

        Parameters
        ----------
        path : str or Path
            File that :meth:`write` made.

        Returns
        -------
        store : RowStore
            All of its rows.

        Raises
        ------
        StoreError
            There is no such file, or it is not a store, damaged or half-copied.
        """
        return cls(path)

    # -- what it holds ----------------------------------------------------------------

    @property
    def _about(self) -> dict[str, Any]:
        return self._sections.about

    @property
    def columns(self) -> list[str]:
        """Names of the features."""
        return list(self._about["names"])

    @property
    def categories(self) -> tuple[np.ndarray | None, ...]:
        """Categories of each feature, None for a numeric one."""
        return tuple(
            None if values is None else object_array(values)
            for values in self._about["categories"]
        )

    @property
    def groups(self) -> list[Any]:
        """Labels of the groups, in the order of the rows."""
        single = len(self._about["group_names"]) == 1
        labels = self._about["labels"]
        return labels if single else [tuple(label) for label in labels]

    @property
    def moments(self) -> pd.DataFrame:
        """Count, mean, std, min and max of each feature, over all rows."""
        return pd.DataFrame(self._about["moments"], index=self.columns)

    @property
    def y(self) -> np.ndarray:
        """Target of each row."""
        found = self._sections.target[self._rows]
        return found[:, 0] if found.shape[1] == 1 else found

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return len(self), len(self._about["names"])

    def __len__(self) -> int:
        rows = self._rows
        return rows.stop - rows.start if isinstance(rows, slice) else len(rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise InputError(
            f"{self!r} is not an array: each of its rows belongs to a group and a "
            "time. Put SlidingWindow in front of all other steps, as in make_pipeline("
            "SlidingWindow(24, lag=1), GRURegressor()), or load the rows as a frame: "
            "store.to_frame()."
        )

    def __getitem__(self, key: Any) -> Any:
        """Select rows, by a slice, positions or a mask; a text is a column."""
        if isinstance(key, str):
            j = find_column(self.columns, key, "column")
            return pd.Series(self._cells(j), self._index(), name=key)
        if isinstance(key, tuple):  # [rows, …], as scikit-learn selects
            if any(k is not Ellipsis and k != slice(None) for k in key[1:]):
                raise TypeError("A RowStore selects rows only; to_frame() has columns.")
            key = key[0]
        if isinstance(key, (int, np.integer)):
            at = range(len(self))[key]  # or an IndexError, which ends an iteration
            key = slice(at, at + 1)
        found = object.__new__(RowStore)
        found.__dict__.update(vars(self))
        rows = self._rows
        if isinstance(key, slice):
            first, stop, step = key.indices(len(self))
            if isinstance(rows, slice) and step == 1:
                stop = max(first, stop)
                found._rows = slice(rows.start + first, rows.start + stop)
                return found
        found._rows = _shortest(self._positions()[key])
        return found

    def _positions(self) -> np.ndarray:
        """Return the place of each row in the file."""
        rows = self._rows
        return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows

    def __repr__(self) -> str:
        n, n_features = self.shape
        return (
            f"RowStore({n} rows, {n_features} features, {len(self._about['labels'])} "
            f"groups, at {self.path.name})"
        )

    # -- what windows read ------------------------------------------------------------

    def values(self) -> np.ndarray:
        """Return the rows (n, n_features): of the file, or of one without a name."""
        return gathered(self._sections.rows, self._rows)

    def keys(self, time: Any = None, groups: Any = None) -> Keys:
        """Return the times and groups of the rows; parameters must name the same.

        Parameters
        ----------
        time, groups : str or list of str, default=None
            Names as in :meth:`write`.

        Returns
        -------
        keys : Keys
            Times and groups.
        """
        about = self._about
        own = {"time": [about["time_name"]], "groups": about["group_names"]}
        for name, given in (("time", time), ("groups", groups)):
            asked = [given] if isinstance(given, str) else given
            if asked is not None and list(asked) != own[name]:
                raise TimeIndexError(
                    f"{name}={given!r}, but the store {self.path} was written with "
                    f"{name}={own[name]}. Leave it out, or write the store again."
                )
        kind, zone, period = about["axis"]
        axis = Axis(kind, _zone(zone), period)
        labels = self.groups if about["group_names"] else [NO_GROUP]
        ends = np.cumsum(about["counts"])
        codes = np.searchsorted(ends, self._positions(), side="right")
        times = np.array(self._sections.time[self._rows])
        n_groups = len(about["group_names"])  # levels of the index of to_frame
        levels = tuple(range(n_groups + 1))
        return Keys(times, axis, codes, labels, [], time_level=n_groups, levels=levels)

    def head(self) -> pd.DataFrame:
        """Return a frame without rows, for its columns.

        Returns
        -------
        frame : DataFrame
            Columns with their dtypes.
        """
        return self[:0].to_frame()

    def to_frame(self):
        """Return the rows as a frame in memory.

        Returns
        -------
        frame : DataFrame
            The features, float32 or categorical, with groups and time in the index;
            datetimes are in nanoseconds.
        """
        cells = {name: self._cells(j) for j, name in enumerate(self.columns)}
        return pd.DataFrame(cells, index=self._index())

    def _index(self) -> pd.Index:
        """Return groups and times as an index."""
        keys = self.keys()
        levels: list[Any] = []
        for k in range(len(self._about["group_names"])):
            parts = [g[k] if isinstance(g, tuple) else g for g in keys.labels]
            levels.append(pd.Index(parts).take(keys.codes))
        levels.append(keys.axis.written(keys.time))
        names = [*self._about["group_names"], self._about["time_name"]]
        if len(levels) == 1:
            return levels[0].rename(names[0])
        return pd.MultiIndex.from_arrays(levels, names=names)

    def _cells(self, j: int) -> Any:
        """Return a feature of the rows, as a frame holds it."""
        values = np.array(self._sections.rows[self._rows, j])
        known = self.categories[j]
        if known is None:
            return values
        codes = np.where(np.isnan(values), -1, values).astype(np.int64)
        kind = pd.CategoricalDtype(list(known))
        return pd.Categorical.from_codes(codes, dtype=kind)

    # -- pickling ---------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {
            "path": str(self.path.resolve()),
            "stamp": self._stamp,
            "rows": self._rows,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]
        if self._stamp != state["stamp"]:
            raise StoreError(
                f"The row store {self.path} was changed since this pickle was made. "
                "Make the pickle again from the store as it is."
            )
        self._rows = state["rows"]


def _shortest(rows: np.ndarray) -> Any:
    """Return a slice for positions that follow each other."""
    if not len(rows):
        return slice(0, 0)
    run = len(rows) == rows[-1] - rows[0] + 1 and bool((np.diff(rows) == 1).all())
    return slice(int(rows[0]), int(rows[-1]) + 1) if run else rows


def _zone(name: str | None) -> Any:
    return None if name is None else pd.DatetimeTZDtype("ns", name).tz
