"""The gates of every step, computed beside the recurrent layers.

The layers return states only. Gates follow from them: those of a step are a function of
its input and of the state before it, so one pass of the cells and one matrix product
over all steps give them all, and the loop over steps stays where it is compiled.

**Shape**: values ``(B, T, n_read)``, right-padded; gates ``(G, B, T, L, D, H)`` with G
gates, L layers, D directions and H units; what stands behind an end is not a gate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklearn_gru._engines.torch.recurrent import Recurrent, turned

# Blocks of the stacked parameters that are gates; the others are candidates.
GATES: dict[str, dict[str, int]] = {
    "gru": {"reset": 0, "update": 1},
    "gru_reset_before": {"reset": 0, "update": 1},
    "lstm": {"input": 0, "forget": 1, "output": 3},
    "rnn": {},
}


def gate_values(recurrent: Recurrent, values: Tensor, lengths: Tensor | None) -> Tensor:
    """Gates of every step in evaluation mode, in the order of GATES."""
    blocks = list(GATES[recurrent.spec.cell].values())
    x, layers = values, []
    for directions in recurrent.layers:
        assert isinstance(directions, nn.ModuleList)
        runs = [_open(c, blocks, x, lengths, d == 1) for d, c in enumerate(directions)]
        x = torch.cat([outputs for outputs, _ in runs], dim=2)  # (B, T, D * H)
        layers.append(torch.stack([gates for _, gates in runs], dim=3))
    return torch.stack(layers, dim=3)


def _open(
    cell: nn.Module,
    blocks: list[int],
    x: Tensor,
    lengths: Tensor | None,
    backward: bool,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, H) and gates (G, B, T, H) of one layer in one direction."""
    read = turned(x, lengths) if backward else x
    outputs, _ = cell(read)
    before = torch.cat([torch.zeros_like(outputs[:, :1]), outputs[:, :-1]], dim=1)
    linear = nn.functional.linear
    pre = linear(read, cell.weight_ih_l0, cell.bias_ih_l0)  # type: ignore[arg-type]
    pre = pre + linear(before, cell.weight_hh_l0, cell.bias_hh_l0)  # type: ignore[arg-type]
    parts = pre.split(outputs.shape[2], dim=2)
    gates = [torch.sigmoid(parts[block]) for block in blocks]
    if backward:
        outputs, gates = turned(outputs, lengths), [turned(g, lengths) for g in gates]
    return outputs, torch.stack(gates)
