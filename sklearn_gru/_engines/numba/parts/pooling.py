"""From the states of a sequence to one vector: last, mean, max, or mean and max.

All are exact for every length: a packed block has no padded steps. "last" is the
state after the last step of each direction (torch's h_n). An empty sequence is
pooled to zeros.
"""

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import (
    LANES,
    load,
    store,
    where_new_maximum,
)
from sklearn_gru._engines.numba.memory import LAST, MAX, MEAN, MEAN_MAX
from sklearn_gru._engines.numba.parts.rows import add_row, copy_row, fill


@inner
def pool(shape, block, finals, outputs, pooled, argmax):
    """Write (rows, padded_pooled); remember in `argmax` which step was the largest."""
    fill(pooled, block.rows * shape.padded_pooled, 0.0)
    for i in range(block.rows):
        target = pooled + i * shape.padded_pooled
        if shape.pooling == LAST:
            for direction in range(shape.directions):
                final = finals + (direction * block.rows + i) * shape.padded
                copy_row(target + direction * shape.hidden, final, shape.hidden)
    if shape.pooling == MEAN or shape.pooling == MEAN_MAX:
        _mean(shape, block, outputs, pooled)
    if shape.pooling == MAX:
        _max(shape, block, outputs, pooled, argmax)
    elif shape.pooling == MEAN_MAX:
        _max(shape, block, outputs, pooled + shape.width, argmax)


@inner
def _mean(shape, block, outputs, pooled):
    """Average the states of each sequence over its own steps."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            source = outputs + (block.firsts[s] + i) * shape.padded_width
            add_row(pooled + i * shape.padded_pooled, source, shape.width)
    for i in range(block.rows):
        length = _length(block, i)
        for j in range(shape.width if length > 0 else 0):
            pooled[i * shape.padded_pooled + j] /= length


@inner
def _length(block, i):
    """Return how many steps the i-th sequence of a block has."""
    length = 0
    while block.counts[length] > i:
        length += 1
    return length


@inner
def _max(shape, block, outputs, pooled, argmax):
    """Take the largest state over the steps of each sequence (NaN counts as largest).

    `argmax (rows, padded_width)` holds the steps as floats, exact below 2**24.
    """
    best = argmax + block.rows * shape.padded_width  # a second table of this shape
    fill(argmax, block.rows * shape.padded_width, 0.0)
    for s in range(block.steps):
        for k in range(0, block.counts[s] * shape.padded_width, LANES):
            value = load(outputs + (block.firsts[s] * shape.padded_width + k))
            if s == 0:
                store(best + k, value)
            else:
                old, old_step = load(best + k), load(argmax + k)
                step = where_new_maximum(value, old, float(s), old_step)
                store(argmax + k, step)
                store(best + k, where_new_maximum(value, old, value, old))
    for i in range(block.counts[0]):
        source = best + i * shape.padded_width
        copy_row(pooled + i * shape.padded_pooled, source, shape.width)


@inner
def pool_backward(shape, block, d_pooled, argmax, d_outputs):
    """Set the gradient of the states from that of mean and max pooling."""
    size = shape.padded_width
    fill(d_outputs, block.total * size, 0.0)
    d_max = d_pooled
    if shape.pooling == MEAN or shape.pooling == MEAN_MAX:
        for i in range(block.rows):
            length = _length(block, i)
            for j in range(shape.width if length > 0 else 0):
                d_pooled[i * shape.padded_pooled + j] /= length
            for s in range(length):
                target = d_outputs + (block.firsts[s] + i) * size
                add_row(target, d_pooled + i * shape.padded_pooled, shape.width)
        d_max = d_pooled + shape.width
    if shape.pooling == MAX or shape.pooling == MEAN_MAX:
        for i in range(block.counts[0]):
            for j in range(shape.width):
                row = block.firsts[int(argmax[i * size + j])] + i
                d_outputs[row * size + j] += d_max[i * shape.padded_pooled + j]
