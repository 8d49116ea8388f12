"""The window inside what the user built."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from sklearn_gru._windows.sliding_window import SlidingWindow


def find_window(estimator: Any) -> SlidingWindow | None:
    """Return the first SlidingWindow among pipeline steps, fitted or not."""
    if isinstance(estimator, SlidingWindow):
        return estimator
    if isinstance(estimator, Pipeline):
        found = (find_window(step) for _, step in estimator.steps)
        return next((window for window in found if window is not None), None)
    for inner in ("best_estimator_", "estimator", "regressor_", "regressor"):
        if hasattr(estimator, inner):
            return find_window(getattr(estimator, inner))
    return None
