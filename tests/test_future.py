"""The rows after the end: keys on the grid, windows as if the rows existed."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, future_frame, make_targets
from sklearn_gru.datasets import load_nyc_weather
from sklearn_gru.exceptions import (
    InputError,
    InvalidParameterError,
    LostHistoryWarning,
    TimeIndexError,
    UnseenDataWarning,
)
from tests.brute_force import brute_windows, records
from tests.cases import CASES

REGULAR = [name for name, case in CASES.items() if case[1] is not None]


def _by_group(frame):
    """Group label and rows of each group, in order of appearance."""
    if isinstance(frame.index, pd.MultiIndex):
        return list(frame.groupby(level=0, sort=False))
    return [("", frame)]


def _times(frame):
    return frame.index.get_level_values(-1)


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("case", REGULAR)
def test_the_next_rows_of_every_group(case, order):
    """Row k of a group is k steps after its last; index, columns, dtypes are X's."""
    frame, back, params = CASES[case]
    if order == "shuffled":
        frame = frame.sample(frac=1, random_state=1)
    future = future_frame(frame, 7, **params)
    assert list(future.columns) == list(frame.columns)
    assert (future.dtypes == frame.dtypes).all()
    assert future.index.names == frame.index.names
    assert future.index.dtype == frame.index.dtype
    assert future.isna().all(axis=None)
    groups = _by_group(frame)
    assert [g for g, _ in _by_group(future)] == [g for g, _ in groups]
    for (_, old), (_, new) in zip(groups, _by_group(future), strict=True):
        assert type(_times(new)[0]) is type(_times(old)[0])
        for k, t in enumerate(_times(new), start=1):
            assert back(t, k) == _times(old).max()


@pytest.mark.parametrize("case", REGULAR)
@pytest.mark.parametrize("lag", [1, 3, 5])
def test_windows_of_the_future_equal_those_of_a_longer_frame(case, lag):
    """Bit for bit: rows that exist, and the loop, give the windows of the future rows."""
    frame, back, params = CASES[case]
    frame = frame.sample(frac=1, random_state=2)
    rng = np.random.default_rng(3)
    future = future_frame(frame, lag, **params)
    future["b"] = rng.normal(size=len(future))
    happened = future.assign(
        a=rng.normal(size=len(future)), c=rng.normal(size=len(future))
    )
    window = SlidingWindow(4, lag=lag, known_future="b", **params)
    got = _quietly(window.fit(frame), future)
    longer = pd.concat([frame, happened])
    in_longer = window.fit(longer).transform(longer)[len(frame) :]
    np.testing.assert_array_equal(np.asarray(in_longer), np.asarray(got))
    with warnings.catch_warnings():  # groups end apart, so some are behind others
        warnings.simplefilter("ignore", LostHistoryWarning)
        observed = window.fit(frame).transform(happened)
    np.testing.assert_array_equal(np.asarray(observed), np.asarray(got))
    expected = brute_windows(
        records(frame),
        records(future),
        window=4,
        lag=lag,
        known=["b"],
        group="group",
        time="time",
        back=back,
    )
    np.testing.assert_array_equal(np.asarray(got), expected)


