"""Elapsed time as a feature of sequences and windows, against a loop over rows."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow, to_sequences
from sklearn_gru.exceptions import (
    InputError,
    InvalidParameterError,
    StreamError,
    TimeIndexError,
)
from sklearn_gru.live import Stream


def events(seed, kind):
    """Irregular rows of several groups, some without any value, in random order."""
    rng = np.random.default_rng(seed)
    n = 60
    hours = rng.choice(1000, size=n, replace=False)
    time = {
        "datetime": pd.Timestamp("2024-03-30", tz="Europe/Berlin")
        + pd.to_timedelta(hours, unit="h"),
        "integer": hours,
        "number": hours / 4,
    }[kind]
    frame = pd.DataFrame({"who": rng.integers(0, 7, n), "when": time})
    frame["a"], frame["b"] = rng.normal(size=(2, n))
    frame.loc[rng.random(n) < 0.3, ["a", "b"]] = np.nan
    frame.loc[rng.random(n) < 0.2, "a"] = np.nan
    return frame


def slow(frame):
    """Both columns from the definition, row by row."""
    rows = []
    for _, part in frame.sort_values("when").groupby("who"):
        when = part["when"].tolist()
        seen = when[0]
        for k, row in enumerate(part.itertuples()):
            rows.append((when[k] - seen, when[k] - when[0]))
            if not (np.isnan(row.a) and np.isnan(row.b)):
                seen = when[k]
    rows = pd.DataFrame(rows)
    if isinstance(rows.iloc[0, 0], pd.Timedelta):
        rows = rows.map(lambda gap: gap / pd.Timedelta("1h"))
    return rows.to_numpy(float)


@pytest.mark.parametrize("kind", ["datetime", "integer", "number"])
@pytest.mark.parametrize("seed", range(5))
def test_elapsed_is_that_of_the_definition(kind, seed):
    """Since the last row with a value, and since the first row of the group."""
    frame = events(seed, kind)
    s = to_sequences(frame, "who", "when", add_elapsed="since_start")
    assert s.feature_names == ("a", "b", "elapsed", "since_start")
    np.testing.assert_allclose(s.values[:, 2:], slow(frame))
    one = to_sequences(frame, "who", "when", add_elapsed=True)
    np.testing.assert_array_equal(one.values, s.values[:, :3])
    np.testing.assert_array_equal(one.groups, s.groups)


def test_a_hole_whose_length_matters_is_learned():
    """Without the column the two classes hold the same rows."""
    rng = np.random.default_rng(0)
    n = 400
    late = rng.integers(0, 2, n)
    step = np.tile(np.arange(6), (n, 1)) + 6 * (late[:, None] * (np.arange(6) > 2))
    frame = pd.DataFrame(
        {"who": np.repeat(np.arange(n), 6), "when": step.ravel()}
    ).assign(v=rng.normal(size=6 * n))
    accuracy = {}
    for add_elapsed in (False, True):
        X = to_sequences(frame, "who", "when", add_elapsed=add_elapsed)
        model = GRUClassifier(8, max_iter=30, random_state=0).fit(X[:300], late[:300])
        accuracy[add_elapsed] = model.score(X[300:], late[300:])
    assert accuracy[False] < 0.65
    assert accuracy[True] == 1


def test_categories_and_float32_stay():
    """The column is numeric and has the dtype of the others."""
    frame = events(0, "integer").astype({"a": "float32", "b": "float32"})
    assert to_sequences(frame, "who", "when", add_elapsed=True).dtype == np.float32
    frame["ward"] = pd.Categorical(["x", "y"] * 30)
    s = to_sequences(frame, "who", "when", add_elapsed=True)
    assert [c is None for c in s.categories] == [True, True, False, True]


def test_bad_input_is_named():
    """What was seen, what was expected."""
    frame = events(0, "integer")
    with pytest.raises(InputError, match="already has a column 'elapsed'"):
        to_sequences(frame.assign(elapsed=1.0), "who", "when", add_elapsed=True)
    with pytest.raises(TimeIndexError, match="add_elapsed needs a time"):
        to_sequences(
            frame.drop(columns="when").set_index(np.array(["r"] * 60)),
            "who",
            add_elapsed=True,
        )
    with pytest.raises(InvalidParameterError, match="add_elapsed='yes'"):
        to_sequences(frame, "who", "when", add_elapsed="yes")


# -- windows ---------------------------------------------------------------------------


def hourly(seed, n=40):
    """Return two interleaved groups on an hourly grid with holes and empty rows."""
    rng = np.random.default_rng(seed)
    parts = []
    for who in (0, 1):
        hours = np.sort(rng.choice(3 * n, size=n, replace=False))
        when = pd.Timestamp("2024-03-30") + pd.to_timedelta(hours, unit="h")
        part = pd.DataFrame({"who": who, "when": when, "plan": 1.0 * hours})
        part["a"] = np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
        parts.append(part)
    return pd.concat(parts).sample(frac=1, random_state=seed)


def slow_rows(frame, value):
    """Return both columns by (group, time), from the definition."""
    found = {}
    for who, part in frame.groupby("who"):
        part = part.sort_values("when")
        start = seen = part["when"].iloc[0]
        for when, cell in zip(part["when"], part[value], strict=True):
            found[who, when] = when - seen, when - start
            if not np.isnan(cell):
                seen = when
    hour = pd.Timedelta("1h")
    return {
        key: tuple(gap / hour if isinstance(gap, pd.Timedelta) else gap for gap in gaps)
        for key, gaps in found.items()
    }


def check_windows(windows, rows, all_rows, lag, unit):
    """Compare the last step of each window with the definition."""
    expected = slow_rows(all_rows, "a")
    dense = np.asarray(windows)[:, -1, -2:]
    n_compared = 0
    for k, (who, when) in enumerate(zip(rows["who"], rows["when"], strict=True)):
        key = who, when - lag * unit
        if key in expected:
            np.testing.assert_allclose(dense[k], expected[key])
            n_compared += 1
        else:
            assert np.isnan(dense[k]).all()  # a hole
    assert n_compared > 0


@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.LostHistoryWarning")
@pytest.mark.parametrize("lag", [0, 1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_windows_have_the_elapsed_time_of_each_row(seed, lag):
    """Also of test rows, after rows that fit saw, and of rows appended to those."""
    frame = hourly(seed)
    window = SlidingWindow(
        5,
        lag=lag,
        groups="who",
        time="when",
        freq="h",
        known_future="plan",
        add_elapsed="since_start",
    )
    hour = pd.Timedelta("1h")
    windows = window.fit_transform(frame)
    assert windows.feature_names == ("plan", "a", "elapsed", "since_start")
    check_windows(windows, frame, frame, lag, hour)
    cuts = pd.Timestamp("2024-03-31 06:00"), pd.Timestamp("2024-04-01 12:00")
    first = frame[frame["when"] < cuts[0]]
    second = frame[(frame["when"] >= cuts[0]) & (frame["when"] < cuts[1])]
    third = frame[frame["when"] >= cuts[1]]
    window.fit(first)
    both = frame[frame["when"] < cuts[1]]
    check_windows(window.transform(second), second, both, lag, hour)
    window.partial_fit(second)
    check_windows(window.transform(third), third, frame, lag, hour)


@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.LostHistoryWarning")
@pytest.mark.parametrize("kind", ["datetime", "integer", "number"])
def test_irregular_windows(kind):
    """Rows count as steps, and the column says how far apart they are."""
    frame = events(3, kind).dropna(subset=["a", "b"])
    window = SlidingWindow(
        4, groups="who", time="when", freq=None, add_elapsed="since_start"
    )
    window.fit(frame.iloc[:30])
    rows = frame.iloc[30:].sort_values("when")
    windows = window.transform(rows)
    expected = slow_rows(frame, "a")
    dense = np.asarray(windows)[:, -1, -2:]
    for k, key in enumerate(zip(rows["who"], rows["when"], strict=True)):
        np.testing.assert_allclose(dense[k], expected[key])


def test_names_flat_windows_and_explain():
    """The columns come last everywhere, and are read with the lag."""
    frame = hourly(0)
    window = SlidingWindow(
        2, lag=1, groups="who", time="when", freq="h", add_elapsed=True, flatten=True
    ).set_output(transform="pandas")
    flat = window.fit_transform(frame)
    assert flat.columns.tolist() == [
        *("plan_lag2", "a_lag2", "elapsed_lag2"),
        *("plan_lag1", "a_lag1", "elapsed_lag1"),
    ]
    for row in range(5):
        steps = window.explain(frame, row)["lag=1"]
        np.testing.assert_array_equal(
            steps["elapsed"], flat.iloc[row][["elapsed_lag2", "elapsed_lag1"]]
        )
    assert not window.explain(frame, 3)["lag=1"].empty
    loaded = pickle.loads(pickle.dumps(window))
    pd.testing.assert_frame_equal(loaded.transform(frame), window.transform(frame))


def test_what_windows_cannot_have():
    """No time, a taken name, a stream, and an unknown value."""
    frame = hourly(0)
    with pytest.raises(TimeIndexError, match="add_elapsed needs a time"):
        SlidingWindow(3, add_elapsed=True).fit(frame[["a", "plan"]].to_numpy())
    taken = frame.rename(columns={"plan": "elapsed"})
    with pytest.raises(InputError, match="already has a column 'elapsed'"):
        SlidingWindow(3, groups="who", time="when", add_elapsed=True).fit(taken)
    with pytest.raises(InvalidParameterError, match="add_elapsed='yes'"):
        SlidingWindow(3, add_elapsed="yes").fit(frame)
    model = make_pipeline(
        SlidingWindow(3, lag=1, groups="who", time="when", freq="h", add_elapsed=True),
        GRURegressor(4, max_iter=1),
    ).fit(frame, frame["plan"])
    with pytest.raises(StreamError, match="add_elapsed"):
        Stream(model)
