"""Cheap models on the windows of a pipeline, as a baseline for a network.

Naive forecasts need no model, only the past of the target, which need not be a column
of X. It is looked up as windows are, by group and time: the value `lag` time steps
before a row, or the value a whole number of seasons before, the fewest that are known
by then.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru._encoding.normalizations import last_observed
from sklearn_gru._encoding.schema import InputSchema
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._tables.frames import as_frame, as_list
from sklearn_gru._tables.grid import steps_of
from sklearn_gru._windows.finding import find_window
from sklearn_gru._windows.fitted_grid import FittedGrid
from sklearn_gru.exceptions import InvalidParameterError
from sklearn_gru.windows import SlidingWindow

# Time steps in a season of periods, by their frequency.
_OF_PERIODS = {"h": 24, "D": 7, "B": 5, "W": 52, "M": 12, "Q": 4}


class KnownForecast(RegressorMixin, BaseEstimator):
    """Estimator that predicts its X, and the mean of y where X is missing."""

    def fit(self, X, y):
        self.mean_ = np.mean(y, axis=0)
        return self

    def predict(self, X):
        return np.where(np.isnan(X), self.mean_, X)


def baselines_for(
    estimator: Any, X: Any, y: Any, *, classify: bool, season: Any, chosen: Any
) -> dict[str, tuple[Any, Any]]:
    """Return the model of each baseline and the X that it reads, by name.

    `chosen` is True for all of them, or a list of names.
    """
    models = _all_baselines(estimator, X, y, classify=classify, season=season)
    if chosen is True:
        return models
    wanted = [str(name) for name in as_list(chosen)]
    unknown = [name for name in wanted if name not in models]
    if unknown:
        raise InvalidParameterError(
            f"baselines={wanted}: there is no {', '.join(map(repr, unknown))} here. "
            f"Choose from {', '.join(map(repr, models))}."
        )
    return {name: models[name] for name in wanted}


def _all_baselines(
    estimator: Any, X: Any, y: Any, *, classify: bool, season: Any
) -> dict[str, tuple[Any, Any]]:
    """Return all baselines that the data allow."""
    window = find_window(estimator)
    if window is None:
        steps, flat = [], _flattened(estimator, X)
    else:
        steps, flat = flat_steps(estimator), X
    linear = (SimpleImputer(keep_empty_features=True), StandardScaler())
    if classify:
        logistic = LogisticRegression(max_iter=2000)
        boosting: Any = HistGradientBoostingClassifier(random_state=0)
        return {
            "most frequent": (DummyClassifier(strategy="prior"), np.zeros((len(y), 1))),
            "logistic regression": (make_pipeline(*steps, *linear, logistic), flat),
            "gradient boosting": (make_pipeline(*steps, boosting), flat),
        }
    boosting = HistGradientBoostingRegressor(random_state=0)
    if np.ndim(y) > 1:
        boosting = MultiOutputRegressor(boosting)
    ridge = RidgeCV(np.logspace(-1, 5, 13))
    models: dict[str, tuple[Any, Any]] = {"mean": (DummyRegressor(), np.zeros(len(y)))}
    if window is not None:
        past = naive_forecasts(window, X, y, season)
        models = {name: (KnownForecast(), known) for name, known in past.items()}
    models["ridge"] = make_pipeline(*steps, *linear, ridge), flat
    models["gradient boosting"] = make_pipeline(*steps, boosting), flat
    return models


def flat_steps(estimator: Any) -> list[Any]:
    """Return the pipeline steps before the last one, with flat windows."""
    while not isinstance(estimator, Pipeline):
        estimator = getattr(estimator, "estimator", None) or estimator.regressor
    steps = [clone(step) for _, step in estimator.steps[:-1] if step != "passthrough"]
    for step in steps:
        window = find_window(step)
        if window is not None:
            window.set_params(flatten=True)
    return steps


def _flattened(estimator: Any, X: Any) -> np.ndarray:
    """Return sequences as rows of one width, with NaN before shorter ones."""
    while not hasattr(estimator, "gate_activations"):
        inner = [getattr(estimator, name, None) for name in ("estimator", "regressor")]
        found = next((model for model in inner if model is not None), None)
        if found is None:
            return np.asarray(X, dtype=np.float64)
        estimator = found
    schema = InputSchema(
        type(estimator).__name__,
        estimator.features_per_step,
        estimator.categorical_features,
    )
    cells = np.asarray(schema.learn(X)[1])
    return cells.reshape(len(cells), -1)


# -- naive forecasts


def naive_forecasts(
    window: SlidingWindow, X: Any, y: Any, season: Any
) -> dict[str, np.ndarray]:
    """Return, for every row, forecasts from what was known `lag` time steps before."""
    fitted = clone(window).set_params(flatten=False).fit(X)._fitted
    size, lag = fitted.reach
    target = np.asarray(y, dtype=np.float64)
    target = target[:, None] if target.ndim == 1 else target
    source, later = _sources(y, target)
    cycle = _season_steps(season, fitted)
    # Time steps back from the row: the fewest whole seasons that are known by then.
    back = None
    if cycle is not None:
        back = later + cycle * np.maximum(-(-(lag - later) // cycle), 1)
    longest = size if back is None else int(back.max()) - lag + 1
    past = _past_of(window, X, target, max(longest, size), lag)
    last = last_observed(past)[:, source]
    found = {"last value": last}
    if back is not None:
        at = past.lengths[:, None] - 1 - (back - lag)  # (n, n_outputs)
        rows = np.where(at >= 0, past.starts[:, None] + at, 0)
        values = past.values[rows, source]
        found["seasonal naive"] = np.where(at >= 0, values, np.nan)
    if np.ndim(y) == 1:
        return {name: values[:, 0] for name, values in found.items()}
    return found


def _sources(y: Any, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the column that each output continues, and how much earlier it is.

    The columns of a path (make_targets) are one series: column j is the last column,
    ``n - 1 - j`` time steps earlier. Other outputs continue themselves.
    """
    n = target.shape[1]
    names = [str(name) for name in getattr(y, "columns", [])]
    path = bool(names) and all(
        re.search(rf"(^|_)step_{k}$", name) for k, name in enumerate(names, 1)
    )
    if not names and n > 1 and len(target) > 1:
        path = bool(np.mean(target[1:, :-1] == target[:-1, 1:]) > 0.5)
    if path:
        return np.full(n, n - 1), np.arange(n - 1, -1, -1)
    return np.arange(n), np.zeros(n, dtype=np.int64)


