"""Ridge regression beside the network: equations, and what it reads."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRURegressor, SlidingWindow
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.linear import LinearPart
from sklearn_gru.exceptions import InvalidParameterError, StreamError
from sklearn_gru.live import Stream


def encoded(n=60, *, levels=False, leading=False, weights=False, seed=0):
    """Return random sequences of 1 to 9 steps over shared rows, and two targets."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(200, 3)).astype(np.float32)
    lengths = rng.integers(1, 10, n)
    starts = rng.integers(0, 200 - 10, n)
    pair = None
    if levels:
        rows[rng.random(rows.shape) < 0.1] = np.nan
        shift = rng.normal(size=(n, 2)).astype(np.float32)
        pair = shift, rng.uniform(1, 2, (n, 2)).astype(np.float32)
        rows[:, 2] = np.nan_to_num(rows[:, 2])
    return Encoded(
        rows,
        starts,
        lengths,
        pair,
        rng.integers(0, 3, (n, 1)) if leading else None,
        target=rng.normal(size=(n, 2)).astype(np.float32),
        weight=rng.exponential(size=n).astype(np.float32) if weights else None,
    )


def flat(data, i, n_steps, n_columns):
    """Return one sequence as the network reads it, cell by cell."""
    out = np.zeros((n_steps, n_columns))
    for back in range(1, min(n_steps, data.lengths[i]) + 1):
        step = data.lengths[i] - back
        for j in range(n_columns):
            cell = float(data.rows[data.starts[i] + step, j])
            if data.levels is not None and j < data.levels[0].shape[1]:
                shift, scale = (float(level[i, j]) for level in data.levels)
                cell = 0.0 if np.isnan(cell) else (cell - shift) / scale
            if data.leading is not None and j < data.leading.shape[1]:
                cell = 0.0 if step < data.leading[i, j] else cell
            out[-back, j] = cell
    return out.ravel()


CASES = [{}, {"levels": True}, {"leading": True, "weights": True}]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("n_columns", [2, 3])
def test_it_minimizes_the_penalized_squares(case, n_columns):
    """The gradient of the weighted squares and the penalty is zero."""
    data = encoded(**case)
    part = LinearPart.fit(data, n_columns)
    assert part.n_steps == 9
    x = np.stack([flat(data, i, 9, n_columns) for i in range(60)])
    w = np.ones(60) if data.weight is None else data.weight.astype(float)
    w /= w.sum()
    found = x @ part.coef.T + part.intercept
    np.testing.assert_allclose(part.outputs(data), found, atol=1e-12)
    residual = data.target - found
    np.testing.assert_allclose(w @ residual, 0, atol=1e-12)
    centered = x - w @ x
    variance = w @ centered**2
    penalty = 0.01 * variance * part.coef
    np.testing.assert_allclose((residual.T * w) @ centered, penalty, atol=1e-12)


def test_each_output_depends_on_its_sequence_alone():
    """To the bit, whatever is beside it."""
    data = encoded(levels=True)
    part = LinearPart.fit(data, 3)
    whole = part.outputs(data)
    for index in (np.arange(1), np.arange(7, 40), np.array([5, 59, 5])):
        alone = Encoded(
            data.rows,
            data.starts[index],
            data.lengths[index],
            tuple(level[index] for level in data.levels),
        )
        np.testing.assert_array_equal(part.outputs(alone), whole[index])


def test_a_weight_counts_like_repeats():
    """Of the normal equations."""
    data = encoded()
    counts = np.random.default_rng(1).integers(0, 3, 60)
    index = np.repeat(np.arange(60), counts)
    arrays = data.rows, data.starts[index], data.lengths[index]
    repeated = Encoded(*arrays, target=data.target[index])
    weight = (counts / counts.mean()).astype(np.float32)
    arrays = data.rows, data.starts, data.lengths
    weighted = Encoded(*arrays, target=data.target, weight=weight)
    a, b = LinearPart.fit(repeated, 3), LinearPart.fit(weighted, 3)
    np.testing.assert_allclose(a.coef, b.coef, atol=1e-6)


def test_long_sequences_are_read_from_their_end():
    """The number of coefficients is bounded; a constant column has none."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(900, 3)).astype(np.float32)
    rows[:, 2] = 4
    starts, lengths = np.arange(0, 400, 2), np.full(200, 500)
    target = rng.normal(size=(200, 1)).astype(np.float32)
    part = LinearPart.fit(Encoded(rows, starts, lengths, target=target), 3)
    assert part.n_steps == 341
    np.testing.assert_allclose(part.coef.reshape(341, 3)[:, 2], 0, atol=1e-12)


def test_the_share_of_least_error():
    """Between 0 and 1; the better of the two alone, or their best mean."""
    data = encoded()
    part = LinearPart.fit(data, 3)
    linear, target = part.outputs(data), data.target
    for network in (target + 0.01, 2 * linear - target, target * 0, linear):
        best = part.with_best_share(network, data)
        assert 0 <= best.share <= 1
        error = ((best.mixed(network, linear) - target) ** 2).mean()
        for share in np.linspace(0, 1, 11):
            other = network + share * (linear - network)
            assert error <= ((other - target) ** 2).mean() + 1e-12


# -- in the estimator ------------------------------------------------------------------


def make_data(n=300, seed=0):
    """Return windows of a series with a linear and a nonlinear part."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8, 2))
    y = X[:, :, 0] @ np.arange(8) + 2 * np.tanh(3 * X[:, -1, 1]) + rng.normal(size=n)
    return X, y


