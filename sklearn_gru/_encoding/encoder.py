"""The encoder: from any accepted X to the arrays that an engine reads.

The first fit learns it (categories by value, moments, levels) and freezes it. Later
fits, predictions, hidden states, streams and exports read X through the same object.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_gru._encoding.categories import CategoryTable
from sklearn_gru._encoding.differences import Differences
from sklearn_gru._encoding.normalizations import Normalizer
from sklearn_gru._encoding.schema import InputSchema
from sklearn_gru._encoding.seen_range import SeenRange
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.standardizer import Begin, Standardizer
from sklearn_gru._encoding.targets import TrainingData
from sklearn_gru._model.encoded import Encoded
from sklearn_gru.exceptions import InputError


@dataclass(frozen=True, eq=False)
class Encoder:
    """Everything that the first fit learned about X.

    Attributes
    ----------
    schema : InputSchema
        Dimensions, names and categorical features.
    categories : CategoryTable
        Values of the categorical features.
    standardizer : Standardizer
        Moments of the numeric features.
    normalizer : Normalizer or None
        Levels of individual sequences.
    differences : Differences or None
        Differences of the numeric features, which come first in the rows.
    segment_length : int
        Number of steps that the network reads together.
    keeps_gaps : bool
        Whether a step without any value keeps its place among the others.
    marks_observed : bool
        Whether the network needs to know which steps hold a value.
    seen : SeenRange or None
        Range of the features in all fits; None if every sequence is normalized.
    """

    schema: InputSchema
    categories: CategoryTable
    standardizer: Standardizer
    normalizer: Normalizer | None
    differences: Differences | None
    segment_length: int
    keeps_gaps: bool
    marks_observed: bool
    seen: SeenRange | None = None

    @classmethod
    def learn(
        cls,
        schema: InputSchema,
        sequences: Sequences,
        weights: np.ndarray | None,
        *,
        standardize: bool,
        normalization: str | None,
        add_differences: bool,
        precision: float,
        segment_length: int,
        convolves: bool,
    ) -> Encoder:
        """Learn categories and weighted moments of a training set."""
        categories = CategoryTable.learn(sequences, schema.is_categorical)
        standardizer = Standardizer.fit(
            sequences,
            weights,
            identity=not standardize,
            embedded=categories.columns,
        )
        normalizer = None
        if normalization is not None:
            normalizer = Normalizer(normalization, standardizer, precision)
        differences = None
        numeric = np.delete(np.arange(len(standardizer.mean)), categories.columns)
        if add_differences and len(numeric):
            scales = None
            if normalizer is not None:
                _, scales = normalizer.inputs(sequences, np.dtype(np.float64))
            differences = Differences.fit(
                sequences,
                weights,
                numeric,
                standardizer.scale[numeric],
                scales,
                identity=not standardize,
            )
        return cls(
            schema,
            categories,
            standardizer,
            normalizer,
            differences,
            segment_length,
            segment_length > 1 or convolves,
            convolves,
        )

    def at_precision(self, precision: float) -> Encoder:
        """Return the encoder for a network of another relative precision."""
        if self.normalizer is None:
            return self
        return replace(self, normalizer=replace(self.normalizer, precision=precision))

    @property
    def n_dense(self) -> int:
        """Number of encoded columns that are not indices of categories."""
        n_inputs = self.n_differences + self.standardizer.n_inputs
        return n_inputs - len(self.categories.sizes)

    @property
    def n_differences(self) -> int:
        """Number of encoded columns with differences of features; they come first."""
        return 0 if self.differences is None else len(self.differences.columns)

    def read(self, X: Any) -> Sequences:
        """Return X as sequences, with categories in the codes of fit."""
        return self.categories.encode(self.schema.check(X))

    def having_seen(self, sequences: Sequences) -> Encoder:
        """Return the encoder that also knows the range of these training sequences."""
        if self.normalizer is not None:
            return self
        seen = SeenRange.of(sequences, self.categories.columns, self.seen)
        return replace(self, seen=seen)

    def warn_unseen(self, sequences: Sequences) -> None:
        """Warn about condensed sequences far outside the range of the training data."""
        if self.seen is not None:
            self.seen.warn_outside(sequences)

    def condense(self, given: Sequences) -> Sequences:
        """Return the sequences without the steps that the network does not read."""
        return given.without_gaps(interior=not self.keeps_gaps)

    def recode(self, data: TrainingData) -> TrainingData:
        """Return training data in the codes of fit, without sequences left empty."""
        sequences = self.categories.encode(data.sequences)
        if sequences is data.sequences:
            return data
        sequences = self.condense(sequences)
        some = sequences.lengths > 0
        if not some.any():
            raise InputError(
                f"None of the {len(some)} sequences holds a number or a category that "
                "fit has seen: there is nothing to learn from."
            )
        return data._replace(sequences=sequences).select(some)

    def rows(
        self,
        sequences: Sequences,
        dtype: np.dtype,
        *,
        overwrite: bool = False,
        begin: Begin | None = None,
    ) -> np.ndarray:
        """Return the standardized rows, after absent rows that pad a first segment.

        `overwrite` tells that nothing else holds the values of these sequences. `begin`
        may standardize the first rows, as in :meth:`Standardizer.transform`.
        """
        values, keep_missing = sequences.values, self.normalizer is not None
        n = self.n_differences
        out = None
        if overwrite and values.dtype == dtype and self._keeps_shape():
            out = values.view()
            out.flags.writeable = True
        rows = self.standardizer.transform(
            values, dtype, keep_missing=keep_missing, n_before=n, out=out, begin=begin
        )
        if self.differences is not None:
            self.differences.write(values, rows[:, :n], keep_missing=keep_missing)
        absent = self.segment_length - 1
        return np.pad(rows, ((absent, 0), (0, 0))) if absent else rows

    def _keeps_shape(self) -> bool:
        """Tell whether encoded rows are as wide as the values, which nothing reads."""
        reads = self.normalizer is not None or self.marks_observed
        added = len(self.standardizer.marked) or self.n_differences
        return not (reads or added)

    def encode(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        target: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> Encoded:
        """Return condensed sequences and the encoded rows they refer to."""
        absent = self.segment_length - 1
        levels = leading = observed = None
        if self.normalizer is not None:
            levels = self.normalizer.inputs(sequences, rows.dtype)
        if self.differences is not None:
            leading = self.differences.leading(sequences)
            if levels is not None:
                levels = self.differences.levels(*levels)
        if self.marks_observed:
            observed = np.pad(sequences.observed_rows(), (absent, 0))
        starts = np.ascontiguousarray(sequences.starts)
        return Encoded(
            rows,
            starts + absent if absent else starts,
            np.ascontiguousarray(sequences.lengths),
            levels,
            leading,
            self.segment_length,
            observed,
            target,
            weight,
        )
