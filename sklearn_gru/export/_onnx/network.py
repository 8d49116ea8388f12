"""The network: embeddings, recurrent layers, pooling, convolution branch and head.

ONNX has the recurrent layers of this package as operators, with the blocks of their
parameters in another order. They compute in float32 and take time as the first axis.

**Shape**: values ``(N, T, n)``; in and after recurrent layers ``(S, N, n)``, where S is
the number of segments (T without segments) and lengths ``(N,)`` count them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export._onnx.graph import Graph, ints
from sklearn_gru.export._onnx.reading import Read, rearranged

# Operator of each cell, the order of its blocks there, and its attributes.
_OPERATORS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "gru": ("GRU", ("update", "reset", "candidate"), {"linear_before_reset": 1}),
    "gru_reset_before": ("GRU", ("update", "reset", "candidate"), {}),
    "lstm": ("LSTM", ("input", "output", "forget", "candidate"), {}),
    "rnn": ("RNN", ("candidate",), {}),
}
_POOLINGS = ("last", "mean", "max", "attention", "mean_max")


class Weights:
    """Parameters of a network as float32 arrays."""

    def __init__(self, module: Any) -> None:
        self.spec: NetworkSpec = module.spec
        self._state = {
            name: tensor.detach().cpu().numpy().astype(np.float32)
            for name, tensor in module.state_dict().items()
        }
        self.norms = (
            [] if module.convolution is None else list(module.convolution.norms)
        )
        _check_known(self.spec)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._state[name]

    def layer(self, k: int, direction: int) -> list[np.ndarray]:
        """Return W, R and B of a layer, with blocks in the order of the operator."""
        _, order, _ = _OPERATORS[self.spec.cell]
        cell, prefix = CELLS[self.spec.cell], f"recurrent.layers.{k}.{direction}."

        def block(name: str) -> np.ndarray:
            stacked = self[f"{prefix}{name}_l0"]
            parts = np.split(stacked, len(cell.blocks))
            return np.concatenate([parts[cell.blocks.index(b)] for b in order])

        bias = np.concatenate([block("bias_ih"), block("bias_hh")])
        return [block("weight_ih"), block("weight_hh"), bias]

    def tables(self) -> list[np.ndarray]:
        """Return the tables of embeddings."""
        return [
            self[f"embedding.tables.{k}.weight"]
            for k in range(len(self.spec.embeddings))
        ]


class Segments(NamedTuple):
    """Names of the inputs of recurrent layers: steps, or segments side by side."""

    values: str  # (N, S * k, n_inputs)
    lengths: str  # (N,) int64, in segments, at least 1
    present: str  # (N, S * k) bool


def outputs(graph: Graph, weights: Weights, found: Read) -> str:
    """Append the outputs (N, n_outputs) of the network in float32."""
    spec = weights.spec
    segments = _lay(graph, weights, found)
    read, lengths = segments.values, segments.lengths
    if spec.conv_filters and spec.segment_length == 1:
        read, lengths = _observed_first(graph, spec, segments)
    shape = graph.op("Concat", graph.size(read, 0), ints(-1, spec.n_read), axis=0)
    read = graph.op("Reshape", read, shape)
    steps = graph.op("Transpose", read, perm=[1, 0, 2])
    states, last = recurrent(graph, weights, steps, lengths)
    pooled = _pooled(graph, weights, states, last, lengths)
    if spec.conv_filters:
        convolved = _convolved(graph, weights, segments)
        pooled = graph.op("Concat", pooled, convolved, axis=1)
    return head(graph, weights, pooled)


def embedded(
    graph: Graph, weights: Weights, dense: str | None, indices: list[str]
) -> str:
    """Append the vectors of categories to the dense inputs."""
    parts = [] if dense is None else [dense]
    for table, index in zip(weights.tables(), indices, strict=True):
        parts.append(graph.op("Gather", table, index, axis=0))
    return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=2)


def recurrent(
    graph: Graph,
    weights: Weights,
    steps: str,
    lengths: str | None,
) -> tuple[str, str]:
    """Append all layers; return states (S, N, D) and final states (N, D)."""
    spec, last = weights.spec, ""
    if lengths is not None:
        lengths = graph.cast(lengths, np.int32)
    for k in range(spec.num_layers):
        out, last = layer(graph, weights, k, steps, lengths)[:2]
        turned = graph.op("Transpose", out, perm=[0, 2, 1, 3])  # (S, N, directions, H)
        steps = graph.op("Reshape", turned, ints(0, 0, -1))
    last = graph.op("Transpose", last, perm=[1, 0, 2])
    return steps, graph.op("Reshape", last, ints(0, -1))


def layer(
    graph: Graph,
    weights: Weights,
    k: int,
    steps: str,
    lengths: str | None,
    states: tuple[str, ...] = (),
) -> list[str]:
    """Append a layer from its states; return outputs and the new states."""
    spec = weights.spec
    kind, _, attributes = _OPERATORS[spec.cell]
    both = [weights.layer(k, d) for d in range(spec.n_directions)]
    stacked = [np.stack(parts) for parts in zip(*both, strict=True)]
    if spec.bidirectional:
        attributes = {**attributes, "direction": "bidirectional"}
    given = [steps, *stacked, lengths, *states]
    while given[-1] is None:
        given.pop()
    return graph.ops(
        kind,
        1 + len(CELLS[spec.cell].state),
        *given,
        hidden_size=spec.hidden_size,
        **attributes,
    )


def head(graph: Graph, weights: Weights, pooled: str) -> str:
    """Append the linear head."""
    return linear(graph, pooled, weights["head.weight"], weights["head.bias"])


def linear(
    graph: Graph, x: str, weight: np.ndarray, bias: np.ndarray | None = None
) -> str:
    """Append ``x W' + b``."""
    product = graph.op("MatMul", x, np.ascontiguousarray(weight.T))
    return product if bias is None else graph.op("Add", product, bias)


