"""One direction of one layer over a block of sequences: all steps, and back.

`cell` is one of the cell modules; everything but its forward_step, backward_step and
state_gradient is the same for all cells.

Forward: the state before each step and the gates are kept (training), or overwritten
every other step (prediction). Backward: the recurrence runs over a chunk of steps and
leaves the gradients of the sums in cache; then the weights' gradients, which need no
recurrence, are taken for the whole chunk in one product.
"""

from typing import Any, NamedTuple

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES
from sklearn_gru._engines.numba.compile.tile import gemm
from sklearn_gru._engines.numba.parts.rows import (
    add_gate_product,
    add_row,
    copy_row,
    fill,
)
from sklearn_gru._engines.numba.parts.weights import padded


class Trace(NamedTuple):
    """Memory that the forward and backward pass of one direction of a layer share."""

    x: Any  # (N, x_step), inputs in this direction's order
    x_step: int
    states: Any  # (N, P), the state before each step
    saved: Any  # (rows + N, saved P): zeros before the first step, then the gates
    final: Any  # (rows, P)
    keep: bool  # all steps are kept (training), not two
    goes_on: bool  # the state before the first step may be other than zeros
    stop: Any  # (1,) integer, not 0 once the call shall end


@inner
def forward_layer(cell, shape, block, direction, weights, trace, wanted, out):
    """Run all steps; write the states to `out` in time order, if they are wanted."""
    size, row = shape.padded, shape.saved * shape.padded
    at, slots = 0, block.rows * row
    before = 0
    for s in range(block.steps):
        if trace.stop[0] != 0:
            break
        n, n_next, first = block.counts[s], block.counts[s + 1], block.firsts[s]
        if trace.keep:
            next_at, next_slots = at + n * size, slots + n * row
        else:  # two places, in turn
            next_at = block.rows * size - at
            next_slots = 3 * block.rows * row - slots
        h, h_next = trace.states + at, trace.states + next_at
        x = trace.x + first * trace.x_step
        # Before the first step, the state is 0, and so is any product with it.
        n_known = shape.hidden if s > 0 or trace.goes_on else 0
        cell.forward_step(
            shape, n, x, trace.x_step, weights, h, n_known, trace.saved + before,
            trace.saved + slots, h_next, n_next, trace.final,
        )  # fmt: skip
        if wanted:
            for i in range(n):
                new = (h_next if i < n_next else trace.final) + i * size
                place = block.mirror[first + i] if direction == 1 else first + i
                target = out + (place * shape.padded_width + direction * shape.hidden)
                copy_row(target, new, shape.hidden)
        at, before, slots = next_at, slots, next_slots


@inner
def start_state(shape, block, trace):
    """Set the state before the first step to zeros."""
    size = shape.padded
    fill(trace.saved, block.rows * shape.saved * size, 0.0)
    fill(trace.states, block.counts[0] * size, 0.0)
    fill(trace.final, block.rows * size, 0.0)  # of empty sequences, it stays


class Gradients(NamedTuple):
    """Arrays that the backward pass of one direction reads and writes."""

    d_outputs_given: bool
    d_outputs: Any  # (N, padded_width) in time order, gradient of the states
    d_h: Any  # (rows, P), gradient of the final state, then of those before
    d_c: Any  # (rows, P), used by the LSTM; zeros
    deltas: Any  # (chunk, deltas P)
    chunk: int
    one: Any  # the number 1
    d_x_wanted: bool
    d_x: Any  # (chunk, inputs), scratch
    d_inputs: Any  # (N, padded inputs) in time order; added to


@inner
def backward_layer(cell, shape, block, direction, weights, trace, flow, grads):
    """Run the steps backward; add to the gradients of the weights and inputs."""
    size, row = shape.padded, shape.saved * shape.padded
    gates = trace.saved + block.rows * row
    d_row = shape.deltas * size
    end = block.steps
    while end > 0 and trace.stop[0] == 0:
        begin = _chunk_begin(block, end, flow.chunk)
        origin = block.firsts[begin]
        for s in range(end - 1, begin - 1, -1):
            n, first = block.counts[s], block.firsts[s]
            if flow.d_outputs_given:
                _add_output_gradients(shape, block, direction, s, flow)
            previous = 0 if s == 0 else block.rows + block.firsts[s - 1]
            cell.backward_step(
                shape, n, weights, trace.states + first * size,
                trace.saved + previous * row, gates + first * row, flow.d_h, flow.d_c,
                flow.deltas + (first - origin) * d_row, s > 0,
            )  # fmt: skip
        n = block.firsts[end] - origin
        x = trace.x + origin * trace.x_step
        _input_gradient(shape, n, x, trace.x_step, flow, grads)
        skipped = 0 if begin > 0 or trace.goes_on else block.counts[0]
        states = trace.states + (origin + skipped) * size
        saved, deltas = gates + (origin + skipped) * row, flow.deltas + skipped * d_row
        cell.state_gradient(shape, n - skipped, states, saved, deltas, grads)
        if flow.d_x_wanted:
            _add_input_deltas(shape, block, direction, origin, n, weights, flow)
        end = begin


@inner
def _chunk_begin(block, end, chunk):
    """Return the first step of the chunk that ends before step `end`."""
    begin = end - 1
    last = block.firsts[end]
    while begin > 0 and last - block.firsts[begin - 1] <= chunk:
        begin -= 1
    return begin


@inner
def _add_output_gradients(shape, block, direction, s, flow):
    """Add the gradient that step s of every sequence got from the layer's output."""
    first = block.firsts[s]
    for i in range(block.counts[s]):
        place = block.mirror[first + i] if direction == 1 else first + i
        column = place * shape.padded_width + direction * shape.hidden
        add_row(flow.d_h + i * shape.padded, flow.d_outputs + column, shape.hidden)


@inner
def _input_gradient(shape, n, x, x_step, flow, grads):
    """Add to the gradients of W_i, x' delta, and of the biases, 1' delta."""
    size, columns = shape.padded, shape.gates * shape.padded
    d_row, deltas = shape.deltas * size, flow.deltas
    gemm(grads.n_inputs, columns // LANES, n, x, 1, x_step,
         deltas + shape.apart * size, d_row,
         grads.wx, columns, grads.wx, columns)  # fmt: skip
    gemm(1, d_row // LANES, n, flow.one, 0, 0, deltas, d_row,
         grads.bias, 0, grads.bias, 0)  # fmt: skip


@inner
def _add_input_deltas(shape, block, direction, origin, n, weights, flow):
    """Add delta W_i to the gradient of the inputs of n packed rows."""
    size, d_row = shape.padded, shape.deltas * shape.padded
    x_step = padded(weights.n_inputs)
    fill(flow.d_x, n * x_step, 0.0)
    add_gate_product(
        shape, shape.gates, n, flow.deltas + shape.apart * size, d_row,
        weights.wx_rows, x_step, flow.d_x, x_step,
    )  # fmt: skip
    for k in range(n):
        row = origin + k
        place = block.mirror[row] if direction == 1 else row
        add_row(flow.d_inputs + place * x_step, flow.d_x + k * x_step, x_step)