def _quietly(window, X):
    """Windows of X; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return window.transform(X)


def test_the_future_of_the_weather():
    """Three airports, one ending early: the windows of a frame in which it happened."""
    X, _ = load_nyc_weather(return_X_y=True)
    X = X.drop(index=X.loc[["JFK"]].index[-100:])
    X = X[["temp", "dewp", "wind_speed"]]
    cut = X.groupby(level="origin").cumcount(ascending=False) >= 24
    past, happened = X[cut], X[~cut]
    future = future_frame(past, 24)
    assert future.index.equals(happened.index)
    assert future.index.dtypes.equals(X.index.dtypes)
    future["wind_speed"] = happened["wind_speed"]
    window = SlidingWindow(48, lag=24, known_future="wind_speed").fit(past)
    got = np.asarray(_quietly(window, future))
    assert (~np.isnan(got[:, -1])).all()
    np.testing.assert_array_equal(got, np.asarray(window.fit(X).transform(X)[~cut]))


def test_rows_beyond_the_lag_are_said():
    """With lag=h the rows after the first h miss their newest steps, and it is said."""
    frame = CASES["panel in index"][0]
    window = SlidingWindow(4, lag=3, known_future="b").fit(frame)
    future = future_frame(frame, 5).assign(b=0.0)
    with pytest.warns(LostHistoryWarning, match=r"6 of 15 rows lie more than lag=3"):
        window.transform(future)


def test_a_panel_cut_by_row_number_is_still_said():
    """Rows without an observation are the future; one observed row is a test fold."""
    frame = CASES["panel in index"][0]
    window = SlidingWindow(4, lag=3).fit(frame)
    future = future_frame(frame, 3)
    future.iloc[2] = 1.0  # of the group that ends first
    with pytest.warns(LostHistoryWarning, match="split by row number"):
        window.transform(future)


# -- forecasts --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forecaster():
    """A model of 6-step paths on a panel, its data, and the rows to forecast."""
    rng = np.random.default_rng(0)
    parts = []
    for begin, end in ((0, 60), (10, 64)):
        index = pd.date_range("2024-01-01", periods=end, freq="h")[begin:]
        part = pd.DataFrame({"load": rng.normal(size=len(index)).cumsum()}, index=index)
        parts.append(part.assign(hour=index.hour))
    frame = pd.concat(parts, keys=["x", "y"], names=["shop", "when"])
    X, Y = make_targets(frame, frame["load"], 6)
    model = make_pipeline(
        SlidingWindow(8, lag=6, known_future="hour"),
        GRURegressor(8, max_iter=3, random_state=0),
    )
    future = future_frame(frame, 6)
    future["hour"] = future.index.get_level_values("when").hour
    return model.fit(X, Y), X, future


def _predict(model, X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.predict(X)


def test_every_step_of_the_path_sees_the_newest_row(forecaster):
    """Change the newest row of one shop: all its steps change, no other shop's does."""
    model, X, future = forecaster
    before = _predict(model, future)
    assert before.shape == (12, 6)
    newest = X.loc[["x"]].index[-1]
    model[0].fit(X.assign(load=X["load"].where(X.index != newest, 99.0)))
    after = _predict(model, future)
    model[0].fit(X)
    paths = [5, 11]  # the last row of each shop holds the path from its newest row on
    changed = before[paths] != after[paths]
    assert changed.tolist() == [[True] * 6, [False] * 6]
    np.testing.assert_array_equal(before[:5], after[:5])  # forecast from earlier rows


def test_the_forecast_equals_that_of_a_longer_frame(forecaster):
    """To the bit: predict on rows to come and on a frame in which they happened."""
    model, X, future = forecaster
    forecast = _predict(model, future)
    longer = pd.concat([X, future.assign(load=7.0)])
    window = SlidingWindow(8, lag=6, known_future="hour").fit(longer)
    again = make_pipeline(window, model[1]).predict(longer)[-12:]
    np.testing.assert_array_equal(again, forecast)


# -- containers -------------------------------------------------------------------------


