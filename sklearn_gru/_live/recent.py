"""Series followed by a detector alone: its recent rows, judged again with each new one.

The score of a row reads no more steps than the sequences of fit have, so a series is
the rows that a score can still reach, and the detector scores them like any sequence.
No state is carried: the forecaster may be any regressor, and it begins anew each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, KeysView, Sequence
from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.outliers import GRUOutlierDetector
from sklearn_gru._live.answers import weights_of
from sklearn_gru._live.carried import CHANGED, INFINITE_ROW, no_rows, no_time
from sklearn_gru._live.labels import (
    check_as_many,
    different_labels,
    read_labels,
    write_labels,
)
from sklearn_gru._live.rows import RowReader, codes_of
from sklearn_gru.exceptions import InputError, StreamError


class RecentRows:
    """The series of a detector alone; see :class:`sklearn_gru._live.feed.Feed`."""

    def __init__(self, detector: GRUOutlierDetector, method: str) -> None:
        if detector._schema.ndim == 2:
            raise StreamError(
                "A stream of this GRUOutlierDetector alone is not possible: it was "
                "fitted on 2-D rows, each of which is a whole series. Put a "
                "SlidingWindow in front and stream the pipeline."
            )
        self._detector = detector
        self._method = method
        self._open()

    def _open(self) -> None:
        """Take over the features and the reach of a score."""
        detector, schema = self._detector, self._detector._schema
        context = detector._errors.context
        self._reach = context.size + context.horizon + int(detector.smoothing) - 1
        self._categories = self._categories_of_fit()
        n = schema.n_features
        names, codes = schema.feature_names, codes_of(self._categories, n)
        owner = type(detector).__name__
        self._reader = RowReader(owner, names, n, range(n), codes)
        self._names = None if names is None else tuple(names)
        self._rows: dict[Hashable, np.ndarray] = {}
        self._versions = self._weights()

    def _categories_of_fit(self) -> Any:
        """Return the categories of each feature that has some, or None."""
        if self._detector._schema.is_categorical is None:
            return None
        regressor = self._detector.regressor_
        if isinstance(regressor, BaseGRU):
            return regressor._fitted.encoder.categories.categories
        raise StreamError(
            f"The features of this detector hold categories, whose codes a "
            f"{type(regressor).__name__} does not keep. Put a SlidingWindow in front "
            "and stream the pipeline."
        )

    def update(self, row: Any, key: Hashable, time: Any) -> Any:
        """Append a row; return the answer for the series so far."""
        rows = self._with(row, key, time)
        answer = self._judge([rows])[0]
        self._rows[key] = rows
        return answer

    def update_many(
        self, rows: Any, keys: Sequence[Hashable] | None, times: Any
    ) -> np.ndarray:
        """Append one row to each of several series, or several rows to the only one."""
        values = self._values(rows, times)
        if keys is None:
            return self._follow(values)
        labels = different_labels(keys)
        check_as_many(len(values), len(labels))
        grown = [
            self._extended(key, row[None])
            for key, row in zip(labels, values, strict=True)
        ]
        answers = self._judge(grown)
        self._rows.update(zip(labels, grown, strict=True))
        return answers

    def _follow(self, values: np.ndarray) -> np.ndarray:
        """Append all rows to the series without a key; return the answers."""
        before = self._rows.get(None, values[:0])
        rows = np.concatenate([before, values])
        ends = range(len(before) + 1, len(rows) + 1)
        answers = self._judge([rows[max(0, end - self._reach) : end] for end in ends])
        self._rows[None] = rows[-self._reach :]
        return answers

    def predict(self, row: Any, key: Hashable, time: Any) -> Any:
        """Return the answer for the series so far, or with one more row."""
        if row is not None:
            return self._judge([self._with(row, key, time)])[0]
        if key not in self._rows:
            raise no_rows(key)
        return self._judge([self._rows[key]])[0]

    def warm(self, X: Any, key: Hashable) -> None:
        """Append many rows of one series."""
        self._rows[key] = self._extended(key, self._values(X, None))

    def forget(self, key: Hashable) -> None:
        """Drop a series."""
        del self._rows[key]

    def reset(self) -> None:
        """Drop all series."""
        self._rows.clear()

    def refresh(self) -> None:
        """Take over the model; rows do not depend on weights, but on the features."""
        kept, before = self._rows, self._fingerprint()
        self._open()
        if self._fingerprint() != before:
            raise StreamError(
                "The detector has other features than before: make a new Stream."
            )
        self._rows = {key: rows[-self._reach :] for key, rows in kept.items()}

    def keys(self) -> KeysView[Hashable]:
        """Return the keys of the series."""
        return self._rows.keys()

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the recent rows of every series."""
        each = list(self._rows.values())
        return {
            "model": np.array(self._fingerprint()),
            "keys": write_labels(self._rows),
            "lengths": np.array([len(rows) for rows in each], dtype=np.int64),
            "rows": np.concatenate([np.empty((0, self._reader.n_columns)), *each]),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over a snapshot of a detector of the same features."""
        if str(state["model"]) != self._fingerprint():
            raise StreamError(
                "The state belongs to a detector of other features: start a new "
                "stream, and append its recent rows by stream.warm(rows)."
            )
        parts = np.split(state["rows"], np.cumsum(state["lengths"])[:-1])
        keys = read_labels(state["keys"])
        self._rows = {
            key: np.asarray(rows, dtype=np.float64)[-self._reach :]
            for key, rows in zip(keys, parts, strict=False)  # no series: one empty part
        }

    # -- inside -----------------------------------------------------------------------

    def _with(self, row: Any, key: Hashable, time: Any) -> np.ndarray:
        """Return the recent rows of a series and one more."""
        if time is not None:
            raise no_time()
        new = np.empty((1, self._reader.n_columns))
        self._reader.read(row, new[0])
        return self._extended(key, new)

    def _extended(self, key: Hashable, new: np.ndarray) -> np.ndarray:
        """Return the recent rows of a series and more of them."""
        if np.isinf(new).any():
            raise InputError(INFINITE_ROW)
        before = self._rows.get(key)
        rows = new if before is None else np.concatenate([before, new])
        return rows[-self._reach :]

    def _values(self, rows: Any, times: Any) -> np.ndarray:
        """Return rows as an array (n, n_features) of float64."""
        if times is not None:
            raise no_time()
        table = rows.iloc if hasattr(rows, "iloc") else rows
        values = np.empty((len(rows), self._reader.n_columns))
        for k in range(len(rows)):
            self._reader.read(table[k], values[k])
        if np.isinf(values).any():
            raise InputError(INFINITE_ROW)
        return values

    def _judge(self, each: list[np.ndarray]) -> np.ndarray:
        """Return the answers for several series in one call."""
        self._check_unchanged()
        lengths = np.array([len(rows) for rows in each], dtype=np.int64)
        sequences = Sequences(
            np.concatenate([np.empty((0, self._reader.n_columns)), *each]),
            np.cumsum(lengths) - lengths,
            lengths,
            feature_names=self._names,
            categories=self._categories,
        )
        answers: np.ndarray = getattr(self._detector, self._method)(sequences)
        return answers

    def _check_unchanged(self) -> None:
        if self._weights() != self._versions:
            raise StreamError(CHANGED)

    def _weights(self) -> Any:
        return weights_of(self._detector), id(self._detector._errors)

    def _fingerprint(self) -> str:
        """Return what the rows depend on; the weights do not count."""
        about = repr((self._names, self._reader.n_columns, self._categories))
        return hashlib.sha256(about.encode()).hexdigest()
