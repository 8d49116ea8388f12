"""
How many bikes at most? Quantiles and intervals
===============================================

Whoever puts bikes at the stations needs more than a number: how many will be rented at
most, in nine hours of ten? ``loss="quantile"`` learns that, ``predict_interval``
corrects the bands by errors on hours that the weights have not seen. Here both are
counted after.
"""

# %%
# Three quantiles of the next hour
# --------------------------------
# A fifth of the training part, its latest hours, is held out: early stopping and the
# correction of the intervals use it.

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
# Promised and counted
# --------------------
# A pipeline passes on ``predict`` (the median) and no method that it does not know, so
# the other two are asked of its last step. A share of 80 % over all hours need not
# be one by night and by day.

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
