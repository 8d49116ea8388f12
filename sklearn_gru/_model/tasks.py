"""Tasks: encoders of targets for a loss, and decoders of outputs into predictions.

The first fit freezes the task: later fits and predictions encode and decode with the
same scale, levels and classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sklearn_gru._model.losses import LossName
from sklearn_gru._model.mixing import (
    Judged,
    cautious_share,
    certainty,
    cross_entropy_share,
    explained,
    squares_weights,
)
from sklearn_gru._support.numbers import nonzero_scale, unit_exponent
from sklearn_gru.exceptions import InputError


@dataclass(frozen=True, eq=False)
class Regression:
    """Task of one or several real outputs, standardized."""

    loss: LossName
    without_input: np.ndarray  # prediction for a sequence without any observed step
    center: np.ndarray  # (n_outputs,) becomes 0 in the network
    scale: np.ndarray  # (n_outputs,) becomes 1 in the network
    constant: tuple[int, ...] = ()  # outputs that did not vary in the first fit
    n_dims: int = 1  # of y, 1 or 2
    linear_penalty: ClassVar[float] = 0.01

    @classmethod
    def fit(
        cls,
        y: np.ndarray,
        weights: np.ndarray | None,
        loss: LossName,
        *,
        standardize: bool,
    ) -> Regression:
        """Learn weighted mean and standard deviation of ``y (n,)`` or (n, outputs)."""
        n_dims, y = y.ndim, y.reshape(len(y), -1).astype(np.float64)
        exponent = unit_exponent(np.abs(y).max(axis=0))
        y = np.ldexp(y, -exponent)
        # Relative to the first value, the mean of a constant has no rounding error.
        mean = y[0] + np.average(y - y[0], axis=0, weights=weights)
        if not standardize:
            zeros = np.zeros_like(mean)
            return cls(loss, np.ldexp(mean, exponent), zeros, zeros + 1, n_dims=n_dims)
        std = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))
        scale = nonzero_scale(std, mean)
        constant = scale != std
        scale = np.where(constant, 1.0, np.ldexp(std, exponent))
        mean = np.ldexp(mean, exponent)
        places = tuple(np.flatnonzero(constant).tolist())
        return cls(loss, mean, mean, scale, places, n_dims)

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""
        return len(self.center)

    @property
    def loss_parameters(self) -> tuple[float, ...]:
        """Numbers that the loss depends on besides its name."""
        return ()

    def prepare(self, y: np.ndarray) -> np.ndarray:
        """Return y as float64 (n, n_outputs), after checking the number of outputs."""
        y = y.reshape(len(y), -1).astype(np.float64)
        if y.shape[1] != len(self.center):
            raise ValueError(
                f"y has {y.shape[1]} outputs, but the first fit had {len(self.center)}."
            )
        return y

    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return prepared y standardized, row by row in memory."""
        # A frame with several outputs is stored by column; kernels read by row.
        with np.errstate(over="ignore"):
            standard = y - self.center
            standard = np.ascontiguousarray(np.divide(standard, self.scale, standard))
        if not np.isfinite(standard).all():  # the difference is beyond float64
            standard = np.ascontiguousarray(y / self.scale - self.center / self.scale)
        return standard.astype(dtype, copy=False)

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Return outputs (n, n_outputs) on the scale of y."""
        return output * self.scale + self.center

    def point(self, prediction: np.ndarray) -> np.ndarray:
        """Return one number per output (n, n_outputs) of a decoded prediction."""
        return prediction

    def shaped(self, prediction: np.ndarray) -> np.ndarray:
        """Return a prediction (n, n_outputs, ...) with the dimensions of y in fit."""
        return prediction[:, 0] if self.n_dims == 1 else prediction

    def bands(self, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends (n, n_outputs, n_bands) of the bands under intervals."""
        return prediction[:, :, None], prediction[:, :, None]

    def band_for(self, coverage: float) -> int:
        """Return the index of the band that an interval starts from."""
        return 0

    def stabilized(self, values: np.ndarray) -> np.ndarray:
        """Return values of y on the scale on which errors are compared: that of y."""
        return values

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Return stabilized values on the scale of y."""
        return values

    def linear_target(self, target: np.ndarray) -> np.ndarray:
        """Return what ridge regression predicts (n, n_outputs)."""
        return target.astype(np.float64)

    def linear_factor(self, judged: Judged) -> float:
        """Return the factor that turns predictions of ridge regression into outputs."""
        return 1.0

    def linear_share(self, judged: Judged) -> float:
        """Return the share of the linear part in the output.

        Without outputs of the network it is half of the variance that ridge regression
        explains: the mean of two good models is better than either, the mean of a good
        and a bad one is not.
        """
        linear, network, target, weight = judged
        if network is None:
            return 0.5 * explained(linear, target, weight)
        return cautious_share(network, linear, target, weight)

    def cross_fitted_mix(self, judged: Judged) -> tuple[float, float]:
        """Return a factor for the linear outputs, and their share in the output.

        Where networks and ridge regressions predict other sequences badly, they are
        drawn toward 0, which is the mean of y or the level of the sequence: as one
        network is in the mean, this is a smaller factor and a larger share.
        """
        linear, network, target, weight = judged
        assert network is not None
        own, other = squares_weights(network, linear, target, weight)
        rest = 1.0 - own
        return (other / rest, rest) if rest > 0 else (1.0, 0.0)


@dataclass(frozen=True, eq=False)
class PoissonRegression(Regression):
    """Task of outputs that are never negative, with a log link.

    The output of the network is the logarithm of the mean of y, in units of its mean in
    the training set, so that a network starts at this mean. The spread of counts grows
    with their mean, but hardly that of their square roots (Bartlett 1936): errors are
    compared on that scale, and no interval reaches below 0.
    """

    @classmethod
    def of(
        cls,
        y: np.ndarray,
        weights: np.ndarray | None,
        *,
        standardize: bool,
        loss: LossName = "poisson",
    ) -> PoissonRegression:
        """Learn the weighted mean of ``y (n,)`` or (n, n_outputs)."""
        _check_not_negative(y)
        plain = Regression.fit(y, weights, loss, standardize=standardize)
        mean = plain.without_input
        if not mean.all():
            raise InputError(
                f"loss={loss!r} needs a positive mean of y, but every value of output "
                f"{int(mean.argmin())} is 0. Remove this output, or use another loss."
            )
        unit = mean if standardize else np.ones_like(mean)
        zero = np.zeros_like(mean)
        return cls(loss, mean, zero, unit, plain.constant, plain.n_dims)

    def prepare(self, y: np.ndarray) -> np.ndarray:
        """Return y as float64 (n, n_outputs), after checking that none is negative."""
        y = super().prepare(y)
        _check_not_negative(y)
        return y

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Return the means (n, n_outputs) whose logarithms are the outputs."""
        return np.exp(output) * self.scale

    def stabilized(self, values: np.ndarray) -> np.ndarray:
        """Return the square roots."""
        return np.sqrt(values)

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Return the squares; what is below 0 becomes 0."""
        return np.maximum(values, 0.0) ** 2


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantileRegression(Regression):
    """Task of several quantiles per output, by pinball loss (Koenker & Bassett 1978).

    The network has one output per level, and the outputs for the same output of y are
    adjacent. Decoding sorts them, so that quantiles never cross. Sorting never
    increases the sum of the pinball losses over the levels, for any y: only the product
    of level and quantile depends on which level is matched with which quantile (see
    also Chernozhukov, Fernandez-Val & Galichon 2010). The network keeps its plain
    linear head, and the gradient reaches every output at every optimizer step.
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
        loss: LossName = "quantile",
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
        """Levels (q,) of the outputs, in ascending order."""
        return np.sort(self.given)

    @property
    def columns(self) -> np.ndarray:
        """Position of each given level among the levels of the outputs."""
        return np.searchsorted(self.levels, self.given)

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""
        return len(self.center) * len(self.levels)

    @property
    def loss_parameters(self) -> tuple[float, ...]:
        """Levels in ascending order."""
        return tuple(self.levels.tolist())

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Return quantiles (n, n_outputs, q) on the scale of y, in ascending order."""
        quantiles = output.reshape(len(output), -1, len(self.levels))
        return np.sort(quantiles) * self.scale[:, None] + self.center[:, None]

    def point(self, prediction: np.ndarray) -> np.ndarray:
        """Return the quantile nearest to the median; of two, the lower one."""
        distance = np.abs(self.levels - 0.5).round(9)
        return prediction[:, :, distance.argmin()]

    def bands(self, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return first and last quantile, second and second-to-last, and so on."""
        n_bands = max(1, len(self.given) // 2)
        return prediction[:, :, :n_bands], prediction[:, :, ::-1][:, :, :n_bands]

    def band_for(self, coverage: float) -> int:
        """Return the index of the band whose nominal share is nearest to coverage."""
        lower, upper = self.bands(self.levels[None, None])
        return int(np.abs((upper - lower)[0, 0] - coverage).round(9).argmin())


@dataclass(frozen=True, eq=False)
class Classification:
    """Task of one of several classes, by cross-entropy."""

    classes: np.ndarray  # (n_classes,)
    prior: np.ndarray  # (n_classes,)
    label_smoothing: float
    constant: tuple[int, ...] = ()
    loss: ClassVar[str] = "cross_entropy"
    linear_penalty: ClassVar[float] = 1.0

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

    def linear_target(self, target: np.ndarray) -> np.ndarray:
        """Return what ridge regression predicts (n, n_classes): 1 for the class."""
        return np.eye(self.n_outputs)[target]

    def linear_factor(self, judged: Judged) -> float:
        """Return the factor that turns predictions of ridge regression into logits.

        Predictions that are hardly better than the class frequencies become small
        logits, which change those of the network little.
        """
        return certainty(judged.linear, judged.target, judged.weight)

    def linear_share(self, judged: Judged) -> float:
        """Return the share of the linear part in the logits; 0.5 without a network."""
        linear, network, target, weight = judged
        if network is None:
            return 0.5
        return cross_entropy_share(network, linear, target, weight)


def _check_not_negative(y: np.ndarray) -> None:
    """Raise InputError if a value is negative."""
    bad = (y < 0).reshape(len(y), -1).any(axis=1)
    if bad.any():
        raise InputError(
            f"loss='poisson' needs y of at least 0, but {bad.sum()} of {len(y)} rows "
            f"are negative, the smallest {y.min():g}. Use another loss, such as "
            "loss='squared_error'."
        )


def class_codes(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the position of each label among the sorted classes."""
    codes = np.searchsorted(classes, y)
    codes = np.minimum(codes, len(classes) - 1)
    known = classes[codes] == y
    if not np.all(known):
        new = np.unique(np.asarray(y)[~known]).tolist()
        raise InputError(
            f"y holds classes {new}, but the classes are {classes.tolist()}. "
            "Pass all of them in the first call (partial_fit: classes=)."
        )
    return codes


Task = Regression | Classification