def test_keys_in_columns_keep_their_kind():
    """Categories, zones, units, integers and periods stay; others become missing."""
    when = pd.date_range("2024-03-30 20:00", periods=3, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame(
        {
            "when": when.as_unit("s"),
            "n": np.array([1, 2, 3], dtype=np.int8),
            "shop": pd.Categorical(["b", "b", "a"], categories=["z", "a", "b"]),
            "open": [True, False, True],
            "price": np.array([1, 2, 3], dtype=np.float32),
            "stock": pd.array([1, 2, None], dtype="Int64"),
            "kind": pd.Categorical(["u", "v", "u"]),
        },
        index=["r", "s", "t"],
    )
    future = future_frame(frame, 2, time="when", groups="shop", freq="h")
    expected = frame.dtypes.copy()
    expected[["n", "open"]] = np.dtype(np.float64)
    assert future.dtypes.equals(expected)
    assert list(future["shop"]) == ["b", "b", "a", "a"]
    assert list(future["when"]) == [
        *pd.date_range("2024-03-30 22:00", periods=2, freq="h", tz="Europe/Berlin"),
        *pd.date_range("2024-03-30 23:00", periods=2, freq="h", tz="Europe/Berlin"),
    ]
    assert future[["n", "open", "price", "stock", "kind"]].isna().all(axis=None)
    for time, dtype in (("n", np.int8), ("period", "period[M]")):
        columns = frame.assign(period=pd.period_range("2024-01", periods=3, freq="M"))
        late = future_frame(columns, 1, time=time)
        assert late[time].dtype == dtype
        assert late[time].iloc[0] == columns[time].iloc[-1] + 1
    full = future_frame(frame, 200, time="n")
    assert full["n"].dtype == np.int64  # int8 would run over
    assert full["n"].iloc[-1] == 203


def test_index_levels_keep_their_kind():
    """Named levels of any position, categories among them, and extra index names."""
    days = pd.period_range("2024-01-01", periods=3, freq="D")
    shops = pd.CategoricalIndex(["x", "y"], categories=["y", "x", "w"])
    index = pd.MultiIndex.from_product([days, shops, [7]], names=["day", "shop", None])
    frame = pd.DataFrame({"v": np.arange(6.0)}, index=index)
    future = future_frame(frame, 2)
    assert future.index.names == ["day", "shop", None]
    assert future.index.dtypes.tolist() == index.dtypes.tolist()
    assert future.index.tolist() == [
        (pd.Period(f"2024-01-0{d}", "D"), shop, 7) for shop in "xy" for d in (4, 5)
    ]
    by_name = frame.reset_index(level=["shop", 2])
    late = future_frame(by_name, 1, time="day", groups=["shop"])
    assert late.index.name == "day"
    assert late["shop"].tolist() == ["x", "y"]


def test_a_frame_without_a_time_index_goes_on_counting():
    """A RangeIndex is an integer time, and its next rows follow it."""
    frame = pd.DataFrame({"v": np.arange(5.0)})
    future = future_frame(frame, 2)
    assert list(future.index) == [5, 6]
    window = SlidingWindow(3, lag=2).fit(frame)
    got = np.asarray(_quietly(window, future))[:, :, 0]
    np.testing.assert_array_equal(got, [[1, 2, 3], [2, 3, 4]])


def test_arrays_with_a_time_column():
    """An array gives an array with its keys; floats count by freq."""
    X = np.array([[1, 0, 5], [2, 0, 6], [7, 1, 8]])
    got = future_frame(X, 2, time=0, groups=1)
    expected = [[3, 0, np.nan], [4, 0, np.nan], [8, 1, np.nan], [9, 1, np.nan]]
    np.testing.assert_array_equal(got, expected)
    halves = np.array([[0.0, 1], [0.5, 2]], dtype=np.float32)
    got = future_frame(halves, 1, time=0, freq=0.5)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, [[1.0, np.nan]])


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_polars_frames_stay_polars(zone):
    """Null rows with the keys of a polars frame, dtypes kept."""
    pl = pytest.importorskip("polars")
    when = pd.date_range("2024-01-01", periods=3, freq="h").to_pydatetime().tolist()
    frame = pl.DataFrame({"t": when, "g": list("aab"), "v": [1, 2, 3]})
    frame = frame.with_columns(pl.col("t").dt.replace_time_zone(zone))
    future = future_frame(frame, 2, time="t", groups="g", freq="h")
    assert future.schema == frame.schema
    assert future["g"].to_list() == list("aabb")
    assert future["v"].is_null().all()
    hours = future["t"].dt.hour().to_list()
    assert hours == [2, 3, 3, 4]
    days = pl.DataFrame({"d": [1, 2], "v": [1.0, 2.0]})
    assert future_frame(days, 1, time="d")["d"].to_list() == [3]


@given(
    begin=st.integers(0, 20_000),
    n=st.integers(3, 8),
    periods=st.integers(1, 40),
    freq=st.sampled_from(["h", "7min", "D", "2D", "W", "MS", "2ME", "QS", "YS", "B"]),
    zone=st.sampled_from([None, "Europe/Berlin", "America/New_York"]),
)
@settings(derandomize=True, max_examples=150, deadline=None, database=None)
def test_any_step_goes_on_as_date_range_does(begin, n, periods, freq, zone):
    """The next times are those that pandas.date_range gives, across clock changes."""
    start = pd.Timestamp("1990-01-01 12:00") + pd.Timedelta(days=begin)
    index = pd.date_range(start, periods=n + periods, freq=freq, tz=zone)
    frame = pd.DataFrame({"v": np.arange(float(n))}, index=index[:n])
    future = future_frame(frame, periods, freq=freq)
    assert future.index.tolist() == index[n:].tolist()


# -- errors -----------------------------------------------------------------------------


def test_errors_of_future_frame():
    """No time, irregular times, a time that does not exist: said with the remedy."""
    frame = CASES["irregular"][0]
    with pytest.raises(TimeIndexError, match=r"irregular.*freq='h'"):
        future_frame(frame, 2)
    with pytest.raises(TimeIndexError, match="irregular"):
        future_frame(CASES["daily naive"][0], 2, freq=None)
    for timeless in (np.zeros((3, 1)), pd.DataFrame({"v": [1.0]}, index=["a"])):
        with pytest.raises(TimeIndexError, match="X carries no time"):
            future_frame(timeless, 2)
    with pytest.raises(InvalidParameterError, match="periods=0 is not allowed"):
        future_frame(frame, 0)
    with pytest.raises(InputError, match="no rows"):
        future_frame(frame.iloc[:0], 1)
    daily = CASES["daily naive"][0]
    with pytest.raises(TimeIndexError, match="off the grid"):
        future_frame(daily, 1, freq="W")
    late = pd.to_datetime(["2024-03-30", "2024-04-30", "2024-05-30", "2024-06-30"])
    months = pd.DataFrame({"v": np.arange(4.0)}, index=late)
    with pytest.raises(
        TimeIndexError, match=r"no valid time 8 steps of .* after 2024-06-30"
    ):
        future_frame(months, 12)
    nights = pd.date_range("2024-03-28 02:30", periods=3, freq="D", tz="Europe/Berlin")
    with pytest.raises(TimeIndexError, match="the clock skips that hour"):
        future_frame(pd.DataFrame({"v": np.arange(3.0)}, index=nights), 1)


