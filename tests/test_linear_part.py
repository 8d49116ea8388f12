"""Ridge regression beside the network: equations, and what it reads."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru._engines.ridge import Ridge
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.mixing import (
    Judged,
    cautious_share,
    certainty,
    squares_share,
)
from sklearn_gru._model.tasks import Classification, Regression
from sklearn_gru.exceptions import InvalidParameterError
from sklearn_gru.live import Stream


def encoded(n=60, *, levels=False, leading=False, weights=False, windows=False, seed=0):
    """Return random sequences of 1 to 9 steps over shared rows, and two targets.

    With `windows`, they are 240 of 9 steps that begin one row after the other.
    """
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(400 if windows else 200, 3)).astype(np.float32)
    if windows:
        n = 240
        lengths, starts = np.full(n, 9), np.arange(100, 100 + n)
    else:
        lengths, starts = rng.integers(1, 10, n), rng.integers(0, 200 - 10, n)
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
CASES += [{"windows": True, **case} for case in CASES]


def ridge(data, n_columns=3, penalty=0.01):
    """Return the ridge regression of the targets."""

    def target(some):
        return data.target[some].astype(np.float64)

    return Ridge.fit(data, target, n_columns, penalty)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("n_columns", [2, 3])
def test_it_minimizes_the_penalized_squares(case, n_columns):
    """The gradient of the weighted squares and the penalty is zero.

    Coefficients of differences, the first column of the third case, are 0.
    """
    data = encoded(**case)
    part = ridge(data, n_columns).part()
    assert part.n_steps == 9
    x = np.stack([flat(data, i, 9, n_columns) for i in range(len(data))])
    w = np.ones(len(data)) if data.weight is None else data.weight.astype(float)
    w /= w.sum()
    found = x @ part.coef.T + part.intercept
    np.testing.assert_allclose(part.outputs(data), found, atol=1e-12)
    residual = data.target - found
    np.testing.assert_allclose(w @ residual, 0, atol=1e-12)
    centered = x - w @ x
    variance = w @ centered**2
    is_read = np.tile(np.arange(n_columns) >= ("leading" in case), 9)
    assert np.all(part.coef[:, ~is_read] == 0)
    gradient = (residual.T * w) @ centered - 0.01 * variance * part.coef
    np.testing.assert_allclose(gradient[:, is_read], 0, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_left_out_is_the_fit_without_the_sequence(case):
    """With the penalty of all sequences, by the normal equations of the others."""
    data = encoded(**case)
    fitted = ridge(data, penalty=0.1)
    some, found = fitted.left_out()
    np.testing.assert_array_equal(some, np.arange(len(data)))
    x = np.stack([flat(data, i, 9, 3) for i in range(len(data))])
    x = x.reshape(-1, 9, 3)[:, :, fitted.first :].reshape(len(data), -1)
    weight = fitted.weight(slice(None))
    penalty = 0.1 * (weight @ (x - weight @ x) ** 2)
    for i in (0, 17, 59):
        rest = weight * (np.arange(len(data)) != i)
        mean_x, mean_y = (rest @ v / rest.sum() for v in (x, data.target))
        a, b = x - mean_x, data.target - mean_y
        coef = np.linalg.solve(
            a.T @ (rest[:, None] * a) + np.diag(penalty), a.T @ (rest[:, None] * b)
        )
        np.testing.assert_allclose(found[i], mean_y + (x[i] - mean_x) @ coef, atol=1e-9)


def test_equal_sequences_are_left_out_together():
    """A sequence that occurs three times, with the mean of its targets, is one."""
    data = encoded()
    index = np.append(np.arange(60), [4, 4])
    arrays = data.rows, data.starts[index], data.lengths[index]
    repeated = Encoded(*arrays, target=data.target[index])
    weight = np.where(np.arange(60) == 4, 3.0, 1.0)
    arrays = data.rows, data.starts, data.lengths
    weighted = Encoded(*arrays, target=data.target, weight=weight / weight.mean())
    _, a = ridge(repeated).left_out()
    _, b = ridge(weighted).left_out()
    np.testing.assert_allclose(a[:60], b, atol=1e-10)
    np.testing.assert_allclose(a[60:], b[[4, 4]], atol=1e-10)


def test_without_any_other_sequence_it_predicts_the_mean():
    """Nothing is left to learn from."""
    data = encoded()
    index = np.zeros(5, dtype=int)
    arrays = data.rows, data.starts[index], data.lengths[index]
    _, found = ridge(Encoded(*arrays, target=data.target[:5])).left_out()
    expected = np.tile(data.target[:5].mean(axis=0), (5, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("windows", [False, True])
def test_each_output_depends_on_its_sequence_alone(windows):
    """To the bit, whatever is beside it."""
    data = encoded(levels=True, windows=windows)
    part = ridge(data).part()
    whole = part.outputs(data)
    for index in (np.arange(1), np.arange(7, len(data)), np.array([5, 59, 5])):
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
    a, b = ridge(repeated).part(), ridge(weighted).part()
    np.testing.assert_allclose(a.coef, b.coef, atol=1e-6)


def test_long_sequences_are_read_from_their_end():
    """The number of coefficients is bounded; a constant column has none."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(900, 3)).astype(np.float32)
    rows[:, 2] = 4
    starts, lengths = np.arange(0, 400, 2), np.full(200, 500)
    target = rng.normal(size=(200, 1)).astype(np.float32)
    part = ridge(Encoded(rows, starts, lengths, target=target)).part()
    assert part.n_steps == 341
    np.testing.assert_allclose(part.coef.reshape(341, 3)[:, 2], 0, atol=1e-12)


