"""Losses against their formulas; targets there and back."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from sklearn_gru._engines.torch.module import WeightedLoss
from sklearn_gru._model.tasks import Classification, Regression

Y = np.random.default_rng(0).normal(loc=[3.0, -40.0], scale=[1.0, 20.0], size=(12, 2))
CODES = np.array([0, 2, 1, 1, 2, 2, 0, 2, 2, 1, 0, 2])
WEIGHTS = np.random.default_rng(1).exponential(size=12)

both_weights = pytest.mark.parametrize(
    "weights", [None, WEIGHTS], ids=["plain", "weighted"]
)
losses = pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])


def loss_value(task, output, y, weights):
    """What training minimises, with weights brought to mean 1 as the engine does."""
    target = torch.from_numpy(task.encode(y, np.dtype("float64")))
    weight = None if weights is None else torch.from_numpy(weights / weights.mean())
    return float(
        WeightedLoss(task.loss, task.loss_parameters)(
            torch.from_numpy(output), target, weight
        )
    )


def error_of(loss, d):
    """The losses of an error, from their definitions."""
    size = np.abs(d)
    return {
        "squared_error": d**2,
        "absolute_error": size,
        "huber": np.where(size <= 1, 0.5 * d**2, size - 0.5),
    }[loss]


# -- regression ----------------------------------------------------------------------------


@losses
@both_weights
def test_regression_loss(loss, weights):
    """Mean over outputs, then the weighted mean over sequences, sum(w l) / sum(w)."""
    rng = np.random.default_rng(1)
    task = Regression.fit(Y, weights, loss, standardize=True)
    output = rng.normal(scale=2, size=Y.shape)
    each = error_of(loss, output - (Y - task.center) / task.scale).mean(axis=1)
    expected = np.average(each, weights=weights)
    np.testing.assert_allclose(loss_value(task, output, Y, weights), expected)


@losses
def test_regression_loss_of_one_output(loss):
    """A single output is compared row by row, not all with all."""
    rng = np.random.default_rng(1)
    task = Regression.fit(Y[:, :1], None, loss, standardize=False)
    output = rng.normal(size=(12, 1))
    expected = error_of(loss, (output - Y[:, :1])[:, 0]).mean()
    np.testing.assert_allclose(loss_value(task, output, Y[:, :1], None), expected)


@both_weights
def test_regression_moments(weights):
    """Each output is standardised by its weighted mean and standard deviation."""
    task = Regression.fit(Y, weights, "squared_error", standardize=True)
    w = np.ones(12) if weights is None else weights
    mean = (w[:, None] * Y).sum(axis=0) / w.sum()
    variance = (w[:, None] * (Y - mean) ** 2).sum(axis=0) / w.sum()
    np.testing.assert_allclose(task.center, mean)
    np.testing.assert_allclose(task.scale, np.sqrt(variance))
    encoded = task.encode(Y, np.dtype("float64"))
    np.testing.assert_allclose(np.average(encoded, axis=0, weights=w), 0, atol=1e-14)
    np.testing.assert_allclose(np.average(encoded**2, axis=0, weights=w), 1)
    assert task.n_outputs == 2


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-13), ("float32", 1e-5)])
def test_regression_there_and_back(standardize, dtype, rtol):
    """Decoding an encoded target gives the target."""
    task = Regression.fit(Y, WEIGHTS, "squared_error", standardize=standardize)
    encoded = task.encode(Y, np.dtype(dtype))
    assert encoded.dtype == dtype
    assert encoded.shape == (12, 2)
    back = task.decode(encoded.astype(np.float64))
    np.testing.assert_allclose(back, Y, rtol=rtol, atol=20 * rtol)


def test_regression_without_standardisation():
    """The network sees y as it is; an empty sequence still gets the mean."""
    task = Regression.fit(Y, WEIGHTS, "squared_error", standardize=False)
    np.testing.assert_array_equal(task.encode(Y, np.dtype("float64")), Y)
    np.testing.assert_allclose(
        task.without_input, np.average(Y, axis=0, weights=WEIGHTS)
    )


def test_regression_keeps_digits_of_large_targets():
    """1e9 plus something small is encoded before it becomes float32."""
    y = 1e9 + Y
    task = Regression.fit(y, None, "squared_error", standardize=True)
    encoded = task.encode(y, np.dtype("float32"))
    expected = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    np.testing.assert_allclose(encoded, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 5.0, 0.1, -1e9])
@pytest.mark.parametrize("n", [1, 7, 10_000])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_constant_target(constant, n, n_outputs, weighted):
    """A constant y is 0 in the network, comes back, and divides by nothing."""
    y = np.full((n, n_outputs), constant)
    weights = np.random.default_rng(1).exponential(size=n) if weighted else None
    task = Regression.fit(y, weights, "squared_error", standardize=True)
    np.testing.assert_array_equal(task.scale, 1)
    encoded = task.encode(y, np.dtype("float64"))
    np.testing.assert_allclose(encoded, 0, atol=1e-12 * abs(constant))
    np.testing.assert_allclose(task.decode(np.zeros_like(y)), y, rtol=1e-12)


# -- classification ------------------------------------------------------------------------


def log_softmax(output):
    """Logarithm of the softmax of each row."""
    shifted = output - output.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.7])
@both_weights
def test_classification_loss(label_smoothing, weights):
    """Cross-entropy with the target spread by the share smoothed, weighted mean."""
    rng = np.random.default_rng(1)
    task = Classification.fit(CODES, weights, np.arange(3), label_smoothing)
    output = rng.normal(scale=3, size=(12, 3))
    target = (1 - label_smoothing) * np.eye(3)[CODES] + label_smoothing / 3
    each = -(target * log_softmax(output)).sum(axis=1)
    expected = np.average(each, weights=weights)
    np.testing.assert_allclose(loss_value(task, output, CODES, weights), expected)


def test_classification_loss_is_scikit_learns():
    """Without smoothing it is log_loss of the decoded probabilities."""
    rng = np.random.default_rng(1)
    task = Classification.fit(CODES, WEIGHTS, np.arange(3), 0.0)
    output = rng.normal(size=(12, 3))
    expected = log_loss(CODES, task.decode(output), sample_weight=WEIGHTS)
    np.testing.assert_allclose(loss_value(task, output, CODES, WEIGHTS), expected)


@both_weights
def test_prior(weights):
    """Class frequencies by weight; a class without a sequence has 0."""
    task = Classification.fit(CODES, weights, np.arange(4), 0.0)
    w = np.ones(12) if weights is None else weights
    expected = [w[CODES == k].sum() / w.sum() for k in range(4)]
    np.testing.assert_allclose(task.prior, expected)
    assert task.without_input is task.prior
    assert task.n_outputs == 4


def test_probabilities():
    """Decoding is the softmax, for outputs of any size without overflow."""
    rng = np.random.default_rng(1)
    task = Classification.fit(CODES, None, np.arange(3), 0.0)
    output = rng.normal(size=(12, 3))
    odds = np.exp(output)
    expected = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(task.decode(output), expected)
    extreme = task.decode(np.array([[1e4, 0, -1e4], [-1e5, -1e5, -1e5]]))
    np.testing.assert_allclose(extreme, [[1, 0, 0], [1 / 3] * 3])


def test_classes_there_and_back():
    """A network sure of the encoded class decodes to that class."""
    task = Classification.fit(CODES, None, np.arange(3), 0.0)
    encoded = task.encode(task.prepare(CODES), np.dtype("float32"))
    assert encoded.dtype == np.int64
    output = 50 * np.eye(3)[encoded]
    np.testing.assert_array_equal(task.decode(output).argmax(axis=1), CODES)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_one_class(label_smoothing):
    """With a single class every probability is 1 and the loss 0."""
    rng = np.random.default_rng(1)
    task = Classification.fit(np.zeros(5, int), None, np.arange(1), label_smoothing)
    output = rng.normal(size=(5, 1))
    np.testing.assert_array_equal(task.decode(output), 1)
    assert loss_value(task, output, np.zeros(5, int), None) == 0
