"""The questions to the peers find what they ask about."""

import os

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from tests.benchmarks import contract
from tests.benchmarks.peers import Peer, flat, ours


class Careless(RegressorMixin, BaseEstimator):
    """Prints, ignores its seed, passes NaN on and looks at the other rows."""

    def __init__(self, seed=0, size=1):
        self.seed = seed
        self.size = size

    def __sklearn_clone__(self):
        return type(self)(self.seed)

    def fit(self, X, y):
        os.write(1, b"fitting")  # pytest has put something else in place of stdout
        self.noise_ = np.random.rand()  # noqa: NPY002
        return self

    def predict(self, X):
        X = np.asarray(X)
        return X.reshape(len(X), -1).sum(axis=1) - X[0].sum() + self.noise_

    def __getstate__(self):
        return {**self.__dict__, "noise_": 0.0}


@pytest.fixture
def careless():
    """What is asked of a peer that breaks most of the contract."""

    def make(seed=0, default=False):
        return Careless(seed, size=2)

    return Peer("careless", make, {"size": [1, 2]}, layout=flat)


def answer(name, peer):
    """The short answer of a peer to one question."""
    return contract.ask(contract.QUESTIONS[name], peer)[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("3-D X", "yes"),
        ("Pipeline", "yes"),
        ("GridSearchCV", "yes"),
        ("pickle", "no"),
        ("same seed", "no"),
        ("NaN in X", "silent"),
        ("lengths differ", "no"),
        ("alone as among others", "no"),
        ("sample_weight", "no"),
        ("quiet", "no"),
        ("clone", "no"),
    ],
)
def test_a_careless_peer_is_found_out(name, expected, careless):
    """Each breach shows in its own column."""
    assert answer(name, careless) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in contract.QUESTIONS if name != "check_estimator"]
)
def test_ours_keeps_the_contract(name):
    """The row of this package in the table of the documentation."""
    assert answer(name, ours()) == "yes"


def test_not_asked_is_left_empty(careless):
    """What makes no sense for a kind of data gets no answer."""
    series = Peer("series", careless.make, not_asked=frozenset({"ragged"}))
    assert answer("lengths differ", series) == ""
