"""One step of torch's GRU, forward and backward, for n sequences at once.

    r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    hn = W_hn h + b_hn
    n  = tanh(W_in x + b_in + r * hn)
    h' = n + z * (h - n)

Saved slots: hn | r | z | n. Row of gradients of the sums: hn | r | z | n.
"""

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES, fma, load, store
from sklearn_gru._engines.numba.compile.tile import gemm
from sklearn_gru._engines.numba.compile.vector_math import sigmoid, tanh
from sklearn_gru._engines.numba.parts.rows import add_state_product, copy_row

SAVED_SLOTS = 4  # per step, for the backward pass
CARRIED_SLOT = -1  # there is no state besides h


@inner
def forward_step(
    shape, n, x, x_step, weights, h, n_known, before, slots, h_next, n_next, final
):
    """Compute the gates of n rows; the new state goes to h_next, or final if done."""
    size, row, columns = shape.padded, 4 * shape.padded, 3 * shape.padded
    vectors, inputs = size // LANES, weights.n_inputs
    bias = weights.bias
    # hn | r | z = b + W_h h and n = b_in, then r | z | n += W_i x
    gemm(n, 3 * vectors, n_known, h, size, 1, weights.wh, columns,
         bias, 0, slots, row)  # fmt: skip
    for i in range(n):
        copy_row(slots + (i * row + 3 * size), bias + 3 * size, size)
    gemm(n, 3 * vectors, inputs, x, x_step, 1, weights.wx, columns,
         slots + size, row, slots + size, row)  # fmt: skip
    for i in range(n):
        new = (h_next if i < n_next else final) + i * size
        _gates(size, slots + i * row, h + i * size, new)


@inner
def _gates(size, slots, h, new):
    """Turn the sums of one row into gates and the new state."""
    for j in range(0, size, LANES):
        at = slots + j
        r = sigmoid(load(at + size))
        z = sigmoid(load(at + 2 * size))
        n = tanh(fma(r, load(at), load(at + 3 * size)))
        store(at + size, r)
        store(at + 2 * size, z)
        store(at + 3 * size, n)
        store(new + j, fma(z, load(h + j) - n, n))


@inner
def backward_step(shape, n, weights, h, before, slots, d_h, d_c, deltas, carry):
    """Compute the gradients of the sums, and d_h before the step from d_h after it."""
    size, row = shape.padded, 4 * shape.padded
    for i in range(n):
        _gate_gradients(
            size, slots + i * row, h + i * size, d_h + i * size, deltas + i * row
        )
    if carry:  # d_h += [dhn dr dz] W_h
        add_state_product(shape, 3, n, deltas, row, weights.wh_rows, d_h)


@inner
def _gate_gradients(size, slots, h, d_h, deltas):
    """Differentiate one row of gates; d_h keeps what goes straight to h."""
    for j in range(0, size, LANES):
        hn, r = load(slots + j), load(slots + (j + size))
        z, n = load(slots + (j + 2 * size)), load(slots + (j + 3 * size))
        d = load(d_h + j)
        d_n = d * (1.0 - z) * (1.0 - n * n)
        d_hn = d_n * r
        store(deltas + j, d_hn)
        store(deltas + (j + size), d_hn * hn * (1.0 - r))  # d_n hn r (1 - r)
        store(deltas + (j + 2 * size), d * (load(h + j) - n) * z * (1.0 - z))
        store(deltas + (j + 3 * size), d_n)
        store(d_h + j, d * z)


@inner
def state_gradient(shape, n, states, slots, deltas, grads):
    """Add the gradient of W_h over n packed rows: states' [dhn dr dz]."""
    columns = 3 * shape.padded
    gemm(shape.hidden, columns // LANES, n, states, 1, shape.padded,
         deltas, 4 * shape.padded, grads.wh, columns, grads.wh, columns)  # fmt: skip
