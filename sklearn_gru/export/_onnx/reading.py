"""From X to what the network reads: categories, missing cells, standardization, levels.

The same as :class:`~sklearn_gru._encoding.encoder.Encoder`, over a dense array: steps
that the network does not read are moved behind the others, and lengths leave them out.

**Shape**: X ``(N, T, n_features)``; the T axis is kept by everything but segments.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sklearn_gru._encoding.encoder import Encoder
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export._onnx.graph import Graph, ints

_LARGEST = 1e30  # as in the standardizer


class Columns(NamedTuple):
    """The features of X by kind."""

    numeric: str | None  # (N, T, n_numeric) float64, NaN where missing; None for none
    codes: list[str]  # (N, T, 1) float64 of each categorical feature
    width: int  # n_numeric


class Read(NamedTuple):
    """Names of the inputs of the network in a graph."""

    dense: str | None  # (N, T, n_dense) float32, without NaN; None for none
    indices: list[str]  # (N, T) int64, a row of each table of embeddings
    present: str  # (N, T) bool, steps that hold a value
    lengths: str  # (N,) int64
    levels: tuple[str, str | None] | None  # (N, 1, n_numeric) in units of X


def read(graph: Graph, encoder: Encoder, x: str, dtype: np.dtype) -> Read:
    """Append the way from X to what the network reads."""
    columns = split(graph, encoder, x)
    present = observed(graph, columns)
    kept = _between_first_and_last(graph, present) if encoder.keeps_gaps else present
    lengths = graph.op("ReduceSum", graph.cast(kept, np.int64), ints(1), keepdims=0)
    order = _kept_first(graph, kept)
    columns = Columns(
        columns.numeric and rearranged(graph, columns.numeric, order, columns.width),
        [rearranged(graph, codes, order, 1) for codes in columns.codes],
        columns.width,
    )
    present = graph.op("GatherElements", present, order, axis=1)
    levels = None
    if encoder.normalizer is not None and columns.numeric:
        levels = _levels(graph, encoder, columns.numeric)
    dense = inputs(graph, encoder, columns, dtype, levels)
    return Read(dense, indices(graph, columns), present, lengths, levels)


def split(graph: Graph, encoder: Encoder, x: str) -> Columns:
    """Append the numeric features, and the codes of the categorical ones."""
    table = encoder.categories
    numeric = _numeric(encoder)
    x = graph.cast(x, np.float64)
    if not len(table.columns):
        return Columns(x, [], len(numeric))
    codes = []
    for j in table.columns:
        column = graph.op("Gather", x, ints(j), axis=2)
        known = table.categories[j]
        assert known is not None
        codes.append(_codes(graph, column, known))
    values = graph.op("Gather", x, numeric, axis=2) if len(numeric) else None
    return Columns(values, codes, len(numeric))


def observed(graph: Graph, columns: Columns) -> str:
    """Append a mask (N, T) of the steps that hold a value."""
    parts = [columns.numeric, *columns.codes]
    missing = [graph.is_nan(cells) for cells in parts if cells]
    joined = missing[0]
    if len(missing) > 1:
        joined = graph.op("Concat", *missing, axis=2)
    seen = graph.cast(graph.op("Not", joined), np.int32)
    return graph.cast(graph.op("ReduceMax", seen, ints(2), keepdims=0), np.bool_)


def inputs(
    graph: Graph,
    encoder: Encoder,
    columns: Columns,
    dtype: np.dtype,
    levels: tuple[str, str | None] | None,
) -> str | None:
    """Append the dense inputs (N, T, n_dense) in float32; None if there are none.

    They are rounded to the dtype of the network where the encoder does so.
    """
    if columns.numeric is None:
        return None
    whole, numeric = encoder.standardizer, _numeric(encoder)
    z = graph.op("Sub", columns.numeric, whole.mean[numeric])
    z = graph.op("Div", z, whole.scale[numeric])
    z = graph.op("Clip", z, np.float64(-_LARGEST), np.float64(_LARGEST))
    features = [graph.cast(z, dtype)]
    own = None if levels is None else _input_levels(graph, encoder, levels, dtype)
    if encoder.differences is not None:
        found = _differences(graph, encoder, columns.numeric, own)
        features.insert(0, graph.cast(found, dtype))
    if own is not None:
        features = _normalized(graph, encoder, features, own, dtype)
    parts = [graph.filled(part, 0.0, dtype) for part in features]
    parts = [graph.cast(part, np.float32) for part in parts]
    if len(whole.marked):
        places = np.searchsorted(numeric, whole.marked)
        missing = graph.is_nan(columns.numeric)
        marks = graph.op("Gather", missing, places.astype(np.int64), axis=2)
        parts.append(graph.cast(marks, np.float32))
    return parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=2)


def indices(graph: Graph, columns: Columns) -> list[str]:
    """Append the rows (N, T) of each table of embeddings; 0 for a missing category."""
    found = []
    for codes in columns.codes:
        place = graph.filled(graph.op("Add", codes, np.float64(1)), 0.0)
        found.append(graph.op("Squeeze", graph.cast(place, np.int64), ints(2)))
    return found


def rearranged(graph: Graph, cells: str, order: str, width: int) -> str:
    """Append the steps of cells (N, T, width) in another order (N, T)."""
    index = graph.op("Expand", graph.op("Unsqueeze", order, ints(2)), ints(1, 1, width))
    return graph.op("GatherElements", cells, index, axis=1)


def category_values(known: np.ndarray) -> np.ndarray | None:
    """Return categories that are numbers, which X holds as such; None for others."""
    numbers = (int, float, np.number, np.bool_)
    if all(isinstance(value, numbers) for value in known):
        return np.array(known, dtype=np.float64)
    return None


# -- inside ----------------------------------------------------------------------------


def _numeric(encoder: Encoder) -> np.ndarray:
    n_features = len(encoder.standardizer.mean)
    return np.delete(np.arange(n_features), encoder.categories.columns)


def _codes(graph: Graph, column: str, known: np.ndarray) -> str:
    """Append the codes (N, T, 1) of a column, NaN for what fit has not seen."""
    values = category_values(known)
    if values is None:  # text: X holds the codes
        above = graph.op("GreaterOrEqual", column, np.float64(0))
        below = graph.op("Less", column, np.float64(len(known)))
        inside = graph.op("And", above, below)
        return graph.op("Where", inside, column, np.float64(np.nan))
    same = graph.cast(graph.op("Equal", column, values), np.int32)  # (N, T, n_known)
    code = graph.op("ArgMax", same, axis=2, keepdims=1)
    found = graph.cast(graph.op("ReduceMax", same, ints(2), keepdims=1), np.bool_)
    return graph.op("Where", found, graph.cast(code, np.float64), np.float64(np.nan))


def _between_first_and_last(graph: Graph, present: str) -> str:
    """Append a mask of the steps that are not before or after all observed ones."""
    count = graph.cast(present, np.int32)
    forward = graph.op("CumSum", count, np.int64(1))
    backward = graph.op("CumSum", count, np.int64(1), reverse=1)
    some = [graph.cast(total, np.bool_) for total in (forward, backward)]
    return graph.op("And", *some)


def _kept_first(graph: Graph, kept: str) -> str:
    """Append the order (N, T) of steps in which those kept come first."""
    size = graph.size(kept, 1)
    steps = graph.steps(size)
    place = graph.op("Where", kept, steps, graph.op("Add", steps, size))
    # A stable sort, since no two steps have the same place.
    return graph.ops("TopK", 2, place, size, axis=1, largest=0, sorted=1)[1]


def _levels(graph: Graph, encoder: Encoder, numeric: str) -> tuple[str, str | None]:
    """Append shift and scale (N, 1, n_numeric) in units of X; NaN where none."""
    assert encoder.normalizer is not None
    kind = encoder.normalizer.kind
    missing = graph.is_nan(numeric)
    if kind == "last":
        return _last_values(graph, numeric, missing), None
    if kind == "standard":
        return _moments(graph, encoder, numeric, missing)
    raise ExportError(
        f"normalization={kind!r} has no ONNX form. Those that do are 'last' and "
        "'standard'."
    )


def _last_values(graph: Graph, numeric: str, missing: str) -> str:
    steps = graph.op("Add", graph.steps(graph.size(numeric, 1)), np.int64(1))
    steps = graph.op("Unsqueeze", steps, ints(0, 2))
    number = graph.op("Where", missing, np.int64(0), steps)  # 0 where missing
    latest = graph.op("ReduceMax", number, ints(1), keepdims=1)
    at = graph.op("Max", graph.op("Sub", latest, np.int64(1)), np.int64(0))
    value = graph.op("GatherElements", numeric, at, axis=1)
    none = graph.op("Equal", latest, np.int64(0))
    return graph.op("Where", none, np.float64(np.nan), value)


def _moments(
    graph: Graph, encoder: Encoder, numeric: str, missing: str
) -> tuple[str, str]:
    """Append mean and deviation; the deviation is NaN where it is only rounding."""
    assert encoder.normalizer is not None
    zero, eps = np.float64(0), np.finfo(np.float64).eps
    seen = graph.cast(graph.op("Not", missing), np.float64)
    count = graph.op("ReduceSum", seen, ints(1), keepdims=1)

    def averaged(cells: str) -> str:
        cells = graph.op("Where", missing, zero, cells)
        total = graph.op("ReduceSum", cells, ints(1), keepdims=1)
        return graph.op("Div", total, count)  # 0 / 0 is NaN

    mean = averaged(numeric)
    apart = graph.op("Sub", numeric, mean)
    deviation = graph.op("Sqrt", averaged(graph.op("Mul", apart, apart)))
    center = encoder.standardizer.mean[_numeric(encoder)]
    offset = graph.op("Abs", graph.op("Sub", mean, center))
    rounding = graph.op(
        "Max",
        graph.op("Mul", offset, np.float64(10 * encoder.normalizer.precision)),
        graph.op("Mul", graph.op("Abs", mean), np.float64(10 * eps)),
    )
    varies = graph.op("Greater", deviation, rounding)
    return mean, graph.op("Where", varies, deviation, np.float64(np.nan))


def _input_levels(
    graph: Graph, encoder: Encoder, levels: tuple[str, str | None], dtype: np.dtype
) -> tuple[str, str | None]:
    """Append shift and scale in units of standardized rows, in the network's dtype."""
    whole, numeric = encoder.standardizer, _numeric(encoder)
    shift, scale = levels
    shift = graph.op("Sub", shift, whole.mean[numeric])
    shift = graph.filled(graph.op("Div", shift, whole.scale[numeric]), 0.0)
    shift = graph.cast(shift, dtype)
    if scale is None:
        return shift, None
    scale = graph.filled(graph.op("Div", scale, whole.scale[numeric]), 1.0)
    return shift, graph.cast(scale, dtype)


