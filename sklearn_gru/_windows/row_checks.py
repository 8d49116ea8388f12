"""Checks that warn when the rows probably do not mean what the index suggests.

scikit-learn matches X and y by position and never reads an index. Windows are looked up
by time, so a contradiction with the index is probably a mistake: a target in another
order, dates that were not parsed, days without weekends, a step shorter than any gap
between two rows, or a window longer than the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._support.warn import warn
from sklearn_gru._tables.axis import Keys
from sklearn_gru._tables.grid import Grid, gaps_between, misses_weekends
from sklearn_gru._tables.keys import looks_like_time
from sklearn_gru._tables.refused import named_texts, refuse_kinds, texts_in
from sklearn_gru._windows.timeline import Reach
from sklearn_gru.exceptions import InputError, LayoutWarning, TimeIndexError

_DATED = (pd.DatetimeIndex, pd.PeriodIndex, pd.MultiIndex)


def refuse_other_shapes(X: Any) -> None:
    """Raise InputError if X is not a table, with the line that makes it one."""
    refuse_kinds(X, "a table with one row per time step, such as a DataFrame")
    if isinstance(X, pd.Series):
        raise InputError(
            "Expected a table, but X is a Series. X.to_frame() makes it a table of one "
            "column."
        )
    n_dim = getattr(X, "ndim", 2)
    if n_dim == 1:
        raise InputError(
            f"Expected 2D array, got 1D array instead: X has shape {X.shape}. Reshape "
            "your data: one series is one column, X.reshape(-1, 1)."
        )
    if n_dim > 2:
        raise InputError(
            f"Found array with dim {n_dim}: X has shape {X.shape}, but expected rows "
            "and columns. Sequences do not need a window: pass them to GRURegressor or "
            "GRUClassifier."
        )


def refuse_texts(X: Any) -> None:
    """Raise InputError for an array with texts, naming every column that has some."""
    found = texts_in(X)
    if found:
        raise InputError(
            f"X is an array with texts in the columns {named_texts(found)}; expected "
            "numbers. A frame can hold categories: X = pd.DataFrame(X), with "
            f"SlidingWindow(…, categorical_features={list(found)}). If the texts are "
            "keys of the rows, name their columns in groups= or time=."
        )


def refuse_infinity(values: np.ndarray, names: Sequence[str]) -> None:
    """Raise InputError for infinite values, with the column and row of the first."""
    infinite = np.isinf(values)
    if not infinite.any():
        return
    row, column = np.argwhere(infinite)[0]
    raise InputError(
        f"Input X contains infinity or a value too large for {values.dtype!r} in "
        f"{infinite.any(axis=1).sum()} of {len(values)} rows, the first in column "
        f"{names[column]!r} of row {row}. Mark them as missing: "
        "X = X.replace([np.inf, -np.inf], np.nan)."
    )


def check_same_rows(X: Any, y: Any) -> None:
    """Raise InputError if both have times and the rows of y are not those of X."""
    rows: Any = getattr(X, "index", None)
    targets: Any = getattr(y, "index", None)
    if not isinstance(rows, _DATED) or type(rows) is not type(targets):
        return
    if len(rows) != len(targets) or rows.equals(targets):
        return
    differs = np.asarray(rows != targets)
    if not differs.any():
        return
    k = int(differs.argmax())
    raise InputError(
        f"X and y are matched row by row, but row {k} is {_shown(rows[k])} in X and "
        f"{_shown(targets[k])} in y. If both hold the same rows, y = y.loc[X.index] "
        "puts them in the order of X; if they are meant to be matched by position, "
        "pass y.to_numpy()."
    )


def _shown(label: Any) -> str:
    return str(tuple(map(str, label)) if isinstance(label, tuple) else label)


def warn_unread_dates(index: pd.Index) -> None:
    """Warn that an index of unparsed text or dates only numbers the rows."""
    first = index[0] if len(index) else None
    if not looks_like_time(first):
        return
    zoned = [getattr(label, "tzinfo", None) is not None for label in index]
    if any(zoned) and not all(zoned):
        raise TimeIndexError(
            f"The index of X holds {sum(zoned)} times with a time zone and "
            f"{len(zoned) - sum(zoned)} without. Use tz_localize before they are "
            "joined, or read them all in UTC: "
            "X.index = pd.to_datetime(X.index, utc=True)."
        )
    utc = ", utc=True" if any(zoned) else ""
    warn(
        f"The index of X looks like times but has dtype {index.dtype}, such as "
        f"{first!r}, so rows are read as time steps in their order. To use the times: "
        f"X.index = pd.to_datetime(X.index{utc}).",
        LayoutWarning,
    )


def warn_step(freq: Any, grid: Grid | None, keys: Keys | None) -> None:
    """Warn if the time step is probably not the one intended."""
    if grid is None or keys is None:
        return
    inferred = isinstance(freq, str) and freq == "infer"
    if inferred and misses_weekends(grid, keys):
        message = (
            "No row is a Saturday or a Sunday, so two of seven steps of a window are "
            "holes. freq='B' steps from Friday to Monday, freq=None from row to row; "
            "freq='D' keeps the holes and silences this warning."
        )
    elif not inferred and (coarser := _steps_between_rows(grid, keys)) > 2:
        message = (
            f"With freq={freq!r} rows are never closer than {coarser} steps, so most "
            "steps of a window are holes. Leave out freq to infer the step, or pass "
            "the step between rows."
        )
    else:
        return
    warn(message, LayoutWarning)


def _steps_between_rows(grid: Grid, keys: Keys) -> int:
    """Return the greatest common divisor of the steps between rows, or 0."""
    position, _ = grid.split(keys.time)
    order = np.lexsort((position, keys.codes))
    position, same = position[order], np.diff(keys.codes[order]) == 0
    apart = gaps_between(position[:-1][same], position[1:][same])
    return int(np.gcd.reduce(apart)) if len(apart) else 0


# A window may be longer than the data, to hold all of the past. This many times as long
# (and of more than a few steps), it is probably in another unit.
_FAR_LONGER = 3
_A_FEW = 9


def warn_window(
    given: Any, reach: Reach, grid: Grid | None, keys: Keys | None, n_rows: int
) -> None:
    """Warn if the window is far longer than the longest series."""
    if reach.window <= _A_FEW:
        return
    longest = n_rows if keys is None else _longest_span(grid, keys)
    if reach.window < _FAR_LONGER * longest:
        return
    warn(
        f"window_size={given!r} is {reach.window} time steps, but the longest series "
        f"has {longest}: no window is filled. Use a window_size of at most {longest}, "
        "or pass more rows.",
        LayoutWarning,
    )


def _longest_span(grid: Grid | None, keys: Keys) -> int:
    """Return the time steps from the first to the last row of the longest group."""
    if grid is None:
        return int(np.bincount(keys.codes).max())
    position, _ = grid.split(keys.time)
    first = np.full(len(keys.labels), np.iinfo(np.int64).max)
    last = np.full(len(keys.labels), np.iinfo(np.int64).min)
    np.minimum.at(first, keys.codes, position)
    np.maximum.at(last, keys.codes, position)
    return int((last - first).max()) + 1
