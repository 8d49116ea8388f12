"""From one state a step to one vector a sequence.

Every pooling is exact for every length: steps behind the end of a sequence have no
part in it. ``"last"`` reads the final state of each direction, which for the backward
direction is the one that has read the whole sequence, not the one at the last step.

**Shape**: outputs ``(B, T, D)``, last ``(B, D)``, present ``(B, T)`` or None where all
steps are real; result ``(B, n_pooled)``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Last(nn.Module):
    """The final state of each direction."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.n_pooled = size

    def forward(self, outputs: Tensor, last: Tensor, present: Tensor | None) -> Tensor:
        return last


class Mean(nn.Module):
    """The mean over the steps."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.n_pooled = size

    def forward(self, outputs: Tensor, last: Tensor, present: Tensor | None) -> Tensor:
        return masked_mean(outputs, present)


class Max(nn.Module):
    """The maximum over the steps."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.n_pooled = size

    def forward(self, outputs: Tensor, last: Tensor, present: Tensor | None) -> Tensor:
        return masked_max(outputs, present)


class MeanMax(nn.Module):
    """Mean and maximum side by side."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.n_pooled = 2 * size

    def forward(self, outputs: Tensor, last: Tensor, present: Tensor | None) -> Tensor:
        both = masked_mean(outputs, present), masked_max(outputs, present)
        return torch.cat(both, dim=1)


class Attention(nn.Module):
    """A learned weighted mean: softmax over ``context . tanh(W h + b)``.

    The word attention of Yang et al. (2016), Hierarchical Attention Networks.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.n_pooled = size
        self.project = nn.utils.skip_init(nn.Linear, size, size)
        self.context = nn.utils.skip_init(nn.Linear, size, 1, bias=False)

    def forward(self, outputs: Tensor, last: Tensor, present: Tensor | None) -> Tensor:
        weights = self.weights(outputs, present)  # (B, T)
        return (outputs * weights[:, :, None]).sum(dim=1)

    def weights(self, outputs: Tensor, present: Tensor | None) -> Tensor:
        """Weight of each step, 0 behind the end; sums to 1."""
        score = self.context(torch.tanh(self.project(outputs)))[:, :, 0]  # (B, T)
        if present is not None:
            score = score.masked_fill(~present, -torch.inf)
        return torch.softmax(score, dim=1)


POOLINGS: dict[str, type[nn.Module]] = {
    "last": Last,
    "mean": Mean,
    "max": Max,
    "attention": Attention,
    "mean_max": MeanMax,
}


def masked_mean(outputs: Tensor, present: Tensor | None) -> Tensor:
    """Mean over the real steps; ``(B, D)``."""
    if present is None:
        return outputs.mean(dim=1)
    weight = present.to(outputs.dtype)
    return torch.einsum("btd,bt->bd", outputs, weight) / weight.sum(dim=1)[:, None]


def masked_max(outputs: Tensor, present: Tensor | None) -> Tensor:
    """Maximum over the real steps; ``(B, D)``."""
    if present is not None:
        outputs = outputs.masked_fill(~present[:, :, None], -torch.inf)
    return outputs.amax(dim=1)
