"""The recurrent layers alone, forward and backward, for autograd."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._engines.numba.compile.denormals import (
    flush_denormals,
    restore_denormals,
)
from sklearn_gru._engines.numba.compile.jit import entry, inner
from sklearn_gru._engines.numba.compile.simd import floats_at
from sklearn_gru._engines.numba.parts import weights
from sklearn_gru._engines.numba.parts.dropout import Dropout
from sklearn_gru._engines.numba.parts.rows import add_row, copy_row, fill
from sklearn_gru._engines.numba.parts.stack import (
    Carried,
    Wanted,
    Work,
    backward_stack,
    d_output_at,
    forward_stack,
    kept_states,
    output_at,
)
from sklearn_gru._engines.numba.programs.batch import block_of, sorted_batch, view_data

cell: Any = None  # set by `bind`, in the copy of a program


class Outputs(NamedTuple):
    """Addresses of what the layer program returns, or of the gradients of it."""

    last: int  # (n, width): final states of the last layer's directions
    steps: int  # (n, n_steps, width), or 0 if not wanted
    n_steps: int
    keep: bool  # a backward pass will follow
    initial: int = 0  # (n, layers, parts, hidden): states to begin in, or 0 for zeros
    final: int = 0  # likewise, those at the end
    parts: int = 1


@entry
def pack_layers(shape, memory, params):
    """Copy the layers' parameters at an address to packed weights."""
    packed = floats_at(memory.packed)
    weights.pack_layers(shape, floats_at(params), packed, memory.n_packed)


def run_layers(shape, layout, memory, sequences, outputs, rate, seed):
    """Write final states, and all states if wanted, of a batch.

    With `keep`, every block has a workspace of its own, for `run_layers_backward`.
    """
    packed, data = floats_at(memory.packed), view_data(sequences)
    last, steps = floats_at(outputs.last), floats_at(outputs.steps)
    dropout, keeps = Dropout(rate, np.uint64(seed)), outputs.keep
    carried = Carried(
        outputs.initial != 0,
        floats_at(outputs.initial),
        floats_at(outputs.final),
        outputs.parts,
    )
    ordered, spare = sorted_batch(layout, memory, sequences, data)
    for first in range(0, sequences.n, layout.rows):
        number = first // layout.rows if keeps else 0
        workspace = floats_at(memory.workspace) + number * layout.total
        block = block_of(shape, layout, data, ordered, sequences.n, first, spare)
        work = Work(
            shape, layout, block, workspace, packed, data, dropout, carried, keeps
        )
        forward_stack(cell, work, outputs.steps != 0)
        if data.stop[0] != 0:
            break
        pooled = workspace + layout.pooled
        for i in range(block.rows):
            target = last + block.sequences[i] * shape.width
            copy_row(target, pooled + i * shape.padded_pooled, shape.width)
        if outputs.steps != 0:
            at = output_at(layout, shape.layers - 1, keeps)
            _spread_steps(shape, block, workspace + at, steps, outputs.n_steps, True)


def run_layers_backward(
    shape, layout, memory, sequences, outputs, grads, d_values, rate, seed
):
    """Write the gradients of the parameters, and add those of the inputs."""
    before = flush_denormals()
    packed, data = floats_at(memory.packed), view_data(sequences)
    last, steps = floats_at(outputs.last), floats_at(outputs.steps)
    dropout = Dropout(rate, np.uint64(seed))
    wanted = Wanted(d_values != 0, floats_at(d_values))
    ordered, spare = sorted_batch(layout, memory, sequences, data)
    total = floats_at(memory.workspace) + layout.total_grads
    fill(total, memory.n_packed, 0.0)
    for first in range(0, sequences.n, layout.rows):
        workspace = floats_at(memory.workspace) + first // layout.rows * layout.total
        workspace[layout.one] = 1.0
        block = block_of(shape, layout, data, ordered, sequences.n, first, spare)
        d_pooled = workspace + layout.d_pooled
        for i in range(block.rows):
            source = last + block.sequences[i] * shape.width
            copy_row(d_pooled + i * shape.padded_pooled, source, shape.width)
        if outputs.steps != 0:
            top = workspace + d_output_at(shape, layout, shape.layers - 1)
            _spread_steps(shape, block, top, steps, outputs.n_steps, False)
        fill(workspace + layout.grads, memory.n_packed, 0.0)
        work = Work(
            shape, layout, block, workspace, packed, data, dropout, kept_states(), True
        )
        if data.stop[0] != 0:
            break
        backward_stack(cell, work, wanted, outputs.steps != 0)
        add_row(total, workspace + layout.grads, memory.n_packed)
    weights.unpack_gradients(shape, total, floats_at(grads))
    restore_denormals(before)


@inner
def _spread_steps(shape, block, packed_rows, steps, n_steps, outward):
    """Copy packed rows to (n, n_steps, width), or back."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            row = packed_rows + (block.firsts[s] + i) * shape.padded_width
            place = steps + (block.sequences[i] * n_steps + s) * shape.width
            if outward:
                copy_row(place, row, shape.width)
            else:
                copy_row(row, place, shape.width)
