"""Answers of a model: from the outputs of a stepper to what a method returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklearn_gru._engines.stepping import versions_of
from sklearn_gru._estimators.fitted import Prediction
from sklearn_gru._estimators.outliers import GRUOutlierDetector
from sklearn_gru._model.stepping import Scales
from sklearn_gru._model.tasks import Regression
from sklearn_gru._support.numbers import mean_of
from sklearn_gru.exceptions import StreamError

METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "predict_quantiles",
    "predict_interval",
    "decision_function",
    "score_samples",
)


def check_method(model: Any, method: str) -> None:
    """Refuse a method that the model does not have."""
    if method not in METHODS or not hasattr(model, method):
        have = [name for name in METHODS if hasattr(model, name)]
        raise StreamError(
            f"method={method!r} is not one that this {type(model).__name__} answers "
            f"with; expected one of {', '.join(map(repr, have))}."
        )


def weights_of(model: Any) -> Any:
    """Return numbers that change when the weights of a model do; None without a net."""
    if isinstance(model, GRUOutlierDetector):
        model = model.regressor_
    return versions_of(model.nets_) if hasattr(model, "nets_") else None


class Answers:
    """The answers of one method of a fitted estimator.

    Attributes
    ----------
    scales : Scales
        For the stepper. A plain regression is decoded there, all else by the task.
    is_plain : bool
        Whether the outputs of the stepper are the prediction.
    is_single : bool
        Whether, besides, the prediction is a number.
    is_direct : bool
        Whether, besides, there is one network, whose output it is.
    """

    def __init__(self, estimator: Any, method: str) -> None:
        fitted = estimator._fitted
        task, known = fitted.task, fitted.encoder.standardizer
        self.is_plain = type(task) is Regression and method == "predict"
        n = task.n_outputs
        self.scales = Scales(
            known.mean,
            known.scale,
            known.marked,
            known.embedded,
            task.center if self.is_plain else np.zeros(n),
            task.scale if self.is_plain else np.ones(n),
        )
        self._task = task
        self._method = getattr(estimator, method)
        self.is_single = self.is_plain and task.n_dims == 1
        self._n_nets = len(fitted.nets)
        self.is_direct = self.is_single and self._n_nets == 1

    def one(self, out: np.ndarray, found: int) -> Any:
        """Return the answer of outputs (n_nets * n_outputs,) after `found` steps."""
        if self.is_direct and found:
            return out[0]
        if not self.is_plain:
            return self.many(out[None], np.array([found]))[0]
        values = mean_of(self._each(out)) if found else self._task.without_input
        return values[0] if self.is_single else values.copy()

    def many(self, out: np.ndarray, found: np.ndarray) -> Any:
        """Return the answers of outputs (n, n_nets * n_outputs)."""
        seen = found > 0
        empty = self._task.without_input
        if self.is_plain:
            values = mean_of(self._each(out))
            if not seen.all():
                values = np.where(seen[:, None], values, empty)
            return values[:, 0] if self.is_single else values
        values = np.empty((len(out), *empty.shape))
        values[~seen] = empty
        if seen.any():
            each = self._each(out[seen])
            values[seen] = mean_of([self._task.decode(output) for output in each])
        return self._method(Prediction(values, seen))

    def _each(self, out: np.ndarray) -> list[np.ndarray]:
        """Return the outputs of each network."""
        return [out] if self._n_nets == 1 else np.split(out, self._n_nets, axis=-1)
