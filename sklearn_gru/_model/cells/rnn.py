"""The plain recurrent network (Elman 1990).

    h' = tanh(W_i x + b_i + W_h h + b_h)

There are no gates.
"""

from __future__ import annotations

from typing import Any

from sklearn_gru._model.arrays import Arrays
from sklearn_gru._model.cells.base import Cell, State, Weights


class RNN(Cell):
    """Plain recurrent cell, a tanh of input and state (``torch.nn.RNN``)."""

    name = "rnn"
    summary = "is a plain recurrent network without gates"
    blocks = ("candidate",)
    torch_layer = "RNN"

    def step(
        self, weights: Weights, inputs: Any, state: State, xp: Arrays
    ) -> tuple[State, dict[str, Any]]:
        """Return the next state; there are no gates."""
        (h,) = state
        h = xp.tanh(inputs + xp.linear(h, weights["weight_hh"], weights["bias_hh"]))
        return (h,), {}
