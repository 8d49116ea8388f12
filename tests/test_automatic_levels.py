"""The feature that y continues, and the normalization, chosen by rules."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklearn_gru import (
    GRUClassifier,
    GRURegressor,
    Sequences,
    SlidingWindow,
    make_targets,
)
from sklearn_gru._encoding.automatic_levels import continued_channel
from sklearn_gru.exceptions import InvalidParameterError


def make_frame(n=300, trend=0.05):
    """Return hourly rows: a load with a trend and a season, and other columns."""
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=n, freq="h")
    day = np.sin(np.arange(n) * 2 * np.pi / 24)
    columns = {
        "temp": rng.normal(size=n),
        "load": trend * np.arange(n) + day + 0.1 * rng.normal(size=n),
        "count": rng.integers(0, 5, n).astype(float),
    }
    return pd.DataFrame(columns, index=index)


def automatic(**params):
    params = {"max_iter": 1, "random_state": 0, **params}
    return GRURegressor(4, normalization="auto", target_feature="auto", **params)


def choices(model):
    return model.normalization_, model.target_feature_


def windows_of(frame, n_steps=12):
    """Return overlapping windows as an array, and the next load."""
    view = np.lib.stride_tricks.sliding_window_view(frame.to_numpy(), n_steps, axis=0)
    X = np.ascontiguousarray(view.swapaxes(1, 2))[:-1]
    return X, frame["load"].to_numpy()[n_steps:]


@pytest.mark.parametrize("lag", [0, 1, 24])
def test_a_feature_behind_a_window_is_found(lag):
    """At any lag, for one target and for a path, with holes and groups."""
    frame = make_frame()
    y = frame["load"].shift(-1).ffill() if lag == 0 else frame["load"]
    pipeline = make_pipeline(SlidingWindow(12, lag=lag), automatic())
    assert choices(pipeline.fit(frame, y)[-1]) == ("last", "load")
    holes = frame.drop(frame.index[[50, 51, 120]])
    assert choices(pipeline.fit(holes, y[holes.index])[-1]) == ("last", "load")
    path, targets = make_targets(frame, frame["load"], 6)
    model = make_pipeline(SlidingWindow(12, lag=6), automatic()).fit(path, targets)[-1]
    assert choices(model) == ("last", "load")


def test_arrays_and_shuffled_windows():
    """Positions instead of names; order is not needed to find the feature."""
    X, y = windows_of(make_frame())
    assert choices(automatic().fit(X, y)) == ("last", 1)
    shuffled = np.random.default_rng(1).permutation(len(X))
    model = automatic().fit(X[shuffled], y[shuffled])
    assert model.target_feature_ == 1
    assert choices(automatic().fit(X.astype(np.float32), y))[1] == 1


def test_outputs_that_continue_several_features():
    """The level of one must not be added to the forecasts of another."""
    frame = make_frame()
    window = SlidingWindow(12, lag=1)
    both = make_pipeline(window, automatic()).fit(frame, frame[["load", "temp"]])
    assert choices(both[-1]) == (None, None)
    one = make_pipeline(window, automatic()).fit(frame, frame[["load"]])
    assert choices(one[-1]) == ("last", "load")


@pytest.mark.parametrize("agreeing", [0.5, 0.88, 0.9, 0.92, 1.0])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_nine_in_ten_targets_decide(agreeing, shuffled, seed):
    """Also where a few sequences or the ends of a channel would say otherwise."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(400, 3)).astype(np.float32)
    starts = np.arange(250)
    y = rows[starts + 12 + 3, 1].copy()
    other = rng.permutation(250)[: 250 - round(agreeing * 250)]
    y[other] += 10 * rng.normal(size=len(other)).astype(np.float32)
    if shuffled:
        starts = rng.permutation(starts)
    sequences = Sequences(rows, starts, np.full(250, 12))
    found = continued_channel(sequences, y[:, None], np.arange(3))
    share = np.isin(y, rows[:, 1]).mean()
    assert found == (1 if share >= 0.9 else None)


