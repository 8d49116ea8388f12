"""
Labels for every row of a long recording
========================================

In a long recording, every row needs a label: who is speaking at this moment? With
``lag=0``, a :class:`~sklearn_gru.SlidingWindow` turns each row into the rows that lead
up to it, so a :class:`~sklearn_gru.GRUClassifier` can label rows as they arrive. The
example also measures the gain of a short delay before the decision.
"""

# %%
# Recording
# ---------
# The recording concatenates the utterances of nine speakers in random order. The speech
# is real, but the conversation is artificial and harder than most, because nobody
# speaks for longer than 29 time steps. The test recording has other utterances in
# another random order.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRUClassifier, SlidingWindow, datasets


def recording(subset, seed):
    """Rows, speaker of each row, and the steps since the turn began."""
    X, y = datasets.load_japanese_vowels(subset=subset, return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    lengths = [len(X[i]) for i in order]
    rows = pd.DataFrame(np.concatenate([X[i] for i in order])).add_prefix("cepstrum_")
    since = np.concatenate([np.arange(n) for n in lengths])
    return rows.assign(recording=subset), np.repeat(y[order], lengths), since


X, y, _ = recording("train", seed=0)
X_test, y_test, since = recording("test", seed=1)
print(f"{len(X)} rows to learn from, {len(X_test)} to label")

# %%
# Immediate labels and labels five rows later
# -------------------------------------------
# The recording is the group, so no window extends from one recording into another. To
# decide later, shift the label instead of the window: the target of row t is the
# speaker of row t - 5, read from rows up to t. A classifier that reads one row at a
# time is the baseline.

WAIT = 5
group = {"groups": "recording"}
single = make_pipeline(
    SlidingWindow(1, flatten=True, **group),
    StandardScaler(),
    LogisticRegression(max_iter=500),
)
gru = make_pipeline(
    SlidingWindow(16, **group),
    GRUClassifier(48, max_iter=25, dropout=0.3, random_state=0),
)
labels = {}
labels["one row"] = single.fit(X, y).predict(X_test)
labels["GRU at once"] = gru.fit(X, y).predict(X_test)
gru.fit(X.iloc[WAIT:], y[:-WAIT])
waited = gru.predict(X_test.iloc[WAIT:])

# %%
# All models are scored on the rows for which each of them has a label. Early in a turn,
# the window still contains the previous speaker.

judged = slice(None, -WAIT)
labels = {name: label[judged] for name, label in labels.items()}
labels[f"GRU {WAIT} rows later"] = waited
right = pd.DataFrame({name: label == y_test[judged] for name, label in labels.items()})
turn = pd.cut(since[judged], [-1, 2, 5, 10, 30], labels=["0-2", "3-5", "6-10", "11-28"])
table = right.groupby(turn, observed=True).mean()
table.loc["all"] = right.mean()
print(table.round(3).rename_axis("rows since the turn began").to_string())

# %%
# Over all rows, a single row is about as good as the window, which wins only well into
# a turn. The delay helps in the first ten rows of a turn and costs accuracy towards its
# end, where the window five rows later may already contain the next speaker.

# %%

figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
shown = np.arange(300)
axis.step(shown, y_test[shown], where="mid", color="0.75", lw=5, label="speaker")
for name, mark, color in (
    ("GRU at once", "x", "#D55E00"),
    (f"GRU {WAIT} rows later", ".", "#0072B2"),
):
    axis.plot(shown, labels[name][shown], mark, color=color, ms=4, label=name)
axis.set(xlabel="row of the recording", ylabel="speaker", yticks=range(1, 10))
figure.legend(loc="outside upper center", frameon=False, ncols=3)
plt.show()
