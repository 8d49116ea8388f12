"""Normalisation of each sequence by itself, and targets that continue a channel."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, Sequences, SlidingWindow
from sklearn_gru._encoding import normalizations as normalization
from sklearn_gru._encoding.normalizations import last_observed, moments
from sklearn_gru._engines.torch.batches import SequenceDataset
from sklearn_gru.exceptions import InvalidParameterError, UnseenDataWarning
from tests.builders import make_sequences, make_walks, minimised
from tests.reference_gru import reference_output

KINDS = ["last", "standard"]
LOSSES = ["squared_error", "absolute_error", "huber"]

by_kind = pytest.mark.parametrize("kind", KINDS)
by_dtype = pytest.mark.parametrize(
    ("dtype", "tol"), [("float64", 1e-10), ("float32", 2e-5)]
)
few = settings(derandomize=True, max_examples=20, deadline=None, database=None)


def model(kind="last", **params):
    """A small regressor of channel 1."""
    defaults = {"hidden_size": 5, "max_iter": 4, "random_state": 0, "target_feature": 1}
    return GRURegressor(normalization=kind, **{**defaults, **params})


def level_of(x, kind, constant=None):
    """Shift and scale of one sequence, channel by channel, from the definition."""
    shift, scale = [], []
    for channel in x.T:
        seen = channel[~np.isnan(channel)]
        if kind == "last":
            shift.append(seen[-1] if len(seen) else np.nan)
            scale.append(1.0)
        else:
            shift.append(seen.mean() if len(seen) else np.nan)
            scale.append(seen.std() if len(seen) else np.nan)
    return np.array(shift), np.array(scale)


# -- shifts and scales ---------------------------------------------------------------------


@given(st.integers(0, 10**6))
@few
def test_levels_are_those_of_each_sequence(seed):
    """Last value, mean and deviation over observed cells, NaN where there is none."""
    s = make_sequences(seed)
    last, (mean, deviation) = last_observed(s), moments(s)
    for k, (start, length) in enumerate(zip(s.starts, s.lengths, strict=True)):
        x = s.values[start : start + length]
        np.testing.assert_array_equal(last[k], level_of(x, "last")[0])
        shift, scale = level_of(x, "standard")
        np.testing.assert_allclose(mean[k], shift, rtol=1e-13)
        np.testing.assert_allclose(deviation[k], scale, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("cells", [1, 30, 10**6])
def test_blocks_are_invisible(cells, monkeypatch):
    """How many windows are read at a time changes nothing but the last bits."""
    s = make_sequences(1)
    expected = moments(s)
    monkeypatch.setattr(normalization, "_CELLS", cells)
    for got, wanted in zip(moments(s), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-15)


def test_a_ripple_on_a_high_level():
    """A deviation of 1e-4 on a level of 1e6 keeps its digits; running sums lose it."""
    rng = np.random.default_rng(0)
    values = 1e6 + 1e-4 * rng.normal(size=(500, 1))
    windows = Sequences(values, np.arange(400), np.full(400, 100))
    expected = [values[k : k + 100].std() for k in range(400)]
    np.testing.assert_allclose(moments(windows)[1][:, 0], expected, rtol=1e-9)


def test_memory_is_that_of_the_rows():
    """20 000 windows of 500 steps: 80 MB as an array, a fifth of it here."""
    rows = np.random.default_rng(0).normal(size=(20_500, 1))
    windows = Sequences(rows, np.arange(20_000), np.full(20_000, 500))
    tracemalloc.start()
    last_observed(windows)
    moments(windows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16e6


# -- what the network reads and what is predicted ------------------------------------------


@by_kind
@by_dtype
@pytest.mark.parametrize("standardize", [True, False])
def test_predictions_equal_the_equations(kind, dtype, tol, standardize):
    """Normalise by hand, run the NumPy network, add back by hand: the prediction."""
    items, y = make_walks()
    y = np.column_stack([y, 2 * y])
    params = {"dtype": dtype, "standardize": standardize, "linear_share": 0}
    fitted = model(kind, **params).fit(items, y)
    whole = np.concatenate(items)
    unit = np.nanstd(whole, axis=0) if standardize else np.ones(2)
    got = fitted.predict(items)
    for k, x in enumerate(items):
        shift, scale = level_of(x, kind)
        typical = [1.0, fitted._fitted.continuation.scale]
        divided = unit if kind == "last" else np.where(scale > 0, scale, typical)
        inputs = np.column_stack(
            [np.nan_to_num((x - shift) / divided, nan=0.0), np.isnan(x)]
        )
        out = reference_output(
            fitted.module_.state_dict(), inputs, cell="gru", pooling="last"
        )
        back = 1.0 if kind == "last" else divided[1]
        shown = 0.0 if np.isnan(shift[1]) else shift[1]
        expected = fitted._fitted.task.decode(out) * back + shown
        np.testing.assert_allclose(got[k], expected, rtol=tol, atol=tol * 100)


@by_kind
def test_a_new_level_moves_the_prediction_along(kind):
    """Another level of a channel, and with "standard" another scale, is carried over."""
    items, y = make_walks()
    fitted = model(kind, dtype="float64").fit(items, y)
    items = [x for x in items if np.nanstd(x, axis=0).all()]
    before = fitted.predict(items)
    factor = 1.0 if kind == "last" else 7.0
    moved = [x * factor + [1e4, 3e5] for x in items]
    np.testing.assert_allclose(fitted.predict(moved), before * factor + 3e5, rtol=1e-9)


@by_kind
def test_without_target_feature_nothing_is_added_back(kind):
    """Inputs are normalised, outputs stay where y was; a classifier only does that."""
    items, y = make_walks()
    moved = [x + [1e4, 3e5] for x in items]
    free = model(kind, target_feature=None, dtype="float64").fit(items, y)
    np.testing.assert_allclose(free.predict(moved), free.predict(items), rtol=1e-8)
    labels = np.digitize([x[-1, 0] > x[0, 0] for x in items], [0.5])
    classes = GRUClassifier(4, normalization=kind, max_iter=3, random_state=0)
    p = classes.fit(items, labels).predict_proba(items)
    np.testing.assert_allclose(classes.predict_proba(moved), p, rtol=1e-7)
    assert "target_feature" not in classes.get_params()


@by_kind
@by_dtype
def test_each_prediction_depends_on_its_sequence_alone(kind, dtype, tol):
    """Alone, permuted, padded in front or behind: one prediction."""
    items, y = make_walks()
    fitted = model(kind, dtype=dtype).fit(items, y)
    together = fitted.predict(items)

    def close(got, expected):
        np.testing.assert_allclose(got, expected, rtol=tol, atol=100 * tol)

    close([fitted.predict([x])[0] for x in items], together)
    close(fitted.predict(items[::-1]), together[::-1])
    for front in (0, 3):
        padded = np.full((len(items), 15, 2), np.nan)
        for k, x in enumerate(items):
            padded[k, front : front + len(x)] = x
        close(fitted.predict(padded), together)


@by_kind
def test_marks_of_missing_cells_are_not_normalised(kind):
    """The mask that joins the input stays 0 and 1, and missing cells are 0."""
    items, y = make_walks()
    fitted = model(kind).fit(items, y)
    data = Sequences(
        np.concatenate(items),
        np.cumsum([0, *map(len, items[:-1])]),
        [len(x) for x in items],
    )
    dataset = dataset_of(fitted, data)
    values = dataset.gather(torch.arange(len(items)))[0]["values"]
    for k, x in enumerate(items):
        read = values[k, : len(x)].numpy()
        np.testing.assert_array_equal(read[:, 2:], np.isnan(x))
        np.testing.assert_array_equal(read[:, :2][np.isnan(x)], 0)


@by_kind
def test_missing_cells_in_a_channel_complete_at_fit(kind):
    """NaN that fit never saw is 0 after normalisation too, not minus the level."""
    rng = np.random.default_rng(0)
    X = 1000 + rng.normal(size=(20, 6, 2))
    fitted = model(kind).fit(X, X[:, -1, 1])
    fresh = X.copy()
    fresh[:, 2, 0] = np.nan
    assert np.abs(fitted.predict(fresh) - fitted.predict(X)).max() < 10


# -- constants, and channels never seen ----------------------------------------------------


@by_dtype
def test_constant_sequences(dtype, tol):
    """A flat sequence is 0; y moves from it by what is usual in the training set."""
    items, y = make_walks()
    fitted = model("standard", dtype=dtype).fit(items, y)
    flat = np.full((1, 8, 2), 0.1) + [12345.6, -7.3]
    shift, scale = fitted._fitted.encoder.normalizer.levels(Sequences.from_array(flat))
    np.testing.assert_allclose(shift, flat[:, 0], rtol=1e-14)
    assert np.isnan(scale).all()
    data = Sequences.from_array(flat)
    read = dataset_of(fitted, data).gather(torch.tensor([0]))[0]
    assert read["values"].abs().max() < 1e-5
    own = [level_of(x, "standard")[1][1] for x in items]
    usual = np.sort([scale for scale in own if scale > 0])
    usual = usual[(len(usual) - 1) // 2]  # the lower median
    np.testing.assert_allclose(fitted._fitted.continuation.scale, usual)
    assert abs(fitted.predict(flat)[0] + 7.2) < 3 * usual


def test_a_constant_training_set():
    """Nothing varies, anywhere: predictions are the constant."""
    X = np.full((12, 5, 2), 3.0)
    for kind in KINDS:
        fitted = model(kind).fit(X, np.full(12, 3.0))
        np.testing.assert_allclose(fitted.predict(X), 3.0, rtol=1e-12)


@by_kind
def test_a_sequence_that_never_shows_the_target_channel(kind):
    """It takes the mean level of the training set; an empty one the mean of y."""
    items, y = make_walks(level=5.0)
    blind = [x.copy() for x in items]
    for x in blind[:4]:
        x[:, 1] = np.nan
        x[:, 0] = 1.0
    weights = 1.0 + np.arange(len(items)) % 3
    fitted = model(kind, dtype="float64").fit(blind, y, sample_weight=weights)
    levels = np.array([level_of(x, kind)[0][1] for x in blind])
    seen = ~np.isnan(levels)
    mean = np.average(levels[seen], weights=weights[seen])
    np.testing.assert_allclose(fitted._fitted.continuation.shift, mean)
    assert np.isfinite(fitted.predict(blind)).all()
    empty = fitted.predict([np.full((3, 2), np.nan)])
    np.testing.assert_allclose(empty, np.average(y, weights=weights))


@by_kind
def test_nobody_shows_the_target_channel(kind):
    """Then y is learned as it is."""
    items, y = make_walks()
    for x in items:
        x[:, 1] = np.nan
        x[:, 0] = np.nan_to_num(x[:, 0])
    assert np.isfinite(model(kind).fit(items, y).predict(items)).all()


# -- the loss ------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES[:2])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_the_loss_is_in_units_of_each_sequence(loss, weighted):
    """With "standard", an error counts by the deviation of its own sequence."""
    items, y = make_walks()
    weights = np.random.default_rng(1).exponential(size=len(y)) if weighted else None
    fitted = model("standard", loss=loss, dtype="float64")
    fitted.fit(items, y, sample_weight=weights)
    _, unit = fitted._fitted.continuation.levels(joined(items))
    ratios = []
    for seed in range(3):
        prediction = y + 40 * np.random.default_rng(seed).normal(size=len(y))
        error = np.abs((prediction - y) / unit[:, 0])
        error = error ** (2 if loss == "squared_error" else 1)
        ratios.append(minimised(fitted, items, y, weights, prediction))
        ratios[-1] /= np.average(error, weights=weights)
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)


def test_a_panel_of_five_decades():
    """Small series are learned beside large ones, and their copies alike."""
    rng = np.random.default_rng(0)
    sizes = 10.0 ** np.linspace(0, 5, 30)
    phase = rng.uniform(0, 6, size=(30, 1))
    series = sizes[:, None] * (3 + np.sin(phase + np.arange(44) * 0.7))
    windows = np.lib.stride_tricks.sliding_window_view(series[:, :-1], 12, axis=1)
    X, y = windows.reshape(-1, 12, 1), series[:, 12:].ravel()
    fitted = model("standard", target_feature=0, hidden_size=8, max_iter=20).fit(X, y)
    size = np.repeat(sizes, 32)
    error = np.abs(fitted.predict(X) - y) / size
    small, large = error[size < 10].mean(), error[size > 1e4].mean()
    assert max(small, large) < 0.25  # the mean of a window is wrong by 0.64
    assert small < 1.5 * large


def test_a_flat_sequence_does_not_blow_up_the_loss():
    """A ripple a millionth of the usual one counts as a thousandth of it."""
    items, y = make_walks()
    fitted = model("standard", dtype="float64").fit(items, y)
    usual = fitted._fitted.continuation.scale
    ripple = np.column_stack([np.arange(6.0), 1e-6 * usual * np.arange(6.0)])
    _, scale = fitted._fitted.continuation.levels(joined([ripple]))
    np.testing.assert_allclose(scale, 1e-3 * usual)


def dataset_of(fitted, sequences):
    """What the network of a fitted model reads of sequences."""
    encoder, dtype = fitted._fitted.encoder, fitted._fitted.dtype
    encoded = encoder.encode(sequences, encoder.rows(sequences, dtype))
    return SequenceDataset(encoded, torch.device("cpu"))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_best_constant_has_loss_one(loss):
    """The unit is fixed by the training set: y relative to its level has spread 1."""
    items, y = make_walks()
    fitted = model("standard", loss=loss, dtype="float64").fit(items, y)
    shift, scale = (a[:, 0] for a in fitted._fitted.continuation.levels(joined(items)))
    if loss != "absolute_error":
        relative = (y - shift) / scale
        mean = relative.mean()
        np.testing.assert_allclose(fitted._fitted.task.center, mean)
        np.testing.assert_allclose(fitted._fitted.task.scale, relative.std())


def joined(items):
    lengths = np.array([len(x) for x in items])
    return Sequences(np.concatenate(items), np.cumsum(lengths) - lengths, lengths)


@by_kind
@pytest.mark.parametrize("loss", LOSSES)
def test_integer_weights_are_repeated_rows(kind, loss):
    """Levels, their means and medians respect the weights."""
    items, y = make_walks(n=12)
    weights = np.array([1, 2, 3] * 4)
    index = np.repeat(np.arange(12), weights)
    params = {"loss": loss, "dtype": "float64", "batch_size": 1000}
    weighted = model(kind, **params).fit(items, y, sample_weight=weights)
    repeated = model(kind, **params).fit([items[k] for k in index], y[index])
    np.testing.assert_allclose(
        weighted.predict(items), repeated.predict(items), rtol=1e-9
    )


# -- naming the channel --------------------------------------------------------------------


def test_names_and_positions_are_one():
    """A name of Sequences, of frames in a list, or the position: the same model."""
    items, y = make_walks()
    frames = [pd.DataFrame(x, columns=["temp", "load"]) for x in items]
    by_name = model(target_feature="load").fit(frames, y)
    by_position = model(target_feature=np.int64(1)).fit(items, y)
    np.testing.assert_array_equal(by_name.predict(frames), by_position.predict(items))


def test_in_a_pipeline(hourly):
    """Behind SlidingWindow the names are those of its columns; beats no carrying over."""
    frame = hourly.assign(load=hourly["load"] + np.arange(200.0))
    gru = model(target_feature="load", max_iter=30, dtype="float64")
    pipeline = make_pipeline(SlidingWindow(12, lag=1), gru)
    pipeline.fit(frame[:150], frame["load"][:150])
    assert pipeline.score(frame[150:], frame["load"][150:]) > 0.9
    plain = clone(pipeline).set_params(
        gruregressor__normalization=None,
        gruregressor__target_feature=None,
        gruregressor__linear_share=0,
    )
    plain.fit(frame[:100], frame["load"][:100])
    with pytest.warns(UnseenDataWarning, match="'load' reaches"):
        assert plain.score(frame[100:], frame["load"][100:]) < 0.5


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("lode", "no such column. Did you mean 'load'.*Seen: 'temp', 'load'"),
        (2, "not a channel of X, which has 2: positions are 0 to 1"),
        (-1, "not allowed"),
        (True, "not allowed"),
        (1.0, "not allowed"),
    ],
)
def test_unknown_channels(feature, message):
    """What there is, and the closest names, stand in the error."""
    items, y = make_walks()
    frames = [pd.DataFrame(x, columns=["temp", "load"]) for x in items]
    with pytest.raises(InvalidParameterError, match=message):
        model(target_feature=feature).fit(frames, y)


@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.LayoutWarning")
def test_names_need_channels_with_names():
    """Columns of 2-D X are steps: only a position names a channel there."""
    X = np.random.default_rng(0).normal(size=(20, 6))
    flat = pd.DataFrame(X, columns=list("abcdef"))
    with pytest.raises(InvalidParameterError, match="columns of 2-D X are steps"):
        model(target_feature="f").fit(flat, X[:, -1])
    fitted = model(target_feature=2, features_per_step=3).fit(X, X[:, -1])
    assert fitted._fitted.continuation.column == 2


def test_target_feature_needs_normalization():
    """Nothing can be added back that was not taken out."""
    items, y = make_walks()
    with pytest.raises(InvalidParameterError, match="Set normalization='last'"):
        model(None).fit(items, y)
    with pytest.raises(InvalidParameterError, match="'last' or 'standard'"):
        model("first").fit(items, y)


# -- life of a model -----------------------------------------------------------------------


@by_kind
def test_pickle_and_clone(kind):
    """Copies predict the same bits; a clone has forgotten the fit."""
    items, y = make_walks()
    fitted = model(kind).fit(items, y)
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(back.predict(items), fitted.predict(items))
    again = clone(fitted).fit(items, y)
    np.testing.assert_array_equal(again.predict(items), fitted.predict(items))


@by_kind
def test_training_on_keeps_what_the_first_fit_froze(kind):
    """Neither partial_fit nor warm_start learns units anew."""
    items, y = make_walks()
    fitted = model(kind, warm_start=True).fit(items, y)
    task, continuation = fitted._fitted.task, fitted._fitted.continuation
    fitted.fit([9 * x for x in items], 9 * y).partial_fit(items, y)
    assert fitted._fitted.task is task
    assert fitted._fitted.continuation is continuation
    fitted.set_params(normalization="standard" if kind == "last" else "last")
    with pytest.raises(InvalidParameterError, match="warm_start"):
        fitted.fit(items, y)


def test_large_levels_survive_float32():
    """A ripple of 1 on levels of 1e5: float32 predicts as float64 does."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 8, 1)) + 1e5
    y = X[:, -3:, 0].mean(axis=1)
    predictions = [
        model("last", target_feature=0, dtype=dtype).fit(X, y).predict(X)
        for dtype in ("float32", "float64")
    ]
    np.testing.assert_allclose(*predictions, rtol=0, atol=1e-2)


