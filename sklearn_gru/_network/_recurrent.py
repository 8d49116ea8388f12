"""Recurrent layers over batches of exact lengths.

The cells of PyTorch are used behind their own parameters (``weight_ih_l0`` …), one
module a layer, so that dropout between layers can draw from a generator of our own.
PyTorch lacks one cell: the GRU of the first paper, which applies the reset gate before
the matrix product (Keras: ``reset_after=False``).

**Shape**: values ``(B, T, n_inputs)``, right-padded; lengths ``(B,)`` on the CPU or
None where all are T; outputs ``(B, T, D)``, last ``(B, D)`` with D the state size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import rnn

from sklearn_gru._device import RandomStream
from sklearn_gru._network._spec import NetworkSpec


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al. 2014) that draws from its own stream."""

    def __init__(self, p: float, stream: RandomStream) -> None:
        super().__init__()
        self.p = p
        self.stream = stream

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p
        mask = torch.empty_like(x).bernoulli_(keep, generator=self.stream.generator)
        return x * mask / keep


class GRUResetBefore(nn.Module):
    """One layer of the GRU of Cho et al. (2014), equations (5) to (8).

    Parameters are named and ordered as those of ``torch.nn.GRU``. With the reset gate
    applied to the state before its matrix product:

        r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)
        h = (1 - z) * n + z * h
    """

    def __init__(
        self, input_size: int, hidden_size: int, bidirectional: bool, device: str
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.suffixes = ("_l0", "_l0_reverse") if bidirectional else ("_l0",)
        for suffix in self.suffixes:
            for name, shape in (
                ("weight_ih", (3 * hidden_size, input_size)),
                ("weight_hh", (3 * hidden_size, hidden_size)),
                ("bias_ih", (3 * hidden_size,)),
                ("bias_hh", (3 * hidden_size,)),
            ):
                empty = torch.empty(shape, device=device)
                self.register_parameter(name + suffix, nn.Parameter(empty))

    def forward(self, values: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        present = step_mask(values, lengths)
        runs = [
            self._run(values, present, suffix, reverse=k == 1)
            for k, suffix in enumerate(self.suffixes)
        ]
        outputs = torch.cat([o for o, _ in runs], dim=2)  # (B, T, D)
        return outputs, torch.cat([h for _, h in runs], dim=1)

    def _run(
        self, values: Tensor, present: Tensor | None, suffix: str, *, reverse: bool
    ) -> tuple[Tensor, Tensor]:
        w_hh = getattr(self, "weight_hh" + suffix)
        b_hh = getattr(self, "bias_hh" + suffix)
        h_size = self.hidden_size
        # All input products at once; only those of the state wait for the state.
        inputs = nn.functional.linear(
            values,
            getattr(self, "weight_ih" + suffix),
            getattr(self, "bias_ih" + suffix),
        )  # (B, T, 3H)
        h = values.new_zeros(len(values), h_size)
        n_steps = values.shape[1]
        outputs: list[Tensor] = [h] * n_steps
        for t in reversed(range(n_steps)) if reverse else range(n_steps):
            i_rz, i_n = inputs[:, t, : 2 * h_size], inputs[:, t, 2 * h_size :]
            rz = nn.functional.linear(h, w_hh[: 2 * h_size], b_hh[: 2 * h_size])
            r, z = torch.sigmoid(i_rz + rz).chunk(2, dim=1)
            h_n = nn.functional.linear(r * h, w_hh[2 * h_size :], b_hh[2 * h_size :])
            n = torch.tanh(i_n + h_n)
            new = (1 - z) * n + z * h
            h = new if present is None else torch.where(present[:, t, None], new, h)
            outputs[t] = h
        return torch.stack(outputs, dim=1), h


class TorchLayer(nn.Module):
    """One layer of nn.GRU, nn.LSTM or nn.RNN behind the same call."""

    def __init__(
        self, kind: str, input_size: int, hidden_size: int, bidirectional: bool
    ) -> None:
        super().__init__()
        module = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}[kind]
        # On the meta device the constructor draws nothing from the global generator.
        cell = module(
            input_size,
            hidden_size,
            batch_first=True,
            bidirectional=bidirectional,
            device="meta",
        )
        self.cell = cell.to_empty(device="cpu")

    def forward(
        self, values: Tensor, lengths: Tensor | None, *, need_outputs: bool
    ) -> tuple[Tensor | None, Tensor]:
        if lengths is None:
            outputs, state = self.cell(values)
        else:
            packed = rnn.pack_padded_sequence(
                values, lengths, batch_first=True, enforce_sorted=False
            )
            outputs, state = self.cell(packed)
            if need_outputs:
                outputs, _ = rnn.pad_packed_sequence(
                    outputs, batch_first=True, total_length=values.shape[1]
                )
        h = state[0] if isinstance(state, tuple) else state  # (n_directions, B, H)
        last = h.transpose(0, 1).reshape(h.shape[1], -1)  # both directions' final state
        return (outputs if need_outputs else None), last


class Recurrent(nn.Module):
    """A stack of recurrent layers with dropout between them."""

    def __init__(self, spec: NetworkSpec, dropout: Dropout) -> None:
        super().__init__()
        self.dropout = dropout
        layers: list[nn.Module] = []
        for k in range(spec.num_layers):
            n_inputs = spec.n_inputs if k == 0 else spec.state_size
            sizes = (n_inputs, spec.hidden_size, spec.bidirectional)
            if spec.cell == "gru_reset_before":
                layers.append(GRUResetBefore(*sizes, device="cpu"))
            else:
                layers.append(TorchLayer(spec.cell, *sizes))
        self.layers = nn.ModuleList(layers)

    def forward(
        self, values: Tensor, lengths: Tensor | None, *, need_outputs: bool
    ) -> tuple[Tensor | None, Tensor]:
        x: Tensor | None = values
        top = len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            assert x is not None
            if k:
                x = self.dropout(x)
            if isinstance(layer, GRUResetBefore):
                x, last = layer(x, lengths)
            else:
                x, last = layer(x, lengths, need_outputs=need_outputs or k < top)
        return x, last

    @torch.no_grad()
    def reset_parameters(self, cell: str, generator: torch.Generator) -> None:
        """Per-gate initialisation.

        Input blocks are Xavier-uniform (Glorot & Bengio 2010), recurrent blocks
        orthogonal (Saxe et al. 2014), each gate on its own: a stacked matrix is not
        orthogonal in its parts. Biases are 0, but 1 where it makes the state persist at
        first (Jozefowicz et al. 2015): the update gate of a GRU, the forget gate of an
        LSTM.
        """
        n_gates, keep = {"lstm": (4, 1), "rnn": (1, None)}.get(cell, (3, 1))
        for name, parameter in self.named_parameters():
            kind = name.rpartition(".")[2].partition("_l0")[0]
            for gate, block in enumerate(parameter.chunk(n_gates)):
                if kind == "weight_ih":
                    nn.init.xavier_uniform_(block, generator=generator)
                elif kind == "weight_hh":
                    nn.init.orthogonal_(block, generator=generator)
                else:
                    block.fill_(1.0 if kind == "bias_ih" and gate == keep else 0.0)


def step_mask(values: Tensor, lengths: Tensor | None) -> Tensor | None:
    """Which steps are real; boolean (B, T), or None where all are."""
    if lengths is None:
        return None
    step = torch.arange(values.shape[1], device=values.device)
    return step < lengths.to(values.device)[:, None]
