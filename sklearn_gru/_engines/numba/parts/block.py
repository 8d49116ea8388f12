"""A block of sequences of different lengths, packed without padding.

The sequences of a block are sorted, longest first. Step s of the block then concerns
its first `counts[s]` sequences, and the rows of all steps follow each other with no
gap: row `firsts[s] + i` is step s of sequence i (torch calls this a PackedSequence).

The backward direction starts at the last step of every sequence, so its step s of
sequence i is row `mirror[firsts[s] + i]` = step length_i - 1 - s in time order. The
same loop runs both directions; only the rows it is given are turned around.
"""

from typing import Any, NamedTuple

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.parts.rows import copy_row


class Block(NamedTuple):
    """The packing of one block; pointers to integers."""

    rows: int  # sequences
    steps: int  # of the longest one
    total: int  # packed rows: the sum of the lengths
    sequences: Any  # (rows,) which sequence of the data each row is
    counts: Any  # (steps + 1,)
    firsts: Any  # (steps + 1,)
    mirror: Any  # (total,)


@inner
def sort_by_length(n, n_steps, order, lengths, target, buckets):
    """Sort n sequences, longest first, equal lengths in the order given.

    A counting sort: `buckets` has n_steps + 2 places.
    """
    for length in range(n_steps + 2):
        buckets[length] = 0
    for i in range(n):
        buckets[n_steps - lengths[order[i]] + 1] += 1
    for length in range(n_steps + 1):
        buckets[length + 1] += buckets[length]
    for i in range(n):
        bucket = n_steps - lengths[order[i]]
        target[buckets[bucket]] = order[i]
        buckets[bucket] += 1


@inner
def pack_block(rows, sequences, lengths, integers, both_directions):
    """Return the packing of sorted sequences; `integers` is memory for it."""
    steps = lengths[sequences[0]]
    counts = integers
    firsts = counts + (steps + 1)
    mirror = firsts + (steps + 1)
    count, total = rows, 0
    for s in range(steps + 1):
        while count > 0 and lengths[sequences[count - 1]] <= s:
            count -= 1
        counts[s], firsts[s] = count, total
        total += count
    if both_directions:
        for s in range(steps):
            for i in range(counts[s]):
                last = lengths[sequences[i]] - 1
                mirror[firsts[s] + i] = firsts[last - s] + i
    return Block(rows, steps, total, sequences, counts, firsts, mirror)


@inner
def reverse_rows(block, source, step, n, target):
    """Copy packed rows from time order to the order of the backward direction."""
    for row in range(block.total):
        copy_row(target + row * step, source + block.mirror[row] * step, n)
