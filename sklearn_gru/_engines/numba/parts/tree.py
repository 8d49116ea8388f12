"""Sums of the gradients of a batch's blocks, in a binary tree.

Level k holds sums of 2**k neighboring blocks; a block without a neighbor moves up as it
is. The sums of a branch do not depend on the others, so branches may be added in other
threads and processes, with the bits of one.
"""

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES, load, store
from sklearn_gru._engines.numba.parts.rows import add_row, copy_row


@inner
def add_block(sums, grads, n, number):
    """Add the gradient (n,) of the next block to the sums (levels, n) that wait.

    Level k waits for a neighbor if bit k of `number`, the blocks so far, is 1.
    """
    level, carried = 0, grads
    while (number >> level) & 1:
        waiting = sums + level * n
        level += 1
        if (number >> level) & 1:
            add_row(waiting, carried, n)
            carried = waiting
        else:
            _add_rows(sums + level * n, waiting, carried, n)
            return
    copy_row(sums, carried, n)


@inner
def sum_of_blocks(sums, n, number):
    """Return the sum of all blocks: of the sums that still wait, the smallest first."""
    level = 0
    while not (number >> level) & 1:
        level += 1
    total = sums + level * n
    while number >> (level + 1):
        level += 1
        if (number >> level) & 1:
            larger = sums + level * n
            add_row(larger, total, n)
            total = larger
    return total


@inner
def add_branch(grads, n, begin, end, width):
    """Add gradients (blocks, n) from begin to end to the first of them.

    Every `width`-th is the sum of that many blocks already.
    """
    while width < end - begin:
        for number in range(begin, end - width, 2 * width):
            add_row(grads + number * n, grads + (number + width) * n, n)
        width *= 2


@inner
def _add_rows(target, a, b, n):
    """Write the sum of n floats to others."""
    whole = n - n % LANES
    for j in range(0, whole, LANES):
        store(target + j, load(a + j) + load(b + j))
    for j in range(whole, n):
        target[j] = a[j] + b[j]
