"""The categories seen in fit, to which later categories are mapped by value.

A category that fit has not seen becomes missing, as in HistGradientBoosting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.on_disk import BLOCK_ROWS, blank, is_on_disk
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
        found: list[np.ndarray | None] = [None] * n_features
        seen = _codes_in_use(sequences, np.flatnonzero(mask))
        for j, codes in seen.items():
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

    def _are_codes_of(self, sequences: Sequences) -> bool:
        """Tell whether rows in a file are in these codes, which spares their copy."""
        if not is_on_disk(sequences.values) or sequences.categories is None:
            return False
        pairs = zip(self.categories, sequences.categories, strict=True)
        return all(
            (own is None) == (given is None)
            and (own is None or list(own) == list(given))
            for own, given in pairs
        )

    def encode(self, sequences: Sequences) -> Sequences:
        """Return the sequences in the codes of fit; NaN where fit saw no such value."""
        if not self.sizes:
            return sequences
        if self._are_codes_of(sequences):
            return sequences
        given = sequences.values
        values = blank(given.shape, given.dtype, like=given)
        size = BLOCK_ROWS if is_on_disk(given) else max(len(given), 1)
        for at in range(0, len(given), size):
            part = values[at : at + size]
            part[:] = given[at : at + size]
            for j in self.columns:
                part[:, j] = self._codes(sequences, int(j), part[:, j])
        return sequences._with(values=values, categories=self.categories)

    def _codes(self, sequences: Sequences, j: int, column: np.ndarray) -> np.ndarray:
        """Return the codes of fit for the codes of a column of the sequences."""
        known = self.categories[j]
        assert known is not None
        code = {value: k for k, value in enumerate(known.tolist())}
        raw, at = np.unique(column, return_inverse=True)
        raw = raw[~np.isnan(raw)]  # NaN sorts after all other values
        seen = _values(sequences, j, raw)
        place = [code.get(value, np.nan) for value in seen]
        if np.isnan(place).all():
            check_kinds(seen, list(known), _feature(sequences, j))
        return np.append(place, np.nan)[np.minimum(at, len(raw))]


def _codes_in_use(sequences: Sequences, columns: np.ndarray) -> dict[int, np.ndarray]:
    """Return the codes of each column at the steps in use, block by block."""
    found = {int(j): np.empty(0, dtype=sequences.dtype) for j in columns}
    for rows, covered in sequences.coverage_blocks():
        block = sequences.values[rows][covered > 0]
        for j, codes in found.items():
            new = np.unique(block[:, j])
            found[j] = np.union1d(codes, new[~np.isnan(new)])
    return found


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
