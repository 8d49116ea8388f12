"""The graph that does what ``predict`` does: from X to answers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._model.tasks import Classification, QuantileRegression
from sklearn_gru.export._onnx.answers import answers, label_array
from sklearn_gru.export._onnx.graph import Graph, ints
from sklearn_gru.export._onnx.linear import linear_outputs, mixed
from sklearn_gru.export._onnx.network import Weights, outputs
from sklearn_gru.export._onnx.reading import read
from sklearn_gru.export._onnx.source import Source
from sklearn_gru.export._onnx.windows import transformed, windows

Dimension = int | str


class Port(NamedTuple):
    """An input or output: its name, NumPy dtype and shape."""

    name: str
    dtype: Any
    shape: tuple[Dimension, ...]


def predicting(source: Source) -> tuple[Graph, list[Port], list[Port]]:
    """Return the graph of a model, its inputs and its outputs."""
    graph, x = Graph(), "X"
    n: Dimension = source.n_features
    shape: tuple[Dimension, ...] = ("n", n) if source.is_flat else ("n", "steps", n)
    if source.window is not None:
        shape = ("rows", n)
        rows = transformed(graph, source.before, x)
        x = windows(graph, source.window, rows)
    found = from_sequences(graph, source.estimator, x)
    for name, value in found.items():
        graph.output(value, name)
    ports = output_ports(source.fitted.task, shape[0])
    return graph, [Port("X", np.float64, shape)], ports


def from_sequences(graph: Graph, estimator: Any, x: str) -> dict[str, str]:
    """Append an estimator, from X as it reads it to its answers by name."""
    fitted = estimator._check_same_network()
    schema = fitted.encoder.schema
    if schema.ndim == 2:
        x = graph.op("Reshape", x, ints(0, -1, schema.features_per_step))
    found = read(graph, fitted.encoder, x, fitted.dtype)
    each = [outputs(graph, Weights(net.module_), found) for net in fitted.nets]
    if fitted.linear is not None:
        linear = linear_outputs(graph, fitted.linear, found)
        each = [mixed(graph, fitted.linear, output, linear) for output in each]
    has_input = graph.cast(found.lengths, np.bool_)
    return answers(graph, fitted, each, has_input, found.levels)


def output_ports(task: Any, n: Dimension) -> list[Port]:
    """Return the names and shapes of the answers for a task."""
    if isinstance(task, Classification):
        labels = label_array(task.classes)
        return [
            Port("label", labels.dtype, (n,)),
            Port("probabilities", np.float64, (n, len(task.classes))),
        ]
    shape: tuple[Dimension, ...] = (n,) if task.n_dims == 1 else (n, len(task.center))
    ports = [Port("prediction", np.float64, shape)]
    if isinstance(task, QuantileRegression):
        ports.append(Port("quantiles", np.float64, (*shape, len(task.levels))))
    return ports
