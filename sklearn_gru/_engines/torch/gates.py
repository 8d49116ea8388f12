"""The gates at every step, computed by the equations of the cell.

**Shape**: values ``(B, T, n_read)``, right-padded; gates ``(G, B, T, L, D, H)`` with G
gates, L layers, D directions and H units. Values after the end of a sequence have no
meaning.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklearn_gru._engines.torch.arrays import TORCH
from sklearn_gru._engines.torch.recurrent import Recurrent, layer_weights, turned
from sklearn_gru._model.cells import CELLS, Cell
from sklearn_gru._model.cells.base import run_steps


def gate_values(recurrent: Recurrent, values: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the gates at every step in evaluation mode, in the order of the cell."""
    cell = CELLS[recurrent.spec.cell]
    x, layers = values, []
    for directions in recurrent.layers:
        assert isinstance(directions, nn.ModuleList)
        runs = [_open(cell, m, x, lengths, d == 1) for d, m in enumerate(directions)]
        x = torch.cat([outputs for outputs, _ in runs], dim=2)  # (B, T, D * H)
        layers.append(torch.stack([gates for _, gates in runs], dim=3))
    return torch.stack(layers, dim=3)


def _open(
    cell: Cell, layer: nn.Module, x: Tensor, lengths: Tensor | None, backward: bool
) -> tuple[Tensor, Tensor]:
    """Return outputs (B, T, H) and gates (G, B, T, H) of one direction of a layer."""
    read = turned(x, lengths) if backward else x
    outputs, _, found = run_steps(cell, layer_weights(layer), read, TORCH)
    gates = [found[gate] for gate in cell.gates]
    if backward:
        outputs, gates = turned(outputs, lengths), [turned(g, lengths) for g in gates]
    return outputs, torch.stack(gates)
