"""Rows that are not what they look like: said, with the line that mends it."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, future_frame, make_targets
from sklearn_gru.exceptions import (
    InputError,
    InvalidParameterError,
    LayoutWarning,
    LostHistoryWarning,
    TimeIndexError,
)

HOURS = pd.date_range("2024-01-01", periods=60, freq="h")
FRAME = pd.DataFrame(
    {"load": np.arange(60.0), "temp": np.sin(np.arange(60.0))}, index=HOURS
)
LOAD = FRAME["load"] * 3 + np.cos(np.arange(60.0))
WEEKDAYS = pd.date_range("2024-01-01", periods=60, freq="B")
PANEL = pd.concat({"a": FRAME, "b": FRAME}, names=["shop", "time"])

USES = {
    "window": lambda X, y: SlidingWindow(3, lag=1).fit(X, y),
    "targets": lambda X, y: make_targets(X, y, 2),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("X", "y"),
    [
        (FRAME, LOAD.iloc[::-1]),
        (FRAME.iloc[:40], LOAD.iloc[20:]),
        (PANEL, PANEL["load"].swaplevel().sort_index()),
        (FRAME.to_period("h"), LOAD.iloc[::-1].to_period("h")),
        (FRAME.tz_localize("UTC"), LOAD),
    ],
    ids=["other order", "other rows", "panel", "periods", "other zone"],
)
def test_a_target_of_other_rows_is_refused(use, X, y):
    """Its values would be matched to rows of other times, in silence."""
    with pytest.raises(InputError, match=r"row 0 is .* y.loc\[X.index\].*y.to_numpy"):
        USES[use](X, y)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "y",
    [
        LOAD,
        LOAD.to_numpy(),
        list(LOAD),
        LOAD.reset_index(drop=True),
        LOAD.to_frame(),
        LOAD.set_axis(HOURS.as_unit("s")),
    ],
    ids=["same", "array", "list", "numbers", "frame", "other unit"],
)
def test_a_target_without_other_times_passes(use, y):
    """No index, no times in it, or the same times in another unit."""
    USES[use](FRAME, y)


SHAPES = {
    "series": (LOAD, r"X is a Series. X.to_frame\(\)"),
    "1-D": (
        LOAD.to_numpy(),
        r"1D array instead: X has shape \(60,\).*reshape\(-1, 1\)",
    ),
    "3-D": (np.zeros((9, 4, 2)), r"dim 3: X has shape \(9, 4, 2\).*not need a window"),
}


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize(
    "use",
    [
        lambda X: SlidingWindow(3).fit(X),
        lambda X: SlidingWindow(3).fit(FRAME).transform(X),
        lambda X: make_targets(X, LOAD[: len(X)], 2),
        lambda X: future_frame(X, 2),
    ],
    ids=["fit", "transform", "targets", "future"],
)
def test_what_is_no_table_is_refused(case, use):
    """With the line that makes it one; the values are not printed."""
    X, message = SHAPES[case]
    with pytest.raises(InputError, match=message) as caught:
        use(X)
    assert len(str(caught.value)) < 300


def test_days_without_weekends():
    """freq='B' is what a user of such days wants to know of."""
    days = pd.DataFrame({"sales": np.arange(60.0)}, index=WEEKDAYS)
    with pytest.warns(LayoutWarning, match=r"no.* Saturday.*|Saturday.*freq='B'"):
        SlidingWindow(3).fit(days)
    for freq in ("B", "D", None):
        SlidingWindow(3, freq=freq).fit(days)
    every_day = days.set_axis(pd.date_range("2024-01-01", periods=60))
    SlidingWindow(3).fit(every_day)
    SlidingWindow(3).fit(days.iloc[:14])  # too few weeks to tell
    with pytest.raises(InputError, match=r"longest run .* has 5\..*freq='B', since"):
        make_targets(days, days["sales"], 14)
    X, _ = make_targets(days, days["sales"], 14, freq="B")
    assert len(X) == 60 - 13


def test_a_step_that_no_two_rows_are_apart():
    """A grid too fine leaves nothing but holes."""
    with pytest.warns(LayoutWarning, match=r"freq='min' rows are never closer than 60"):
        SlidingWindow(3, freq="min").fit(FRAME)
    SlidingWindow(3, freq="h").fit(FRAME.iloc[[0, 2, 5, 9]])  # 2, 3 and 4 steps
    SlidingWindow(3, freq="h").fit(FRAME.iloc[:1])


def test_mixed_zones_in_an_index():
    """Times with and without a zone have no order."""
    mixed = pd.concat([FRAME[:30], FRAME.tz_localize("Europe/Berlin")[40:]])
    with pytest.raises(TimeIndexError, match=r"20 times with a time zone and 30 with"):
        SlidingWindow(3).fit(mixed)
    SlidingWindow(3).fit(mixed.set_axis(pd.to_datetime(mixed.index, utc=True)))
    zoned = FRAME.tz_localize("Europe/Berlin")
    zoned.index = zoned.index.astype(object)
    with pytest.warns(LayoutWarning, match=r"to_datetime\(X.index, utc=True\)"):
        SlidingWindow(3).fit(zoned)


def test_text_that_is_a_time():
    """A column of unparsed times is no row number; one of numbers is no time."""
    raw = FRAME.reset_index(names="time").astype({"time": str})
    for use in (lambda: future_frame(raw, 2), lambda: make_targets(raw, LOAD, 2)):
        with pytest.raises(
            TimeIndexError, match=r"'time' holds text .* pd.to_datetime"
        ):
            use()
    names = [f"shop {k}" for k in range(60)]
    codes = raw.assign(time=names, size=["3.5"] * 60, age=["10-12"] * 60)
    assert future_frame(codes, 2).index.tolist() == [60, 61]


def test_the_row_of_a_missing_target():
    """Rows are counted as they were given, without-a-past rows included."""
    y = LOAD.to_numpy().copy()
    y[5] = np.nan
    model = make_pipeline(SlidingWindow(3, lag=2), GRURegressor(2, max_iter=1))
    with pytest.raises(InputError, match="in 1 of 60 rows, the first at row 5"):
        model.fit(FRAME, y)
    y = LOAD.to_numpy().copy()
    y[0] = np.nan  # this row has no window and takes no part
    model.fit(FRAME, y)


def test_text_as_a_number():
    """Classes for the regressor: the message names the classifier."""
    labels = np.array(["high", "low"] * 30)
    model = make_pipeline(SlidingWindow(3, lag=1), GRURegressor(2, max_iter=1))
    with pytest.raises(InputError, match=r"y is not numeric: .*'high'.*GRUClassifier"):
        model.fit(FRAME, labels)
    with pytest.raises(ValueError, match="Found array with dim 3"):
        model[-1].fit(np.zeros((60, 3, 1)), np.zeros((60, 2, 2), dtype=object))


def test_arguments_in_the_wrong_place():
    """A name for a column, a frame for a number: said without printing the data."""
    with pytest.raises(InputError, match=r"y='load' is a name; .* X\['load'\]"):
        make_targets(FRAME, "load", 2)
    with pytest.raises(ValueError, match="periods=a DataFrame is not allowed"):
        future_frame(3, FRAME)


def test_periods_may_be_a_duration():
    """As window_size and lag may."""
    pd.testing.assert_frame_equal(future_frame(FRAME, "1D"), future_frame(FRAME, 24))
    for periods in ("-2h", "0h"):
        with pytest.raises(
            InvalidParameterError, match=r"h' is .* expected at least 1"
        ):
            future_frame(FRAME, periods)


TEXT = WEEKDAYS.astype(str)


@pytest.mark.parametrize(
    ("call", "index"),
    [
        (lambda X: SlidingWindow(3).fit(X), WEEKDAYS),
        (lambda X: SlidingWindow(3).fit_transform(X), WEEKDAYS),
        (lambda X: make_pipeline(SlidingWindow(3)).fit(X), WEEKDAYS),
        (lambda X: SlidingWindow(3).fit(X), TEXT),
        (lambda X: SlidingWindow(3).fit_transform(X), TEXT),
        (lambda X: GRURegressor(2, max_iter=1).fit(X, np.arange(60.0)), WEEKDAYS),
    ],
)
def test_warnings_point_at_the_line_of_the_user(call, index):
    """However many wrappers of scikit-learn lie between."""
    with pytest.warns(LayoutWarning) as said:
        call(pd.DataFrame({"sales": np.arange(60.0)}, index=index))
    assert {w.filename for w in said if w.category is LayoutWarning} == {__file__}


def test_a_window_far_longer_than_the_data():
    """Hours taken for minutes; a window somewhat longer than the data is meant."""
    frame = FRAME.iloc[:20]
    with pytest.warns(
        LayoutWarning, match=r"window_size=1440 is 1440 .* series has 20:"
    ):
        SlidingWindow(1440).fit(frame)
    with pytest.warns(LayoutWarning, match=r"window_size='3D' is 72 .* series has 20:"):
        SlidingWindow("3D").fit(frame)
    SlidingWindow(40).fit(frame)
    with pytest.warns(LayoutWarning, match="longest series has 20"):
        SlidingWindow(60).fit(frame.to_numpy())


def test_rows_without_time_cannot_be_appended():
    """partial_fit of an array says that it keeps nothing."""
    rows = np.arange(20.0).reshape(10, 2)
    window = SlidingWindow(3).fit(rows)
    with pytest.warns(LostHistoryWarning, match=r"keeps none of the 10 rows.*time="):
        window.partial_fit(rows)


def test_the_repeated_hour_of_autumn_is_named():
    """Naive local times in the night of the change; not for other duplicates."""
    berlin = pd.date_range("2023-10-28 20:00", periods=30, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"load": np.arange(30.0)}, index=berlin.tz_localize(None))
    with pytest.raises(
        TimeIndexError, match=r"02:00:00\. If these are local .*'infer'"
    ):
        SlidingWindow(3).fit(frame)
    mended = frame.set_axis(frame.index.tz_localize("Europe/Berlin", ambiguous="infer"))
    assert SlidingWindow(3).fit(mended).freq_ == pd.Timedelta("1h")  # the line it gives
    monday = frame.set_axis(frame.index + pd.Timedelta("1D"))
    with pytest.raises(TimeIndexError) as error:
        SlidingWindow(3).fit(monday)
    assert "daylight" not in str(error.value)


@pytest.mark.parametrize("late", [0.4, -0.4])
def test_inexact_clocks(late):
    """Within a hundredth of a step a time is on the grid; further off it is rounded."""
    times = pd.date_range("2024-01-01", periods=30, freq="min")
    frame = pd.DataFrame({"load": np.arange(30.0)}, index=times)
    window = SlidingWindow(3, lag=1).fit(frame)
    new = pd.DataFrame({"load": [np.nan]}, index=[times[-1] + pd.Timedelta("1min")])
    expected = np.asarray(window.transform(new))
    inexact = new.set_axis(new.index + pd.Timedelta(late, unit="s"))
    np.testing.assert_array_equal(np.asarray(window.transform(inexact)), expected)
    window.partial_fit(inexact.fillna(30.0))
    following = new.set_axis(new.index + pd.Timedelta("1min"))
    assert np.asarray(window.transform(following))[0, -1, 0] == 30
    off = new.set_axis(new.index + pd.Timedelta(2 * late, unit="s"))
    with pytest.raises(TimeIndexError, match=r"X\.index = X\.index\.round\('min'\)"):
        window.transform(off)
    rounded = off.set_axis(off.index.round("min"))  # the line of the message
    np.testing.assert_array_equal(np.asarray(window.transform(rounded)), expected)


def test_a_duration_needs_regular_times():
    gaps = np.random.default_rng(0).integers(1, 10**7, size=60)
    irregular = FRAME.set_axis(HOURS[0] + pd.to_timedelta(gaps.cumsum(), unit="s"))
    with pytest.raises(TimeIndexError, match=r"window_size=20.*X\.resample\('D'\)"):
        SlidingWindow("90D").fit(irregular)
    assert SlidingWindow("90D").fit(irregular.resample("D").mean()).freq_ is not None


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("kept", ["column", "index", "level"])
def test_timestamps_of_pyarrow(kept, zone):
    """They are times like those of NumPy, and the future has their dtype."""
    pytest.importorskip("pyarrow")
    hours = pd.date_range("2024-03-30", periods=60, freq="h", tz=zone)
    dtype = f"timestamp[us{'' if zone is None else ', tz=' + zone}][pyarrow]"
    frame = pd.DataFrame({"load": LOAD.to_numpy(), "when": hours.astype(dtype)})
    plain, time = LOAD.to_frame("load").set_axis(hours, axis=0), "when"
    if kept == "index":
        frame, time = frame.set_index("when"), None
    elif kept == "level":
        frame = frame.assign(shop="a").set_index(["shop", "when"])
    window = SlidingWindow(5, lag=2, time=time).fit(frame[:50])
    expected = SlidingWindow(5, lag=2).fit(plain[:50]).transform(plain[50:])
    np.testing.assert_array_equal(window.transform(frame[50:]), expected)
    future = future_frame(frame, 3, time=time)
    times = future["when"] if kept == "column" else future.index.get_level_values(-1)
    assert str(times.dtype) == str(hours.astype(dtype).dtype)
    assert list(times) == list(hours[-1] + pd.to_timedelta([1, 2, 3], unit="h"))


def test_rows_without_the_groups_of_fit():
    panel = pd.concat({"a": LOAD, "b": LOAD}, names=["shop"]).to_frame("load")
    window = SlidingWindow(3).fit(panel)
    with pytest.raises(TimeIndexError, match=r"name no group.* such as 'a'"):
        window.transform(LOAD.to_frame("load"))
    with pytest.raises(TimeIndexError, match=r"name groups, such as 'a'.*named none"):
        SlidingWindow(3).fit(LOAD.to_frame("load")).transform(panel)


@pytest.mark.parametrize("three", [timedelta(hours=3), np.timedelta64(3, "h"), "3h"])
def test_durations_of_python_and_numpy(three):
    window = SlidingWindow(three, lag=three).fit(LOAD.to_frame("load"))
    assert np.asarray(window.transform(LOAD.to_frame("load"))).shape == (60, 3, 1)


def test_digits_are_no_duration():
    with pytest.raises(InvalidParameterError, match=r"write window_size=6;"):
        SlidingWindow("6").fit(LOAD.to_frame("load"))