def test_targets_that_continue_nothing():
    """Other targets, small counts, copies of a feature, and classes."""
    frame = make_frame()
    X, y = windows_of(frame)
    rng = np.random.default_rng(2)
    assert choices(automatic().fit(X, rng.normal(size=len(X)))) == (None, None)
    assert choices(automatic().fit(X, 2 * y)) == (None, None)
    counts = rng.integers(0, 5, len(X))
    assert choices(automatic().fit(X, counts)) == (None, None)
    twice = np.concatenate([X, X[:, :, 1:2]], axis=2)
    assert choices(automatic().fit(twice, y)) == (None, None)
    assert choices(automatic(loss="poisson").fit(X, np.exp(y / 10))) == (None, None)
    classifier = GRUClassifier(4, max_iter=1, normalization="auto").fit(X, y > 5)
    assert classifier._fitted.encoder.normalizer is None


def test_a_series_without_levels_is_left_alone():
    """White noise around one level is predicted by its mean, not its last value."""
    rng = np.random.default_rng(3)
    frame = make_frame(600).assign(load=rng.normal(size=600))
    pipeline = make_pipeline(SlidingWindow(12, lag=1), automatic())
    assert choices(pipeline.fit(frame, frame["load"])[-1]) == (None, None)


def test_series_of_very_different_size_are_scaled():
    """Each by its own deviation, and then predicted in its own units."""
    rng = np.random.default_rng(4)
    t = np.arange(120)
    panel = pd.concat(
        pd.DataFrame(
            {
                "shop": shop,
                "day": t,
                "sales": 10.0 ** (shop - 2)
                * (3 + np.sin(t * 2 * np.pi / 7) + 0.1 * rng.normal(size=120)),
            }
        )
        for shop in range(6)
    ).reset_index(drop=True)
    window = SlidingWindow(14, lag=1, groups="shop", time="day")
    model = make_pipeline(window, automatic())
    assert choices(model.fit(panel, panel["sales"])[-1]) == ("standard", "sales")


def test_explicit_values_win_over_the_rule():
    """Each of the two can be given alone."""
    X, y = windows_of(make_frame())
    given = automatic().set_params(normalization="standard").fit(X, y)
    assert choices(given) == ("standard", 1)
    assert choices(automatic().set_params(target_feature=0).fit(X, y))[1] in (0, None)
    without = automatic().set_params(target_feature=None).fit(X, y)
    assert choices(without) == (None, None)
    none = automatic().set_params(normalization=None).fit(X, y)
    assert choices(none) == (None, None)
    with pytest.raises(InvalidParameterError, match="normalization='level'"):
        automatic().set_params(normalization="level").fit(X, y)


def test_the_same_as_naming_them():
    """Bit for bit; the choice stays for a warm start and further passes."""
    X, y = windows_of(make_frame())
    chosen = automatic(max_iter=2).fit(X, y)
    named = clone(chosen).set_params(normalization="last", target_feature=1).fit(X, y)
    np.testing.assert_array_equal(chosen.predict(X), named.predict(X))
    for model in (chosen, named):
        model.partial_fit(X[:50], np.random.default_rng(5).normal(size=50))
        model.set_params(warm_start=True).fit(X[:60], y[:60])
    assert choices(chosen) == ("last", 1)
    np.testing.assert_array_equal(chosen.predict(X), named.predict(X))
    with pytest.raises(InvalidParameterError, match="warm_start"):
        chosen.set_params(normalization="standard").fit(X, y)


@pytest.mark.parametrize("trend", [0.0, 0.005, 0.05])
def test_weights_count_like_repeats(trend):
    """The rule sees an integer weight as that many sequences, in any order."""
    X, y = windows_of(make_frame(trend=trend))
    weights = np.random.default_rng(6).integers(0, 4, len(X))
    weighted = automatic().fit(X, y, sample_weight=weights)
    repeated = automatic().fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert choices(weighted) == choices(repeated)
