"""
Labels for every row of a long recording
========================================

In a long recording, every row needs a label: who is speaking at this moment? A
:class:`~sklearn_gru.GRUTagger` reads the recording once and answers every row, from the
rows before it or from those on both sides. The example compares it with windows and
follows it row by row.
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
from sklearn.metrics import classification_report
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRUClassifier, GRUTagger, SlidingWindow, datasets
from sklearn_gru.live import Stream


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
# Four models
# -----------
# The recording is the group, so that no model reads from one recording into another. A
# classifier that sees one row is the baseline. A window gives
# :class:`~sklearn_gru.GRUClassifier` the 16 rows that lead to each row. A causal tagger
# carries its state along instead, and one with both directions also knows what comes
# after the row: it is for recordings that are complete.
#
# Training reads pieces of the recording (`chunk_length`). Speakers follow each other at
# random here, so that nothing is to be learned from far away, and short pieces are
# best for the causal tagger.

group = {"groups": "recording"}
common = {"dropout": 0.3, "learning_rate": 0.015, "label_smoothing": 0.1}
models = {
    "one row": make_pipeline(
        SlidingWindow(1, flatten=True, **group),
        StandardScaler(),
        LogisticRegression(max_iter=500),
    ),
    "window": make_pipeline(
        SlidingWindow(16, **group),
        GRUClassifier(48, max_iter=25, dropout=0.3, random_state=0),
    ),
    "tagger, causal": GRUTagger(
        48,
        bidirectional=False,
        chunk_length=24,
        max_iter=40,
        random_state=0,
        **group,
        **common,
    ),
    "tagger, both directions": GRUTagger(
        48, chunk_length=64, max_iter=30, random_state=0, **group, **common
    ),
}
labels = {name: model.fit(X, y).predict(X_test) for name, model in models.items()}

# %%
# Early in a turn, whatever reads only the past still knows the previous speaker best.

right = pd.DataFrame({name: label == y_test for name, label in labels.items()})
turn = pd.cut(since, [-1, 2, 5, 10, 30], labels=["0-2", "3-5", "6-10", "11-28"])
table = right.groupby(turn, observed=True).mean()
table.loc["all"] = right.mean()
print(table.round(3).rename_axis("rows since the turn began").T.to_string())

# %%
# The labels are one per row, so everything in scikit-learn that takes labels works.

print(classification_report(y_test, labels["tagger, both directions"], digits=3))

# %%
# Row by row
# ----------
# A causal tagger can follow a recording while it happens: a
# :class:`~sklearn_gru.live.Stream` carries the state, and its labels are those of
# ``predict``.

live = Stream(models["tagger, causal"])
cepstra = X_test.drop(columns="recording").to_numpy()
heard = np.array([live.update(row) for row in cepstra[:300]])
print("same labels:", np.array_equal(heard, labels["tagger, causal"][:300]))

# %%

figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
shown = np.arange(300)
axis.step(shown, y_test[shown], where="mid", color="0.75", lw=5, label="speaker")
for name, mark, color in (
    ("tagger, causal", "x", "#D55E00"),
    ("tagger, both directions", ".", "#0072B2"),
):
    axis.plot(shown, labels[name][shown], mark, color=color, ms=4, label=name)
axis.set(xlabel="row of the recording", ylabel="speaker", yticks=range(1, 10))
figure.legend(loc="outside upper center", frameon=False, ncols=3)
plt.show()
