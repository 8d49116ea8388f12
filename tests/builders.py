"""Data that several test modules learn from, and what they measure on it."""

import io
import pickle

import numpy as np
import torch
from sklearn.metrics import r2_score
from skorch.callbacks import Callback

from sklearn_gru import Sequences
from sklearn_gru._engines.torch.batches import SequenceDataset

N_FEATURES = 2


def make_list(seed, lengths):
    """Sequences of given lengths; some cells are NaN, but no step is wholly."""
    rng = np.random.default_rng(seed)
    items = []
    for n in lengths:
        x = rng.normal(loc=1, scale=[1, 3], size=(n, N_FEATURES))
        missing = rng.random(x.shape) < 0.15
        missing[missing.all(axis=1), 0] = False
        x[missing] = np.nan
        items.append(x)
    return items


def padded(items, *, front, extra=0):
    """The 3-D array with NaN in front of or behind each sequence."""
    width = max(1, *map(len, items)) + extra
    out = np.full((len(items), width, items[0].shape[1]), np.nan)
    for k, x in enumerate(items):
        if front:
            out[k, width - len(x) :] = x
        else:
            out[k, : len(x)] = x
    return out


def joined(items):
    """The sequences over one array of rows."""
    lengths = np.array([len(x) for x in items])
    return Sequences(np.concatenate(items), np.cumsum(lengths) - lengths, lengths)


def make_sequences(seed=0, n_rows=40, n=25, n_features=3, dtype=np.float64):
    """Overlapping sequences of other lengths over rows with missing cells."""
    rng = np.random.default_rng(seed)
    values = rng.normal(loc=[5.0, -2.0, 0.1], scale=[1, 30, 0.01], size=(n_rows, 3))
    values = values[:, :n_features].astype(dtype)
    values[rng.random(values.shape) < 0.15] = np.nan
    lengths = rng.integers(0, 9, size=n)
    starts = rng.integers(0, n_rows - 9, size=n)
    return Sequences(values, starts, lengths)


def make_walks(seed=0, n=30, level=100.0):
    """Ragged wandering sequences of two channels, a tenth missing; y continues one."""
    rng = np.random.default_rng(seed)
    items, y = [], []
    for k in range(n):
        walk = rng.normal(size=(4 + k % 9, 2)).cumsum(axis=0) * [1, 30] * (1 + k % 4)
        walk += level * rng.normal(size=2)
        y.append(walk[-1, 1] + walk[-2, 0] - walk[-1, 0])
        x = walk[:-1]
        missing = rng.random(x.shape) < 0.1
        missing[:, 0] &= ~missing[:, 1]
        x[missing] = np.nan
        items.append(x)
    return items, np.array(y)


def noisy(n, seed):
    """Noise whose spread one feature of the newest step gives."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5, 2))
    spread = np.exp(0.7 * X[:, -1, 1])
    mean = X[:, :, 0].sum(axis=1)
    return X, mean + spread * rng.normal(size=n), mean, spread


def seasonal_naive(y):
    """R2 of the value 24 hours before."""
    before = y.shift(freq="24h").reindex(y.index)
    known = before.notna()
    return r2_score(y[known], before[known])


def minimised(fitted, items, y, weights, prediction):
    """The training loss were these the predictions."""
    kept = fitted._fitted
    data, _ = fitted._read(kept.encoder.schema, items, y, weights)
    encoded, _ = kept.training_pair(data, data.weights, None, None)
    dataset = SequenceDataset(encoded, torch.device("cpu"))
    shift, scale = kept.continuation.levels(data.sequences)
    out = kept.task.encode((prediction[:, None] - shift) / scale, kept.dtype)
    out = torch.from_numpy(out)
    return float(kept.net.criterion_(out, dataset.target, dataset.weight))


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self):
        return True

    @property
    def last(self):
        """The line as it stood last."""
        return self.getvalue().rstrip("\n").rpartition("\r")[2]


def check_same_bits(make, X, y):
    """Check that fits agree, whatever callbacks listen, alone or the first of two."""

    class Listening(Callback):
        epochs = 0

        def on_epoch_end(self, net, **kwargs):
            self.epochs += 1

    listening = Listening()
    first = make().fit(X, y)
    for other in (
        make().fit(X, y),
        make(callbacks=[listening]).fit(X, y),
        pickle.loads(pickle.dumps(first)),
    ):
        np.testing.assert_array_equal(other.predict(X), first.predict(X))
    assert listening.epochs == first.n_iter_
    several = make(n_estimators=2).fit(X, y)
    a, b = several.modules_[0].state_dict(), first.module_.state_dict()
    assert all((a[name] == b[name]).all() for name in b)
    return first, several
