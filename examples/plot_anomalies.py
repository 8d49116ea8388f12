"""
Unusual days in the taxi traffic of New York
============================================

A :class:`~sklearn_gru.GRUOutlierDetector` learns what the next half-hour looks like,
and reports the rows that it did not expect. Five events are labeled in this series; the
detector never sees the labels.
"""

# %%
# Fit to ordinary weeks
# ---------------------
# The first sixteen weeks hold no event. Behind a :class:`~sklearn_gru.SlidingWindow`
# with ``lag=0`` each row is judged by the rows before it. ``smoothing=48`` averages the
# squared errors of a day: an unusual day is more than one unusual half-hour. It divides
# the window of three days into a day to judge and two days before each of its steps.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUOutlierDetector, SlidingWindow, datasets
from sklearn_gru.inspection import OutlierDisplay

X, y = datasets.load_nyc_taxi(return_X_y=True)
train = X.index < "2014-10-20"
model = make_pipeline(
    SlidingWindow(144),
    GRUOutlierDetector(
        smoothing=48, false_alarm_rate=0.03, validation_fraction=0.3, random_state=0
    ),
)
model.fit(X[train])

# %%
# Score the rest
# --------------
# A window around an event is four days long, so most of its rows are ordinary ones.
# What counts is that alarms fall into the windows, and that there are few others.

later, label = X[~train], y[~train]
alarm = model.predict(later) == -1
edges = np.flatnonzero(np.diff(np.concatenate([[0], label == -1, [0]])))
names = ["marathon", "Thanksgiving", "Christmas", "New Year", "snow storm"]
for name, (begin, end) in zip(names, edges.reshape(-1, 2), strict=True):
    print(f"{name:13} {alarm[begin:end].sum():3} alarms")
print(f"elsewhere     {alarm[label == 1].mean():.1%} of the rows (3 % were promised)")

# %%
# A rate is promised for rows that are exchangeable with the held-out ones. Neighboring
# scores come from days that overlap, so the 1598 held-out rows are only 33 separate
# stretches: for a rate below 3 %, ``fit`` would warn.
#
# The threshold is a choice, and the ranking is not: a high ``average_precision_score``
# says that the rows inside the windows rank above the others.

display = OutlierDisplay.from_estimator(
    model, X, y, between=("2014-12-15", "2015-01-31")
)
display.figure_.set_size_inches(8, 5)
plt.show()

# %%
# Compare with a simpler model
# ----------------------------
# A detector takes any regressor of sequences. If a ridge on the flattened window finds
# as much, use the ridge; see the guide on anomaly detection.
