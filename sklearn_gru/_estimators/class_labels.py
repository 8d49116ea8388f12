"""The classes of a classifier: learned, weighted, kept and refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import compute_class_weight

from sklearn_gru._encoding.encoder import Encoder
from sklearn_gru._estimators.fitted import Fitted
from sklearn_gru._model.tasks import Classification, class_codes
from sklearn_gru.exceptions import InvalidParameterError


class ClassesMixin:
    """Hooks of :class:`BaseGRU` for estimators that predict classes."""

    class_weight: Any
    label_smoothing: Any
    classes_: np.ndarray

    def _partial_fit_classes(
        self: Any, X: Any, y: Any, classes: Any, sample_weight: Any
    ) -> Any:
        if self.class_weight == "balanced":
            raise InvalidParameterError(
                "class_weight='balanced' needs all of y, which partial_fit never sees: "
                "pass the weights as a dict."
            )
        return self._partial_fit(X, y, sample_weight, classes)

    def _learn_labels(
        self, before: Fitted | None, y: np.ndarray, classes: Any = None
    ) -> np.ndarray:
        if before is not None:
            return _classes(before)
        learned = np.unique(y if classes is None else classes)
        class_codes(y, learned)
        return learned

    def _make_task(
        self,
        labels: Any,
        data: Any,
        encoder: Encoder,
        continued: int | None,
    ) -> tuple[Classification, None]:
        weights = self._loss_weights(labels, data)
        smoothing = float(self.label_smoothing)
        return Classification.fit(data.y, weights, labels, smoothing), None

    def _loss_weights(self, labels: Any, data: Any) -> np.ndarray | None:
        if self.class_weight is None:
            return data.weights
        codes = class_codes(data.y, labels)
        ones = np.ones(len(codes)) if data.weights is None else data.weights
        if isinstance(self.class_weight, str):
            # scikit-learn's "balanced", with each sequence counted by its weight.
            counts = np.bincount(codes, ones, minlength=len(labels))
            per_class = ones.sum() / (
                np.count_nonzero(counts) * np.maximum(counts, 1e-300)
            )
        else:
            per_class = compute_class_weight(
                self.class_weight, classes=labels, y=labels
            )
        return ones * per_class[codes]

    def _fitted_attributes(self, fitted: Fitted) -> dict[str, Any]:
        parent: Any = super()
        found = parent._fitted_attributes(fitted)
        return {**found, "classes_": _classes(fitted)}


def _classes(fitted: Fitted) -> np.ndarray:
    assert isinstance(fitted.task, Classification)
    return fitted.task.classes
