"""Ridge regression of encoded sequences, also without each of them in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.linear import LinearPart, flat, flat_sequences

_MOST_COLUMNS = 1024  # of the flat sequence; the normal equations hold their squares
_MOST_LEFT_OUT = 2048  # sequences


@dataclass(frozen=True, eq=False)
class Ridge:
    """Ridge regression of a training set.

    Columns of differences are not read: with the values they come from they would be
    the same model, penalized in another way.

    Attributes
    ----------
    data : Encoded
        The training set.
    target : ndarray of shape (n, n_outputs)
        What it predicts.
    weight : ndarray of shape (n,)
        Weights with sum 1.
    n_steps, first, n_columns : int
        Number of steps; the first and the number of the columns of each step, of which
        those before the first are skipped.
    mean_x, mean_y : ndarray
        Weighted means.
    factor : tuple
        Cholesky factor of the normal equations.
    coef : ndarray of shape (n_read, n_outputs)
        Coefficients.
    """

    data: Encoded
    target: np.ndarray
    weight: np.ndarray
    n_steps: int
    first: int
    n_columns: int
    mean_x: np.ndarray
    mean_y: np.ndarray
    factor: tuple[np.ndarray, bool]
    coef: np.ndarray

    @classmethod
    def fit(
        cls, data: Encoded, target: np.ndarray, n_columns: int, penalty: float
    ) -> Ridge:
        """Solve the normal equations of a training set, block by block.

        The penalty is in units of the number of sequences, for columns of deviation 1.
        """
        first = 0 if data.leading is None else data.leading.shape[1]
        n_read = n_columns - first
        n_steps = min(int(data.lengths.max()), max(1, _MOST_COLUMNS // n_read))
        weight = np.ones(len(data)) if data.weight is None else data.weight
        weight = weight.astype(np.float64) / weight.sum(dtype=np.float64)

        def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for index, x in flat_sequences(data, n_steps, n_columns):
                yield index, _read(x, n_steps, first)

        mean_y = weight @ target
        mean_x = np.zeros(n_steps * n_read)
        for index, x in blocks():
            mean_x += weight[index] @ x
        moment = np.zeros((len(mean_x), len(mean_x)))
        product = np.zeros((len(mean_x), target.shape[1]))
        for index, x in blocks():
            x = x - mean_x
            weighted = x * weight[index, None]
            moment += weighted.T @ x
            product += weighted.T @ (target[index] - mean_y)
        variance = np.diagonal(moment)
        # A column that never varies has no coefficient, whatever the rounding.
        varies = variance > 1e-10 * mean_x**2
        moment += np.diag(penalty * np.where(varies, variance, 1.0))
        factor = cho_factor(moment, lower=True, overwrite_a=True)
        coef = cho_solve(factor, product)
        layout = n_steps, first, n_columns
        return cls(data, target, weight, *layout, mean_x, mean_y, factor, coef)

    def part(self) -> LinearPart:
        """Return the map of all columns, those that are skipped times 0."""
        n_read, n_outputs = self.n_columns - self.first, len(self.mean_y)
        by_step = np.zeros((n_outputs, self.n_steps, self.n_columns))
        own = self.coef.T.reshape(n_outputs, self.n_steps, n_read)
        by_step[:, :, self.first :] = own
        coef = by_step.reshape(n_outputs, -1)
        intercept = self.mean_y - self.mean_x @ self.coef
        return LinearPart(self.n_steps, self.n_columns, coef, intercept)

    def left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Return positions (m,) of sequences, and predictions (m, n_outputs) of each.

        A prediction is that of the model fitted without the sequence and those equal to
        it, so that a weight counts like repeated sequences. All sequences are left out,
        or some thousand at even distances.
        """
        n = len(self.data)
        some = np.unique(np.linspace(0, n - 1, min(n, _MOST_LEFT_OUT)).astype(np.int64))
        x = flat(self.data, some, self.n_steps, self.n_columns)
        x = _read(x, self.n_steps, self.first) - self.mean_x
        equal = _numbers_of_equal(x)
        weight = np.bincount(equal, self.weight[some])[equal]
        inside = np.einsum("nd,dn->n", x, cho_solve(self.factor, x.T))
        leverage = weight * (1.0 + inside)
        total = np.bincount(equal, self.weight[some])
        target = np.stack(
            [np.bincount(equal, self.weight[some] * y) for y in self.target[some].T]
        )
        target = (target / np.where(total > 0, total, 1.0)).T[equal]
        found = self.mean_y + x @ self.coef
        rest = 1.0 - leverage
        alone = rest < 1e-9  # nothing would be left to learn from
        left = target - (target - found) / np.where(alone, 1.0, rest)[:, None]
        return some, np.where(alone[:, None], self.mean_y, left)


def _read(x: np.ndarray, n_steps: int, first: int) -> np.ndarray:
    """Return flat sequences without the first columns of each step."""
    if first == 0:
        return x
    return x.reshape(len(x), n_steps, -1)[:, :, first:].reshape(len(x), -1)


def _numbers_of_equal(x: np.ndarray) -> np.ndarray:
    """Return a number (n,) per row, the same for equal rows."""
    numbers: dict[bytes, int] = {}
    rows = x + 0.0  # -0.0 equals 0.0
    return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows])
