"""Segments: some steps read at a time, aligned to the end of each sequence."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru._engines.torch.batches import SequenceDataset
from sklearn_gru._model.encoded import Encoded
from sklearn_gru.exceptions import InvalidParameterError
from tests.builders import joined, make_list, padded
from tests.networks import check_gradients, scrambled
from tests.reference_gru import reference_output

by_dtype = pytest.mark.parametrize(
    ("dtype", "tol"), [("float64", 1e-10), ("float32", 1e-5)]
)
by_length = pytest.mark.parametrize("k", [2, 3, 7, 50])


def make_data(seed=0, n=30):
    """Sequences of 1 to 11 steps of two features, with missing cells; a sum of each."""
    items = make_list(seed, np.arange(n) % 11 + 1)
    return items, np.array([np.nansum(x[-5:, 0]) for x in items])


def model(k, kind=GRURegressor, **params):
    """A small estimator that reads k steps at a time."""
    defaults = {"hidden_size": 5, "max_iter": 4, "random_state": 0}
    return kind(segment_length=k, **{**defaults, **params})


def segments(x, k):
    """Steps (T, F) as segments (ceil(T / k), k * F), zeros in front of the first."""
    absent = -len(x) % k
    whole = np.concatenate([np.zeros((absent, x.shape[1])), x])
    return whole.reshape(-1, k * x.shape[1])


def test_auto_reads_long_sequences_by_twos():
    """From 100 steps on, of the longest sequence in the first fit; not categories."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 120, 2))
    y = X[:, -1, 0] > 0
    found = {}
    for n in (99, 100, 101):
        fitted = GRUClassifier(3, max_iter=1, random_state=0).fit(X[:, :n], y)
        found[n] = fitted.segment_length_
    assert found == {99: 1, 100: 2, 101: 2}
    items = [x[-n:] for x, n in zip(X, [120] + 19 * [10], strict=True)]
    chosen = GRUClassifier(3, max_iter=1, random_state=0).fit(items, y)
    asked = GRUClassifier(3, max_iter=1, random_state=0, segment_length=2)
    assert chosen.segment_length_ == 2
    np.testing.assert_array_equal(
        chosen.predict_proba(items), asked.fit(items, y).predict_proba(items)
    )
    # What the first fit chose stays, for shorter sequences and after a pickle.
    chosen.set_params(warm_start=True).fit(X[:, :20], y)
    assert pickle.loads(pickle.dumps(chosen)).segment_length_ == 2
    codes = np.round(X[:, :, :1])
    fitted = GRUClassifier(3, max_iter=1, categorical_features=[0]).fit(codes, y)
    assert fitted.segment_length_ == 1
    assert GRURegressor(3, max_iter=1).fit(X, X[:, -1, 0]).segment_length_ == 1


def test_auto_of_a_regressor_reads_many_long_sequences_by_twos(monkeypatch):
    """With 100 steps each and 10 million in all, counted in the first fit."""
    X = np.random.default_rng(0).normal(size=(20, 120, 1))
    y = X[:, -1, 0]
    assert GRURegressor(3, max_iter=1).fit(X, y).segment_length_ == 1
    assert GRURegressor._least_to_read == 10_000_000
    monkeypatch.setattr(GRURegressor, "_least_to_read", 2000)
    fitted = GRURegressor(3, max_iter=1, random_state=0).fit(X, y)
    assert fitted.segment_length_ == 2
    assert fitted.set_params(warm_start=True).fit(X[:5], y[:5]).segment_length_ == 2
    for few in (X[:16], X[:, 21:]):  # fewer steps in all, or in each
        assert GRURegressor(3, max_iter=1).fit(few, y[: len(few)]).segment_length_ == 1


# -- batches -------------------------------------------------------------------------------


