"""SlidingWindow beyond the definition: keys, grid, history, warnings, leaks, shapes."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import Sequences, SlidingWindow, future_frame, to_sequences
from sklearn_gru.exceptions import (
    InputError,
    InvalidParameterError,
    LayoutWarning,
    LeakageError,
    LostHistoryWarning,
    TimeIndexError,
)


def frame_at(index, **columns):
    """A frame of counting numbers at given times."""
    columns = columns or {"a": np.arange(len(index), dtype=float)}
    return pd.DataFrame(columns, index=index)


def dense(windows):
    """Windows as a 3-D array."""
    return np.asarray(windows)


# -- grid -------------------------------------------------------------------------------

HOURS = pd.date_range("2024-03-01", periods=300, freq="h")
REGULAR = {
    "h": HOURS,
    "15min": pd.date_range("2024-01-01 00:07", periods=300, freq="15min"),
    "D": pd.date_range("2024-01-01", periods=300, freq="D"),
    "W": pd.date_range("2024-01-07", periods=300, freq="W"),
    "MS": pd.date_range("2000-01-01", periods=200, freq="MS"),
    "ME": pd.date_range("2000-01-31", periods=200, freq="ME"),
    "QS": pd.date_range("2000-01-01", periods=80, freq="QS"),
    "YS": pd.date_range("1950-01-01", periods=80, freq="YS"),
}
STEP = {
    "h": pd.Timedelta("1h"),
    "15min": pd.Timedelta("15min"),
    "D": pd.Timedelta("1D"),
    "W": pd.Timedelta("7D"),
    "MS": pd.DateOffset(months=1),
    "ME": pd.DateOffset(months=1),
    "QS": pd.DateOffset(months=3),
    "YS": pd.DateOffset(months=12),
}


@pytest.mark.parametrize("kind", ["full", "shuffled", "thinned"])
@pytest.mark.parametrize("name", REGULAR)
def test_grid_is_found(name, kind):
    """The step is found in whole, shuffled and thinned times: 24 of 24."""
    index = REGULAR[name]
    rng = np.random.default_rng(0)
    if kind == "shuffled":
        index = index[rng.permutation(len(index))]
    if kind == "thinned":
        index = index[rng.random(len(index)) < 0.6]
    assert SlidingWindow(3).fit(frame_at(index)).freq_ == STEP[name]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
def test_days_follow_the_wall_clock(zone):
    """Days of 23 and 25 hours are one step; so they are when only fit saw none."""
    index = pd.date_range("2024-01-01", periods=360, freq="D", tz=zone)
    whole = SlidingWindow(3).fit(frame_at(index))
    assert whole.freq_ == pd.DateOffset(days=1)
    winter = SlidingWindow(3).fit(frame_at(index[:30]))
    got = winter.partial_fit(frame_at(index[30:])).transform(frame_at(index))
    np.testing.assert_array_equal(got.lengths[2:], 3)


def test_hours_that_are_repeated_are_two():
    """Hourly rows stay hourly of UTC although the wall clock repeats one."""
    index = pd.date_range("2024-10-26", periods=60, freq="h", tz="Europe/Berlin")
    index = index.delete(27)  # one of the two o'clocks
    windows = SlidingWindow(4).fit_transform(frame_at(index))
    assert np.isnan(dense(windows)).any(axis=(1, 2)).sum() == 3 + 3


def test_one_long_hole_does_not_make_a_series_irregular():
    """Hourly rows with a year missing stay hourly, and the hole is never filled."""
    index = HOURS[:100].append(HOURS[:100] + pd.DateOffset(years=3))
    window = SlidingWindow(5)
    s = window.fit_transform(frame_at(index))
    assert window.freq_ == pd.Timedelta("1h")
    assert len(s.values) <= 200 + 5
    assert s.lengths[100] == 1


def test_random_times_are_irregular_and_float_times_too():
    """Without a grid the window counts rows of the group."""
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.integers(0, 10**7, 50))
    window = SlidingWindow(3)
    for index in (pd.to_datetime(seconds, unit="s"), pd.Index(seconds)):
        s = window.fit_transform(frame_at(index))
        assert window.freq_ is None
        np.testing.assert_array_equal(dense(s)[10, :, 0], [8, 9, 10])
    floats = pd.DataFrame({"t": np.arange(50) * 0.1, "a": np.arange(50.0)})
    assert SlidingWindow(3, time="t").fit(floats).freq_ is None
    spaced = SlidingWindow(3, time="t", freq=0.1)
    s = spaced.fit_transform(floats.drop(index=20))
    assert spaced.freq_ == 0.1
    np.testing.assert_array_equal(dense(s)[20, :, 0], [19, np.nan, 21])


def test_explicit_freq():
    """The named step rules, on every kind of axis."""
    days = frame_at(pd.date_range("2024-01-01", periods=10, freq="2D"))
    s = SlidingWindow(3, freq="D").fit_transform(days)
    np.testing.assert_array_equal(dense(s)[5, :, 0], [4, np.nan, 5])
    numbers = frame_at(pd.Index(np.arange(0, 40, 4)))
    s = SlidingWindow(3, freq=2).fit_transform(numbers)
    np.testing.assert_array_equal(dense(s)[5, :, 0], [4, np.nan, 5])
    months = frame_at(pd.date_range("2024-01-31", periods=10, freq="ME"))
    assert SlidingWindow(3, freq="ME").fit(months).freq_ == pd.DateOffset(months=1)
    periods = frame_at(pd.period_range("2024-01", periods=10, freq="M"))
    assert SlidingWindow(3).fit(periods).freq_ == 1
    with pytest.raises(TimeIndexError, match="does not fit rows that carry integers"):
        SlidingWindow(3, freq="h").fit(numbers)
    with pytest.raises(TimeIndexError, match="freq='hourly' does not fit"):
        SlidingWindow(3, freq="hourly").fit(days)


@pytest.mark.parametrize("freq", ["infer", "2ME", pd.DateOffset(months=2)])
def test_the_31st_is_the_end_of_the_month(freq):
    """After 31 January … 31 July, two months apart, 30 September is the next step."""
    index = pd.date_range("2024-01-31", periods=6, freq="2ME")
    window = SlidingWindow(3, freq=freq).fit(frame_at(index[:4]))
    got = dense(window.transform(frame_at(index)))
    np.testing.assert_array_equal(got[4, :, 0], [2, 3, 4])


@pytest.mark.parametrize(
    ("index", "size", "lag", "steps"),
    [
        (HOURS, "2D", "6h", (48, 6)),
        (pd.date_range("2024-01-01", periods=60, freq="D", tz="UTC"), "7D", 1, (7, 1)),
        (pd.date_range("2000-01-01", periods=60, freq="MS"), "12MS", "3MS", (12, 3)),
        (
            pd.date_range("2024-01-01", periods=60, freq="D"),
            pd.Timedelta("3D"),
            0,
            (3, 0),
        ),
    ],
)
def test_durations(index, size, lag, steps):
    """Durations are steps on a regular grid."""
    by_duration = SlidingWindow(size, lag=lag).fit_transform(frame_at(index))
    window, lag = steps
    by_steps = SlidingWindow(window, lag=lag).fit_transform(frame_at(index))
    np.testing.assert_array_equal(dense(by_duration), dense(by_steps))


def test_bad_durations():
    """A duration needs a grid, and must be a whole number of its steps."""
    with pytest.raises(TimeIndexError, match="not a whole number of steps"):
        SlidingWindow("90min").fit(frame_at(HOURS))
    with pytest.raises(TimeIndexError, match="needs regular times"):
        SlidingWindow("2h", freq=None).fit(frame_at(HOURS))
    for nonsense in ("foo", "1 fortnight"):
        with pytest.raises(TimeIndexError, match="cannot be read as a duration"):
            SlidingWindow(nonsense).fit(frame_at(HOURS))
    with pytest.raises(TimeIndexError, match="needs regular times"):
        SlidingWindow("2h").fit(np.zeros((5, 1)))


# -- keys -------------------------------------------------------------------------------


def test_time_level_of_a_multiindex():
    """The only datetime level, else the last integer one; more is ambiguous."""
    days = pd.date_range("2024-01-01", periods=3)
    dated = pd.MultiIndex.from_product([days, ["a", "b"]], names=["day", "shop"])
    s = SlidingWindow(2).fit_transform(frame_at(dated))
    np.testing.assert_array_equal(dense(s)[-1, :, 0], [3, 5])
    weeks = pd.MultiIndex.from_product([[7, 8], [1, 2, 3]], names=["shop", "week"])
    s = SlidingWindow(2).fit_transform(frame_at(weeks))
    np.testing.assert_array_equal(dense(s)[:, 0, 0], [np.nan, 0, 1, np.nan, 3, 4])
    twice = pd.MultiIndex.from_product([days, days], names=["day", "due"])
    with pytest.raises(TimeIndexError, match=r"2 datetime levels.*pass time="):
        SlidingWindow(2).fit(frame_at(twice))
    named = SlidingWindow(2, time="day").fit_transform(frame_at(twice))
    np.testing.assert_array_equal(dense(named)[-1, :, 0], [5, 8])
    text = pd.MultiIndex.from_product([["a"], ["x", "y"]], names=["shop", "product"])
    with pytest.raises(TimeIndexError, match="no datetime or integer level"):
        SlidingWindow(2).fit(frame_at(text))


def test_groups_are_compared_by_value():
    """A category, a string and an object are the same group."""
    index = HOURS[:20]
    train = frame_at(index, shop=["a"] * 20, v=np.arange(20.0))
    window = SlidingWindow(4, groups="shop").fit(train.iloc[:10])
    test = train.iloc[10:].assign(
        shop=pd.Categorical(["a"] * 10, categories=["b", "a"])
    )
    assert (window.transform(test).lengths == 4).all()


def test_unseen_groups_have_no_history_and_their_own_phase():
    """A new series starts short; its times may be off the minute of the others."""
    old = frame_at(HOURS[:20], shop=["a"] * 20, v=np.arange(20.0))
    new = (
        old.iloc[:5].assign(shop="b").set_index(old.index[15:20] + pd.Timedelta("7min"))
    )
    window = SlidingWindow(4, groups="shop").fit(old)
    assert window.transform(new).lengths.tolist() == [1, 2, 3, 4, 4]


def test_units_of_time_do_not_matter():
    """Nanoseconds at fit, seconds at transform: the same times."""
    frame = frame_at(HOURS[:20])
    seconds = frame.set_axis(frame.index.as_unit("s"))
    window = SlidingWindow(4).fit(frame.iloc[:10])
    assert (window.transform(seconds.iloc[10:]).lengths == 4).all()


def test_any_other_index_counts_rows():
    """Strings as an index are no time: rows are steps, without history."""
    frame = frame_at(pd.Index(list("edcba")))
    got = SlidingWindow(2).fit_transform(frame)
    assert isinstance(got, np.ndarray)
    np.testing.assert_array_equal(
        got[:, :, 0], [[np.nan, 0], [0, 1], [1, 2], [2, 3], [3, 4]]
    )


def test_groups_without_time_count_rows_of_the_group():
    """With groups but no time, rows are steps in the order they stand."""
    frame = pd.DataFrame(
        {"shop": list("abab"), "v": [1.0, 2.0, 3.0, 4.0]}, index=list("wxyz")
    )
    s = SlidingWindow(2, groups="shop").fit_transform(frame)
    np.testing.assert_array_equal(dense(s)[2:, :, 0], [[1, 3], [2, 4]])


def test_positions_name_columns():
    """Integer positions work for frames and arrays."""
    frame = pd.DataFrame({"t": np.arange(5), "g": [0] * 5, "v": np.arange(5.0)})
    by_name = SlidingWindow(3, time="t", groups=["g"]).fit_transform(frame)
    by_position = SlidingWindow(3, time=0, groups=[1]).fit_transform(frame)
    by_array = SlidingWindow(3, time=0, groups=1).fit_transform(frame.to_numpy())
    np.testing.assert_array_equal(dense(by_name), dense(by_position))
    np.testing.assert_array_equal(dense(by_name), dense(by_array))


def test_polars_frame_with_a_time_column():
    """A polars frame gives the windows of the pandas frame."""
    pl = pytest.importorskip("polars")
    rows = {"shop": ["a", "a", "b", "a"], "v": [1.0, 2.0, 3.0, None]}
    times = [HOURS[k].to_pydatetime() for k in (0, 1, 1, 2)]
    polars = pl.DataFrame({"when": times, **rows})
    pandas = pd.DataFrame({"when": pd.DatetimeIndex(times), **rows})
    window = SlidingWindow(3, groups="shop", time="when")
    expected = dense(window.fit_transform(pandas.astype({"v": float})))
    np.testing.assert_array_equal(dense(window.fit_transform(polars)), expected)
    aware = polars.with_columns(pl.col("when").dt.replace_time_zone("Europe/Berlin"))
    assert "Berlin" in str(window.fit(aware)._fitted.axis.tz)


# -- history ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.LostHistoryWarning")
def test_a_row_replaces_a_remembered_one_but_nan_does_not():
    """What X says of a remembered time counts, except where it says nothing."""
    frame = frame_at(HOURS[:6], a=np.arange(6.0), b=np.arange(6.0) * 10)
    window = SlidingWindow(3).fit(frame.iloc[:5])
    changed = frame.iloc[4:].copy()
    changed.loc[HOURS[4], ["a", "b"]] = [99.0, np.nan]
    got = dense(window.transform(changed))[1]
    np.testing.assert_array_equal(got, [[3, 30], [99, 40], [5, 50]])


def test_future_rows_may_be_unknown():
    """A row whose lagged columns are NaN gets the window that precedes it."""
    frame = frame_at(HOURS[:12], load=np.arange(12.0), temp=np.arange(12.0))
    window = SlidingWindow(3, lag=2, known_future="temp").fit(frame.iloc[:10])
    future = frame.iloc[10:].assign(load=np.nan)
    got = dense(window.transform(future))
    np.testing.assert_array_equal(got[:, :, 0], [[6, 7, 8], [7, 8, 9]])
    np.testing.assert_array_equal(got[:, :, 1], [[8, 9, 10], [9, 10, 11]])


def test_nothing_looks_forward():
    """Changing any later row changes no window."""
    rng = np.random.default_rng(0)
    frame = frame_at(HOURS[:40], a=rng.normal(size=40), b=rng.normal(size=40))
    window = SlidingWindow(5, lag=1, known_future="b")
    before = dense(window.fit(frame).transform(frame.iloc[:21]))
    changed = frame.copy()
    changed.iloc[21:] += 100
    after = dense(window.fit(changed).transform(changed.iloc[:21]))
    np.testing.assert_array_equal(before, after)


def test_partial_fit_appends_history():
    """Windows after partial_fit equal those with the history given whole."""
    frame = frame_at(HOURS[:60])
    grown = SlidingWindow(7, lag=1).fit(frame.iloc[:20])
    for day in (slice(20, 30), slice(30, 31), slice(31, 50)):
        grown.partial_fit(frame.iloc[day])
    whole = SlidingWindow(7, lag=1).fit(frame.iloc[:50])
    got, expected = grown.transform(frame.iloc[50:]), whole.transform(frame.iloc[50:])
    np.testing.assert_array_equal(dense(got), dense(expected))
    first = SlidingWindow(7).partial_fit(frame)
    assert first.freq_ == pd.Timedelta("1h")


@pytest.mark.parametrize("max_history", ["auto", 15, "20h"])
@pytest.mark.parametrize("options", [{}, {"groups": "shop"}])
def test_old_rows_are_forgotten(max_history, options):
    """However many rows are appended, as many are kept, and no window changes."""
    rng = np.random.default_rng(0)
    frame = frame_at(HOURS[:50], a=rng.normal(size=50), b=rng.normal(size=50))
    if options:
        parts = [frame.iloc[k:].assign(shop=k) for k in range(2)]
        frame = pd.concat(parts).sort_index(kind="stable")
    short = SlidingWindow(7, lag=2, freq="h", max_history=max_history, **options)
    whole = SlidingWindow(7, lag=2, freq="h", max_history=None, **options)
    short.fit(frame.iloc[:30]), whole.fit(frame.iloc[:30])
    sizes = []
    for k in range(30, len(frame)):
        row = frame.iloc[[k]]
        np.testing.assert_array_equal(
            dense(short.transform(row)), dense(whole.transform(row))
        )
        short.partial_fit(row), whole.partial_fit(row)
        sizes.append(len(short._history.rows.group))
    assert sizes[-5] == sizes[-1] < len(whole._history.rows.group)
    with pytest.warns(LostHistoryWarning, match="seen in fit but not kept"):
        short.transform(frame.iloc[33:36])


def test_history_is_counted_back_from_the_newest_observed_row():
    """Plans for days ahead push nothing out; a late row inside the reach counts."""
    frame = frame_at(HOURS[:60], load=np.arange(60.0), plan=np.arange(60.0))
    window = SlidingWindow(4, lag=2, known_future="plan").fit(frame.iloc[:20])
    whole = SlidingWindow(4, lag=2, known_future="plan", max_history=None)
    whole.fit(frame.iloc[:20])
    plans = frame.iloc[20:].assign(load=np.nan)
    newest = 19
    for k in [None, 21, 20, 23, 22, *range(24, 30)]:  # plans first, some rows late
        rows = plans if k is None else frame.iloc[[k]]
        window.partial_fit(rows), whole.partial_fit(rows)
        newest = max(newest, k or 0)
        ahead = plans.iloc[newest - 19 : newest - 17]
        np.testing.assert_array_equal(
            dense(window.transform(ahead)), dense(whole.transform(ahead))
        )
    # Counted back from the row before the last call.
    assert window._history.rows.position.min() == whole._history.rows.position[-1] - 41


def test_rows_are_looked_up_right_after_partial_fit():
    """A live loop may append a row first and predict from it then."""
    frame = frame_at(HOURS[:60])
    window = SlidingWindow(7, lag=1).fit(frame.iloc[:20])
    expected = dense(SlidingWindow(7, lag=1).fit_transform(frame))
    for k in range(20, 60):
        row = frame.iloc[[k]]
        got = dense(window.partial_fit(row).transform(row))
        np.testing.assert_array_equal(got[0], expected[k])
    got = window.transform(frame.iloc[-8:])  # as many as a window reaches
    np.testing.assert_array_equal(dense(got), expected[-8:])


def test_forgotten_rows_are_reported_across_a_hole():
    """Rows of a run that was forgotten as a whole."""
    frame = frame_at(HOURS[:60].delete(range(25, 30)))
    window = SlidingWindow(4, freq="h").fit(frame.iloc[:20])
    for k in range(20, 50):
        window.partial_fit(frame.iloc[[k]]).transform(frame.iloc[[k]])  # no warning
    with pytest.warns(LostHistoryWarning, match="within max_history"):
        window.transform(frame.iloc[22:24])


def test_irregular_times_forget_by_rows():
    """All rows are kept unless a number of them is asked for."""
    times = HOURS[:40] + pd.to_timedelta(
        np.random.default_rng(0).integers(0, 3000, 40), "s"
    )
    frame = frame_at(times)
    auto = SlidingWindow(4, freq=None).fit(frame.iloc[:20]).partial_fit(frame.iloc[20:])
    assert len(auto._history.rows.group) == 40
    few = SlidingWindow(4, freq=None, max_history=6).fit(frame.iloc[:20])
    few.partial_fit(frame.iloc[20:30])
    assert len(few._history.rows.group) == 6
    np.testing.assert_array_equal(
        dense(few.transform(frame.iloc[30:])), dense(auto.transform(frame.iloc[30:]))
    )
    with pytest.raises(TimeIndexError, match="max_history='2h' is a duration"):
        SlidingWindow(4, freq=None, max_history="2h").fit(frame)


def test_a_history_shorter_than_the_window_is_refused():
    """In fit, before anything is lost."""
    with pytest.raises(InvalidParameterError, match="but windows reach 8 steps back"):
        SlidingWindow(7, lag=2, max_history=7).fit(frame_at(HOURS[:20]))


def test_partial_fit_finds_a_grid_that_fit_could_not_see():
    """One row at fit; the step is found when more arrive."""
    frame = frame_at(HOURS[:10].delete(5))
    window = SlidingWindow(3).fit(frame.iloc[:1]).partial_fit(frame.iloc[1:8])
    assert window.freq_ == pd.Timedelta("1h")
    np.testing.assert_array_equal(
        dense(window.transform(frame.iloc[8:]))[0, :, 0], [6, 7, 8]
    )


def test_a_refused_partial_fit_loses_nothing():
    """After rows that were refused the windows are those of before."""
    frame = frame_at(HOURS[:20], shop=["a"] * 20, v=np.arange(20.0))
    window = SlidingWindow(4, groups="shop").fit(frame.iloc[:15])
    before = dense(window.transform(frame.iloc[15:]))
    bad = frame.iloc[15:].assign(shop="b")
    bad.index = bad.index[:4].append(bad.index[4:] + pd.Timedelta("1min"))
    for rows in (bad, pd.concat([frame.iloc[15:], frame.iloc[15:].assign(v=0.0)])):
        with pytest.raises(TimeIndexError):
            window.partial_fit(rows)
    np.testing.assert_array_equal(dense(window.transform(frame.iloc[15:])), before)


def test_identical_duplicates_are_one_row():
    """A bootstrap sample repeats rows; windows are those of the distinct rows."""
    frame = frame_at(HOURS[:10])
    index = np.array([0, 1, 1, 2, 3, 3, 3, 4])
    got = dense(SlidingWindow(3).fit_transform(frame.iloc[index]))
    expected = dense(SlidingWindow(3).fit_transform(frame.iloc[:5]))
    np.testing.assert_array_equal(got, expected[index])


def test_short_data_gives_short_sequences():
    """A window longer than the data, one row, short groups: no error."""
    assert SlidingWindow(8).fit_transform(frame_at(HOURS[:3])).lengths.tolist() == [
        1,
        2,
        3,
    ]
    one = SlidingWindow(5, lag=1).fit(frame_at(HOURS[:1]))
    assert one.transform(frame_at(HOURS[:1])).lengths.tolist() == [0]
    assert SlidingWindow(3).fit_transform(np.ones((1, 2))).shape == (1, 3, 2)


def test_fitted_windows_pickle_and_clone():
    """A pickled window transforms alike; a clone is unfitted."""
    frame = frame_at(HOURS[:30])
    window = SlidingWindow(5).fit(frame.iloc[:20])
    again = pickle.loads(pickle.dumps(window))
    np.testing.assert_array_equal(
        dense(again.transform(frame.iloc[20:])),
        dense(window.transform(frame.iloc[20:])),
    )
    assert not hasattr(clone(window), "freq_")


# -- what is said -----------------------------------------------------------------------


def test_array_rows_without_past_are_said():
    """An array at transform has lost its history, and how many rows suffer is said."""
    X = np.arange(20.0)[:, None]
    window = SlidingWindow(4, lag=1).fit(X)
    with pytest.warns(LostHistoryWarning, match=r"4 of 20 rows.*no time") as said:
        window.transform(X)
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        window.fit_transform(X)
        SlidingWindow(1).fit(X).transform(X)


def test_a_scaler_that_drops_the_index_is_said_and_pandas_output_keeps_it():
    """A scaler in front loses the index; with pandas output it does not."""
    frame = frame_at(HOURS[:40], a=np.arange(40.0), b=np.arange(40.0) % 5)
    y = np.arange(40.0)
    lost = make_pipeline(
        StandardScaler(), SlidingWindow(3, lag=1, flatten=True), _ridge()
    )
    lost.fit(frame.iloc[:30], y[:30])
    with pytest.warns(LostHistoryWarning, match="set_output"):
        lost.predict(frame.iloc[30:])
    kept = clone(lost).set_output(transform="pandas").fit(frame.iloc[:30], y[:30])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept.predict(frame.iloc[30:])


def _ridge():
    from sklearn.impute import SimpleImputer

    return make_pipeline(SimpleImputer(), Ridge())


def test_hole_after_the_history_is_said():
    """Rows whose window reaches into rows nobody gave are counted."""
    frame = frame_at(HOURS[:40])
    window = SlidingWindow(4).fit(frame.iloc[:20])
    with pytest.warns(LostHistoryWarning, match=r"windows of 3 of 15 rows.*hole"):
        window.transform(frame.iloc[25:])
    lagged = SlidingWindow(4, lag=6).fit(frame.iloc[:20])
    with pytest.warns(LostHistoryWarning, match=r"windows of 8 of 15 rows.*hole"):
        lagged.transform(frame.iloc[25:])
    both = frame.assign(b=frame["a"] % 5)
    known = SlidingWindow(4, lag=6, known_future="b").fit(both.iloc[:20])
    with pytest.warns(LostHistoryWarning, match=r"windows of 9 of 15 rows.*hole"):
        known.transform(both.iloc[25:])  # "b" in rows 1 to 3, "a" in rows 2 to 9


def test_rows_past_the_last_observation_are_said():
    """Forecasting further than lag steps reads unknown steps, and says so."""
    frame = frame_at(HOURS[:20], load=np.arange(20.0), temp=np.arange(20.0))
    window = SlidingWindow(4, lag=2, known_future="temp").fit(frame.iloc[:15])
    future = frame.iloc[15:].assign(load=np.nan)
    with pytest.warns(LostHistoryWarning, match=r"3 of 5 rows lie more than lag=2"):
        window.transform(future)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        window.transform(future.iloc[:2])


def test_a_panel_cut_by_row_number_is_said():
    """Two thirds of a panel sorted by group hold one shop's future; by time none."""
    index = pd.MultiIndex.from_product([["a", "b", "c"], HOURS[:30]])
    panel = frame_at(index)
    window = SlidingWindow(4).fit(panel.iloc[:45])
    for rows in (slice(45, 55), slice(45, 60), slice(45, 90)):
        with pytest.warns(LostHistoryWarning, match="split by row number"):
            window.transform(panel.iloc[rows])
    whole = SlidingWindow(4).fit(panel.iloc[:60])
    with warnings.catch_warnings():  # a new group, seen whole: as in GroupKFold
        warnings.simplefilter("error")
        whole.transform(panel.iloc[60:])
    early = index.get_level_values(1) < HOURS[20]
    window.fit(panel[early])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        window.transform(panel[~early])
        window.transform(panel[early])


