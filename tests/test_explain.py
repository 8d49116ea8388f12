"""``SlidingWindow.explain`` shows the very rows that ``transform`` reads."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklearn_gru import Sequences, SlidingWindow
from sklearn_gru.exceptions import InputError, LostHistoryWarning
from tests.brute_force import brute_windows, records
from tests.cases import CASES

WINDOWS = {
    "plain": {"window_size": 4},
    "lag": {"window_size": 3, "lag": 2},
    "known": {"window_size": 5, "lag": 2, "known_future": ["b"]},
    "all known": {"window_size": 3, "lag": 2, "known_future": list("abc")},
}


def dense(steps, names):
    """Cells of the features, in the order of the columns of X."""
    columns = {}
    for part in steps.columns.unique(level=0):
        for name in steps[part].columns.difference(["time", "source", "row"]):
            columns[name] = steps[part][name].to_numpy(dtype=float)
    return np.column_stack([columns[name] for name in names])


def in_group(label):
    """The key (group, time) of an index label."""
    return label if isinstance(label, tuple) else (None, label)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_the_definition(case, window):
    """Values, times and rows agree with a plain loop, for every row and kind of time."""
    frame, back, params = CASES[case]
    params = {**WINDOWS[window], **params}
    rng = np.random.default_rng(0)
    past = np.sort(rng.permutation(len(frame))[: len(frame) * 2 // 3])
    shown = rng.permutation(len(frame))[:8]  # in part seen in fit
    fitted, X = frame.iloc[past], frame.iloc[shown]
    model = SlidingWindow(**params).fit(fitted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LostHistoryWarning)
        windows = model.transform(X)
    kept = len(model._history.rows.time) == len(fitted)  # short runs are kept whole
    truth = brute_windows(
        records(fitted),
        records(X),
        window=params["window_size"],
        lag=params.get("lag", 0),
        known=params.get("known_future", []),
        group="group",
        time="time",
        back=back,
    )
    keys = {in_group(label): frame.iloc[k] for k, label in enumerate(frame.index)}
    for i in range(len(X)):
        steps = model.explain(X, i)
        cells = dense(steps, "abc")
        np.testing.assert_array_equal(cells, np.asarray(windows[i : i + 1])[0])
        if kept:
            np.testing.assert_array_equal(cells, truth[i])
        assert steps.attrs["length"] == windows.lengths[i]
        check_sources(steps, keys, X, i)


def check_sources(steps, keys, X, i):
    """Every step names a row that holds its values, or there is none to name."""
    own_group, own_time = in_group(X.index[i])
    assert steps.attrs["time"] == own_time
    assert steps.attrs["group"] == own_group
    given = {in_group(label) for label in X.index}
    begun = False
    for part in steps.columns.unique(level=0):
        for step, line in steps[part].iterrows():
            cells = line.drop(["time", "source", "row"]).astype(float)
            key = own_group, line["time"]
            if line["source"] in ("X", "X and fit"):
                assert in_group(X.index[line["row"]]) == key
                assert cells.equals(X.iloc[line["row"]][cells.index])
            elif line["source"] == "fit":
                assert pd.isna(line["row"])
                assert key not in given
                assert cells.equals(keys[key][cells.index])
            else:
                assert line["source"] in ("missing", "absent")
                absent = step < len(steps) - steps.attrs["length"]
                assert (line["source"] == "absent") == absent
                assert pd.isna(line["row"])
                assert key not in given
            begun |= line["source"] != "absent"
    assert begun or steps.attrs["length"] == 0


def test_a_filled_row_is_marked(hourly):
    """NaN in X does not hide what fit has seen; the step says it came from both."""
    window = SlidingWindow(2).fit(hourly)
    X = hourly.iloc[-2:].copy()
    X.iloc[1, 0] = np.nan
    steps = window.explain(X, -1)["lag=0"]
    assert steps["source"].tolist() == ["X", "X and fit"]
    assert steps["row"].tolist() == [0, 1]
    assert steps["load"].tolist() == hourly["load"].iloc[-2:].tolist()


def test_arrays_count_rows():
    """Without keys the rows before are the steps, and there is no time to show."""
    X = np.arange(12.0).reshape(6, 2)
    window = SlidingWindow(3, lag=1, known_future=[1])
    windows = window.fit_transform(X)
    for row in range(6):
        steps = window.explain(X, row)
        np.testing.assert_array_equal(dense(steps, ["x0", "x1"]), windows[row])
        assert "time" not in steps["lag=1"]
        assert steps.attrs["time"] is steps.attrs["group"] is None
    assert steps["lag=1"]["row"].tolist() == [2, 3, 4]
    assert steps["known_future"]["row"].tolist() == [3, 4, 5]
    assert window.explain(X, 1)["lag=1"]["source"].tolist() == [
        "absent",
        "missing",
        "X",
    ]


def test_groups_that_look_like_nothing():
    """A group called 0 or "" is a group; groups do not look into one another."""
    frame = pd.DataFrame(
        {"shop": [0, 1, 0, 1], "day": [1, 1, 2, 2], "sales": [1.0, 2.0, 3.0, 4.0]}
    )
    window = SlidingWindow(2, groups="shop", time="day").fit(frame)
    steps = window.explain(frame, 2)
    assert steps.attrs["group"] == 0
    assert "of group 0: 2 of 2 steps" in repr(steps)
    assert steps["lag=0"]["row"].tolist() == [0, 2]
    assert steps["lag=0"]["time"].tolist() == [1, 2]
    by_row = SlidingWindow(2, groups="shop").fit(
        frame.set_index(np.array(list("abcd")))
    )
    steps = by_row.explain(frame.set_index(np.array(list("abcd"))), "d")
    assert steps["lag=0"]["row"].tolist() == [1, 3]
    assert steps.attrs["time"] is None


def test_categories_are_shown_as_such(hourly):
    """Codes stay inside; an unknown category of a new row is shown too."""
    frame = hourly.assign(sky=pd.Categorical(["sun", "rain"] * 100))
    window = SlidingWindow(2, lag=1, known_future="sky").fit(frame.iloc[:100])
    X = frame.iloc[100:102].assign(sky=["rain", "hail"])
    assert window.explain(X, -1)["known_future"]["sky"].tolist() == ["rain", "hail"]
    flat = SlidingWindow(2, flatten=True).fit(frame.iloc[:100])
    assert flat.explain(X, -1)["lag=0"]["sky"].isna().tolist() == [False, True]


def test_names_of_features_do_not_clash():
    """Features called as the columns that explain are shown beside them."""
    X = pd.DataFrame({"row": [1.5, 2.5], "source": [3.0, 4.0], "time": [5.0, 6.0]})
    steps = SlidingWindow(1).fit(X).explain(X, 1)["lag=0"]
    assert steps.columns.tolist() == ["time", "source", "row", "row", "source", "time"]
    assert steps.iloc[0].tolist() == [1, "X", 1, 2.5, 4.0, 6.0]


def test_rows_by_position_and_label(hourly):
    """An integer is a position, anything else a label that stands for one row."""
    window = SlidingWindow(2).fit(hourly)
    for row in (199, -1, np.int64(199), hourly.index[-1], str(hourly.index[-1])):
        assert window.explain(hourly, row).attrs["row"] == 199
    panel = pd.concat({"a": hourly, "b": hourly})
    label = ("b", hourly.index[3])
    assert SlidingWindow(2).fit(panel).explain(panel, label).attrs["row"] == 203
    frame = pl.DataFrame({"day": [1, 2, 3], "load": [1.0, 2.0, 3.0]})
    polars = SlidingWindow(2, time="day").fit(frame)
    assert polars.explain(frame, -1)["lag=0"]["row"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (200, "row=200: X has 200 rows, 0 to 199"),
        (-201, "row=-201: X has 200 rows"),
        ("2031-01-01 00:00", "is not a label in the index of X, which goes from"),
        ([3], "is not a label"),
        ("2024-01-02", "is the label of 24 rows of X"),
    ],
)
def test_no_such_row(hourly, row, message):
    """Errors say what there is."""
    with pytest.raises(InputError, match=message):
        SlidingWindow(2).fit(hourly).explain(hourly, row)


def test_labels_need_an_index(hourly):
    """An array has positions only."""
    X = hourly.to_numpy()
    with pytest.raises(InputError, match="no index with labels"):
        SlidingWindow(2).fit(X).explain(X, "2024-01-02")


def test_steps_print_part_by_part(hourly):
    """Both parts are legible in 80 columns, one below the other; selections are frames."""
    window = SlidingWindow(3, lag=2, known_future="temp").fit(hourly.iloc[:150])
    steps = window.explain(hourly.iloc[150:], 0)
    lines = repr(steps).splitlines()
    assert lines[0] == "Window of row 0 at 2024-01-07 06:00:00: 3 of 3 steps"
    assert "lag=2" in lines
    assert "known_future" in lines
    assert max(map(len, lines)) <= 80
    assert type(steps["lag=2"]) is pd.DataFrame
    assert type(steps.iloc[:1]) is pd.DataFrame


def test_explaining_changes_nothing(hourly):
    """History and windows are as before, and nothing is warned of."""
    window = SlidingWindow(3).fit(hourly.iloc[:100])
    before = window._history
    window.explain(hourly.iloc[120:], 5)  # transform would warn of the hole
    assert window._history is before
    assert isinstance(window.transform(hourly.iloc[100:]), Sequences)
