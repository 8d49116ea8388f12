"""Kinds of X that are refused, with the line that makes an accepted one of them.

NumPy would try to convert them, and fail with a message about its own insides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from sklearn_gru.exceptions import InputError


def refuse_kinds(X: Any, expected: str) -> None:
    """Raise InputError if X is not data yet, or holds a series in every cell.

    `expected` names what the caller reads.
    """
    kind = type(X).__name__
    if kind == "LazyFrame" and hasattr(X, "collect"):
        raise InputError(
            f"X is a LazyFrame, a query without data; expected {expected}. Run it: "
            "X = X.collect()."
        )
    if isinstance(X, Mapping):
        keys = ", ".join(map(repr, list(X)[:5]))
        raise InputError(
            f"X is a {kind} with the keys {keys}; expected {expected}. If each "
            "value is a column: X = pd.DataFrame(X). If each is a sequence: "
            "X = list(X.values())."
        )
    if isinstance(X, Iterator):
        raise InputError(
            f"X is a {kind}, which can be read only once; expected {expected}. Keep "
            "its items: X = list(X)."
        )
    if isinstance(X, pd.DataFrame):
        _refuse_nested(X)
    if isinstance(X, (list, tuple)):
        _refuse_pairs(X)


def _refuse_pairs(X: Sequence[Any]) -> None:
    """Raise InputError for a list of tuples (steps, static values of the series)."""
    first = X[0] if len(X) else None
    if not isinstance(first, tuple):
        return
    if {getattr(part, "ndim", 0) for part in first} != {1, 2}:
        return
    shapes = ", ".join(str(part.shape) for part in first)
    raise InputError(
        f"Item 0 of X is a tuple of arrays of shapes {shapes}; expected one 2-D array "
        "(steps, features) per sequence. If the other array holds values of the whole "
        "series, repeat them at every step: X = [np.hstack([steps, "
        "np.tile(static, (len(steps), 1))]) for steps, static in X]."
    )


def _refuse_nested(frame: pd.DataFrame) -> None:
    """Raise InputError for a frame whose cells hold whole series."""
    for name, dtype in frame.dtypes.items():
        if dtype.kind != "O" or not len(frame):
            continue
        cell = frame[name].iloc[0]
        cell = cell.iloc[0] if isinstance(cell, pd.DataFrame) else cell
        if getattr(cell, "ndim", 0) == 1:
            raise InputError(
                f"Column {name!r} holds a {type(cell).__name__} of {len(cell)} values "
                "in every cell, as the nested frames of sktime do. Make a list of "
                "sequences (steps, columns) of it: "
                "X = [np.column_stack(list(row)) for row in X.to_numpy()]."
            )
