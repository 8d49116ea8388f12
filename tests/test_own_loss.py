"""A function of the user as the loss."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_gru import GRURegressor
from sklearn_gru.exceptions import InvalidParameterError

X = np.random.default_rng(0).normal(size=(60, 5, 2))
Y = np.column_stack([X[:, :, 0].sum(axis=1), 10 * X[:, -1, 1]])


def squares(output, target):
    """What `loss="squared_error"` computes."""
    return (output - target) ** 2


def too_low_costs_more(output, target):
    """The pinball loss of 0.8, written out."""
    error = target - output
    return torch.maximum(0.8 * error, -0.2 * error)


def summed(output, target):
    """Of a wrong shape."""
    return squares(output, target).mean(dim=1)


def model(loss, **params):
    """A small regressor."""
    defaults = {"hidden_size": 5, "max_iter": 8, "random_state": 0, "linear_share": 0}
    return GRURegressor(loss=loss, **{**defaults, **params})


def test_a_function_is_the_loss_it_computes():
    """On standardized targets, the same network as by the name, weights and all."""
    weights = np.linspace(0.5, 2, 60)
    own = model(squares, dtype="float64").fit(X, Y, weights)
    named = model("squared_error", dtype="float64").fit(X, Y, weights)
    np.testing.assert_allclose(own.predict(X), named.predict(X), rtol=1e-9)
    np.testing.assert_allclose(own.loss_curve_, named.loss_curve_, rtol=1e-9)


def test_large_fits_say_what_computes():
    """The layers may be compiled; the step is not."""
    many = np.random.default_rng(1).normal(size=(1200, 6, 2))
    own = model(squares, max_iter=10).fit(many, many[:, -1, 0])
    assert own.engine_ != "numba"
    assert own.net_.declined["numba"] == "a loss that is a function has no kernel"


def test_an_asymmetric_loss_moves_predictions():
    """The function decides: about 80 % of y lie below."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(300, 3, 1)), rng.normal(size=300)
    fitted = model(too_low_costs_more, max_iter=20, learning_rate=0.003).fit(X, y)
    assert 0.7 < (fitted.predict(X) >= y).mean() < 0.9


def test_pickles_clones_and_warm_start():
    """A function of a module is pickled by its name; a lambda cannot be."""
    fitted = model(squares, warm_start=True, early_stopping=True).fit(X, Y)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))
    assert copy.fit(X, Y).n_iter_ > fitted.n_iter_
    assert clone(fitted).loss is squares
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(model(lambda output, target: squares(output, target)).fit(X, Y))


def test_a_module_of_torch_is_a_function():
    """Any callable will do."""
    own = model(torch.nn.MSELoss(reduction="none"), dtype="float64").fit(X, Y)
    named = model("squared_error", dtype="float64").fit(X, Y)
    np.testing.assert_allclose(own.predict(X), named.predict(X), rtol=1e-9)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (summed, r"returned shape \(60,\) for outputs and targets of shape \(60, 2\)"),
        (torch.nn.MSELoss(), r"returned shape \(\) for outputs"),
        (7, "a function of output and target"),
    ],
)
def test_what_is_no_loss(loss, words):
    """A wrong shape would silently train something else."""
    with pytest.raises(InvalidParameterError, match=words):
        model(loss, early_stopping=False).fit(X, Y)
