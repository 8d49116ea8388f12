"""
Who is speaking, and how sure is the model?
===========================================

An utterance is a sequence of any length, so a list of arrays goes straight into
:class:`~sklearn_gru.GRUClassifier`, and everything that scikit-learn has for
classifiers works behind it: stratified folds, a confusion matrix, probabilities that
say when rather to ask again.
"""

# %%
# Choose on the training speakers
# -------------------------------
# 270 utterances of 7 to 26 steps. What should become of the states of all steps: the
# last one, their mean, or both directions? Folds say it, not the test part. Utterances
# are sorted by speaker, so the folds are shuffled. A classifier that does not know the
# order of the steps gets their mean and standard deviation.

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


# Below 1000 sequences the default is float64; float32 runs on the compiled kernels.
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
# Ask again when unsure
# ---------------------
# The share of utterances whose most probable speaker has at least the probability
# named, and how many of these are right.

model = models[best]
probability = model.predict_proba(X_test)
sure, right = probability.max(axis=1), model.predict(X_test) == y_test
for least in (0.0, 0.8, 0.95, 0.99):
    kept = sure >= least
    print(f"from {least}: {kept.mean():.0%} answered, {right[kept].mean():.1%} right")

# %%
# Who is taken for whom?
# ----------------------

figure, axis = plt.subplots(figsize=(5, 4.4), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y_test, model.predict(X_test), cmap="Blues", ax=axis, colorbar=False
)
axis.set(xlabel="taken for speaker", ylabel="speaker", title=best)
plt.show()
