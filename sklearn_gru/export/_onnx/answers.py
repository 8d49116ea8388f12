"""From the outputs of the network to what ``predict`` returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklearn_gru._encoding.normalizations import LEAST_SCALE
from sklearn_gru._model.tasks import (
    Classification,
    PoissonRegression,
    QuantileRegression,
    Regression,
)
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export._onnx.graph import Graph, ints


def answers(
    graph: Graph,
    fitted: Any,
    outputs: list[str],
    has_input: str,
    levels: tuple[str, str | None] | None,
) -> dict[str, str]:
    """Append the answers by the names that users see.

    Parameters
    ----------
    graph : Graph
        Graph to append to.
    fitted : Fitted
        The fitted model.
    outputs : list of str
        Outputs (N, n_outputs) of each network.
    has_input : str
        Mask (N,) of the sequences with an observed step.
    levels : pair, or None
        Shift and scale (N, 1, n_numeric) of the sequences, in units of X.
    """
    task = fitted.task
    each = []
    for output in outputs:
        decoded = _decoded(graph, task, graph.cast(output, np.float64))
        if fitted.continuation is not None:
            assert levels is not None
            decoded = _continued(graph, fitted, decoded, levels)
        each.append(decoded)
    decoded = _mean(graph, each)
    without = np.asarray(task.without_input, dtype=np.float64)
    axes = ints(*range(1, 1 + without.ndim))
    mask = graph.op("Unsqueeze", has_input, axes)
    decoded = graph.op("Where", mask, decoded, without[None])
    if isinstance(task, Classification):
        best = graph.op("ArgMax", decoded, axis=1, keepdims=0)
        label = graph.op("Gather", label_array(task.classes), best, axis=0)
        return {"label": label, "probabilities": decoded}
    if not isinstance(task, QuantileRegression):
        return {"prediction": _shaped(graph, task, decoded)}
    nearest = np.abs(task.levels - 0.5).round(9).argmin()
    point = graph.op("Gather", decoded, np.int64(nearest), axis=2)
    given = graph.op("Gather", decoded, task.columns.astype(np.int64), axis=2)
    return {
        "prediction": _shaped(graph, task, point),
        "quantiles": _shaped(graph, task, given),
    }


def label_array(classes: np.ndarray) -> np.ndarray:
    """Return class labels as ONNX can hold them: text, int64, float or bool."""
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64)
    if classes.dtype.kind in "bf":
        return classes
    if all(isinstance(label, str) for label in classes):
        return classes.astype(object)
    raise ExportError(
        f"The classes {classes.tolist()[:3]} are neither numbers nor text, and ONNX "
        "holds nothing else. Fit on the text of them: y.astype(str)."
    )


# -- inside ----------------------------------------------------------------------------


def _mean(graph: Graph, parts: list[str]) -> str:
    """Append the mean of the predictions of several networks."""
    if len(parts) == 1:
        return parts[0]
    shares = [graph.op("Div", part, np.float64(len(parts))) for part in parts]
    return graph.op("Sum", *shares)


def _decoded(graph: Graph, task: Any, output: str) -> str:
    """Append predictions of the task, in float64."""
    if isinstance(task, Classification):
        return graph.op("Softmax", output, axis=1)
    if isinstance(task, PoissonRegression):
        return graph.op("Mul", graph.op("Exp", output), task.scale)
    scale, center = task.scale, task.center
    if isinstance(task, QuantileRegression):
        q = len(task.levels)
        each = graph.op("Reshape", output, ints(-1, len(center), q))
        output = graph.ops("TopK", 2, each, ints(q), axis=2, largest=0, sorted=1)[0]
        scale, center = scale[:, None], center[:, None]
    elif type(task) is not Regression:
        raise ExportError(f"The task {type(task).__name__} has no ONNX form.")
    return graph.op("Add", graph.op("Mul", output, scale), center)


def _continued(
    graph: Graph, fitted: Any, y: str, levels: tuple[str, str | None]
) -> str:
    """Append the level of the continued channel to predictions relative to it."""
    rule, whole = fitted.continuation, fitted.encoder
    numeric = np.delete(
        np.arange(len(whole.standardizer.mean)), whole.categories.columns
    )
    at = ints(int(np.searchsorted(numeric, rule.column)))
    shape = ints(-1, *(1 for _ in np.shape(fitted.task.without_input)))

    def own(level: str, otherwise: float) -> str:
        level = graph.op("Gather", level, at, axis=2)
        return graph.filled(graph.op("Reshape", level, shape), otherwise)

    shift, scale = levels
    if scale is not None:
        scale = own(scale, rule.scale)
        scale = graph.op("Max", scale, np.float64(LEAST_SCALE * rule.scale))
        y = graph.op("Mul", y, scale)
    return graph.op("Add", y, own(shift, rule.shift))


def _shaped(graph: Graph, task: Any, y: str) -> str:
    """Append predictions (N, n_outputs, ...) in the dimensions of y in fit."""
    return graph.op("Squeeze", y, ints(1)) if task.n_dims == 1 else y
