"""Which rows a window was read from: the end of every doubt about alignment.

The windows themselves hold values only. Here the same line of rows is asked, step by
step, which row stands where the window looks: one of X, one remembered from fit, or
none.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from pandas.errors import InvalidIndexError
from sklearn.utils.validation import check_is_fitted

from sklearn_gru._tables.columns import Columns
from sklearn_gru._tables.frames import as_frame
from sklearn_gru._tables.grid import Grid
from sklearn_gru._tables.keys import NO_GROUP, Axis, Keys
from sklearn_gru._windows.timeline import Reach, Timeline
from sklearn_gru.exceptions import InputError


class ExplainsWindows:
    """Adds ``explain`` to the window."""

    def explain(self, X, row):
        """Show the rows that the window of one row was read from.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows as for ``transform``: the window is the one that ``transform(X)``
            gives for `row`.
        row : int or label
            An integer is the position of the row in X (-1 is the last); anything else,
            such as a time or a tuple, is its label in the index of X.

        Returns
        -------
        steps : DataFrame of `window_size` rows
            A line for each step of the window, oldest first. Columns that are read at
            the same time stand together: below ``"lag=h"`` those read h steps back,
            below ``"known_future"`` those in `known_future`, read up to the row itself
            (``"lag=0"`` if there is no lag); printed, the parts stand below each
            other. Each begins with

            * ``time``: when the step is, as the rows write it (NaT or <NA> where
              irregular times have no row; no such column where X carries no time);
            * ``source``: ``"X"``, a row of X; ``"fit"``, a row remembered from `fit` or
              `partial_fit`; ``"X and fit"``, a row of X whose missing values are filled
              from the remembered one; ``"missing"``, no row, a hole in the window;
              ``"absent"``, no row, before the sequence begins;
            * ``row``: position in X, <NA> for a row that is not of X;

            and goes on with the values of the features. ``steps.attrs`` holds the
            ``row``, its ``time`` and ``group``, and the ``length`` of the sequence: the
            steps that are left when those without any value at its start are dropped.

        Raises
        ------
        InputError
            X has no such row, or several.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_gru import SlidingWindow
        >>> hours = pd.date_range("2024-01-01", periods=5, freq="h")
        >>> df = pd.DataFrame({"load": [3.0, 4.0, 5.0, 6.0, 7.0]}, index=hours)
        >>> window = SlidingWindow(3, lag=1).fit(df.iloc[:3])
        >>> window.explain(df.iloc[4:], "2024-01-01 04:00")
        Window of row 0 at 2024-01-01 04:00:00: 3 of 3 steps
        <BLANKLINE>
        lag=1
                            time   source   row  load
        step
        0    2024-01-01 01:00:00      fit  <NA>   4.0
        1    2024-01-01 02:00:00      fit  <NA>   5.0
        2    2024-01-01 03:00:00  missing  <NA>   NaN
        """
        check_is_fitted(self)
        values, keys, columns = self._read(X, reset=False)
        if self.flatten and columns.categories is not None:
            values = self._columns.without_new(values)
        row = find_row(X, row, len(values))
        attrs = {"row": row, "time": None, "group": None}
        if keys is None:
            found = Found.in_array(values, row)
        else:
            line = self._merge(self._locate(keys, values, keep=False))
            found = Found.on_line(line, values, row, keys, self._grid)
            label = keys.labels[keys.codes[row]]
            attrs["group"] = None if label is NO_GROUP else label
            if found.axis is not None:
                attrs["time"] = found.times(np.zeros(1, dtype=np.int64))[0]
        return _table(found, self._reach, columns, attrs)


class WindowSteps(pd.DataFrame):
    """The steps of one window; a DataFrame that prints its parts below each other.

    What is selected from it is a DataFrame.
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
    """Position of a row given by position or label."""
    if isinstance(row, Integral) and not isinstance(row, bool):
        if not -n <= int(row) < n:
            raise InputError(f"row={row}: X has {n} rows, 0 to {n - 1}.")
        return int(row) % n
    frame = as_frame(X)
    if frame is None or frame is not X:
        raise InputError(
            f"row={row!r}: X has no index with labels; give the position of the row, "
            f"0 to {n - 1}."
        )
    try:
        at = np.arange(n)[frame.index.get_loc(row)]
    except (KeyError, TypeError, ValueError, InvalidIndexError) as error:
        raise InputError(
            f"row={row!r} is no label in the index of X, which goes from "
            f"{frame.index[0]!r} to {frame.index[-1]!r}. Give such a label, or the "
            "position of the row as an integer."
        ) from error
    if np.size(at) != 1:
        raise InputError(
            f"row={row!r} stands for {np.size(at)} rows of X, first "
            f"{np.atleast_1d(at)[:5].tolist()}. Give the position of one of them."
        )
    return int(np.atleast_1d(at)[0])


