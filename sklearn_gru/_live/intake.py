"""Rows of X as a pipeline with a window reads them, one or many at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_gru._live.before import Before
from sklearn_gru._live.clock import Clock
from sklearn_gru._live.rows import RowReader, codes_of, unpack
from sklearn_gru._tables.frames import as_frame, as_list
from sklearn_gru._tables.keys import NO_GROUP
from sklearn_gru._windows.sliding_window import SlidingWindow
from sklearn_gru.exceptions import InputError, StreamError, TimeIndexError


class Parts(NamedTuple):
    """A fitted pipeline, cut at its window."""

    before: Before | None
    window: SlidingWindow
    after: Any  # the estimator, or a pipeline of what follows


def cut(pipeline: Pipeline) -> Parts:
    """Return the parts of a pipeline with one window."""
    check_is_fitted(pipeline)
    steps = [s for _, s in pipeline.steps if s is not None and s != "passthrough"]
    places = [k for k, step in enumerate(steps) if isinstance(step, SlidingWindow)]
    if len(places) != 1 or places[0] == len(steps) - 1:
        raise StreamError(
            f"A stream needs a Pipeline with one SlidingWindow and an estimator behind "
            f"it, but this one has the steps {[type(s).__name__ for s in steps]}. "
            "Stream an estimator of whole sequences alone."
        )
    (at,) = places
    if steps[at].add_elapsed:
        raise StreamError(
            f"SlidingWindow(add_elapsed={steps[at].add_elapsed!r}) appends columns, "
            "which a stream does not keep up to date. Add the new rows by partial_fit, "
            "then call predict of the pipeline, or fit without add_elapsed."
        )
    after = steps[at + 1 :]
    return Parts(
        Before(steps[:at]) if at else None,
        steps[at],
        after[0] if len(after) == 1 else make_pipeline(*after),
    )


class Row(NamedTuple):
    """A row of a table: its series, its time as a number, and its features."""

    key: Hashable
    time: Any
    values: np.ndarray


class Intake:
    """Reader of rows that belong to a fitted pipeline.

    The key of a row is the label of its group, or None if there are no groups; its time
    is a number in the unit of the axis, or None if rows carry none.

    Parameters
    ----------
    before : Before or None
        The steps in front of the window.
    window : SlidingWindow
        The window.
    categories : tuple or None
        Categories of the features in the order of their codes.
    clock : Clock
        The time axis of the window.
    into : float64 array (n_features,)
        Where `read` writes the features of a row.
    """

    def __init__(
        self,
        before: Before | None,
        window: SlidingWindow,
        categories: Any,
        clock: Clock,
        into: np.ndarray,
    ) -> None:
        self._before, self._window, self._clock = before, window, clock
        self._into, self._shape = into, into.shape
        columns, n_columns = window._columns, window.n_features_in_
        names = getattr(window, "feature_names_in_", None)
        every = list(range(n_columns) if names is None else names) + columns.levels
        groups = as_list(window.groups)
        parts = {
            k: groups.index(every[j])
            for k, j in enumerate(columns.positions)
            if every[j] in groups
        }
        n = len(columns.positions)
        codes = codes_of(categories, n)
        self._reader = RowReader(
            "the window", names, n_columns, columns.positions, codes, parts
        )
        own = every[:n_columns]
        self._group_columns = [g for g in groups if g in own]
        self._time_column = window.time if window.time in own else None
        labels = window._fitted.groups
        self._group = None if labels in ([], [NO_GROUP]) else labels[0]
        self._fold(is_whole=self._reader.is_plain and not parts)

    def _fold(self, *, is_whole: bool) -> None:
        """Choose between folded steps, which read rows of X, and called ones."""
        self._first, self._operations = self._reader, []
        before = self._before
        if before is not None and before.operations is not None and is_whole:
            n = before.n_columns
            self._operations = before.operations
            self._first = RowReader(
                "the pipeline", before.names, n, range(n), codes_of(None, n)
            )
        self._calls = before is not None and not self._operations
        self._is_quick = is_whole and not self._calls

    def read(self, row: Any, key: Hashable, time: Any) -> tuple[Hashable, Any]:
        """Write the features of a row; return its key and time."""
        if self._is_quick and type(row) is np.ndarray and row.shape == self._shape:
            self._into[:] = row
            if key is None and self._group is not None:
                raise self._no_key()
        elif (key is None or time is None) and as_frame(row) is not None:
            return self._read_frame(row, key, time)
        else:
            key, time = self._read_cells(row, key, time)
        for operation in self._operations:
            operation(self._into)
        return key, (None if time is None else self._clock.number(time))

    def _read_cells(self, row: Any, key: Hashable, time: Any) -> tuple[Hashable, Any]:
        """Write the features of any row; return its key, and its time as given."""
        given = unpack(row)
        cells = given.cells
        if self._calls:
            assert self._before is not None
            cells = unpack(self._before.transform_cells(cells)).cells
        if key is None and self._group is not None:
            key = self._key_in(cells)
        if time is None and self._time_column is not None:
            time = self._cell(cells, self._time_column)
        elif time is None and self._clock.keeps_time:
            time = None if isinstance(given.label, tuple) else given.label
        self._first.read(cells, self._into, key)
        return key, time

    def _read_frame(self, row: Any, key: Hashable, time: Any) -> tuple[Hashable, Any]:
        """Write the features of a frame of one row, which holds its own keys."""
        table = list(self.read_table(row))
        if len(table) != 1:
            raise InputError(
                f"A row is expected, but this frame has {len(table)}. Pass several "
                "rows to update_many or warm."
            )
        (found,) = table
        self._into[:] = found.values
        given = found.time if time is None else self._clock.number(time)
        return (found.key if key is None else key), given

    def read_table(self, X: Any) -> Iterator[Row]:
        """Yield the rows of X in their order, read as the pipeline reads X."""
        if self._before is not None:
            X = self._before.transform(X)
        values, keys, columns = self._window._read_new(X)
        values = self.recoded(values, columns.categories)
        if keys is None:
            for row in values:
                yield Row(None, None, row)
            return
        timed = keys.axis.kind != "row"
        for code, time, row in zip(keys.codes, keys.time, values, strict=True):
            label = keys.labels[code]
            key = None if label == NO_GROUP else label
            yield Row(key, time.item() if timed else None, row)

    def recoded(self, values: np.ndarray, carried: Any) -> np.ndarray:
        """Return rows of a window in float64 and in the codes of the stream."""
        values = np.array(values, dtype=np.float64)
        for j, codes in enumerate(self._reader.codes):
            if codes is None or carried is None or carried[j] is None:
                continue
            new = np.array(
                [codes.get(value, np.nan) for value in carried[j]] + [np.nan]
            )
            at = np.where(np.isnan(values[:, j]), len(new) - 1, values[:, j])
            values[:, j] = new[at.astype(np.int64)]
        return values

    def _key_in(self, cells: Any) -> Hashable:
        """Return the key that a row holds in its columns."""
        found = tuple(self._cell(cells, column) for column in self._group_columns)
        if not found or any(part is None for part in found):
            raise self._no_key()
        return found[0] if len(found) == 1 else found

    def _cell(self, cells: Any, column: Any) -> Any:
        """Return the cell of a key column, or None if the row does not hold it."""
        if isinstance(cells, (Mapping, pd.Series)):
            return cells.get(column)
        if len(cells) != self._reader.n_columns:
            return None  # an array of the features alone
        names = self._reader.columns
        return cells[column if names is None else names.index(column)]

    def _no_key(self) -> TimeIndexError:
        return TimeIndexError(
            f"The window was fitted on groups, such as {self._group!r}: pass the group "
            "of the row, stream.update(row, key=...)."
        )
