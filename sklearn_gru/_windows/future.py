"""The rows after the end of the data: :func:`future_frame`.

A forecast belongs to a row, and future rows are not in the data yet. They are made here
with their keys on the grid of each group, and with no observed values: windows look up
the known values by time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._support.rules import check_value, positive_integer
from sklearn_gru._tables.axis import Keys
from sklearn_gru._tables.frames import PandasTable, as_list, find_column, table_of
from sklearn_gru._tables.grid import DURATION, Grid, find_grid, place, steps_of
from sklearn_gru._tables.keys import NO_GROUP, keys_of
from sklearn_gru._windows.row_checks import refuse_other_shapes
from sklearn_gru.exceptions import InputError, TimeIndexError

__all__ = ["future_frame"]


def future_frame(X, periods, *, time=None, groups=None, freq="infer", static=None):
    """Return the next rows of every group, to be predicted.

    Each group continues from its own last time. Its keys and `static` columns are
    filled in, and everything else is missing. Fill in the columns known ahead
    (`known_future` of :class:`SlidingWindow`), and leave the others as they are.

    Parameters
    ----------
    X : DataFrame, or array-like of shape (n_rows, n_columns) with `time`
        Rows in any order, with their keys as in :class:`SlidingWindow`.
    periods : int or str
        Number of time steps, which is the number of rows per group, or a duration such
        as ``"24h"``.
    time : str or int, default=None
        Column or index level that is the time; as in :class:`SlidingWindow`.
    groups : str, int or list of them, default=None
        Columns or index levels that identify the series of a panel.
    freq : "infer", str, number or pandas offset, default="infer"
        Length of one time step; as in :class:`SlidingWindow`.
    static : str, int or list of them, default=None
        Columns that describe a group and never change within it, such as the size of a
        shop: the new rows get the value of their group. Name them in `known_future` as
        well.

    Returns
    -------
    future : DataFrame or ndarray of shape (n_groups * periods, n_columns)
        Groups in the order in which they appear in X, times ascending. Columns, index
        levels and dtypes are those of X, except that integers and booleans become
        float64, so that they can be missing. If the time is a column and no key is in
        the index, the index continues after the largest label of X (from 0 if the
        labels are not integers), so that labels are unique.

    Raises
    ------
    InputError
        A column in `static` has several values in a group.
    TimeIndexError
        X carries no time, or its times are irregular, so that there is no next one.

    See Also
    --------
    SlidingWindow : With ``lag=h``, the first h of these rows can be predicted.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_gru import SlidingWindow, future_frame
    >>> hours = pd.date_range("2024-01-01", periods=4, freq="h")
    >>> df = pd.DataFrame({"load": [3.0, 4.0, 5.0, 6.0], "hour": [0, 1, 2, 3]},
    ...                   index=hours)
    >>> future = future_frame(df, 2)
    >>> future["hour"] = future.index.hour
    >>> future
                         load  hour
    2024-01-01 04:00:00   NaN     4
    2024-01-01 05:00:00   NaN     5

    A column that never changes in a group is carried on:

    >>> shops = pd.DataFrame({"shop": ["a", "a", "b", "b"], "size": [9, 9, 4, 4],
    ...                       "day": [1, 2, 1, 2], "sales": [3.0, 5.0, 1.0, 2.0]})
    >>> future_frame(shops, 1, time="day", groups="shop", static="size")
      shop  size  day  sales
    4    a     9    3    NaN
    5    b     4    3    NaN

    The windows of new rows see the newest rows:

    >>> import numpy as np
    >>> window = SlidingWindow(2, lag=2, known_future="hour").fit(df)
    >>> np.asarray(window.transform(future))[:, :, 0]
    array([[4., 5.],
           [5., 6.]])
    """
    check_value("future_frame", "periods", periods, [positive_integer(), DURATION])
    refuse_other_shapes(X)
    table = table_of(X)
    if not len(X if table is not None else np.asarray(X)):
        raise InputError("Found array with 0 sample(s): X has no rows.")
    keys = keys_of(X, time, groups)
    if keys is None or keys.axis.kind == "row":
        raise TimeIndexError(
            "X carries no time, so there is no next row, and windows would not find "
            "the rows before it. Give X as a DataFrame whose index is the time, or "
            "name the column with time=."
        )
    frame = table.to_pandas(X) if table is not None else pd.DataFrame(np.asarray(X))
    last = _last_rows(keys)
    grid = find_grid(freq, keys)
    periods = steps_of(periods, grid, "periods")
    times = _next_times(grid, keys, last, periods)
    rows = np.repeat(last, periods)
    carried = {
        j: np.repeat(source, periods)
        for j, source in _static_rows(frame, static, keys, last).items()
    }
    if table is not None:
        return table.extend(X, rows, keys, times, carried)
    return PandasTable().extend(frame, rows, keys, times, carried).to_numpy()


def _static_rows(
    frame: pd.DataFrame, static: Any, keys: Keys, last: np.ndarray
) -> dict[int, np.ndarray]:
    """Return, per static column, the row that holds the value of each group.

    The groups are in the order of their `last` rows. A group without any value gets its
    last row, where the value is missing.
    """
    found = {}
    for key in as_list(static):
        j = find_column(list(frame.columns), key, "static")
        if j in keys.columns:
            continue  # filled in as a key
        codes, _ = pd.factorize(frame.iloc[:, j])
        present = np.flatnonzero(codes >= 0)
        value = np.full(len(keys.labels), -1)
        value[keys.codes[present]] = codes[present]
        several = codes[present] != value[keys.codes[present]]
        if several.any():
            group = keys.codes[present[several.argmax()]]
            label = keys.labels[group]
            where = "" if label is NO_GROUP else f" of group {label!r}"
            raise InputError(
                f"static={frame.columns[j]!r}: the rows{where} hold several values. "
                "Leave the column out of static=, and fill it in afterwards: "
                f"future[{frame.columns[j]!r}] = ..."
            )
        source = np.full(len(keys.labels), -1)
        source[keys.codes[present]] = present
        found[j] = np.where(
            source[keys.codes[last]] < 0, last, source[keys.codes[last]]
        )
    return found


def _last_rows(keys: Keys) -> np.ndarray:
    """Return the row with the last time of each group, by first appearance."""
    order = np.lexsort((keys.time, keys.codes))
    ends = np.flatnonzero(np.append(np.diff(keys.codes[order]) != 0, True))
    last = order[ends]
    _, first = np.unique(keys.codes, return_index=True)
    return last[np.argsort(first)]


def _next_times(
    grid: Grid | None, keys: Keys, last: np.ndarray, periods: int
) -> np.ndarray:
    """Return the times 1 … periods steps after each of the last rows."""
    if grid is None:
        raise TimeIndexError(
            "The times are irregular or too few to find a step, so there is no next "
            "time. Give the step with freq=, such as freq='h', or write the rows to be "
            "predicted yourself."
        )
    place(grid, keys, keys.codes, np.empty(0, dtype=np.int64))
    rows = np.repeat(last, periods)
    step = np.tile(np.arange(1, periods + 1), len(last))
    times = grid.advance(keys.time[rows], step)
    position, phase = grid.split(keys.time[rows])
    reached, phase_there = grid.split(times)
    missed = (reached != position + step) | (phase_there != phase)
    if missed.any():
        k = int(missed.argmax())
        raise TimeIndexError(
            f"There is no valid time {step[k]} steps of {grid.freq!r} after "
            f"{keys.axis.show(keys.time[rows[k]])} (the month has no such day, or the "
            "clock skips that hour). Ask for fewer periods, or pass another step with "
            "freq=."
        )
    return times
