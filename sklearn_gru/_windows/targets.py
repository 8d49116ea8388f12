"""The whole path ahead as a target: :func:`make_targets`.

A target of several steps is usually labeled by its first step, next to the newest row
that it is predicted from. Here a row holds the steps that *end* at it, so that it
belongs to ``SlidingWindow(lag=horizon)``. Columns known ahead are then read through the
horizon. Rows are lost at the beginning of the data only, not at the end, where the next
forecast needs them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from sklearn_gru._support.rules import check_value, positive_integer
from sklearn_gru._tables.axis import Axis
from sklearn_gru._tables.frames import table_of
from sklearn_gru._tables.grid import (
    DURATION,
    find_grid,
    misses_weekends,
    place,
    steps_of,
)
from sklearn_gru._tables.keys import keys_of
from sklearn_gru._tables.refused import refuse_targets, refuse_times
from sklearn_gru._windows.row_checks import check_same_rows, refuse_other_shapes
from sklearn_gru._windows.timeline import Reach, Rows, Timeline, merge
from sklearn_gru.exceptions import InputError

__all__ = ["make_targets"]


def make_targets(X, y, horizon, *, time=None, groups=None, freq="infer"):
    """Return `horizon` steps of y as one target, to predict a whole path at once.

    The target of the row at time t holds y at the times ``t - (horizon - 1) * step`` …
    ``t``. It is labeled by its last step because it goes with
    ``SlidingWindow(lag=horizon)``, whose window of that row ends one step before the
    first of these times.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_rows, n_columns)
        Rows in any order, with their keys as in :class:`SlidingWindow`. Rows of an
        array without `time` are time steps in row order.
    y : array-like of shape (n_rows,)
        The series to predict, one number per row of X.
    horizon : int or str
        Number of time steps, or a duration such as ``"24h"`` on regular times.
    time : str or int, default=None
        Column or index level that is the time; as in :class:`SlidingWindow`.
    groups : str, int or list of them, default=None
        Columns or index levels that identify the series of a panel.
    freq : "infer", None, str, number or pandas offset, default="infer"
        Length of one time step; as in :class:`SlidingWindow`.

    Returns
    -------
    X : DataFrame or ndarray of shape (n_targets, n_columns)
        The rows that have all `horizon` steps, in the order given: all but the first
        ``horizon - 1`` rows of every run of consecutive steps of a group.
    Y : DataFrame or ndarray of shape (n_targets, horizon)
        Column k (counted from 1) is k steps after the newest row of the window. For a
        frame it has the index of X, and names such as ``load_step_1`` after y's.

    Raises
    ------
    InputError
        No row has `horizon` steps, or y has several columns.
    TimeIndexError
        Times or groups cannot be read, or are off the grid.

    See Also
    --------
    SlidingWindow : Refuses a lag shorter than the horizon.
    future_frame : The rows after the end, to forecast them.

    Notes
    -----
    No target reaches across a hole or into another group. A missing y stays missing in
    the `horizon` targets that hold it. Estimators refuse those;
    ``Y.notna().all(axis=1)`` selects the others.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_gru import SlidingWindow, make_targets
    >>> hours = pd.date_range("2024-01-01", periods=6, freq="h")
    >>> df = pd.DataFrame({"load": [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]}, index=hours)
    >>> X, Y = make_targets(df, df["load"], horizon=2)
    >>> Y.tail(2)
                         load_step_1  load_step_2
    2024-01-01 04:00:00          6.0          7.0
    2024-01-01 05:00:00          7.0          8.0

    The last row is predicted from the hours up to 03:00, so that its path is 04:00
    and 05:00:

    >>> import numpy as np
    >>> windows = SlidingWindow(3, lag=2).fit_transform(X, Y)
    >>> np.asarray(windows)[-1, :, 0]
    array([4., 5., 6.])
    """
    check_value("make_targets", "horizon", horizon, [positive_integer(), DURATION])
    refuse_other_shapes(X)
    check_same_rows(X, y)
    table = table_of(X)
    if table is None:
        X = check_array(X, dtype=None, ensure_all_finite=False, input_name="X")
    name, target = _read_target(y)
    check_consistent_length(X, target)
    keys = keys_of(X, time, groups)
    grid = find_grid(freq, keys)
    steps = steps_of(horizon, grid, "horizon")
    row = np.arange(len(target))
    if keys is None:
        rows, axis = Rows(np.zeros_like(row), row, row, target[:, None]), Axis("row")
    else:
        at, axis = keys.time, keys.axis
        if grid is not None:
            at, _ = place(grid, keys, keys.codes, np.empty(0, dtype=np.int64))
        rows = Rows(keys.codes, at, keys.time, target[:, None])
    line = merge(None, rows, Reach(steps, 0), regular=grid is not None, axis=axis)
    whole, paths = _paths(line, steps)
    if not whole.any():
        hint = "pass freq= if the step was not found"
        if keys is not None and grid is not None and misses_weekends(grid, keys):
            hint = "pass freq='B', since no row is a Saturday or a Sunday"
        raise InputError(
            f"No row is the end of {steps} consecutive steps: the longest run "
            f"without a hole has {_longest_run(line.coordinate)}. Use a shorter "
            f"horizon, or {hint}."
        )
    paths = paths.astype(target.dtype, copy=False)
    if table is None:
        return X[whole], paths
    kept = table.take(X, np.flatnonzero(whole))
    prefix = "" if name is None else f"{name}_"
    columns = {f"{prefix}step_{k}": step for k, step in enumerate(paths.T, 1)}
    return kept, table.beside(kept, columns)


def _read_target(y: Any) -> tuple[Any, np.ndarray]:
    """Return the name of y, if it has one, and its values (n_rows,)."""
    refuse_targets(y)
    refuse_times(y, "y")
    name = getattr(y, "name", None)
    columns = getattr(y, "columns", None)
    if name is None and columns is not None and len(columns) == 1:
        name = columns[0]
    target = check_array(
        y, ensure_2d=False, ensure_all_finite=False, dtype="numeric", input_name="y"
    )
    if target.ndim > 1 and target.shape[1] > 1:
        raise InputError(
            f"y has {target.shape[1]} columns; make_targets takes one series. Call it "
            "for each of them, or stack the series and name their key with groups=."
        )
    return name, column_or_1d(target)


def _paths(line: Timeline, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a mask of the rows that have all their steps, and those steps."""
    # Coordinates rise by 1 per step, and by more over a hole or into another group.
    first = line.place - (horizon - 1)
    whole = first >= 0
    span = line.coordinate[line.place] - line.coordinate[np.maximum(first, 0)]
    whole &= span == horizon - 1
    steps = first[whole][:, None] + np.arange(horizon)
    return whole, line.rows.values[steps, 0]


def _longest_run(coordinate: np.ndarray) -> int:
    ends = np.flatnonzero(np.append(np.diff(coordinate) != 1, True))
    return int(np.diff(ends, prepend=-1).max())
