"""Forecasts of the past, as they would have been made then: :func:`backtest`.

scikit-learn's ``cross_val_predict`` needs test sets that cover all rows, which splits
by time never do. Here the forecasts of all test sets come in one table, with the time
they are for and the time they were made at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import check_consistent_length

from sklearn_gru._encoding.layouts import take
from sklearn_gru._support.progress import ProgressLine
from sklearn_gru._support.rules import Boolean, check_value
from sklearn_gru._tables.axis import Axis, Keys
from sklearn_gru._tables.keys import NO_GROUP, keys_of
from sklearn_gru._tables.refused import refuse_targets
from sklearn_gru._windows.finding import find_window
from sklearn_gru._windows.fitted_grid import FittedGrid
from sklearn_gru.exceptions import InputError
from sklearn_gru.model_selection._splits import splits_of


def backtest(
    estimator,
    X,
    y,
    *,
    cv=None,
    refit=True,
    coverage=None,
    params=None,
    n_jobs=None,
    verbose=0,
    return_estimator=False,
):
    """Return the forecasts that a model would have made of past rows.

    Parameters
    ----------
    estimator : regressor with a SlidingWindow
        Such as ``make_pipeline(SlidingWindow(24, lag=6), GRURegressor())``. It is
        cloned.
    X : DataFrame or array-like of shape (n_rows, n_columns)
        Rows, as for ``fit``.
    y : array-like of shape (n_rows,) or (n_rows, horizon)
        Target; several columns are a path of
        :func:`~sklearn_gru.make_targets`.
    cv : int, splitter or iterable of splits, default=None
        A number of splits (None is 5) means
        :class:`~sklearn_gru.model_selection.PanelTimeSeriesSplit` for rows with times,
        and TimeSeriesSplit for others.
    refit : bool, default=True
        Whether to train before each test set. False trains on the first training set
        alone; later windows still contain all rows before their own.
    coverage : float, default=None
        Also return the ends of the interval, through ``predict(X, coverage=...)``.
    params : dict, default=None
        Parameters for ``fit``. Those with one value per row are split like X.
    n_jobs : int, default=None
        Number of fits to run in parallel, through joblib.
    verbose : int, default=0
        If greater than 0, show a progress line in a terminal or a notebook.
    return_estimator : bool, default=False
        Whether to return the fitted models as well.

    Returns
    -------
    forecasts : DataFrame
        One row per forecast, in the order of the splits and of the rows of X, with the
        columns

        * ``split``: number of the test set, from 0;
        * ``group``: label of the series; no such column for a single series;
        * ``origin``: time of the newest row that the forecast was made from, `lag` time
          steps before the row (missing before the first row of irregular times);
        * ``horizon``: time steps from there to the time it is for;
        * ``time``: the time it is for; the number of the row if X has no times;
        * ``row``: position in X of the row that was predicted;
        * ``truth``, ``prediction``: the observed and the predicted value;
        * ``low``, ``high``: ends of the interval, with `coverage`.
    estimators : list of estimators
        The model of each test set, only with ``return_estimator=True``.

    Raises
    ------
    InputError
        The model has no window, or y has other outputs than one path.

    See Also
    --------
    sklearn_gru.inspection.BacktestDisplay : The errors by horizon or by group.
    sklearn_gru.inspection.compare : Scores of several models and of baselines.

    Notes
    -----
    With paths, the last training rows overlap with the first ``horizon - 1`` test rows;
    ``cv=PanelTimeSeriesSplit(gap=horizon - 1)`` leaves them out.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRURegressor, SlidingWindow, datasets
    >>> from sklearn_gru.model_selection import backtest
    >>> X, y = datasets.load_airline(return_X_y=True)
    >>> gru = GRURegressor(8, normalization="last", target_feature=0, max_iter=5,
    ...                    random_state=0)
    >>> model = make_pipeline(SlidingWindow(12, lag=3), gru)
    >>> forecasts = backtest(model, X, y, cv=3)
    >>> forecasts[["split", "origin", "horizon", "time", "truth"]].head(2)
       split     origin  horizon       time  truth
    0      0 1951-10-01        3 1952-01-01  171.0
    1      0 1951-11-01        3 1952-02-01  180.0
    >>> error = (forecasts["prediction"] - forecasts["truth"]).abs()
    >>> error.groupby(forecasts["split"]).mean().shape
    (3,)
    """
    check_value("backtest", "refit", refit, [Boolean()])
    if is_classifier(estimator):
        raise InputError(
            f"{type(estimator).__name__} predicts classes, but backtest makes a table "
            "of numbers. Loop over cv.split(X), or score with cross_validate."
        )
    window = find_window(estimator)
    if window is None:
        raise InputError(
            f"{type(estimator).__name__} has no SlidingWindow, so its predictions have "
            "no origin in time. Put one in front: make_pipeline(SlidingWindow(24, "
            "lag=1), ...); for sequences, use cross_validate of scikit-learn."
        )
    refuse_targets(y)
    check_consistent_length(X, y)
    keys = keys_of(X, window.time, window.groups)
    splits = list(splits_of(cv, X, y, window, keys, classify=False))
    job = _Job(estimator, X, y, dict(params or {}), coverage)
    runs = _run(job, splits, refit, n_jobs, verbose)
    truth = np.asarray(y, dtype=np.float64)
    parts = [
        _table(number, test, run, truth, keys, coverage)
        for number, ((_, test), run) in enumerate(zip(splits, runs, strict=True))
    ]
    forecasts = pd.concat(parts, ignore_index=True)
    if not return_estimator:
        return forecasts
    return forecasts, [run.model for run in runs]


class _Job(NamedTuple):
    """The arguments of a backtest that every split needs."""

    estimator: Any
    X: Any
    y: Any
    params: dict[str, Any]
    coverage: float | None


class _Run(NamedTuple):
    """A fitted model and its predictions of one test set."""

    model: Any
    predictions: np.ndarray


# -- fits and predictions


def _run(
    job: _Job, splits: list[Any], refit: bool, n_jobs: int | None, verbose: int
) -> list[_Run]:
    """Return the run of each split."""
    line = ProgressLine(len(splits), "backtest", "split", shown=verbose > 0)
    runs = []
    try:
        if refit:
            pending = Parallel(n_jobs=n_jobs, return_as="generator")(
                delayed(_refitted)(job, *split) for split in splits
            )
        else:
            pending = _fitted_once(job, splits)
        for run in pending:
            runs.append(run)
            line.step()
    finally:
        line.close()
    return runs


def _refitted(job: _Job, train: np.ndarray, test: np.ndarray) -> _Run:
    model = _fitted(job, train)
    return _Run(model, _predictions(model, job, test))


def _fitted_once(job: _Job, splits: list[Any]) -> Any:
    """Generate the runs of one model, whose windows see the rows before their own."""
    first = splits[0][0]
    model = _fitted(job, first)
    for train, test in splits:
        rows = np.union1d(np.setdiff1d(train, first), test)
        found = _predictions(model, job, rows)
        yield _Run(model, found[np.searchsorted(rows, test)])


def _fitted(job: _Job, train: np.ndarray) -> Any:
    n = len(job.y)
    params = {name: _part(value, train, n) for name, value in job.params.items()}
    model = clone(job.estimator)
    return model.fit(take(job.X, train), _rows(job.y, train), **params)


def _part(value: Any, rows: np.ndarray, n: int) -> Any:
    """Return some rows of a fit parameter that has one value per row."""
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__len__"):
        return value
    return _rows(value, rows) if len(value) == n else value


def _rows(values: Any, rows: np.ndarray) -> Any:
    """Return some entries of y or of weights."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    return np.asarray(values)[rows]


