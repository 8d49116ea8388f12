"""Cross-validated scores of models and of cheap baselines: :func:`compare`.

All models are fitted to the same rows and predict the same rows. Each model predicts a
fold once, and every scorer, output and group is scored on those predictions.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.base import is_classifier as _is_classifier
from sklearn.metrics import get_scorer
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from sklearn_gru._encoding.layouts import take
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.progress import ProgressLine
from sklearn_gru._tables.axis import Keys
from sklearn_gru._tables.keys import keys_of
from sklearn_gru._windows.finding import find_window
from sklearn_gru.exceptions import (
    InputError,
    InvalidParameterError,
    LostHistoryWarning,
)
from sklearn_gru.inspection._baselines import baselines_for
from sklearn_gru.model_selection._splits import splits_of

_SCORING = {
    False: ("r2", "neg_root_mean_squared_error", "neg_mean_absolute_error"),
    True: ("accuracy", "balanced_accuracy"),
}


def compare(
    estimators,
    X,
    y,
    *,
    cv=None,
    scoring=None,
    baselines=True,
    season="infer",
    n_jobs=None,
    verbose=0,
):
    """Cross-validate models and naive, linear and boosted baselines on the same rows.

    Parameters
    ----------
    estimators : estimator, dict of name to estimator, or list
        Regressors or classifiers, such as pipelines with a SlidingWindow; a list may
        hold (name, estimator) pairs. They are cloned.
    X : like X of fit
        Rows of a frame or array, or sequences.
    y : array-like of shape (n,) or (n, n_outputs)
        Target.
    cv : int, splitter or iterable of splits, default=None
        A number of splits (None is 5) means
        :class:`~sklearn_gru.model_selection.PanelTimeSeriesSplit` for a window over
        rows with times, TimeSeriesSplit for a window over other rows, and otherwise
        scikit-learn's choice.
    scoring : str, list of str, or dict of name to scorer, default=None
        Scorers as in scikit-learn; greater is better. None takes R2, root mean squared
        error and mean absolute error, or for classifiers accuracy and balanced
        accuracy.
    baselines : bool, str or list of str, default=True
        Whether to add baselines, or the names of those to add, such as
        ``["last value", "ridge"]``. For regression they are the last known value, the
        value one season before, and ridge and histogram gradient boosting on the
        windows of the first estimator that has any, with ``flatten=True``; for
        classification, the most frequent class, logistic regression and gradient
        boosting. Without a window, sequences are flattened with NaN before shorter
        ones, and the naive forecast is the mean of y. With several outputs, gradient
        boosting fits one model per output, which may take longer than all else.
    season : "infer", int, str or None, default="infer"
        Time steps or duration of a season. "infer" takes a day of steps shorter than a
        day, a week of days, 52 weeks, a year of months or quarters, five business days;
        None leaves out the seasonal forecast.
    n_jobs : int, default=None
        Number of fits to run in parallel, through joblib; the seconds then include time
        spent waiting.
    verbose : int, default=0
        If greater than 0, show a progress line in a terminal or a notebook.

    Returns
    -------
    table : DataFrame
        One row per metric and model, best first within a metric, with the columns
        `metric`, `model`, `mean` and `std` over the splits, `fit_seconds` (mean) and
        `baseline`. With several outputs or groups there are columns `output` and
        `group`, and further rows for each output and group; "all" means together.

    Raises
    ------
    InputError
        There is nothing to compare, or regressors are mixed with classifiers.

    See Also
    --------
    CompareDisplay : The table as bars.

    Notes
    -----
    The naive forecasts of a row use what was known `lag` time steps before it, looked
    up in y by group and time as windows are. One is the last value in the window; the
    other is the value a whole number of seasons before the row, the fewest that were
    known by then. With a lag of whole seasons both are the same. If there is no such
    value, the forecast is the mean of the training target. The columns of a path
    (:func:`~sklearn_gru.make_targets`) continue one series. Ridge and logistic
    regression follow an imputer and a scaler; categories are read as their codes.

    A callable scorer receives row numbers as X.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRURegressor, SlidingWindow, datasets
    >>> from sklearn_gru.inspection import compare
    >>> X, y = datasets.load_airline(return_X_y=True)
    >>> gru = make_pipeline(
    ...     SlidingWindow(24, lag=1),
    ...     GRURegressor(8, normalization="last", target_feature=0, random_state=0),
    ... )
    >>> table = compare({"GRU": gru}, X, y, cv=3, scoring="r2")
    >>> sorted(table["model"])
    ['GRU', 'gradient boosting', 'last value', 'ridge', 'seasonal naive']
    """
    named = _named(estimators)
    classify = _kind_of(named)
    check_consistent_length(X, y)
    scorers = _scorers(_SCORING[classify] if scoring is None else scoring)
    windowed = next((m for m in named.values() if find_window(m)), None)
    first = next(iter(named.values())) if windowed is None else windowed
    window = find_window(first)
    runs = {name: _Run(name, model, X) for name, model in named.items()}
    if baselines:
        cheap = baselines_for(
            first, X, y, classify=classify, season=season, chosen=baselines
        )
        for name, (model, own) in cheap.items():
            # A model of the user may have the name of a baseline.
            name = f"{name} (baseline)" if name in runs else name
            runs[name] = _Run(name, model, own, baseline=True)
    keys = None if window is None else keys_of(X, window.time, window.groups)
    splits = list(splits_of(cv, X, y, window, keys, classify=classify))
    rows = [
        _row(run, folds, y, part, metric, scorer)
        for run, folds in _with_folds(list(runs.values()), y, splits, n_jobs, verbose)
        for part in _parts(y, keys, X)
        for metric, scorer in scorers.items()
    ]
    return _sorted_table(rows, list(scorers))


class _Run(NamedTuple):
    """A model to cross-validate, and the X that it reads."""

    name: str
    model: Any
    X: Any
    baseline: bool = False


class _Fold(NamedTuple):
    """The answers of a fitted model for the test rows of one split."""

    answer: Any
    test: np.ndarray
    fit_seconds: float


class _Part(NamedTuple):
    """One output and one group to score; "all" is every output or group together."""

    output: Any = "all"
    group: Any = "all"
    column: int | None = None  # the column of y
    chosen: np.ndarray | None = None  # mask of the rows


# -- estimators and scorers by name


def _named(estimators: Any) -> dict[str, Any]:
    """Return the estimators by name."""
    if isinstance(estimators, Mapping):
        pairs = list(estimators.items())
    elif isinstance(estimators, (list, tuple)):
        pairs = [p if isinstance(p, tuple) else (None, p) for p in estimators]
    else:
        pairs = [(None, estimators)]
    if not pairs:
        raise InputError("estimators is empty; give at least one model to compare.")
    named: dict[str, Any] = {}
    for name, model in pairs:
        if not hasattr(model, "fit") or not hasattr(model, "get_params"):
            raise InputError(
                f"estimators holds {model!r}; expected estimators, alone, in a list "
                "or as a dict of name to estimator."
            )
        name = _last_name(model) if name is None else str(name)
        same = sum(key.partition(" #")[0] == name for key in named)
        named[f"{name} #{same + 1}" if same else name] = model
    return named


def _last_name(model: Any) -> str:
    if hasattr(model, "steps"):
        return _last_name(model.steps[-1][1])
    return type(model).__name__


def _kind_of(named: dict[str, Any]) -> bool:
    """Tell whether the estimators are classifiers."""
    kinds = {name: _is_classifier(model) for name, model in named.items()}
    if len(set(kinds.values())) > 1:
        raise InputError(
            "Classifiers cannot be compared with regressors: "
            f"{', '.join(n for n, c in kinds.items() if c)} classify, "
            f"{', '.join(n for n, c in kinds.items() if not c)} do not."
        )
    return next(iter(kinds.values()))


def _scorers(scoring: Any) -> dict[str, Any]:
    if isinstance(scoring, str) or callable(scoring):
        scoring = [scoring]
    if not isinstance(scoring, Mapping):
        scoring = {_scorer_name(s): s for s in scoring}
    return {name: get_scorer(scorer) for name, scorer in scoring.items()}


def _scorer_name(scorer: Any) -> str:
    return scorer if isinstance(scorer, str) else getattr(scorer, "__name__", "score")


# -- rows and groups


def _parts(y: Any, keys: Keys | None, X: Any) -> Iterable[_Part]:
    """Generate the parts to score: everything, then each output, then each group."""
    yield _Part()
    if np.ndim(y) > 1 and np.shape(y)[1] > 1:
        names = getattr(y, "columns", range(np.shape(y)[1]))
        for column, name in enumerate(names):
            yield _Part(output=name, column=column)
    codes, labels = _groups_of(keys, X)
    if len(labels) > 1:
        for code, label in enumerate(labels):
            yield _Part(group=label, chosen=codes == code)


def _groups_of(keys: Keys | None, X: Any) -> tuple[Any, list[Any]]:
    if keys is not None:
        return keys.codes, keys.labels
    if isinstance(X, Sequences) and X.groups is not None:
        codes, labels = pd.factorize(pd.Series(list(X.groups), dtype=object))
        # With one group per sequence, there is nothing to compare.
        return (codes, list(labels)) if len(labels) < len(X) else (None, [])
    return None, []


# -- fits, predictions and scores


class _RegressionAnswers(RegressorMixin, BaseEstimator):
    """Finished predictions, for scorers that need an estimator; X is row numbers."""

    def __init__(self, predictions, column=None):
        self.predictions = predictions
        self.column = column

    def predict(self, X):
        found = self.predictions[X]
        return found if self.column is None else found[:, self.column]


class _ClassAnswers(ClassifierMixin, BaseEstimator):
    """Finished predictions of classes."""

    def __init__(self, predictions, probabilities, classes_):
        self.predictions = predictions
        self.probabilities = probabilities
        self.classes_ = classes_

    def predict(self, X):
        return self.predictions[X]

    @available_if(lambda self: self.probabilities is not None)
    def predict_proba(self, X):
        return self.probabilities[X]


def _with_folds(
    runs: list[_Run], y: Any, splits: list[Any], n_jobs: int | None, verbose: int
) -> list[tuple[_Run, list[_Fold]]]:
    """Return each run with its folds."""
    pending = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_fit_and_predict)(run._replace(model=clone(run.model)), y, *split)
        for run in runs
        for split in splits
    )
    n_fits = len(runs) * len(splits)
    line = ProgressLine(n_fits, "compare", "fit", shown=verbose > 0)
    found = []
    try:
        for run in runs:
            folds = []
            for _ in splits:
                folds.append(next(pending))
                line.step(model=run.name)
            found.append((run, folds))
    finally:
        line.close()
    return found


def _fit_and_predict(run: _Run, y: Any, train: np.ndarray, test: np.ndarray) -> _Fold:
    """Fit the model to one split and predict its test rows."""
    model = run.model
    with warnings.catch_warnings():
        if run.baseline:  # one warning, for the model of the user, is enough
            warnings.simplefilter("ignore", LostHistoryWarning)
        began = time.perf_counter()
        model.fit(take(run.X, train), take(y, train))
        seconds = time.perf_counter() - began
        X_test = take(run.X, test)
        predictions = np.asarray(model.predict(X_test))
        if not _is_classifier(model):
            return _Fold(_RegressionAnswers(predictions), test, seconds)
        probabilities = None
        if hasattr(model, "predict_proba"):
            probabilities = model.predict_proba(X_test)
    answer = _ClassAnswers(predictions, probabilities, model.classes_)
    return _Fold(answer, test, seconds)


def _row(
    run: _Run, folds: list[_Fold], y: Any, part: _Part, metric: str, scorer: Any
) -> dict[str, Any]:
    """Return a row of the table: the scores of one model over its folds."""
    found = [_score(fold, y, part, scorer) for fold in folds]
    scores = [score for score in found if score is not None]
    return {
        "metric": metric,
        "output": part.output,
        "group": part.group,
        "model": run.name,
        "mean": np.mean(scores) if scores else np.nan,
        "std": np.std(scores) if scores else np.nan,
        "fit_seconds": float(np.mean([fold.fit_seconds for fold in folds])),
        "baseline": run.baseline,
    }


def _score(fold: _Fold, y: Any, part: _Part, scorer: Any) -> float | None:
    """Return the score of one fold, or None if it has no row of the group."""
    answer, test, _ = fold
    rows = np.arange(len(test))
    if part.chosen is not None:
        rows = np.flatnonzero(part.chosen[test])
    if not len(rows):
        return None
    truth = np.asarray(y)[test[rows]]
    if part.column is not None:
        truth = truth[:, part.column]
        answer = _RegressionAnswers(answer.predictions, part.column)
    return float(scorer(answer, rows, truth))


def _sorted_table(rows: list[dict[str, Any]], metrics: list[str]) -> pd.DataFrame:
    """Return metrics, outputs and groups in their order, the best model first."""
    table = pd.DataFrame(rows)
    keys = ["metric", "output", "group"]
    ranks = [table[key].map(_ranks(table[key])) for key in keys]
    ranks[0] = table["metric"].map({name: k for k, name in enumerate(metrics)})
    # First "all" outputs and groups, then outputs, then groups.
    order = np.lexsort((-table["mean"], ranks[1], ranks[2], ranks[0]))
    table = table.iloc[order].reset_index(drop=True)
    constant = [key for key in keys[1:] if table[key].nunique() == 1]
    return table.drop(columns=constant)


def _ranks(values: pd.Series) -> dict[Any, int]:
    return {value: k for k, value in enumerate(values.unique())}


def check_metric(table: pd.DataFrame, metric: Any) -> str:
    """Return a metric of the table, the first one for None."""
    names = list(table["metric"].unique())
    if metric is None:
        return names[0]
    if metric not in names:
        raise InvalidParameterError(
            f"metric={metric!r} is not in the table, whose metrics are {names}."
        )
    return metric
