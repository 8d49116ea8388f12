"""
After the end of the data: tomorrow's bike rentals
==================================================

Fit a model on all rows. :func:`~sklearn_gru.future_frame` creates the rows that come
next; fill in the columns that are known ahead, and call ``predict``.
"""

# %%
# Data
# ----
# The rows are hourly rentals with calendar and weather; missing hours are filled. The
# last day is kept back, only to check the forecast afterwards.

import time
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, future_frame, make_targets
from sklearn_gru.datasets import load_bike_sharing

began = time.perf_counter()
known = ["hour_sin", "hour_cos", "workingday", "temp", "hum"]
frame = load_bike_sharing().frame.asfreq("h").ffill()
frame["hour_sin"] = np.sin(2 * np.pi * frame.index.hour / 24)
frame["hour_cos"] = np.cos(2 * np.pi * frame.index.hour / 24)
frame = frame[["bikers", *known]].iloc[-4024:]
frame, tomorrow = frame.iloc[:-24], frame.iloc[-24:]
print(f"{len(frame)} hours up to {frame.index[-1]}")

# %%
# Fit on all rows
# ---------------
# The target is the whole path of 24 hours. The window is two days of rentals and, for
# the known columns, the two days that end with the path.

X, Y = make_targets(frame, frame["bikers"], 24)
model = make_pipeline(
    SlidingWindow(48, lag=24, known_future=known),
    GRURegressor(
        loss="absolute_error",
        learning_rate=0.005,
        max_iter=20,
        early_stopping=False,
        random_state=0,
    ),
)
model.fit(X, Y)

# %%
# Future rows
# -----------
# ``future_frame`` fills in the keys and leaves everything else missing. The calendar is
# known. For the weather you would use a forecast; here it is the observed weather.

future = future_frame(frame, 24)
future[known] = tomorrow[known]
path = model.predict(future)[-1]  # the last row holds all steps from the newest on
error = np.abs(path - tomorrow["bikers"]).mean()
naive = np.abs(frame["bikers"].to_numpy()[-24:] - tomorrow["bikers"]).mean()
print(f"mean absolute error {error:.0f}, of the day before {naive:.0f} bikers an hour")

# %%
# Once the rows of the next day are observed, they give the same forecast, because the
# windows end at the same row.

print("to the bit:", np.array_equal(model.predict(tomorrow)[-1], path))

# %%
# Forecast
# --------

figure, axis = plt.subplots(figsize=(9, 3.5), layout="constrained")
past = frame["bikers"].iloc[-96:]
axis.plot(past.index, past, color="0.4", lw=1.8, label="observed")
axis.plot(
    tomorrow.index, tomorrow["bikers"], color="0.4", lw=1.8, ls=":", label="what came"
)
axis.plot(future.index, path, color="#0072B2", lw=1.8, label="forecast")
axis.axvline(past.index[-1], color="0.6", lw=0.8)
axis.set(title="24 hours after the end of the data", ylabel="rented bikes")
axis.grid(alpha=0.3)
axis.legend(frameon=False, ncols=3, loc="upper left")
axis.set_ylim(top=1.25 * max(past.max(), path.max()))
locator = mpl.dates.AutoDateLocator(maxticks=8)
axis.xaxis.set_major_locator(locator)
axis.xaxis.set_major_formatter(mpl.dates.ConciseDateFormatter(locator))
if mpl.get_backend().lower() == "agg":  # run as a script, not in a notebook
    target_file = Path("demo_output") / "future.png"
    target_file.parent.mkdir(exist_ok=True)
    figure.savefig(target_file, dpi=120)
    print(f"figure: {target_file}")
print(f"{time.perf_counter() - began:.0f} s in all")
