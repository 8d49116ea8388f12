"""The graph that answers one row at a time, with state in and state out.

An estimator alone carries the state of its whole series. Behind a window of W rows, a
series carries the states of the W windows that hold its newest row, the oldest first:
each row drops the oldest, begins a new one with zeros, and all of them read the row, so
that the answer is that of ``predict`` for the newest W rows.

Several networks carry their states one after the other. A linear part reads the latest
rows again, as the networks do, without those before the window.

**Shape**: row ``(n, n_features)``, one row of n series each; state ``(n_tables, n,
[W,] hidden_size)`` and count ``(n[, W])``, both 0 at the start; with a linear part,
latest ``(n, n_steps, n_columns)``, 0 at the start; with a lag, recent
``(n, lag, n_features)``, NaN at the start.
"""

from __future__ import annotations

import numpy as np

from sklearn_gru._engines.stepping import why_not_stepwise
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.linear import LinearPart
from sklearn_gru._model.poolings import POOLINGS
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export._onnx.answers import answers
from sklearn_gru.export._onnx.graph import Graph, ints
from sklearn_gru.export._onnx.linear import linear_map, mixed
from sklearn_gru.export._onnx.network import (
    Weights,
    attention_scores,
    embedded,
    head,
    layer,
)
from sklearn_gru.export._onnx.reading import indices, inputs, observed, split
from sklearn_gru.export._onnx.source import Source
from sklearn_gru.export._onnx.whole import Dimension, Port, output_ports
from sklearn_gru.export._onnx.windows import transformed


def stepping(source: Source) -> tuple[Graph, list[Port], list[Port]]:
    """Return the graph of one row at a time, its inputs and its outputs."""
    _check_stepwise(source)
    graph, fitted = Graph(), source.fitted
    states = _States(graph, source)
    row = transformed(graph, source.before, "row")
    row = states.delayed(row)
    columns = split(graph, fitted.encoder, graph.op("Unsqueeze", row, ints(1)))
    dense = inputs(graph, fitted.encoder, columns, fitted.dtype, None)
    index = indices(graph, columns)
    inputs_of_nets = [embedded(graph, net, dense, index) for net in states.nets]
    seen = graph.op("Squeeze", observed(graph, columns), ints(1))  # (n,)
    pooled, count = states.advance(inputs_of_nets, seen)
    has_input = graph.op("Greater", count, np.int64(0))
    outputs = [head(graph, *pair) for pair in zip(states.nets, pooled, strict=True)]
    if states.linear is not None:
        linear = states.linear_outputs(states.linear, dense, seen, count)
        outputs = [mixed(graph, states.linear, output, linear) for output in outputs]
    for name, value in answers(graph, fitted, outputs, has_input, None).items():
        graph.output(value, name)
    ports = states.ports()
    new = [Port(f"new_{port.name}", port.dtype, port.shape) for port in ports]
    row_port = Port("row", np.float64, ("n", source.n_features))
    return graph, [row_port, *ports], [*output_ports(fitted.task, "n"), *new]


