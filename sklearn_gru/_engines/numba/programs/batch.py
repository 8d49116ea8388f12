"""Preparation that all programs share: addresses to pointers, a batch to blocks.

A program takes a batch of sequences, sorts it by length, cuts it into blocks of fixed
size, and runs every block through the network while it is in cache.
"""

from typing import NamedTuple

from sklearn_gru._engines.numba.compile.jit import entry, inner
from sklearn_gru._engines.numba.compile.simd import floats_at, integers_at
from sklearn_gru._engines.numba.parts.block import pack_block, sort_by_length
from sklearn_gru._engines.numba.parts.inputs import Data


class Addresses(NamedTuple):
    """Addresses of the arrays a program works in."""

    params: int  # (n_parameters,)
    packed: int  # (n_packed,)
    n_packed: int
    workspace: int  # (layout.total,)
    integers: int  # as `n_integers` in `calls` says


class RowAddresses(NamedTuple):
    """Addresses of flat rows and of the sequences over them: `Data`."""

    values: int  # (n_rows, width) float32
    starts: int  # (n,) int64
    lengths: int  # (n,) int64
    n: int
    stride: int
    width: int
    absent: int  # (n,) int64
    n_levels: int
    shift: int  # (n, n_levels) float32
    scale: int
    n_differences: int
    leading: int  # int64, rows `leading_step` apart
    leading_step: int
    n_tables: int
    tables: int  # (n_tables, 2) int64
    n_read: int
    stop: int  # (1,) int64, not 0 once the call shall end


@entry
def longest_sequence(starts, lengths, n, n_rows, stride):
    """Return the longest length, or -1 if a sequence reaches outside the rows.

    Each of its steps reads `stride` rows.
    """
    starts, lengths = integers_at(starts), integers_at(lengths)
    longest = 0
    for i in range(n):
        start, length = starts[i], lengths[i]
        # Not start + stride * length > n_rows: that sum can wrap around.
        if start < 0 or length < 0 or length > (n_rows - start) // stride:
            return -1
        longest = max(longest, length)
    return longest


@inner
def view_data(sequences):
    """Turn addresses into pointers."""
    return Data(
        floats_at(sequences.values),
        integers_at(sequences.starts),
        integers_at(sequences.lengths),
        sequences.stride,
        sequences.width,
        integers_at(sequences.absent),
        sequences.n_levels,
        floats_at(sequences.shift),
        floats_at(sequences.scale),
        sequences.n_differences,
        integers_at(sequences.leading),
        sequences.leading_step,
        sequences.n_tables,
        integers_at(sequences.tables),
        sequences.n_read,
        integers_at(sequences.stop),
    )


@inner
def sorted_batch(layout, memory, sequences, data):
    """Sort a whole batch by length; return the order and the memory left over."""
    ordered = integers_at(memory.integers)
    spare = ordered + sequences.n
    for i in range(sequences.n):
        spare[i] = i
    buckets = spare + sequences.n
    sort_by_length(sequences.n, layout.steps, spare, data.lengths, ordered, buckets)
    return ordered, spare


@inner
def block_of(shape, layout, data, ordered, n, first, spare):
    """Return the block that starts at the first-th of n sorted sequences."""
    rows = min(layout.rows, n - first)
    return pack_block(rows, ordered + first, data.lengths, spare, shape.directions == 2)
