"""The categories seen in fit, to which later categories are mapped by value.

A category that fit has not seen becomes missing, as in HistGradientBoosting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.warn import warn
from sklearn_gru._tables.codebook import (
    check_count,
    check_kinds,
    object_array,
    sorted_order,
)
from sklearn_gru.exceptions import LayoutWarning

# HistGradientBoosting's limit; a column of fractions with more is probably numeric.
_MANY = 255


@dataclass(frozen=True, eq=False)
class CategoryTable:
    """The categories seen in fit: one array per column, None for a numeric column."""

    categories: tuple[np.ndarray | None, ...]

    @classmethod
    def learn(cls, sequences: Sequences, mask: np.ndarray | None) -> CategoryTable:
        """Learn the values at the steps in use, sorted if they can be sorted."""
        n_features = sequences.shape[2]
        if mask is None:
            return cls((None,) * n_features)
        used = sequences.coverage() > 0
        found: list[np.ndarray | None] = [None] * n_features
        for j in np.flatnonzero(mask):
            codes = np.unique(sequences.values[used, j])
            values = _values(sequences, int(j), codes[~np.isnan(codes)])
            found[j] = object_array(values[k] for k in sorted_order(values))
            check_count(_feature(sequences, int(j)), len(values))
            if sequences.categories is None or sequences.categories[j] is None:
                _warn_fractions(_feature(sequences, int(j)), np.array(values))
        return cls(tuple(found))

    @property
    def columns(self) -> np.ndarray:
        """Positions of the categorical features."""
        known = [values is not None for values in self.categories]
        return np.flatnonzero(known)

    @property
    def sizes(self) -> list[int]:
        """Number of categories of each categorical feature."""
        return [len(values) for values in self.categories if values is not None]

    def encode(self, sequences: Sequences) -> Sequences:
        """Return the sequences in the codes of fit; NaN where fit saw no such value."""
        if not self.sizes:
            return sequences
        values = np.array(sequences.values)
        for j in self.columns:
            known = self.categories[j]
            assert known is not None
            code = {value: k for k, value in enumerate(known.tolist())}
            raw, at = np.unique(values[:, j], return_inverse=True)
            raw = raw[~np.isnan(raw)]  # NaN sorts after all other values
            seen = _values(sequences, int(j), raw)
            place = [code.get(value, np.nan) for value in seen]
            if np.isnan(place).all():
                check_kinds(seen, known, _feature(sequences, int(j)))
            values[:, j] = np.append(place, np.nan)[np.minimum(at, len(raw))]
        return sequences._with(values=values, categories=self.categories)


def _values(sequences: Sequences, j: int, codes: np.ndarray) -> list[Any]:
    """Return the values of a column's codes; the codes if it carries no values."""
    carried = None if sequences.categories is None else sequences.categories[j]
    if carried is None:
        return codes.tolist()
    carried = list(carried)
    return [carried[code] for code in codes.astype(np.int64)]


def _feature(sequences: Sequences, j: int) -> str:
    names = sequences.feature_names
    return f"Feature {j if names is None else names[j]!r}"


def _warn_fractions(what: str, values: np.ndarray) -> None:
    if len(values) > _MANY and (values != np.rint(values)).any():
        warn(
            f"{what} has {len(values)} categories, and some are fractions such as "
            f"{values[values != np.rint(values)][0]:g}: it looks numeric. If it is, "
            "remove it from categorical_features.",
            LayoutWarning,
        )
