"""Ridge regression beside the network, on the same encoded sequences.

The mean of a network and an autoregressive linear model is often better than both: the
network learns what is not linear, and the linear model the scale and the trend (LSTNet,
Lai et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sklearn_gru._model.encoded import Encoded

# Penalty in units of the number of sequences, for columns of deviation 1:
# `python -m tests.benchmarks.accuracy.rules` compares it with others.
_RIDGE = 0.01

_MOST_COLUMNS = 1024  # of the flat sequence; the normal equations hold their squares
_CELLS = 1 << 20  # of flat sequences held at a time: eight megabytes of float64


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Linear map of the latest steps of a sequence, and its share in the output.

    Attributes
    ----------
    n_steps, n_columns : int
        Number of steps and of columns per step that it reads; earlier steps of a
        sequence are ignored, and absent ones are 0.
    coef : ndarray of shape (n_outputs, n_steps * n_columns)
        Coefficients, oldest step first.
    intercept : ndarray of shape (n_outputs,)
        Output of a sequence of zeros.
    share : float
        Weight in the mean of this output and that of the network.
    """

    n_steps: int
    n_columns: int
    coef: np.ndarray
    intercept: np.ndarray
    share: float = 0.5

    @classmethod
    def fit(cls, data: Encoded, n_columns: int) -> LinearPart:
        """Solve the normal equations of a training set, block by block."""
        assert data.target is not None
        longest = int(data.lengths.max())
        n_steps = min(longest, max(1, _MOST_COLUMNS // n_columns))
        n, n_outputs = n_steps * n_columns, data.target.shape[1]
        weight = np.ones(len(data)) if data.weight is None else data.weight
        weight = weight.astype(np.float64) / weight.sum(dtype=np.float64)
        mean_x, mean_y = np.zeros(n), np.zeros(n_outputs)
        for index, x in _flat(data, n_steps, n_columns):
            mean_x += weight[index] @ x
            mean_y += weight[index] @ data.target[index]
        moment, product = np.zeros((n, n)), np.zeros((n, n_outputs))
        for index, x in _flat(data, n_steps, n_columns):
            x -= mean_x
            weighted = x * weight[index, None]
            moment += weighted.T @ x
            product += weighted.T @ (data.target[index] - mean_y)
        variance = np.diagonal(moment)
        # A column that never varies has no coefficient, whatever the rounding.
        varies = variance > 1e-10 * mean_x**2
        penalty = _RIDGE * np.where(varies, variance, 1.0)
        coef = np.linalg.solve(moment + np.diag(penalty), product).T
        return cls(
            n_steps, n_columns, np.ascontiguousarray(coef), mean_y - coef @ mean_x
        )

    def outputs(self, data: Encoded) -> np.ndarray:
        """Return the linear outputs (n, n_outputs), each of its own sequence alone."""
        out = np.empty((len(data), len(self.intercept)))
        for index, x in _flat(data, self.n_steps, self.n_columns):
            # A matrix product would round a sequence by how many are beside it.
            out[index] = np.einsum("nd,od->no", x, self.coef)
        return out + self.intercept

    def mixed(self, network: np.ndarray, linear: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the outputs (n, n_outputs) of a network and its.

        At a share of 0 or 1 it is one of them, to the bit.
        """
        return (1.0 - self.share) * network + self.share * linear

    def with_best_share(self, network: np.ndarray, data: Encoded) -> LinearPart:
        """Return it with the share of least squared error on a validation set."""
        assert data.target is not None
        gap, error = self.outputs(data) - network, data.target - network
        weight = 1.0 if data.weight is None else data.weight[:, None]
        size = float((weight * gap * gap).sum())
        best = float((weight * gap * error).sum()) / size if size > 0 else 0.0
        return replace(self, share=min(max(best, 0.0), 1.0))


def _flat(
    data: Encoded, n_steps: int, n_columns: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions of sequences and their latest steps as rows of float64."""
    size = max(1, _CELLS // (n_steps * n_columns))
    for first in range(0, len(data), size):
        index = np.arange(first, min(first + size, len(data)))
        x = _latest(data, index, n_steps, n_columns)
        yield index, x.reshape(len(index), -1)


def _latest(
    data: Encoded, index: np.ndarray, n_steps: int, n_columns: int
) -> np.ndarray:
    """Return the latest steps (n, n_steps, n_columns) as the network reads them."""
    starts = data.starts[index, None]
    row = starts + data.lengths[index, None] - n_steps + np.arange(n_steps)
    x = data.rows[np.maximum(row, 0), :n_columns].astype(np.float64)
    if data.levels is not None:
        shift, scale = (level[index, None].astype(np.float64) for level in data.levels)
        part = x[:, :, : shift.shape[2]]
        part -= shift
        part /= scale
        part[np.isnan(part)] = 0.0
    if data.leading is not None:
        leading = data.leading[index, None]
        x[:, :, : leading.shape[2]][(row - starts)[:, :, None] < leading] = 0.0
    x[row < starts] = 0.0
    return x
