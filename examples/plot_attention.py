"""
Attention over spoken vowels
============================

Nine speakers each say two vowels in a row. Which speaker is it, and which part of the
utterance identifies the speaker? A :class:`~sklearn_gru.GRUClassifier` with attention
pooling weights the states of all time steps and returns the weights. This example also
permutes the input to show what a weight means and what it does not.
"""

# %%
# A model with attention pooling
# ------------------------------
# The utterances have 7 to 29 time steps of 12 coefficients. A tenth is held out to
# select the best epoch.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_gru import GRUClassifier, datasets
from sklearn_gru.inspection import (
    AttentionDisplay,
    LossCurveDisplay,
    StepImportanceDisplay,
)

X, y = datasets.load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_test = datasets.load_japanese_vowels(subset="test", return_X_y=True)
model = GRUClassifier(
    32, pooling="attention", max_iter=30, early_stopping=True, random_state=0
)
model.fit(X, y)
print(f"accuracy on the test speakers: {model.score(X_test, y_test):.3f}")
LossCurveDisplay.from_estimator(model)
plt.show()

# %%
# One utterance
# -------------
# ``attention_weights`` returns one row per utterance. The last column is the last time
# step; time steps before the start of a shorter utterance are NaN.

weights = model.attention_weights(X_test)
print(weights.shape, "each row sums to", np.nansum(weights, axis=1).round(6).min())
picked = [int(np.flatnonzero(y_test == speaker)[0]) for speaker in (1, 5, 8)]
AttentionDisplay.from_estimator(
    model, X_test, sequences=picked, labels=[f"speaker {s}" for s in y_test]
)
plt.show()

# %%
# All speakers
# ------------
# The figure shows four utterances per speaker. Time steps before the start of an
# utterance are gray.

rows = np.concatenate([np.flatnonzero(y_test == s)[:4] for s in np.unique(y_test)])
AttentionDisplay.from_estimator(
    model, X_test, sequences=rows, labels=[f"speaker {s}" for s in y_test]
)
plt.show()

# %%
# Weights and importance
# ----------------------
# The state at a time step depends on everything before it, so a large weight does not
# mean that the time step itself is important. Permutation measures importance: exchange
# one coefficient at four time steps between utterances, and measure how far the
# accuracy falls.

display = StepImportanceDisplay.from_estimator(
    model, X_test, y_test, block_length=4, n_repeats=2, random_state=0
)
mean = display.result.importances_mean
block, coefficient = np.unravel_index(mean.argmax(), mean.shape)
print(
    f"largest fall, {mean.max():.3f}: coefficient {coefficient + 1} at the steps "
    f"{display.result.steps[block]} to {display.result.steps[block + 1] - 1}"
)
plt.show()
