"""The gated recurrent unit, as computed by PyTorch and cuDNN.

    r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))
    h' = (1 - z) * n + z * h

The reset gate r is applied after the matrix product of the state, so n has two sums.
"""

from __future__ import annotations

from typing import Any

from sklearn_gru._model.arrays import Arrays
from sklearn_gru._model.cells.base import Cell, State, Weights


class GRU(Cell):
    """GRU with the reset gate after the product (``torch.nn.GRU``)."""

    name = "gru"
    summary = (
        "applies the reset gate after the matrix product of the state (PyTorch, cuDNN, "
        "Keras ``reset_after=True``)"
    )
    blocks = ("reset", "update", "candidate")
    persists = "update"
    n_apart = 1
    torch_layer = "GRU"

    def step(
        self, weights: Weights, inputs: Any, state: State, xp: Arrays
    ) -> tuple[State, dict[str, Any]]:
        """Return the next state and the gates."""
        (h,) = state
        x_r, x_z, x_n = xp.split(inputs, 3)
        h_r, h_z, h_n = xp.split(
            xp.linear(h, weights["weight_hh"], weights["bias_hh"]), 3
        )
        r = xp.sigmoid(x_r + h_r)
        z = xp.sigmoid(x_z + h_z)
        n = xp.tanh(x_n + r * h_n)
        return ((1 - z) * n + z * h,), {"reset": r, "update": z}
