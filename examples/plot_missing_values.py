"""
Sequences of different lengths with missing values
==================================================

Sensors drop out and recordings end early. You do not have to repair either: a NaN is a
missing value, and lengths may differ. This example measures how much can be missing
before accuracy falls, and whether it is better to fill the gaps beforehand.
"""

# %%
# Artificial gaps
# ---------------
# The utterances have 7 to 29 time steps of 12 coefficients. A share of all cells is
# removed from the training set and the test set, so the true values are known.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from sklearn_gru import GRUClassifier, datasets

X, y = datasets.load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_test = datasets.load_japanese_vowels(subset="test", return_X_y=True)


def holes(sequences, share, seed):
    """The sequences, with a share of their cells missing."""
    rng = np.random.default_rng(seed)
    return [np.where(rng.random(s.shape) < share, np.nan, s) for s in sequences]


def filled(sequences):
    """The last value known of each coefficient, then the next one, then 0."""
    return [pd.DataFrame(s).ffill().bfill().fillna(0).to_numpy() for s in sequences]


def padded(sequences, n_steps=14):
    """One row each, cut or padded with NaN: what a tabular model takes."""
    table = np.full((len(sequences), n_steps, 12), np.nan)
    for row, s in zip(table, sequences, strict=True):
        row[: len(s)] = s[:n_steps]
    return table.reshape(len(table), -1)


# %%
# Three methods
# -------------

shares = [0.0, 0.2, 0.4, 0.6, 0.8]
gru = GRUClassifier(32, max_iter=20, dtype="float32", random_state=0)
trees = HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8, random_state=0)
ways = {
    "GRU, holes as they are": (gru, list),
    "GRU, holes filled": (gru, filled),
    "gradient boosting, padded": (trees, padded),
}
accuracy = pd.DataFrame(index=pd.Index(shares, name="missing"), columns=list(ways))
for share in shares:
    train, test = holes(X, share, seed=0), holes(X_test, share, seed=1)
    for name, (model, prepare) in ways.items():
        model.fit(prepare(train), y)
        accuracy.loc[share, name] = model.score(prepare(test), y_test)
accuracy = accuracy.astype(float)
print(accuracy.round(3).to_string())

# %%
# Up to four cells in ten can be missing before accuracy falls. These curves are smooth,
# so the previous value is a good estimate of a missing one: filling was as good as
# leaving the gap, and better with six cells in ten missing. If your values jump, also
# try both.

# %%
# Exact invariances
# -----------------
# A time step without any value is skipped. Leading and trailing NaN time steps change
# nothing, so a padded array and a list of sequences give the same predictions.

gru.fit(X, y)
as_array = padded(X_test, 29).reshape(len(X_test), 29, 12)
difference = np.abs(gru.predict_proba(X_test) - gru.predict_proba(as_array)).max()
print(f"list or padded array: probabilities differ by at most {difference:.1e}")

# %%

figure, axis = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
marks = zip(
    accuracy, ("o-", "s--", "^:"), ("#0072B2", "#56B4E9", "#D55E00"), strict=True
)
for name, style, color in marks:
    axis.plot(accuracy.index, accuracy[name], style, color=color, label=name)
axis.set(xlabel="share of cells missing", ylabel="accuracy", ylim=(0, 1.02))
axis.grid(alpha=0.3)
axis.legend(frameon=False)
plt.show()
