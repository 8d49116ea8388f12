"""Ridge regression of encoded sequences, also without each of them in turn.

PyTorch computes it: in one thread, as during a fit, the bits are always the same, while
those of NumPy's products depend on the number of threads of its library.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.linear import (
    LinearPart,
    flat,
    flat_sequences,
    is_one_block,
)
from sklearn_gru._model.streamed import MOST, Data
from sklearn_gru._support.numbers import evenly
from sklearn_gru._support.remembered import remembered

OfSome = Callable[[Any], np.ndarray]
Solved = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]

_MOST_COLUMNS = 1024  # of the flat sequence; the normal equations hold their squares
_MOST_LEFT_OUT = 2048  # sequences
_FEW_COLUMNS = 256  # of which normal equations are small enough to be remembered


class Some(NamedTuple):
    """Some sequences, with what those equal to each of them have in common."""

    positions: np.ndarray  # (m,)
    x: Tensor  # (m, n_read), centered
    weight: np.ndarray  # (m,) of all that are equal
    target: np.ndarray  # (m, n_outputs), weighted mean of all that are equal


@dataclass(frozen=True, eq=False)
class Ridge:
    """Ridge regression of a training set.

    Columns of differences are not read: with the values they come from they would be
    the same model, penalized in another way.

    Attributes
    ----------
    data : Encoded
        The training set.
    target : callable
        From positions of sequences to what it predicts, (m, n_outputs) of float64.
    weight : callable
        From positions of sequences to their weights (m,); those of all have the sum 1.
    n_steps, first, n_columns : int
        Number of steps; the first and the number of the columns of each step, of which
        those before the first are skipped.
    mean_x, mean_y : Tensor
        Weighted means.
    moment, product : Tensor
        Normal equations without the penalty, (n_read, n_read) and (n_read, n_outputs).
    factor : Tensor of shape (n_read, n_read)
        Cholesky factor of the penalized normal equations.
    coef : Tensor of shape (n_read, n_outputs)
        Coefficients.
    penalty : float
        The penalty, in units of the number of sequences.
    """

    data: Data
    target: OfSome
    weight: OfSome
    n_steps: int
    first: int
    n_columns: int
    mean_x: Tensor
    mean_y: Tensor
    moment: Tensor
    product: Tensor
    factor: Tensor
    coef: Tensor
    penalty: float

    @classmethod
    def fit(cls, data: Data, target: OfSome, n_columns: int, penalty: float) -> Ridge:
        """Solve the normal equations of a training set, block by block.

        The penalty is in units of the number of sequences, for columns of deviation 1.
        """
        first = data.n_differences
        n_read = n_columns - first
        n_steps = min(int(data.lengths.max()), max(1, _MOST_COLUMNS // n_read))
        weight, layout = weighting(data), (n_steps, first, n_columns)
        is_small = is_one_block(data, n_steps, n_columns)
        if isinstance(data, Encoded) and is_small and n_steps * n_read <= _FEW_COLUMNS:
            arrays = data.rows, data.starts, data.lengths, data.levels, data.leading
            every = slice(None)
            solved: Solved = _solved_for_few(
                *arrays, weight(every), target(every), layout, penalty
            )
        else:
            solved = _solved(data, weight, target, layout, penalty)
        return cls(data, target, weight, *layout, *solved, penalty)

    def with_penalty(self, penalty: float) -> Ridge:
        """Return the regression of the same data with another penalty."""
        if penalty == self.penalty:
            return self
        factor, coef = _solve(self.moment, self.product, self.mean_x, penalty)
        return replace(self, factor=factor, coef=coef, penalty=penalty)

    def part(self) -> LinearPart:
        """Return the map of all columns, those that are skipped times 0."""
        n_read, n_outputs = self.n_columns - self.first, len(self.mean_y)
        by_step = np.zeros((n_outputs, self.n_steps, self.n_columns))
        own = self.coef.numpy().T.reshape(n_outputs, self.n_steps, n_read)
        by_step[:, :, self.first :] = own
        coef = by_step.reshape(n_outputs, -1)
        intercept = (self.mean_y - self.mean_x @ self.coef).numpy()
        return LinearPart(self.n_steps, self.n_columns, coef, intercept)

    def left_out(self, penalty: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return positions (m,) of sequences, and predictions (m, n_outputs) of each.

        A prediction is that of the model fitted without the sequence and those equal to
        it, so that a weight counts like repeated sequences. All sequences are left out,
        or some thousand at even distances. `penalty` replaces that of the fit.
        """
        own = self if penalty is None else self.with_penalty(penalty)
        factor, coef = own.factor, own.coef
        some, x, total, mean = self._some
        whitened = torch.linalg.solve_triangular(factor, x.T, upper=False)
        inside = (whitened * whitened).sum(dim=0)
        rest = 1.0 - total * (1.0 + inside.numpy())
        alone = rest < 1e-9  # nothing would be left to learn from
        found = (self.mean_y + x @ coef).numpy()
        left = mean - (mean - found) / np.where(alone, 1.0, rest)[:, None]
        return some, np.where(alone[:, None], self.mean_y.numpy(), left)

    @cached_property
    def _some(self) -> Some:
        """The sequences that are left out in turn; the same for every penalty."""
        some = evenly(len(self.data), _MOST_LEFT_OUT)
        given = flat(self.data, some, self.n_steps, self.n_columns)
        x = _read(given, self.n_steps, self.first) - self.mean_x
        weight, target = self.weight(some), self.target(some)
        equal = _numbers_of(x)
        total = np.bincount(equal, weight)
        sums = np.stack([np.bincount(equal, weight * y) for y in target.T], axis=1)
        mean = (sums / np.where(total > 0, total, 1.0)[:, None])[equal]
        return Some(some, x, total[equal], mean)


