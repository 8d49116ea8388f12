"""
Daily updates of a model
========================

You fit a model once and use it every day: add yesterday's rows, forecast tomorrow, and
continue the training once a week. The window remembers the rows that later rows look
back at, so you only pass the new rows.
"""

# %%
# Fit up to day d
# ---------------
# The model forecasts a whole day on the day before, so ``lag=24`` hours.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets

frame = datasets.load_bike_sharing().frame.iloc[:3600]
days = frame.index.floor("D")
known = ["hour", "workingday", "temp", "hum", "weather"]
model = make_pipeline(
    SlidingWindow(48, lag=24, known_future=known),
    GRURegressor(32, max_iter=15, warm_start=True, random_state=0),
)
start = days.unique()[-14]
until = frame[days < start]
model.fit(until, until["bikers"])

# %%
# Every day: add yesterday, forecast tomorrow
# -------------------------------------------
# Columns that are not known yet may be NaN; they are not read. On the eighth day,
# training continues for 15 more epochs from the current weights.

window = model[0]
forecasts = []
for number, today in enumerate(days.unique()[-14:-1]):
    seen = frame[days == today]
    if number == 7:
        so_far = frame[days <= today]
        model.fit(so_far, so_far["bikers"])
        print(f"{today.date()}: trained on, {model[-1].n_iter_} epochs so far")
    else:
        window.partial_fit(seen)
    tomorrow = frame[days == today + pd.Timedelta(days=1)]
    unknown = tomorrow.columns.difference(known)
    rows = tomorrow.assign(**dict.fromkeys(unknown, np.nan))
    forecasts.append(pd.Series(model.predict(rows), index=rows.index))

forecast = pd.concat(forecasts)
error = np.abs(forecast - frame["bikers"].loc[forecast.index]).mean()
print(f"mean absolute error of {len(forecast)} hours: {error:.1f} bikes")

# %%

figure, axis = plt.subplots(figsize=(9, 3.2), layout="constrained")
axis.plot(frame["bikers"].loc[forecast.index], color="0.6", lw=2.5, label="observed")
axis.plot(forecast, color="#0072B2", lw=1.2, label="forecast the day before")
axis.set(ylabel="rented bikes", title="Thirteen days, each forecast the day before")
axis.grid(alpha=0.3)
figure.legend(loc="outside upper right", frameon=False, ncols=2)