def _predictions(model: Any, job: _Job, rows: np.ndarray) -> np.ndarray:
    about = {} if job.coverage is None else {"coverage": job.coverage}
    return np.asarray(model.predict(take(job.X, rows), **about))


# -- the table


def _table(
    number: int,
    test: np.ndarray,
    run: _Run,
    truth: np.ndarray,
    keys: Keys | None,
    coverage: float | None,
) -> pd.DataFrame:
    """Return the forecasts of one test set, a row per forecast."""
    found = run.predictions if coverage is not None else run.predictions[..., None]
    found = found.reshape(len(test), -1, found.shape[-1])  # (n, outputs, columns)
    n_outputs = found.shape[1]
    fitted = _fitted_grid(run.model)
    before = np.arange(n_outputs)[::-1]  # time steps from each output to the row
    horizon = fitted.reach.lag - before
    if n_outputs > 1 and horizon[0] < 1:
        raise InputError(
            f"y has {n_outputs} columns, but lag={fitted.reach.lag}: they are not the "
            "path that ends at each row. For a path use make_targets(X, y, horizon) "
            "and SlidingWindow(lag=horizon); for several targets call backtest per "
            "target."
        )
    line = _Line.of(keys, len(truth))
    origin = line.back(test, np.full(len(test), fitted.reach.lag), fitted)
    each = np.repeat(test, n_outputs)
    columns: dict[str, Any] = {"split": number}
    if keys is not None and keys.labels != [NO_GROUP]:
        labels = pd.Series(keys.labels, dtype=None)
        columns["group"] = labels.take(keys.codes[each]).array
    columns["origin"] = origin.repeat(n_outputs)
    columns["horizon"] = np.tile(horizon, len(test))
    columns["time"] = line.back(each, np.tile(before, len(test)), fitted)
    columns["row"] = each
    columns["truth"] = truth.reshape(len(truth), -1)[test].ravel()
    columns["prediction"] = found[:, :, found.shape[2] // 2].ravel()
    if coverage is not None:
        columns["low"], columns["high"] = found[:, :, 0].ravel(), found[:, :, 2].ravel()
    return pd.DataFrame(columns, index=pd.RangeIndex(len(each)))


def _fitted_grid(model: Any) -> FittedGrid:
    window = find_window(model)
    assert window is not None
    return window._fitted


class _Line(NamedTuple):
    """All rows of X in order of group and time, to step back along."""

    time: np.ndarray
    axis: Axis
    codes: np.ndarray
    order: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, keys: Keys | None, n: int) -> _Line:
        time = np.arange(n) if keys is None else keys.time
        codes = np.zeros(n, dtype=np.int64) if keys is None else keys.codes
        axis = Axis("row") if keys is None else keys.axis
        order = np.lexsort((time, codes))
        place = np.empty(n, dtype=np.int64)
        place[order] = np.arange(n)
        return cls(time, axis, codes, order, place)

    def back(self, rows: np.ndarray, steps: np.ndarray, fitted: FittedGrid) -> Any:
        """Return the times some steps before rows, as X writes them."""
        if fitted.grid is not None:
            return self.axis.written(fitted.grid.advance(self.time[rows], -steps))
        at = self.place[rows] - steps
        earlier = self.order[np.maximum(at, 0)]
        known = (at >= 0) & (self.codes[earlier] == self.codes[rows])
        times = self.axis.written(self.time[earlier])
        return times if known.all() else times.where(known)
