"""Which features of an estimator's X are categories.

``categorical_features`` is resolved twice: what it names must be known before data are
read, because texts are only read where they are categories, and what carries categories
is only known afterwards ("from_dtype"). Fit keeps the result as ``is_categorical_``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._tables.codebook import (
    Codebook,
    categories_of,
    has_categories,
    named_features,
    needs_codes,
    read_columns,
)
from sklearn_gru._tables.frames import as_list
from sklearn_gru.exceptions import InputError


def named_in(estimator: Any, names: Sequence[Any], *, reset: bool) -> np.ndarray:
    """Features called categorical by name or position, or found so in fit."""
    if reset:
        return named_features(_explicit(estimator), names)
    known = estimator.is_categorical_
    if known is None or len(known) != len(names):
        return np.zeros(len(names), dtype=bool)
    return known


def _explicit(estimator: Any) -> Any:
    keys = estimator.categorical_features
    return None if _from_dtype(estimator) else keys


def _from_dtype(estimator: Any) -> bool:
    keys = estimator.categorical_features
    return isinstance(keys, str) and keys == "from_dtype"


def named_in_rows(estimator: Any, columns: Sequence[Any], *, reset: bool) -> np.ndarray:
    """The same for 2-D rows: by position within a step, or by name of all columns."""
    per_step = estimator.features_per_step
    keys = as_list(_explicit(estimator))
    if not reset or not any(isinstance(key, str) for key in keys):
        return named_in(estimator, range(per_step), reset=reset)
    steps = named_features(keys, columns).reshape(-1, per_step)
    if (steps != steps[0]).any():
        raise InputError(
            f"categorical_features={keys} names some columns of X but not those of the "
            f"same feature at other steps. A row of 2-D X is a whole series of "
            f"{per_step} features a step (features_per_step): give their positions "
            f"within a step, 0 to {per_step - 1}."
        )
    return steps[0]


def coded_in_rows(table: pd.DataFrame, named: np.ndarray) -> np.ndarray:
    """Features of a step whose values become codes; all of their columns, or none."""
    coded = np.array([has_categories(dtype) for dtype in table.dtypes], dtype=bool)
    steps = coded.reshape(-1, len(named))
    if ((steps.any(axis=0) & ~steps.all(axis=0)) & ~named).any():
        name = table.columns[int(coded.argmax())]
        raise InputError(
            f"Column {name!r} holds categories, but not all columns of its feature do: "
            f"a row of 2-D X is a whole series of {len(named)} features a step "
            "(features_per_step). If rows are steps, put a SlidingWindow in front."
        )
    text = [needs_codes(dtype, True) for dtype in table.dtypes]
    return steps.any(axis=0) | (np.reshape(text, steps.shape).any(axis=0) & named)


def coded_rows(table: pd.DataFrame, coded: np.ndarray) -> Sequences:
    """2-D rows of which some features are categories, one set for all its steps."""
    n_steps, per_step = table.shape[1] // len(coded), len(coded)
    values = np.empty((len(table), n_steps, per_step))
    books: list[Codebook | None] = [Codebook() if c else None for c in coded]
    for step in range(n_steps):
        at = range(step * per_step, (step + 1) * per_step)
        values[:, step], books = read_columns([table.iloc[:, j] for j in at], books)
    return Sequences.from_array(values, categories=categories_of(books))


def settle_categories(
    estimator: Any, sequences: Sequences, named: np.ndarray, *, reset: bool
) -> None:
    """Set or check which features are categories."""
    carried = np.zeros(len(named), dtype=bool)
    if sequences.categories is not None:
        carried[:] = [values is not None for values in sequences.categories]
    if reset:
        named = named | carried if _from_dtype(estimator) else named
        estimator.is_categorical_ = named if named.any() else None
    if not (carried & ~named).any():
        return
    at = int((carried & ~named).argmax())
    name = at if sequences.feature_names is None else sequences.feature_names[at]
    if reset:
        raise InputError(
            f"Feature {name!r} holds categories, but categorical_features="
            f"{estimator.categorical_features!r} does not name it. Name it too, or "
            "leave categorical_features='from_dtype'."
        )
    raise InputError(f"Feature {name!r} holds categories, but was numeric in fit.")
