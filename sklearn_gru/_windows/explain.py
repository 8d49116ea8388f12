"""The source rows of a window, for ``SlidingWindow.explain``.

Windows hold values only. Here the line of rows that they are laid on is searched again,
one time step at a time, for the row at that step: a row of X, a remembered row, or
none.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from pandas.errors import InvalidIndexError

from sklearn_gru._tables.axis import Axis, Keys
from sklearn_gru._tables.columns import Columns
from sklearn_gru._tables.frames import table_of
from sklearn_gru._tables.grid import Grid
from sklearn_gru._tables.keys import NO_GROUP
from sklearn_gru._windows.fitted_grid import FittedGrid
from sklearn_gru._windows.timeline import Reach, Timeline
from sklearn_gru.exceptions import InputError


def explain_window(
    values: np.ndarray,
    row: int,
    columns: Columns,
    fitted: FittedGrid,
    keys: Keys | None = None,
    line: Timeline | None = None,
) -> pd.DataFrame:
    """Return the rows that make up the window of one row of X.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        The features of X.
    row : int
        Position of the row in X.
    columns : Columns
        The features, with their categories.
    fitted : FittedGrid
        The grid of the window.
    keys, line : Keys and Timeline, default=None
        Times and groups of X, and its rows among the remembered ones, if it has keys.
    """
    attrs: dict[str, Any] = {"row": row, "time": None, "group": None}
    if keys is None or line is None:
        lookup = Lookup.in_array(values, row)
    else:
        lookup = Lookup.on_line(line, values, row, keys, fitted.grid)
        label = keys.labels[keys.codes[row]]
        attrs["group"] = None if label is NO_GROUP else label
        if lookup.axis is not None:
            attrs["time"] = lookup.times(np.zeros(1, dtype=np.int64))[0]
    return _table(lookup, fitted.reach, columns, attrs)


class WindowSteps(pd.DataFrame):
    """The steps of one window, a DataFrame that prints its parts below each other.

    A selection from it is an ordinary DataFrame.
    """

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def __repr__(self) -> str:
        group, time = self.attrs["group"], self.attrs["time"]
        title = f"Window of row {self.attrs['row']}"
        title += "" if time is None else f" at {time}"
        title += "" if group is None else f" of group {group!r}"
        lines = [f"{title}: {self.attrs['length']} of {len(self)} steps"]
        with pd.option_context("display.max_columns", None):
            for part in self.columns.unique(level=0):
                lines += ["", str(part), repr(self[part])]
        return "\n".join(lines)


def find_row(X: Any, row: Any, n: int) -> int:
    """Return the position of a row given by its position or label."""
    if isinstance(row, Integral) and not isinstance(row, bool):
        if not -n <= int(row) < n:
            raise InputError(f"row={row}: X has {n} rows, 0 to {n - 1}.")
        return int(row) % n
    table = table_of(X)
    index = None if table is None else table.labels(X)
    if index is None:
        raise InputError(
            f"row={row!r}: X has no index with labels; give the position of the row, "
            f"0 to {n - 1}."
        )
    try:
        at = np.arange(n)[index.get_loc(row)]
    except (KeyError, TypeError, ValueError, InvalidIndexError) as error:
        raise InputError(
            f"row={row!r} is not a label in the index of X, which goes from "
            f"{index[0]!r} to {index[-1]!r}. Give such a label, or the position of the "
            "row as an integer."
        ) from error
    if np.size(at) != 1:
        raise InputError(
            f"row={row!r} is the label of {np.size(at)} rows of X, first "
            f"{np.atleast_1d(at)[:5].tolist()}. Give the position of one of them."
        )
    return int(np.atleast_1d(at)[0])


class Lookup:
    """The rows before one row, found by the number of time steps back.

    Parameters
    ----------
    coordinate : ndarray of shape (m,)
        Coordinate of each row, increasing by 1 per time step.
    values : ndarray of shape (m, n_features)
        Features of each row.
    source : ndarray of str of shape (m,)
        Source of each row: X, fit, or both.
    position : ndarray of shape (m,)
        Position of each row in X, or -1.
    here : int
        Index of the row itself.
    axis, time, grid : Axis, ndarray of shape (m,) and Grid or None
        Times of the rows, if X carries any.
    """

    def __init__(
        self,
        coordinate: np.ndarray,
        values: np.ndarray,
        source: np.ndarray,
        position: np.ndarray,
        here: int,
        *,
        axis: Axis | None = None,
        time: Any = None,
        grid: Grid | None = None,
    ) -> None:
        self.coordinate = coordinate
        self.values = values
        self.source = source
        self.position = position
        self.here = here
        self.axis = axis
        self.time = time
        self.grid = grid

    @classmethod
    def in_array(cls, values: np.ndarray, row: int) -> Lookup:
        """Return a lookup over rows without keys, each of which is a time step."""
        at = np.arange(len(values))
        return cls(at, values, np.full(len(at), "X", dtype=object), at, row)

    @classmethod
    def on_line(
        cls,
        line: Timeline,
        values: np.ndarray,
        row: int,
        keys: Keys,
        grid: Grid | None,
    ) -> Lookup:
        """Return a lookup over rows of X at their keys, and the remembered ones."""
        position = np.full(len(line.coordinate), -1)
        # Written backwards, so that the first of identical rows stays.
        position[line.place[::-1]] = np.arange(len(line.place))[::-1]
        mine = position >= 0
        filled = mine & line.remembered
        seen = values[position[filled]]
        filled[filled] = (np.isnan(seen) & ~np.isnan(line.rows.values[filled])).any(1)
        source = np.where(mine, np.where(filled, "X and fit", "X"), "fit")
        here = int(line.place[row])
        about: dict[str, Any] = {}
        if keys.axis.kind != "row":
            about = {"axis": keys.axis, "time": line.rows.time, "grid": grid}
        return cls(line.coordinate, line.rows.values, source, position, here, **about)

    def at(self, back: np.ndarray) -> np.ndarray:
        """Return the row at each number of steps back, or -1."""
        wanted = self.coordinate[self.here] - back
        at = np.searchsorted(self.coordinate, wanted)
        at = np.minimum(at, len(self.coordinate) - 1)
        return np.where(self.coordinate[at] == wanted, at, -1)

    def times(self, back: np.ndarray) -> Any:
        """Return the time at each number of steps back, as X writes it."""
        assert self.axis is not None
        at = self.at(back)
        if self.grid is None:
            return _written(self.time[at], self.axis, missing=at < 0)
        own = np.repeat(self.time[self.here], len(back))
        times = np.where(at >= 0, self.time[at], self.grid.advance(own, -back))
        return _written(times, self.axis, missing=np.zeros(len(back), dtype=bool))


def _written(times: np.ndarray, axis: Axis, missing: np.ndarray) -> Any:
    """Return times as an index of the kind they were given in."""
    if axis.kind in ("datetime", "period"):
        return axis.written(times).where(~missing)
    numbers = pd.array(times, dtype="Int64" if axis.kind == "integer" else "Float64")
    numbers[missing] = pd.NA
    return numbers


def _table(
    lookup: Lookup, reach: Reach, columns: Columns, attrs: dict[str, Any]
) -> pd.DataFrame:
    """Return one row per step, and one block of columns per time they are read at."""
    steps_back = np.arange(reach.window)[::-1]
    known = columns.known
    parts = [(f"lag={reach.lag}", reach.lag, ~known), ("known_future", 0, known)]
    if reach.lag == 0:
        parts = [("lag=0", 0, np.ones_like(known))]
    parts = [(name, shift, mask) for name, shift, mask in parts if mask.any()]
    rows = [lookup.at(steps_back + shift) for _, shift, _ in parts]
    begin = _begin(lookup, rows, [mask for *_, mask in parts])
    attrs["length"] = reach.window - begin
    blocks = {}
    for (name, shift, mask), at in zip(parts, rows, strict=True):
        blocks[name] = _block(lookup, at, steps_back + shift, begin, columns, mask)
    table = WindowSteps(pd.concat(blocks, axis=1))
    table.index = pd.RangeIndex(reach.window, name="step")
    table.attrs.update(attrs)
    return table


def _begin(lookup: Lookup, rows: list[np.ndarray], masks: list[np.ndarray]) -> int:
    """Return the first step that holds a value."""
    observed = np.zeros(len(rows[0]), dtype=bool)
    for at, mask in zip(rows, masks, strict=True):
        observed |= (at >= 0) & ~np.isnan(lookup.values[at][:, mask]).all(axis=1)
    return int(observed.argmax()) if observed.any() else len(observed)


def _block(
    lookup: Lookup,
    at: np.ndarray,
    back: np.ndarray,
    begin: int,
    columns: Columns,
    mask: np.ndarray,
) -> pd.DataFrame:
    """Return the steps of the columns that are read at one shift."""
    nothing = at < 0
    none = np.where(np.arange(len(at)) < begin, "absent", "missing")
    position = pd.array(lookup.position[at], dtype="Int64")
    position[nothing | (lookup.position[at] < 0)] = pd.NA
    block: list[tuple[str, Any]] = []
    if lookup.axis is not None:
        block.append(("time", lookup.times(back)))
    block.append(("source", np.where(nothing, none, lookup.source[at])))
    block.append(("row", position))
    for j in np.flatnonzero(mask):
        cells = np.where(nothing, np.nan, lookup.values[at, j])
        block.append((columns.names[j], _decoded(cells, columns, int(j))))
    # Named afterwards: a feature may also be called "time", "source" or "row".
    table = pd.DataFrame({k: cells for k, (_, cells) in enumerate(block)})
    return table.set_axis([name for name, _ in block], axis=1)


def _decoded(cells: np.ndarray, columns: Columns, j: int) -> Any:
    """Return codes of a categorical feature as categories."""
    categories = None if columns.categories is None else columns.categories[j]
    if categories is None:
        return cells
    codes = np.where(np.isnan(cells), -1, cells).astype(np.int64)
    return pd.Categorical.from_codes(codes, pd.Index(categories))
