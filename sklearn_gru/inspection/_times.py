"""The rows of X in order of time, and a time axis to draw them on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._tables.axis import Keys
from sklearn_gru._tables.keys import keys_of
from sklearn_gru._windows.finding import find_window
from sklearn_gru.exceptions import InputError, InvalidParameterError

# A line is broken at gaps longer than this many typical time steps: at a hole, but not
# at a weekend of daily data.
_HOLE = 4


def keys_for(estimator: Any, X: Any) -> Keys | None:
    """Return keys as the window of the estimator reads them, else of the index."""
    window = find_window(estimator)
    if window is None:
        return keys_of(X, refuse_unnamed=False)
    return keys_of(X, window.time, window.groups, refuse_unnamed=False)


def written(keys: Keys, time: np.ndarray) -> pd.Index:
    """Return times as the user wrote them, and periods as their start."""
    times: Any = keys.axis.written(time)
    return times.to_timestamp() if keys.axis.kind == "period" else times


def rows_of_group(keys: Keys | None, n: int, group: Any) -> tuple[pd.Index, np.ndarray]:
    """Return the times of all rows, and the rows of a group in order of time."""
    if keys is None:
        if group is not None:
            raise InputError(f"group={group!r}, but the rows of X carry no groups.")
        return pd.RangeIndex(n), np.arange(n)
    rows = np.arange(n)
    if group is not None or len(keys.labels) > 1:
        if group not in keys.labels:
            seen = ", ".join(map(repr, keys.labels[:8]))
            more = ", …" if len(keys.labels) > 8 else ""
            raise InputError(
                f"group={group!r} is not one of the {len(keys.labels)} groups of X: "
                f"{seen}{more}. Choose the one to draw with group=."
            )
        rows = np.flatnonzero(keys.codes == keys.labels.index(group))
    return written(keys, keys.time), rows[np.argsort(keys.time[rows], kind="stable")]


def within(time: pd.Index, last: Any, between: Any) -> slice:
    """Return the slice of sorted times to draw."""
    first, end = 0, len(time)
    if between is not None:
        try:
            chosen = time.slice_indexer(*between)
        except (TypeError, ValueError, KeyError) as error:
            raise InvalidParameterError(
                f"between={between!r} cannot be compared with the times, such as "
                f"{time[0]!r}: {error}"
            ) from error
        first, end = chosen.start, chosen.stop
        if first >= end:
            raise InputError(
                f"No row lies between={between!r}; the times are {time[0]} to "
                f"{time[-1]}."
            )
    if last is not None:
        first = max(first, end - int(last))
    return slice(first, end)


def broken(time: pd.Index, values: np.ndarray) -> tuple[Any, np.ndarray]:
    """Return times and values with a NaN in every hole, to interrupt a line."""
    numbers = time.asi8 if isinstance(time, pd.DatetimeIndex) else np.asarray(time)
    gaps = np.diff(numbers)
    if not len(gaps):
        return time, values
    holes = np.flatnonzero(gaps > _HOLE * np.median(gaps)) + 1
    return (
        time.take(_repeat(len(time), holes)),
        np.insert(values.astype(np.float64), holes, np.nan),
    )


def _repeat(n: int, holes: np.ndarray) -> np.ndarray:
    """Return positions 0 … n - 1, with the one after each hole twice."""
    return np.insert(np.arange(n), holes, holes)


def label_times(ax: Any, time: pd.Index) -> None:
    """Label dates briefly and unambiguously, in the time zone of the data."""
    if not isinstance(time, pd.DatetimeIndex):
        ax.set_xlabel("row" if isinstance(time, pd.RangeIndex) else "time")
        return
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    # With a minimum above 2, some spans would have no interval with at most 6 ticks.
    locator = AutoDateLocator(tz=time.tz, minticks=2, maxticks=6)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=time.tz))
