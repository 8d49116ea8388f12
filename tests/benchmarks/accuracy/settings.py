"""The estimators of the package: untouched, and as recommended for each task.

A recommended setting was found by inner validation on the training part; what each
choice brought stands in docs/accuracy.md and in the decision record of the defaults.
"""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from tests.benchmarks.accuracy.plain_torch import (
    PlainClassifier,
    PlainRegressor,
    PlainTextClassifier,
)
from tests.benchmarks.accuracy.tasks import AIRLINE_HORIZON, BIKES_KNOWN
from tests.benchmarks.accuracy.text import TokenNumbers
from tests.benchmarks.accuracy.windows import AgainstLag, Tail, WithDifferences
from tests.benchmarks.bench_weather import KNOWN, LAG


def _bikes_window(regressor, n_steps=48):
    window = SlidingWindow(n_steps, lag=1, known_future=BIKES_KNOWN)
    return make_pipeline(window, regressor)


def _weather_window(regressor):
    window = SlidingWindow(48, lag=LAG, known_future=KNOWN)
    return make_pipeline(window, regressor)


def _airline_window(regressor, n_steps=24):
    return make_pipeline(SlidingWindow(n_steps, lag=AIRLINE_HORIZON), regressor)


def _tail(regressor, n_steps=336):
    return make_pipeline(Tail(n_steps), regressor)


def _text(classifier, max_features=10_000):
    return make_pipeline(TokenNumbers(min_df=3, max_features=max_features), classifier)


# How the rows of a task reach a GRURegressor; classifiers read series as they are.
WINDOWS = {
    "frame": _bikes_window,
    "weather": _weather_window,
    "forecast": _airline_window,
    "panel": _tail,
    "windows": lambda regressor: regressor,
    "measured": lambda regressor: regressor,
}
# The defaults before decision records 23 and 24.
NETWORK_ALONE = {"normalization": None, "target_feature": None, "linear_share": 0}
NETWORK_ALONE |= {"loss": "squared_error"}
FEW = ("Airline", "Covid3Month", "CardanoSentiment", "Tecator", "Births-1")
FEW += ("Sunspots-1", "ElNino-6", "Output-1")  # fewer than 1000 sequences
VALUES_ALONE = {
    "add_differences": False,
    "pooling": "last",
    "linear_share": 0,
    "segment_length": None,
    "n_estimators": 1,
}


def default(task, seed, **changes):
    """The estimator with default parameters, or with some changed."""
    if task.kind == "series":
        return GRUClassifier(random_state=seed, **changes)
    if task.kind == "text":
        words = {"categorical_features": [0], "random_state": seed}
        return _text(GRUClassifier(**words, **changes))
    return WINDOWS[task.kind](GRURegressor(random_state=seed, **changes))


def before(task, seed):
    """The estimator with what were default parameters before decision record 23.

    A warm start has none of the epochs of all sequences that record 25 added.
    """
    if task.kind in ("series", "text"):
        return default(task, seed, **VALUES_ALONE, warm_start=True)
    all_epochs = {"early_stopping": False} if task.name in FEW else {}
    return default(task, seed, **NETWORK_ALONE, **all_epochs, warm_start=True)


def plain(task, seed, **changes):
    """torch.nn.GRU behind the same windows."""
    if task.kind == "series":
        return PlainClassifier(random_state=seed, **changes)
    if task.kind == "text":
        return PlainTextClassifier(random_state=seed, **changes)
    if task.kind == "panel":  # longer windows would take hours
        return _tail(PlainRegressor(random_state=seed, **changes), n_steps=96)
    return WINDOWS[task.kind](PlainRegressor(random_state=seed, **changes))


def classifier(*steps, **parameters):
    """A recommended classifier, behind steps that prepare the series."""

    def make(seed, **changes):
        gru = GRUClassifier(random_state=seed, **(parameters | changes))
        return make_pipeline(*steps, gru) if steps else gru

    return make


def _bikeshare(seed, **changes):
    """The mean of three networks, which all rows train.

    The latest tenth, held out to stop by, is missed in autumn.
    """
    parameters = NETWORK_ALONE | {"max_iter": 15, "weight_decay": 0.1}
    parameters["early_stopping"] = False
    members = [
        (f"gru{k}", GRURegressor(random_state=3 * seed + k, **(parameters | changes)))
        for k in range(3)
    ]
    return TransformedTargetRegressor(
        _bikes_window(VotingRegressor(members)), func=np.sqrt, inverse_func=np.square
    )


def _airline(seed, **changes):
    parameters = NETWORK_ALONE | {"hidden_size": 8, "max_iter": 20}
    parameters |= {"early_stopping": False} | changes
    gru = GRURegressor(random_state=seed, **parameters)
    return AgainstLag(_airline_window(gru, 24), AIRLINE_HORIZON)


def _ett(seed, **changes):
    """Windows of a month less their last value, a day a step; every channel alike."""
    parameters = {
        "normalization": "last",
        "target_feature": 0,
        "linear_share": 0,
        "segment_length": 24,
        "loss": "absolute_error",
        "learning_rate": 0.005,
        "dropout": 0.1,
        "batch_size": 448,
        "max_iter": 5,
        "early_stopping": False,
    }
    return GRURegressor(random_state=seed, **(parameters | changes))


def _imdb(seed, **changes):
    """The end of a review says most; three epochs, before the words are learned off."""
    parameters = {
        "hidden_size": 32,
        "bidirectional": False,
        "pooling": "mean_max",
        "dropout": 0.5,
        "max_iter": 3,
        "early_stopping": False,
        "categorical_features": [0],
    }
    gru = GRUClassifier(random_state=seed, **(parameters | changes))
    return _text(gru, max_features=5000)


def _median(seed, **changes):
    return GRURegressor(random_state=seed, **({"loss": "absolute_error"} | changes))


# Central differences, which WithDifferences adds, instead of the default ones.
ALONE = {"bidirectional": True, "add_differences": False, "linear_share": 0}
ALONE |= {"n_estimators": 1}
BOTH_WAYS = ALONE | {"max_iter": 100}

RECOMMENDED = {
    "JapaneseVowels": classifier(WithDifferences(), pooling="mean_max", **BOTH_WAYS),
    "BasicMotions": classifier(WithDifferences(), pooling="max", **BOTH_WAYS),
    "ERing": classifier(
        segment_length=5, learning_rate=0.003, pooling="last", **BOTH_WAYS
    ),
    "GunPoint": classifier(WithDifferences(), pooling="max", **BOTH_WAYS),
    "ItalyPowerDemand": classifier(WithDifferences(), pooling="last", **BOTH_WAYS),
    "FSDD": classifier(pooling="last", max_iter=50, **ALONE),
    "HAPT-6": classifier(
        WithDifferences(),
        segment_length=4,
        pooling="max",
        max_iter=20,
        **ALONE,
    ),
    "IMDB-5k": _imdb,
    "Bikeshare": _bikeshare,
    "Airline": _airline,
    "ETTh1-96": _ett,
    # sMAPE and MASE are errors of medians, and the windows hold outliers.
    "Panel-24": _median,
    "Panel-24 scaled": _median,
}
