"""Linear map of a sequence beside the network, on the same encoded sequences.

The mean of a network and an autoregressive linear model is often better than both: the
network learns what is not linear, and the linear model the scale and the trend (LSTNet,
Lai et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sklearn_gru._model.streamed import MOST, Data
from sklearn_gru._support.numbers import may_have_nan

_CELLS = 1 << 20  # of flat sequences held at a time: eight megabytes of float64
_FEWER = 1 << 18  # where memory counts: of many sequences, and beside the outputs
_GATHERED = 200  # sequences: to gather the rows of fewer takes less time


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

    def outputs(self, data: Data) -> np.ndarray:
        """Return the linear outputs (n, n_outputs), each of its own sequence alone."""
        out = np.empty((len(data), len(self.intercept)))
        for index, x in _flat_blocks(data, self.n_steps, self.n_columns, _FEWER):
            out[index] = self.of_flat(x)
        return out

    def of_flat(self, x: np.ndarray) -> np.ndarray:
        """Return the linear outputs of flat sequences (n, n_steps * n_columns)."""
        # A matrix product would round a sequence by how many are beside it.
        return np.einsum("nd,od->no", x, self.coef) + self.intercept

    def mixed(self, network: np.ndarray, linear: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the outputs (n, n_outputs) of a network and its.

        At a share of 0 or 1 it is one of them, to the bit.
        """
        return (1.0 - self.share) * network + self.share * linear

    def times(self, factor: float) -> LinearPart:
        """Return the map whose outputs are that many times as large."""
        return replace(self, coef=factor * self.coef, intercept=factor * self.intercept)


def flat_sequences(
    data: Data, n_steps: int, n_columns: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions of sequences and their latest steps as rows of float64."""
    cells = _CELLS if len(data) <= MOST else _FEWER  # sums depend on it
    return _flat_blocks(data, n_steps, n_columns, cells)


def is_one_block(data: Data, n_steps: int, n_columns: int) -> bool:
    """Return whether :func:`flat_sequences` yields all sequences at once."""
    return len(data) * n_steps * n_columns <= _CELLS and len(data) <= MOST


def _flat_blocks(
    data: Data, n_steps: int, n_columns: int, cells: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    size = max(1, cells // (n_steps * n_columns))
    for first in range(0, len(data), size):
        index = np.arange(first, min(first + size, len(data)))
        yield index, flat(data, index, n_steps, n_columns)


def flat(data: Data, index: np.ndarray, n_steps: int, n_columns: int) -> np.ndarray:
    """Return the latest steps (n, n_steps * n_columns) as the network reads them."""
    data, index = data.at(index)
    starts, lengths = data.starts[index], data.lengths[index]
    first = starts + lengths - n_steps
    is_short = bool((lengths < n_steps).any())
    if len(first) > _GATHERED and not is_short and (np.diff(first) == 1).all():
        # Overlapping windows, each one row on, are read in place.
        own = data.rows[first[0] : first[-1] + n_steps, :n_columns]
        x = sliding_window_view(own, n_steps, axis=0).swapaxes(1, 2)
    else:
        row = first[:, None] + np.arange(n_steps)
        existing = np.maximum(row, 0) if is_short else row
        x = data.rows.take(existing, axis=0)[:, :, :n_columns]
    x = x.astype(np.float64, order="C")
    if data.levels is not None:
        shift, scale = (level[index].astype(np.float64) for level in data.levels)
        x -= _at_each_step(shift, 0.0, n_steps, n_columns)
        if (scale != 1.0).any():
            x /= _at_each_step(scale, 1.0, n_steps, n_columns)
        if may_have_nan(x):
            x[np.isnan(x)] = 0.0
    if data.leading is not None or is_short:
        step = (lengths - n_steps)[:, None] + np.arange(n_steps)  # of the sequence
        if data.leading is not None:
            leading = data.leading[index, None]
            x[:, :, : leading.shape[2]][step[:, :, None] < leading] = 0.0
        x[step < 0] = 0.0
    return x.reshape(len(index), -1)


def _at_each_step(
    level: np.ndarray, other: float, n_steps: int, n_columns: int
) -> np.ndarray:
    """Return levels (n, n_levels) as (n, n_steps, n_columns), `other` in the rest.

    NumPy is four times as fast with as many values as it meets as with a few columns.
    """
    wide = np.full((len(level), n_columns), other)
    wide[:, : level.shape[1]] = level
    return wide[:, np.newaxis].repeat(n_steps, axis=1)
