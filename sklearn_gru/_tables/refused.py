"""Kinds of X that are refused, with the line that makes an accepted one of them.

NumPy would try to convert them, and fail with a message about its own insides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
