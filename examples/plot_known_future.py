"""
Value of columns known in advance
=================================

One day ahead, the newest rentals that a model can read are those of today. But
tomorrow's calendar is known, and there is a weather forecast. ``known_future`` names
the columns that the window may read up to the row itself. This example measures how
much they improve the forecast.
"""

# %%
# The same model with more known columns
# --------------------------------------
# The weather here was measured. It is equivalent to a perfect weather forecast, so its
# improvement is an upper limit.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import mean_absolute_error
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets, future_frame

df = datasets.load_bike_sharing().frame.iloc[1000:4500].astype(float)
df["hour_sin"] = np.sin(2 * np.pi * df["hour"] / 24)
df["hour_cos"] = np.cos(2 * np.pi * df["hour"] / 24)
calendar = ["hour_sin", "hour_cos", "workingday"]
weather = ["temp", "hum", "weather"]
X, y = df[["bikers", *calendar, *weather]], df["bikers"]
train, test = slice(None, -336), slice(-336, None)

forecasts = {"a week ago": y.shift(freq="7D").reindex(X.index[test]).ffill()}
models = {}
for name, known in {
    "nothing known": None,
    "calendar": calendar,
    "calendar + weather": calendar + weather,
}.items():
    models[name] = make_pipeline(
        SlidingWindow(48, lag=24, known_future=known),
        GRURegressor(32, max_iter=10, random_state=0),
    )
    models[name].fit(X.iloc[train], y.iloc[train])
    predicted = models[name].predict(X.iloc[test])
    forecasts[name] = pd.Series(predicted, index=X.index[test])
for name, forecast in forecasts.items():
    print(f"{name:20} MAE {mean_absolute_error(y.iloc[test], forecast):5.1f} bikes")

# %%
# Rows of one forecast
# --------------------
# This is the end of the window of the last row: rentals up to the same hour of the day
# before, calendar and weather up to the hour itself.

model = models["calendar + weather"]
print(model[0].explain(X.iloc[test], -1).tail(3).T.to_string())

# %%
# Rows that do not exist yet
# --------------------------
# ``future_frame`` creates the next 24 rows. Fill in the known columns, here with the
# calendar and the weather of the day before; the rentals stay missing.

future = future_frame(X, 24)
future[calendar + weather] = X[calendar + weather].iloc[-24:].to_numpy()
future["hour_sin"] = np.sin(2 * np.pi * future.index.hour / 24)
future["hour_cos"] = np.cos(2 * np.pi * future.index.hour / 24)
future["workingday"] = (future.index.day_of_week < 5).astype(float)
tomorrow = model.predict(pd.concat([X.iloc[test], future]))[-24:]
print(
    f"tomorrow: {tomorrow.clip(0).sum():.0f} bikes, of which from 16 to 19 h: ", end=""
)
print(f"{tomorrow[(future.index.hour >= 16) & (future.index.hour < 19)].sum():.0f}")

# %%

week = slice(-7 * 24, None)
figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
axis.plot(y.iloc[week], color="0.7", lw=3, label="observed")
for name, color in {
    "nothing known": "#D55E00",
    "calendar + weather": "#0072B2",
}.items():
    axis.plot(forecasts[name].iloc[week], color=color, lw=1.3, label=name)
axis.set(ylabel="rented bikes", title="A week, each hour forecast the day before")
axis.tick_params(axis="x", labelsize=8)
figure.legend(loc="outside lower center", frameon=False, ncols=3)
plt.show()
