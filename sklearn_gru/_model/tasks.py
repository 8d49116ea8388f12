"""What is learned: target to tensor, outputs to loss, outputs to predictions.

A task is frozen with the first fit: later fits and predictions encode and decode with
the same scale and classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_gru._support.numbers import nonzero_scale

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
    without_input: np.ndarray  # prediction for a sequence without any observed step
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
        return 1 if self.loss in ("absolute_error", "quantile") else 2

    @property
    def n_outputs(self) -> int:
        return len(self.center)

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

    def point(self, prediction: np.ndarray) -> np.ndarray:
        """The one number (n, n_outputs) of what was decoded."""
        return prediction

    def bands(self, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ends (n, n_outputs, n_bands) of what an interval starts from."""
        return prediction[:, :, None], prediction[:, :, None]

    def band_for(self, coverage: float) -> int:
        """Which of the bands an interval starts from."""
        return 0


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantileRegression(Regression):
    """Several quantiles of each output, by the pinball loss (Koenker & Bassett 1978).

    Each level has an output of the network, next to those of the same output of y, and
    decoding sorts them, so that no row has crossing quantiles. For a sum over levels
    of pinball losses the sorted order is never worse, whatever y is (the product of
    level and quantile is all that depends on which is matched with which; see also
    Chernozhukov, Fernandez-Val & Galichon 2010), and the network keeps its plain linear
    head, with a gradient that reaches every output at every step.
    """

    given: np.ndarray  # (q,) levels in the user's order

    @classmethod
    def of(
        cls,
        y: np.ndarray,
        weights: np.ndarray | None,
        given: np.ndarray,
        *,
        standardize: bool,
    ) -> QuantileRegression:
        """Weighted moments and quantiles of ``y (n, n_outputs)``."""
        levels = np.sort(given)
        plain = Regression.fit(y, weights, "quantile", standardize=standardize)
        overall = np.quantile(
            y, levels, axis=0, weights=weights, method="inverted_cdf"
        )  # (q, n_outputs)
        each = range(len(levels))
        return cls(
            "quantile",
            overall.T,
            plain.center,
            plain.scale,
            tuple(len(levels) * j + k for j in plain.constant for k in each),
            given=given,
        )

    @property
    def levels(self) -> np.ndarray:
        """Levels (q,) of the outputs, ascending."""
        return np.sort(self.given)

    @property
    def columns(self) -> np.ndarray:
        """Where each of the given levels stands among those of the outputs."""
        return np.searchsorted(self.levels, self.given)

    @property
    def n_outputs(self) -> int:
        return len(self.center) * len(self.levels)

    def _per_sequence(self, output: Tensor, target: Tensor) -> Tensor:
        levels = output.new_tensor(self.levels)
        error = target[:, :, None] - output.reshape(*target.shape, -1)  # (B, n, q)
        loss = levels * F.relu(error) + (1 - levels) * F.relu(-error)
        return loss.mean(dim=(1, 2))

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Quantiles (n, n_outputs, q) on the scale of y, in ascending order."""
        quantiles = output.reshape(len(output), -1, len(self.levels))
        return np.sort(quantiles) * self.scale[:, None] + self.center[:, None]

    def point(self, prediction: np.ndarray) -> np.ndarray:
        """The quantile nearest the median, the lower one of two."""
        distance = np.abs(self.levels - 0.5).round(9)
        return prediction[:, :, distance.argmin()]

    def bands(self, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last quantile, second and last but one, and so on."""
        n_bands = max(1, len(self.given) // 2)
        return prediction[:, :, :n_bands], prediction[:, :, ::-1][:, :, :n_bands]

    def band_for(self, coverage: float) -> int:
        """The band whose own share of y is nearest the coverage."""
        lower, upper = self.bands(self.levels[None, None])
        return int(np.abs((upper - lower)[0, 0] - coverage).round(9).argmin())


@dataclass(frozen=True, eq=False)
class Classification:
    """One of several classes, by cross-entropy."""

    prior: np.ndarray  # (n_classes,)
    label_smoothing: float
    constant: tuple[int, ...] = ()
    loss: ClassVar[str] = "cross_entropy"

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
