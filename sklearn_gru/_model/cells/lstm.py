"""Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

Each of i, f, o and g has its own rows of W and b:

    i, f, o = sigmoid(W_i x + b_i + W_h h + b_h)
    g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
    c' = f * c + i * g
    h' = o * tanh(c')
"""

from __future__ import annotations

from typing import Any

from sklearn_gru._model.arrays import Arrays
from sklearn_gru._model.cells.base import Cell, State, Weights


class LSTM(Cell):
    """LSTM with three gates and a second state (``torch.nn.LSTM``)."""

    name = "lstm"
    summary = "is long short-term memory, with a third gate and a second state"
    blocks = ("input", "forget", "candidate", "output")
    state = ("h", "c")
    persists = "forget"
    torch_layer = "LSTM"

    def step(
        self, weights: Weights, inputs: Any, state: State, xp: Arrays
    ) -> tuple[State, dict[str, Any]]:
        """Return the next states and the gates."""
        h, c = state
        sums = inputs + xp.linear(h, weights["weight_hh"], weights["bias_hh"])
        x_i, x_f, x_g, x_o = xp.split(sums, 4)
        i, f, o = xp.sigmoid(x_i), xp.sigmoid(x_f), xp.sigmoid(x_o)
        c = f * c + i * xp.tanh(x_g)
        return (o * xp.tanh(c), c), {"input": i, "forget": f, "output": o}
