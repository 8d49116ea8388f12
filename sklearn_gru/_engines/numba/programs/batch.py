"""Preparation that all programs share: addresses to pointers, a batch to blocks.

A program takes a batch of sequences, sorts it by length, cuts it into blocks of fixed
size, and runs every block through the network while it is in cache.
"""

from typing import NamedTuple

from sklearn_gru._engines.numba.compile.jit import entry, inner
from sklearn_gru._engines.numba.compile.records import Floats, Integers, reader
from sklearn_gru._engines.numba.compile.simd import integers_at
from sklearn_gru._engines.numba.memory import Shape, WorkspaceLayout
from sklearn_gru._engines.numba.parts.block import pack_block, sort_by_length
from sklearn_gru._engines.numba.parts.inputs import Data


class Addresses(NamedTuple):
    """Record of the arrays a program works in."""

    params: Floats  # (n_parameters,)
    packed: Floats  # (n_packed,)
    n_packed: int
    workspace: Floats  # (layout.total,)
    integers: Integers  # as `_reserve` in `calls` says


shape_at, layout_at = reader(Shape), reader(WorkspaceLayout)
memory_at, data_at = reader(Addresses), reader(Data)


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
def sorted_batch(layout, memory, data):
    """Sort a whole batch by length; return the order and the memory left over."""
    ordered = memory.integers
    spare = ordered + data.n
    for i in range(data.n):
        spare[i] = i
    buckets = spare + data.n
    sort_by_length(data.n, layout.steps, spare, data.lengths, ordered, buckets)
    return ordered, spare


@inner
def block_of(shape, layout, data, ordered, n, first, spare):
    """Return the block that starts at the first-th of n sorted sequences."""
    rows = min(layout.rows, n - first)
    return pack_block(rows, ordered + first, data.lengths, spare, shape.directions == 2)
