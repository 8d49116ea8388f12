"""A convolution branch beside the recurrent layers, exact for every length.

GRU-FCN (Elsayed et al. 2018, after the fully convolutional network of Wang et al.
2017): layers of convolution, batch normalization and ReLU, then the mean over steps.
They find a short pattern at any position, while a recurrent state has to carry it to
the end. PyTorch's own batch normalization ignores lengths and weights. Here an
unobserved step is 0 for every convolution and is excluded from all statistics and
means, so padding has no effect, and a sequence of weight 2 counts as two.

**Shape**: values ``(B, T, n_inputs)``, present ``(B, T)`` or None if all steps are
real, weight ``(B,)`` or None; result ``(B, filters[-1])``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_gru._engines.torch.arrays import TORCH
from sklearn_gru._engines.torch.uninitialized import uninitialized
from sklearn_gru._model.poolings import masked_mean

# From the papers; additional layers use the last size.
KERNEL_SIZES = (8, 5, 3)


class MaskedBatchNorm(nn.Module):
    """Batch normalization over real steps (Ioffe & Szegedy 2015).

    Training uses the statistics of the batch, evaluation uses their running mean, so a
    prediction does not depend on the rest of its batch. The running mean is a plain
    average over the first ten batches and an exponential average (momentum 0.1) after
    that, so short fits are not dominated by its initial value. Variances are population
    variances, which do not change if sequences are repeated.
    """

    momentum = 0.1
    eps = 1e-5

    running_mean: Tensor
    running_var: Tensor
    n_batches: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))
        self.register_buffer("n_batches", torch.tensor(0))

    def forward(self, x: Tensor, share: Tensor) -> Tensor:
        """Normalize x ``(B, C, T)``; step weights `share` ``(B, 1, T)`` sum to 1."""
        if self.training:
            mean = (share * x).sum(dim=(0, 2))  # (C,)
            var = (share * (x - mean[:, None]) ** 2).sum(dim=(0, 2))
            self._remember(mean, var)
        else:
            mean, var = self.running_mean, self.running_var
        factor = self.weight * torch.rsqrt(var + self.eps)
        return x * factor[:, None] + (self.bias - mean * factor)[:, None]

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor) -> None:
        self.n_batches += 1
        rate = (1 / self.n_batches).clamp(min=self.momentum).to(mean.dtype)
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(var, rate)


class Convolution(nn.Module):
    """Layers of convolution, batch normalization and ReLU, then the mean over steps."""

    def __init__(self, n_inputs: int, filters: Sequence[int]) -> None:
        super().__init__()
        widths = [n_inputs, *filters]
        last = len(KERNEL_SIZES) - 1
        self.layers = nn.ModuleList(
            # No bias: the normalization that follows has one.
            uninitialized(
                nn.Conv1d,
                widths[k],
                widths[k + 1],
                KERNEL_SIZES[min(k, last)],
                bias=False,
            )
            for k in range(len(filters))
        )
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for width in filters)
        self.n_pooled = widths[-1]

    def forward(
        self, values: Tensor, present: Tensor | None, weight: Tensor | None
    ) -> Tensor:
        share = step_shares(values, present, weight)
        x = values.transpose(1, 2)  # (B, C, T)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            if present is not None:
                x = x.masked_fill(~present[:, None], 0.0)
            assert isinstance(layer, nn.Conv1d)
            around = layer.kernel_size[0] - 1
            x = F.pad(x, (around // 2, around - around // 2))
            x = F.relu(norm(layer(x), share))
        return masked_mean(x.transpose(1, 2), present, TORCH)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator) -> None:
        """Initialize the filters He-uniform (He et al. 2015), as in the papers."""
        for layer in self.layers:
            assert isinstance(layer, nn.Conv1d)
            nn.init.kaiming_uniform_(
                layer.weight, nonlinearity="relu", generator=generator
            )


def step_shares(
    values: Tensor, present: Tensor | None, weight: Tensor | None
) -> Tensor:
    """Return the weight of each step in batch statistics; ``(B, 1, T)``, sums to 1."""
    share = values.new_ones(values.shape[:2])
    if present is not None:
        share = present.to(values.dtype)
    if weight is not None:
        share = share * weight[:, None]
    return (share / share.sum())[:, None]