def attention_scores(graph: Graph, weights: Weights, states: str) -> str:
    """Append the score (..., 1) of states (..., D) before the softmax."""
    project, bias = weights["pooling.project"], weights["pooling.project_bias"]
    hidden = graph.op("Tanh", linear(graph, states, project, bias))
    return linear(graph, hidden, weights["pooling.context"])


# -- inside ----------------------------------------------------------------------------


def _check_known(spec: NetworkSpec) -> None:
    for what, name, known in (
        ("cell", spec.cell, tuple(_OPERATORS)),
        ("pooling", spec.pooling, _POOLINGS),
    ):
        if name not in known:
            raise ExportError(
                f"{what}={name!r} has no ONNX form. Those that do are "
                f"{', '.join(map(repr, known))}."
            )


def _lay(graph: Graph, weights: Weights, found: Read) -> Segments:
    """Append segments of k steps, the last of which ends where its sequence ends."""
    k = weights.spec.segment_length
    lengths = graph.op("Max", found.lengths, np.int64(1))
    if k == 1:
        values = embedded(graph, weights, found.dense, found.indices)
        return Segments(values, lengths, found.present)
    counts = graph.op("Div", graph.op("Add", lengths, np.int64(k - 1)), np.int64(k))
    absent = graph.op("Sub", graph.op("Mul", counts, np.int64(k)), lengths)
    size = graph.size(found.present, 1)
    most = graph.op("Div", graph.op("Add", size, np.int64(k - 1)), np.int64(k))
    steps = graph.steps(graph.op("Mul", most, np.int64(k)))
    # k - 1 rows of zeros are put in front of all sequences.
    shift = graph.op("Sub", np.int64(k - 1), graph.op("Unsqueeze", absent, ints(1)))
    order = graph.op("Add", steps, shift)  # (N, S * k)
    end = graph.op("Add", size, np.int64(k - 2))
    order = graph.op("Min", order, end)

    def laid(cells: str, width: int) -> str:
        padded = graph.op("Pad", cells, ints(0, k - 1, 0, 0, 0, 0))
        return rearranged(graph, padded, order, width)

    n_dense = weights.spec.n_inputs - sum(width for _, width in weights.spec.embeddings)
    indices = [
        _squeezed(graph, laid(_widened(graph, index), 1)) for index in found.indices
    ]
    dense = found.dense and laid(found.dense, n_dense)
    values = embedded(graph, weights, dense, indices)
    present = laid(_widened(graph, graph.cast(found.present, np.int32)), 1)
    return Segments(values, counts, graph.cast(_squeezed(graph, present), np.bool_))