def _shops(n=40):
    days = pd.date_range("2024-01-01", periods=n)
    rng = np.random.default_rng(5)
    parts = [
        pd.DataFrame(
            {
                "shop": shop,
                "day": days,
                "sales": rng.normal(size=n),
                "promo": rng.integers(0, 2, size=n).astype(float),
                "size": size,
                "region": pd.Categorical([region] * n, categories=["north", "south"]),
            }
        )
        for shop, size, region in [("b", 3, "south"), ("a", 7, "north")]
    ]
    return pd.concat(parts, ignore_index=True)


def test_static_columns_are_carried_on():
    """Numbers and categories of a group, from its last row that holds a value."""
    frame = _shops().astype({"size": float})
    frame.loc[frame.index[39], "size"] = np.nan
    future = future_frame(
        frame, 2, time="day", groups="shop", static=["size", "region", "shop"]
    )
    assert future["size"].tolist() == [3, 3, 7, 7]
    assert future["region"].tolist() == ["south", "south", "north", "north"]
    assert future["region"].dtype == frame["region"].dtype
    assert future[["sales", "promo"]].isna().all(axis=None)


def test_static_columns_of_polars():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(
        {"g": ["b", "a", "b", "a"], "t": [1, 1, 2, 2], "s": [5, 6, 5, 6]}
    )
    future = future_frame(frame, 1, time="t", groups="g", static="s")
    assert future.rows() == [("b", 3, 5), ("a", 3, 6)]


def test_a_column_that_changes_is_not_static():
    with pytest.raises(InputError, match=r"static='promo': the rows of group 'b' hold"):
        future_frame(_shops(), 2, time="day", groups="shop", static="promo")
    with pytest.raises(InputError, match=r"static=.sizee.*Did you mean 'size'"):
        future_frame(_shops(), 2, time="day", groups="shop", static="sizee")


@pytest.mark.parametrize("shift", [0, 100])
def test_the_index_beside_a_time_column_continues(shift):
    """Labels are unique, so that the forecasts can be joined to the rows."""
    frame = _shops()
    frame.index += shift
    future = future_frame(frame, 3, time="day", groups="shop")
    assert future.index.tolist() == list(range(80 + shift, 86 + shift))
    texts = frame.set_axis([f"r{k}" for k in range(80)])
    assert future_frame(texts, 3, time="day", groups="shop").index.is_unique
    keyed = frame.set_index("shop")
    assert future_frame(keyed, 1, time="day", groups="shop").index.tolist() == [
        "b",
        "a",
    ]


def _promoted(missing=()):
    """A fitted window over shops whose promotion is missing in some rows of fit."""
    frame = _shops()[["shop", "day", "sales", "promo"]]
    frame.loc[list(missing), "promo"] = np.nan
    window = SlidingWindow(4, lag=3, known_future="promo", groups="shop", time="day")
    return window.fit(frame), future_frame(frame, 3, time="day", groups="shop")


def test_a_forgotten_known_column_is_reported():
    """The count, the column and the line that fills it in; nothing if it is filled."""
    window, future = _promoted()
    with pytest.warns(
        UnseenDataWarning,
        match=r"'promo' in all 6 rows \(in fit: never\).*X\['promo'\] =",
    ):
        window.transform(future)
    half = future.assign(promo=[0, 1, np.nan, np.nan, np.nan, 1])
    with pytest.warns(UnseenDataWarning, match="'promo' in 3 of 6 rows"):
        window.transform(half)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        window.transform(future.assign(promo=0.0))


def test_cells_missing_in_fit_as_well_are_not_reported():
    """A share that fit saw is no surprise; far more than that is."""
    window, future = _promoted(missing=range(0, 80, 2))
    window.transform(future)
    window, future = _promoted(missing=[7])
    with pytest.warns(
        UnseenDataWarning, match=r"all 6 rows \(in fit: 1\.2% of the rows"
    ):
        window.transform(future)
    window.transform(future.assign(promo=[np.nan, 1, 1, 1, 1, 1]))
