"""
One model for a panel or one model per series
=============================================

Three airports report the weather every hour. You can train one model on all of them,
which has more rows, give it the airport as a feature, or train one model per airport.
:class:`~sklearn_gru.model_selection.PanelTimeSeriesSplit` cuts all series at the same
time, so that no airport reveals tomorrow's weather at another.
"""

# %%
# Temperature six hours ahead
# ---------------------------
# The levels of the index are sufficient: the window uses ``time`` as the time and
# ``origin`` as the group, and never mixes groups. The hour of the day is known ahead.
# Missing cells stay missing.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets
from sklearn_gru.model_selection import PanelTimeSeriesSplit

X = datasets.load_nyc_weather().frame[["temp", "dewp", "humid", "pressure"]]
time = X.index.get_level_values("time")
X = X[(time >= "2013-04-01") & (time < "2013-07-01")]
hour = X.index.get_level_values("time").hour
X = X.assign(sin=np.sin(2 * np.pi * hour / 24), cos=np.cos(2 * np.pi * hour / 24))
y = X["temp"]
print(y.groupby("origin").describe().round(1)[["count", "mean", "min", "max"]])

# %%
# Models
# ------
# With ``categorical_features="origin"``, the group is a feature in addition to a key.
# The network learns one vector for each of its three values.


def forecaster(**window):
    """A window of a day and a GRU behind it."""
    return make_pipeline(
        SlidingWindow(24, lag=6, known_future=["sin", "cos"], **window),
        GRURegressor(32, max_iter=8, early_stopping=False, random_state=0),
    )


def one_each(X_train, y_train, X_test):
    """A model for each airport; its forecasts in the order of X_test."""
    parts = []
    for origin, rows in X_train.groupby(level="origin"):
        model = forecaster().fit(rows, y_train.loc[rows.index])
        later = X_test.loc[[origin]]
        parts.append(pd.Series(model.predict(later), index=later.index))
    return pd.concat(parts).loc[X_test.index].to_numpy()


def last_value(X_train, y_train, X_test):
    """The temperature six hours before."""
    known = y.reset_index(name="last")
    known["time"] += pd.Timedelta(hours=6)
    known = known.set_index(["origin", "time"])["last"].reindex(X_test.index)
    return known.fillna(y_train.mean()).to_numpy()


def one_model(**window):
    """A function that fits one model to all airports and forecasts."""
    return lambda X_train, y_train, X_test: (
        forecaster(**window).fit(X_train, y_train).predict(X_test)
    )


models = {
    "last value": last_value,
    "one each": one_each,
    "one for all": one_model(),
    "one for all, told the airport": one_model(categorical_features="origin"),
}

# %%
# All models use the same three folds of two weeks:

errors = []
for fold, (train, test) in enumerate(
    PanelTimeSeriesSplit(3, test_size=24 * 14).split(X)
):
    for name, forecast in models.items():
        predicted = forecast(X.iloc[train], y.iloc[train], X.iloc[test])
        error = (y.iloc[test] - predicted).abs().groupby("origin").mean()
        errors.append(error.rename((name, fold)))
errors = pd.concat(errors, axis=1)
table = errors.T.groupby(level=0).mean().loc[list(models)]
table["all"] = table.mean(axis=1)
spread = errors.mean().groupby(level=0).std()
print(table.assign(std_of_folds=spread).round(2).rename_axis("MAE, °F"))

# %%

colors = ["0.75", "#E69F00", "#56B4E9", "#0072B2"]
axis = table.T.plot.bar(rot=0, color=colors, figsize=(7, 3.6), width=0.8)
axis.set(xlabel="", ylabel="mean absolute error, °F")
axis.set_ylim(0, table.to_numpy().max() * 1.35)
axis.legend(frameon=False, ncols=2, loc="upper left")
axis.figure.set_layout_engine("constrained")
plt.show()
