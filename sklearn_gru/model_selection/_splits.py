"""The splits of rows that windows are cut from, by number or splitter."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import TimeSeriesSplit, check_cv

from sklearn_gru._tables.axis import Keys
from sklearn_gru.model_selection._panel_split import PanelTimeSeriesSplit


def splits_of(
    cv: Any, X: Any, y: Any, window: Any, keys: Keys | None, *, classify: bool
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Generate pairs of training and test rows.

    A number of splits (None is 5) means splits by time if there is a window.
    """
    index = np.arange(len(y))
    if window is not None and (cv is None or isinstance(cv, Integral)):
        cv = 5 if cv is None else int(cv)
        if keys is None or keys.axis.kind == "row":
            cv = TimeSeriesSplit(cv)
        else:
            cv = PanelTimeSeriesSplit(cv, time=window.time, groups=window.groups)
    splitter = check_cv(cv, y, classifier=classify)
    return splitter.split(X if isinstance(cv, PanelTimeSeriesSplit) else index, y)
