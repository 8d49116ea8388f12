"""Small operations on rows of floats that several modules share."""

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES, copy_four, load, store
from sklearn_gru._engines.numba.compile.tile import gemm


@inner
def fill(target, n, value):
    """Set n floats."""
    for i in range(n):
        target[i] = value


@inner
def copy_row(target, source, n):
    """Copy n floats, by whole vectors first: n need not be a multiple of them."""
    whole, fours = n - n % LANES, n - n % 4
    for j in range(0, whole, LANES):
        store(target + j, load(source + j))
    for j in range(whole, fours, 4):
        copy_four(target + j, source + j)
    for j in range(fours, n):
        target[j] = source[j]


@inner
def add_row(target, source, n):
    """Add n floats to others."""
    whole = n - n % LANES
    for j in range(0, whole, LANES):
        store(target + j, load(target + j) + load(source + j))
    for j in range(whole, n):
        target[j] += source[j]


@inner
def add_gate_product(shape, gates, n, deltas, d_step, w, w_step, target, t_step):
    """Add [delta_0 delta_1 ...] W to n rows; W has the rows of the gates, unpadded.

    The padding of a gate may hold anything (0 times infinity is NaN), so it must stay
    outside the sums: one product where there is none, else one per gate.
    """
    vectors = w_step // LANES
    if shape.hidden == shape.padded:
        gemm(n, vectors, gates * shape.padded, deltas, d_step, 1, w, w_step,
             target, t_step, target, t_step)  # fmt: skip
    else:
        for gate in range(gates):
            gemm(n, vectors, shape.hidden, deltas + gate * shape.padded, d_step, 1,
                 w + gate * shape.hidden * w_step, w_step,
                 target, t_step, target, t_step)  # fmt: skip


@inner
def add_state_product(shape, gates, n, deltas, d_step, wh_rows, d_h):
    """Add to d_h what reaches the state through the first `gates` sums."""
    size = shape.padded
    add_gate_product(shape, gates, n, deltas, d_step, wh_rows, size, d_h, size)
