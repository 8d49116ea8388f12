"""Recurrent layers over batches of exact lengths.

PyTorch's layers are used with their own parameters (``weight_ih_l0`` …), one module per
layer and direction, so that dropout between layers can draw from a separate generator
and lengths are exact without packing. In the forward direction, right-padded sequences
run unchanged; for the backward direction, each is reversed within its own length.
Results after the end of a sequence are never read. (With packed sequences,
``torch.nn.GRU`` takes five times as long on a CPU.) A cell that PyTorch does not have
runs by its own equations.

**Shape**: values ``(B, T, n_inputs)``, right-padded; lengths ``(B,)`` or None if all
are T; outputs ``(B, T, D)``, last ``(B, D)`` with D the state size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sklearn_gru._engines.torch.arrays import TORCH
from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._engines.torch.pieces import Carried
from sklearn_gru._engines.torch.uninitialized import uninitialized
from sklearn_gru._model.cells import CELLS, Cell
from sklearn_gru._model.cells.base import run_steps
from sklearn_gru._model.spec import NetworkSpec


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al. 2014) that draws from its own stream."""

    def __init__(self, p: float, stream: RandomStream) -> None:
        super().__init__()
        self.p = p
        self.stream = stream

    def forward(self, x: Tensor, *, of_steps: bool = False) -> Tensor:
        """Drop values; `of_steps`, the same ones at all steps of ``(B, T, D)``.

        The latter is the dropout of Gal & Ghahramani (2016) and draws T times less.
        """
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p
        like = x[:, :1] if of_steps else x
        mask = torch.empty_like(like).bernoulli_(keep, generator=self.stream.generator)
        return x * mask / keep