def sized_series(zeros=0.0):
    """Return windows of 40 series whose sizes span five decades, and the next values."""
    rng = np.random.default_rng(0)
    wave = 2 + np.sin(np.arange(60) / 3) + 0.1 * rng.normal(size=(40, 60))
    series = wave * 10 ** rng.uniform(-1, 4, (40, 1))
    series[rng.random(series.shape) < zeros] = 0.0
    ends = np.arange(12, 60)
    starts = (60 * np.arange(40)[:, None] + ends - 12).ravel()
    X = Sequences(series.reshape(-1, 1), starts, np.full(len(starts), 12))
    return X, series[:, 12:].ravel()


def loss_of(X, y, weight=None, **params):
    """Return the loss that a short fit chooses."""
    fitted = GRURegressor(4, max_iter=1, random_state=0, **params)
    return fitted.fit(X, y, weight).loss_


def test_series_of_very_different_size_learn_medians():
    """Where they are scaled; others, and values that are often 0, learn means."""
    X, y = sized_series()
    assert loss_of(X, y) == "absolute_error"
    assert loss_of(X, y, normalization="last") == "squared_error"
    assert loss_of(X, y, normalization=None, target_feature=None) == "squared_error"
    assert loss_of(X, y, loss="squared_error") == "squared_error"
    assert loss_of(X[:48], y[:48]) == "squared_error"  # one series
    many = sized_series(zeros=0.5)
    scaled = {"normalization": "standard", "target_feature": 0}
    assert loss_of(*many, **scaled) == "squared_error"
    # Zeros of next to no weight are no reason.
    weight = np.where(many[1] == 0, 1e-9, 1.0)
    assert loss_of(*many, weight, **scaled) == "absolute_error"
