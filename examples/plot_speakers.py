"""
Speaker recognition with probabilities
======================================

An utterance is a sequence, and the lengths differ, so pass a list of arrays to
:class:`~sklearn_gru.GRUClassifier`. scikit-learn's tools for classifiers work with it:
stratified folds, a confusion matrix, and probabilities that show when the model is
unsure.
"""

# %%
# Model selection on the training speakers
# ----------------------------------------
# There are 270 utterances of 7 to 26 time steps. Cross-validation, not the test set,
# selects the pooling of the states: the last state, their mean, or both directions. The
# utterances are sorted by speaker, so the folds are shuffled. As a baseline, a
# classifier that does not use the order of the time steps gets their mean and standard
# deviation.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_gru import GRUClassifier, datasets

X, y = datasets.load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_test = datasets.load_japanese_vowels(subset="test", return_X_y=True)


def summary(sequences):
    """Mean and standard deviation of each coefficient."""
    return np.array([np.r_[s.mean(axis=0), s.std(axis=0)] for s in sequences])


# Below 1000 sequences, the default is float64; float32 uses the compiled kernels.
gru = GRUClassifier(32, max_iter=20, dtype="float32", random_state=0)
models = {
    "means, logistic regression": make_pipeline(
        FunctionTransformer(summary), StandardScaler(), LogisticRegression()
    ),
    "GRU, last state": gru,
    "GRU, mean of the states": GRUClassifier(**{**gru.get_params(), "pooling": "mean"}),
    "GRU, both directions": GRUClassifier(
        **{**gru.get_params(), "bidirectional": True}
    ),
}
folds = StratifiedKFold(5, shuffle=True, random_state=0)
rows = {}
for name, model in models.items():
    scores = cross_val_score(model, X, y, cv=folds)
    rows[name] = {
        "folds": scores.mean(),
        "std": scores.std(),
        "test": model.fit(X, y).score(X_test, y_test),
    }
table = pd.DataFrame(rows).T
print(table.round(3).rename_axis("accuracy"))
best = table["folds"].idxmax()
print("best on the folds:", best)

# %%
# Rejection of uncertain predictions
# ----------------------------------
# The table shows the share of utterances whose most probable speaker has at least the
# given probability, and the accuracy on these utterances.

model = models[best]
probability = model.predict_proba(X_test)
sure, right = probability.max(axis=1), model.predict(X_test) == y_test
for least in (0.0, 0.8, 0.95, 0.99):
    kept = sure >= least
    print(f"from {least}: {kept.mean():.0%} answered, {right[kept].mean():.1%} right")

# %%
# Confusion matrix
# ----------------

figure, axis = plt.subplots(figsize=(5, 4.4), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y_test, model.predict(X_test), cmap="Blues", ax=axis, colorbar=False
)
axis.set(xlabel="taken for speaker", ylabel="speaker", title=best)
plt.show()
