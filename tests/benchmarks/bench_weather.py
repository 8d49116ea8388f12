"""Temperature at three airports, 24 hours ahead: a GRU beside cheap baselines.

NYC weather of 2013, PanelTimeSeriesSplit with five test sets of 30 days, August to
December. All fitted models get the same windows. The settings of each were chosen on
the months before the first test set, by four splits of the same kind (`SEARCHED`).
"""

import time
import warnings

import numpy as np
import pandas as pd
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

LAG, SEEDS = 24, 3
KNOWN = ["hour_sin", "hour_cos"]
OUTER = PanelTimeSeriesSplit(5, test_size=30 * 24)
INNER = PanelTimeSeriesSplit(4, test_size=30 * 24)


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


class DayBefore:
    """The temperature at this hour of the day before."""

    def fit(self, X, y):
        """Remember the temperatures."""
        self.seen = X["temp"]
        return self

    def predict(self, X):
        """Look the hour up; the last one known where it is missing."""
        temp = pd.concat([self.seen, X["temp"]]).sort_index()
        origin, time = (X.index.get_level_values(i) for i in range(2))
        past = pd.MultiIndex.from_arrays([origin, time - pd.Timedelta(hours=LAG)])
        return temp.reindex(past).groupby(level=0).ffill().to_numpy()


def ridge(window=24, alpha=100.0):
    """Ridge on flat windows."""
    return _flat(window, SimpleImputer(), StandardScaler(), Ridge(alpha))


def boosting(window=24, **params):
    """Gradient boosting on flat windows."""
    return _flat(window, HistGradientBoostingRegressor(random_state=0, **params))


def _flat(window, *steps):
    flat = SlidingWindow(window, lag=LAG, known_future=KNOWN, flatten=True)
    return make_pipeline(flat, *steps)


def gru(window=48, seed=0, **params):
    """The GRU, told that y continues the temperature of the window."""
    level = {"normalization": "last", "target_feature": "temp"}
    return make_pipeline(
        SlidingWindow(window, lag=LAG, known_future=KNOWN),
        GRURegressor(random_state=seed, **(level | params)),
    )


def scores(model, X, y, cv):
    """Mean absolute error (n_splits,) and CPU seconds."""
    start, found = time.process_time(), []
    for train, test in cv.split(X):
        model.fit(X.iloc[train], y.iloc[train])
        error = model.predict(X.iloc[test]) - y.iloc[test]
        found.append(error.abs().mean())
    return np.array(found), time.process_time() - start
