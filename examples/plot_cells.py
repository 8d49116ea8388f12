"""
Comparison of GRU, LSTM and plain RNN cells
===========================================

``cell`` selects the recurrent unit and leaves everything else unchanged: a GRU with
either form of the reset gate, an LSTM, or the plain network without gates. This example
compares them on one data set of short sequences and one hourly series, with several
seeds each, because seeds differ as much as cells. :doc:`/cells` compares them on more
tasks and on sequences of up to 1000 time steps whose first one matters.
"""

# %%
# Data and models
# ---------------
# The tasks are speaker recognition from 7 to 29 time steps, and bike rentals one hour
# ahead from windows of 48 hours. All fits use float32; on small data, the default is
# float64.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow, datasets

CELLS = ["gru", "gru_reset_before", "lstm", "rnn"]
SEEDS = range(3)

X, y = datasets.load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_test = datasets.load_japanese_vowels(subset="test", return_X_y=True)
bikes = datasets.load_bike_sharing().frame[["bikers", "temp"]].iloc[1000:3000]
windows = SlidingWindow(48, lag=1).fit_transform(bikes)
target = bikes["bikers"].to_numpy()
contests = {
    "speakers, accuracy": (
        GRUClassifier(24, max_iter=15, dtype="float32"),
        (X, y),
        (X_test, y_test),
    ),
    "bikes, R2": (
        GRURegressor(24, max_iter=8, early_stopping=False, dtype="float32"),
        (windows[:1600], target[:1600]),
        (windows[1600:], target[1600:]),
    ),
}

rows = []
for contest, (model, train, test) in contests.items():
    for cell in CELLS:
        for seed in SEEDS:
            model.set_params(cell=cell, random_state=seed)
            start = time.perf_counter()
            model.fit(*train)
            seconds = time.perf_counter() - start
            score = model.score(*test)
            rows.append((contest, cell, seed, score, seconds, model.n_parameters_))
runs = pd.DataFrame(
    rows, columns=["contest", "cell", "seed", "score", "fit s", "parameters"]
)

# %%
# The time is the shortest over the seeds, because the very first fit may compile
# kernels.

table = runs.groupby(["contest", "cell"], sort=False).agg(
    mean=("score", "mean"),
    std=("score", "std"),
    fit_s=("fit s", "min"),
    parameters=("parameters", "first"),
)
print(table.round({"mean": 3, "std": 3, "fit_s": 2}).to_string())

# %%

figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for axis, (contest, part) in zip(axes, runs.groupby("contest"), strict=True):
    at = part["cell"].map(CELLS.index)
    axis.plot(part["score"], at, "o", color="#0072B2", alpha=0.6)
    axis.plot(
        part.groupby("cell")["score"].mean().loc[CELLS],
        np.arange(len(CELLS)),
        "|",
        color="#D55E00",
        ms=18,
        mew=2,
    )
    axis.set(xlabel=contest, yticks=range(len(CELLS)), yticklabels=CELLS)
    axis.grid(alpha=0.3)
axes[0].invert_yaxis()
figure.suptitle("A dot is a seed, the bar their mean", fontsize=10)
plt.show()
