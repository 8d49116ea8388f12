"""Temperature at three airports, 24 hours ahead: a GRU beside cheap baselines.

NYC weather of 2013, PanelTimeSeriesSplit with five test sets of 30 days, August to
December. All fitted models get the same rows through SlidingWindow. The settings of
each, with the length of its windows, were chosen on the months before the first test
set, by four splits of 30 days.
"""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRURegressor, SlidingWindow
from sklearn_gru.datasets import load_nyc_weather
from sklearn_gru.exceptions import LostHistoryWarning
from sklearn_gru.model_selection import PanelTimeSeriesSplit
from tests.benchmarks.machine import describe, use_one_thread

LAG, N_FEATURES = 24, 10
KNOWN = ["hour_sin", "hour_cos"]
SPLITS = PanelTimeSeriesSplit(5, test_size=30 * 24)


def load():
    """Rows with an observed temperature: weather, wind as a vector, and the hour."""
    X, y = load_nyc_weather(return_X_y=True)
    X, y = X[y.notna()], y[y.notna()]
    direction, speed = np.deg2rad(X["wind_dir"]), X["wind_speed"].clip(upper=60)
    hour = X.index.get_level_values("time").hour * 2 * np.pi / 24
    X = X[["temp", "dewp", "humid", "pressure", "precip", "visib"]].assign(
        wind_x=speed * np.cos(direction),
        wind_y=speed * np.sin(direction),
        hour_sin=np.sin(hour),
        hour_cos=np.cos(hour),
    )
    return X, y


class DayBefore(RegressorMixin, BaseEstimator):
    """The temperature at this hour of the day before."""

    def fit(self, X, y):
        """Remember the temperatures."""
        self.seen_ = X["temp"]
        return self

    def predict(self, X):
        """Look the hour up; the last one known where it is missing."""
        temp = pd.concat([self.seen_, X["temp"]]).sort_index()
        origin, time = (X.index.get_level_values(i) for i in range(2))
        past = pd.MultiIndex.from_arrays([origin, time - pd.Timedelta(hours=LAG)])
        return temp.reindex(past).groupby(level=0).ffill().to_numpy()


class Change(RegressorMixin, BaseEstimator):
    """A regressor of flat windows that predicts the change since a column of them.

    What `normalization` is to the GRU. Rows without that value are predicted from the
    mean of the others.
    """

    def __init__(self, regressor, column):
        self.regressor = regressor
        self.column = column

    def fit(self, X, y):
        """Fit on the rows whose value is known."""
        level = X[:, self.column]
        known = ~np.isnan(level)
        self.mean_ = level[known].mean()
        self.regressor_ = clone(self.regressor)
        self.regressor_.fit(X[known], y[known] - level[known])
        return self

    def predict(self, X):
        """Add the value to the change."""
        level = X[:, self.column]
        return self.regressor_.predict(X) + np.where(np.isnan(level), self.mean_, level)


def flat(window, regressor, *, change=False):
    """A regressor behind flat windows."""
    if change:
        regressor = Change(regressor, (window - 1) * N_FEATURES)  # the newest temp
    flat = SlidingWindow(window, lag=LAG, known_future=KNOWN, flatten=True)
    return make_pipeline(flat, regressor)


def ridge(window, alpha, **how):
    """Ridge on flat windows."""
    linear = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha))
    return flat(window, linear, **how)


def boosting(window, *, change=False, **params):
    """Gradient boosting on flat windows."""
    trees = HistGradientBoostingRegressor(random_state=0, **params)
    return flat(window, trees, change=change)


def gru(seed):
    """A small GRU, told that y continues the temperature of the window."""
    return make_pipeline(
        SlidingWindow(48, lag=LAG, known_future=KNOWN),
        GRURegressor(
            hidden_size=16,
            normalization="last",
            target_feature="temp",
            learning_rate=2e-3,
            weight_decay=1.0,
            random_state=seed,
        ),
    )


def scores(model, X, y, cv):
    """Mean absolute error (n_splits,) and CPU seconds."""
    start, found = time.process_time(), []
    for train, test in cv.split(X):
        model.fit(X.iloc[train], y.iloc[train])
        error = model.predict(X.iloc[test]) - y.iloc[test]
        found.append(error.abs().mean())
    return np.array(found), time.process_time() - start


CONTESTANTS = {
    "the day before": lambda: DayBefore(),
    "ridge": lambda: ridge(24, 10.0),
    "ridge, change": lambda: ridge(24, 1e5, change=True),
    "boosting": lambda: boosting(48),
    "boosting, change": lambda: boosting(
        24, change=True, learning_rate=0.03, max_iter=50
    ),
    **{f"GRU, seed {seed}": lambda seed=seed: gru(seed) for seed in range(3)},
}


def main():
    """Print a line a model."""
    print(describe())
    use_one_thread()
    # A temperature is missing right before a test set, and an hour elsewhere.
    warnings.simplefilter("ignore", LostHistoryWarning)
    X, y = load()
    for name, make in CONTESTANTS.items():
        errors, seconds = scores(make(), X, y, SPLITS)
        print(
            f"{name:16s} mean absolute error {errors.mean():.2f} F, by month "
            f"{errors.round(2)}, {seconds:5.1f} s"
        )


if __name__ == "__main__":
    main()
