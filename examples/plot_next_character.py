"""
The next character
==================

A text is also a series: each character is predicted from those before it. The window of
a row with ``lag=1`` contains exactly these characters, so a language model is a
``SlidingWindow`` with a ``GRUClassifier``. A loop over ``predict_proba`` generates
text.
"""

# %%
# One row per character
# ---------------------
# The text consists of the first paragraphs of NumPy's docstrings in lower case.

import inspect
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklearn_gru import GRUClassifier, SlidingWindow

docs = (inspect.getdoc(getattr(np, name)) or "" for name in sorted(dir(np)))
opening = [p for doc in docs for p in doc.split("\n\n")[1:3] if re.match("[A-Z]", p)]
text = " ".join(dict.fromkeys(" ".join(p.split()) for p in opening)).lower()
text = re.sub(r"[^a-z .,]+", "", text)[:16_000]
rows = pd.DataFrame({"char": pd.Categorical(list(text))})
y = np.array(list(text))
train, test = slice(0, 14_000), slice(14_000, None)
print(text[:200])

# %%
# Two models
# ----------
# The column has category dtype, which is all that the window and the network need. The
# baseline is a logistic regression on the last eight characters, from the same windows,
# flat and one-hot encoded.

WINDOW = 16
models = {
    "logistic regression": make_pipeline(
        SlidingWindow(8, lag=1, flatten=True),
        OneHotEncoder(handle_unknown="ignore"),
        LogisticRegression(C=0.1, tol=1e-3, max_iter=500),
    ),
    "GRU": make_pipeline(
        SlidingWindow(WINDOW, lag=1),
        GRUClassifier(96, bidirectional=False, max_iter=8, random_state=0),
    ),
}
shares = pd.Series(y[train]).value_counts(normalize=True)
bits = {"frequencies": -np.log2(shares.reindex(y[test])).mean()}
for name, model in models.items():
    model.fit(rows[train], y[train])
    p = model.predict_proba(rows[test])
    bits[name] = log_loss(y[test], p, labels=model.classes_) / np.log(2)
for name, value in bits.items():
    print(f"{name}: {value:.2f} bits a character")

# %%
# Text generation
# ---------------
# The network accepts a list of sequences as well as windows. Here, it gets one sequence
# of characters, which are compared by value with those of ``fit``. The probabilities
# are sharpened slightly (temperature 0.6).

gru = models["GRU"][-1]
rng = np.random.default_rng(0)
written = "returns the "
while len(written) < 300:
    p = gru.predict_proba([list(written[-WINDOW:])])[0] ** (1 / 0.6)
    written += rng.choice(gru.classes_, p=p / p.sum())
print(written)

# %%

figure, axis = plt.subplots(figsize=(6, 2.4), layout="constrained")
axis.barh(list(bits), list(bits.values()), color=["0.8", "0.6", "#0072B2"])
axis.invert_yaxis()
axis.set(xlabel="bits a character, on text not seen (lower is better)")