def _past_of(
    window: SlidingWindow, X: Any, target: np.ndarray, size: int, lag: int
) -> Sequences:
    """Return windows over the target alone, with the keys of X."""
    finder = clone(window)
    finder.set_params(window_size=size, lag=lag, known_future=None, flatten=False)
    frame = as_frame(X)
    if frame is None:
        table: Any = np.column_stack([np.asarray(X, dtype=np.float64), target])
    else:
        added = {f"__target_{j}": column for j, column in enumerate(target.T)}
        table = pd.concat([frame, pd.DataFrame(added, index=frame.index)], axis=1)
    windows = finder.fit_transform(table)
    if not isinstance(windows, Sequences):
        windows = Sequences.from_array(windows)
    values = windows.values[:, -target.shape[1] :]
    return Sequences(values, windows.starts, windows.lengths)


def _season_steps(season: Any, fitted: FittedGrid) -> int | None:
    """Return the number of time steps in a season, or None if it is unknown."""
    if season is None:
        return None
    if isinstance(season, str) and season == "infer":
        return _usual_season(fitted.freq, fitted.axis.period)
    return steps_of(season, fitted.grid, "season")


def _usual_season(freq: Any, period: str | None) -> int | None:
    """Return the steps in a day, a week or a year: the next one above the step."""
    if period is not None:
        return _OF_PERIODS.get(period.partition("-")[0]) if freq == 1 else None
    if isinstance(freq, pd.offsets.BusinessDay):
        return 5
    named = getattr(freq, "kwds", {})
    if "months" in named:
        return 12 // named["months"] if 12 % named["months"] == 0 else None
    if "days" in named:
        freq = pd.Timedelta(days=named["days"])
    if not isinstance(freq, pd.Timedelta):
        return None
    day = pd.Timedelta(days=1)
    if freq < day:
        return int(day / freq) if day % freq == pd.Timedelta(0) else None
    return {day: 7, 7 * day: 52}.get(freq)
