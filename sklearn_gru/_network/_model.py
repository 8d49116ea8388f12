"""The whole network: embeddings, recurrent layers, pooling, dropout, one linear head.

All outputs read the same pooled vector. A head that reads one state per horizon (as
some forecasting libraries do) gives the first horizons a state that has not seen the
newest steps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklearn_gru._device import RandomStream
from sklearn_gru._network._embedding import Embedding
from sklearn_gru._network._pooling import POOLINGS
from sklearn_gru._network._recurrent import Dropout, Recurrent, step_mask
from sklearn_gru._network._spec import NetworkSpec


class SequenceModel(nn.Module):
    """Sequences ``(B, T, n_columns)``, right-padded, to outputs ``(B, n_outputs)``.

    Parameters
    ----------
    spec : NetworkSpec
        What to build.
    generator : torch.Generator
        Source of the initial parameters, on the CPU.
    stream : RandomStream
        Source of the dropout masks.
    """

    def __init__(
        self, spec: NetworkSpec, generator: torch.Generator, stream: RandomStream
    ) -> None:
        super().__init__()
        self.spec = spec
        self.dropout = Dropout(spec.dropout, stream)
        self.recurrent = Recurrent(spec, self.dropout)
        self.pooling = POOLINGS[spec.pooling](spec.state_size)
        self.head = nn.utils.skip_init(nn.Linear, self.pooling.n_pooled, spec.n_outputs)
        self.recurrent.reset_parameters(spec.cell, generator)
        for module in (self.pooling, self.head):
            for parameter in module.parameters():
                if parameter.ndim == 2:
                    nn.init.xavier_uniform_(parameter, generator=generator)
                else:
                    nn.init.zeros_(parameter)
        self.embedding = Embedding(spec.embeddings) if spec.embeddings else None
        if self.embedding is not None:
            self.embedding.reset_parameters(generator)

    @torch.no_grad()
    def silence(self, outputs: list[int]) -> None:
        """Let some outputs start at 0, where those of constant targets then stay."""
        self.head.weight[outputs] = 0.0

    def forward(self, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            values = self.embedding(values)
        outputs, last = self.recurrent(values, lengths)
        pooled = self.pooling(outputs, last, step_mask(values, lengths))
        return self.head(self.dropout(pooled))
