"""Inputs of a step of a sequence, gathered from the flat rows.

A step reads `stride` rows at a time (segments), which lie side by side in memory as one
vector. Segments end where their sequence ends, so the first may begin in front of it;
`absent` rows of it are read as 0. With levels, what is read of the first `n_levels`
columns is (row - shift) / scale of the sequence, and 0 where the row is NaN. With
differences, which are the first columns, those of the first `leading` rows are 0.

With embeddings, the last columns of a row are indices, and what is read in their place
are rows of the tables, side by side. Index 0, a missing category, and whatever is not
an index read the zeros of row 0, which has no gradient.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.parts.rows import add_row, copy_row, fill


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
    n_tables: int  # columns that are indices
    tables: Any  # (n_tables, 2): categories and width
    n_read: int  # values that are read of a row, `width` without tables
    stop: Any  # (1,), not 0 once the call shall end: what it writes is then not read


@inner
def gather_inputs(block, data, n_inputs, tables, x):
    """Copy the steps of every sequence from the flat rows to packed rows."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            number = block.sequences[i]
            row = data.starts[number] + s * data.stride
            target = x + (block.firsts[s] + i) * n_inputs
            if data.n_tables == 0:
                copy_row(target, data.values + row * data.width, n_inputs)
            else:
                _embed(data, row, tables, target)
            if data.n_levels > 0:
                _normalise(data, number, target)
            if data.n_differences > 0:
                _clear_leading(data, number, s, target)
            if s == 0 and data.stride > 1:
                fill(target, data.absent[number] * data.n_read, 0.0)


@inner
def _embed(data, first, tables, target):
    """Copy the rows of a step, with rows of the tables instead of their indices."""
    n_dense = data.width - data.n_tables
    for r in range(data.stride):
        values = data.values + (first + r) * data.width
        copy_row(target, values, n_dense)
        target, table = target + n_dense, tables
        for k in range(data.n_tables):
            n, width = data.tables[2 * k], data.tables[2 * k + 1]
            copy_row(target, table + index_of(values[n_dense + k], n) * width, width)
            target, table = target + width, table + (n + 1) * width


@inner
def index_of(value, n):
    """Return a value as an index of a table with n rows after row 0; else 0."""
    return int(value) if value >= 0.0 and value <= n else 0


@inner
def _normalise(data, number, target):
    """Normalize one step of a sequence by the shift and scale of the sequence."""
    shift = data.shift + number * data.n_levels
    scale = data.scale + number * data.n_levels
    for r in range(data.stride):
        row = target + r * data.n_read
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
                target[r * data.n_read + j] = 0.0


@inner
def scatter_inputs(block, d_inputs, step, data, d_values):
    """Add the gradients of the packed inputs to those of the flat rows."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            row = data.starts[block.sequences[i]] + s
            target = d_values + row * data.width
            for j in range(data.width):
                target[j] += d_inputs[(block.firsts[s] + i) * step + j]


@inner
def scatter_embedded(block, d_inputs, step, data, d_tables):
    """Add the gradients of the packed inputs to those of the tables."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            number = block.sequences[i]
            first = data.starts[number] + s * data.stride
            source = d_inputs + (block.firsts[s] + i) * step
            absent = data.absent[number] if s == 0 and data.stride > 1 else 0
            for r in range(absent, data.stride):
                values = data.values + (first + r) * data.width
                _add_to_tables(data, values, source + r * data.n_read, d_tables)


@inner
def _add_to_tables(data, values, source, d_tables):
    """Add the gradients of one row to those of the rows of the tables it read."""
    n_dense = data.width - data.n_tables
    source, table = source + n_dense, d_tables
    for k in range(data.n_tables):
        n, width = data.tables[2 * k], data.tables[2 * k + 1]
        index = index_of(values[n_dense + k], n)
        if index > 0:
            add_row(table + index * width, source, width)
        source, table = source + width, table + (n + 1) * width
