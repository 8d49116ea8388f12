"""The GRU of the first paper, Cho et al. (2014), equations (5) to (8).

    r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n  = tanh(W_in x + b_in + W_hn (r * h) + b_hn)
    h' = (1 - z) * n + z * h

The reset gate r is applied to the state before its matrix product.
"""

from __future__ import annotations

from typing import Any

from sklearn_gru._model.arrays import Arrays
from sklearn_gru._model.cells.base import Cell, State, Weights


class GRUResetBefore(Cell):
    """GRU with the reset gate before the product (Keras ``reset_after=False``)."""

    name = "gru_reset_before"
    summary = "applies it before the product, as in [1]_ (Keras ``reset_after=False``)"
    blocks = ("reset", "update", "candidate")
    persists = "update"

    def step(
        self, weights: Weights, inputs: Any, state: State, xp: Arrays
    ) -> tuple[State, dict[str, Any]]:
        """Return the next state and the gates."""
        (h,) = state
        two = 2 * h.shape[-1]
        w_rz, w_n = weights["weight_hh"][:two], weights["weight_hh"][two:]
        b_rz, b_n = weights["bias_hh"][:two], weights["bias_hh"][two:]
        r, z = xp.split(xp.sigmoid(inputs[..., :two] + xp.linear(h, w_rz, b_rz)), 2)
        n = xp.tanh(inputs[..., two:] + xp.linear(r * h, w_n, b_n))
        return ((1 - z) * n + z * h,), {"reset": r, "update": z}
