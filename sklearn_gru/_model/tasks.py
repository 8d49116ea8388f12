"""Tasks: from a target to what a loss reads, and from outputs to predictions.

A task is frozen by the first fit: later fits and predictions encode and decode with
the same scale, levels and classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sklearn_gru._model.losses import LOSSES
from sklearn_gru._support.numbers import nonzero_scale
from sklearn_gru.exceptions import InputError


@dataclass(frozen=True, eq=False)
class Regression:
    """One or several real outputs, standardized."""

    loss: str
    without_input: np.ndarray  # prediction for a sequence without any observed step
    center: np.ndarray  # (n_outputs,) 0 in the network
    scale: np.ndarray  # (n_outputs,) 1 in the network
    constant: tuple[int, ...] = ()  # outputs without any variation in the first fit
    n_dims: int = 1  # of y, 1 or 2

    @classmethod
    def fit(
        cls, y: np.ndarray, weights: np.ndarray | None, loss: str, *, standardize: bool
    ) -> Regression:
        """Learn weighted mean and standard deviation of ``y (n,)`` or (n, outputs)."""
        n_dims, y = y.ndim, y.reshape(len(y), -1).astype(np.float64)
        # Seen from the first value, a constant has no rounding.
        mean = y[0] + np.average(y - y[0], axis=0, weights=weights)
        if not standardize:
            zeros = np.zeros_like(mean)
            return cls(loss, mean, zeros, zeros + 1, n_dims=n_dims)
        std = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))
        scale = nonzero_scale(std, mean)
        constant = tuple(np.flatnonzero(scale != std).tolist())
        return cls(loss, mean, mean, scale, constant, n_dims)

    @property
    def degree(self) -> int:
        """Power with which the loss grows when y and outputs are scaled."""
        return LOSSES[self.loss].degree

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""
        return len(self.center)

    @property
    def loss_parameters(self) -> tuple[float, ...]:
        """What the loss depends on beyond its name."""
        return ()

    def prepare(self, y: np.ndarray) -> np.ndarray:
        """Return y as float64 (n, n_outputs), if it has as many outputs as in fit."""
        y = y.reshape(len(y), -1).astype(np.float64)
        if y.shape[1] != len(self.center):
            raise ValueError(
                f"y has {y.shape[1]} outputs, but the first fit had {len(self.center)}."
            )
        return y

    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return prepared y standardized, row by row in memory."""
        # A frame of several outputs lies in memory column by column; kernels read rows.
        standard = np.ascontiguousarray((y - self.center) / self.scale)
        return standard.astype(dtype, copy=False)

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Return outputs (n, n_outputs) on the scale of y."""
        return output * self.scale + self.center

    def point(self, prediction: np.ndarray) -> np.ndarray:
        """Return the one number (n, n_outputs) per output of what was decoded."""
        return prediction

    def shaped(self, prediction: np.ndarray) -> np.ndarray:
        """Return a prediction (n, n_outputs, ...) with the dimensions of y in fit."""
        return prediction[:, 0] if self.n_dims == 1 else prediction

    def bands(self, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ends (n, n_outputs, n_bands) of what an interval starts from."""
        return prediction[:, :, None], prediction[:, :, None]

    def band_for(self, coverage: float) -> int:
        """Return the band that an interval starts from."""
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
        loss: str = "quantile",
    ) -> QuantileRegression:
        """Learn weighted moments and quantiles of ``y (n,)`` or (n, n_outputs)."""
        levels = np.sort(given)
        plain = Regression.fit(y, weights, loss, standardize=standardize)
        overall = np.quantile(
            y.reshape(len(y), -1).astype(np.float64),
            levels,
            axis=0,
            weights=weights,
            method="inverted_cdf",
        )  # (q, n_outputs)
        each = range(len(levels))
        return cls(
            loss,
            overall.T,
            plain.center,
            plain.scale,
            tuple(len(levels) * j + k for j in plain.constant for k in each),
            plain.n_dims,
            given=given,
        )

    @property
    def levels(self) -> np.ndarray:
        """Levels (q,) of the outputs, ascending."""
        return np.sort(self.given)

    @property
    def columns(self) -> np.ndarray:
        """Position of each of the given levels among those of the outputs."""
        return np.searchsorted(self.levels, self.given)

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""
        return len(self.center) * len(self.levels)

    @property
    def loss_parameters(self) -> tuple[float, ...]:
        """The levels, ascending."""
        return tuple(self.levels.tolist())

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Return quantiles (n, n_outputs, q) on the scale of y, in ascending order."""
        quantiles = output.reshape(len(output), -1, len(self.levels))
        return np.sort(quantiles) * self.scale[:, None] + self.center[:, None]

    def point(self, prediction: np.ndarray) -> np.ndarray:
        """Return the quantile nearest the median, the lower one of two."""
        distance = np.abs(self.levels - 0.5).round(9)
        return prediction[:, :, distance.argmin()]

    def bands(self, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return first and last quantile, second and last but one, and so on."""
        n_bands = max(1, len(self.given) // 2)
        return prediction[:, :, :n_bands], prediction[:, :, ::-1][:, :, :n_bands]

    def band_for(self, coverage: float) -> int:
        """Return the band whose own share of y is nearest the coverage."""
        lower, upper = self.bands(self.levels[None, None])
        return int(np.abs((upper - lower)[0, 0] - coverage).round(9).argmin())


@dataclass(frozen=True, eq=False)
class Classification:
    """One of several classes, by cross-entropy."""

    classes: np.ndarray  # (n_classes,)
    prior: np.ndarray  # (n_classes,)
    label_smoothing: float
    constant: tuple[int, ...] = ()
    loss: ClassVar[str] = "cross_entropy"

    @classmethod
    def fit(
        cls,
        y: np.ndarray,
        weights: np.ndarray | None,
        classes: np.ndarray,
        label_smoothing: float,
    ) -> Classification:
        """Learn the class frequencies of ``y (n,)``."""
        counts = np.bincount(class_codes(y, classes), weights, minlength=len(classes))
        counts = counts.astype(np.float64)
        return cls(classes, counts / counts.sum(), label_smoothing)

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""
        return len(self.prior)

    @property
    def loss_parameters(self) -> tuple[float, ...]:
        """The label smoothing."""
        return (self.label_smoothing,)

    def prepare(self, y: np.ndarray) -> np.ndarray:
        """Return the codes (n,) of class labels."""
        return class_codes(y, self.classes)

    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return prepared codes as int64."""
        return y.astype(np.int64)

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Return probabilities (n, n_classes): the softmax of the outputs."""
        shifted = output - output.max(axis=1, keepdims=True)
        odds = np.exp(shifted)
        return odds / odds.sum(axis=1, keepdims=True)

    @property
    def without_input(self) -> np.ndarray:
        """Prediction for a sequence without any observed step."""
        return self.prior


def class_codes(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the position of each label among the sorted classes."""
    codes = np.searchsorted(classes, y)
    codes = np.minimum(codes, len(classes) - 1)
    known = classes[codes] == y
    if not np.all(known):
        new = np.unique(np.asarray(y)[~known]).tolist()
        raise InputError(
            f"y holds classes {new}, but the classes are {classes.tolist()}. "
            "Give all of them in the first call (partial_fit: classes=)."
        )
    return codes


Task = Regression | Classification