ONES = np.ones(60)


def test_the_share_of_least_error():
    """Between 0 and 1; the better of the two alone, or their best mean."""
    data = encoded()
    linear, target = ridge(data).part().outputs(data), data.target
    for network in (target + 0.01, 2 * linear - target, target * 0, linear):
        found = squares_share(network, linear, target, ONES)
        assert 0 <= found <= 1
        error = ((network + found * (linear - network) - target) ** 2).mean()
        for share in np.linspace(0, 1, 11):
            other = network + share * (linear - network)
            assert error <= ((other - target) ** 2).mean() + 1e-12


def judged(seed, *, network, linear, n=160):
    """Return outputs that err alike for twenty sequences, and the target."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(n, 2))
    errors = rng.normal(size=(2, n // 20, 2)).repeat(20, axis=1)
    return target + network * errors[0], target + linear * errors[1], target


def test_a_share_that_is_uncertain_is_drawn_toward_one_half():
    """By its variance between eight stretches, beside that of .25 squared."""
    for seed in range(20):
        network, linear, target = judged(seed, network=1, linear=1)
        gap, error = linear - network, target - network
        best = (gap * error).sum() / (gap**2).sum()
        slopes = (gap * (error - best * gap)).sum(axis=1)
        of_stretches = [slopes[at : at + 20].sum() for at in range(0, 160, 20)]
        variance = 8 / 7 * np.square(of_stretches).sum() / (gap**2).sum() ** 2
        expected = (best / variance + 0.5 / 0.25**2) / (1 / variance + 1 / 0.25**2)
        found = cautious_share(network, linear, target, np.ones(160))
        np.testing.assert_allclose(found, np.clip(expected, 0, 1))
        assert abs(found - 0.5) <= abs(best - 0.5)


def test_a_share_that_is_certain_is_the_best_one():
    """Where one of the two is much better, or both are the same."""
    network, linear, target = judged(0, network=0.01, linear=1)
    assert cautious_share(network, linear, target, np.ones(160)) < 0.01
    assert cautious_share(linear, network, target, np.ones(160)) > 0.99
    assert cautious_share(linear, linear, target, np.ones(160)) == 0


def test_one_sequence_tells_nothing_of_the_share():
    """Neither do many of which only one has a weight."""
    network, linear, target = judged(0, network=1, linear=1)
    one = (a[:1] for a in (network, linear, target))
    assert cautious_share(*one, np.ones(1)) == 0.5
    weight = np.zeros(160)
    weight[3] = 2.0
    assert cautious_share(network, linear, target, weight) == 0.5
    two = (a[:40] for a in (network, linear, target))
    assert 0 < cautious_share(*two, np.ones(40)) < 1


@pytest.mark.parametrize("factor", [1e-200, 1e-90, 1e90, 1e155, 1e200])
def test_a_cautious_share_is_a_number_whatever_the_units(factor):
    """Of weights, or of errors whose squares leave the range of float64."""
    network, linear, target = judged(0, network=1, linear=1)
    expected = cautious_share(network, linear, target, np.ones(160))
    found = cautious_share(network, linear, target, np.full(160, factor))
    np.testing.assert_allclose(found, expected)
    found = cautious_share(
        *(factor * a for a in (network, linear, target)), np.ones(160)
    )
    assert found == pytest.approx(expected) or found == 0
    linear = linear.copy()
    linear[5] = factor
    assert 0 <= cautious_share(network, linear, target, np.ones(160)) <= 1


def test_an_outlier_to_validate_by_ends_no_fit():
    """Its square is beyond float64, and the network decides alone."""
    data = np.random.default_rng(0).normal(size=(320, 10, 2))
    data[300, -1, 0] = 1e200
    y = data[:, :, 1].sum(axis=1)
    model = GRURegressor(4, max_iter=2, dtype="float64", random_state=0)
    model.fit(data[:300], y[:300], X_val=data[300:], y_val=y[300:])
    assert np.isfinite(model.linear_share_)


def test_a_weight_counts_like_repeats_in_a_cautious_share():
    """Stretches have equal weight, and here none of them ends inside a sequence."""
    network, linear, target = judged(0, network=1, linear=1)
    repeats = np.repeat([1, 2], 80)
    found = cautious_share(network, linear, target, repeats.astype(float))
    repeated = (a.repeat(repeats, axis=0) for a in (network, linear, target))
    np.testing.assert_allclose(found, cautious_share(*repeated, np.ones(240)))


def test_without_a_validation_set_a_bad_linear_part_has_no_share():
    """A perfect one has half of the output, and one without knowledge none."""
    target = np.random.default_rng(0).normal(size=(60, 2))
    task = Regression.fit(target, None, "squared_error", standardize=False)
    shares = [
        task.linear_share(Judged(linear, None, target, ONES))
        for linear in (target, 0.5 * target, 0 * target, -target)
    ]
    np.testing.assert_allclose(shares[0], 0.5)
    assert 0.3 < shares[1] < 0.4
    np.testing.assert_allclose(shares[2:], 0, atol=1e-12)


def cross_entropy(logits, codes):
    """Return the mean cross-entropy, written out."""
    odds = np.exp(logits)
    return -np.log(odds[np.arange(60), codes] / odds.sum(axis=1)).mean()


def test_the_logits_of_least_cross_entropy():
    """No other factor is better; separable classes have a bounded one."""
    rng = np.random.default_rng(0)
    scores, codes = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    scores[np.arange(60), codes] += 1.0
    found = certainty(scores, codes, ONES)
    best = cross_entropy(found * scores, codes)
    for factor in np.linspace(0, 10, 50):
        assert best <= cross_entropy(factor * scores, codes) + 1e-12
    assert certainty(-np.eye(3)[codes], codes, ONES) == 0
    assert certainty(np.eye(3)[codes], codes, ONES) == 30


def test_the_share_of_least_cross_entropy():
    """Of a mean of logits; without a network it is 0.5."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 60)
    own = 2.0 * np.eye(3)[codes]
    linear, network = (own + rng.normal(size=(60, 3)) for _ in range(2))
    task = Classification.fit(codes, None, np.arange(3), 0.0)
    found = task.linear_share(Judged(linear, network, codes, ONES))
    best = cross_entropy(network + found * (linear - network), codes)
    for share in np.linspace(0, 1, 50):
        other = network + share * (linear - network)
        assert best <= cross_entropy(other, codes) + 1e-12
    assert task.linear_share(Judged(linear, None, codes, ONES)) == 0.5


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


