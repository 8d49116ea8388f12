"""The result of a fit: one object, assigned at the end.

If a refit fails before the end, the old object stays in place unchanged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from sklearn_gru._encoding.encoder import Encoder
from sklearn_gru._encoding.normalizations import Continuation
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.targets import TrainingData
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.torch.device import torch_threads
from sklearn_gru._engines.torch.net import SequenceNet
from sklearn_gru._engines.training import outputs
from sklearn_gru._estimators.conformal import Calibration
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.linear import LinearPart
from sklearn_gru._model.mixing import Mix
from sklearn_gru._model.streamed import MOST, Streamed
from sklearn_gru._model.tasks import Task
from sklearn_gru._support.numbers import mean_of
from sklearn_gru._support.on_disk import is_on_disk


class Prediction(NamedTuple):
    """Decoded predictions, one row per sequence, and a mask of sequences with input."""

    values: np.ndarray
    observed: np.ndarray


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model, from X to predictions.

    Attributes
    ----------
    encoder : Encoder
        Encoder of X into the arrays that the network reads.
    task : Regression, QuantileRegression or Classification
        Encoder of y for the loss, and decoder of outputs into predictions.
    continuation : Continuation or None
        Relation of y to the channel of X that it continues.
    nets : tuple of SequenceNet
        The networks and their training. Predictions are means over them.
    calibrations : pair of Calibration, or None
        Errors on the validation set: those of the network, and those of the constant
        prediction for sequences without input.
    best_epochs : tuple of int or None
        Epoch whose weights each network kept; None without early stopping.
    linear : LinearPart or None
        Linear model that is mixed with each network.
    mix : Mix or None
        Recipe of the linear part, also for further fits without a validation set.
    """

    encoder: Encoder
    task: Task
    continuation: Continuation | None
    nets: tuple[SequenceNet, ...]
    calibrations: tuple[Calibration, Calibration] | None = None
    best_epochs: tuple[int | None, ...] = ()
    linear: LinearPart | None = None
    mix: Mix | None = None

    streams: ClassVar[bool] = True  # rows in a file, part by part

    @property
    def net(self) -> SequenceNet:
        """The first network."""
        return self.nets[0]

    @property
    def dtype(self) -> np.dtype:
        """Dtype that the network computes in."""
        return _dtype(self.net.module_.head.weight.dtype)

    def recode(self, data: TrainingData) -> TrainingData:
        """Return training data in the codes of the first fit."""
        return self.encoder.recode(data)

    def predict(self, X: Any) -> Prediction:
        """Return the predictions of the task, in the float dtype of X."""
        found, chosen, observed = self.run(X, self.outputs)
        if len(chosen) == len(observed):
            values = self.mean(found, chosen)
        else:
            values = np.empty((len(observed), *self.task.without_input.shape))
            values[:] = self.task.without_input
            if found:
                values[observed] = self.mean(found, chosen)
        return Prediction(values.astype(chosen.dtype, copy=False), observed)

    def run(
        self, X: Any, compute: Callable[[Any, int], list[np.ndarray]]
    ) -> tuple[list[np.ndarray], Sequences, np.ndarray]:
        """Return what is computed of the sequences with input, these, and their mask.

        `compute` gets encoded sequences and a number of threads. It is not called
        without any sequence: the list is empty then.
        """
        sequences = self.encoder.condense(self.encoder.read(X))
        observed = sequences.lengths > 0
        n_observed = np.count_nonzero(observed)
        chosen = sequences if n_observed == len(observed) else sequences[observed]
        if not len(chosen):
            return [], chosen, observed
        self.encoder.warn_unseen(sequences)
        with torch_threads(1) as threads:
            found = compute(self._encoded(sequences, chosen), threads)
        return found, chosen, observed

    def _encoded(self, sequences: Sequences, chosen: Sequences) -> Encoded | Streamed:
        """Return some of the sequences encoded, part by part for rows in a file."""
        if is_on_disk(sequences.values):
            return Streamed(chosen, self._encode)
        begin = None if self.net.engine_ == "torch" else kernels.standardize
        rows = self.encoder.rows(sequences, self.dtype, begin=begin)
        return self.encoder.encode(chosen, rows)

    def _encode(
        self,
        sequences: Sequences,
        target: np.ndarray | None,
        weight: np.ndarray | None,
    ) -> Encoded:
        """Return a part of the sequences, a copy of their own, encoded."""
        rows = self.encoder.rows(sequences, self.dtype, overwrite=True)
        return self.encoder.encode(sequences, rows, target, weight)

    def outputs(self, encoded: Any, threads: int) -> list[np.ndarray]:
        """Return the outputs (n, n_outputs) of each net, mixed with the linear part."""
        return self.mixed(self.of_networks(encoded, threads), encoded)

    def of_networks(self, encoded: Any, threads: int) -> list[np.ndarray]:
        """Return the outputs (n, n_outputs) of each net."""
        return [outputs(net, encoded, threads) for net in self.nets]

    def mixed(self, found: list[np.ndarray], encoded: Any) -> list[np.ndarray]:
        """Return the outputs of nets mixed with the linear part."""
        if self.linear is None:
            return found
        linear = self.linear.outputs(encoded)
        return [self.linear.mixed(output, linear) for output in found]

    def mean(self, found: list[np.ndarray], sequences: Sequences) -> np.ndarray:
        """Return the mean of the decoded outputs of several nets."""
        return mean_of([self.decode(output, sequences) for output in found])

    def decode(self, output: np.ndarray, sequences: Sequences) -> np.ndarray:
        """Return the outputs of sequences on the scale of y."""
        y = self.task.decode(output)
        return y if self.continuation is None else self.continuation.add(y, sequences)

    def training_pair(
        self,
        training: TrainingData,
        training_weights: np.ndarray | None,
        validation: TrainingData | None,
        validation_weights: np.ndarray | None,
    ) -> tuple[Any, Any]:
        """Return the encoded training and validation sets, sharing rows if possible."""
        if self._is_streamed(training.sequences):
            held = None
            if validation is not None:
                held = self._streamed(validation, validation_weights)
            return self._streamed(training, training_weights), held
        rows = self.encoder.rows(training.sequences, self.dtype)
        encoded = self._with_target(training, training_weights, rows)
        if validation is None:
            return encoded, None
        known = training, encoded
        return encoded, self.encoded_beside(validation, validation_weights, known)

    def encoded_beside(
        self,
        data: TrainingData,
        weights: np.ndarray | None,
        other: tuple[TrainingData, Any],
    ) -> Any:
        """Return encoded sequences, sharing the rows of other ones if possible."""
        if self._is_streamed(data.sequences):
            return self._streamed(data, weights)
        known, encoded = other
        if data.sequences.values is known.sequences.values:
            rows = encoded.rows
        else:
            rows = self.encoder.rows(data.sequences, self.dtype)
        return self._with_target(data, weights, rows)

    def _is_streamed(self, sequences: Sequences) -> bool:
        """Tell whether to encode a training set part by part.

        Encoded as a whole, the rows would be in memory twice. A GPU keeps them there.
        """
        if not self.streams:
            return False
        device = self.net.module_.head.weight.device.type
        is_large = len(sequences) > MOST and device == "cpu"
        return is_large or is_on_disk(sequences.values)

    def _with_target(
        self, data: TrainingData, weights: np.ndarray | None, rows: np.ndarray
    ) -> Encoded:
        target, weight = self._target(data, weights)
        return self.encoder.encode(data.sequences, rows, target, weight)

    def _streamed(self, data: TrainingData, weights: np.ndarray | None) -> Streamed:
        return Streamed(data.sequences, self._encode, *self._target(data, weights))

    def _target(
        self, data: TrainingData, weights: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the encoded target, and loss weights with mean 1."""
        y, weights = relative_target(
            self.task.prepare(data.y), weights, data.sequences, self.continuation
        )
        weight = None if weights is None else weights.astype(self.dtype)
        return self.task.encode(y, self.dtype), weight


@functools.cache
def _dtype(of_tensors: torch.dtype) -> np.dtype:
    """Return the dtype of arrays that a dtype of tensors corresponds to."""
    return np.dtype(str(of_tensors).removeprefix("torch."))


def relative_target(
    y: np.ndarray,
    weights: np.ndarray | None,
    sequences: Sequences,
    continuation: Continuation | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return y relative to the channel it continues, and loss weights with mean 1."""
    if weights is not None:
        weights = weights / weights.mean()
    if continuation is None:
        return y, weights
    shift, scale = continuation.levels(sequences)
    return (y - shift) / scale, weights
