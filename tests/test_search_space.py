"""Search spaces: names that fit the estimator, values that fit, in every search."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, loguniform, randint, uniform
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    ParameterSampler,
    RandomizedSearchCV,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru.exceptions import InvalidParameterError
from sklearn_gru.model_selection import optuna_space, search_space, suggest

REGRESSOR = {"learning_rate", "hidden_size", "dropout"}
CLASSIFIER = REGRESSOR | {"bidirectional", "pooling"}
QUICK = {"max_iter": 1, "early_stopping": False, "random_state": 0}


def pipeline(**options):
    return make_pipeline(SlidingWindow(4, lag=1), GRURegressor(**(QUICK | options)))


# The series has a trend, which the networks that a search tries may not follow.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_gru.exceptions.UnseenDataWarning"
)


def rows(n=120):
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=n)
    X = pd.DataFrame(np.cumsum(rng.normal(size=(n, 2)), axis=0), days)
    return X, X[0].to_numpy()


@pytest.mark.parametrize(
    ("estimator", "prefixes", "names"),
    [
        (GRURegressor(), [""], REGRESSOR),
        (GRUClassifier(), [""], CLASSIFIER),
        (pipeline(), ["gruregressor__"], REGRESSOR),
        (
            TransformedTargetRegressor(pipeline()),
            ["regressor__gruregressor__"],
            REGRESSOR,
        ),
        (
            VotingRegressor([("a", GRURegressor()), ("b", pipeline())]),
            ["a__", "b__gruregressor__"],
            REGRESSOR,
        ),
    ],
    ids=["regressor", "classifier", "pipeline", "target", "voting"],
)
def test_names_are_those_of_set_params(estimator, prefixes, names):
    """Whatever is around the estimator, candidates can be set, and are allowed."""
    space = search_space(estimator)
    assert set(space) == {prefix + name for prefix in prefixes for name in names}
    for candidate in ParameterSampler(space, 20, random_state=0):
        changed = clone(estimator).set_params(**candidate)
        parameters = changed.get_params()
        assert {name: parameters[name] for name in candidate} == candidate
        if hasattr(changed, "_check_params"):
            changed._check_params()


def test_the_estimator_and_later_spaces_stay_as_they_are():
    """A space is the caller's: changing it changes no other."""
    model = pipeline()
    space = search_space(model)
    space["gruregressor__hidden_size"].append(4)
    assert 4 not in search_space(model)["gruregressor__hidden_size"]
    assert model[-1].get_params() == GRURegressor(**QUICK).get_params()


def test_changes_add_replace_and_remove():
    """A list is searched in place of the range, None is not searched."""
    steps = randint(3, 9)
    space = search_space(
        pipeline(),
        slidingwindow__window_size=steps,
        gruregressor__hidden_size=[4],
        gruregressor__dropout=None,
        gruregressor__max_iter=None,
    )
    assert set(space) == {
        "gruregressor__learning_rate",
        "gruregressor__hidden_size",
        "slidingwindow__window_size",
    }
    assert space["gruregressor__hidden_size"] == [4]
    assert space["slidingwindow__window_size"] is steps


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: search_space(GRURegressor),
            r"class GRURegressor; expected an estimator: search_space\(GRURegressor\(\)",
        ),
        (lambda: search_space(3), "got int, which has no parameters"),
        (lambda: search_space(Ridge()), "no GRURegressor or GRUClassifier in Ridge"),
        (
            lambda: search_space(make_pipeline(SlidingWindow(4), Ridge())),
            "in Pipeline of SlidingWindow, Ridge.* end the pipeline with one",
        ),
        (
            lambda: search_space(pipeline(), hidden_size=[4]),
            r"Pipeline has no parameter hidden_size. Did you mean "
            r"gruregressor__hidden_size\?",
        ),
        (
            lambda: search_space(pipeline(), gru__dropout=[0.1]),
            "Did you mean gruregressor__dropout",
        ),
        (
            lambda: search_space(pipeline(), slidingwindow__windowsize=[4]),
            "Did you mean slidingwindow__window_size",
        ),
        (lambda: search_space(GRURegressor(), zzz=[4]), r"get_params\(\) lists"),
        (
            lambda: search_space(GRURegressor(), cell="gru"),
            r"cell='gru' is not a range",
        ),
        (lambda: search_space(GRURegressor(), cell=[]), r"cell=\[\] is not a range"),
        (lambda: search_space(GRURegressor(), num_layers=2), "num_layers=2 is not a"),
        (lambda: suggest(None, {"dropout": 0.1}), "dropout=0.1 is not a range"),
        (
            lambda: suggest(None, {"dropout": beta(1, 2)}),
            "dropout has the distribution beta, which Optuna cannot draw from",
        ),
        (
            lambda: suggest(None, GRURegressor()),
            r"GRURegressor; .* search_space\(model",
        ),
    ],
)
def test_misuse_is_explained(call, message):
    """Errors name what was seen and the line that fixes it."""
    with pytest.raises(InvalidParameterError, match=message):
        call()


