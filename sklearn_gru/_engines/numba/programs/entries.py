"""Programs that are the same for all kinds of cell.

Each entry is cached on disk with all the code it calls.
"""

from sklearn_gru._engines.numba.compile.jit import entry
from sklearn_gru._engines.numba.compile.simd import floats_at, integers_at
from sklearn_gru._engines.numba.parts.weights import pack as _pack
from sklearn_gru._engines.numba.parts.weights import pack_layers as _pack_layers
from sklearn_gru._engines.numba.programs import programs as _programs


@entry
def pack(shape, memory):
    """Copy flat parameters to packed weights."""
    packed = floats_at(memory.packed)
    _pack(shape, floats_at(memory.params), packed, memory.n_packed)


@entry
def pack_layers(shape, memory, params):
    """Copy the layers' parameters at an address to packed weights."""
    packed = floats_at(memory.packed)
    _pack_layers(shape, floats_at(params), packed, memory.n_packed)


@entry
def prepare_batch(shape, layout, memory, sequences, training, batch):
    """Pack the parameters and sort the batch."""
    _programs.prepare_batch(shape, layout, memory, sequences, training, batch)


@entry
def join_blocks(shape, layout, memory, training, batch, shared):
    """Add the gradients of the blocks of a batch and take the step."""
    _programs.join_blocks(shape, layout, memory, training, batch, shared)


@entry
def longest_sequence(starts, lengths, n, n_rows, stride):
    """Return the longest length, or -1 if a sequence reaches outside the rows.

    Each of its steps reads `stride` rows.
    """
    starts, lengths = integers_at(starts), integers_at(lengths)
    longest = 0
    for i in range(n):
        start, length = starts[i], lengths[i]
        if start < 0 or length < 0 or start + stride * length > n_rows:
            return -1
        longest = max(longest, length)
    return longest