@by_length
def test_batches_hold_segments_that_end_with_their_sequences(k):
    """Every sequence, wherever it lies in the rows, and windows that overlap."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 2))
    starts = np.array([0, 0, 1, 3, 5, 19, 0, 4])
    lengths = np.array([1, 20, 7, 4, 14, 1, 6, 3])
    padded_rows = np.pad(rows, ((k - 1, 0), (0, 0)), constant_values=99.0)
    encoded = Encoded(padded_rows, starts + k - 1, lengths, segment_length=k)
    dataset = SequenceDataset(encoded, torch.device("cpu"))
    for index in (np.arange(8), np.array([3]), np.array([6, 2, 2])):
        inputs, _ = dataset.gather(torch.from_numpy(index))
        counts = inputs.get("lengths", torch.full((len(index),), -1)).numpy()
        for b, i in enumerate(index):
            expected = segments(rows[starts[i] : starts[i] + lengths[i]], k)
            got = inputs["values"][b].numpy().reshape(-1, k * 2)
            assert counts[b] in (-1, len(expected))
            assert counts[b] > 0 or len(got) == len(expected)
            np.testing.assert_array_equal(got[: len(expected)], expected)


def test_no_window_is_stored():
    """Segments are a view of the rows."""
    rows = np.zeros((1000, 3))
    encoded = Encoded(rows, np.array([23]), np.array([977]), segment_length=24)
    dataset = SequenceDataset(encoded, torch.device("cpu"))
    assert dataset.segments.data_ptr() == rows.__array_interface__["data"][0]
    assert dataset.segments.shape == (977, 72)


# -- the network ---------------------------------------------------------------------------


@by_length
@by_dtype
@pytest.mark.parametrize("bidirectional", [False, True])
def test_predictions_equal_the_equations(k, dtype, tol, bidirectional):
    """Cut by hand, standardise by hand, run the NumPy network: the prediction."""
    items, y = make_data()
    params = {"dtype": dtype, "pooling": "mean", "linear_share": 0}
    fitted = model(k, bidirectional=bidirectional, **params).fit(items, y)
    whole = np.concatenate(items)
    mean, std = np.nanmean(whole, axis=0), np.nanstd(whole, axis=0)
    for x, got in zip(items, fitted.predict(items), strict=True):
        read = np.column_stack([np.nan_to_num((x - mean) / std, nan=0.0), np.isnan(x)])
        out = reference_output(
            fitted.module_.state_dict(), segments(read, k), cell="gru", pooling="mean"
        )
        np.testing.assert_allclose(
            got, fitted._fitted.task.decode(out)[0], atol=50 * tol
        )


@pytest.mark.slow
@pytest.mark.parametrize("ragged", [False, True])
def test_gradients(ragged):
    """Of 4 steps in segments of 1 and 2 and 4, for parameters and input."""
    for k in (1, 2, 4):
        changes = {"n_inputs": 2, "hidden_size": 2, "segment_length": k}
        check_gradients(scrambled(bidirectional=True, **changes), False)
    if ragged:
        net = scrambled(n_inputs=1, hidden_size=2, segment_length=2)
        values = torch.randn(5, 4, 1, dtype=torch.float64, requires_grad=True)
        lengths = torch.tensor([2, 1, 2, 1, 1])
        assert torch.autograd.gradcheck(lambda v: net(v, lengths), values)


@pytest.mark.parametrize("off", [None, 1])
def test_off_is_off(off):
    """None and 1 are the network without segments, bit for bit."""
    items, y = make_data()
    expected = GRURegressor(5, max_iter=4, random_state=0).fit(items, y).predict(items)
    np.testing.assert_array_equal(model(off).fit(items, y).predict(items), expected)


def test_one_segment_sees_every_step():
    """A segment longer than the sequence is one step of all its values."""
    X = np.random.default_rng(0).normal(size=(60, 6, 1))
    y = X[:, :, 0] @ np.array([3.0, 0, 0, -2, 0, 1])
    fitted = model(6, max_iter=200, learning_rate=0.02).fit(X[:40], y[:40])
    assert fitted.score(X[40:], y[40:]) > 0.8
    assert fitted.module_.recurrent.layers[0][0].weight_ih_l0.shape == (15, 6)


# -- lengths, gaps, batch mates ------------------------------------------------------------


@by_length
@by_dtype
def test_each_prediction_depends_on_its_sequence_alone(k, dtype, tol):
    """Alone, permuted, NaN in front, NaN behind, over one array: one prediction."""
    items, y = make_data()
    fitted = model(k, dtype=dtype, normalization="last", pooling="max").fit(items, y)
    together = fitted.predict(items)

    def close(got, expected):
        np.testing.assert_allclose(got, expected, rtol=tol, atol=10 * tol)

    close([fitted.predict([x])[0] for x in items], together)
    close(fitted.predict(items[::-1]), together[::-1])
    close(fitted.predict(padded(items, front=True, extra=2)), together)
    close(fitted.predict(padded(items, front=False, extra=2)), together)
    close(fitted.predict(joined(items)), together)


def test_fit_reads_every_layout_alike():
    """Lists, both paddings and Sequences give one model."""
    items, y = make_data()
    expected = model(3).fit(items, y).predict(items)
    for X in (padded(items, front=True), padded(items, front=False), joined(items)):
        got = model(3).fit(X, y).predict(items)
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)


def test_a_gap_keeps_its_place():
    """A step without any value is read as zeros and its mark, not skipped."""
    items, y = make_data()
    fitted = model(3, dtype="float64").fit(items, y)
    x = items[10]
    gappy = np.insert(x, 5, np.nan, axis=0)
    outer = np.concatenate([np.full((2, 2), np.nan), gappy, np.full((1, 2), np.nan)])
    with_gap, outer_too, without = (fitted.predict([a])[0] for a in (gappy, outer, x))
    np.testing.assert_allclose(outer_too, with_gap, rtol=1e-12)
    assert abs(with_gap - without) > 1e-6
    read = np.column_stack(
        [
            np.nan_to_num(
                (gappy - fitted._fitted.encoder.standardizer.mean)
                / fitted._fitted.encoder.standardizer.scale,
                nan=0,
            ),
            np.isnan(gappy),
        ]
    )
    out = reference_output(
        fitted.module_.state_dict(), segments(read, 3), cell="gru", pooling="last"
    )
    np.testing.assert_allclose(with_gap, fitted._fitted.task.decode(out)[0], rtol=1e-10)


def test_empty_sequences():
    """They get the mean of y, as ever."""
    items, y = make_data()
    fitted = model(3).fit([*items, np.full((4, 2), np.nan)], [*y, 9.0])
    np.testing.assert_allclose(fitted.predict([np.full((2, 2), np.nan)]), y.mean())


# -- life of a model -----------------------------------------------------------------------


def test_integer_weights_are_repeated_rows():
    """Nothing in a segment knows of the others."""
    items, y = make_data(n=12)
    weights = np.array([1, 2, 3] * 4)
    index = np.repeat(np.arange(12), weights)
    params = {"dtype": "float64", "batch_size": 1000}
    weighted = model(3, **params).fit(items, y, sample_weight=weights)
    repeated = model(3, **params).fit([items[k] for k in index], y[index])
    np.testing.assert_allclose(
        weighted.predict(items), repeated.predict(items), rtol=1e-9
    )


def test_pickle_clone_and_training_on():
    """Copies predict the same bits; a fitted model keeps its segments."""
    items, y = make_data()
    fitted = model(3, GRUClassifier, warm_start=True).fit(items, y > 0)
    expected = fitted.predict_proba(items)
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(back.predict_proba(items), expected)
    again = clone(fitted).fit(items, y > 0)
    np.testing.assert_array_equal(again.predict_proba(items), expected)
    fitted.set_params(segment_length=None)
    np.testing.assert_array_equal(fitted.predict_proba(items), expected)
    with pytest.raises(InvalidParameterError, match="segment_length=3"):
        fitted.fit(items, y > 0)
    assert fitted.set_params(segment_length=3).partial_fit(items, y > 0).n_iter_ == 5


@pytest.mark.parametrize("bad", [0, -3, 2.0, "24", True])
def test_what_it_may_be(bad):
    """A positive integer, or None."""
    items, y = make_data()
    with pytest.raises(InvalidParameterError, match="segment_length"):
        model(bad).fit(items, y)


def test_in_a_pipeline(hourly):
    """Windows of a day in segments of 6 hours, by the kernels."""
    gru = model(6, max_iter=20)
    pipeline = make_pipeline(SlidingWindow(24, lag=1), gru)
    pipeline.fit(hourly[:150], hourly["load"][:150])
    assert pipeline.score(hourly[150:], hourly["load"][150:]) > 0.8
    X = np.random.default_rng(0).normal(size=(1100, 10, 1))
    fitted = model(5, max_iter=5).fit(X, X[:, -1, 0])
    assert fitted.engine_ == "numba"