@pytest.mark.parametrize("kind", ["regressor", "classifier"])
def test_random_search(kind):
    """A random search over a ready space fits, and finds one of its candidates."""
    X, y = rows()
    model = pipeline()
    if kind == "classifier":
        y = y > np.median(y)
        model = make_pipeline(SlidingWindow(4, lag=1), GRUClassifier(**QUICK))
    search = RandomizedSearchCV(
        model,
        search_space(model, slidingwindow__window_size=[3, 4]),
        n_iter=4,
        cv=TimeSeriesSplit(2),
        random_state=0,
        error_score="raise",
    ).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert np.ptp(scores) > 0
    assert search.predict(X).shape == y.shape


def test_halving_search():
    """max_iter is free to be the resource: the winner has trained for all epochs."""
    X, y = rows()
    model = pipeline()
    search = HalvingRandomSearchCV(
        model,
        search_space(model, gruregressor__hidden_size=[4, 8]),
        n_candidates=4,
        resource="gruregressor__max_iter",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=TimeSeriesSplit(2),
        random_state=0,
        error_score="raise",
    ).fit(X, y)
    assert search.n_resources_ == [1, 2, 4]
    assert search.best_params_["gruregressor__max_iter"] == 4


class Ends:
    """Trial that draws an end of every range and keeps what it was asked."""

    def __init__(self, last):
        self.last = last
        self.asked = {}

    def suggest_categorical(self, name, choices):
        self.asked[name] = "categorical"
        return choices[-1 if self.last else 0]

    def suggest_int(self, name, low, high):
        self.asked[name] = "int"
        return high if self.last else low

    def suggest_float(self, name, low, high, *, log=False):
        self.asked[name] = "log" if log else "float"
        return high if self.last else low


@pytest.mark.parametrize("last", [False, True])
def test_suggest_asks_for_the_same_ranges(last):
    """Lists, and each distribution with its own ends, both of them possible."""
    space = {
        "a": [16, 32],
        "b": loguniform(1e-3, 3e-2),
        "c": uniform(0.1, 0.4),
        "d": randint(3, 9),
        "e": uniform(loc=1, scale=2),
        "f": np.array([1, 2]),
    }
    trial = Ends(last)
    drawn = suggest(trial, space)
    assert list(trial.asked.values()) == [
        *("categorical", "log", "float", "int", "float", "categorical")
    ]
    expected = [32, 3e-2, 0.5, 8, 3, 2] if last else [16, 1e-3, 0.1, 3, 1, 1]
    assert list(drawn.values()) == pytest.approx(expected)


def test_optuna_is_not_needed_until_asked_for():
    """The spaces and `suggest` load neither optuna nor torch."""
    code = (
        "import sys; from sklearn_gru.model_selection import suggest;"
        "suggest(None, {}); print(*(n in sys.modules for n in ('optuna', 'torch')))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "False False"


def test_optuna_draws_from_the_space():
    """Trials of a study stay inside the ranges, and equal Optuna's own distributions."""
    optuna = pytest.importorskip("optuna")
    space = search_space(
        pipeline(), slidingwindow__window_size=randint(3, 9), gruregressor__cell=["gru"]
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [suggest(study.ask(), space) for _ in range(50)]
    assert study.get_trials()[-1].distributions == optuna_space(space)
    assert {c["slidingwindow__window_size"] for c in drawn} == set(range(3, 9))
    rates = [math.log(c["gruregressor__learning_rate"]) for c in drawn]
    assert math.log(1e-3) <= min(rates) < max(rates) <= math.log(3e-2)
    assert np.mean(rates) == pytest.approx(np.log([1e-3, 3e-2]).mean(), abs=0.5)


def test_optuna_space_without_optuna(monkeypatch):
    """Where it is missing, the error says so."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.setitem(sys.modules, "optuna.distributions", None)
    with pytest.raises(ModuleNotFoundError, match="optuna"):
        optuna_space({"dropout": [0.0]})
