"""Labels and weights of rows, and the recordings that they are rows of.

A row without a label, or of weight zero, is not learned from. It stays in its
recording, where the rows around it read it.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.targets import check_sample_weight, refuse_mixed
from sklearn_gru._tables.refused import refuse_targets
from sklearn_gru.exceptions import InputError


class LabeledRows(NamedTuple):
    """Recordings with one label and weight per row.

    Attributes
    ----------
    sequences : Sequences
        Recordings, which share no rows.
    y : ndarray of shape (n_rows,)
        Labels of the rows of ``sequences.values``; any class where the weight is 0.
    weights : ndarray of shape (n_rows,) or None
        0 for rows that are not learned from; None if all are alike.
    """

    sequences: Sequences
    y: np.ndarray
    weights: np.ndarray | None

    def select(self, mask: np.ndarray) -> LabeledRows:
        """Return some of the recordings."""
        some = self._replace(sequences=self.sequences[mask])
        return some._keep(some.sequences.coverage() > 0)

    def without_gaps(self) -> LabeledRows:
        """Return the rows that hold a value."""
        return self._keep(self.sequences.observed_rows())

    def halves(self, share: float) -> tuple[LabeledRows, LabeledRows]:
        """Return the first rows of the only recording, and the last share of them."""
        (start,), (n,) = self.sequences.starts, self.sequences.lengths
        n_last = min(max(1, round(share * n)), n - 1)
        first, last = (
            self._replace(sequences=self.sequences._with(starts=[at], lengths=[size]))
            for at, size in ((start, n - n_last), (start + n - n_last, n_last))
        )
        return first.select(np.array([True])), last.select(np.array([True]))

    def checked(self, whose: str) -> LabeledRows:
        """Return the same rows, after checking that one of them is learned from."""
        if len(self.y) and (self.weights is None or self.weights.any()):
            return self
        raise InputError(
            f"No row of {whose} has a label, a weight above 0 and a value of X: there "
            "is nothing to learn from."
        )

    def _keep(self, kept: np.ndarray) -> LabeledRows:
        if kept.all():
            return self
        weights = None if self.weights is None else self.weights[kept]
        sequences = self.sequences._keep_rows(kept)
        sequences = sequences[sequences.lengths > 0]
        return self._replace(sequences=sequences, y=self.y[kept], weights=weights)


def labeled_rows(
    sequences: Sequences,
    place: np.ndarray,
    sizes: np.ndarray | None,
    y: Any,
    sample_weight: Any,
) -> LabeledRows:
    """Check the labels and weights of the rows of X; return them row by row.

    `place` is the row of `sequences` that each row of X is, `sizes` the number of rows
    of each item of a list.
    """
    if sizes is None:
        refuse_targets(y)
    y, known = _labels(joined(y, sizes, "y"))
    n = len(place)
    check_consistent_length(place, y)
    if sizes is not None and not isinstance(sample_weight, Real):
        sample_weight = joined(sample_weight, sizes, "sample_weight")
    weights = check_sample_weight(sample_weight, n)
    ones = np.ones(n) if weights is None else weights
    known = known & (ones > 0)
    n_rows = len(sequences.values)
    weight = np.bincount(place[known], ones[known], minlength=n_rows)
    if not known.any():
        return LabeledRows(sequences, np.resize(y[:1], n_rows), weight)
    labels = np.full(n_rows, y[known.argmax()], dtype=y.dtype)
    labels[place[known]] = y[known]
    _refuse_two_labels(labels[place[known]], y[known], np.flatnonzero(known))
    plain = weights is None and n == n_rows and known.all()
    return LabeledRows(sequences, labels, None if plain else weight)


def joined(given: Any, sizes: np.ndarray | None, name: str) -> Any:
    """Return what is given per row of a list of recordings as one array."""
    if sizes is None or given is None:
        return given
    items = list(given) if hasattr(given, "__len__") else []
    alone = not items or any(np.ndim(item) != 1 for item in items)
    found = [] if alone else [len(item) for item in items]
    if alone or len(found) != len(sizes):
        seen = "single values" if alone else f"{len(found)} arrays"
        raise InputError(
            f"X is a list of {len(sizes)} recordings, but {name} holds {seen}. Pass a "
            f"list with one 1-D array per recording, one value per row."
        )
    for k, (n, expected) in enumerate(zip(found, sizes, strict=True)):
        if n != expected:
            raise InputError(
                f"Item {k} of {name} has {n} values, but item {k} of X has {expected} "
                "rows: pass one value per row."
            )
    return np.concatenate([np.asarray(item) for item in items])


def _labels(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (n,) and a mask of those that are not missing."""
    shape = np.asarray(y).shape
    if len(shape) == 2 and shape[1] > 1:
        raise InputError(
            f"y has shape {shape}; expected one label per row, (n_rows,). Fit one "
            "tagger per column of y."
        )
    y = column_or_1d(y, warn=True)
    known = ~np.asarray(pd.isna(y))
    if y.dtype.kind == "f" and np.isinf(y).any():
        raise InputError("Input y contains infinity or a value too large.")
    if y.dtype == object and not known.all() and known.any():
        first = y[known.argmax()]
        if not isinstance(first, str):  # pandas' nullable integers
            values = np.asarray(y[known].tolist())
            y = np.full(len(y), values[0], dtype=values.dtype)
            y[known] = values
    if known.any():
        refuse_mixed(y[known])
        check_classification_targets(y[known])
    return y, known


def _refuse_two_labels(now: np.ndarray, given: np.ndarray, rows: np.ndarray) -> None:
    """Refuse different labels of the same row, given twice."""
    differs = now != given
    if differs.any():
        at = int(differs.argmax())
        raise InputError(
            f"Row {rows[at]} of X is given twice, with the labels {given[at]!r} and "
            f"{now[at]!r}. Drop one of them, or name the column that tells them apart "
            "with groups=."
        )
