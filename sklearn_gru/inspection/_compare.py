"""A model beside the cheap ones, in one table: :func:`compare`.

What is compared are predictions of the same rows, made by models fitted to the same
rows. Each model predicts a fold once, and every scorer, output and group is judged on
those predictions.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.base import is_classifier as _is_classifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import TimeSeriesSplit, check_cv
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._tables.frames import as_frame
from sklearn_gru._tables.keys import Keys, keys_of
from sklearn_gru.exceptions import (
    InputError,
    InvalidParameterError,
    LostHistoryWarning,
)
from sklearn_gru.inspection._baselines import baselines_for
from sklearn_gru.inspection._models import find_window
from sklearn_gru.model_selection import PanelTimeSeriesSplit

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
):
    """Cross-validate models beside naive, linear and boosted ones on the same windows.

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
        :class:`~sklearn_gru.model_selection.PanelTimeSeriesSplit` for rows with times
        in front of a window, TimeSeriesSplit for rows without, and otherwise
        scikit-learn's choice.
    scoring : str, list of str, or dict of name to scorer, default=None
        Scorers as in scikit-learn, greater is better. None takes R2, root mean squared
        and mean absolute error, for classifiers accuracy and balanced accuracy.
    baselines : bool, default=True
        Whether to add, for regression, the last known value, the value a season before
        and ridge and histogram gradient boosting on the windows of the first estimator
        that has one, with ``flatten=True``; for classification, the most frequent
        class, logistic regression and gradient boosting. Without a window, sequences
        are flattened with NaN in front of shorter ones, and the mean of y is the naive
        forecast.
    season : "infer", int, str or None, default="infer"
        Steps or duration of a season. "infer" takes a day of steps shorter than a day,
        a week of days, 52 weeks, a year of months or quarters, five business days;
        None leaves the seasonal forecast out.
    n_jobs : int, default=None
        Fits run at the same time, through joblib; seconds then hold their waiting.

    Returns
    -------
    table : DataFrame
        A row for each metric and model, best first within a metric: `metric`, `model`,
        `mean` and `std` over the splits, `fit_seconds` (mean), `baseline`. With several
        outputs or groups there are columns `output` and `group` and further rows for
        each of them; "all" means together.

    Raises
    ------
    InputError
        There is nothing to compare, or regressors and classifiers together.

    See Also
    --------
    CompareDisplay : The table as bars.

    Notes
    -----
    The naive forecasts of a row are what was known `lag` steps before it, looked up in
    y by group and time as windows are: the last value seen in the window, and the value
    the fewest whole seasons before the row that were known by then; with a lag of whole
    seasons both are the same. Where there is none they are the mean of the training
    target. The columns of a path (:func:`~sklearn_gru.make_targets`) continue one
    series. Ridge and logistic regression have an imputer and a scaler in front;
    categories are read as their codes.

    A callable scorer is given row numbers as X.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRURegressor, SlidingWindow, datasets
    >>> from sklearn_gru.inspection import compare
    >>> X, y = datasets.load_airline(return_X_y=True)
    >>> gru = make_pipeline(SlidingWindow(24, lag=1), GRURegressor(8, random_state=0))
    >>> table = compare({"GRU": gru}, X, y, cv=3, scoring="r2")
    >>> sorted(table["model"])
    ['GRU', 'gradient boosting', 'last value', 'ridge', 'seasonal naive']
    """
    named = _named(estimators)
    classify = _kind_of(named)
    check_consistent_length(X, y)
    scorers = _scorers(_SCORING[classify] if scoring is None else scoring)
    first = next((m for m in named.values() if find_window(m)), None)
    if first is None:
        first = next(iter(named.values()))
    runs = {name: (model, X, False) for name, model in named.items()}
    if baselines:
        cheap = baselines_for(first, X, y, classify=classify, season=season)
        for name, (model, own) in cheap.items():
            # A model of the user's may have the name of a baseline.
            runs[f"{name} (baseline)" if name in runs else name] = model, own, True
    keys = _keys_of(find_window(first), X)
    splits = list(_splits(cv, X, y, find_window(first), keys, classify))
    done = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_answer)(clone(model), own, y, split, baseline)
        for model, own, baseline in runs.values()
        for split in splits
    )
    parts = list(_parts(y, keys, X))
    rows = []
    for k, (name, (_, _, baseline)) in enumerate(runs.items()):
        answers = done[k * len(splits) : (k + 1) * len(splits)]
        seconds = float(np.mean([took for _, took in answers]))
        for output, group, column, chosen in parts:
            for metric, scorer in scorers.items():
                scores = [
                    score
                    for (answer, _), (_, test) in zip(answers, splits, strict=True)
                    if (score := _judge(scorer, answer, y, test, column, chosen))
                    is not None
                ]
                about = {"metric": metric, "output": output, "group": group}
                about |= {"model": name, "mean": np.mean(scores) if scores else np.nan}
                about |= {"std": np.std(scores) if scores else np.nan}
                rows.append({**about, "fit_seconds": seconds, "baseline": baseline})
    return _sorted_table(rows, list(scorers))


# -- what is asked


def _named(estimators: Any) -> dict[str, Any]:
    """Estimators by name."""
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
    """Whether they are classifiers."""
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


# -- rows, groups, splits


def _keys_of(window: Any, X: Any) -> Keys | None:
    if window is None:
        return None
    frame = as_frame(X)
    return keys_of(
        np.asarray(X) if frame is None else frame, window.time, window.groups
    )


def _splits(
    cv: Any, X: Any, y: Any, window: Any, keys: Keys | None, classify: bool
) -> Iterable[Any]:
    """Pairs of training and test rows."""
    index = np.arange(len(y))
    if window is not None and (cv is None or isinstance(cv, Integral)):
        cv = 5 if cv is None else int(cv)
        if keys is None or keys.axis.kind == "row":
            cv = TimeSeriesSplit(cv)
        else:
            cv = PanelTimeSeriesSplit(cv, time=window.time, groups=window.groups)
    splitter = check_cv(cv, y, classifier=classify)
    return splitter.split(X if isinstance(cv, PanelTimeSeriesSplit) else index, y)


def _parts(y: Any, keys: Keys | None, X: Any) -> Iterable[tuple[Any, Any, Any, Any]]:
    """Output, group, column of y and rows: all together, then each output and group."""
    yield "all", "all", None, None
    if np.ndim(y) > 1 and np.shape(y)[1] > 1:
        names = getattr(y, "columns", range(np.shape(y)[1]))
        for column, name in enumerate(names):
            yield name, "all", column, None
    codes, labels = _groups_of(keys, X)
    if len(labels) > 1:
        for code, label in enumerate(labels):
            yield "all", label, None, codes == code


def _groups_of(keys: Keys | None, X: Any) -> tuple[Any, list[Any]]:
    if keys is not None:
        return keys.codes, keys.labels
    if isinstance(X, Sequences) and X.groups is not None:
        codes, labels = pd.factorize(pd.Series(list(X.groups), dtype=object))
        # A group for each sequence tells nothing apart.
        return (codes, list(labels)) if len(labels) < len(X) else (None, [])
    return None, []


def _take(X: Any, index: np.ndarray) -> Any:
    """Some rows or sequences of any layout."""
    if hasattr(X, "iloc"):
        return X.iloc[index]
    if isinstance(X, (list, tuple)):
        return [X[k] for k in index]
    return X[index.tolist()] if hasattr(X, "get_columns") else X[index]


# -- fit, answer, judge


class _RegressionAnswers(RegressorMixin, BaseEstimator):
    """Predictions made before, for scorers, who ask an estimator; X is row numbers."""

    def __init__(self, predictions, column=None):
        self.predictions = predictions
        self.column = column

    def predict(self, X):
        found = self.predictions[X]
        return found if self.column is None else found[:, self.column]


class _ClassAnswers(ClassifierMixin, BaseEstimator):
    """The same for classes."""

    def __init__(self, predictions, probabilities, classes_):
        self.predictions = predictions
        self.probabilities = probabilities
        self.classes_ = classes_

    def predict(self, X):
        return self.predictions[X]

    @available_if(lambda self: self.probabilities is not None)
    def predict_proba(self, X):
        return self.probabilities[X]


def _fit_and_answer(
    model: Any, X: Any, y: Any, split: tuple[np.ndarray, np.ndarray], baseline: bool
) -> tuple[Any, float]:
    """Answers for the test rows, and seconds of the fit."""
    train, test = split
    with warnings.catch_warnings():
        if baseline:  # the user's own model says it once, which is enough
            warnings.simplefilter("ignore", LostHistoryWarning)
        began = time.perf_counter()
        model.fit(_take(X, train), _take(y, train))
        seconds = time.perf_counter() - began
        X_test = _take(X, test)
        predictions = np.asarray(model.predict(X_test))
        if not _is_classifier(model):
            return _RegressionAnswers(predictions), seconds
        probabilities = None
        if hasattr(model, "predict_proba"):
            probabilities = model.predict_proba(X_test)
    return _ClassAnswers(predictions, probabilities, model.classes_), seconds


def _judge(
    scorer: Any, answer: Any, y: Any, test: np.ndarray, column: Any, chosen: Any
) -> float | None:
    """Score of one fold; None if it has no row of the group."""
    at = np.arange(len(test)) if chosen is None else np.flatnonzero(chosen[test])
    if not len(at):
        return None
    truth = np.asarray(y)[test[at]]
    if column is not None:
        truth = truth[:, column]
        answer = _RegressionAnswers(answer.predictions, column)
    return float(scorer(answer, at, truth))


def _sorted_table(rows: list[dict[str, Any]], metrics: list[str]) -> pd.DataFrame:
    """Metrics, outputs and groups in their order, the best model first."""
    table = pd.DataFrame(rows)
    keys = ["metric", "output", "group"]
    ranks = [table[key].map(_ranks(table[key])) for key in keys]
    ranks[0] = table["metric"].map({name: k for k, name in enumerate(metrics)})
    # "all" outputs and groups stand first, then outputs, then groups.
    order = np.lexsort((-table["mean"], ranks[1], ranks[2], ranks[0]))
    table = table.iloc[order].reset_index(drop=True)
    constant = [key for key in keys[1:] if table[key].nunique() == 1]
    return table.drop(columns=constant)


def _ranks(values: pd.Series) -> dict[Any, int]:
    return {value: k for k, value in enumerate(values.unique())}


def check_metric(table: pd.DataFrame, metric: Any) -> str:
    """A metric of a table; the first for None."""
    names = list(table["metric"].unique())
    if metric is None:
        return names[0]
    if metric not in names:
        raise InvalidParameterError(
            f"metric={metric!r} is not in the table, whose metrics are {names}."
        )
    return metric
