"""Windows equal the brute-force definition in every fold, for train and test rows."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit

from sklearn_gru import SlidingWindow
from sklearn_gru.exceptions import LostHistoryWarning
from tests.brute_force import brute_windows, records
from tests.cases import CASES, make_values

SPLITTERS = {
    "TimeSeriesSplit": TimeSeriesSplit(3),
    "TimeSeriesSplit(gap)": TimeSeriesSplit(3, gap=2),
    "KFold": KFold(3),
    "shuffled KFold": KFold(3, shuffle=True, random_state=0),
    "GroupKFold": GroupKFold(3),
}

# These two have folds at the end and in the middle; the others are left to `make test`.
FIRST = {"TimeSeriesSplit", "shuffled KFold"}
BY_SPEED = [
    pytest.param(name, marks=() if name in FIRST else pytest.mark.slow)
    for name in SPLITTERS
]

WINDOWS = {
    "plain": {"window_size": 4},
    "lag": {"window_size": 3, "lag": 2},
    "known": {"window_size": 3, "lag": 2, "known_future": ["b"]},
    "long": {"window_size": 9, "lag": 1, "known_future": ["b"]},
}


@pytest.mark.filterwarnings(
    "ignore::sklearn_gru.exceptions.LostHistoryWarning",
    "ignore:The groups parameter is ignored:UserWarning",
)
@pytest.mark.parametrize("splitter", BY_SPEED)
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("case", CASES)
def test_windows_equal_the_definition(case, order, splitter):
    """0 wrong cells for train and test rows, whatever the times, order and split."""
    frame, back, params = CASES[case]
    if order == "shuffled":
        frame = frame.sample(frac=1, random_state=1)
    groups = np.arange(len(frame)) * 5 // len(frame)
    if isinstance(frame.index, pd.MultiIndex):
        groups = frame.index.get_level_values(0)
    for name, window in WINDOWS.items():
        for train, test in SPLITTERS[splitter].split(frame, groups=groups):
            train, test = frame.iloc[train], frame.iloc[test]
            step = SlidingWindow(**window, **params)
            got_train = np.asarray(step.fit_transform(train))
            np.testing.assert_array_equal(got_train, np.asarray(step.transform(train)))
            got_test = np.asarray(step.transform(test))
            expect = {
                "window": window["window_size"],
                "lag": window.get("lag", 0),
                "known": window.get("known_future", []),
                "group": "group",
                "time": "time",
                "back": back,
            }
            rows_train, rows_test = records(train), records(test)
            wrong = _wrong(got_train, brute_windows([], rows_train, **expect))
            assert wrong == 0, (name, "train", wrong)
            wrong = _wrong(got_test, brute_windows(rows_train, rows_test, **expect))
            assert wrong == 0, (name, "test", wrong)


def _wrong(got, expected):
    assert got.shape == expected.shape
    return int((~((got == expected) | (np.isnan(got) & np.isnan(expected)))).sum())


def test_keys_in_columns_equal_keys_in_the_index():
    """Group and time columns give the windows of the same keys in the index."""
    frame = CASES["panel in index"][0]
    columns = frame.reset_index()
    kwargs = {"lag": 2, "known_future": "b"}
    by_index = SlidingWindow(4, **kwargs).fit_transform(frame)
    step = SlidingWindow(4, groups="shop", time="when", **kwargs)
    by_column = step.fit_transform(columns)
    np.testing.assert_array_equal(np.asarray(by_index), np.asarray(by_column))
    assert step.n_features_in_ == 5
    assert by_column.feature_names == ("a", "b", "c")


@pytest.mark.parametrize("known", [None, ["b"]])
def test_flatten_is_the_same_windows_step_major(known):
    """flatten=True holds the same cells, oldest step first, with true names."""
    frame = CASES["hourly across spring"][0]
    step = SlidingWindow(3, lag=2, known_future=known)
    dense = np.asarray(step.fit_transform(frame))
    flat = step.set_params(flatten=True).fit_transform(frame)
    np.testing.assert_array_equal(flat, dense.reshape(len(frame), -1))
    lag = 0 if known else 2
    assert list(step.get_feature_names_out())[1::3] == [
        f"b_lag{lag + k}" for k in (2, 1, 0)
    ]
    assert step.get_feature_names_out()[0] == "a_lag4"


def test_arrays_are_rows_in_order():
    """Without time a row is a step: the view equals the windows of a numbered frame."""
    rng = np.random.default_rng(0)
    X = make_values(20, rng)
    for known in (None, [1]):
        step = SlidingWindow(4, lag=2, known_future=known)
        view = step.fit_transform(X)
        assert isinstance(view, np.ndarray)
        assert not view.flags.writeable
        frame = pd.DataFrame(X, index=pd.RangeIndex(20))
        np.testing.assert_array_equal(view, np.asarray(step.fit_transform(frame)))
    keyed = np.column_stack([np.arange(20.0)[::-1], X])
    by_time = SlidingWindow(4, lag=2, time=0).fit_transform(keyed[::-1])
    plain = SlidingWindow(4, lag=2).fit_transform(X[::-1])
    np.testing.assert_array_equal(np.asarray(by_time), plain)


def test_transform_of_a_part_of_the_training_rows_says_what_it_misses():
    """Rows inside a remembered run were not kept; the count is said."""
    index = pd.date_range("2024-01-01", periods=50, freq="h")
    frame = pd.DataFrame({"a": np.arange(50.0)}, index=index)
    step = SlidingWindow(5).fit(frame)
    with pytest.warns(LostHistoryWarning, match="windows of 4 of 10 rows miss rows"):
        step.transform(frame.iloc[20:30])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step.transform(frame)
        step.transform(frame.iloc[:30])
