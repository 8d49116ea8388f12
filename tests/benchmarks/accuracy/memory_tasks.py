"""Two made-up tasks that ask how long a cell remembers.

The answer depends on steps long before the last one, everything after them is noise,
and how far back they lie is the length of the sequence.
"""

import numpy as np


def adding(n, n_steps, rng):
    """The adding problem: the sum of two marked numbers among many.

    One mark lies in the first tenth, so that what it marks has to be kept over nearly
    the whole sequence, the other in the second half. Predicting 1 has an MSE of 1/6.

    References
    ----------
    Hochreiter & Schmidhuber (1997). Long Short-Term Memory. Neural Computation 9(8).
    """
    X = np.zeros((n, n_steps, 2), np.float32)
    X[:, :, 0] = rng.uniform(size=(n, n_steps))
    rows = np.arange(n)
    first = rng.integers(0, max(1, n_steps // 10), n)
    second = rng.integers(n_steps // 2, n_steps, n)
    X[rows, first, 1] = X[rows, second, 1] = 1.0
    return X, X[rows, first, 0] + X[rows, second, 0]


def copying(n, n_steps, rng, n_symbols=8):
    """Copy the first symbol: one of eight, then noise; chance is 1 in 8.

    A copy task with one symbol to keep, so that a classifier can answer at the end.
    """
    X = np.zeros((n, n_steps, n_symbols + 1), np.float32)
    cue = rng.integers(0, n_symbols, n)
    X[np.arange(n), 0, cue] = 1.0
    X[:, 1:, n_symbols] = rng.normal(size=(n, n_steps - 1))
    return X, cue
