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
    *,
    lag: int,
) -> None:
    """Raise LeakageError if a visible column equals y or is a monotone copy of it."""
    columns = np.flatnonzero(visible)
    for target in _targets(y):
        if len(target) != len(values):
            return  # scikit-learn's own message comes from whatever is fitted next
        for j in columns:
            found = _copy_of(values[:, j], target)
            if found:
                if lag:
                    remedy = f"remove it from known_future (lag={lag} then applies)"
                else:
                    remedy = "use lag=1 or more (predict from earlier rows) or drop it"
                raise LeakageError(
                    f"Column {names[int(j)]!r} {found} y and would be seen at the "
                    "target's own time: the model would read the answer. Please "
                    f"{remedy}."
                )


def _targets(y: Any) -> list[np.ndarray]:
    """Each output as numbers; labels become codes."""
    y = np.asarray(y)
    columns = [y] if y.ndim == 1 else [y[:, k] for k in range(y.shape[1])]
    numeric = []
    for column in columns:
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
