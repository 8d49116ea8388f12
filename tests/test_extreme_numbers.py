"""Numbers and times at the ends of their ranges are right, or refused with a remedy."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from sklearn_gru import GRURegressor, SlidingWindow
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.standardizer import Standardizer
from sklearn_gru._tables.keys import read_keys
from sklearn_gru.exceptions import InputError, InvalidParameterError, TimeIndexError


def make_data(dtype=np.float64):
    X = np.random.default_rng(0).normal(size=(200, 12, 3))
    return X.astype(dtype), X.sum((1, 2))


# --- targets and features ------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile"])
@pytest.mark.parametrize("factor", [1e-300, 1e-165, 1e-120, 1e120, 1e154, 1e300])
def test_huge_and_tiny_targets_are_learned(factor, loss):
    """As well as those of order 1; a power of two gives the same digits."""
    X, y = make_data()
    params = {"max_iter": 30, "random_state": 0, "loss": loss}
    if loss == "quantile":
        params["quantile"] = 0.5
    found = GRURegressor(8, **params).fit(X, y * factor).predict(X)
    assert np.isfinite(found).all()
    plain = GRURegressor(8, **params).fit(X, y).predict(X)
    assert r2_score(y, found / factor) == pytest.approx(r2_score(y, plain), abs=0.02)


def test_one_huge_target_is_finite():
    """The largest float64 among others."""
    X, y = make_data()
    y[0], y[1] = np.finfo(float).max, -np.finfo(float).max
    assert np.isfinite(
        GRURegressor(4, max_iter=2, random_state=0).fit(X, y).predict(X)
    ).all()


@pytest.mark.parametrize("exponent", [-600, -400, 400, 600])
def test_features_are_standardized_at_any_scale(exponent):
    """By the same digits as at scale 1, also beside ordinary features."""
    X, _ = make_data()
    X[0, 3, 1] = np.nan
    scaled = X.copy()
    scaled[:, :, 1] = np.ldexp(X[:, :, 1], exponent)
    plain, other = (
        Standardizer.fit(Sequences.from_array(a), None, identity=False)
        for a in (X, scaled)
    )
    expected = np.ldexp(plain.scale, [0, exponent, 0])
    np.testing.assert_allclose(other.scale, expected, rtol=1e-14)
    np.testing.assert_allclose(other.mean, np.ldexp(plain.mean, [0, exponent, 0]))


@pytest.mark.parametrize("weight", [1e308, 1e-308])
def test_only_ratios_of_weights_count(weight):
    """Whatever their scale, they train the same network."""
    X, y = make_data()
    model = GRURegressor(4, max_iter=3, random_state=0)
    plain = model.fit(X, y, np.ones(len(y))).predict(X)
    assert np.array_equal(model.fit(X, y, np.full(len(y), weight)).predict(X), plain)


def test_values_beyond_float32_are_finite_and_reported():
    """A sensor that sends 1e300 does not turn predictions into NaN in silence."""
    X, y = make_data()
    model = GRURegressor(4, max_iter=3, random_state=0, dtype="float32").fit(X, y)
    X[3, 5, 1] = 1e300
    with pytest.warns(RuntimeWarning, match="float32"):
        found = model.predict(X)
    assert np.isfinite(found).all()


def test_a_float32_X_that_rounds_the_target_away_is_reported():
    """Predictions have the dtype of X: 1e9 + 4 is 1e9 there."""
    X, y = make_data(np.float32)
    model = GRURegressor(8, max_iter=30, random_state=0)
    with pytest.warns(UserWarning, match="X as float64"):
        model.fit(X, y + 1e9)
    found = model.fit(X.astype(np.float64), y + 1e9).predict(X.astype(np.float64))
    assert r2_score(y + 1e9, found) > 0.5
    model.fit(X, y + 1e3)  # enough digits: no warning


@pytest.mark.parametrize("kind", ["list", "array", "target"])
def test_complex_numbers_are_refused(kind):
    """Their imaginary part would be lost."""
    X, y = make_data()
    if kind == "target":
        y = y + 1j
    else:
        X = X + 1j if kind == "array" else [x + 1j for x in X]
    with pytest.raises(ValueError, match=r"[Cc]omplex"):
        GRURegressor(4, max_iter=1).fit(X, y)


def test_times_are_not_features():
    """A 3-D array of dates is refused."""
    X, y = make_data()
    with pytest.raises(InputError, match="holds times"):
        GRURegressor(4, max_iter=1).fit((X * 1e6).astype("datetime64[s]"), y)


# --- groups --------------------------------------------------------------------------


def panel(n, n_keys):
    rng = np.random.default_rng(0)
    keys = {f"k{j}": rng.permutation(n) for j in range(n_keys)}
    index = pd.DatetimeIndex(["2000-01-01"] * n)
    return pd.DataFrame({**keys, "a": np.arange(n, dtype=float)}, index=index)


def test_many_group_columns_do_not_overflow():
    """The product of the numbers of values of six columns is above 2**63."""
    frame, keys = panel(3000, 6), [f"k{j}" for j in range(6)]
    window = SlidingWindow(2, groups=keys, freq="D").fit(frame)
    assert window._fitted.groups == list(map(tuple, frame[keys].to_numpy()))
    later = frame.set_axis(frame.index + pd.Timedelta("1D")).sample(
        1500, random_state=0
    )
    before = np.asarray(window.transform(later))[:, 0, 0]
    assert np.array_equal(before, later["a"].to_numpy())


def test_labels_of_groups_are_those_of_their_rows():
    """Against a dictionary, with few and many values, in any order."""
    rng = np.random.default_rng(0)
    for sizes in itertools.product([1, 3, 40], repeat=3):
        columns = {
            f"k{j}": rng.integers(0, n, 60).astype(str) for j, n in enumerate(sizes)
        }
        frame = pd.DataFrame({**columns, "t": np.arange(60)})
        keys = read_keys(frame, "t", list(columns))
        rows = list(map(tuple, frame[list(columns)].to_numpy()))
        assert [keys.labels[code] for code in keys.codes] == rows
        assert keys.labels == list(dict.fromkeys(rows))


# --- times ---------------------------------------------------------------------------


def windows_of(index, **params):
    frame = pd.DataFrame({"a": np.arange(len(index), dtype=float)}, index=index)
    window = SlidingWindow(3, **params)
    return window, np.asarray(window.fit_transform(frame))[:, :, 0]


@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
@pytest.mark.parametrize("year", [1700, 1969, 1971])
def test_a_gap_of_centuries_is_one_hole(year, tz):
    """A row in 2262 that means "for ever"; the others are as without it."""
    days = pd.date_range(f"{year}-01-01", periods=100, tz=tz)
    last = pd.DatetimeIndex([pd.Timestamp("2262-01-01", tz=tz)])
    window, found = windows_of(days.append(last))
    plain, expected = windows_of(days)
    assert window.freq_ == plain.freq_
    np.testing.assert_array_equal(found[:100], expected)
    np.testing.assert_array_equal(found[100], [np.nan, np.nan, 100])


def test_the_last_months_of_nanoseconds_have_their_phase():
    """The month after the last one begins beyond what nanoseconds can count."""
    months = pd.date_range("2261-05-31", "2262-03-31", freq="ME").append(
        pd.date_range("1677-10-31", periods=3, freq="ME")
    )
    window, found = windows_of(months)
    assert window.freq_ == pd.DateOffset(months=1)
    np.testing.assert_array_equal(found[2], [0, 1, 2])
    windows_of(pd.date_range("2262-01-10", periods=4, freq=pd.DateOffset(months=1)))


@pytest.mark.parametrize("freq", [None, "infer"])
def test_times_at_the_ends_of_int64_keep_their_order(freq):
    """No difference wraps around: no window sees a later row."""
    low, high = -(2**63), 2**63 - 1
    for times in ([low, high], [low, low + 1, high], [low, -1, 0, high - 1, high]):
        order = np.random.default_rng(0).permutation(len(times))
        _, found = windows_of(pd.Index(np.array(times)[order]), freq=freq)
        newest = found[:, -1]
        assert np.array_equal(newest, np.arange(len(times)))
        rank = np.argsort(np.argsort(order))
        for row, window in enumerate(found):
            seen = window[~np.isnan(window)].astype(int)
            assert (order[seen] <= order[row]).all(), (times, rank)


def test_unsigned_times_beyond_int64_are_refused():
    """They would become negative: the past would see the future."""
    times = np.array([10, 11, 2**63 + 5, 2**63 + 6], dtype=np.uint64)
    with pytest.raises(TimeIndexError, match="largest time"):
        windows_of(pd.Index(times), freq=None)
    small = pd.Index(np.array([10, 11, 12], dtype=np.uint64))
    np.testing.assert_array_equal(windows_of(small)[1][2], [0, 1, 2])


def test_float_times_that_cannot_be_counted_are_refused():
    """A step of 1 and times of 1e300."""
    frame = pd.DataFrame({"t": [0.5, 1.5, 1e300], "a": 1.0})
    with pytest.raises(TimeIndexError, match="too many steps"):
        SlidingWindow(3, time="t", freq=1.0).fit(frame)


@pytest.mark.filterwarnings("ignore:.*no window is filled")
def test_a_window_far_longer_than_the_data_costs_nothing():
    """A billion steps over ten rows; the same windows as a shorter one, padded."""
    rows = np.arange(20.0).reshape(10, 2)
    for lag in (0, 1, 30):
        long = SlidingWindow(10**9, lag=lag).fit_transform(rows)
        assert long.shape == (10, 10**9, 2)
        short = SlidingWindow(12, lag=lag).fit_transform(rows)
        for k in range(10):
            steps = long.values[long.starts[k] : long.starts[k] + long.lengths[k]]
            np.testing.assert_array_equal(steps, short[k, 12 - len(steps) :])
            assert np.isnan(short[k, : 12 - len(steps)]).all()
    days = pd.date_range("2000-01-01", periods=10)
    frame = pd.DataFrame(rows, index=days, columns=["a", "b"])
    assert SlidingWindow(10**9).fit_transform(frame).shape == (10, 10**9, 2)
    with pytest.raises(InvalidParameterError, match="at most"):
        SlidingWindow(10**18).fit(frame)
