"""Splits by time: equal to a loop and, on one series, to TimeSeriesSplit."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_gru import SlidingWindow
from sklearn_gru.datasets import load_nyc_weather
from sklearn_gru.exceptions import InputError, InvalidParameterError, TimeIndexError
from sklearn_gru.model_selection import PanelTimeSeriesSplit
from tests.brute_force import brute_splits
from tests.cases import CASES

PARAMS = [
    {},
    {"gap": 2},
    {"test_size": 3},
    {"max_train_size": 5},
    {"test_size": 2, "gap": 3, "max_train_size": 4},
]


def same_splits(got, expected):
    """Row numbers are equal, split by split."""
    got, expected = list(got), list(expected)
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("n_splits", [2, 5])
@pytest.mark.parametrize("case", [c for c in CASES if "panel" not in c])
def test_one_sorted_series_is_split_as_by_time_series_split(case, n_splits, params):
    """On one series of any kind of time, holes included, the splits are the same."""
    frame = CASES[case][0]
    same_splits(
        PanelTimeSeriesSplit(n_splits, **params).split(frame),
        TimeSeriesSplit(n_splits, **params).split(frame),
    )


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("keys", ["index", "columns", "array"])
def test_panels_equal_the_definition(keys, params):
    """Unequal starts, holes, unsorted rows, keys anywhere: rows of the loop."""
    frame = CASES["panel in index"][0].sample(frac=1, random_state=0)
    times = frame.index.get_level_values("when")
    X, where = frame, {}
    if keys == "columns":
        X, where = frame.reset_index(), {"time": "when", "groups": "shop"}
    if keys == "array":
        minutes = times.as_unit("s").asi8 // 60
        X, where = np.column_stack([minutes, frame]), {"time": 0}
    splitter = PanelTimeSeriesSplit(3, **params, **where)
    same_splits(splitter.split(X), brute_splits(list(times), 3, **params))


def test_the_weather_is_split_by_the_hour():
    """NYC weather: equal to the loop, and no airport is trained on a later hour."""
    X, _ = load_nyc_weather(return_X_y=True)
    X = X.groupby(level="origin").head(600).sample(frac=1, random_state=0)
    time = X.index.get_level_values("time")
    splits = list(PanelTimeSeriesSplit(4, gap=23).split(X))
    same_splits(splits, brute_splits(list(time), 4, gap=23))
    for train, test in splits:
        assert time[train].max() + pd.Timedelta("23h") < time[test].min()
        assert X.index[test].get_level_values("origin").nunique() == 3


@given(
    times=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    n_splits=st.integers(2, 4),
    gap=st.integers(0, 3),
    test_size=st.none() | st.integers(1, 3),
    max_train_size=st.none() | st.integers(1, 9),
)
@settings(derandomize=True, max_examples=100, deadline=None, database=None)
def test_random_times(times, n_splits, **params):
    """Rows of the loop, or an error where there would be nothing to train on."""
    X = pd.DataFrame({"t": times, "v": 0.0})
    splitter = PanelTimeSeriesSplit(n_splits, time="t", **params)
    n = len(set(times))
    size = params["test_size"] or n // (n_splits + 1)
    if size < 1 or n - params["gap"] - size * n_splits < 1:
        with pytest.raises(InputError, match=f"{n} distinct times, too few"):
            list(splitter.split(X))
    else:
        same_splits(splitter.split(X), brute_splits(times, n_splits, **params))


def test_polars_and_period_columns():
    """Times in a column of any frame."""
    pl = pytest.importorskip("polars")
    times = [3, 1, 2, 1, 3, 2]
    for frame in (
        pl.DataFrame({"t": times, "v": times}),
        pd.DataFrame({"t": pd.PeriodIndex.from_ordinals(times, freq="D"), "v": times}),
    ):
        got = PanelTimeSeriesSplit(2, time="t").split(frame)
        same_splits(got, brute_splits(times, 2))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The windows of:UserWarning")  # holes at a cut
def test_searches_and_routing():
    """GridSearchCV and routed groups work; groups do not move the cut."""
    frame = CASES["panel in index"][0].sample(frac=1, random_state=0)
    y = np.random.default_rng(0).normal(size=len(frame))
    cv = PanelTimeSeriesSplit(2)
    model = make_pipeline(
        SlidingWindow(3, lag=1, flatten=True),
        SimpleImputer(keep_empty_features=True),
        Ridge(),
    )
    search = GridSearchCV(model, {"slidingwindow__window_size": [2, 3]}, cv=cv)
    search.fit(frame, y)
    assert search.n_splits_ == 2
    groups = np.arange(len(frame))
    same_splits(cv.split(frame, y, groups), cv.split(frame))
    plain = cross_val_score(model, frame, y, cv=cv)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_val_score(model, frame, y, cv=cv, params={"groups": groups})
        none = cross_val_score(model, frame, y, cv=cv)
    np.testing.assert_array_equal(routed, plain)
    np.testing.assert_array_equal(none, plain)


def test_splitters_are_values():
    """The repr shows the parameters; copies and pickles split alike."""
    splitter = PanelTimeSeriesSplit(3, gap=2, time="t")
    assert repr(splitter).replace("\n", "").replace(" ", "") == (
        "PanelTimeSeriesSplit(gap=2,groups=None,max_train_size=None,n_splits=3,"
        "test_size=None,time='t')"
    )
    X = pd.DataFrame({"t": np.arange(20), "v": 0})
    for again in (
        copy.deepcopy(splitter),
        pickle.loads(pickle.dumps(splitter)),
        clone(splitter, safe=False),
    ):
        assert again.get_n_splits(X) == 3
        same_splits(again.split(X), splitter.split(X))


def test_errors_of_the_splitter():
    """No time, few times, wrong parameters: said with the remedy."""
    X = np.zeros((10, 2))
    for timeless in (X, X.tolist(), pd.DataFrame(X, index=list("abcdefghij"))):
        with pytest.raises(
            TimeIndexError, match=r"PanelTimeSeriesSplit\(time=\.\.\.\)"
        ):
            next(PanelTimeSeriesSplit(2).split(timeless))
    frame = pd.DataFrame({"when": pd.date_range("2024", periods=10), "v": 0.0})
    with pytest.raises(TimeIndexError, match="pass time='when'"):
        next(PanelTimeSeriesSplit(2).split(frame))
    with pytest.raises(InputError, match="10 distinct times, too few for 3 splits"):
        next(PanelTimeSeriesSplit(3, test_size=4, time="when").split(frame))
    with pytest.raises(TimeIndexError, match="Did you mean 'when'"):
        next(PanelTimeSeriesSplit(3, time="wen").split(frame))
    for wrong in (
        {"n_splits": 1},
        {"gap": -1},
        {"test_size": 0},
        {"max_train_size": 0},
    ):
        with pytest.raises(InvalidParameterError, match="is not allowed"):
            next(PanelTimeSeriesSplit(**wrong, time="when").split(frame))
