"""The steps of a pipeline before the window, for one row at a time.

scikit-learn takes about a millisecond to transform one row. A step that maps every
column by itself with one operation (a scaler, an imputer of constants) is therefore
folded: its arithmetic is repeated here in the same order, and compared with the step on
random rows before it is trusted. Every other step is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)


class Operation(NamedTuple):
    """An operation between rows and one number per column, in place.

    `name` is that of a function of NumPy, or "fill", which replaces NaN.
    """

    name: str
    vector: np.ndarray

    def __call__(self, rows: np.ndarray) -> None:
        """Change a row (n_columns,) or rows."""
        if self.name == "fill":
            np.copyto(rows, self.vector, where=np.isnan(rows))
        else:
            getattr(np, self.name)(rows, self.vector, out=rows)


_N_PROBES = 64


class Before:
    """Fitted transformers in front of a window.

    Attributes
    ----------
    names : list or None
        Columns of X in fit.
    n_columns : int
        Number of them.
    operations : list of Operation, or None
        What the steps do to a row of floats, in place; None if they must be called.
    """

    def __init__(self, steps: Sequence[Any]) -> None:
        self.steps = list(steps)
        first = self.steps[0]
        names = getattr(first, "feature_names_in_", None)
        self.names = None if names is None else list(names)
        self.n_columns = int(first.n_features_in_)
        self.operations = self._fold()

    def transform(self, X: Any) -> Any:
        """Return what the steps make of a table."""
        for step in self.steps:
            X = step.transform(X)
        return X

    def transform_cells(self, cells: Any) -> Any:
        """Return what the steps make of the cells of one row, as a table of one row."""
        if self.names is None:
            return self.transform(np.asarray(cells)[None])
        if isinstance(cells, pd.Series):
            cells = cells.to_dict()
        values = cells if isinstance(cells, dict) else dict(zip(self.names, cells))  # noqa: B905
        return self.transform(pd.DataFrame([values])[self.names])

    def _fold(self) -> list[Operation] | None:
        """Return the operations of all steps, if they agree with the steps."""
        found: list[Operation] = []
        for step in self.steps:
            operations = _operations_of(step)
            if operations is None or step.n_features_in_ != self.n_columns:
                return None
            found += operations
        probes = self._probes()
        table: Any = probes.copy()
        if self.names is not None:
            table = pd.DataFrame(table, columns=self.names)
        expected = np.asarray(self.transform(table))
        for operation in found:
            operation(probes)
        return found if np.array_equal(probes, expected, equal_nan=True) else None

    def _probes(self) -> np.ndarray:
        """Return random rows of many magnitudes, a tenth of the cells missing."""
        rng = np.random.default_rng(0)
        shape = _N_PROBES, self.n_columns
        probes = rng.normal(size=shape) * 10.0 ** rng.integers(-4, 5, size=shape)
        probes[rng.random(shape) < 0.1] = np.nan
        return probes


def _operations_of(step: Any) -> list[Operation] | None:
    """Return the arithmetic of a step in its order, or None if it is not known."""
    if type(step) is StandardScaler:
        mean = step.mean_ if step.with_mean else None
        return [*_each("subtract", mean), *_each("divide", step.scale_)]
    if type(step) is RobustScaler:
        return [*_each("subtract", step.center_), *_each("divide", step.scale_)]
    if type(step) is MaxAbsScaler:
        return _each("divide", step.scale_)
    if type(step) is MinMaxScaler and not step.clip:
        return [*_each("multiply", step.scale_), *_each("add", step.min_)]
    if type(step) is SimpleImputer and not step.add_indicator:
        filled = step.statistics_
        if filled.dtype.kind == "f" and not np.isnan(filled).any():
            return _each("fill", filled)
    return None


def _each(name: str, vector: np.ndarray | None) -> list[Operation]:
    """Return an operation between rows and one number per column; none without."""
    return [] if vector is None else [Operation(name, vector)]
