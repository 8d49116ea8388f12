"""Paths as targets: equal to a loop, aligned with windows, guarded against leaks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import TimeSeriesSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRURegressor, SlidingWindow, make_targets
from sklearn_gru.datasets import load_nyc_weather
from sklearn_gru.exceptions import (
    InputError,
    InvalidParameterError,
    LayoutWarning,
    LeakageError,
    TimeIndexError,
)
from tests.brute_force import brute_paths, records
from tests.cases import CASES


def wrong_cells(got, expected):
    """Cells that differ, NaN being equal to NaN."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    return int((~((got == expected) | (np.isnan(got) & np.isnan(expected)))).sum())


def check(X, got_X, Y, paths):
    """Rows, order, index and cells are those of the loop."""
    kept = [i for i, _ in paths]
    pd.testing.assert_frame_equal(got_X, X.iloc[kept])
    assert Y.index.equals(got_X.index)
    assert wrong_cells(Y, [path for _, path in paths]) == 0


# -- truth ------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("case", CASES)
def test_paths_equal_the_definition(case, order):
    """0 wrong rows and cells for every kind of time, with holes, in any row order."""
    frame, back, params = CASES[case]
    if order == "shuffled":
        frame = frame.sample(frac=1, random_state=1)
    rng = np.random.default_rng(0)
    y = pd.Series(rng.normal(size=len(frame)), index=frame.index, name="load")
    y[rng.random(len(y)) < 0.05] = np.nan
    for horizon in (1, 2, 5):
        paths = brute_paths(
            records(frame.assign(y=y)),
            horizon,
            target="y",
            group="group",
            time="time",
            back=back,
        )
        X, Y = make_targets(frame, y, horizon, **params)
        check(frame, X, Y, paths)
        assert list(Y.columns) == [f"load_step_{k + 1}" for k in range(horizon)]


@pytest.mark.slow
def test_paths_of_the_weather_equal_the_definition():
    """NYC weather, 24 hours, rows shuffled: 0 wrong of 600 000 cells."""
    X, y = load_nyc_weather(return_X_y=True)
    keep = np.random.default_rng(0).permutation(len(X))
    X, y = X.iloc[keep], y.iloc[keep]
    hours = X.index.get_level_values("time").as_unit("s").asi8 // 3600
    rows = [
        {"g": g, "t": t, "y": v}
        for g, t, v in zip(X.index.get_level_values("origin"), hours, y, strict=True)
    ]
    paths = brute_paths(
        rows, 24, target="y", group="g", time="t", back=lambda t, k: t - k
    )
    got_X, Y = make_targets(X, y, "24h")
    check(X, got_X, Y, paths)
    assert Y.size > 600_000
    assert Y.isna().any(axis=1).any()  # the one hour without a temperature stays


@pytest.mark.slow
@given(data=st.data())
@settings(derandomize=True, max_examples=60, deadline=None, database=None)
def test_paths_of_random_panels(data):
    """Any integer panel, in any order: rows and cells of the loop."""
    keys = data.draw(
        st.lists(
            st.tuples(st.sampled_from("ab"), st.integers(0, 15)),
            min_size=1,
            max_size=25,
            unique=True,
        )
    )
    horizon = data.draw(st.integers(1, 4))
    frame = pd.DataFrame(keys, columns=["g", "t"]).assign(v=np.arange(len(keys)))
    rows = frame.assign(y=frame["v"] * 10).to_dict("records")
    paths = brute_paths(
        rows, horizon, target="y", group="g", time="t", back=lambda t, k: t - k
    )

    def call():
        return make_targets(
            frame, frame["v"] * 10, horizon, time="t", groups="g", freq=1
        )

    if not paths:
        with pytest.raises(InputError, match="consecutive steps"):
            call()
        return
    X, Y = call()
    check(frame, X, Y, paths)
    assert (Y.dtypes == np.int64).all()