def _equations(
    data: Data, weight: OfSome, target: OfSome, layout: tuple[int, int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the means and the normal equations, block by block."""
    n_steps, first, n_columns = layout

    def block(part: tuple[np.ndarray, np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
        index, x = part
        at = slice(int(index[0]), int(index[-1]) + 1)
        own, given = torch.from_numpy(weight(at)), torch.from_numpy(target(at))
        return own, _read(x, n_steps, first), given

    def blocks() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        return map(block, flat_sequences(data, n_steps, n_columns))

    mean_y = _mean(len(data), target, weight)
    # A single block is made once; of several, each is freed before the next.
    whole = list(blocks()) if is_one_block(data, n_steps, n_columns) else None
    mean_x = torch.zeros(n_steps * (n_columns - first), dtype=torch.float64)
    for own, x, _ in whole or blocks():
        mean_x += own @ x
        del x
    moment = torch.zeros((len(mean_x), len(mean_x)), dtype=torch.float64)
    product = torch.zeros((len(mean_x), len(mean_y)), dtype=torch.float64)
    for own, x, given in whole or blocks():
        x -= mean_x
        weighted = (x * own[:, None]).T
        moment += weighted @ x
        product += weighted @ (given - mean_y)
        del x, weighted
    return mean_x, mean_y, moment, product


@remembered
def _solved_for_few(
    rows: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    levels: tuple[np.ndarray, np.ndarray] | None,
    leading: np.ndarray | None,
    weight: np.ndarray,
    target: np.ndarray,
    layout: tuple[int, int, int],
    penalty: float,
) -> Solved:
    """Return the equations of a small training set, which a search fits repeatedly."""
    data = Encoded(rows, starts, lengths, levels, leading)
    return _solved(data, weight.__getitem__, target.__getitem__, layout, penalty)


def _solved(
    data: Data,
    weight: OfSome,
    target: OfSome,
    layout: tuple[int, int, int],
    penalty: float,
) -> Solved:
    """Return the means, the normal equations, their factor and the coefficients."""
    mean_x, mean_y, moment, product = _equations(data, weight, target, layout)
    factor, coef = _solve(moment, product, mean_x, penalty)
    return mean_x, mean_y, moment, product, factor, coef


def _solve(
    moment: Tensor, product: Tensor, mean_x: Tensor, penalty: float
) -> tuple[Tensor, Tensor]:
    """Return the Cholesky factor of the penalized equations, and the coefficients."""
    variance = moment.diagonal()
    # A column that never varies has no coefficient, whatever the rounding.
    varies = variance > 1e-10 * mean_x**2
    added = penalty * torch.where(varies, variance, 1.0).diag()
    factor = torch.linalg.cholesky(moment + added)
    return factor, torch.cholesky_solve(product, factor)


def weighting(data: Data) -> OfSome:
    """Return a function from positions of sequences to their weights (m,).

    Those of all have the sum 1.
    """
    given, n = data.weight, len(data)
    if given is None:
        equal = np.broadcast_to(1 / n, n)
        return lambda some: equal[some].copy()
    total = given.sum(dtype=np.float64)
    return lambda some: given[some].astype(np.float64) / total


def _mean(n: int, target: OfSome, weight: OfSome) -> Tensor:
    """Return the weighted mean of the targets (n_outputs,)."""
    parts = [
        torch.from_numpy(weight(at)) @ torch.from_numpy(target(at))
        for at in (slice(k, k + MOST) for k in range(0, n, MOST))
    ]
    return functools.reduce(torch.add, parts)


def _read(x: np.ndarray, n_steps: int, first: int) -> Tensor:
    """Return flat sequences without the first columns of each step."""
    steps = torch.from_numpy(x).reshape(len(x), n_steps, -1)
    return steps[:, :, first:].reshape(len(x), -1)


def _numbers_of(x: Tensor) -> np.ndarray:
    """Return a number (n,) per row, the same for equal rows."""
    numbers: dict[bytes, int] = {}
    rows = x.numpy() + 0.0  # -0.0 equals 0.0
    held, width = rows.tobytes(), rows.itemsize * rows.shape[1]
    parts = (held[at : at + width] for at in range(0, len(held), width))
    return np.array([numbers.setdefault(part, len(numbers)) for part in parts])
