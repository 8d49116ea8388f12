"""What is learned: target to tensor, outputs to loss, outputs to predictions.

A task is frozen with the first fit: later fits and predictions encode and decode with
the same scale and classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_gru._scaling import nonzero_scale

_LOSSES: dict[str, Callable[..., Tensor]] = {
    "squared_error": F.mse_loss,
    "absolute_error": F.l1_loss,
    "huber": F.huber_loss,  # delta 1, in standard deviations of y
}


class Loss(nn.Module):
    """Mean over the batch of weight times loss; weights have mean 1 over the data."""

    def __init__(self, per_sequence: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.per_sequence = per_sequence

    def forward(self, output: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        loss = self.per_sequence(output, target)  # (B,)
        return loss.mean() if weight is None else (weight * loss).mean()


@dataclass(frozen=True, eq=False)
class Regression:
    """One or several real outputs, standardised."""

    loss: str
    mean: np.ndarray  # (n_outputs,) of y
    center: np.ndarray  # (n_outputs,) 0 in the network
    scale: np.ndarray  # (n_outputs,) 1 in the network
    constant: tuple[int, ...] = ()  # outputs without any variation in the first fit

    @classmethod
    def fit(
        cls, y: np.ndarray, weights: np.ndarray | None, loss: str, *, standardize: bool
    ) -> Regression:
        """Weighted mean and standard deviation of ``y (n, n_outputs)``."""
        # Seen from the first value, a constant has no rounding.
        mean = y[0] + np.average(y - y[0], axis=0, weights=weights)
        if not standardize:
            return cls(loss, mean, np.zeros_like(mean), np.ones_like(mean))
        std = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))
        scale = nonzero_scale(std, mean)
        constant = tuple(np.flatnonzero(scale != std).tolist())
        return cls(loss, mean, mean, scale, constant)

    @property
    def degree(self) -> int:
        """Power with which the loss grows when y and outputs are scaled.

        Huber's has none; it is weighed by that of its quadratic part.
        """
        return 1 if self.loss == "absolute_error" else 2

    @property
    def n_outputs(self) -> int:
        return len(self.mean)

    def criterion(self) -> Loss:
        return Loss(self._per_sequence)

    def _per_sequence(self, output: Tensor, target: Tensor) -> Tensor:
        return _LOSSES[self.loss](output, target, reduction="none").mean(dim=1)

    def encode(self, y: np.ndarray, dtype: torch.dtype) -> Tensor:
        # A frame of several outputs lies in memory column by column; kernels read rows.
        standard = np.ascontiguousarray((y - self.center) / self.scale)
        return torch.from_numpy(standard).to(dtype)

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Outputs (n, n_outputs) on the scale of y."""
        return output * self.scale + self.center

    @property
    def without_input(self) -> np.ndarray:
        """Prediction for a sequence without any observed step."""
        return self.mean


@dataclass(frozen=True, eq=False)
class Classification:
    """One of several classes, by cross-entropy."""

    prior: np.ndarray  # (n_classes,)
    label_smoothing: float
    constant: tuple[int, ...] = ()

    @classmethod
    def fit(
        cls,
        codes: np.ndarray,
        weights: np.ndarray | None,
        n_classes: int,
        label_smoothing: float,
    ) -> Classification:
        """Class frequencies of ``codes (n,)``."""
        counts = np.bincount(codes, weights, minlength=n_classes).astype(np.float64)
        return cls(counts / counts.sum(), label_smoothing)

    @property
    def n_outputs(self) -> int:
        return len(self.prior)

    def criterion(self) -> Loss:
        return Loss(self._per_sequence)

    def _per_sequence(self, output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            output, target, reduction="none", label_smoothing=self.label_smoothing
        )

    def encode(self, y: np.ndarray, dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(y.astype(np.int64))

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Probabilities (n, n_classes): the softmax of the outputs."""
        shifted = output - output.max(axis=1, keepdims=True)
        odds = np.exp(shifted)
        return odds / odds.sum(axis=1, keepdims=True)

    @property
    def without_input(self) -> np.ndarray:
        """Prediction for a sequence without any observed step."""
        return self.prior


Task = Regression | Classification
