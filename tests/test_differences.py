"""Differences of the channels as further inputs."""

import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_gru import GRUClassifier, GRURegressor, Sequences
from sklearn_gru._encoding.differences import Differences, backward_differences
from sklearn_gru._engines import numba as kernels
from sklearn_gru.exceptions import InvalidParameterError
from tests.builders import joined, make_list, make_sequences, make_walks
from tests.reference_gru import reference_output

KINDS = [None, "last", "standard"]
by_kind = pytest.mark.parametrize("kind", KINDS)


def model(**params):
    """A small regressor that reads differences."""
    defaults = {"hidden_size": 5, "max_iter": 4, "random_state": 0}
    return GRURegressor(add_differences=True, **{**defaults, **params})


def differences_of(x):
    """Each value minus the latest one before it in the sequence, from the definition."""
    found = np.full(x.shape, np.nan)
    for j in range(x.shape[1]):
        before = None
        for t in range(len(x)):
            if np.isnan(x[t, j]):
                continue
            if before is not None:
                found[t, j] = x[t, j] - before
            before = x[t, j]
    return found


def level_of(x, kind):
    """Shift and scale of each channel of a sequence."""
    if kind == "standard":
        return np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    last = [c[~np.isnan(c)][-1] if (~np.isnan(c)).any() else 0.0 for c in x.T]
    return np.array(last), np.ones(x.shape[1])


def moments_of(items, weights):
    """Weighted mean and deviation of all cells that are not NaN, by channel."""
    cells = np.concatenate(items)
    w = np.repeat(weights, [len(x) for x in items])
    found = []
    for column in cells.T:
        known = ~np.isnan(column)
        mean = np.average(column[known], weights=w[known])
        variance = np.average((column[known] - mean) ** 2, weights=w[known])
        found.append((mean, np.sqrt(variance)))
    return np.transpose(found)


def inputs_of(items, weights, kind):
    """What the network reads at each step: differences, values, marks."""
    whole = moments_of(items, weights)
    shifts, scales = zip(*(level_of(x, kind) for x in items), strict=True)
    if kind is None:
        shifts, scales = [whole[0]] * len(items), [whole[1]] * len(items)
    elif kind == "last":
        scales = [whole[1]] * len(items)
    moves = [differences_of(x) / s for x, s in zip(items, scales, strict=True)]
    mean, deviation = moments_of(moves, weights)
    for x, move, shift, scale in zip(items, moves, shifts, scales, strict=True):
        yield np.column_stack(
            [
                np.nan_to_num((move - mean) / deviation),
                np.nan_to_num((x - shift) / scale),
                np.isnan(x),
            ]
        )


@by_kind
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_predictions_equal_the_equations(kind, dtype):
    """Differences by hand, then the NumPy network: the prediction."""
    items, y = make_walks()
    items = [x for x in items if (np.isfinite(x).sum(axis=0) > 1).all()]
    y, weights = y[: len(items)], np.linspace(0.5, 2, len(items))
    fitted = model(normalization=kind, dtype=dtype, linear_share=0)
    fitted.fit(items, y, weights)
    state, task = fitted.module_.state_dict(), fitted._fitted.task
    expected = [
        reference_output(state, x, cell="gru", pooling="last") * task.scale
        + task.center
        for x in inputs_of(items, weights, kind)
    ]
    found = fitted.predict(items)
    tol = {"float64": 1e-9, "float32": 1e-4}[dtype]
    np.testing.assert_allclose(found, np.ravel(expected), atol=tol * y.std())
    assert fitted.n_features_in_ == 2
    assert fitted.module_.spec.n_inputs == 6


