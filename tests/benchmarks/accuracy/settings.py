"""The estimators of the package: untouched, and as recommended for each task.

A recommended setting was found by inner validation on the training part; what each
choice brought stands in docs/accuracy.md and in the decision record of the defaults.
"""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from tests.benchmarks.accuracy.plain_torch import (
    PlainClassifier,
    PlainRegressor,
    PlainTextClassifier,
)
from tests.benchmarks.accuracy.tasks import AIRLINE_HORIZON, BIKES_KNOWN
from tests.benchmarks.accuracy.windows import AgainstLag, Tail


def _bikes_window(regressor, n_steps=48):
    window = SlidingWindow(n_steps, lag=1, known_future=BIKES_KNOWN)
    return make_pipeline(window, regressor)


def _airline_window(regressor, n_steps=24):
    return make_pipeline(SlidingWindow(n_steps, lag=AIRLINE_HORIZON), regressor)


def _short(regressor, n_steps=96):
    return make_pipeline(Tail(n_steps), regressor)


# How the rows of a task reach a GRURegressor; classifiers read series as they are.
WINDOWS = {"frame": _bikes_window, "forecast": _airline_window, "panel": _short}


def default(task, seed, **changes):
    """The estimator with default parameters, or with some changed."""
    if task.kind == "series":
        return GRUClassifier(random_state=seed, **changes)
    return WINDOWS[task.kind](GRURegressor(random_state=seed, **changes))


def plain(task, seed, **changes):
    """torch.nn.GRU behind the same windows."""
    if task.kind == "series":
        return PlainClassifier(random_state=seed, **changes)
    if task.kind == "text":
        return PlainTextClassifier(random_state=seed, **changes)
    return WINDOWS[task.kind](PlainRegressor(random_state=seed, **changes))


def classifier(**parameters):
    """A recommended setting that is a classifier and nothing else."""
    return lambda seed, **changes: GRUClassifier(
        random_state=seed, **(parameters | changes)
    )


def _bikeshare(seed, **changes):
    gru = GRURegressor(random_state=seed, **changes)
    return TransformedTargetRegressor(
        _bikes_window(gru), func=np.sqrt, inverse_func=np.square
    )


def _airline(seed, **changes):
    parameters = {"max_iter": 50} | changes
    gru = GRURegressor(random_state=seed, **parameters)
    return AgainstLag(_airline_window(gru, 12), AIRLINE_HORIZON)


RECOMMENDED = {
    "JapaneseVowels": classifier(bidirectional=True),
    "Bikeshare": _bikeshare,
    "Airline": _airline,
}
