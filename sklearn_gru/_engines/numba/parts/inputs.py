"""Inputs of a step of a sequence, gathered from the flat rows.

A step reads `stride` rows at a time (segments), which lie side by side in memory as one
vector. Segments end where their sequence ends, so the first may begin in front of it;
`absent` rows of it are read as 0. With levels, what is read of the first `n_levels`
columns is (row - shift) / scale of the sequence, and 0 where the row is NaN. With
differences, which are the first columns, those of the first `leading` rows are 0.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.parts.rows import copy_row, fill


class Data(NamedTuple):
    """The sequences: rows of inputs, and which of them each sequence is."""

    values: Any  # (n_rows, width)
    starts: Any  # (n,) first row, of the first segment
    lengths: Any  # (n,) in steps
    stride: int
    width: int
    absent: Any  # (n,), where stride > 1
    n_levels: int
    shift: Any  # (n, n_levels)
    scale: Any
    n_differences: int
    leading: Any  # (n, n_differences) or one row for all, `leading_step` apart
    leading_step: int
    stop: Any  # (1,), not 0 once the call shall end: what it writes is then not read


@inner
def gather_inputs(block, data, n_inputs, x):
    """Copy the steps of every sequence from the flat rows to packed rows."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            number = block.sequences[i]
            row = data.starts[number] + s * data.stride
            target = x + (block.firsts[s] + i) * n_inputs
            copy_row(target, data.values + row * data.width, n_inputs)
            if data.n_levels > 0:
                _normalise(data, number, target)
            if data.n_differences > 0:
                _clear_leading(data, number, s, target)
            if s == 0 and data.stride > 1:
                fill(target, data.absent[number] * data.width, 0.0)


@inner
def _normalise(data, number, target):
    """Normalize one step of a sequence by the shift and scale of the sequence."""
    shift = data.shift + number * data.n_levels
    scale = data.scale + number * data.n_levels
    for r in range(data.stride):
        row = target + r * data.width
        for j in range(data.n_levels):
            value = (row[j] - shift[j]) / scale[j]
            row[j] = value if value == value else np.float32(0.0)


@inner
def _clear_leading(data, number, s, target):
    """Clear the differences from values in front of a sequence."""
    leading = data.leading + number * data.leading_step
    first = s * data.stride
    if data.stride > 1:
        first -= data.absent[number]
    for r in range(data.stride):
        for j in range(data.n_differences):
            if first + r < leading[j]:
                target[r * data.width + j] = 0.0


@inner
def scatter_inputs(block, d_inputs, step, data, d_values):
    """Add the gradients of the packed inputs to those of the flat rows."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            row = data.starts[block.sequences[i]] + s
            target = d_values + row * data.width
            for j in range(data.width):
                target[j] += d_inputs[(block.firsts[s] + i) * step + j]
