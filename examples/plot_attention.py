"""
Where does the model look? Attention over spoken vowels
=======================================================

Nine speakers say two vowels in a row; which speaker is it, and which part of the
utterance gave it away? A :class:`~sklearn_gru.GRUClassifier` with attention pooling
weighs the states of all steps, and shows the weights. What a weight means, and what it
does not, is checked by permuting the input.
"""

# %%
# A model that weighs its steps
# -----------------------------
# Utterances of 7 to 29 steps of 12 coefficients, as they are. A tenth is held out to
# choose the best epoch.

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
# ``attention_weights`` returns a row for each utterance, its last step in the last
# column; steps that a shorter utterance does not have are NaN.

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
# Four utterances of each. Grey are the steps before an utterance begins.

rows = np.concatenate([np.flatnonzero(y_test == s)[:4] for s in np.unique(y_test)])
AttentionDisplay.from_estimator(
    model, X_test, sequences=rows, labels=[f"speaker {s}" for s in y_test]
)
plt.show()

# %%
# Is it the step, or what came before?
# ------------------------------------
# The state at a step has read everything before it, so a large weight there does not
# say that the step itself matters. Permutation does: exchange one coefficient at four
# steps between utterances, and see how far the accuracy falls.

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
