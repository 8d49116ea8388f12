"""
Quantiles and intervals of bike rentals
=======================================

To supply stations with bikes, you need more than one number: how many bikes will be
rented at most, in nine hours out of ten? ``loss="quantile"`` learns such limits, and
``predict_interval`` corrects the bands with errors on hours that the weights were not
fitted to. This example measures the coverage of both.
"""

# %%
# Three quantiles of the next hour
# --------------------------------
# A fifth of the training set, its most recent hours, is held out. Early stopping and
# the correction of the intervals use it.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets
from sklearn_gru.inspection import ForecastDisplay

df = datasets.load_bike_sharing().frame.iloc[1000:5000].astype(float)
df["hour_sin"] = np.sin(2 * np.pi * df["hour"] / 24)
df["hour_cos"] = np.cos(2 * np.pi * df["hour"] / 24)
known = ["hour_sin", "hour_cos", "workingday", "temp", "weather"]
X, y = df[["bikers", *known]], df["bikers"]
train, test = slice(None, -700), slice(-700, None)
model = make_pipeline(
    SlidingWindow(24, lag=1, known_future=known),
    GRURegressor(
        32,
        loss="quantile",
        quantile=(0.1, 0.5, 0.9),
        dropout=0.3,
        max_iter=15,
        validation_fraction=0.2,
        random_state=0,
    ),
)
model.fit(X.iloc[train], y.iloc[train])

# %%
# Nominal and measured coverage
# -----------------------------
# A pipeline forwards ``predict`` (the median) but not methods it does not know, so call
# the other two methods on its last step. A coverage of 80 % over all hours does not
# imply 80 % by night and 80 % by day.

window, gru = model[0], model[-1]
later = window.transform(X.iloc[test])
bands = {
    "quantiles 0.1 to 0.9": gru.predict_quantiles(later)[:, [0, 2]],
    "interval, 80 %": gru.predict_interval(later, coverage=0.8),
    "interval, 95 %": gru.predict_interval(later, coverage=0.95),
}
actual = y.iloc[test].to_numpy()
night = X.index[test].hour < 6
rows = {}
for name, band in bands.items():
    low, high = band.T
    inside = (low <= actual) & (actual <= high)
    rows[name] = {
        "covered": inside.mean(),
        "0 to 6 h": inside[night].mean(),
        "6 to 24 h": inside[~night].mean(),
        "mean width": (high - low).mean(),
    }
print(pd.DataFrame(rows).T.round(2).to_string())

# %%
# Four days
# ---------

ForecastDisplay.from_estimator(model, X.iloc[test], y.iloc[test], last=96)
plt.show()
