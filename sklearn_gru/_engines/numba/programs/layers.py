"""The recurrent layers alone, forward and backward, for autograd."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._engines.numba.compile.denormals import (
    flush_denormals,
    restore_denormals,
)
from sklearn_gru._engines.numba.compile.jit import entry, inner
from sklearn_gru._engines.numba.compile.records import Floats, reader
from sklearn_gru._engines.numba.compile.simd import floats_at
from sklearn_gru._engines.numba.parts import weights
from sklearn_gru._engines.numba.parts.dropout import Dropout
from sklearn_gru._engines.numba.parts.rows import add_row, copy_row, fill
from sklearn_gru._engines.numba.parts.stack import (
    Wanted,
    Work,
    backward_stack,
    d_output_at,
    forward_stack,
    output_at,
)
from sklearn_gru._engines.numba.programs.batch import (
    block_of,
    data_at,
    layout_at,
    memory_at,
    shape_at,
    sorted_batch,
)

cell: Any = None  # set by `bind`, in the copy of a program


class Outputs(NamedTuple):
    """Record of what the layer program returns, or of the gradients of it."""

    last: Floats  # (n, width): final states of the last layer's directions
    all_steps: int  # 1 if `steps` is wanted, or given
    steps: Floats  # (n, n_steps, width)
    n_steps: int
    keep: int  # 1 if a backward pass will follow


outputs_at = reader(Outputs)


@entry
def pack_layers(shape, memory, params):
    """Copy the layers' parameters at an address to packed weights."""
    shape, memory = shape_at(shape), memory_at(memory)
    weights.pack_layers(shape, floats_at(params), memory.packed, memory.n_packed)


def run_layers(shape, layout, memory, data, outputs, rate, seed):
    """Write final states, and all states if wanted, of a batch.

    With `keep`, every block has a workspace of its own, for `run_layers_backward`.
    """
    shape, layout, memory = shape_at(shape), layout_at(layout), memory_at(memory)
    data, outputs = data_at(data), outputs_at(outputs)
    keep, all_steps = outputs.keep != 0, outputs.all_steps != 0
    dropout = Dropout(rate, np.uint64(seed))
    ordered, spare = sorted_batch(layout, memory, data)
    for first in range(0, data.n, layout.rows):
        number = first // layout.rows if keep else 0
        workspace = memory.workspace + number * layout.total
        block = block_of(shape, layout, data, ordered, data.n, first, spare)
        work = Work(shape, layout, block, workspace, memory.packed, data, dropout)
        forward_stack(cell, work, keep, all_steps)
        if data.stop[0] != 0:
            break
        pooled = workspace + layout.pooled
        for i in range(block.rows):
            target = outputs.last + block.sequences[i] * shape.width
            copy_row(target, pooled + i * shape.padded_pooled, shape.width)
        if all_steps:
            at = output_at(layout, shape.layers - 1, keep)
            _spread_steps(shape, block, workspace + at, outputs, True)


def run_layers_backward(
    shape, layout, memory, data, outputs, grads, d_values, rate, seed
):
    """Write the gradients of the parameters, and add those of the inputs."""
    before = flush_denormals()
    shape, layout, memory = shape_at(shape), layout_at(layout), memory_at(memory)
    data, outputs = data_at(data), outputs_at(outputs)
    all_steps = outputs.all_steps != 0
    dropout = Dropout(rate, np.uint64(seed))
    wanted = Wanted(d_values != 0, floats_at(d_values))
    ordered, spare = sorted_batch(layout, memory, data)
    total = memory.workspace + layout.total_grads
    fill(total, memory.n_packed, 0.0)
    for first in range(0, data.n, layout.rows):
        workspace = memory.workspace + first // layout.rows * layout.total
        workspace[layout.one] = 1.0
        block = block_of(shape, layout, data, ordered, data.n, first, spare)
        d_pooled = workspace + layout.d_pooled
        for i in range(block.rows):
            source = outputs.last + block.sequences[i] * shape.width
            copy_row(d_pooled + i * shape.padded_pooled, source, shape.width)
        if all_steps:
            top = workspace + d_output_at(shape, layout, shape.layers - 1)
            _spread_steps(shape, block, top, outputs, False)
        fill(workspace + layout.grads, memory.n_packed, 0.0)
        work = Work(shape, layout, block, workspace, memory.packed, data, dropout)
        if data.stop[0] != 0:
            break
        backward_stack(cell, work, wanted, all_steps)
        add_row(total, workspace + layout.grads, memory.n_packed)
    weights.unpack_gradients(shape, total, floats_at(grads))
    restore_denormals(before)


@inner
def _spread_steps(shape, block, packed_rows, outputs, outward):
    """Copy packed rows to (n, n_steps, width), or back."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            row = packed_rows + (block.firsts[s] + i) * shape.padded_width
            place = block.sequences[i] * outputs.n_steps + s
            place = outputs.steps + place * shape.width
            if outward:
                copy_row(place, row, shape.width)
            else:
                copy_row(row, place, shape.width)
