"""torch.nn.GRU as a user writes it after the first tutorial.

Two honest readings of that: with what the peers take by default (no scaling, 10
epochs), and with both repaired (standardised, 50 epochs). Adam at 0.001, batches of 32,
64 units, the last state into a linear layer, in both.
"""

import re
from collections import Counter

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from torch import nn


class Net(nn.Module):
    """Steps, or the embedded words of a text, to the outputs."""

    def __init__(self, n_inputs, n_outputs, n_words=None):
        super().__init__()
        self.embed = (
            nn.Identity() if n_words is None else nn.Embedding(n_words, n_inputs)
        )
        self.gru = nn.GRU(n_inputs, 64, batch_first=True)
        self.head = nn.Linear(64, n_outputs)

    def forward(self, x, lengths):
        """Outputs from the state at the end of each sequence."""
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embed(x), lengths, batch_first=True, enforce_sorted=False
        )
        return self.head(self.gru(packed)[1][-1])


class _Plain(BaseEstimator):
    """The loop; what a target is, the two classes below know."""

    n_words = None

    def __init__(self, epochs=10, standardize=False, random_state=0):
        self.epochs = epochs
        self.standardize = standardize
        self.random_state = random_state

    def fit(self, X, y):
        """Train for some epochs."""
        torch.manual_seed(self.random_state)
        X = self._series(X)
        rows = np.concatenate(X[:10_000])
        self.mean_ = np.nanmean(rows, axis=0) if self.standardize else 0.0
        self.std_ = np.nanstd(rows, axis=0) + 1e-12 if self.standardize else 1.0
        target, n_outputs = self._target(np.asarray(y))
        self.net_ = Net(self._width(X), n_outputs, self.n_words)
        optimizer = torch.optim.Adam(self.net_.parameters(), lr=1e-3)
        for _ in range(self.epochs):
            for index in torch.randperm(len(X)).split(32):
                out = self.net_(*self._batch(X, index))
                loss = self._loss(out, target[index])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return self

    @torch.no_grad()
    def _outputs(self, X):
        X = self._series(X)
        blocks = torch.arange(len(X)).split(512)
        return torch.cat([self.net_(*self._batch(X, b)) for b in blocks]).numpy()

    def _series(self, X):
        return X if isinstance(X, list) else np.asarray(X, np.float32)

    def _width(self, X):
        return X[0].shape[1]

    def _batch(self, X, index):
        steps = [self._scaled(X[i]) for i in index.tolist()]
        lengths = torch.tensor([len(s) for s in steps])
        return nn.utils.rnn.pad_sequence(steps, batch_first=True), lengths

    def _scaled(self, x):
        x = (np.asarray(x, np.float32) - self.mean_) / self.std_
        return torch.from_numpy(np.nan_to_num(x).astype(np.float32))


class PlainClassifier(ClassifierMixin, _Plain):
    """Cross-entropy."""

    def _target(self, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        return torch.from_numpy(codes), len(self.classes_)

    _loss = staticmethod(nn.functional.cross_entropy)

    def predict(self, X):
        """The most probable class."""
        return self.classes_[self._outputs(X).argmax(axis=1)]


class PlainTextClassifier(PlainClassifier):
    """Words of a text through an embedding of 64; the 20 000 most frequent ones."""

    def __init__(self, epochs=10, standardize=False, random_state=0, n_steps=200):
        super().__init__(epochs, standardize, random_state)
        self.n_steps = n_steps

    def fit(self, X, y):
        """Number the words, then train."""
        counts = Counter(word for text in X for word in words(text))
        common = counts.most_common(20_000)
        self.codes_ = {word: i + 1 for i, (word, _) in enumerate(common)}
        self.n_words = len(self.codes_) + 1
        return super().fit(X, y)

    def _series(self, X):
        ids = [[self.codes_.get(w, 0) for w in words(text)] for text in X]
        return [np.array(i[: self.n_steps] or [0])[:, None] for i in ids]

    def _width(self, X):
        return 64

    def _scaled(self, x):
        return torch.from_numpy(x[:, 0])


def words(text):
    """Lower-case words."""
    return re.findall(r"[a-z']+", text.lower())


class PlainRegressor(RegressorMixin, _Plain):
    """Squared error."""

    def _target(self, y):
        y = y.reshape(len(y), -1).astype(np.float32)
        self.y_mean_ = y.mean(axis=0) if self.standardize else 0.0
        self.y_std_ = y.std(axis=0) if self.standardize else 1.0
        scaled = (y - self.y_mean_) / self.y_std_
        return torch.from_numpy(scaled.astype(np.float32)), y.shape[1]

    _loss = staticmethod(nn.functional.mse_loss)

    def predict(self, X):
        """One value, or a row of them."""
        out = self._outputs(X) * self.y_std_ + self.y_mean_
        return out[:, 0] if out.shape[1] == 1 else out