class Found:
    """The rows around one row: for every number of steps back a row, or none.

    Parameters
    ----------
    coordinate : ndarray of shape (m,)
        Of the rows there are, increasing by 1 from step to step.
    values : ndarray of shape (m, n_features)
        What they hold.
    source : ndarray of str of shape (m,)
        Where each is from.
    position : ndarray of shape (m,)
        Of each in X, or -1.
    here : int
        Which of them is the row itself.
    axis, time, grid : Axis, ndarray of shape (m,) and Grid or None
        Their times, if X carries any.
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
    def in_array(cls, values: np.ndarray, row: int) -> Found:
        """Rows without keys: each is a step."""
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
    ) -> Found:
        """Rows at their group and time, together with the remembered ones."""
        position = np.full(len(line.coordinate), -1)
        # Backwards: of identical rows the first stays.
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
        """Which row stands so many steps back, or -1."""
        wanted = self.coordinate[self.here] - back
        at = np.searchsorted(self.coordinate, wanted)
        at = np.minimum(at, len(self.coordinate) - 1)
        return np.where(self.coordinate[at] == wanted, at, -1)

    def times(self, back: np.ndarray) -> Any:
        """The time so many steps back, as X writes it."""
        assert self.axis is not None
        at = self.at(back)
        if self.grid is None:
            return _written(self.time[at], self.axis, missing=at < 0)
        own = np.repeat(self.time[self.here], len(back))
        times = np.where(at >= 0, self.time[at], self.grid.advance(own, -back))
        return _written(times, self.axis, missing=np.zeros(len(back), dtype=bool))


def _written(times: np.ndarray, axis: Axis, missing: np.ndarray) -> Any:
    """Times as an index of the kind they were given in."""
    if axis.kind in ("datetime", "period"):
        return axis.written(times).where(~missing)
    numbers = pd.array(times, dtype="Int64" if axis.kind == "integer" else "Float64")
    numbers[missing] = pd.NA
    return numbers


def _table(
    found: Found, reach: Reach, columns: Columns, attrs: dict[str, Any]
) -> pd.DataFrame:
    """One line a step, one block of columns for each time they are read at."""
    steps_back = np.arange(reach.window)[::-1]
    known = columns.known
    parts = [(f"lag={reach.lag}", reach.lag, ~known), ("known_future", 0, known)]
    if reach.lag == 0:
        parts = [("lag=0", 0, np.ones_like(known))]
    parts = [(name, shift, mask) for name, shift, mask in parts if mask.any()]
    rows = [found.at(steps_back + shift) for _, shift, _ in parts]
    begin = _begin(found, rows, [mask for *_, mask in parts])
    attrs["length"] = reach.window - begin
    blocks = {}
    for (name, shift, mask), at in zip(parts, rows, strict=True):
        blocks[name] = _block(found, at, steps_back + shift, begin, columns, mask)
    table = WindowSteps(pd.concat(blocks, axis=1))
    table.index = pd.RangeIndex(reach.window, name="step")
    table.attrs.update(attrs)
    return table


def _begin(found: Found, rows: list[np.ndarray], masks: list[np.ndarray]) -> int:
    """First step that holds a value."""
    observed = np.zeros(len(rows[0]), dtype=bool)
    for at, mask in zip(rows, masks, strict=True):
        observed |= (at >= 0) & ~np.isnan(found.values[at][:, mask]).all(axis=1)
    return int(observed.argmax()) if observed.any() else len(observed)


def _block(
    found: Found,
    at: np.ndarray,
    back: np.ndarray,
    begin: int,
    columns: Columns,
    mask: np.ndarray,
) -> pd.DataFrame:
    """The steps of the columns that are read at one shift."""
    nothing = at < 0
    none = np.where(np.arange(len(at)) < begin, "absent", "missing")
    position = pd.array(found.position[at], dtype="Int64")
    position[nothing | (found.position[at] < 0)] = pd.NA
    block: list[tuple[str, Any]] = []
    if found.axis is not None:
        block.append(("time", found.times(back)))
    block.append(("source", np.where(nothing, none, found.source[at])))
    block.append(("row", position))
    for j in np.flatnonzero(mask):
        cells = np.where(nothing, np.nan, found.values[at, j])
        block.append((columns.names[j], _decoded(cells, columns, int(j))))
    # By number first: a feature may be called "time", "source" or "row" too.
    table = pd.DataFrame({k: cells for k, (_, cells) in enumerate(block)})
    return table.set_axis([name for name, _ in block], axis=1)


def _decoded(cells: np.ndarray, columns: Columns, j: int) -> Any:
    """Codes of a categorical feature as the categories they stand for."""
    categories = None if columns.categories is None else columns.categories[j]
    if categories is None:
        return cells
    codes = np.where(np.isnan(cells), -1, cells).astype(np.int64)
    return pd.Categorical.from_codes(codes, pd.Index(categories))