def test_keys_in_columns_arrays_and_the_index_agree():
    """The same panel with its keys anywhere gives the same paths."""
    frame = CASES["panel in index"][0].sample(frac=1, random_state=0)
    y = np.arange(len(frame), dtype=np.float32)
    X, Y = make_targets(frame, y, 3)
    assert (Y.dtypes == np.float32).all()
    columns = frame.reset_index()
    got_X, got = make_targets(columns, y, 3, time="when", groups=["shop"])
    np.testing.assert_array_equal(got, Y)
    assert got.index.equals(got_X.index)
    assert got_X.set_index(["shop", "when"]).equals(X)
    minutes = columns["when"].astype("datetime64[s]").astype(np.int64) // 60
    array = columns.assign(when=minutes, shop=columns["shop"].map(ord))
    got_X, got = make_targets(array.to_numpy(float), y, 3, time=1, groups=0)
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(got, Y)
    np.testing.assert_array_equal(got_X[:, 2:], X)


def test_arrays_are_rows_in_order():
    """Without time a row is a step; lists come back as arrays."""
    X, Y = make_targets([[1.0], [2.0], [3.0]], [1, 2, 3], 2)
    np.testing.assert_array_equal(X, [[2.0], [3.0]])
    np.testing.assert_array_equal(Y, [[1, 2], [2, 3]])


def test_polars_frames_come_back_as_polars():
    """A polars frame with time and group columns gives polars frames."""
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"t": [3, 1, 2, 1], "g": list("aaab"), "v": [3.0, 1, 2, 9]})
    X, Y = make_targets(frame, frame["v"], 2, time="t", groups="g")
    assert X["t"].to_list() == [3, 2]
    assert Y.columns == ["v_step_1", "v_step_2"]
    assert Y.rows() == [(2.0, 3.0), (1.0, 2.0)]


def test_the_same_row_twice():
    """Rows that are repeated keep their paths; another y at one time is an error."""
    index = pd.Index([0, 1, 1, 2, 3])
    X = pd.DataFrame({"v": [0.0, 1, 1, 2, 3]}, index=index)
    _, Y = make_targets(X, X["v"], 2)
    np.testing.assert_array_equal(Y, [[0, 1], [0, 1], [1, 2], [2, 3]])
    with pytest.raises(TimeIndexError, match="same group and time"):
        make_targets(X, np.arange(5.0), 2)


# -- with windows -----------------------------------------------------------------------


@pytest.mark.parametrize("known", [None, ["b"]])
def test_windows_end_before_the_path_and_known_columns_go_through_it(known):
    """The row of a path sees lagged columns to the step before it, known ones to its end."""
    index = pd.date_range("2024-01-01", periods=40, freq="h")
    frame = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0)}, index=index)
    X, Y = make_targets(frame, frame["a"], 6)
    windows = np.asarray(SlidingWindow(4, lag=6, known_future=known).fit_transform(X))
    full = ~np.isnan(windows[:, :, 0]).any(axis=1)
    assert full.sum() == 40 - 5 - 6 - 3  # rows, less dropped, less lag, less window
    newest, first = windows[full, -1, 0], Y.to_numpy()[full, 0]
    np.testing.assert_array_equal(newest + 1, first)
    ahead = 0 if known is None else 6
    np.testing.assert_array_equal(windows[full, -1, 1], newest + ahead)
    assert X.index[-1] == index[-1]


# A random walk leaves the range of the earlier folds.
@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.UnseenDataWarning")
def test_a_path_in_cross_validation():
    """A whole path goes through cross_val_predict and a transformed target."""
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=150, freq="h")
    frame = pd.DataFrame({"a": rng.normal(size=150).cumsum()}, index=index)
    X, Y = make_targets(frame, frame["a"], 4)
    pipeline = make_pipeline(
        SlidingWindow(6, lag=4), GRURegressor(4, max_iter=2, random_state=0)
    )
    model = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    for train, test in TimeSeriesSplit(2).split(X):
        model.fit(X.iloc[train], Y.iloc[train])
        assert model.predict(X.iloc[test]).shape == (len(test), 4)
    same = [(np.arange(100), np.arange(147))]
    assert cross_val_predict(pipeline, X, Y, cv=same).shape == (147, 4)


# -- leaks ------------------------------------------------------------------------------


def _walk(n=200, zone=None):
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=n, freq="h", tz=zone)
    columns = {
        "load": rng.normal(size=n).cumsum(),
        "temp": rng.normal(size=n),
        "one": np.ones(n),
    }
    return pd.DataFrame(columns, index=index)


