"""Predictions: packed weights, then the scores of every sequence."""

from typing import Any

import numpy as np

from sklearn_gru._engines.numba.compile.jit import entry, inner
from sklearn_gru._engines.numba.compile.simd import floats_at
from sklearn_gru._engines.numba.parts import weights
from sklearn_gru._engines.numba.parts.dropout import Dropout
from sklearn_gru._engines.numba.parts.losses import apply_head
from sklearn_gru._engines.numba.parts.rows import copy_row
from sklearn_gru._engines.numba.parts.stack import Work, forward_stack, nothing_carried
from sklearn_gru._engines.numba.programs.batch import block_of, sorted_batch, view_data

cell: Any = None  # set by `bind`, in the copy of a program


@entry
def pack(shape, memory):
    """Copy flat parameters to packed weights."""
    packed = floats_at(memory.packed)
    weights.pack(shape, floats_at(memory.params), packed, memory.n_packed)


def predict(shape, layout, memory, sequences, scores):
    """Predict, without the code that trains; see `write_scores`."""
    write_scores(cell, shape, layout, memory, sequences, floats_at(scores))


@inner
def write_scores(cell, shape, layout, memory, sequences, scores):
    """Write the head's scores (n, n_outputs) of every sequence; weights are packed."""
    workspace, packed = floats_at(memory.workspace), floats_at(memory.packed)
    data = view_data(sequences)
    ordered, spare = sorted_batch(layout, memory, sequences, data)
    dropout = Dropout(0.0, np.uint64(0))
    head, block_scores = weights.head_of(shape, packed), workspace + layout.scores
    for first in range(0, sequences.n, layout.rows):
        block = block_of(shape, layout, data, ordered, sequences.n, first, spare)
        carried = nothing_carried()
        work = Work(
            shape, layout, block, workspace, packed, data, dropout, carried, False
        )
        forward_stack(cell, work, False)
        if data.stop[0] != 0:
            break
        apply_head(shape, block.rows, workspace + layout.pooled, head, block_scores)
        for i in range(block.rows):
            target = scores + block.sequences[i] * shape.n_outputs
            copy_row(target, block_scores + i * shape.padded_outputs, shape.n_outputs)
