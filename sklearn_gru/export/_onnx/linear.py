"""Ridge regression on the latest steps, which is mixed with each network."""

from __future__ import annotations

import numpy as np

from sklearn_gru._model.linear import LinearPart
from sklearn_gru.export._onnx.graph import Graph, ints
from sklearn_gru.export._onnx.reading import Read, rearranged


def linear_outputs(graph: Graph, part: LinearPart, found: Read) -> str:
    """Append the linear outputs (N, n_outputs) in float64.

    Steps before the first one of a sequence are 0.
    """
    assert found.dense is not None
    size, width = part.n_steps, part.n_columns
    padded = graph.op("Pad", found.dense, ints(0, size, 0, 0, 0, 0))
    first = graph.op("Unsqueeze", found.lengths, ints(1))
    place = graph.op("Add", first, np.arange(size, dtype=np.int64))  # (N, n_steps)
    return linear_map(graph, part, rearranged(graph, padded, place, width))


def linear_map(graph: Graph, part: LinearPart, latest: str) -> str:
    """Append the linear outputs (N, n_outputs) of the latest steps, oldest first."""
    flat = graph.op("Reshape", latest, ints(-1, part.n_steps * part.n_columns))
    product = graph.op("MatMul", graph.cast(flat, np.float64), _transposed(part.coef))
    return graph.op("Add", product, part.intercept.astype(np.float64))


def mixed(graph: Graph, part: LinearPart, network: str, linear: str) -> str:
    """Append the weighted mean of the outputs of a network and of the linear part."""
    network = graph.cast(network, np.float64)
    network = graph.op("Mul", network, np.float64(1.0 - part.share))
    return graph.op("Add", network, graph.op("Mul", linear, np.float64(part.share)))


def _transposed(coef: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(coef.T.astype(np.float64))
