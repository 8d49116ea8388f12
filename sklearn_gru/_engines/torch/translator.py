"""The network that writes texts: an encoder, attention and a decoder.

The encoder reads the source in both directions (Bahdanau et al. 2015). The decoder
reads the tokens written so far; at each step, attention weighs the encoder's states by
``d · W k`` (the "general" score of Luong et al. 2015), and the weighted mean joins the
decoder's state. The outputs share their matrix with the vectors of the tokens that the
decoder reads (Press & Wolf 2017).

What the encoder knows at its end enters the decoder as its first input, in the place of
a start symbol, and not as its first state: compiled layers have gradients of inputs,
but not of first states.

**Shape**: values ``(B, S, 1)`` source codes; target ``(B, L)`` codes, filled with -1;
outputs ``(n_real, n_outputs)``, of the real tokens of all texts one after the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_gru._engines.torch.batches import PADDED
from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._engines.torch.embedding import Embedding
from sklearn_gru._engines.torch.pieces import Carried
from sklearn_gru._engines.torch.recurrent import (
    Dropout,
    Recurrent,
    state_shape,
    step_mask,
)
from sklearn_gru._engines.torch.uninitialized import uninitialized
from sklearn_gru._model.translation import TranslatorSpec


class Source(NamedTuple):
    """An encoded batch of source texts.

    Attributes
    ----------
    states : Tensor of shape (B, S, D)
        States of the encoder.
    keys : Tensor of shape (B, S, decoder_size)
        What the states of the decoder are compared with.
    present : Tensor of shape (B, S), or None
        Mask of the real steps; None if all are.
    first : Tensor of shape (B, embedding_size)
        First input of the decoder.
    """

    states: Tensor
    keys: Tensor
    present: Tensor | None
    first: Tensor

    def select(self, index: Tensor) -> Source:
        """Return some of the texts."""
        states, keys, present, first = self
        present = None if present is None else present[index]
        return Source(states[index], keys[index], present, first[index])


class Translator(nn.Module):
    """Encoder, attention and decoder.

    Parameters
    ----------
    spec : TranslatorSpec
        Description of the network.
    generator : torch.Generator or None
        Source of the initial parameters, on the CPU. If None, they have no values until
        a state is loaded.
    stream : RandomStream
        Source of the dropout masks.
    """

    def __init__(
        self,
        spec: TranslatorSpec,
        generator: torch.Generator | None,
        stream: RandomStream,
    ) -> None:
        super().__init__()
        self.spec = spec
        width, size = spec.embedding_size, spec.decoder_size
        self.dropout = Dropout(spec.dropout, stream)
        self.recurrent = Recurrent(spec, self.dropout)
        self.decoder = Recurrent(spec.decoder, self.dropout)
        self.embedding = Embedding(spec.embeddings)
        self.bridge = uninitialized(nn.Linear, spec.state_size, width)
        self.key = uninitialized(nn.Linear, spec.state_size, size, bias=False)
        self.combine = uninitialized(nn.Linear, size + spec.state_size, width)
        self.head = uninitialized(nn.Linear, width, spec.n_outputs)
        if generator is not None:
            self._reset_parameters(generator)

    @torch.no_grad()
    def _reset_parameters(self, generator: torch.Generator) -> None:
        """Draw the initial parameters; the order is part of what a seed means."""
        self.recurrent.reset_parameters(generator)
        self.decoder.reset_parameters(generator)
        self.embedding.reset_parameters(generator)
        for layer in (self.bridge, self.key, self.combine):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        std = self.spec.embedding_size**-0.5
        nn.init.normal_(self.head.weight, std=std, generator=generator)
        nn.init.zeros_(self.head.bias)

    def silence(self, outputs: list[int]) -> None:
        """Do nothing: no token is constant."""

    def forward(
        self,
        values: Tensor,
        lengths: Tensor | None = None,
        *,
        target: Tensor,
        layers: Any = None,
    ) -> Tensor:
        """Return the outputs at all real tokens, each read after the true ones before.

        `layers` runs the recurrent layers instead of PyTorch, and ``layers.decoder``
        those of the decoder.
        """
        source = self.encode(values, lengths, layers)
        read = F.embedding(target[:, :-1].clamp(min=0), self.head.weight)
        read = self.dropout(torch.cat([source.first[:, None], read], dim=1))
        real = target != PADDED
        run = self.decoder if layers is None else layers.decoder
        states, _ = run(read, real.sum(dim=1))
        found, _ = self._attend(states, source)
        return self.head(self.dropout(found[real]))

    def encode(
        self, values: Tensor, lengths: Tensor | None, layers: Any = None
    ) -> Source:
        """Return encoded source texts."""
        run = self.recurrent if layers is None else layers
        states, last = run(self.dropout(self.embedding(values)), lengths)
        first = torch.tanh(self.bridge(last))
        return Source(states, self.key(states), step_mask(values, lengths), first)

    def step(
        self, read: Tensor, state: Tensor, source: Source
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the outputs after one more input (B, embedding_size).

        With them are the weights (B, S) of the attention, and the state to go on from.
        """
        carried = Carried(state)
        states, _ = self.decoder(read[:, None], None, carried)
        found, weights = self._attend(states, source)
        assert carried.final is not None
        return self.head(found[:, 0]), weights[:, 0], carried.final

    def read(self, codes: Tensor) -> Tensor:
        """Return the vectors (B, embedding_size) of tokens (B,) that were written."""
        return F.embedding(codes, self.head.weight)

    def begin(self, source: Source) -> Tensor:
        """Return the state of the decoder before its first input."""
        shape = state_shape(self.spec.decoder)
        return source.first.new_zeros(len(source.first), *shape)

    def _attend(self, states: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """Return vectors (B, L, embedding_size) of steps, and weights (B, L, S)."""
        scores = torch.bmm(states, source.keys.transpose(1, 2))
        if source.present is not None:
            absent = ~source.present[:, None]
            scores = scores.masked_fill(absent, float("-inf"))
        weights = scores.softmax(dim=2)
        context = torch.bmm(weights, source.states)
        joined = torch.cat([states, context], dim=2)
        return torch.tanh(self.combine(joined)), weights
