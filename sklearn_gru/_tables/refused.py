"""Kinds of X and y that are refused, with the line that makes accepted ones of them.

NumPy would try to convert them, and fail with a message about its own insides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._tables.frames import table_of
from sklearn_gru.exceptions import InputError


def refuse_kinds(X: Any, expected: str) -> None:
    """Raise InputError if X is not data yet, or holds a series in every cell.

    `expected` names what the caller reads.
    """
    kind = type(X).__name__
    if isinstance(X, (str, bytes)):
        raise InputError(
            f"X is a text, {X[:40]!r}; expected {expected}. If it is the name of a "
            f"file: X = pd.read_csv({X[:40]!r})."
        )
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
        refuse_repeated_names(X)
    elif table_of(X) is None:
        _refuse_other_objects(X, kind, expected)
    if isinstance(X, (list, tuple)):
        _refuse_pairs(X)


def _refuse_other_objects(X: Any, kind: str, expected: str) -> None:
    """Raise InputError for objects that are not arrays, lists or known frames."""
    if hasattr(X, "to_pandas") and hasattr(X, "columns"):
        raise InputError(
            f"X is a {kind} of {type(X).__module__.partition('.')[0]}; expected "
            f"{expected}. Make a frame of it: X = X.to_pandas()."
        )
    if getattr(getattr(X, "dtype", None), "names", None):
        raise InputError(
            f"X is an array of records with the fields {', '.join(X.dtype.names)}; "
            f"expected {expected}. Make a frame of it: X = pd.DataFrame(X)."
        )
    if isinstance(X, Sequence) or hasattr(X, "shape") or hasattr(X, "__array__"):
        return
    remedy = "Convert it to one of these."
    if hasattr(X, "obj") and hasattr(X, "groups"):  # a groupby of pandas
        remedy = "Take its frames: X = [frame for _, frame in X]."
    elif isinstance(X, (set, frozenset)):
        remedy = "A set has no order; keep the items in a list."
    raise InputError(f"X is a {kind}; expected {expected}. {remedy}")


def refuse_repeated_names(frame: pd.DataFrame) -> None:
    """Raise InputError if several columns have the same name."""
    if frame.columns.is_unique:
        return
    twice = frame.columns[frame.columns.duplicated()].unique()
    raise InputError(
        f"X has several columns called {', '.join(map(repr, twice[:5]))}; expected "
        "one column per name. Drop the copies, "
        "X = X.loc[:, ~X.columns.duplicated()], or rename them."
    )


def refuse_targets(y: Any) -> None:
    """Raise InputError if y is not data yet, or its values are not of one kind."""
    kind = type(y).__name__
    expected = "one value per row or sequence of X"
    if isinstance(y, (str, bytes)):
        raise InputError(f"y={y!r} is a name; pass the column itself, X[{y!r}].")
    if isinstance(y, Mapping):
        raise InputError(
            f"y is a {kind} of {len(y)} items; expected {expected}. In their order: "
            "y = list(y.values())."
        )
    if isinstance(y, Iterator):
        raise InputError(
            f"y is a {kind}, which can be read only once; expected {expected}. Keep "
            "its items: y = list(y)."
        )
    if np.isscalar(y):
        raise InputError(
            f"y is a single value, {y!r}; expected {expected}, such as [{y!r}]."
        )
    if isinstance(y, (list, tuple)):
        _refuse_unequal(y, expected)


def _refuse_unequal(y: Sequence[Any], expected: str) -> None:
    """Raise InputError for lists of different lengths in a list."""
    sizes = [len(v) if isinstance(v, (list, tuple, np.ndarray)) else 1 for v in y]
    if len(set(sizes)) > 1:
        k = next(k for k, size in enumerate(sizes) if size != sizes[0])
        raise InputError(
            f"y holds {sizes[0]} values in item 0 and {sizes[k]} in item {k}; expected "
            f"{expected}, or the same number of values for each. For one label per "
            "step, give rows and let the window find what leads to each: "
            "make_pipeline(SlidingWindow(24), GRUClassifier())."
        )


def refuse_times(values: Any, name: str) -> None:
    """Raise InputError for dates and durations, which NumPy reads as nanoseconds."""
    dtype = getattr(values, "dtype", None)
    period = isinstance(dtype, pd.PeriodDtype)
    if not period and getattr(dtype, "kind", None) not in ("m", "M"):
        return
    if period or getattr(dtype, "kind", None) == "M":
        remedy = f"({name} - {name}[0]) / np.timedelta64(1, 'h')"
    else:
        remedy = f"{name} / np.timedelta64(1, 'h')"
    if period:
        remedy = f"{name} = {name}.to_timestamp(), and then {remedy}"
    raise InputError(
        f"{name} holds times ({dtype}), which are not numbers. Pass what they measure, "
        f"such as hours: {remedy}."
    )


def texts_in(values: Any, n_features: int | None = None) -> dict[int, Any]:
    """Return the first text that is not a number, of each feature that has one.

    `values` is an array of steps (…, n_features), or of rows (n, n_steps * n_features).
    """
    dtype = getattr(values, "dtype", np.dtype(object))
    if getattr(dtype, "kind", None) not in ("O", "U", "S"):
        return {}
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        return {}
    if array.ndim < 2 or not array.size:
        return {}
    columns = array.reshape(-1, n_features or array.shape[-1]).T
    firsts = {
        j: next(filter(_is_text, column), None)
        for j, column in enumerate(columns.tolist())
    }
    return {j: text for j, text in firsts.items() if text is not None}


def named_texts(found: Mapping[int, Any]) -> str:
    """Return positions with the text seen at each, for a message."""
    shown = [f"{j} ({text[:40]!r})" for j, text in list(found.items())[:8]]
    more = f", … ({len(found)} in all)" if len(found) > 8 else ""
    return ", ".join(shown) + more


def _is_text(value: Any) -> bool:
    """Tell whether a value is a text that is not a number."""
    if not isinstance(value, (str, bytes)):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _refuse_pairs(X: Sequence[Any]) -> None:
    """Raise InputError for a list of tuples, or of records, with the remedy."""
    first = X[0] if len(X) else None
    if isinstance(first, Mapping):
        keys = ", ".join(map(repr, list(first)[:5]))
        raise InputError(
            f"Item 0 of X is a {type(first).__name__} with the keys {keys}. If each "
            "item is a row of a table: X = pd.DataFrame(X)."
        )
    if not isinstance(first, tuple):
        return
    if len(first) == 2 and table_of(first[1]) is not None:
        raise InputError(
            f"Item 0 of X is a tuple of a {type(first[0]).__name__} and a "
            f"{type(first[1]).__name__}, as a groupby yields them. Take the frames: "
            "X = [frame for _, frame in X]."
        )
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
