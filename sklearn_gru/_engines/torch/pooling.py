"""Poolings of the registry as modules that hold their parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklearn_gru._engines.torch.arrays import TORCH
from sklearn_gru._model.poolings import POOLINGS


class Pool(nn.Module):
    """Pooling of states ``(B, T, D)`` into pooled states ``(B, n_pooled)``."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__()
        self.pooling = POOLINGS[name]
        self.n_pooled = self.pooling.n_pooled(size)
        for parameter, shape in self.pooling.parameters(size).items():
            self.register_parameter(parameter, nn.Parameter(torch.empty(shape)))

    def forward(self, states: Tensor, last: Tensor, present: Tensor | None) -> Tensor:
        return self.pooling.pool(self._weights(), states, last, present, TORCH)

    def step_weights(self, states: Tensor, present: Tensor | None) -> Tensor:
        """Return the weight of each step ``(B, T)``."""
        return self.pooling.step_weights(self._weights(), states, present, TORCH)

    def _weights(self) -> dict[str, Tensor]:
        return dict(self.named_parameters())
