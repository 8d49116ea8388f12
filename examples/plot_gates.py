"""
Gates of a GRU, and a comparison with baselines
===============================================

The update gate of a gated recurrent unit keeps the state, and the reset gate removes it
from the next candidate. This example shows both on real data: two days of hourly bike
rentals, next to the gates of the units that read them. It also answers the question
that comes first in practice: does the network beat cheap baselines?
"""

# %%
# A forecaster for the next hour
# ------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets
from sklearn_gru.inspection import (
    CompareDisplay,
    ForecastDisplay,
    GateDisplay,
    compare,
)

df = datasets.load_bike_sharing().frame.astype(float)
df["hour_sin"] = np.sin(2 * np.pi * df["hour"] / 24)
df["hour_cos"] = np.cos(2 * np.pi * df["hour"] / 24)
known = ["hour_sin", "hour_cos", "workingday", "temp", "weather"]
X, y = df[["bikers", *known]].iloc[3000:6000], df["bikers"].iloc[3000:6000]
model = make_pipeline(
    SlidingWindow(48, lag=1, known_future=known),
    GRURegressor(24, max_iter=12, random_state=0),
)
model.fit(X.iloc[:-500], y.iloc[:-500])

# %%
# Predictions
# -----------

ForecastDisplay.from_estimator(
    model, X.iloc[-500:], y.iloc[-500:], last=96, history=y.iloc[:-500]
)
plt.show()

# %%
# Gates in one window
# -------------------
# The window of one row contains the 48 hours before it. ``gate_activations`` returns
# every gate of every unit; the display shows the mean and the middle 80 % of the units.
# Where the update gate rises, the units keep their state. Where it falls, they take in
# new input.

test = X.iloc[-500:]  # all rows since the training, or windows would miss some
window = model[:-1].transform(test)[-24:]
gates = model[-1].gate_activations(window)
print({name: array.shape for name, array in gates.items()})

figure, axes = plt.subplots(2, sharex=True, figsize=(7, 6), layout="constrained")
steps = np.arange(-48, 0)
axes[0].plot(steps, np.asarray(window[-1])[:, 0], color="#222222")
axes[0].set_ylabel("bikers in the window")
GateDisplay.from_estimator(model, test, sequence=-1, ax=axes[1])
plt.show()

# %%
# Single units
# ------------
# Units differ: some change with the hour, others keep their state for most of a day.
# These two have the most variable and the least variable update gate in this window.

moves = gates.update_gate[-1, :, 0, 0].std(axis=0)
units = [int(moves.argmax()), int(moves.argmin())]
GateDisplay.from_estimator(model, test, sequence=-1, gates=["update"], units=units)
plt.show()

# %%
# Comparison with baselines
# -------------------------
# The table uses the same folds and the same windows (flattened for ridge and boosting)
# and adds the two forecasts that need no model.

table = compare({"GRU": model}, X, y, cv=2)
print(table.round(3).to_string(index=False))
CompareDisplay.from_predictions(table, metric="neg_mean_absolute_error")
plt.show()
