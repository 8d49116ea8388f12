"""Values to predict from that lie far outside those of fit: said once, with counts."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, Sequences, SlidingWindow
from sklearn_gru._encoding.seen_range import SeenRange, _means
from sklearn_gru.exceptions import UnseenDataWarning


def _trend(n=400):
    hours = pd.date_range("2024-01-01", periods=n, freq="h")
    noise = np.random.default_rng(0).normal(size=n)
    frame = {"noise": noise, "sales": np.arange(n) + 5 * np.sin(np.arange(n) / 4)}
    return pd.DataFrame(frame, index=hours)


def _piped(**params):
    params = {"normalization": None, **params}
    gru = GRURegressor(4, max_iter=1, random_state=0, **params)
    return make_pipeline(SlidingWindow(12, lag=1), gru)


def _said(model, X):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.predict(X)
    return [str(w.message) for w in said if w.category is UnseenDataWarning]


def test_a_trend_is_said_once_with_counts():
    """The feature, the number of windows mostly beyond its range, and the remedy."""
    frame = _trend()
    model = _piped().fit(frame[:200], frame["sales"][:200])
    said = _said(model, frame[200:])
    assert len(said) == 1
    read = frame["sales"][:199]  # the last row of fit ends no window
    span = read.max() - read.min()
    top = max(read.iloc[k : k + 12].mean() for k in range(188))
    later = [frame["sales"].iloc[k - 12 : k] for k in range(200, 400)]
    far = sum(
        part.clip(upper=read.max() + span).mean() > top + 0.5 * span for part in later
    )
    assert 0 < far < 200
    assert said[0].startswith(f"{far} of 200 sequences lie far outside")
    assert f"mean of feature 'sales' reaches {later[-1].mean():.6g}, and" in said[0]
    assert f"to {top:.6g}. " in said[0]
    assert "normalization='last'" in said[0]
    assert _said(model, frame[:200]) == []
    assert _said(model, frame[200:220]) == []


@pytest.mark.parametrize("kind", ["last", "standard"])
def test_normalized_windows_have_no_level_to_leave(kind):
    frame = _trend()
    model = _piped(normalization=kind, target_feature="sales")
    model.fit(frame[:200], frame["sales"][:200])
    assert _said(model, frame[200:]) == []


def test_outliers_and_noise_are_not_a_level():
    """A step far off in some windows, and noise beyond the extremes of fit."""
    frame = _trend().assign(sales=_trend()["noise"])
    model = _piped().fit(frame[:100], frame["sales"][:100])
    spoiled = frame[100:].copy()
    spoiled.iloc[50, 1] = 1e6
    assert _said(model, spoiled) == []


@pytest.mark.parametrize("model", [GRURegressor, GRUClassifier])
def test_sequences_of_another_level(model):
    """Arrays too; few of many are not enough, and missing steps are no level."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8, 2))
    y = (X[:, -1, 0] > 0).astype(int)
    model = model(4, max_iter=1, random_state=0).fit(X, y)
    shifted = X.copy()
    shifted[:, :, 1] -= 100
    assert "feature 1 reaches -10" in _said(model, shifted)[0]
    assert "60 of 60" in _said(pickle.loads(pickle.dumps(model)), shifted)[0]
    shifted[5:] = X[5:]
    assert _said(model, shifted) == []
    shifted[:] = np.nan
    assert _said(model, shifted) == []


def test_categories_and_later_fits_widen_what_was_seen():
    frame = _trend()
    model = _piped().fit(frame[:200], frame["sales"][:200])
    windows = model[0].fit_transform(frame)
    assert _said(model, frame[250:])
    model[1].partial_fit(windows[200:], frame["sales"][200:])
    assert _said(model, frame[250:]) == []
    kinds = pd.DataFrame({"kind": pd.Categorical(list("abcdefgh") * 5)})
    texts = [kinds[k : k + 5] for k in range(0, 40, 5)]
    model = GRURegressor(4, max_iter=1).fit(texts[:1] * 8, np.arange(8.0))
    assert _said(model, texts) == []


@pytest.mark.parametrize("gaps", [False, True])
def test_means_of_sequences_one_after_the_other_and_of_others(gaps):
    """Sums of the former need no running sum."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 9, 40)
    ends = np.cumsum(lengths)
    column = rng.normal(100, 1, ends[-1])
    if gaps:
        column[rng.random(len(column)) < 0.3] = np.nan
    apart = Sequences(column[:, None], ends - lengths, lengths)
    low = np.nanmin(column, keepdims=True)
    (means,) = _means(apart, column[:, None], low)
    order = rng.permutation(40)
    (others,) = _means(apart[order], column[:, None], low)
    np.testing.assert_allclose(others, means[order])
    for mean, end, length in zip(means, ends, lengths, strict=True):
        own = column[end - length : end]
        expected = np.nanmean(own) if not np.isnan(own).all() else np.nan
        np.testing.assert_allclose(mean, expected)


def test_levels_of_many_columns_are_those_of_each_alone():
    """Means of some columns are computed at once."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 40)) * np.arange(1, 41) + 1e6
    rows[rng.random(rows.shape) < 0.1] = np.nan
    starts, lengths = np.arange(280), rng.integers(1, 20, 280)
    seen = SeenRange.of(Sequences(rows, starts, lengths), np.arange(0))
    for j in range(40):
        one = Sequences(rows[:, j : j + 1], starts, lengths)
        alone = SeenRange.of(one, np.arange(0))
        assert alone.lowest == seen.lowest[j]
        assert alone.highest == seen.highest[j]


@pytest.mark.parametrize("window", [1, 5])
def test_values_outside_are_counted_as_often_as_sequences_use_them(window):
    """Fewer values than sequences may lie outside: windows share them, and repeat."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(100, 2))
    starts = np.arange(0, 101 - window)
    seen = SeenRange.of(
        Sequences(rows, starts, np.full(len(starts), window)), np.arange(0)
    )
    rows[50:53, 1] += 1000.0
    near = np.arange(50 - window // 2, 52)
    for some in (near, np.repeat(near, 20), np.append(starts, np.repeat(near, 40))):
        shifted = Sequences(rows, some, np.full(len(some), window))
        with pytest.warns(UnseenDataWarning, match="mean of feature 1"):
            seen.warn_outside(shifted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen.warn_outside(Sequences(rows, starts, np.full(len(starts), window)))
