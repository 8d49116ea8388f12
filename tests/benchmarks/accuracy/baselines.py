"""The cheap strong baselines, each in the form a careful user would give it.

``baselines_of(task)[name](seed)`` is an unfitted estimator; a task lacks a name where
the method makes no sense there. Without them a good figure means nothing.
"""

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifierCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_gru import SlidingWindow
from tests.benchmarks import bench_weather
from tests.benchmarks.accuracy.tasks import BIKES_KNOWN
from tests.benchmarks.accuracy.windows import (
    AsCube,
    Flat,
    LastObserved,
    LastSubtracted,
    Recursive,
    Repeated,
    Resampled,
    SeasonalNaive,
    StepAsFeature,
    WithoutTargets,
)

ALPHAS = np.logspace(-3, 5, 17)


def _minirocket(seed, model=None):
    from aeon.transformations.collection.convolution_based import MiniRocket

    return make_pipeline(
        AsCube(),
        WithoutTargets(MiniRocket(random_state=seed)),
        StandardScaler(with_mean=False),
        RidgeClassifierCV(ALPHAS) if model is None else model,
    )


def _bikes_lag(lag):
    one = SlidingWindow(24, lag=lag, flatten=True)
    only = FunctionTransformer(_bikers)
    return make_pipeline(only, one, LastObserved())


def _bikers(frame):
    return frame[["bikers"]]


def _bikes_windows(n_steps):
    return SlidingWindow(n_steps, lag=1, known_future=BIKES_KNOWN, flatten=True)


SERIES = {
    "naive": lambda seed: DummyClassifier(),
    "ridge": lambda seed: make_pipeline(
        Resampled(), StandardScaler(), RidgeClassifierCV(ALPHAS)
    ),
    "gradient boosting": lambda seed: make_pipeline(
        Resampled(),
        HistGradientBoostingClassifier(min_samples_leaf=5, random_state=seed),
    ),
    "MiniRocket + ridge": _minirocket,
}
TEXT = {
    "naive": lambda seed: DummyClassifier(),
    "TF-IDF + logistic": lambda seed: make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000),
    ),
}
FRAME = {
    "naive": lambda seed: _bikes_lag(1),
    "seasonal naive": lambda seed: _bikes_lag(24),
    "ridge": lambda seed: make_pipeline(
        _bikes_windows(168), SimpleImputer(), StandardScaler(), RidgeCV(ALPHAS)
    ),
    "gradient boosting": lambda seed: make_pipeline(
        _bikes_windows(48), HistGradientBoostingRegressor(random_state=seed)
    ),
}
WEATHER = {
    "naive": lambda seed: bench_weather.DayBefore(),
    "ridge": lambda seed: bench_weather.ridge(24, 10.0),
    "ridge, last value subtracted": lambda seed: bench_weather.ridge(
        24, 1e5, change=True
    ),
    "gradient boosting": lambda seed: bench_weather.boosting(48),
}
FORECAST = {
    "naive": lambda seed: SeasonalNaive(1),
    "seasonal naive": lambda seed: SeasonalNaive(12),
    "ridge": lambda seed: Recursive(RidgeCV(ALPHAS)),
    "gradient boosting": lambda seed: Recursive(
        HistGradientBoostingRegressor(min_samples_leaf=5, random_state=seed)
    ),
}
PANEL = {
    "naive": lambda seed: Repeated(1),
    "seasonal naive": lambda seed: Repeated(24),
    "ridge": lambda seed: LastSubtracted(Ridge(100.0), n_steps=336),
    "gradient boosting": lambda seed: StepAsFeature(
        HistGradientBoostingRegressor(random_state=seed), random_state=seed
    ),
}
MEASURED = {
    "naive": lambda seed: DummyRegressor(),
    "ridge": lambda seed: make_pipeline(Resampled(), StandardScaler(), RidgeCV(ALPHAS)),
    "gradient boosting": lambda seed: make_pipeline(
        Resampled(),
        HistGradientBoostingRegressor(min_samples_leaf=5, random_state=seed),
    ),
    "MiniRocket + ridge": lambda seed: _minirocket(seed, RidgeCV(ALPHAS)),
}
BASELINES = {
    "series": SERIES,
    "measured": MEASURED,
    "text": TEXT,
    "frame": FRAME,
    "weather": WEATHER,
    "forecast": FORECAST,
    "panel": PANEL,
}


def baselines_of(task):
    """Name to ``make(seed)`` of the baselines of a task."""
    if task.kind == "windows":
        return _of_windows(task.season, one_step=task.one_step)
    return dict(BASELINES[task.kind])


def _of_windows(season, *, one_step):
    """Baselines that read the windows of series; one of boosting for all steps."""

    def boosting(seed):
        trees = HistGradientBoostingRegressor(random_state=seed)
        if one_step:
            return make_pipeline(Flat(), trees)
        return StepAsFeature(
            trees, n_lags=max(48, season), season=season, random_state=seed
        )

    return {
        "naive": lambda seed: Repeated(1),
        "seasonal naive": lambda seed: Repeated(season),
        "ridge": lambda seed: make_pipeline(Flat(), StandardScaler(), RidgeCV(ALPHAS)),
        "ridge, last value subtracted": lambda seed: LastSubtracted(RidgeCV(ALPHAS)),
        "gradient boosting": boosting,
        "MiniRocket + ridge": lambda seed: _minirocket(seed, RidgeCV(ALPHAS)),
    }
