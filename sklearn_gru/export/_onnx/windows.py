"""Steps of a pipeline before the estimator: row by row, and windows of rows.

**Shape**: rows ``(N, n_features)``; windows ``(N, window_size, n_features)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from sklearn_gru.exceptions import ExportError
from sklearn_gru.export._onnx.graph import Graph, ints


def transformed(graph: Graph, steps: Sequence[Any], rows: str) -> str:
    """Append the scalers and imputers in front of a window."""
    for step in steps:
        rows = _transformed(graph, step, rows)
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


def _transformed(graph: Graph, step: Any, rows: str) -> str:
    """Append the arithmetic of one step in its order."""
    operations: list[tuple[str, np.ndarray | None]]
    if type(step) is StandardScaler:
        mean = step.mean_ if step.with_mean else None
        operations = [("Sub", mean), ("Div", step.scale_)]
    elif type(step) is RobustScaler:
        operations = [("Sub", step.center_), ("Div", step.scale_)]
    elif type(step) is MaxAbsScaler and not getattr(step, "clip", False):
        operations = [("Div", step.scale_)]
    elif type(step) is MinMaxScaler and not step.clip:
        operations = [("Mul", step.scale_), ("Add", step.min_)]
    elif type(step) is SimpleImputer and _only_fills(step):
        filled = step.statistics_.astype(np.float64)
        return graph.op("Where", graph.is_nan(rows), filled, rows)
    else:
        raise ExportError(
            f"The step {step!r} before the window has no ONNX form here. Those that do "
            "are StandardScaler, RobustScaler, MaxAbsScaler and MinMaxScaler without "
            "clip, and SimpleImputer of NaN. For others call "
            "sklearn_gru.export.register_skl2onnx(), then skl2onnx.to_onnx(pipeline, X)"
            "."
        )
    for kind, vector in operations:
        if vector is not None:
            rows = graph.op(kind, rows, vector.astype(np.float64))
    return rows


def _only_fills(step: Any) -> bool:
    """Return whether an imputer only replaces NaN by one number per column."""
    filled = step.statistics_
    is_nan = isinstance(step.missing_values, float) and np.isnan(step.missing_values)
    return (
        is_nan
        and not step.add_indicator
        and filled.dtype.kind in "fiu"
        and not np.isnan(filled).any()
    )
