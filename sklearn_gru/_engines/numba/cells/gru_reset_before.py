"""One step of the GRU of Cho et al. (2014): the reset gate acts before the product.

    r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n  = tanh(W_in x + b_in + W_hn (r * h) + b_hn)
    h' = n + z * (h - n)

Keras calls it reset_after=False; torch has no such cell, its parameters are laid out
as torch.nn.GRU's. Saved slots: r | z | n | rh = r * h. Row of gradients of the sums:
r | z | n.
"""

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES, fma, load, store
from sklearn_gru._engines.numba.compile.tile import gemm
from sklearn_gru._engines.numba.compile.vector_math import sigmoid, tanh
from sklearn_gru._engines.numba.parts.rows import (
    add_gate_product,
    add_state_product,
    fill,
)

SAVED_SLOTS = 4  # per step, for the backward pass
CARRIED_SLOT = -1  # there is no state besides h


@inner
def forward_step(
    shape, n, x, x_step, weights, h, n_known, before, slots, h_next, n_next, final
):
    """Compute the gates of n rows; the new state goes to h_next, or final if done."""
    size, row, columns = shape.padded, 4 * shape.padded, 3 * shape.padded
    vectors, inputs = size // LANES, weights.n_inputs
    wh = weights.wh
    gemm(n, 3 * vectors, inputs, x, x_step, 1, weights.wx, columns,
         weights.bias, 0, slots, row)  # fmt: skip
    gemm(n, 2 * vectors, n_known, h, size, 1, wh, columns, slots, row, slots, row)
    for i in range(n):
        for j in range(0, size, LANES):
            at = slots + (i * row + j)
            r = sigmoid(load(at))
            store(at, r)
            store(at + size, sigmoid(load(at + size)))
            store(at + 3 * size, r * load(h + (i * size + j)))
    n_sum = slots + 2 * size
    gemm(n, vectors, n_known, slots + 3 * size, row, 1, wh + 2 * size, columns,
         n_sum, row, n_sum, row)  # fmt: skip
    for i in range(n):
        new = (h_next if i < n_next else final) + i * size
        for j in range(0, size, LANES):
            at = slots + (i * row + j)
            z, n_gate = load(at + size), tanh(load(at + 2 * size))
            store(at + 2 * size, n_gate)
            store(new + j, fma(z, load(h + (i * size + j)) - n_gate, n_gate))


@inner
def backward_step(shape, n, weights, h, before, slots, d_h, d_c, deltas, carry):
    """Compute the gradients of the sums, and d_h before the step from d_h after it."""
    size, row, d_row = shape.padded, 4 * shape.padded, 3 * shape.padded
    for i in range(n):
        fill(deltas + i * d_row, size, 0.0)
        for j in range(0, size, LANES):
            at, d_at = slots + (i * row + j), deltas + (i * d_row + j)
            state, d_state = h + (i * size + j), d_h + (i * size + j)
            z, n_gate, d = load(at + size), load(at + 2 * size), load(d_state)
            store(d_at + size, d * (load(state) - n_gate) * z * (1.0 - z))
            store(d_at + 2 * size, d * (1.0 - z) * (1.0 - n_gate * n_gate))
            store(d_state, d * z)
    # d(rh) = dn W_hn, kept for a moment where dr will be
    w_n = weights.wh_rows + 2 * shape.hidden * size
    add_gate_product(shape, 1, n, deltas + 2 * size, d_row, w_n, size, deltas, d_row)
    for i in range(n):
        for j in range(0, size, LANES):
            d_at, state = deltas + (i * d_row + j), d_h + (i * size + j)
            r, d_rh = load(slots + (i * row + j)), load(d_at)
            store(state, fma(d_rh, r, load(state)))
            store(d_at, d_rh * load(h + (i * size + j)) * r * (1.0 - r))
    if carry:
        add_state_product(shape, 2, n, deltas, d_row, weights.wh_rows, d_h)


@inner
def state_gradient(shape, n, states, slots, deltas, grads):
    """Add the gradient of W_h over n packed rows: states' [dr dz] and rh' dn."""
    size, row, columns = shape.padded, 4 * shape.padded, 3 * shape.padded
    vectors, wh, n_columns = size // LANES, grads.wh, grads.wh + 2 * size
    gemm(shape.hidden, 2 * vectors, n, states, 1, size, deltas, columns,
         wh, columns, wh, columns)  # fmt: skip
    gemm(shape.hidden, vectors, n, slots + 3 * size, 1, row, deltas + 2 * size, columns,
         n_columns, columns, n_columns, columns)  # fmt: skip
