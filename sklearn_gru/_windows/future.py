"""The rows after the end of the data: :func:`future_frame`.

A forecast belongs to a row, and the rows to come are not in the data yet. They are made
here with their keys on the grid of each group, and with nothing observed: windows look
up what is known by time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._support.rules import check_value, positive_integer
from sklearn_gru._tables.frames import as_frame
from sklearn_gru._tables.grid import DURATION, Grid, find_grid, place, steps_of
from sklearn_gru._tables.keys import Keys, keys_of
from sklearn_gru._windows.row_checks import refuse_other_shapes
from sklearn_gru.exceptions import InputError, TimeIndexError

__all__ = ["future_frame"]


def future_frame(X, periods, *, time=None, groups=None, freq="infer"):
    """The next rows of every group, to be predicted.

    Each group goes on from its own last time. Its keys are filled in, everything else
    is missing: columns known ahead (`known_future` of :class:`SlidingWindow`) are to be
    filled in by you, the others stay so.

    Parameters
    ----------
    X : DataFrame, or array-like of shape (n_rows, n_columns) with `time`
        Rows in any order, with their keys as in :class:`SlidingWindow`.
    periods : int or str
        Number of steps, and so of rows for each group, or a duration such as ``"24h"``.
    time : str or int, default=None
        Column or index level that is the time; as in :class:`SlidingWindow`.
    groups : str, int or list of them, default=None
        Columns or index levels that tell the series of a panel apart.
    freq : "infer", str, number or pandas offset, default="infer"
        What one step is; as in :class:`SlidingWindow`.

    Returns
    -------
    future : DataFrame or ndarray of shape (n_groups * periods, n_columns)
        Groups in the order in which they appear in X, times ascending. Columns, index
        levels and dtypes are those of X; integers and booleans become float64, which
        can be missing.

    Raises
    ------
    TimeIndexError
        X carries no time, or its times are irregular, so that none comes next.

    See Also
    --------
    SlidingWindow : With ``lag=h`` the first h of these rows can be predicted.

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

    Their windows see the newest rows:

    >>> import numpy as np
    >>> window = SlidingWindow(2, lag=2, known_future="hour").fit(df)
    >>> np.asarray(window.transform(future))[:, :, 0]
    array([[4., 5.],
           [5., 6.]])
    """
    check_value("future_frame", "periods", periods, [positive_integer(), DURATION])
    refuse_other_shapes(X)
    frame = as_frame(X)
    table = pd.DataFrame(np.asarray(X)) if frame is None else frame
    if not len(table):
        raise InputError("Found array with 0 sample(s): X has no rows.")
    keys = keys_of(np.asarray(X) if frame is None else table, time, groups)
    if keys is None or keys.axis.kind == "row":
        raise TimeIndexError(
            "X carries no time, so no row comes next, and windows would not find the "
            "rows before it. Give X as a DataFrame whose index is the time, or name "
            "the column with time=."
        )
    last = _last_rows(keys)
    grid = find_grid(freq, keys)
    periods = steps_of(periods, grid, "periods")
    times = _next_times(grid, keys, last, periods)
    rows = np.repeat(last, periods)
    if frame is not None and frame is not X:
        return _extend_polars(X, rows, keys, times)
    future = _blank(table, rows, keys.columns)
    future = _set_time(future, table, keys, times)
    return future.to_numpy() if frame is None else future


def _last_rows(keys: Keys) -> np.ndarray:
    """The row with the last time of each group, groups as they appear."""
    order = np.lexsort((keys.time, keys.codes))
    ends = np.flatnonzero(np.append(np.diff(keys.codes[order]) != 0, True))
    last = order[ends]
    _, first = np.unique(keys.codes, return_index=True)
    return last[np.argsort(first)]


def _next_times(
    grid: Grid | None, keys: Keys, last: np.ndarray, periods: int
) -> np.ndarray:
    """Times 1 … periods steps after each of the last rows."""
    if grid is None:
        raise TimeIndexError(
            "The times are irregular or too few to find a step, so none comes next. "
            "Give the step with freq=, such as freq='h', or write the rows to be "
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
            f"{step[k]} steps of {grid.freq!r} after "
            f"{keys.axis.show(keys.time[rows[k]])} there is no such time (a day that "
            "the month does not have, or an hour that the clock skips). Ask for fewer "
            "periods, or name another step with freq=."
        )
    return times


def _blank(table: pd.DataFrame, rows: np.ndarray, keys: list[int]) -> pd.DataFrame:
    """The rows with everything missing but their keys."""
    future = table.take(rows)
    for j in range(table.shape[1]):
        if j in keys:
            continue
        column = table.iloc[:0, j]
        if column.dtype == np.bool_:
            column = column.astype(np.float64)
        missing = column.reset_index(drop=True).reindex(range(len(rows)))
        future.isetitem(j, missing.array)
    return future


def _set_time(
    future: pd.DataFrame, table: pd.DataFrame, keys: Keys, times: np.ndarray
) -> pd.DataFrame:
    if keys.time_column is not None:
        old = pd.Index(table.iloc[:, keys.time_column])
        future.isetitem(keys.time_column, _like(old, keys, times).array)
        return future
    assert keys.time_level is not None
    index = future.index
    if not isinstance(index, pd.MultiIndex):
        return future.set_axis(_like(table.index, keys, times), axis=0)
    levels = [index.get_level_values(i) for i in range(index.nlevels)]
    levels[keys.time_level] = _like(
        table.index.get_level_values(keys.time_level), keys, times
    )
    return future.set_axis(pd.MultiIndex.from_arrays(levels, names=index.names), axis=0)


def _like(old: pd.Index, keys: Keys, times: np.ndarray) -> pd.Index:
    """Times as an index of the kind, unit, zone and name of the old one."""
    new: Any = keys.axis.written(times)
    if keys.axis.kind == "datetime":
        new = new.as_unit(old.unit)  # type: ignore[attr-defined]
    elif keys.axis.kind != "period":
        narrow = new.astype(old.dtype)
        new = narrow if (np.asarray(narrow) == times).all() else new
    return new.rename(old.name)


def _extend_polars(X: Any, rows: np.ndarray, keys: Keys, times: np.ndarray) -> Any:
    """As for pandas, but in columns of a polars frame, which has no index."""
    names = X.columns
    taken = X[rows.tolist()]
    at = names[keys.time_column]
    dtype = taken[at].dtype
    series = type(taken[at])
    if keys.axis.kind == "datetime":
        new = series(at, times.astype("datetime64[ns]"))
        if keys.axis.tz is not None:
            new = new.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
    else:
        new = series(at, times)
    known = [taken[names[j]] for j in keys.columns if j != keys.time_column]
    return X.clear(len(rows)).with_columns([*known, new.cast(dtype)])
