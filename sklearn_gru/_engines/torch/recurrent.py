"""Recurrent layers over batches of exact lengths.

The cells of PyTorch are used behind their own parameters (``weight_ih_l0`` …), one
module a layer and direction: dropout between layers can then draw from a generator of
our own, and lengths are exact without packing. Right-padded sequences run forward as
they are, and backward after each has been turned around within its own length; what
the cells compute behind the end is never read. (Packed, ``torch.nn.GRU`` takes five
times as long on a CPU.) PyTorch lacks one cell: the GRU of the first paper, which
applies the reset gate before the matrix product (Keras: ``reset_after=False``).

**Shape**: values ``(B, T, n_inputs)``, right-padded; lengths ``(B,)`` or None where all
are T; outputs ``(B, T, D)``, last ``(B, D)`` with D the state size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._model.spec import NetworkSpec


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

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        gates = 3 * hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(gates, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(gates, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(gates))
        self.bias_hh_l0 = nn.Parameter(torch.empty(gates))

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        linear = nn.functional.linear
        two = 2 * self.hidden_size
        w_rz, w_n = self.weight_hh_l0[:two], self.weight_hh_l0[two:]
        b_rz, b_n = self.bias_hh_l0[:two], self.bias_hh_l0[two:]
        # All input products at once; only those of the state wait for the state.
        inputs = linear(values, self.weight_ih_l0, self.bias_ih_l0)  # (B, T, 3H)
        h = values.new_zeros(len(values), self.hidden_size)
        outputs = []
        for x in inputs.unbind(dim=1):  # (B, 3H)
            r, z = torch.sigmoid(x[:, :two] + linear(h, w_rz, b_rz)).chunk(2, dim=1)
            n = torch.tanh(x[:, two:] + linear(r * h, w_n, b_n))
            h = (1 - z) * n + z * h
            outputs.append(h)
        return torch.stack(outputs, dim=1), h[None]


def make_cell(kind: str, input_size: int, hidden_size: int) -> nn.Module:
    """One layer in one direction: values to (outputs, final state)."""
    if kind == "gru_reset_before":
        return GRUResetBefore(input_size, hidden_size)
    module = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}[kind]
    # On the meta device the constructor draws nothing from the global generator.
    cell = module(input_size, hidden_size, batch_first=True, device="meta")
    return cell.to_empty(device="cpu")


class Recurrent(nn.Module):
    """A stack of recurrent layers, with dropout between them.

    With `compiled` set, the kernels run the layers behind the same parameters, in
    float32 on a CPU, and torch everywhere else.
    """

    def __init__(self, spec: NetworkSpec, dropout: Dropout) -> None:
        super().__init__()
        self.spec = spec
        self.dropout = dropout
        self.compiled = False
        n_directions = 2 if spec.bidirectional else 1
        self.layers = nn.ModuleList(
            nn.ModuleList(
                make_cell(
                    spec.cell, spec.state_size if k else spec.n_read, spec.hidden_size
                )
                for _ in range(n_directions)
            )
            for k in range(spec.num_layers)
        )

    def forward(self, values: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.runs_kernels:
            return self._run_kernels(values, lengths)
        x = values
        for k, directions in enumerate(self.layers):
            assert isinstance(directions, nn.ModuleList)
            if k:
                x = self.dropout(x)
            runs = [_run(cell, x, lengths, d == 1) for d, cell in enumerate(directions)]
            x = torch.cat([outputs for outputs, _ in runs], dim=2)  # (B, T, D)
        return x, torch.cat([last for _, last in runs], dim=1)

    @property
    def runs_kernels(self) -> bool:
        """Whether the kernels run the layers here and now.

        A pickle may be opened where numba is missing, a module moved or converted.
        """
        if not self.compiled:
            return False
        parameter = next(self.parameters())
        plain = parameter.device.type == "cpu" and parameter.dtype == torch.float32
        return plain and kernels.available()

    def _run_kernels(
        self, values: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same by the kernels; outputs are left out where only the last is read."""
        from sklearn_gru._engines.numba.autograd import dense_sequences, run_layers

        spec, training = self.spec, self.training
        rows, starts, full = dense_sequences(values)
        between = spec.dropout if spec.num_layers > 1 else 0.0
        return run_layers(
            kernels.Network(
                spec.cell,
                values.shape[2],
                spec.hidden_size,
                spec.num_layers,
                spec.bidirectional,
                dropout=between,
            ),
            list(self.parameters()),
            rows,
            starts,
            full if lengths is None else lengths.numpy(),
            all_steps=spec.pooling != "last",
            seed=self.dropout.stream.draw() if training and between else 0,
            training=training,
        )

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


def _run(
    cell: nn.Module, x: Tensor, lengths: Tensor | None, backward: bool
) -> tuple[Tensor, Tensor]:
    """Outputs at their steps, (B, T, H), and the state after the last one, (B, H)."""
    outputs, state = cell(turned(x, lengths) if backward else x)
    if lengths is None:
        last = (state[0] if isinstance(state, tuple) else state)[0]
    else:
        last = outputs[torch.arange(len(x), device=x.device), lengths - 1]
    return (turned(outputs, lengths) if backward else outputs), last


def turned(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Each sequence back to front within its own length; its own inverse."""
    if lengths is None:
        return x.flip(1)
    step = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - step  # (B, T)
    at = torch.where(mirrored >= 0, mirrored, step)
    return x.gather(1, at[:, :, None].expand_as(x))


def step_mask(values: Tensor, lengths: Tensor | None) -> Tensor | None:
    """Which steps are real; boolean (B, T), or None where all are."""
    if lengths is None:
        return None
    return torch.arange(values.shape[1], device=values.device) < lengths[:, None]
