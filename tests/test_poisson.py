"""Targets that are never negative: the Poisson deviance with a log link."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_poisson_deviance

from sklearn_gru import GRURegressor
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.torch.module import WeightedLoss
from sklearn_gru._model.tasks import PoissonRegression
from sklearn_gru.exceptions import InputError, InvalidParameterError
from tests.contract_cases import LIGHT_REGRESSOR, run_checks


def counts(n, seed=0):
    """Sequences, counts whose mean they give, and these means."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6, 2))
    mean = 3 * np.exp(0.5 * X[:, -1, 0] + 0.3 * X[:, -2, 1])
    return X, rng.poisson(mean).astype(float), mean


def model(**params):
    """A small regressor of counts."""
    defaults = {"hidden_size": 8, "max_iter": 20, "random_state": 0}
    return GRURegressor(loss="poisson", **{**defaults, **params})


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
def test_the_loss_is_half_the_deviance(weighted, standardize):
    """That of scikit-learn for predictions on the scale of y, in units of the mean."""
    rng = np.random.default_rng(1)
    y = rng.poisson(2.0, size=(40, 2)) * [1.0, 50.0]
    weights = rng.exponential(size=40) if weighted else None
    task = PoissonRegression.of(y, weights, standardize=standardize)
    output = rng.normal(size=(40, 2))
    target = torch.from_numpy(task.encode(task.prepare(y), np.dtype("float64")))
    weight = None if weights is None else torch.from_numpy(weights / weights.mean())
    found = WeightedLoss("poisson", ())(torch.from_numpy(output), target, weight)
    mean = task.decode(output)
    unit = np.average(y, axis=0, weights=weights) if standardize else np.ones(2)
    deviance = [
        mean_poisson_deviance(
            y[:, k] / unit[k], mean[:, k] / unit[k], sample_weight=weights
        )
        for k in range(2)
    ]
    np.testing.assert_allclose(found, np.mean(deviance) / 2)
    np.testing.assert_allclose(task.decode(np.zeros((1, 2)))[0], unit)


@pytest.mark.skipif(not kernels.available(), reason=f"{kernels.reason()}")
def test_kernels_agree_with_torch(monkeypatch):
    """The same fit, whoever computes; weights count in both."""
    X, y, _ = counts(1200)
    y = np.column_stack([y, 100 * y + 3])
    weights = np.linspace(0.5, 2, len(y))
    fast = model(max_iter=12).fit(X, y, weights)
    monkeypatch.setenv("SKLEARN_GRU_NO_NUMBA", "1")
    plain = model(max_iter=12).fit(X, y, weights)
    expected = plain.predict(X)
    monkeypatch.delenv("SKLEARN_GRU_NO_NUMBA")
    assert (fast.engine_, plain.engine_) == ("numba", "torch")
    np.testing.assert_allclose(fast.loss_curve_, plain.loss_curve_, rtol=1e-3)
    np.testing.assert_allclose(fast.predict(X), expected, rtol=5e-3)


def test_means_of_counts_are_learned():
    """Predictions are positive, and nearer to the means than those of squared errors."""
    X, y, mean = counts(900)
    fitted = model(max_iter=30).fit(X[:400], y[:400])
    squared = GRURegressor(8, max_iter=30, random_state=0).fit(X[:400], y[:400])
    found = fitted.predict(X[400:])
    assert found.min() > 0
    errors = [
        np.mean((p - mean[400:]) ** 2 / mean[400:])
        for p in (found, squared.predict(X[400:]))
    ]
    assert errors[0] < errors[1]


def test_intervals_cover_and_stay_above_zero():
    """About the share asked for, wider where the mean is larger, never below 0."""
    X, y, _ = counts(2600)
    held = {"X_val": X[600:1200], "y_val": y[600:1200]}
    fitted = model(early_stopping=False).fit(X[:600], y[:600], **held)
    interval = fitted.predict_interval(X[1200:], coverage=0.8)
    inside = (interval[:, 0] <= y[1200:]) & (y[1200:] <= interval[:, 1])
    assert 0.76 < inside.mean() < 0.86
    assert interval.min() >= 0
    prediction = fitted.predict(X[1200:])
    width = np.diff(interval, axis=1)[:, 0]
    assert np.corrcoef(width, prediction)[0, 1] > 0.8
    assert (interval[:, 0] <= prediction).all()
    assert (prediction <= interval[:, 1]).all()


def test_targets_that_have_no_logarithm_of_a_mean():
    """A negative value, or an output of zeros, is an error with its reason."""
    X, y, _ = counts(30)
    with pytest.raises(InputError, match="1 of 30 rows are negative, the smallest -1"):
        model().fit(X, np.where(np.arange(30) == 4, -1.0, y))
    with pytest.raises(InputError, match="every value of output 1 is 0"):
        model().fit(X, np.column_stack([y, 0 * y]))
    fitted = model(max_iter=2).fit(X, y)
    with pytest.raises(InputError, match="at least 0"):
        fitted.partial_fit(X, -y)
    fitted.partial_fit(X, 0 * y)  # after the first fit, zeros are data like any other
    with pytest.raises(InvalidParameterError, match="Set target_feature=None"):
        model(normalization="last", target_feature=0).fit(X, y)


def test_constant_counts_and_sequences_without_input():
    """A constant is predicted as it is; without any step, the mean of y."""
    X, y, _ = counts(30)
    fitted = model(max_iter=3).fit(X, np.column_stack([y, np.full(30, 7.0)]))
    np.testing.assert_allclose(fitted.predict(X)[:, 1], 7.0, rtol=1e-6)
    blind = fitted.predict(np.full((1, 6, 2), np.nan))
    np.testing.assert_allclose(blind, [[y.mean(), 7.0]])
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))


@pytest.mark.slow
def test_check_estimator():
    """scikit-learn's checks, with y made positive by the tag of the estimator."""
    results = run_checks(GRURegressor(loss="poisson", **LIGHT_REGRESSOR))
    failed = [r["check_name"] for r in results if r["status"] != "passed"]
    assert failed == []
