"""
Text: from raw words to classes
===============================

A text is a sequence of words, and a word is a category. scikit-learn's text tools split
the texts and number the words, and a network reads the numbers in order. The example
compares it with a strong classical model, TF-IDF and logistic regression, which counts
words and word pairs without order.

By default, the texts are docstrings from installed libraries, and the task is to
predict the library of a docstring in which the names of the libraries are masked. To
use any table with the columns ``review`` and ``sentiment`` instead (for example the
IMDB reviews of Maas et al. 2011), run ``python plot_text.py reviews.csv``; its last
fifth is the test set.
"""

# %%
# Raw texts
# ---------
# Each text is the first paragraph of a docstring. Functions of the same name
# (``numpy.add``, ``DataFrame.add``, ``torch.add``) copy from one another, so each name
# is either in the training set or in the test set.

import inspect
import re
import sys
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
import sklearn.ensemble
import sklearn.linear_model
import sklearn.metrics
import sklearn.preprocessing
import torch
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier

PLACES = {
    "numpy": [np, np.linalg, np.random, np.ma, np.fft, np.char, np.polynomial],
    "pandas": [pd, pd.DataFrame, pd.Series, pd.Index, pd.api.types, pd.DatetimeIndex],
    "scikit-learn": [
        *(sklearn.ensemble, sklearn.linear_model, sklearn.metrics),
        *(sklearn.preprocessing, sklearn.utils, sklearn.model_selection),
        *(LogisticRegression, sklearn.ensemble.RandomForestClassifier),
    ],
    "torch": [torch, torch.nn, torch.nn.functional, torch.linalg, torch.Tensor],
}
MASKED = re.compile(
    r"\b(numpy|np|pandas|pd|scikit|sklearn|torch|pytorch|tensors?|dataframes?"
    r"|series|ndarrays?|estimators?)\b",
    re.IGNORECASE,
)


def docstrings():
    """Name, library and masked first paragraph of public functions and classes."""
    for library, places in PLACES.items():
        for place in places:
            for name in dir(place):
                doc = None if name.startswith("_") else getattr(place, name, None)
                doc = inspect.getdoc(doc) if callable(doc) else None
                for words in (doc or "").split("\n\n"):
                    if re.match("[A-Z][a-z]", words) and len(words.split()) > 4:
                        yield name, library, MASKED.sub(" ", words)
                        break  # the first paragraph that is no signature


def read(path=None):
    """Training and test part: texts, labels, texts, labels."""
    if path is not None:
        table = pd.read_csv(path)
        train = np.arange(len(table)) < len(table) * 4 // 5
        text, label = table["review"], table["sentiment"]
    else:
        table = pd.DataFrame(docstrings(), columns=["name", "label", "text"])
        table = table.drop_duplicates("text")
        split = GroupShuffleSplit(1, test_size=0.25, random_state=0)
        at, _ = next(split.split(table, groups=table["name"].str.lower()))
        train = np.isin(np.arange(len(table)), at)
        text, label = table["text"], table["label"]
    return text[train], label[train], text[~train], label[~train]


path = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1].count(".csv") else None
X_train, y_train, X_test, y_test = read(path)
print(y_train.value_counts().to_dict())
print(X_train.iloc[0])

# %%
# Words as numbers, in reading order
# ----------------------------------
# ``CountVectorizer`` provides everything except the order: its analyzer splits texts,
# and its vocabulary numbers the words that occur at least three times. Other words are
# left out. The numbers are one categorical feature of a sequence; lengths may differ.


class TokenNumbers(CountVectorizer):
    """The numbers of the words in reading order, instead of their counts."""

    def fit_transform(self, texts, y=None):
        super().fit_transform(texts)
        return self.transform(texts)

    def transform(self, texts):
        words, number = self.build_analyzer(), self.vocabulary_
        known = ([number[w] for w in words(text) if w in number] for text in texts)
        return [np.array(k[-400:], dtype=np.float32).reshape(-1, 1) for k in known]


print(TokenNumbers().fit(X_train).transform(X_train[:1])[0].ravel()[:10])

# %%
# Two models
# ----------

models = {
    "TF-IDF + logistic regression": make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10),
    ),
    "GRU": make_pipeline(
        TokenNumbers(min_df=3, max_features=10_000),
        GRUClassifier(
            32,
            bidirectional=False,
            categorical_features=[0],
            pooling="mean_max",
            dropout=0.5,
            max_iter=8,
            random_state=0,
        ),
    ),
}
for name, model in models.items():
    start = time.perf_counter()
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    print(f"{name}: accuracy {model.score(X_test, y_test):.3f}, {seconds:.1f} s to fit")

# %%
# On texts of this size, counting words is hard to beat, and it is faster. Use the
# network if order, other features per time step or a sequence of events matter.
#
# Learned embeddings
# ------------------
# Each word is a vector. The plot shows the first two principal components of the most
# frequent words:

words, gru = models["GRU"][0], models["GRU"][-1]
table = gru.module_.embedding.tables[0].weight.detach().numpy()[1:]  # row 0: unknown
numbers = words.transform(X_train)
common = pd.Series(np.concatenate(numbers).ravel()).value_counts().index[:400]
names = words.get_feature_names_out()
at = np.searchsorted(gru.categories_[0].astype(float), common)
place = PCA(2, random_state=0).fit_transform(table[at])
far = np.argsort(-np.linalg.norm(place, axis=1))[:40]

figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
axis.scatter(*place.T, s=4, color="0.8")
for k in far:
    axis.annotate(names[int(common[k])], place[k], fontsize=8, ha="center")
axis.set(title="Forty words far from the middle", xticks=[], yticks=[])