@pytest.mark.parametrize("lag", [0, 1, 23])
@pytest.mark.parametrize("disguise", ["plain", "log", "standardised", "array", "panel"])
def test_a_lag_below_the_horizon_is_refused(lag, disguise):
    """Every lag below the horizon shows steps of the path; the error names the lag."""
    frame = _walk()
    if disguise == "panel":
        frame = pd.concat([frame, frame.iloc[50:] + 3], keys=["x", "y"])
        frame = frame.sample(frac=1, random_state=0)
    X, Y = make_targets(frame, frame["load"], 24)
    if disguise == "log":
        Y = np.log(Y + 100)
    if disguise == "standardised":
        Y = StandardScaler().fit_transform(Y)
    if disguise == "array":
        X, Y = X.to_numpy(), Y.to_numpy()
    known = 1 if disguise == "array" else "temp"
    with pytest.raises(LeakageError, match=r"24 steps .* lag=24"):
        SlidingWindow(12, lag=lag, known_future=known).fit(X, Y)
    without = X[:, 1:] if disguise == "array" else X.drop(columns="load")
    with pytest.raises(LeakageError, match=r"lag=24"):
        SlidingWindow(12, lag=lag).fit(without, Y)
    for enough in (24, 30):
        SlidingWindow(12, lag=enough, known_future=known).fit(X, Y)


def test_the_target_among_the_known_columns_is_refused():
    """At lag=horizon a known column that is the path's last step gives it away."""
    X, Y = make_targets(_walk(), _walk()["load"], 24)
    with pytest.raises(LeakageError, match=r"'load' equals y.*known_future"):
        SlidingWindow(12, lag=24, known_future="load").fit(X, Y)
    known = ["temp", "one"]
    SlidingWindow(12, lag=0, known_future=known).fit(X[known], Y)


def test_a_refused_fit_leaves_no_fitted_window():
    """After a LeakageError the window is as unfitted as before."""
    X, Y = make_targets(_walk(), _walk()["load"], 3)
    window = SlidingWindow(12, lag=1)
    with pytest.raises(LeakageError):
        window.fit(X, Y)
    assert not hasattr(window, "freq_") or not window.__sklearn_is_fitted__()


def test_several_outputs_that_are_no_path_pass():
    """Other outputs, trends, counters and constants raise nothing at lag=1."""
    frame = _walk()
    rng = np.random.default_rng(1)
    n = len(frame)
    counter = np.arange(n, dtype=float)
    growing = rng.gamma(1.0, size=n).cumsum()
    for y in (
        frame[["load", "temp"]],
        np.column_stack([growing, 2 * growing + rng.gamma(1.0, size=n).cumsum()]),
        np.column_stack([counter, 5 + 2 * counter]),
        np.column_stack([np.ones(n), np.ones(n)]),
        np.column_stack([frame["load"], frame["load"]]),
        np.column_stack([frame["load"] > 0, frame["temp"] > 0]),
    ):
        SlidingWindow(12, lag=1).fit(frame, y)
    with pytest.warns(LayoutWarning, match="no window is filled"):
        SlidingWindow(12, lag=1).fit(frame.iloc[:1], frame[["load", "temp"]].iloc[:1])


# -- errors -----------------------------------------------------------------------------


def test_errors_of_make_targets():
    """What does not fit is named, with the remedy."""
    frame = _walk(10)
    with pytest.raises(InvalidParameterError, match=r"horizon=0 is not allowed"):
        make_targets(frame, frame["load"], 0)
    with pytest.raises(InvalidParameterError, match=r"expected at least 1"):
        make_targets(frame, frame["load"], "0h")
    with pytest.raises(TimeIndexError, match="not a whole number of steps"):
        make_targets(frame, frame["load"], "90min")
    with pytest.raises(InputError, match="longest run without a hole has 6"):
        make_targets(frame.drop(frame.index[3]), np.arange(9.0), 7)
    with pytest.raises(InputError, match="3 columns; make_targets takes one series"):
        make_targets(frame, frame, 2)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make_targets(frame, np.arange(9.0), 2)
    with pytest.raises(TimeIndexError, match=r"'when' holds times.*time='when'"):
        make_targets(frame.reset_index(names="when"), frame["load"], 2)
    with pytest.raises(ValueError, match="Convert"):
        make_targets(frame, ["a"] * 10, 2)
    one = frame[["load"]]
    assert list(make_targets(frame, one, 1)[1].columns) == ["load_step_1"]
    assert list(make_targets(frame, np.arange(10), 1)[1].columns) == ["step_1"]
