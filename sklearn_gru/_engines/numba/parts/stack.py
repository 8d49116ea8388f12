"""All layers and directions of a network over one block, forward and backward."""

from typing import Any, NamedTuple

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import floats_at
from sklearn_gru._engines.numba.memory import LAST
from sklearn_gru._engines.numba.parts.block import reverse_rows
from sklearn_gru._engines.numba.parts.dropout import drop
from sklearn_gru._engines.numba.parts.inputs import (
    Data,
    gather_inputs,
    scatter_embedded,
    scatter_inputs,
)
from sklearn_gru._engines.numba.parts.layer import (
    Gradients,
    Trace,
    backward_layer,
    forward_layer,
    start_state,
)
from sklearn_gru._engines.numba.parts.pooling import pool, pool_backward
from sklearn_gru._engines.numba.parts.rows import copy_row, fill
from sklearn_gru._engines.numba.parts.weights import (
    head_of,
    layer_inputs,
    padded,
    weights_of,
)


class Work(NamedTuple):
    """A block of sequences on its way through the network."""

    shape: Any
    layout: Any
    block: Any
    workspace: Any  # floats, laid out by `layout`
    packed: Any  # weights
    data: Data
    dropout: Any
    carried: Any
    keeps: bool  # what a backward pass needs, of all layers


class Carried(NamedTuple):
    """The states in which the forward direction begins and ends.

    Each is (n, layers, parts, hidden), the parts h and, for an LSTM, c.
    """

    given: bool
    initial: Any
    final: Any
    parts: int


@inner
def nothing_carried():
    """Return the states of sequences that begin with zeros."""
    return Carried(False, floats_at(0), floats_at(0), 1)


@inner
def kept_states():
    """Return the states of sequences whose first ones are kept, zeros or not."""
    return Carried(True, floats_at(0), floats_at(0), 1)


@inner
def forward_stack(cell, work, all_steps):
    """Run all layers; states of the last one end in outputs, finals and pooled."""
    shape, layout, block, workspace, packed, data, dropout, carried, keeps = work
    x = workspace + layout.x
    gather_inputs(block, data, shape.n_inputs, head_of(shape, packed).tables, x)
    for layer in range(shape.layers):
        x, x_step = layer_input(work, layer)
        out = workspace + output_at(layout, layer, keeps)
        is_last = layer == shape.layers - 1
        wanted = not is_last or shape.pooling != LAST or all_steps
        for direction in range(shape.directions):
            trace = trace_of(work, layer, direction, x, x_step)
            start_state(shape, block, trace)
            if trace.goes_on:
                load_states(cell, shape, block, layer, carried, trace)
            weights = weights_of(shape, packed, layer, direction)
            forward_layer(cell, shape, block, direction, weights, trace, wanted, out)
            if trace.goes_on:
                store_states(cell, work, layer, trace)
        if not is_last and dropout.rate > 0.0:
            drop(shape, block, dropout, layer, out)
    if data.stop[0] != 0:
        return
    outputs = workspace + output_at(layout, shape.layers - 1, keeps)
    finals, pooled = workspace + layout.finals, workspace + layout.pooled
    pool(shape, block, finals, outputs, pooled, workspace + layout.argmax)


@inner
def load_states(cell, shape, block, layer, carried, trace):
    """Copy the given states to where the first step reads them."""
    size, row = shape.padded, shape.saved * shape.padded
    for i in range(block.rows):
        place = (block.sequences[i] * shape.layers + layer) * carried.parts
        source = carried.initial + place * shape.hidden
        copy_row(trace.states + i * size, source, shape.hidden)
        if carried.parts > 1:
            c = trace.saved + (i * row + cell.CARRIED_SLOT * size)
            copy_row(c, source + shape.hidden, shape.hidden)


@inner
def store_states(cell, work, layer, trace):
    """Copy the states after the last step of each sequence; all steps are kept."""
    shape, block, data, carried = work.shape, work.block, work.data, work.carried
    size, row = shape.padded, shape.saved * shape.padded
    for i in range(block.rows):
        place = (block.sequences[i] * shape.layers + layer) * carried.parts
        target = carried.final + place * shape.hidden
        copy_row(target, trace.final + i * size, shape.hidden)
        length = data.lengths[block.sequences[i]]
        if carried.parts > 1 and length > 0:
            slots = (block.rows + block.firsts[length - 1] + i) * row
            c = trace.saved + (slots + cell.CARRIED_SLOT * size)
            copy_row(target + shape.hidden, c, shape.hidden)


