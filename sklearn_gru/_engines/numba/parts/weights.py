"""Between torch's layout of the parameters and the one the tile reads.

torch keeps, for every direction of every layer, `weight_ih (gates H, inputs)`,
`weight_hh (gates H, H)`, `bias_ih` and `bias_hh (gates H)`. The forward products want
them transposed, with every gate padded to whole vectors; the backward products want
the rows as they are, padded. Both copies are made once a training step, which costs
about a hundredth of it, and once per fitted model for predictions.

The sums of a step lie in slots. Where a gate acts between the sums of a block over the
state and over the input, that over the state has a slot in front of the others: those
that a product writes lie side by side.
"""

from typing import Any, NamedTuple

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES
from sklearn_gru._engines.numba.memory import (
    lay_out_direction,
    lay_out_head,
    start_of_direction,
)
from sklearn_gru._engines.numba.parts.rows import copy_row, fill

_lay_out_direction, _lay_out_head = inner(lay_out_direction), inner(lay_out_head)
_start_of_direction = inner(start_of_direction)


class Weights(NamedTuple):
    """Pointers to the packed weights of one direction of one layer, or gradients.

    `wx` and `wh` are torch's matrices transposed and padded, for the forward pass and
    for all gradients; `wx_rows` and `wh_rows` are padded only, for the backward pass.
    """

    n_inputs: Any
    wx: Any  # (inputs, gates P)
    wh: Any  # (H, gates P)
    bias: Any  # (deltas P,)
    wx_rows: Any  # (gates H, inputs rounded up)
    wh_rows: Any  # (gates H, P)


class Head(NamedTuple):
    """Pointers to the packed weights of head and embeddings (or their gradients)."""

    columns: Any  # (pooled, outputs rounded up)
    rows: Any  # (outputs, pooled rounded up)
    bias: Any  # (outputs rounded up,)
    tables: Any  # of the embeddings, as torch has them


@inner
def padded(n):
    """Round up to whole vectors."""
    return (n + LANES - 1) // LANES * LANES


@inner
def layer_inputs(shape, layer):
    """Return how many inputs a layer has."""
    return shape.n_inputs if layer == 0 else shape.width


@inner
def weights_of(shape, packed, layer, direction):
    """Return where the weights of one direction of one layer lie."""
    n_inputs = layer_inputs(shape, layer)
    at = _lay_out_direction(shape, n_inputs)
    first = _lay_out_direction(shape, shape.n_inputs)
    wx = packed + _start_of_direction(shape, first, at, layer, direction)
    return Weights(
        n_inputs, wx, wx + at.wh, wx + at.bias, wx + at.wx_rows, wx + at.wh_rows
    )


@inner
def head_of(shape, packed):
    """Return where the weights of the head lie."""
    first = _lay_out_direction(shape, shape.n_inputs)
    later = _lay_out_direction(shape, shape.width)
    start = _start_of_direction(shape, first, later, shape.layers, 0)
    at = _lay_out_head(shape, start)
    return Head(
        packed + at.columns, packed + at.rows, packed + at.bias, packed + at.tables
    )


@inner
def pack(shape, params, packed, n_floats):
    """Copy flat torch parameters to the packed layout; padding is zero."""
    params = pack_layers(shape, params, packed, n_floats)
    head = head_of(shape, packed)
    for o in range(shape.n_outputs):
        for j in range(shape.pooled):
            value = params[o * shape.pooled + j]
            head.columns[j * shape.padded_outputs + o] = value
            head.rows[o * shape.padded_pooled + j] = value
        head.bias[o] = params[shape.n_outputs * shape.pooled + o]
    tables = params + shape.n_outputs * (shape.pooled + 1)
    copy_row(head.tables, tables, shape.table_floats)


@inner
def pack_layers(shape, params, packed, n_floats):
    """Pack all but the head; return where the parameters of the layers end."""
    fill(packed, n_floats, 0.0)
    for layer in range(shape.layers):
        for direction in range(shape.directions):
            weights = weights_of(shape, packed, layer, direction)
            params = _pack_direction(shape, params, weights)
    return params


@inner
def _pack_direction(shape, params, weights):
    """Pack one direction of one layer; return where its parameters end."""
    n_inputs, units = weights.n_inputs, shape.gates * shape.hidden
    weight_hh = params + units * n_inputs
    for gate in range(shape.gates):
        _pack_gate(shape, params, n_inputs, gate, gate, weights.wx, weights.wx_rows)
        _pack_gate(
            shape, weight_hh, shape.hidden, gate, state_slot(shape, gate),
            weights.wh, weights.wh_rows,
        )  # fmt: skip
    bias_ih = weight_hh + units * shape.hidden
    bias_hh = bias_ih + units
    for gate in range(shape.gates):
        for j in range(shape.hidden):
            at = gate * shape.hidden + j
            weights.bias[input_slot(shape, gate) * shape.padded + j] += bias_ih[at]
            weights.bias[state_slot(shape, gate) * shape.padded + j] += bias_hh[at]
    return bias_hh + units


@inner
def _pack_gate(shape, matrix, n_columns, gate, place, transposed, rows):
    """Copy a gate of a matrix (gates H, n) to (n, gates P) and (gates H, n rounded up).

    `place` is the number of the gate in the copies.
    """
    step, row = shape.gates * shape.padded, padded(n_columns)
    for j in range(shape.hidden):
        values = matrix + (gate * shape.hidden + j) * n_columns
        column = transposed + (place * shape.padded + j)
        copy_row(rows + (place * shape.hidden + j) * row, values, n_columns)
        for i in range(n_columns):
            column[i * step] = values[i]


@inner
def input_slot(shape, gate):
    """Return the slot to which a gate's sum over the input and its bias_ih belong."""
    return gate + shape.apart


@inner
def state_slot(shape, gate):
    """Return the slot to which a gate's sum over the state and its bias_hh belong."""
    return (gate + shape.apart) % shape.gates


@inner
def unpack_gradients(shape, packed, grads):
    """Copy gradients of the packed weights to torch's flat layout."""
    for layer in range(shape.layers):
        for direction in range(shape.directions):
            weights = weights_of(shape, packed, layer, direction)
            grads = _unpack_direction(shape, weights, grads)
    head = head_of(shape, packed)
    for o in range(shape.n_outputs):
        for j in range(shape.pooled):
            grads[o * shape.pooled + j] = head.rows[o * shape.padded_pooled + j]
        grads[shape.n_outputs * shape.pooled + o] = head.bias[o]
    tables = grads + shape.n_outputs * (shape.pooled + 1)
    copy_row(tables, head.tables, shape.table_floats)


@inner
def _unpack_direction(shape, weights, grads):
    """Unpack one direction of one layer; return where its parameters end."""
    n_inputs, units = weights.n_inputs, shape.gates * shape.hidden
    step = shape.gates * shape.padded
    weight_hh = grads + units * n_inputs
    bias_ih = weight_hh + units * shape.hidden
    bias_hh = bias_ih + units
    for gate in range(shape.gates):
        for j in range(shape.hidden):
            unit, at = gate * shape.hidden + j, gate * shape.padded + j
            of_input = input_slot(shape, gate) * shape.padded + j
            of_state = state_slot(shape, gate) * shape.padded + j
            for i in range(n_inputs):
                grads[unit * n_inputs + i] = weights.wx[i * step + at]
            for i in range(shape.hidden):
                weight_hh[unit * shape.hidden + i] = weights.wh[i * step + of_state]
            bias_ih[unit] = weights.bias[of_input]
            bias_hh[unit] = weights.bias[of_state]
    return bias_hh + units
