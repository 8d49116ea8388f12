"""The network inside what the user fitted, and the X that the network reads."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from sklearn_gru.exceptions import InputError


def unwrapped(estimator: Any, X: Any = None, *, target: bool = True) -> tuple[Any, Any]:
    """Return the last estimator inside searches and pipelines, and X as it reads it.

    With `target` False, stop at a transformer of y: the estimator inside it predicts
    another y.
    """
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif target and hasattr(estimator, "regressor_"):
            estimator = estimator.regressor_
        elif isinstance(estimator, Pipeline):
            if X is not None and len(estimator) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        else:
            return estimator, X


def network_in(estimator: Any, method: str, X: Any = None) -> tuple[Any, Any]:
    """Return the same, for an estimator that must have a method or attribute."""
    found, X = unwrapped(estimator, X)
    if not hasattr(found, method):
        raise InputError(
            f"{type(found).__name__} has no {method}; expected a fitted GRURegressor "
            "or GRUClassifier, or a pipeline or search that ends with one."
        )
    return found, X