def test_the_last_training_rows_alone_miss_rows_and_it_is_said():
    """What fit keeps serves rows after it, not the last rows themselves."""
    frame = frame_at(HOURS[:100])
    window = SlidingWindow(5, lag=1).fit(frame)
    for k in (1, 3, 5, 8):
        with pytest.warns(LostHistoryWarning, match="seen in fit but not kept"):
            window.transform(frame.iloc[-k:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        window.transform(frame.iloc[:60])
        window.transform(frame)


def test_a_window_of_the_row_alone_remembers_nothing():
    """Nothing is kept of fit, and new rows of a new group are transformed in silence."""
    old = pd.DataFrame({"load": [1.0, 2.0], "shop": "a"})
    window = SlidingWindow(1, groups="shop", flatten=True).fit(old)
    new = pd.DataFrame({"load": [5.0, 6.0, 7.0], "shop": "b"})
    np.testing.assert_array_equal(window.transform(new), [[5.0], [6.0], [7.0]])


def test_an_index_of_another_group_may_start_anywhere():
    """A new, shorter group from 0 on is no reset index; the old group's rows are."""
    old = pd.DataFrame({"load": np.arange(20.0), "shop": "a"})
    window = SlidingWindow(3, groups="shop").fit(old)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        window.transform(old[:4].assign(shop="b"))
    with pytest.warns(LostHistoryWarning, match="starts at 0 again"):
        window.transform(old[:4])


def test_an_index_that_starts_anew_is_said():
    """New rows with a reset index look like the first ones of fit."""
    frame = frame_at(pd.RangeIndex(50))
    window = SlidingWindow(4, lag=1).fit(frame.iloc[:40])
    with pytest.warns(LostHistoryWarning, match="starts at 0 again"):
        window.transform(frame.iloc[40:].reset_index(drop=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (window.transform(frame.iloc[40:]).lengths == 4).all()
        window.transform(frame.iloc[:40])


@pytest.mark.parametrize("kind", ["text", "date", "duration"])
def test_dates_that_were_not_parsed_are_said_in_fit(kind):
    """Strings, dates and durations as an index count rows, which is said at once."""
    days = pd.date_range("2024-01-01", periods=5)
    index = {
        "text": days.strftime("%Y-%m-%d"),
        "date": pd.Index(days.date),
        "duration": days - days[0],
    }[kind]
    with pytest.warns(LayoutWarning, match=r"looks like times .* pd.to_datetime"):
        SlidingWindow(2).fit(frame_at(index))


def test_groups_of_another_kind_are_refused():
    """Numbers at fit, the same as text later: an error, not new groups in silence."""
    frame = frame_at(HOURS[:20], shop=[1] * 20, v=np.arange(20.0))
    window = SlidingWindow(4, groups="shop").fit(frame.iloc[:10])
    later = frame.iloc[10:]
    assert (window.transform(later.assign(shop=1.0)).lengths == 4).all()
    with pytest.raises(TimeIndexError, match=r"hold text, such as '1'.* hold numbers"):
        window.transform(later.assign(shop="1"))


# -- leaks ------------------------------------------------------------------------------


def test_leak_guard():
    """A copy of y visible at its own time is refused, whatever its disguise."""
    rng = np.random.default_rng(0)
    y = rng.gamma(2.0, size=50)
    frame = frame_at(HOURS[:50], y_copy=y, noise=rng.normal(size=50))
    with pytest.raises(LeakageError, match=r"'y_copy' equals y.*lag=1"):
        SlidingWindow(3).fit(frame, y)
    for disguise in (np.log(y), -y, y**3, np.argsort(np.argsort(y)).astype(float)):
        with pytest.raises(LeakageError, match="monotone copy"):
            SlidingWindow(3).fit(frame.assign(y_copy=disguise), y)
    with pytest.raises(LeakageError, match="remove it from known_future"):
        SlidingWindow(3, lag=24, known_future="y_copy").fit(frame, y)
    with pytest.raises(LeakageError, match="y_copy"):
        SlidingWindow(3).fit(frame, np.column_stack([rng.normal(size=50), y]))
    with pytest.raises(LeakageError, match="x1"):
        SlidingWindow(3).fit(np.column_stack([frame["noise"], y]), y)
    labels = np.where(y > 1, "high", "low")
    with pytest.raises(LeakageError, match="y_copy"):
        SlidingWindow(3).fit(frame.assign(y_copy=(y > 1).astype(float)), labels)


def test_leak_guard_lets_honest_columns_pass():
    """Lagged targets, constants, noisy copies and few rows raise nothing."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=6000)
    index = pd.date_range("2024-01-01", periods=6000, freq="h")
    frame = frame_at(
        index, y=y, noisy=y + 1e-3 * rng.normal(size=6000), one=np.ones(6000)
    )
    SlidingWindow(3, lag=1).fit(frame, y)
    SlidingWindow(3, lag=1, known_future=["noisy", "one"]).fit(frame, y)
    SlidingWindow(3).fit(frame[["noisy", "one"]], y)
    SlidingWindow(3).fit(frame[["noisy"]].iloc[:10] ** 3, np.sort(y[:10]))
    with pytest.raises(LeakageError):
        SlidingWindow(3).fit(frame, y)


# -- output -----------------------------------------------------------------------------


def test_flattened_names_and_containers():
    """Names give the shift from the row's own time; frames keep the index."""
    frame = frame_at(HOURS[:5], a=np.arange(5.0), b=np.arange(5.0))
    window = SlidingWindow(2, lag=1, known_future="b", flatten=True)
    out = window.set_output(transform="pandas").fit_transform(frame)
    assert list(out.columns) == ["a_lag2", "b_lag1", "a_lag1", "b_lag0"]
    assert out.index.equals(frame.index)
    plain = SlidingWindow(2)
    assert not hasattr(plain, "get_feature_names_out")
    assert plain.set_output(transform="pandas") is plain
    assert isinstance(plain.fit_transform(frame), Sequences)


def test_float32_stays_float32():
    """The dtype of the rows is the dtype of the windows."""
    frame = frame_at(HOURS[:5]).astype(np.float32)
    assert SlidingWindow(2).fit_transform(frame).dtype == np.float32
    assert SlidingWindow(2).fit_transform(frame.to_numpy()).dtype == np.float32
    assert SlidingWindow(2).fit_transform(frame.astype(int)).dtype == np.float64


def test_nullable_and_boolean_columns():
    """Missing integers of pandas are NaN, booleans 0 and 1."""
    frame = frame_at(
        HOURS[:3],
        n=pd.array([1, None, 3], dtype="Int64"),
        b=pd.array([True, False, None], dtype="boolean"),
    )
    got = dense(SlidingWindow(1).fit_transform(frame))[:, 0]
    np.testing.assert_array_equal(got, [[1, 1], [np.nan, 0], [3, np.nan]])


# -- to_sequences -----------------------------------------------------------------------


def test_to_sequences_sorts_by_time_and_aligns_labels():
    """One sequence a group, rows by time, labels aligned by s.groups."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "who": rng.choice(list("dcba"), 50),
            "t": rng.permutation(50),
            "v": rng.normal(size=50),
            "w": np.arange(50),
        }
    )
    s = to_sequences(frame, groups="who", time="t")
    assert list(s.groups) == list("abcd")
    assert s.feature_names == ("v", "w")
    for k, who in enumerate(s.groups):
        rows = frame[frame.who == who].sort_values("t")[["v", "w"]].to_numpy()
        part = s.values[s.starts[k] : s.starts[k] + s.lengths[k]]
        np.testing.assert_array_equal(part, rows)
    labels = pd.Series({"c": 3, "a": 1, "d": 4, "b": 2})
    assert labels.loc[s.groups].tolist() == [1, 2, 3, 4]
    assert s[[2, 0]].groups.tolist() == ["c", "a"]


def test_to_sequences_by_index_and_by_several_columns():
    """Keys from a MultiIndex, or two columns; rows keep their order without a time."""
    index = pd.MultiIndex.from_product([["b", "a"], HOURS[:3]], names=["who", "when"])
    s = to_sequences(frame_at(index))
    assert list(s.groups) == ["a", "b"]
    np.testing.assert_array_equal(s.values[:, 0], [3, 4, 5, 0, 1, 2])
    frame = pd.DataFrame({"a": [1, 1, 2], "b": ["x", "y", "x"], "v": [1.0, 2.0, 3.0]})
    s = to_sequences(frame, groups=["a", "b"])
    assert list(s.groups) == [(1, "x"), (1, "y"), (2, "x")]


def test_to_sequences_errors():
    """An array, or a frame without groups, is told what to give."""
    with pytest.raises(InputError, match="needs a DataFrame"):
        to_sequences(np.zeros((3, 2)), groups=0)
    with pytest.raises(TimeIndexError, match="needs groups="):
        to_sequences(pd.DataFrame({"v": [1.0]}))
    with pytest.raises(TimeIndexError, match="Did you mean 'patient'"):
        to_sequences(pd.DataFrame({"patient": [1], "v": [1.0]}), groups="patent")


def test_one_warning_names_a_cause_once():
    """After a hole, the rows in it are not also counted as past the last observation."""
    frame = frame_at(HOURS[:40])
    window = SlidingWindow(6, lag=2).fit(frame.iloc[:20])
    future = future_frame(frame.iloc[:30], 4)
    with pytest.warns(LostHistoryWarning) as said:
        window.transform(future.iloc[:2])
    assert len(said) == 1
    assert "hole" in str(said[0].message)
    assert "past the last observation" not in str(said[0].message)
    with pytest.warns(LostHistoryWarning) as said:
        window.transform(future)
    assert len(said) == 1
    assert "2 of 4 rows lie more than lag=2 steps" in str(said[0].message)
