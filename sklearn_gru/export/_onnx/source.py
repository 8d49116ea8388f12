"""The parts that are exported: an estimator, or the steps of a pipeline."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

import sklearn_gru
from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.tagger import GRUTagger
from sklearn_gru._windows.sliding_window import SlidingWindow
from sklearn_gru.exceptions import ExportError, InputError
from sklearn_gru.export._described import refuse_elapsed
from sklearn_gru.export._onnx.reading import category_values


@dataclass(frozen=True, eq=False)
class Source:
    """The fitted parts of a model.

    Attributes
    ----------
    model : estimator or Pipeline
        What the user passed.
    estimator : GRURegressor or GRUClassifier
        The estimator of sequences.
    window : SlidingWindow or None
        The window in front of it.
    before : list of transformers
        The steps in front of the window.
    """

    model: Any
    estimator: Any
    window: Any = None
    before: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, model: Any) -> Source:
        """Return the parts of a model; raise ExportError if there are others."""
        check_is_fitted(model)
        if isinstance(model, GRUTagger):
            raise ExportError(
                "A GRUTagger answers every row and has no graph. Export a causal "
                "GRUClassifier behind a SlidingWindow, or stream the tagger: "
                "sklearn_gru.live.Stream(model)."
            )
        if isinstance(model, BaseGRU) and not model._writes_texts:
            return cls(model, model)
        if not isinstance(model, Pipeline):
            raise ExportError(
                "to_onnx exports a fitted GRURegressor, GRUClassifier or a Pipeline "
                f"with a SlidingWindow, but this is a {type(model).__name__}. Of a "
                "search, pass best_estimator_; of a TransformedTargetRegressor, its "
                "regressor_, and transform the answers back."
            )
        steps = [step for _, step in model.steps if step not in (None, "passthrough")]
        *others, last = steps
        if not isinstance(last, BaseGRU) or last._writes_texts:
            raise _not_one(type(last).__name__)
        window = others.pop() if others else None
        if window is not None and not isinstance(window, SlidingWindow):
            raise _not_one(type(window).__name__)
        if window is not None:
            refuse_elapsed(window)
        return cls(model, last, window, others)

    @property
    def fitted(self) -> Any:
        """The fitted model inside the estimator."""
        return self.estimator._check_same_network()

    @property
    def is_flat(self) -> bool:
        """Flag that each row of X is a whole series (2-D X without a window)."""
        return self.window is None and self.fitted.encoder.schema.ndim == 2

    @property
    def n_features(self) -> int:
        """Number of columns of X, or of features per step."""
        if self.before:
            return int(self.before[0].n_features_in_)
        if self.window is not None:
            return len(self.window._columns.names)
        return int(self.fitted.encoder.schema.n_features)

    def check_width(self, X: Any) -> None:
        """Raise InputError if X does not have the columns that the graph reads."""
        width, names = X.shape[-1], self.feature_names
        if width != self.n_features:
            raise InputError(
                f"X has {width} columns, but the graph reads {self.n_features}"
                f"{'' if names is None else f': {names}'}. Pass these alone; times and "
                "groups are not among them."
            )

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the columns of X, if fit saw names."""
        if self.before:
            names = getattr(self.before[0], "feature_names_in_", None)
        elif self.window is not None:
            names = self.window._columns.names if self.window._from_frame else None
        else:
            names = self.fitted.encoder.schema.feature_names
        return None if names is None else [str(name) for name in names]

    def metadata(self) -> dict[str, str]:
        """Return what a reader of the file may need to know, as JSON texts."""
        encoder = self.fitted.encoder
        found: dict[str, Any] = {
            "sklearn_gru_version": sklearn_gru.__version__,
            "model": type(self.estimator).__name__,
            "n_features": self.n_features,
            "feature_names": self.feature_names,
        }
        if self.window is not None:
            reach = self.window._fitted.reach
            found["window_size"], found["lag"] = reach.window, reach.lag
            known = self.window._columns.known
            found["known_future"] = np.flatnonzero(known).tolist()
        if len(encoder.categories.columns):
            found["categories"] = {
                str(j): _listed(encoder.categories.categories[j])
                for j in encoder.categories.columns
            }
        levels = getattr(self.fitted.task, "given", None)
        if levels is not None:
            found["quantiles"] = levels.tolist()
        if hasattr(self.estimator, "classes_"):
            found["classes"] = _listed(self.estimator.classes_)
        return {name: json.dumps(value) for name, value in found.items()}


def _listed(values: Any) -> list[Any]:
    """Return labels or categories as JSON can hold them."""
    numbers = category_values(np.asarray(values, dtype=object))
    if numbers is not None:
        return np.asarray(values).tolist()
    return [str(value) for value in values]


def _not_one(name: str) -> ExportError:
    return ExportError(
        f"to_onnx exports pipelines that end with SlidingWindow and GRURegressor or "
        f"GRUClassifier, but {name} stands there. Call "
        "sklearn_gru.export.register_skl2onnx(), then skl2onnx.to_onnx(pipeline, X), "
        "which converts steps of scikit-learn too."
    )