def ridge_of_sklearn(X, y):
    """Return the predictions of the ridge regression of the definition."""
    flat = X.reshape(len(X), -1)
    scaler = StandardScaler().fit(flat)
    found = SklearnRidge(0.01 * len(X)).fit(scaler.transform(flat), y)
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
    np.testing.assert_allclose(
        both[1], ridge_of_sklearn(shifted, y)(shifted), rtol=1e-8
    )
    params |= {"linear_share": 0, "max_iter": 15, "random_state": 0}
    plain = GRURegressor(8, **params).fit(X, y)
    np.testing.assert_array_equal(both[0], plain.predict(X))


def test_the_share_is_chosen_on_the_validation_set():
    """Without one it is up to a half of all epochs; a linear target takes more."""
    X, y = make_data(1200)
    few = model(early_stopping=False).fit(X[:300], y[:300])
    assert 0.3 < few.linear_share_ < 0.5
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
        params = {"max_iter": 30, "early_stopping": False}
        fitted = model(share, **params).fit(X[:150], y[:150])
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
    """Losses of another quantity have none, and refuse to be asked for it."""
    X, y = make_data()
    for params in ({"loss": "poisson"}, {"loss": "quantile", "quantile": 0.9}):
        assert model(**params).fit(X, abs(y)).linear_share_ == 0
        with pytest.raises(InvalidParameterError, match=r"linear_share=0\.5"):
            model(0.5, **params).fit(X, abs(y))


# -- streams ---------------------------------------------------------------------------


def with_holes(rows, seed=3):
    """Return rows with missing cells and missing rows."""
    rng = np.random.default_rng(seed)
    rows = rows.copy()
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[rng.random(len(rows)) < 0.1] = np.nan
    return rows


