"""The leak guard: a column that gives the target away at the target's own time.

The commonest mistake in windowed forecasting is to leave the target (or its logarithm,
or its rank) among the columns and to forget the lag. The score is then perfect and the
model useless, so it is an error, not a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru.exceptions import LeakageError

# Below this many rows a column is a monotone function of y too often by chance.
_MIN_ROWS_MONOTONE = 20


def check_no_leak(
    values: np.ndarray,
    y: Any,
    visible: np.ndarray,
    names: Sequence[str],
    categories: Sequence[Any] | None = None,
    *,
    lag: int,
) -> None:
    """Raise LeakageError if a visible column equals y or is a monotone copy of it."""
    columns = np.flatnonzero(visible).tolist()
    carried = [None] * len(names) if categories is None else categories
    for target, raw in zip(_targets(y), _columns_of(y), strict=True):
        if len(target) != len(values):
            return  # scikit-learn's own message comes from whatever is fitted next
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


def _columns_of(y: Any) -> list[np.ndarray]:
    y = np.asarray(y)
    return [y] if y.ndim == 1 else [y[:, k] for k in range(y.shape[1])]


def _targets(y: Any) -> list[np.ndarray]:
    """Each output as numbers; labels become codes."""
    numeric = []
    for column in _columns_of(y):
        if column.dtype.kind in "OUSmM":
            column = pd.factorize(column)[0]
        numeric.append(column.astype(np.float64))
    return numeric


def _copy_of(column: np.ndarray, target: np.ndarray) -> str | None:
    """How the column copies the target, or None."""
    known = ~(np.isnan(column) | np.isnan(target))
    column, target = column[known].astype(np.float64), target[known]
    if len(column) > 4096:  # nearly every column is dismissed by a few rows of it
        few = np.arange(0, len(column), len(column) // 2048)
        if np.ptp(target[few]) and not _copy_of(column[few], target[few]):
            return None
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
    """How a column of categories copies the target, or None."""
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
    # Where nearly every row has a category of its own, that says nothing.
    if len(codes) >= max(_MIN_ROWS_MONOTONE, 2 * n_kinds) and one_to_one:
        return "is a renamed copy of"
    return None