class _States:
    """The states of n series, as inputs and outputs of the graph."""

    def __init__(self, graph: Graph, source: Source) -> None:
        self.graph, self.source = graph, source
        self.linear = source.fitted.linear
        self.nets = [Weights(net.module_) for net in source.fitted.nets]
        self.spec = self.nets[0].spec
        self.window = None
        if source.window is not None:
            self.window = int(source.window._fitted.reach.window)
        self.pooling = POOLINGS[self.spec.pooling]
        self.n_parts = len(CELLS[self.spec.cell].state)
        self.n_layer_tables = self.spec.num_layers * self.n_parts
        self.n_own = self.n_layer_tables + int(self.pooling.n_collected or 0)
        self.n_tables = self.n_own * len(self.nets)

    @property
    def lag(self) -> int:
        """Number of rows by which some columns are delayed."""
        window = self.source.window
        if window is None or window._columns.known.all():
            return 0
        return int(window._fitted.reach.lag)

    def ports(self) -> list[Port]:
        """Return the states as inputs."""
        slots: tuple[Dimension, ...] = () if self.window is None else (self.window,)
        shape = (self.n_tables, "n", *slots, self.spec.hidden_size)
        found = [
            Port("state", np.float32, shape),
            Port("count", np.int64, ("n", *slots)),
        ]
        if self.linear is not None:
            shape = ("n", self.linear.n_steps, self.linear.n_columns)
            found.append(Port("latest", np.float32, shape))
        if self.lag:
            n_features = len(self.source.window._columns.names)
            found.append(Port("recent", np.float64, ("n", self.lag, n_features)))
        return found

    def delayed(self, row: str) -> str:
        """Append the row with its delayed columns, and the rows to keep."""
        if not self.lag:
            return row
        graph, known = self.graph, self.source.window._columns.known
        newest = graph.op("Unsqueeze", row, ints(1))
        rows = graph.op("Concat", "recent", newest, axis=1)  # (n, lag + 1, n_features)
        end = np.iinfo(np.int64).max
        graph.output(graph.op("Slice", rows, ints(1), ints(end), ints(1)), "new_recent")
        old = graph.op("Gather", rows, np.int64(0), axis=1)
        return graph.op("Where", known, row, old)

    def advance(self, inputs: list[str], seen: str) -> tuple[list[str], str]:
        """Append a step of all states; return what is pooled, and of how many rows.

        `inputs` (n, 1, n_inputs) are those of each network.
        """
        graph, w = self.graph, self.window
        state, count = "state", "count"
        inputs = [graph.op("Transpose", x, perm=[1, 0, 2]) for x in inputs]
        if w is not None:
            state = self._rolled(state, 2, self.n_tables)
            count = graph.op("Reshape", self._rolled(count, 1, None), ints(-1))
            inputs = [self._repeated(x) for x in inputs]
            wide = graph.op("Expand", graph.op("Unsqueeze", seen, ints(1)), ints(1, w))
            seen = graph.op("Reshape", wide, ints(-1))
        state, count = self._read_row(inputs, seen, state, count)
        if w is not None:
            state = graph.op(
                "Reshape", state, ints(self.n_tables, -1, w, self.spec.hidden_size)
            )
            count = graph.op("Reshape", count, ints(-1, w))
        graph.output(state, "new_state")
        graph.output(count, "new_count")
        if w is not None:  # the oldest window has the answer
            state = graph.op("Gather", state, np.int64(0), axis=2)
            count = graph.op("Gather", count, np.int64(0), axis=1)
        least = graph.op("Max", count, np.int64(1))
        pooled = [self._pooled(own, least) for own in self._tables(state)]
        return pooled, count

    def linear_outputs(
        self, part: LinearPart, dense: str | None, seen: str, count: str
    ) -> str:
        """Append the latest rows after this one, and the linear outputs of `count`."""
        assert dense is not None
        graph, end = self.graph, np.iinfo(np.int64).max
        row = graph.op("Slice", dense, ints(0), ints(part.n_columns), ints(2))
        older = graph.op("Slice", "latest", ints(1), ints(end), ints(1))
        latest = graph.op("Concat", older, row, axis=1)
        latest = graph.op(
            "Where", graph.op("Unsqueeze", seen, ints(1, 2)), latest, "latest"
        )
        graph.output(latest, "new_latest")
        place = np.arange(part.n_steps, 0, -1)  # counted from the newest row, from 1
        read = graph.op("LessOrEqual", place, graph.op("Unsqueeze", count, ints(1)))
        x = graph.op(
            "Where", graph.op("Unsqueeze", read, ints(2)), latest, np.float32(0)
        )
        return linear_map(graph, part, x)

    # -- inside -----------------------------------------------------------------------

    def _rolled(self, table: str, axis: int, n_tables: int | None) -> str:
        """Append the slots without the oldest window and with a new one; flat."""
        graph, end = self.graph, np.iinfo(np.int64).max
        newer = graph.op("Slice", table, ints(1), ints(end), ints(axis))
        n_dims = axis + 1 if n_tables is None else axis + 2
        after = [0] * n_dims
        after[axis] = 1
        rolled = graph.op("Pad", newer, ints(*[0] * n_dims, *after))
        if n_tables is None:
            return rolled
        return graph.op("Reshape", rolled, ints(n_tables, -1, self.spec.hidden_size))

    def _repeated(self, x: str) -> str:
        """Append the row of each series once per window; (1, n * W, n_inputs)."""
        graph, width = self.graph, self.spec.n_inputs
        each = graph.op("Unsqueeze", x, ints(2))
        each = graph.op("Expand", each, ints(1, 1, self.window or 1, 1))
        return graph.op("Reshape", each, ints(1, -1, width))

    def _tables(self, state: str) -> list[list[str]]:
        """Append the tables (n, H) of each network, one by one."""
        every = [
            self.graph.op("Gather", state, np.int64(k), axis=0)
            for k in range(self.n_tables)
        ]
        return [every[k : k + self.n_own] for k in range(0, self.n_tables, self.n_own)]

    def _read_row(
        self, inputs: list[str], seen: str, state: str, count: str
    ) -> tuple[str, str]:
        """Append the tables after a row; a row without any value leaves them."""
        graph, new = self.graph, []
        own = zip(self.nets, inputs, self._tables(state), strict=True)
        for weights, x, old in own:
            new += self._read_one(weights, x, old, count)
        advanced = graph.op("Concat", *self._lifted(new), axis=0)
        mask = graph.op("Unsqueeze", seen, ints(0, 2))
        state = graph.op("Where", mask, advanced, state)
        one_more = graph.op("Add", count, graph.cast(seen, np.int64))
        return state, one_more

    def _read_one(
        self, weights: Weights, x: str, old: list[str], count: str
    ) -> list[str]:
        """Append the tables of one network after a row."""
        graph = self.graph
        new: list[str] = []
        for k in range(self.spec.num_layers):
            own = old[k * self.n_parts : (k + 1) * self.n_parts]
            given = tuple(graph.op("Unsqueeze", table, ints(0)) for table in own)
            _, *after = layer(graph, weights, k, x, None, given)
            x = after[0]
            new += [graph.op("Squeeze", table, ints(0)) for table in after]
        newest = new[(self.spec.num_layers - 1) * self.n_parts]
        collected = old[self.n_layer_tables :]
        return new + self._collected(weights, collected, newest, count)

    def _lifted(self, tables: list[str]) -> list[str]:
        return [self.graph.op("Unsqueeze", table, ints(0)) for table in tables]

    def _collected(
        self, weights: Weights, old: list[str], state: str, count: str
    ) -> list[str]:
        """Append the tables of the pooling after one more state (n, H)."""
        graph, name = self.graph, self.spec.pooling
        if name == "last":
            return []
        first = graph.op("Equal", graph.op("Unsqueeze", count, ints(1)), np.int64(0))
        if name == "attention":
            return self._softmax(weights, old, state, first)
        found = []
        if name != "max":
            found.append(graph.op("Add", old[0], state))
        if name != "mean":
            larger = graph.op("Max", old[-1], state)
            found.append(graph.op("Where", first, state, larger))
        return found

    def _softmax(
        self, weights: Weights, old: list[str], state: str, first: str
    ) -> list[str]:
        """Append largest score, total weight and weighted sum; see `Attention`."""
        graph, (before, total, weighted) = self.graph, old
        score = attention_scores(graph, weights, state)
        score = graph.op("Expand", score, ints(1, self.spec.hidden_size))
        largest = graph.op("Where", first, score, graph.op("Max", before, score))
        kept = graph.op("Exp", graph.op("Sub", before, largest))
        kept = graph.op("Where", first, np.float32(0), kept)
        new = graph.op("Exp", graph.op("Sub", score, largest))
        total = graph.op("Add", graph.op("Mul", total, kept), new)
        weighted = graph.op("Mul", weighted, kept)
        weighted = graph.op("Add", weighted, graph.op("Mul", new, state))
        return [largest, total, weighted]

    def _pooled(self, tables: list[str], count: str) -> str:
        """Append the pooled states (n, n_pooled)."""
        graph, name = self.graph, self.spec.pooling
        collected = tables[self.n_layer_tables :]
        if name == "last":
            return tables[(self.spec.num_layers - 1) * self.n_parts]
        if name == "attention":  # weight 0 before the first row
            total = graph.op("Max", collected[1], np.float32(np.finfo(np.float32).tiny))
            return graph.op("Div", collected[2], total)
        parts = collected[-1:]
        if name != "max":
            count = graph.op("Unsqueeze", graph.cast(count, np.float32), ints(1))
            parts = [graph.op("Div", collected[0], count), *collected[1:]]
        return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=1)


def _check_stepwise(source: Source) -> None:
    """Raise ExportError if no state can be carried from row to row."""
    reason = why_not_stepwise(source.fitted.net.module_.spec)
    if reason is None and source.is_flat:
        reason = "it was fitted on 2-D rows, each of which is a whole series"
    if reason is None and source.window is not None and source.window.flatten:
        reason = "its windows are flat rows, each of which is a whole series"
    if reason is not None:
        raise ExportError(
            f"step=True is not possible for this {type(source.estimator).__name__}: "
            f"{reason}. Export with step=False, or fit without it."
        )
