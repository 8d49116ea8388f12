"""Dropout whose mask is a function of where it falls, not of a stream of numbers.

A mask value depends on (seed, layer, sequence, step, unit) through a hash alone, so
that neither the order of the blocks nor the thread that runs them, nor padding,
changes it, nothing is stored between the passes, and any other implementation can
have the same masks (the tests have one in numpy).
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._engines.numba.compile.jit import inner

U64 = np.uint64
SHIFTS = (U64(30), U64(27), U64(31), U64(40))
MIX_1, MIX_2 = U64(0xBF58476D1CE4E5B9), U64(0x94D049BB133111EB)
LAYER, SEQUENCE = U64(0x9E3779B97F4A7C15), U64(0xD1B54A32D192ED03)
STEP, UNIT = U64(0xABC98388FB8FAC03), U64(0x8CB92BA72F3D8DD7)
ONE = U64(1)


class Dropout(NamedTuple):
    """Rate and seed of the dropout between layers."""

    rate: float
    seed: Any  # uint64


@inner
def mix(x):
    """Scramble 64 bits (the last part of splitmix64)."""
    x = (x ^ (x >> SHIFTS[0])) * MIX_1
    x = (x ^ (x >> SHIFTS[1])) * MIX_2
    return x ^ (x >> SHIFTS[2])


@inner
def drop(shape, block, dropout, layer, rows):
    """Multiply packed rows (N, padded_width) by the mask after a layer, in place."""
    for s in range(block.steps):
        for i in range(block.counts[s]):
            row = rows + (block.firsts[s] + i) * shape.padded_width
            drop_row(dropout, layer, block.sequences[i], s, shape.width, row)


@inner
def drop_pooled(shape, block, dropout, pooled):
    """Multiply the pooled states (rows, padded_pooled) by the mask before the head.

    It is that of step 0 of one layer more than there are.
    """
    for i in range(block.rows):
        row = pooled + i * shape.padded_pooled
        drop_row(dropout, shape.layers, block.sequences[i], 0, shape.pooled, row)


@inner
def drop_row(dropout, layer, sequence, step, n, row):
    """Multiply n units of one step of one sequence by their mask."""
    threshold = U64(dropout.rate * 16777216.0)
    scale = np.float32(1.0 / (1.0 - dropout.rate))
    base = dropout.seed + LAYER * U64(layer + 1)
    key = mix(base + SEQUENCE * U64(sequence) + STEP * U64(step))
    for j in range(n):
        kept = (mix(key + UNIT * U64(j)) >> SHIFTS[3]) >= threshold
        row[j] = row[j] * scale if kept else np.float32(0.0)
