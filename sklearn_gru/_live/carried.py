"""Series followed by an estimator alone: the state of each is carried from row to row.

The answer is that of the whole series so far, and a row costs the same however many
came before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, KeysView, Sequence
from typing import Any

import numpy as np

from sklearn_gru._engines.stepping import make_stepper, versions_of, why_not_stepwise
from sklearn_gru._estimators.tagger import GRUTagger
from sklearn_gru._live.answers import Answers
from sklearn_gru._live.labels import (
    check_as_many,
    different_labels,
    read_labels,
    write_labels,
)
from sklearn_gru._live.rows import RowReader, codes_of
from sklearn_gru._model.stepping import INFINITE, States
from sklearn_gru.exceptions import InputError, StreamError

INFINITE_ROW = (
    "The row holds infinity; expected numbers, with NaN for a missing one. Nothing was "
    "appended."
)
CHANGED = (
    "The model has changed since the stream took its weights (fit or partial_fit?). "
    "Call stream.refresh()."
)


def why_not_carried(estimator: Any) -> str | None:
    """Return why a fitted estimator cannot go on from a state by one row, or None."""
    return why_not_stepwise(estimator.net_.module_.spec)


class CarriedStates:
    """The series of an estimator alone; see :class:`sklearn_gru._live.feed.Feed`."""

    def __init__(self, estimator: Any, method: str) -> None:
        reason = why_not_carried(estimator)
        if reason is None and estimator._fitted.encoder.schema.ndim == 2:
            reason = "it was fitted on 2-D rows, each of which is a whole series"
        if reason is not None:
            advice = (
                "Put a SlidingWindow in front and stream the pipeline, which runs the "
                "window of each row again, or fit without it."
            )
            if isinstance(estimator, GRUTagger):
                advice = "Fit with bidirectional=False."
            raise StreamError(
                f"A stream of this {type(estimator).__name__} alone is not possible: "
                f"{reason}. {advice}"
            )
        self._estimator = estimator
        self._method = method
        self._index: dict[Hashable, int] = {}
        self._free: list[int] = []
        self._seen: tuple[Any, np.ndarray] = ((), np.zeros(0, dtype=np.int64))
        self._open()

    def _open(self) -> None:
        """Take over the weights and the encoding of the estimator."""
        estimator = self._estimator
        encoder, dtype = estimator._fitted.encoder, estimator._fitted.dtype
        schema, transform = encoder.schema, encoder.standardizer.transform
        self._answers = Answers(estimator, self._method)
        self._stepper = make_stepper(
            estimator.nets_,
            estimator._fitted.linear,
            self._answers.scales,
            lambda rows: transform(rows, dtype),
        )
        n = schema.n_features
        codes = codes_of(encoder.categories.categories, n)
        owner = type(estimator).__name__
        self._reader = RowReader(owner, schema.feature_names, n, range(n), codes)
        self._versions = versions_of(estimator.nets_)
        self._step = self._stepper.step
        self._row, self._out = self._stepper.row, self._stepper.out
        #: Append a row; return the answer for the series so far.
        self.update: Callable[[Any, Hashable, Any], Any] = self._update
        if self._reader.is_plain and self._answers.is_direct:
            self.update = self._quick_update()

    def _update(self, row: Any, key: Hashable, time: Any) -> Any:
        """Append a row of any kind; return the answer for the series so far."""
        index = self._index.get(key)
        if index is None:
            index = self._add(key)
        if time is not None:
            raise no_time()
        self._reader.read(row, self._row)
        found = self._step(index, 0)
        if found == INFINITE:
            raise InputError(INFINITE_ROW)
        return self._answers.one(self._out, found)

    def _quick_update(self) -> Callable[[Any, Hashable, Any], Any]:
        """Return `_update` with a short way for the usual row and answer.

        It takes as long as the step, so nothing is looked up in it but its names.
        """
        known, step, into, out = self._index.get, self._step, self._row, self._out
        shape, array = into.shape, np.ndarray

        def update(row: Any, key: Hashable, time: Any) -> Any:
            if type(row) is array and row.shape == shape and time is None:
                index = known(key)
                if index is not None:
                    into[:] = row
                    if step(index, 0) > 0:
                        return out[0]
            # A row that was not read has changed nothing, and may be read again.
            return self._update(row, key, time)

        return update

    def update_many(
        self, rows: Any, keys: Sequence[Hashable] | None, times: Any
    ) -> np.ndarray:
        """Append one row to each of several series, or several rows to the only one."""
        if times is not None:
            raise no_time()
        self._check_unchanged()
        values = self._values(rows)
        if keys is None:
            return self._follow(values, None)
        index = self._indices(keys, len(values))
        out, found = self._stepper.step_many(index, index, values)
        if len(found) and found[0] == INFINITE:
            raise InputError(INFINITE_ROW)
        return self._answers.many(out, found)

    def predict(self, row: Any, key: Hashable, time: Any) -> Any:
        """Return the answer for the series so far, or with one more row."""
        self._check_unchanged()
        if row is None and key not in self._index:
            raise no_rows(key)
        is_new = key not in self._index
        index = self._add(key) if is_new else self._index[key]
        before = self._stepper.saved(np.array([index]))
        try:
            # A row without any value changes no state.
            values = np.full(len(self._row), np.nan) if row is None else row
            return self.update(values, key, time)
        finally:
            self._stepper.put_back(np.array([index]), before)
            if is_new:
                self.forget(key)

    def warm(self, X: Any, key: Hashable) -> None:
        """Append many rows of one series."""
        self._check_unchanged()
        self._follow(self._values(X), key)

    def forget(self, key: Hashable) -> None:
        """Drop a series."""
        index = self._index.pop(key)
        self._free.append(index)
        self._seen = ((), self._seen[1])

    def reset(self) -> None:
        """Drop all series."""
        for key in list(self._index):
            self.forget(key)

    def refresh(self) -> None:
        """Take over the weights; states of other weights are dropped."""
        self.reset()
        self._free.clear()
        self._open()

    def keys(self) -> KeysView[Hashable]:
        """Return the keys of the series."""
        return self._index.keys()

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the state of every series."""
        index = np.array(list(self._index.values()), dtype=np.int64)
        states = self._stepper.saved(index)
        found = {
            "model": np.array(self._fingerprint()),
            "keys": write_labels(self._index),
            "states": states.tables,
            "counts": states.counts,
        }
        if states.latest is not None:
            found["latest"] = states.latest
        return found

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over a snapshot of the same model."""
        if str(state["model"]) != self._fingerprint():
            raise StreamError(
                "The state belongs to another model, or to the same one before it was "
                "trained on. States can only be carried by the weights they come from."
            )
        self.reset()
        index = [self._add(key) for key in read_labels(state["keys"])]
        states = States(state["states"], state["counts"], state.get("latest"))
        self._stepper.put_back(np.array(index, dtype=np.int64), states)

    # -- inside -----------------------------------------------------------------------

    def _add(self, key: Hashable) -> int:
        """Begin a series; return its index."""
        index = self._free.pop() if self._free else len(self._index)
        self._stepper.reserve(index + 1)
        self._stepper.clear(index)
        self._index[key] = index
        return index

    def _indices(self, keys: Sequence[Hashable], n: int) -> np.ndarray:
        """Return the index of each key; those of the same tuple are remembered."""
        if keys is self._seen[0] and len(keys):
            return self._checked(self._seen[1], n)
        labels = different_labels(keys)
        known = self._index
        found = [known[k] if k in known else self._add(k) for k in labels]
        index = self._checked(np.array(found, dtype=np.int64), n)
        if isinstance(keys, tuple):
            self._seen = keys, index
        return index

    @staticmethod
    def _checked(index: np.ndarray, n: int) -> np.ndarray:
        check_as_many(n, len(index))
        return index

    def _values(self, rows: Any) -> np.ndarray:
        """Return rows as a C-ordered array (n, n_features) of float64."""
        if self._reader.is_plain and isinstance(rows, np.ndarray):
            width = rows.shape[1] if rows.ndim == 2 else None
            if width == len(self._row):
                return np.ascontiguousarray(rows, dtype=np.float64)
        encoder = self._estimator._fitted.encoder
        return np.ascontiguousarray(encoder.read([rows]).values, dtype=np.float64)

    def _follow(self, values: np.ndarray, key: Hashable) -> np.ndarray:
        """Append all rows to one series; return the answers."""
        if np.isinf(values).any():
            raise InputError(INFINITE_ROW)
        index = self._index[key] if key in self._index else self._add(key)
        out = np.empty((len(values), len(self._out)))
        found = np.empty(len(values), dtype=np.int64)
        for k, row in enumerate(values):
            self._row[:] = row
            found[k] = self._step(index, 0)
            out[k] = self._out
        return self._answers.many(out, found)

    def _check_unchanged(self) -> None:
        if versions_of(self._estimator.nets_) != self._versions:
            raise StreamError(CHANGED)

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr(self._estimator.net_.module_.spec).encode())
        for module in self._estimator.modules_:
            for parameter in module.parameters():
                digest.update(parameter.detach().cpu().numpy().tobytes())
        scales, linear = self._answers.scales, self._estimator._fitted.linear
        if linear is not None:
            digest.update(linear.coef.tobytes() + linear.intercept.tobytes())
        for part in (scales.mean, scales.scale, scales.marked, scales.embedded):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()


def no_time() -> InputError:
    """Return the error of a time that nothing reads."""
    return InputError(
        "time= was given, but an estimator alone reads its rows in the order in which "
        "they come. Leave it out, or stream a pipeline with a SlidingWindow."
    )


def no_rows(key: Hashable) -> StreamError:
    """Return the error of a series that nothing can be predicted for."""
    whose = "" if key is None or key == () else f" for key {key!r}"
    return StreamError(
        f"The stream has no row yet{whose}: there is nothing to predict from. Call "
        "stream.update(row)."
    )