class StepLoop(nn.Module):
    """One layer in one direction, run step by step with the equations of its cell.

    Parameters have the same names as those of ``torch.nn.GRU``.
    """

    def __init__(self, cell: Cell, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = cell
        for name, shape in cell.parameters(input_size, hidden_size).items():
            self.register_parameter(f"{name}_l0", nn.Parameter(torch.empty(shape)))

    def forward(
        self, values: Tensor, initial: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        begin = None if initial is None else (initial[0],)
        outputs, state, _ = run_steps(
            self.cell, layer_weights(self), values, TORCH, begin
        )
        return outputs, state[0][None]


def layer_weights(layer: nn.Module) -> dict[str, Tensor]:
    """Return the parameters of one layer by their names in the equations."""
    return {n.removesuffix("_l0"): p for n, p in layer.named_parameters()}


def make_layer(cell: Cell, input_size: int, hidden_size: int) -> nn.Module:
    """Make one layer in one direction, from values to (outputs, final state)."""
    if cell.torch_layer is None:
        return StepLoop(cell, input_size, hidden_size)
    module = getattr(nn, cell.torch_layer)
    return uninitialized(module, input_size, hidden_size, batch_first=True)


def state_shape(spec: NetworkSpec) -> tuple[int, int, int]:
    """Return the shape of what one direction remembers: layers, parts, units."""
    return spec.num_layers, len(CELLS[spec.cell].state), spec.hidden_size


class Recurrent(nn.Module):
    """A stack of recurrent layers, with dropout between them."""

    def __init__(self, spec: NetworkSpec, dropout: Dropout) -> None:
        super().__init__()
        self.spec = spec
        self.dropout = dropout
        cell = CELLS[spec.cell]
        self.layers = nn.ModuleList(
            nn.ModuleList(
                make_layer(
                    cell, spec.state_size if k else spec.n_read, spec.hidden_size
                )
                for _ in range(spec.n_directions)
            )
            for k in range(spec.num_layers)
        )

    def forward(
        self,
        values: Tensor,
        lengths: Tensor | None,
        carried: Carried | None = None,
    ) -> tuple[Tensor, Tensor]:
        x, finals = values, []
        for k, directions in enumerate(self.layers):
            assert isinstance(directions, nn.ModuleList)
            if k:
                x = self.dropout(x)
            if carried is None:
                runs = [
                    _run(layer, x, lengths, d == 1)
                    for d, layer in enumerate(directions)
                ]
            else:
                forward, *others = directions
                outputs, final = _run_on(forward, x, lengths, carried.initial[:, k])
                finals.append(final)
                runs = [(outputs, final[:, 0])]
                runs += [_run(layer, x, lengths, True) for layer in others]
            x = torch.cat([outputs for outputs, _ in runs], dim=2)  # (B, T, D)
        if carried is not None:
            carried.final = torch.stack(finals, dim=1).detach()
        return x, torch.cat([last for _, last in runs], dim=1)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator) -> None:
        """Initialize each gate separately.

        Input blocks are Xavier-uniform (Glorot & Bengio 2010) and recurrent blocks are
        orthogonal (Saxe et al. 2014); the blocks of one stacked orthogonal matrix would
        not be. Biases are 0, or 1 where that makes the state persist at first
        (Jozefowicz et al. 2015). Other matrices of a cell are Xavier-uniform.
        """
        cell = CELLS[self.spec.cell]
        for name, parameter in self.named_parameters():
            kind = name.rpartition(".")[2].partition("_l0")[0]
            if kind == "weight_hh":
                blocks = parameter.unflatten(0, (len(cell.blocks), -1))
                _make_orthogonal(blocks, generator)
                continue
            for gate, block in zip(
                cell.blocks, parameter.chunk(len(cell.blocks)), strict=False
            ):
                if block.ndim == 2:
                    nn.init.xavier_uniform_(block, generator=generator)
                else:
                    opens = kind == "bias_ih" and gate == cell.persists
                    block.fill_(1.0 if opens else 0.0)


def _make_orthogonal(blocks: Tensor, generator: torch.Generator) -> None:
    """Draw square blocks (G, H, H) as `nn.init.orthogonal_`, in half the time.

    Where a block does not fill whole cache lines, the last bits may differ.
    """
    drawn = torch.empty_like(blocks)
    for block in drawn:
        block.normal_(generator=generator)
    q, r = torch.linalg.qr(drawn)
    blocks.copy_(q * r.diagonal(dim1=1, dim2=2).sign()[:, None])


def _run(
    layer: nn.Module, x: Tensor, lengths: Tensor | None, backward: bool
) -> tuple[Tensor, Tensor]:
    """Return the outputs at their steps (B, T, H) and the final states (B, H)."""
    outputs, state = layer(turned(x, lengths) if backward else x)
    if lengths is None:
        last = (state[0] if isinstance(state, tuple) else state)[0]
    else:
        last = outputs[torch.arange(len(x), device=x.device), lengths - 1]
    return (turned(outputs, lengths) if backward else outputs), last


def _run_on(
    layer: nn.Module, x: Tensor, lengths: Tensor | None, initial: Tensor
) -> tuple[Tensor, Tensor]:
    """Go on from states (B, n_parts, H); return the outputs and the final states."""
    parts = tuple(part[None].contiguous() for part in initial.unbind(1))
    begin = parts if len(parts) > 1 else parts[0]
    if lengths is None or len(parts) == 1:
        outputs, state = layer(x, begin)
        if lengths is not None:
            at = torch.arange(len(x), device=x.device)
            state = outputs[at, lengths - 1][None]
    else:  # the other part at the end of each sequence is nowhere else
        packed = pack_padded_sequence(
            x, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        found, state = layer(packed, begin)
        outputs, _ = pad_packed_sequence(
            found, batch_first=True, total_length=x.shape[1]
        )
    parts = state if isinstance(state, tuple) else (state,)
    return outputs, torch.stack([part[0] for part in parts], dim=1)


def turned(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return each sequence reversed within its own length; twice gives the original."""
    if lengths is None:
        return x.flip(1)
    step = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - step  # (B, T)
    at = torch.where(mirrored >= 0, mirrored, step)
    return x.gather(1, at[:, :, None].expand_as(x))


def step_mask(values: Tensor, lengths: Tensor | None) -> Tensor | None:
    """Return a boolean mask (B, T) of the real steps, or None if all are real."""
    if lengths is None:
        return None
    return torch.arange(values.shape[1], device=values.device) < lengths[:, None]
