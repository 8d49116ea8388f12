"""Predictions: packed weights, then the scores of every sequence."""

from typing import Any

import numpy as np

from sklearn_gru._engines.numba.compile.jit import entry
from sklearn_gru._engines.numba.compile.simd import floats_at
from sklearn_gru._engines.numba.parts import weights
from sklearn_gru._engines.numba.parts.dropout import Dropout
from sklearn_gru._engines.numba.parts.losses import apply_head
from sklearn_gru._engines.numba.parts.rows import copy_row
from sklearn_gru._engines.numba.parts.stack import Work, forward_stack
from sklearn_gru._engines.numba.programs.batch import (
    block_of,
    data_at,
    layout_at,
    memory_at,
    shape_at,
    sorted_batch,
)

cell: Any = None  # set by `bind`, in the copy of a program


@entry
def pack(shape, memory):
    """Copy flat parameters to packed weights."""
    shape, memory = shape_at(shape), memory_at(memory)
    weights.pack(shape, memory.params, memory.packed, memory.n_packed)


def predict(shape, layout, memory, data, scores):
    """Write the head's scores (n, n_outputs) of every sequence; weights are packed.

    Arguments are addresses, of records but for the last one.
    """
    shape, layout, memory = shape_at(shape), layout_at(layout), memory_at(memory)
    data, scores = data_at(data), floats_at(scores)
    workspace, packed = memory.workspace, memory.packed
    ordered, spare = sorted_batch(layout, memory, data)
    dropout = Dropout(0.0, np.uint64(0))
    head, block_scores = weights.head_of(shape, packed), workspace + layout.scores
    for first in range(0, data.n, layout.rows):
        block = block_of(shape, layout, data, ordered, data.n, first, spare)
        work = Work(shape, layout, block, workspace, packed, data, dropout)
        forward_stack(cell, work, False, False)
        if data.stop[0] != 0:
            break
        apply_head(shape, block.rows, workspace + layout.pooled, head, block_scores)
        for i in range(block.rows):
            target = scores + block.sequences[i] * shape.n_outputs
            copy_row(target, block_scores + i * shape.padded_outputs, shape.n_outputs)