@pytest.mark.parametrize("n_estimators", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stream_of_a_series_reads_its_latest_rows(n_estimators, dtype):
    """The answers of predict: to a row, to one asked about, of several keys, restored.

    The compiled kernels give the same bits.
    """
    X, y = make_data()
    fitted = model(0.4, n_estimators=n_estimators, dtype=dtype).fit(X, y)
    stream, rows = Stream(fitted), with_holes(np.vstack(X[:3]))
    rtol = 0 if dtype == "float32" else 1e-12
    for k in range(1, len(rows) + 1):
        expected = fitted.predict([rows[:k]])[0]
        if k == 12:
            asked = stream.predict(rows[k - 1])
            np.testing.assert_allclose(asked, expected, rtol=rtol)
            state = stream.state
            stream = Stream(fitted, state=state)
        found = stream.update(rows[k - 1])
        np.testing.assert_allclose(found, expected, rtol=rtol)
    several = Stream(fitted)
    for k in range(1, 12):
        found = several.update_many(rows[[k - 1, k + 5]], keys=("a", "b"))
        expected = fitted.predict([rows[:k], rows[6 : k + 6]])
        np.testing.assert_allclose(found, expected, rtol=rtol)


@pytest.mark.parametrize("lag", [0, 1])
def test_a_stream_of_windows_reads_the_rows_inside(lag):
    """The bits of predict, through holes and more rows than a window has."""
    hours = pd.date_range("2024-01-01", periods=90, freq="h")
    values = np.random.default_rng(2).normal(size=(90, 2))
    values[60:-1] = with_holes(values[60:-1])
    rows = pd.DataFrame(values, hours, ["a", "b"])
    target = rows["a"][:60].to_numpy() ** 2
    pipeline = make_pipeline(SlidingWindow(6, lag=lag), model(0.5, normalization=None))
    stream = Stream(pipeline.fit(rows[:60], target))
    answers = [stream.update(row, time=time) for time, row in rows[60:].iterrows()]
    np.testing.assert_array_equal(answers, pipeline.predict(rows[60:]))


# -- classes ---------------------------------------------------------------------------


def make_classes(n=120, seed=0):
    """Return sequences of three classes with different means of one channel."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 8, 2)).astype(np.float32)
    X[:, :, 0] += 0.5 * y[:, None]
    return X, y


@pytest.mark.parametrize("n", [120, 1200])
def test_classes_are_the_softmax_of_the_mean_logits(n):
    """A share of 1 is ridge regression of the membership, 0 the network."""
    X, y = make_classes(n)
    params = {"max_iter": 10, "random_state": 0, "dtype": "float64"}
    network, linear, half = (
        GRUClassifier(8, linear_share=share, **params).fit(X, y)
        for share in (0, 1.0, 0.5)
    )
    logits = [np.log(m.predict_proba(X).astype(float)) for m in (network, linear)]
    mean = np.exp(np.mean(logits, axis=0))
    expected = mean / mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(half.predict_proba(X), expected, rtol=1e-4)
    own = linear.predict_proba(X)[np.arange(n), y]
    assert -np.log(own).mean() < 0.9 < np.log(3)


def test_classes_without_a_linear_pattern_keep_the_network():
    """Ridge regression knows nothing of a sign that two channels share."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 6, 2)).astype(np.float32)
    y = X[:, -1, 0] * X[:, -1, 1] > 0
    fitted = GRUClassifier(8, max_iter=3, random_state=0).fit(X[:1200], y[:1200])
    linear = fitted._fitted.linear
    assert linear is None or abs(linear.coef).max() < 0.2


def test_weights_of_classes_count_like_repeats():
    """In the ridge regression, its scale and the network."""
    X, y = make_classes(60)
    counts = np.random.default_rng(1).integers(0, 3, 60)
    params = {"max_iter": 5, "random_state": 0, "dtype": "float64", "batch_size": 999}
    weighted = GRUClassifier(4, **params).fit(X, y, sample_weight=counts)
    repeated = GRUClassifier(4, **params).fit(X.repeat(counts, 0), y.repeat(counts))
    found, expected = (m.predict_proba(X) for m in (weighted, repeated))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_words_have_no_linear_part():
    """Categories are not numbers; there is nothing to regress on."""
    words = [["so", "good"], ["so", "bad"], ["bad"], ["good", "day"]] * 5
    fitted = GRUClassifier(4, categorical_features=[0], max_iter=2)
    assert fitted.fit(words, [1, 0, 0, 1] * 5).linear_share_ == 0
