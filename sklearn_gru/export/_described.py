"""The description of a fitted model for exporters: numbers, names and arrays.

The description is that of the portable file (:mod:`sklearn_gru.export.gru_portable`):
what can be written there can be written as C too. A part that has no description is
refused here, with the reason and what would have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

import sklearn_gru
from sklearn_gru._encoding.normalizations import LEAST_SCALE
from sklearn_gru._engines.torch.recurrent import layer_weights
from sklearn_gru._estimators.classifier import GRUClassifier
from sklearn_gru._estimators.fitted import Fitted
from sklearn_gru._estimators.regressor import GRURegressor
from sklearn_gru._live.before import Before, Operation
from sklearn_gru._model.tasks import (
    Classification,
    PoissonRegression,
    QuantileRegression,
    Regression,
)
from sklearn_gru._windows.sliding_window import SlidingWindow
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export.gru_portable import CELLS, POOLINGS

_TASKS = {
    Regression: "regression",
    PoissonRegression: "poisson",
    QuantileRegression: "quantiles",
    Classification: "classification",
}
_FORMS = ("last", "standard", None)  # normalizations that readers know

# Types of labels and categories that JSON keeps.
_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, eq=False)
class Described:
    """A fitted model as an exporter reads it.

    Attributes
    ----------
    about : dict
        Names and numbers, as they are written into ``model.json``.
    arrays : dict of ndarray
        Arrays by the names of ``gru_portable.expected_arrays``.
    estimator : GRURegressor or GRUClassifier
        The estimator, for comparison.
    window : SlidingWindow or None
        The window in front of it.
    before : list of transformers
        The steps in front of the window.
    model : estimator or Pipeline
        What was given.
    """

    about: dict[str, Any]
    arrays: dict[str, np.ndarray]
    estimator: Any
    window: SlidingWindow | None
    before: list[Any]
    model: Any


def describe(model: Any) -> Described:
    """Return the description of a fitted estimator or pipeline.

    Raises
    ------
    ExportError
        A part of the model cannot be described.
    """
    before, window, estimator = _parts(model)
    fitted = estimator._check_same_network()
    about, arrays = _described_estimator(fitted)
    about["made_by"] = {
        "sklearn_gru": sklearn_gru.__version__,
        "model": type(estimator).__name__,
        "numpy": np.__version__,
        "torch": torch.__version__,
    }
    if window is not None:
        about |= _described_window(window)
    about["before"] = []
    for name, vector in _described_before(before, about):
        arrays[f"before.{len(about['before'])}"] = np.asarray(vector, np.float64)
        about["before"].append(name)
    return Described(about, arrays, estimator, window, before, model)


# -- the parts of a model --------------------------------------------------------------


def _parts(model: Any) -> tuple[list[Any], SlidingWindow | None, Any]:
    """Return the steps before the window, the window, and the estimator."""
    if isinstance(model, (GRURegressor, GRUClassifier)):
        check_is_fitted(model)
        return [], None, model
    if not isinstance(model, Pipeline):
        raise ExportError(
            f"A {type(model).__name__} cannot be exported; expected a fitted "
            "GRURegressor, GRUClassifier or a Pipeline of SlidingWindow and one of "
            "them. Of a search, pass best_estimator_; of a "
            "TransformedTargetRegressor, pass regressor_ and map its answers back."
        )
    check_is_fitted(model)
    steps = [step for _, step in model.steps if step not in (None, "passthrough")]
    names = [type(step).__name__ for step in steps]
    *others, estimator = steps
    if not isinstance(estimator, (GRURegressor, GRUClassifier)):
        raise ExportError(
            f"The pipeline has the steps {names}; expected GRURegressor or "
            "GRUClassifier as the last."
        )
    if not others:
        return [], None, estimator
    if not isinstance(others[-1], SlidingWindow):
        raise ExportError(
            f"The pipeline has the steps {names}; expected SlidingWindow before the "
            f"estimator. Export the last step alone, pipeline[-1], and give it what "
            f"{names[-2]} returns."
        )
    return others[:-1], others[-1], estimator


def refuse_elapsed(window: SlidingWindow) -> None:
    """Refuse columns that an exported model cannot compute."""
    if window.add_elapsed:
        raise ExportError(
            f"SlidingWindow(add_elapsed={window.add_elapsed!r}) computes columns from "
            "times, which stay with the caller of an exported model. Compute the "
            "column yourself and fit with add_elapsed=False, or export the estimator "
            "alone, pipeline[-1], and give it whole windows."
        )


def _described_window(window: SlidingWindow) -> dict[str, Any]:
    columns, reach = window._columns, window._fitted.reach
    if window.flatten:
        raise ExportError(
            "SlidingWindow(flatten=True) makes flat rows, of which each is a series. "
            "Fit with flatten=False, which gives the estimator the same windows."
        )
    refuse_elapsed(window)
    found: dict[str, Any] = {
        "window": {
            "size": int(reach.window),
            "lag": int(reach.lag),
            "known": np.flatnonzero(columns.known).tolist(),
        },
        "reads_keys": window._fitted.axis.kind != "row" or window._from_frame,
    }
    if window._from_frame:
        found["feature_names"] = [str(name) for name in columns.names]
    return found


def _described_before(steps: list[Any], about: dict[str, Any]) -> list[Operation]:
    """Return the operations of the steps before the window, in their order."""
    if not steps:
        return []
    names, n = [type(step).__name__ for step in steps], about["n_features"]
    before = Before(steps)
    if before.operations is None:
        raise ExportError(
            f"The steps {names} before the window have no exported form; those of "
            "StandardScaler, RobustScaler, MaxAbsScaler, MinMaxScaler without clip, "
            "and SimpleImputer of NaN without indicators have one. Use these, or "
            f"export pipeline[{len(steps)}:] and transform the rows yourself."
        )
    if before.n_columns != n or any(values for values in about["categories"] or []):
        raise ExportError(
            f"The steps {names} before the window read {before.n_columns} columns, "
            f"but the network reads {n} features, of which some may be categories. "
            "Keys and categories stay outside: leave the scaler out (the estimator "
            "standardizes), or export the estimator alone, pipeline[-1]."
        )
    if before.names is not None:
        about["feature_names"] = [str(name) for name in before.names]
    return before.operations


# -- the estimator ---------------------------------------------------------------------


def _described_estimator(
    fitted: Fitted,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    encoder, task, nets = fitted.encoder, fitted.task, fitted.nets
    spec, schema, known = nets[0].module_.spec, encoder.schema, encoder.standardizer
    _check_known(spec, task)
    arrays = {"input.mean": known.mean, "input.scale": known.scale}
    if encoder.differences is not None:
        for key in ("unit", "mean", "scale"):
            arrays[f"differences.{key}"] = getattr(encoder.differences, key)
    arrays["task.empty"] = task.without_input
    if not isinstance(task, Classification):
        arrays["task.center"], arrays["task.scale"] = task.center, task.scale
    if fitted.linear is not None:
        arrays["linear.coef"] = fitted.linear.coef
        arrays["linear.intercept"] = fitted.linear.intercept
    for m, net in enumerate(nets):
        arrays |= {f"net{m}.{k}": a for k, a in _network_arrays(net.module_).items()}
    n_features, names = len(known.mean), schema.feature_names
    per_row = schema.ndim == 2
    classes = getattr(task, "classes", None)
    levels = getattr(task, "given", None)
    normalizer = encoder.normalizer
    about = {
        "format": 1,
        "task": _TASKS[type(task)],
        "computes": str(fitted.dtype),
        "weights": "float32",
        "networks": len(nets),
        "network": _described_network(spec),
        "n_features": n_features,
        "feature_names": None if names is None else [str(name) for name in names],
        "per_row": per_row,
        "n_columns": int(schema.n_features) if per_row else n_features,
        "marked": known.marked.tolist(),
        "categories": _described_categories(encoder.categories),
        "normalization": None if normalizer is None else normalizer.kind,
        "precision": 0.0 if normalizer is None else float(normalizer.precision),
        "continuation": _described_continuation(fitted.continuation),
        "linear": _described_linear(fitted.linear),
        "n_targets": len(task.without_input),
        "single": getattr(task, "n_dims", 2) == 1,
        "levels": None if levels is None else levels.tolist(),
        "classes": None if classes is None else plain(classes, "The classes"),
        "window": None,
        "reads_keys": False,
    }
    return about, arrays


def _described_network(spec: Any) -> dict[str, Any]:
    return {
        "cell": spec.cell,
        "n_inputs": int(spec.n_inputs),
        "hidden_size": int(spec.hidden_size),
        "num_layers": int(spec.num_layers),
        "bidirectional": bool(spec.bidirectional),
        "pooling": spec.pooling,
        "n_outputs": int(spec.n_outputs),
        "segment_length": int(spec.segment_length),
        "conv_filters": [int(width) for width in spec.conv_filters],
        "embeddings": [[int(n), int(width)] for n, width in spec.embeddings],
        "differences": bool(spec.differences),
    }


def _described_categories(table: Any) -> list[Any] | None:
    if not len(table.columns):
        return None
    return [
        None if values is None else plain(values, f"The categories of feature {j}")
        for j, values in enumerate(table.categories)
    ]


def _described_linear(part: Any) -> dict[str, Any] | None:
    if part is None:
        return None
    return {
        "n_steps": int(part.n_steps),
        "n_columns": int(part.n_columns),
        "share": float(part.share),
    }


def _described_continuation(rule: Any) -> dict[str, Any] | None:
    if rule is None:
        return None
    return {
        "column": int(rule.column),
        "shift": float(rule.shift),
        "scale": float(rule.scale),
        "least": float(LEAST_SCALE * rule.scale),
    }


def plain(values: Any, what: str) -> list[Any]:
    """Return labels as JSON keeps them; raise ExportError for others."""
    found = list(np.asarray(values, dtype=object).tolist())
    found = [v.item() if isinstance(v, np.generic) else v for v in found]
    other = [value for value in found if type(value) not in _PLAIN]
    if other:
        raise ExportError(
            f"{what} hold {other[0]!r}, a {type(other[0]).__name__}; text, numbers and "
            "booleans can be exported. Fit on their text, such as y.astype(str)."
        )
    return found


def _check_known(spec: Any, task: Any) -> None:
    """Refuse what was added to a registry: a reader knows only the equations it has."""
    for kind, name, known in (
        ("cell", spec.cell, CELLS),
        ("pooling", spec.pooling, POOLINGS),
        ("normalization", spec.normalization, _FORMS),
    ):
        if name not in known:
            raise ExportError(
                f"{kind}={name!r} has no exported form; expected one of "
                f"{', '.join(map(repr, known))}."
            )
    if type(task) not in _TASKS:
        raise ExportError(f"The task {type(task).__name__} has no exported form.")


def _network_arrays(module: Any) -> dict[str, np.ndarray]:
    """Return the weights of a network by the names of the file."""
    found: dict[str, Any] = {}
    for k, directions in enumerate(module.recurrent.layers):
        for d, layer in enumerate(directions):
            for name, weight in layer_weights(layer).items():
                found[f"layer{k}.{d}.{name}"] = weight
    for name, weight in module.pooling.named_parameters():
        found[f"pooling.{name}"] = weight
    if module.convolution is not None:
        layers = zip(module.convolution.layers, module.convolution.norms, strict=True)
        for k, (layer, norm) in enumerate(layers):
            factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            found[f"conv{k}.weight"] = layer.weight
            found[f"conv{k}.factor"] = factor
            found[f"conv{k}.shift"] = norm.bias - norm.running_mean * factor
    found["head.weight"], found["head.bias"] = module.head.weight, module.head.bias
    if module.embedding is not None:
        for k, table in enumerate(module.embedding.tables):
            found[f"embedding{k}"] = table.weight
    return {name: w.detach().cpu().numpy().copy() for name, w in found.items()}
