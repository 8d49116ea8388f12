"""One step of torch's LSTM, forward and backward, for n sequences at once.

    i, f, o = sigmoid(W_i x + b_i + W_h h + b_h)   each with its own rows of W and b
    g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
    c' = f * c + i * g
    h' = o * tanh(c')

Saved slots: i | f | g | o | c' | tanh(c'), so c is in the row of the step before.
Row of gradients of the sums: i | f | g | o.
"""

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES, fma, load, store
from sklearn_gru._engines.numba.compile.tile import gemm
from sklearn_gru._engines.numba.compile.vector_math import sigmoid, tanh
from sklearn_gru._engines.numba.parts.rows import add_state_product, fill

SAVED_SLOTS = 6  # per step, for the backward pass
CARRIED_SLOT = 4  # holds c, the state besides h


@inner
def forward_step(
    shape, n, x, x_step, weights, h, n_known, before, slots, h_next, n_next, final
):
    """Compute the gates of n rows; the new state goes to h_next, or final if done."""
    size, row, columns = shape.padded, 6 * shape.padded, 4 * shape.padded
    vectors, inputs = size // LANES, weights.n_inputs
    gemm(n, 4 * vectors, n_known, h, size, 1, weights.wh, columns,
         weights.bias, 0, slots, row)  # fmt: skip
    gemm(n, 4 * vectors, inputs, x, x_step, 1, weights.wx, columns,
         slots, row, slots, row)  # fmt: skip
    for i in range(n):
        new = (h_next if i < n_next else final) + i * size
        _gates(size, slots + i * row, before + (i * row + 4 * size), new)


@inner
def _gates(size, slots, c_before, new):
    """Turn the sums of one row into gates and the new state."""
    for j in range(0, size, LANES):
        at = slots + j
        i, f = sigmoid(load(at)), sigmoid(load(at + size))
        g, o = tanh(load(at + 2 * size)), sigmoid(load(at + 3 * size))
        c = fma(f, load(c_before + j), i * g)
        tanh_c = tanh(c)
        store(at, i)
        store(at + size, f)
        store(at + 2 * size, g)
        store(at + 3 * size, o)
        store(at + 4 * size, c)
        store(at + 5 * size, tanh_c)
        store(new + j, o * tanh_c)


@inner
def backward_step(shape, n, weights, h, before, slots, d_h, d_c, deltas, carry):
    """Compute the gradients of the sums, and d_h and d_c before the step from after."""
    size, row, d_row = shape.padded, 6 * shape.padded, 4 * shape.padded
    for k in range(n):
        _gate_gradients(
            size, slots + k * row, before + (k * row + 4 * size),
            d_h + k * size, d_c + k * size, deltas + k * d_row,
        )  # fmt: skip
    fill(d_h, n * size, 0.0)
    if carry:
        add_state_product(shape, 4, n, deltas, d_row, weights.wh_rows, d_h)


@inner
def _gate_gradients(size, slots, c_before, d_h, d_c, deltas):
    """Differentiate one row of gates; d_c becomes the gradient of c before the step."""
    for j in range(0, size, LANES):
        at, d_at = slots + j, deltas + j
        i, f, g = load(at), load(at + size), load(at + 2 * size)
        o, tanh_c = load(at + 3 * size), load(at + 5 * size)
        d = load(d_h + j)
        dc = fma(d * o, 1.0 - tanh_c * tanh_c, load(d_c + j))
        store(d_at, dc * g * i * (1.0 - i))
        store(d_at + size, dc * load(c_before + j) * f * (1.0 - f))
        store(d_at + 2 * size, dc * i * (1.0 - g * g))
        store(d_at + 3 * size, d * tanh_c * o * (1.0 - o))
        store(d_c + j, dc * f)


@inner
def state_gradient(shape, n, states, slots, deltas, grads):
    """Add the gradient of W_h over n packed rows: states' delta."""
    columns = 4 * shape.padded
    gemm(shape.hidden, columns // LANES, n, states, 1, shape.padded,
         deltas, columns, grads.wh, columns, grads.wh, columns)  # fmt: skip