def model(share="auto", **params):
    params = {"max_iter": 15, "random_state": 0, **params}
    return GRURegressor(8, linear_share=share, **params)


def ridge(X, y):
    """Return the predictions of the ridge regression of the definition."""
    flat = X.reshape(len(X), -1)
    scaler = StandardScaler().fit(flat)
    found = Ridge(0.01 * len(X)).fit(scaler.transform(flat), y)
    return lambda new: found.predict(scaler.transform(new.reshape(len(new), -1)))


@pytest.mark.parametrize("normalization", [None, "last"])
def test_the_prediction_is_the_mean_of_both(normalization):
    """A share of 1 is ridge regression, 0 the network, to the bit; 0.5 their mean."""
    X, y = make_data()
    params = {"normalization": normalization, "dtype": "float64"}
    network = model(0, **params).fit(X, y)
    linear = model(1.0, **params).fit(X, y)
    half = model(0.5, **params).fit(X, y)
    both = network.predict(X), linear.predict(X)
    np.testing.assert_allclose(half.predict(X), np.mean(both, axis=0), rtol=1e-12)
    assert (network.linear_share_, half.linear_share_) == (0.0, 0.5)
    shifted = X - X[:, -1:] if normalization == "last" else X
    np.testing.assert_allclose(both[1], ridge(shifted, y)(shifted), rtol=1e-8)
    plain = GRURegressor(8, max_iter=15, random_state=0, **params).fit(X, y)
    np.testing.assert_array_equal(both[0], plain.predict(X))


def test_the_share_is_chosen_on_the_validation_set():
    """It is one half without a validation set; a linear target takes more."""
    X, y = make_data(1200)
    assert model().fit(X[:300], y[:300]).linear_share_ == 0.5
    linear = X[:, :, 0] @ np.arange(8)
    assert model(max_iter=3).fit(X, linear).linear_share_ > 0.9
    curved = np.tanh(3 * X[:, -1, 1]) * X[:, -1, 0]
    assert model(max_iter=40).fit(X, curved).linear_share_ < 0.3


@pytest.mark.parametrize("seed", [1, 2])
def test_a_mean_beats_both_parts(seed):
    """The next value of an autoregressive series that bends, from few windows."""
    rng = np.random.default_rng(seed)
    series = np.zeros(1200)
    for k in range(2, 1200):
        series[k] = 1.2 * series[k - 1] - 0.6 * series[k - 2] + 0.5 * rng.normal()
        series[k] += 0.5 * np.tanh(2 * series[k - 1])
    X = np.lib.stride_tricks.sliding_window_view(series, 12)[:-1, :, None]
    y, error = series[12:], {}
    for share in (0, 0.5, 1):
        fitted = model(share, max_iter=30).fit(X[:150], y[:150])
        error[share] = ((fitted.predict(X[150:]) - y[150:]) ** 2).mean()
    assert error[0.5] < min(error[0], error[1])


def test_it_goes_where_the_network_goes():
    """Pickles, several networks, paths, ragged sequences, intervals, weights."""
    X, y = make_data()
    fitted = model(n_estimators=2, early_stopping=True).fit(X, y)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X)
    )
    low, point, high = fitted.predict(X, coverage=0.8).T
    np.testing.assert_array_equal(point, fitted.predict(X))
    assert (low <= point).all()
    assert (point <= high).all()
    path = model().fit(X, np.stack([y, -y, y**2], axis=1))
    assert path.predict(X).shape == (300, 3)
    ragged = [x[: 3 + k % 6] for k, x in enumerate(X)]
    several = model(categorical_features=None).fit(ragged, y)
    alone = [several.predict([x])[0] for x in ragged[:20]]
    np.testing.assert_allclose(several.predict(ragged)[:20], alone, rtol=1e-5)
    weights = np.random.default_rng(1).integers(0, 3, 60)
    params = {"dtype": "float64", "batch_size": 10**6}
    weighted = model(**params).fit(X[:60], y[:60], sample_weight=weights)
    repeated = model(**params).fit(
        np.repeat(X[:60], weights, 0), y[:60].repeat(weights)
    )
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6)


def test_further_fits():
    """A warm start makes it again, further passes leave it, a new fit forgets it."""
    X, y = make_data()
    fitted = model(warm_start=True).fit(X, y)
    first = fitted._fitted.linear
    fitted.partial_fit(X[:50], y[:50])
    assert fitted._fitted.linear is first
    fitted.fit(X, y + 100)
    assert abs(fitted._fitted.linear.intercept - first.intercept) > 1
    assert model().partial_fit(X, y).linear_share_ == 0
    assert fitted.set_params(linear_share=0).fit(X, y).linear_share_ == 0


def test_where_it_cannot_be():
    """Losses of another quantity; an estimator alone in a stream, but not a window."""
    X, y = make_data()
    for params in ({"loss": "poisson"}, {"loss": "quantile", "quantile": 0.9}):
        with pytest.raises(InvalidParameterError, match="linear_share='auto'"):
            model(**params).fit(X, abs(y))
    with pytest.raises(StreamError, match="linear_share='auto'"):
        Stream(model().fit(X, y))
    hours = pd.date_range("2024-01-01", periods=65, freq="h")
    values = np.random.default_rng(2).normal(size=(65, 2))
    rows = pd.DataFrame(values, hours, ["a", "b"])
    pipeline = make_pipeline(SlidingWindow(4, lag=1), model())
    stream = Stream(pipeline.fit(rows[:60], rows["a"][:60]))
    answers = [stream.update(row, time=time) for time, row in rows[60:].iterrows()]
    np.testing.assert_array_equal(answers, pipeline.predict(rows[60:]))
