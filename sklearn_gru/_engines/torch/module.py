"""The whole network: embeddings, recurrent layers, pooling, dropout, one linear head.

Beside the recurrent layers there may be a convolution branch. It reads individual
steps, even if the recurrent layers read segments, and its mean is appended to the
pooled state.

All outputs read the same pooled vector. A head that reads one state per horizon (as
some forecasting libraries do) gives the first horizons a state that has not seen the
newest steps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sklearn_gru._engines.torch.batches import PADDED
from sklearn_gru._engines.torch.convolution import Convolution
from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._engines.torch.embedding import Embedding
from sklearn_gru._engines.torch.gates import gate_values
from sklearn_gru._engines.torch.pieces import Carried
from sklearn_gru._engines.torch.pooling import Pool
from sklearn_gru._engines.torch.recurrent import Dropout, Recurrent, step_mask
from sklearn_gru._engines.torch.uninitialized import uninitialized
from sklearn_gru._model.losses import LossName, find_loss
from sklearn_gru._model.spec import NetworkSpec

# Values (B, T, n_read), lengths and, for an output at every step, the states to go on
# from; to states (B, T, D) and final states (B, D).
Layers = Callable[..., tuple[Tensor, Tensor]]


class SequenceModel(nn.Module):
    """Network from right-padded sequences ``(B, T, n_columns)`` to ``(B, n_outputs)``.

    The recurrent layers read segments of ``spec.segment_length`` steps at a time, side
    by side as one vector; T is a multiple of it and lengths count segments.

    Parameters
    ----------
    spec : NetworkSpec
        Description of the network.
    generator : torch.Generator or None
        Source of the initial parameters, on the CPU. If None, they have no values until
        a state is loaded.
    stream : RandomStream
        Source of the dropout masks.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        generator: torch.Generator | None,
        stream: RandomStream,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.dropout = Dropout(spec.dropout, stream)
        self.recurrent = Recurrent(spec, self.dropout)
        self.pooling = Pool(spec.pooling, spec.state_size)
        self.convolution = None
        n_pooled = self.pooling.n_pooled
        if spec.conv_filters:
            self.convolution = Convolution(spec.n_inputs, spec.conv_filters)
            n_pooled += self.convolution.n_pooled
        self.head = uninitialized(nn.Linear, n_pooled, spec.n_outputs)
        self.embedding = Embedding(spec.embeddings) if spec.embeddings else None
        if generator is not None:
            self._reset_parameters(generator)

    def _reset_parameters(self, generator: torch.Generator) -> None:
        """Draw the initial parameters; the order is part of what a seed means."""
        self.recurrent.reset_parameters(generator)
        for module in (self.pooling, self.head):
            for parameter in module.parameters():
                if parameter.ndim == 2:
                    nn.init.xavier_uniform_(parameter, generator=generator)
                else:
                    nn.init.zeros_(parameter)
        if self.convolution is not None:
            self.convolution.reset_parameters(generator)
        if self.embedding is not None:
            self.embedding.reset_parameters(generator)

    @torch.no_grad()
    def silence(self, outputs: list[int]) -> None:
        """Make some outputs start at 0; those of constant targets then stay there."""
        if outputs:
            self.head.weight[outputs] = 0.0

    def forward(
        self,
        values: Tensor,
        lengths: Tensor | None = None,
        present: Tensor | None = None,
        weight: Tensor | None = None,
        *,
        carried: Carried | None = None,
        layers: Layers | None = None,
    ) -> Tensor:
        """Return the outputs of a batch; ``(B, T, n_outputs)`` with one at every step.

        With a convolution branch, `present` ``(B, T)`` is a mask of the observed steps
        (None for all), and `weight` ``(B,)`` is the weight of each sequence in the
        statistics of a training batch. `carried` holds the states to go on from, and
        gets those after the batch. `layers` runs the recurrent layers instead of
        PyTorch.
        """
        if self.embedding is not None:
            values = self.embedding(values)
        if self.spec.per_step:
            run = self.recurrent if layers is None else layers
            states, _ = run(*self._reading(values, lengths), carried)
            return self.head(self.dropout(states, of_steps=True))
        if self.convolution is None:
            pooled = self._pooled(values, lengths, None, layers)
            return self.head(self.dropout(pooled))
        if present is None and lengths is not None:
            present = step_mask(values, lengths * self.spec.segment_length)
        found = self.convolution(values, present, weight)
        pooled = self._pooled(values, lengths, present, layers)
        return self.head(self.dropout(torch.cat([pooled, found], dim=1)))

    def gates(self, values: Tensor, **batch: Tensor) -> Tensor:
        """Return the gates at every step that the layers read; (G, B, S, L, D, H)."""
        if self.embedding is not None:
            values = self.embedding(values)
        return gate_values(self.recurrent, *self._reading(values, **batch))

    def attention(self, values: Tensor, **batch: Tensor) -> Tensor:
        """Return the weight of every step that the layers read; ``(B, S)``."""
        if self.embedding is not None:
            values = self.embedding(values)
        read, lengths = self._reading(values, **batch)
        states, _ = self.recurrent(read, lengths)
        return self.pooling.step_weights(states, step_mask(read, lengths))

    def _pooled(
        self,
        values: Tensor,
        lengths: Tensor | None,
        present: Tensor | None,
        layers: Layers | None,
    ) -> Tensor:
        """Return the pooled states of the recurrent layers; ``(B, n_pooled)``."""
        read, lengths = self._reading(values, lengths, present)
        run = self.recurrent if layers is None else layers
        states, last = run(read, lengths)
        return self.pooling(states, last, step_mask(read, lengths))

    def _reading(
        self,
        values: Tensor,
        lengths: Tensor | None = None,
        present: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the recurrent layers' input (B, S, n_read) and the real lengths."""
        if present is not None and self.spec.segment_length == 1:
            values, lengths = observed_first(values, present)
        return values.reshape(len(values), -1, self.spec.n_read), lengths


def observed_first(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return sequences with their observed steps first, in order, and their counts.

    A recurrent layer skips a step without any value; a convolution keeps its position.
    """
    order = (~present).byte().argsort(dim=1, stable=True)
    return values.gather(1, order[:, :, None].expand_as(values)), present.sum(dim=1)


class WeightedLoss(nn.Module):
    """Mean of weight times loss over a batch; weights have mean 1 over all the data."""

    def __init__(self, loss: LossName, parameters: tuple[float, ...]) -> None:
        super().__init__()
        self.loss = loss
        self.loss_parameters = parameters

    def forward(
        self,
        output: Tensor,
        target: Tensor,
        weight: Tensor | None,
        lengths: Tensor | None = None,
    ) -> Tensor:
        if lengths is not None:  # targets are texts
            parameters = self.loss_parameters
            loss = find_loss(self.loss).per_text(output, target, lengths, parameters)
            return loss.mean() if weight is None else (weight * loss).mean()
        if output.ndim == 3:  # (B, T, n_outputs), an output at every step
            real = target != PADDED
            output, target = output[real], target[real]
            weight = None if weight is None else weight[real]
        loss = find_loss(self.loss).per_sequence(output, target, self.loss_parameters)
        return loss.mean() if weight is None else (weight * loss).mean()
