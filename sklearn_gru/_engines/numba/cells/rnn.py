"""One step of torch's RNN with tanh, h' = tanh(W_i x + b_i + W_h h + b_h).

Saved slots: h'. Row of gradients of the sums: one slot.
"""

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES, load, store
from sklearn_gru._engines.numba.compile.tile import gemm
from sklearn_gru._engines.numba.compile.vector_math import tanh
from sklearn_gru._engines.numba.parts.rows import add_state_product, fill

SAVED_SLOTS = 1  # per step, for the backward pass
CARRIED_SLOT = -1  # there is no state besides h


@inner
def forward_step(
    shape, n, x, x_step, weights, h, n_known, before, slots, h_next, n_next, final
):
    """Compute the new state of n rows; it goes to h_next, or to final if done."""
    size = shape.padded
    vectors, inputs = size // LANES, weights.n_inputs
    gemm(n, vectors, n_known, h, size, 1, weights.wh, size,
         weights.bias, 0, slots, size)  # fmt: skip
    gemm(n, vectors, inputs, x, x_step, 1, weights.wx, size, slots, size, slots, size)
    for i in range(n):
        new = (h_next if i < n_next else final) + i * size
        for j in range(0, size, LANES):
            h_new = tanh(load(slots + (i * size + j)))
            store(slots + (i * size + j), h_new)
            store(new + j, h_new)


@inner
def backward_step(shape, n, weights, h, before, slots, d_h, d_c, deltas, carry):
    """Compute the gradients of the sums, and d_h before the step from d_h after it."""
    size = shape.padded
    for j in range(0, n * size, LANES):
        h_new = load(slots + j)
        store(deltas + j, load(d_h + j) * (1.0 - h_new * h_new))
    fill(d_h, n * size, 0.0)
    if carry:
        add_state_product(shape, 1, n, deltas, size, weights.wh_rows, d_h)


@inner
def state_gradient(shape, n, states, slots, deltas, grads):
    """Add the gradient of W_h over n packed rows: states' delta."""
    size = shape.padded
    gemm(shape.hidden, size // LANES, n, states, 1, size, deltas, size,
         grads.wh, size, grads.wh, size)  # fmt: skip