def _normalized(
    graph: Graph,
    encoder: Encoder,
    features: list[str],
    own: tuple[str, str | None],
    dtype: np.dtype,
) -> list[str]:
    """Append the features relative to the levels of their sequence."""
    shift, scale = own
    *differences, values = features
    found = []
    for part in differences:
        assert encoder.differences is not None
        mean, spread = encoder.differences.mean, encoder.differences.scale
        if scale is None:
            levels: tuple = mean.astype(dtype), spread.astype(dtype)
        else:
            wide = graph.cast(scale, np.float64)
            levels = tuple(
                graph.cast(graph.op("Mul", wide, moment), dtype)
                for moment in (mean, spread)
            )
        found.append(graph.op("Div", graph.op("Sub", part, levels[0]), levels[1]))
    values = graph.op("Sub", values, shift)
    return [*found, values if scale is None else graph.op("Div", values, scale)]


def _differences(
    graph: Graph, encoder: Encoder, numeric: str, own: tuple[str, str | None] | None
) -> str:
    """Append each value minus the one observed before it; NaN where there is none.

    The observed cells of each channel are moved to the front, where the one before is
    one step back.
    """
    rule = encoder.differences
    assert rule is not None
    missing = graph.is_nan(numeric)
    size = graph.size(numeric, 1)
    steps = graph.op("Unsqueeze", graph.steps(size), ints(0, 2))
    place = graph.op("Where", missing, graph.op("Add", steps, size), steps)
    front = graph.ops("TopK", 2, place, size, axis=1, largest=0, sorted=1)[1]
    compact = graph.op("GatherElements", numeric, front, axis=1)
    seen = graph.cast(graph.op("Not", missing), np.int64)
    rank = graph.op("CumSum", seen, np.int64(1))  # of a cell, from 1
    at = graph.op("Max", graph.op("Sub", rank, np.int64(2)), np.int64(0))
    before = graph.op("GatherElements", compact, at, axis=1)
    change = graph.op("Div", graph.op("Sub", numeric, before), rule.unit)
    if own is None:
        change = graph.op("Div", graph.op("Sub", change, rule.mean), rule.scale)
    first = graph.op("Less", rank, np.int64(2))
    return graph.op("Where", first, np.float64(np.nan), change)
