"""
Answer every row as it arrives
==============================

A pipeline predicts from tables. Rows that arrive one at a time are answered by a
:class:`~sklearn_gru.live.Stream`, with the numbers that ``predict`` gives for the rows
so far, in a small part of the time. This example replays a day of weather from three
airports, then a day of three hundred stations.
"""

# %%
# A forecast for the next hour
# ----------------------------
# The model learns the temperature of the next hour from the last day, at three airports
# together.

import time as clock

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets
from sklearn_gru.live import Stream

columns = ["temp", "dewp", "humid", "pressure"]
X = datasets.load_nyc_weather().frame[columns].astype(float)
time = X.index.get_level_values("time")
X = X[(time >= "2013-04-01") & (time < "2013-06-01")]
y = X.groupby(level="origin")["temp"].shift(-1)
past = X.index.get_level_values("time") < "2013-05-31"
known = past & y.notna().to_numpy()

model = make_pipeline(
    SlidingWindow(24, freq="h"),
    GRURegressor(32, max_iter=5, early_stopping=False, random_state=0),
)
model.fit(X[known], y[known])
window = model[0].partial_fit(X[past])  # the newest rows, whose next hour was not known

# %%
# A day at three airports
# -----------------------
# The stream starts from the rows that the window remembers. Each row goes in with its
# airport and its time, and its answer comes back at once.

day = X[~past].sort_index(level="time")
stream = Stream(model)
answers = [
    stream.update(row, key=origin, time=hour)
    for (origin, hour), row in zip(day.index, day.to_numpy(), strict=True)
]
print(f"{len(answers)} answers, {len(stream)} series")
print("equal to predict:", np.allclose(answers, model.predict(day)))

fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
told = pd.Series(answers, day.index)
for k, (origin, part) in enumerate(told.groupby(level="origin")):
    hours = part.index.get_level_values("time") + pd.Timedelta("1h")
    ax.plot(hours, part, color=f"C{k}", label=f"{origin}, told an hour before")
    seen = day["temp"].xs(origin, level="origin")
    ax.plot(seen.index, seen, ".", color=f"C{k}", label=origin)
ax.set(ylabel="temperature (°F)")
ax.tick_params(axis="x", labelrotation=20)
ax.legend(fontsize="small", ncols=2)

# %%
# A day at three hundred stations
# -------------------------------
# Every station reports what an airport does, a little warmer or colder. A key that the
# window has not seen begins a new series. ``warm`` gives it a past without asking for
# answers.

rng = np.random.default_rng(0)
origins = X.index.get_level_values("origin").unique()
stations = [(f"station {k}", origins[k % 3], rng.normal(0, 2)) for k in range(300)]
recent = X[past].groupby(level="origin").tail(24)


def reports(rows, name, origin, offset):
    """The rows of one station."""
    own = rows.xs(origin, level="origin", drop_level=False)
    own = own.assign(temp=own["temp"] + offset)
    return own.rename({origin: name}, level="origin")


fleet = Stream(model)
fleet.warm(pd.concat([reports(recent, *station) for station in stations]))
today = pd.concat([reports(day, *station) for station in stations])
today = today.sort_index(level="time")

microseconds = []
rows, index = today.to_numpy(), today.index.tolist()
for (station, hour), row in zip(index, rows, strict=True):
    start = clock.perf_counter()
    fleet.update(row, key=station, time=hour)
    microseconds.append((clock.perf_counter() - start) * 1e6)
print(f"{len(microseconds)} answers, {len(fleet)} series")

# %%
# The same rows, one at a time, through ``predict``:

by_table = []
for k in range(60):
    row = day.iloc[[k]]
    start = clock.perf_counter()
    model.predict(row)
    by_table.append((clock.perf_counter() - start) * 1e6)
    window.partial_fit(row)

fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
bins = np.geomspace(1, 1e5, 80)
ax.hist(microseconds, bins, label="Stream.update, 303 series")
ax.hist(by_table, bins, label="predict, a table of one row")
ax.set(xscale="log", yscale="log", xlabel="microseconds per answer", ylabel="answers")
ax.legend()
print(
    f"medians: {np.median(microseconds):.0f} us from a stream, "
    f"{np.median(by_table):.0f} us from predict"
)
plt.show()
