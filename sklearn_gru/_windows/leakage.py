"""The check for leaks: columns that give the target away at the target's own time.

The most common mistake in windowed forecasting is to leave the target (or its
logarithm, or its rank) among the columns and to forget the lag. The score is then
perfect and the model useless, so this is an error, not a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru.exceptions import LeakageError

# With fewer rows, a column is too often a monotone function of y by chance.
_MIN_ROWS_MONOTONE = 20
_MANY = 512  # rows, of which half rule out nearly every column


def check_no_leak(
    values: np.ndarray,
    y: Any,
    known: np.ndarray,
    names: Sequence[str],
    categories: Sequence[Any] | None = None,
    *,
    lag: int,
    previous: Callable[[], np.ndarray],
) -> None:
    """Raise LeakageError if a visible column equals y or is a monotone copy of it.

    `previous` returns the row one time step before each row. It is called only for
    several outputs.
    """
    targets = _targets(y)
    if any(len(target) != len(values) for target in targets):
        return  # the next estimator raises scikit-learn's own message
    if len(targets) > max(lag, 1):
        lagged = [j for j in np.flatnonzero(~known).tolist() if _varies(values[:, j])]
        if lagged and _is_path(targets, previous()):
            raise _lag_below_horizon([names[j] for j in lagged], lag, len(targets))
    columns = np.flatnonzero(known).tolist() if lag else range(values.shape[1])
    carried = [None] * len(names) if categories is None else categories
    for target, raw in zip(targets, _columns_of(y), strict=True):
        for j in columns:
            if carried[j] is None:
                found = _copy_of(values[:, j], target)
            else:
                found = _renaming_of(values[:, j], carried[j], raw)
            if found:
                if lag:
                    remedy = (
                        f"remove it from known_future (lag={lag} then applies), or "
                        "from categorical_features if it is a group key"
                    )
                else:
                    remedy = "use lag=1 or more (predict from earlier rows) or drop it"
                raise LeakageError(
                    f"Column {names[j]!r} {found} y and would be seen at the "
                    "target's own time: the model would read the answer. Please "
                    f"{remedy}."
                )


def _lag_below_horizon(names: list[str], lag: int, horizon: int) -> LeakageError:
    shown = ", ".join(repr(name) for name in names[:5])
    more = f", … ({len(names)} in all)" if len(names) > 5 else ""
    return LeakageError(
        f"y holds the {horizon} steps that end at its row (make_targets), and with "
        f"lag={lag} the windows would show {shown}{more} at the time of some of them. "
        f"Please use lag={horizon}, so that windows end before the first step, and "
        "name columns known ahead of time in known_future."
    )


def _is_path(targets: list[np.ndarray], previous: np.ndarray) -> bool:
    """Tell whether the outputs are consecutive steps of one series.

    If so, each output equals the next output one time step earlier, up to a scale,
    because a target may have been standardized output by output.
    """
    now = np.flatnonzero(previous >= 0)
    if len(now) < 2:
        return False
    now = now[:: max(len(now) // 2048, 1)]
    before = previous[now]
    return all(
        _continues(early, late, now, before) for early, late in pairwise(targets)
    )


def _continues(
    early: np.ndarray, late: np.ndarray, now: np.ndarray, before: np.ndarray
) -> bool:
    """Tell whether `early` at each row equals `late` one time step before."""
    if not _varies(late[before]):
        return False
    if np.array_equal(early[now], late[before], equal_nan=True):
        return True
    # A series that is a straight line in time is a scaled copy of every other line.
    return _is_scaled(early[now], late[before]) and not _is_scaled(
        early[now], early[before]
    )


def _is_scaled(a: np.ndarray, b: np.ndarray) -> bool:
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    if len(a) < _MIN_ROWS_MONOTONE or not (np.ptp(a) and np.ptp(b)):
        return False
    return np.allclose((a - a.mean()) / a.std(), (b - b.mean()) / b.std(), atol=1e-4)


def _varies(column: np.ndarray) -> bool:
    column = column[~np.isnan(column)]
    return len(column) > 1 and bool(np.ptp(column))


def _columns_of(y: Any) -> list[np.ndarray]:
    y = np.asarray(y)
    return [y] if y.ndim == 1 else [y[:, k] for k in range(y.shape[1])]


def _targets(y: Any) -> list[np.ndarray]:
    """Return each output as numbers; labels become codes."""
    numeric = []
    for column in _columns_of(y):
        if column.dtype.kind in "OUSmM":
            column = pd.factorize(column)[0]
        numeric.append(column.astype(np.float64, copy=False))
    return numeric


def _copy_of(column: np.ndarray, target: np.ndarray) -> str | None:
    """Return the way in which the column copies the target, or None."""
    if len(column) > _MANY:
        # At an odd distance, as rows may alternate.
        few = np.arange(0, len(column), len(column) // (_MANY // 2) | 1)
        some, own = column[few], target[few]
        both = ~(np.isnan(some) | np.isnan(own))
        tells = both.sum() >= _MIN_ROWS_MONOTONE and np.ptp(own[both])
        if tells and not _copy_of(some, own):
            return None
    known = ~(np.isnan(column) | np.isnan(target))
    column, target = column[known].astype(np.float64), target[known]
    if len(column) < 2 or not np.ptp(column):
        return None
    if np.array_equal(column, target):
        return "equals"
    if len(column) < _MIN_ROWS_MONOTONE:
        return None
    order = np.argsort(target, kind="stable")
    dy, dc = np.diff(target[order]), np.diff(column[order])
    if np.array_equal(dy == 0, dc == 0) and ((dc >= 0).all() or (dc <= 0).all()):
        return "is a monotone copy of"
    return None


def _renaming_of(codes: np.ndarray, categories: Any, y: np.ndarray) -> str | None:
    """Return the way in which a column of categories copies the target, or None."""
    known = ~(np.isnan(codes) | pd.isna(y))
    codes, target = codes[known].astype(np.int64), y[known]
    classes = pd.factorize(target)[0]
    n_kinds = len(np.unique(codes))
    if n_kinds < 2:
        return None
    if np.all(np.asarray(categories, dtype=object)[codes] == target):
        return "equals"
    pairs = len(np.unique(codes * (classes.max() + 1) + classes))
    one_to_one = pairs == n_kinds == classes.max() + 1
    # If nearly every row has its own category, a match means nothing.
    if len(codes) >= max(_MIN_ROWS_MONOTONE, 2 * n_kinds) and one_to_one:
        return "is a renamed copy of"
    return None