@inner
def output_at(layout, layer, keeps):
    """Return where a layer's states are: all layers are kept, or two in turn."""
    place = layer if keeps else layer % 2
    return layout.outputs + place * layout.output_floats


@inner
def layer_input(work, layer):
    """Return the packed rows a layer reads, in time order, and their step."""
    shape, layout = work.shape, work.layout
    if layer == 0:
        return work.workspace + layout.x, shape.n_inputs
    below = output_at(layout, layer - 1, work.keeps)
    return work.workspace + below, shape.padded_width


@inner
def trace_of(work, layer, direction, x, x_step):
    """Return the trace of one direction, its inputs turned around for the second."""
    shape, layout, block, workspace = work[:4]
    number = layer * shape.directions + direction if work.keeps else 0
    if direction == 1:
        reversed_x = workspace + layout.x_reversed
        reverse_rows(block, x, x_step, layer_inputs(shape, layer), reversed_x)
        x = reversed_x
    return Trace(
        x,
        x_step,
        workspace + (layout.states + number * layout.state_floats),
        workspace + (layout.saved + number * layout.saved_floats),
        workspace + (layout.finals + direction * block.rows * shape.padded),
        work.keeps,
        work.carried.given and direction == 0,
        work.data.stop,
    )


class Wanted(NamedTuple):
    """Request for the gradient of the inputs, and its destination."""

    inputs: bool
    d_values: Any  # (n_rows, n_inputs), added to


@inner
def backward_stack(cell, work, wanted, d_out_given):
    """Compute the gradients of all weights but those of the head.

    They come from d_pooled and, if given, d_outputs.
    """
    shape, layout, block, workspace, packed, data, dropout, _, _ = work
    if shape.pooling != LAST:
        top = workspace + d_output_at(shape, layout, shape.layers - 1)
        d_pooled, argmax = workspace + layout.d_pooled, workspace + layout.argmax
        pool_backward(shape, block, d_pooled, argmax, top)
    for layer in range(shape.layers - 1, -1, -1):
        is_last = layer == shape.layers - 1
        x, x_step = layer_input(work, layer)
        d_inputs_wanted = layer > 0 or wanted.inputs or data.n_tables > 0
        d_inputs = workspace + d_output_at(shape, layout, layer - 1)
        if d_inputs_wanted:
            width = padded(layer_inputs(shape, layer))
            fill(d_inputs, block.total * width, 0.0)
        d_outputs = workspace + d_output_at(shape, layout, layer)
        if not is_last and dropout.rate > 0.0:
            drop(shape, block, dropout, layer, d_outputs)
        for direction in range(shape.directions):
            trace = trace_of(work, layer, direction, x, x_step)
            flow = Gradients(
                not is_last or shape.pooling != LAST or d_out_given,
                d_outputs,
                workspace + layout.d_state,
                workspace + layout.d_cell,
                workspace + layout.deltas,
                layout.chunk,
                workspace + layout.one,
                d_inputs_wanted,
                workspace + layout.d_x,
                d_inputs,
            )
            _start_d_state(work, is_last, direction)
            weights = weights_of(shape, packed, layer, direction)
            grads = weights_of(shape, workspace + layout.grads, layer, direction)
            backward_layer(cell, shape, block, direction, weights, trace, flow, grads)
        if layer == 0 and wanted.inputs:
            step = padded(shape.n_inputs)
            scatter_inputs(block, d_inputs, step, data, wanted.d_values)
        if layer == 0 and data.n_tables > 0:
            d_tables = head_of(shape, workspace + layout.grads).tables
            scatter_embedded(block, d_inputs, padded(shape.n_inputs), data, d_tables)


@inner
def d_output_at(shape, layout, layer):
    """Return where the gradient of a layer's states is: two places in turn."""
    return layout.d_outputs + (layer % 2) * layout.d_output_floats


@inner
def _start_d_state(work, is_last, direction):
    """Set the gradient of the final states, which only "last" pooling reads."""
    shape, layout, block, workspace = work[:4]
    d_state = workspace + layout.d_state
    fill(d_state, block.rows * shape.padded, 0.0)
    fill(workspace + layout.d_cell, block.rows * shape.padded, 0.0)
    if is_last and shape.pooling == LAST:
        d_pooled = workspace + (layout.d_pooled + direction * shape.hidden)
        for i in range(block.rows):
            source = d_pooled + i * shape.padded_pooled
            copy_row(d_state + i * shape.padded, source, shape.hidden)