def _widened(graph: Graph, cells: str) -> str:
    return graph.op("Unsqueeze", cells, ints(2))


def _squeezed(graph: Graph, cells: str) -> str:
    return graph.op("Squeeze", cells, ints(2))


def _observed_first(
    graph: Graph, spec: NetworkSpec, segments: Segments
) -> tuple[str, str]:
    """Append the observed steps alone, in order: recurrent layers skip the others."""
    present = segments.present
    size = graph.size(present, 1)
    steps = graph.steps(size)
    place = graph.op("Where", present, steps, graph.op("Add", steps, size))
    order = graph.ops("TopK", 2, place, size, axis=1, largest=0, sorted=1)[1]
    count = graph.cast(present, np.int64)
    count = graph.op("ReduceSum", count, ints(1), keepdims=0)
    values = rearranged(graph, segments.values, order, spec.n_inputs)
    return values, graph.op("Max", count, np.int64(1))


def _convolved(graph: Graph, weights: Weights, segments: Segments) -> str:
    """Append the mean (N, filters) over observed steps of the convolution branch.

    The normalization of a layer is an affine map, which is part of its filters here.
    """
    x = graph.op("Transpose", segments.values, perm=[0, 2, 1])
    present = graph.op("Unsqueeze", segments.present, ints(1))
    zero = np.float32(0)
    for k, norm in enumerate(weights.norms):
        prefix = f"convolution.norms.{k}."
        spread = np.sqrt(weights[f"{prefix}running_var"] + np.float32(norm.eps))
        factor = weights[f"{prefix}weight"] / spread
        bias = weights[f"{prefix}bias"] - weights[f"{prefix}running_mean"] * factor
        filters = weights[f"convolution.layers.{k}.weight"] * factor[:, None, None]
        around = filters.shape[2] - 1
        x = graph.op("Where", present, x, zero)
        pads = [around // 2, around - around // 2]
        x = graph.op("Relu", graph.op("Conv", x, filters, bias, pads=pads))
    count = graph.cast(present, np.float32)
    count = graph.op("ReduceSum", count, ints(2), keepdims=0)
    count = graph.op("Max", count, np.float32(1))
    total = graph.op("Where", present, x, zero)
    return graph.op("Div", graph.op("ReduceSum", total, ints(2), keepdims=0), count)


def _pooled(
    graph: Graph, weights: Weights, states: str, last: str, lengths: str
) -> str:
    """Append the pooled states (N, n_pooled)."""
    pooling = weights.spec.pooling
    if pooling == "last":
        return last
    steps = graph.op("Unsqueeze", graph.steps(graph.size(states, 0)), ints(1))
    real = graph.op("Less", steps, graph.op("Unsqueeze", lengths, ints(0)))
    real = _widened(graph, real)  # (S, N, 1)
    least = np.float32(-np.inf)
    if pooling == "attention":
        scores = attention_scores(graph, weights, states)
        scores = graph.op("Where", real, scores, least)
        share = graph.op("Softmax", scores, axis=0)
        weighted = graph.op("Mul", states, share)
        return graph.op("ReduceSum", weighted, ints(0), keepdims=0)
    parts = []
    if pooling != "max":
        total = graph.op("Where", real, states, np.float32(0))
        total = graph.op("ReduceSum", total, ints(0), keepdims=0)
        count = graph.op("Unsqueeze", graph.cast(lengths, np.float32), ints(1))
        parts.append(graph.op("Div", total, count))
    if pooling != "mean":
        states = graph.op("Where", real, states, least)
        parts.append(graph.op("ReduceMax", states, ints(0), keepdims=0))
    return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=1)