@pytest.mark.parametrize("seed", range(4))
def test_moments_are_those_of_the_dense_array(seed):
    """Overlapping sequences in any order, each by its weight and in its own units."""
    s = make_sequences(seed)
    rng = np.random.default_rng(seed)
    weights, scales = rng.uniform(0.1, 3, len(s)), rng.uniform(0.01, 100, (len(s), 3))
    unit = np.array([2.0, 0.5, 7.0])
    found = Differences.fit(s, weights, np.arange(3), unit, scales, identity=False)
    moves = [
        differences_of(s.values[a : a + n]) / unit / scale
        for a, n, scale in zip(s.starts, s.lengths, scales, strict=True)
    ]
    expected = moments_of(moves, weights)
    np.testing.assert_allclose(found.mean, expected[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.scale, expected[1], rtol=1e-9)
    plain = Differences.fit(s, None, np.arange(3), unit, None, identity=True)
    assert (plain.mean == 0).all()
    assert (plain.scale == 1).all()


def test_a_steady_channel_is_a_constant():
    """The difference of a clock does not vary: 0, not rounding noise made large."""
    clock = 1.7e9 + 3600.0 * np.arange(500)
    noise = np.random.default_rng(0).normal(size=500)
    s = Sequences(np.column_stack([clock, noise]), np.arange(450), np.full(450, 50))
    unit = np.array([5e5, 1.0])
    found = Differences.fit(s, None, np.arange(2), unit, None, identity=False)
    out = np.empty((500, 2))
    found.write(s.values, out, keep_missing=False)
    np.testing.assert_allclose(out[:, 0], 0.0, atol=1e-9)
    np.testing.assert_allclose(out[1:, 1].std(), 1.0, rtol=0.01)


def test_differences_skip_holes():
    """After a hole, against the last observed value; NaN at the hole and in front."""
    nan = np.nan
    found = backward_differences(np.array([nan, 3.0, nan, nan, 4.5, 4.0], np.float32))
    np.testing.assert_array_equal(found, [nan, nan, nan, nan, 1.5, -0.5])
    np.testing.assert_array_equal(backward_differences(np.full(3, nan)), [nan] * 3)


@by_kind
@pytest.mark.parametrize("segment_length", [None, 3])
def test_rows_in_front_of_a_window_are_not_read(kind, segment_length):
    """The first step of a window has no difference, whatever stands in front of it."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(1060, 2)).cumsum(axis=0)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    windows = Sequences(rows, np.arange(1040) + 10, np.full(1040, 10))
    y = rng.normal(size=1040)
    fitted = model(normalization=kind, segment_length=segment_length, max_iter=6)
    fitted.fit(windows, y)
    other = rows.copy()
    other[:40] = 1e3
    alone = Sequences(other, windows.starts[30:], windows.lengths[30:])
    np.testing.assert_array_equal(
        fitted.predict(alone)[20:], fitted.predict(windows[30:])[20:]
    )
    np.testing.assert_allclose(
        fitted.predict(alone), fitted.predict(windows[30:]), rtol=1e-6, atol=1e-6
    )


@pytest.mark.skipif(not kernels.available(), reason=f"{kernels.reason()}")
@pytest.mark.parametrize("n_channels", [1, 2])
def test_kernels_read_few_channels(n_channels, monkeypatch):
    """A table of one column has strides of its own; the kernels read it too."""
    X = np.random.default_rng(5).normal(size=(1000, 8, n_channels)).cumsum(axis=1)
    fast = model(max_iter=8).fit(X, X[:, -1, 0] - X[:, -3, 0])
    assert fast.engine_ == "numba"
    found = fast.predict(X[:50])
    monkeypatch.setenv("SKLEARN_GRU_NO_NUMBA", "1")
    copy = pickle.loads(pickle.dumps(fast))
    np.testing.assert_allclose(copy.predict(X[:50]), found, atol=1e-4)


def test_a_weight_is_a_repetition():
    """Weight 3 and three copies give the same moments and the same network."""
    items, y = make_walks(n=12)
    times = np.arange(12) % 3 + 1
    again = np.repeat(np.arange(12), times)
    weighted = model(normalization="standard").fit(items, y, times)
    repeated = model(normalization="standard", batch_size=24)
    repeated.fit([items[k] for k in again], y[again])
    np.testing.assert_allclose(
        weighted.predict(items), repeated.predict(items), rtol=1e-7
    )


def test_categories_have_no_difference():
    """Only numeric channels have one; X that holds none is read as before."""
    items = make_list(3, np.arange(40) % 6 + 2)
    rng = np.random.default_rng(2)
    mixed = [np.column_stack([rng.integers(0, 3, len(x)), x]) for x in items]
    y = np.array([np.nansum(x[:, 0]) for x in items])
    fitted = model(categorical_features=[0]).fit(mixed, y)
    encoder = fitted._fitted.encoder
    assert encoder.differences.columns.tolist() == [1, 2]
    words = [x[:, :1] for x in mixed]
    plain = GRURegressor(5, max_iter=4, random_state=0, categorical_features=[0])
    both = [m.fit(words, y) for m in (model(categorical_features=[0]), plain)]
    np.testing.assert_array_equal(both[0].predict(words), both[1].predict(words))


def test_pickles_partial_fit_and_warm_start():
    """A copy predicts the same bits; further training keeps the moments of the first."""
    items, y = make_walks()
    fitted = model(warm_start=True, normalization="last").fit(items, y)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(items), fitted.predict(items))
    before = fitted._fitted.encoder.differences
    fitted.fit(items[::2], y[::2])
    fitted.partial_fit(items[1::2], y[1::2])
    assert fitted._fitted.encoder.differences is before
    with pytest.raises(InvalidParameterError, match="Set warm_start=False"):
        fitted.set_params(add_differences=False).fit(items, y)


def test_frames_keep_their_names():
    """`n_features_in_` and the names are those of X."""
    items, y = make_walks()
    frames = [pd.DataFrame(x, columns=["a", "b"]) for x in items]
    fitted = model().fit(frames, y)
    assert fitted.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(fitted.predict(frames), fitted.predict(items))
    np.testing.assert_array_equal(fitted.predict(joined(items)), fitted.predict(items))


def test_what_they_are_for():
    """Classes that differ in speed alone, with too few series to find that out."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = (1 + 0.3 * y[:, None, None]) * rng.normal(size=(120, 30, 1))
    X = X.cumsum(axis=1)
    params = {"hidden_size": 16, "max_iter": 20, "random_state": 0}
    scores = [
        GRUClassifier(add_differences=add, **params)
        .fit(X[:60], y[:60])
        .score(X[60:], y[60:])
        for add in (False, True)
    ]
    assert scores[1] > scores[0] + 0.1
