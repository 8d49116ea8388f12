"""Steps of a pipeline before the estimator: row by row, and windows of rows.

**Shape**: rows ``(N, n_features)``; windows ``(N, window_size, n_features)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_gru._live.before import Before
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export._onnx.graph import Graph, ints

# Operators that do what functions of NumPy do.
_OPERATORS = {"subtract": "Sub", "divide": "Div", "multiply": "Mul", "add": "Add"}


def transformed(graph: Graph, steps: Sequence[Any], rows: str) -> str:
    """Append the scalers and imputers in front of a window."""
    operations = Before(steps).operations if steps else []
    if operations is None:
        names = ", ".join(type(step).__name__ for step in steps)
        raise ExportError(
            f"The steps before the window ({names}) have no ONNX form here. Those that "
            "do are StandardScaler, RobustScaler, MaxAbsScaler, MinMaxScaler without "
            "clip, and SimpleImputer of NaN. For others call "
            "sklearn_gru.export.register_skl2onnx(), then skl2onnx.to_onnx(pipeline, X)"
            "."
        )
    for name, vector in operations:
        vector = np.asarray(vector, dtype=np.float64)
        if name == "fill":
            rows = graph.op("Where", graph.is_nan(rows), vector, rows)
        else:
            rows = graph.op(_OPERATORS[name], rows, vector)
    return rows


def windows(graph: Graph, window: Any, rows: str, dtype: Any = np.float64) -> str:
    """Append the window of every row, or flat windows; X is one series in its order.

    Rows before the first one are NaN.
    """
    reach, known = window._fitted.reach, window._columns.known

    def lagged(lag: int) -> str:
        n_absent = reach.window - 1 + lag
        padding = np.full((n_absent, len(known)), np.nan, dtype=dtype)
        padded = graph.op("Concat", padding, rows, axis=0) if n_absent else rows
        first = graph.op("Unsqueeze", graph.steps(graph.size(rows, 0)), ints(1))
        index = graph.op("Add", first, np.arange(reach.window, dtype=np.int64))
        return graph.op("Gather", padded, index, axis=0)

    if known.all() or not reach.lag:
        found = lagged(0)
    elif known.any():
        found = graph.op("Where", known, lagged(0), lagged(reach.lag))
    else:
        found = lagged(reach.lag)
    if window.flatten:
        return graph.op("Reshape", found, ints(-1, reach.window * len(known)))
    return found
