"""Rows to recordings: X of an estimator that answers every row.

A window looks the rows up that lead to one row; a recording is all rows of a group in
order of time, and every one of them gets an answer. Times and groups are read as
:class:`~sklearn_gru.SlidingWindow` reads them. A list has one recording per item.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_gru._encoding.layouts import (
    FLOATS,
    Array3D,
    Described,
    Ragged,
    layout_of,
)
from sklearn_gru._encoding.schema import InputSchema
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._tables.axis import Axis, Keys
from sklearn_gru._tables.columns import Columns
from sklearn_gru._tables.frames import as_frame, as_list
from sklearn_gru._tables.keys import read_keys
from sklearn_gru._windows.row_checks import warn_unread_dates
from sklearn_gru._windows.timeline import Reach, Rows, merge
from sklearn_gru.exceptions import InputError, TimeIndexError


class Recordings(NamedTuple):
    """Recordings, and where the rows of X are in them.

    Attributes
    ----------
    sequences : Sequences
        One per recording, over rows in order of recording and time.
    place : ndarray of shape (n_rows_given,)
        Row of `sequences.values` that each row of X is.
    sizes : ndarray or None
        Number of rows of each item of a list; None for a table.
    """

    sequences: Sequences
    place: np.ndarray
    sizes: np.ndarray | None


@dataclass(frozen=True, eq=False)
class RecordingReader:
    """Reader of recordings, which the first X teaches its columns.

    Attributes
    ----------
    owner : str
        Name of the estimator, for messages.
    groups, time, categorical_features : object
        The parameters of these names.
    features : InputSchema or None
        Features of a row, without keys.
    table : InputSchema or None
        Columns of a table, with keys; None before learning and for a list.
    columns : Columns or None
        Which columns of a table are features.
    axis : Axis or None
        Kind of time of a table.
    """

    owner: str
    groups: Any = None
    time: Any = None
    categorical_features: Any = "from_dtype"
    features: InputSchema | None = None
    table: InputSchema | None = None
    columns: Columns | None = None
    axis: Axis | None = None

    @property
    def seen(self) -> InputSchema:
        """Schema of the columns of X as it was given."""
        known = self.features if self.table is None else self.table
        assert known is not None
        return known

    def read(self, X: Any) -> tuple[RecordingReader, Recordings]:
        """Learn from the first X, and check each later one."""
        return self.learn(X) if self.features is None else (self, self.check(X))

    def learn(self, X: Any) -> tuple[RecordingReader, Recordings]:
        """Return the reader of X and later ones, and X as recordings."""
        if _is_list(X, self.owner):
            self._refuse_keys_of_list()
            schema = InputSchema(self.owner, 1, self.categorical_features)
            schema, sequences = schema.learn(X)
            return replace(self, features=schema), _of_list(sequences)
        schema = InputSchema(self.owner)
        table, schema, keys = self._read_table(X, schema)
        columns = self._find_columns(table, keys)
        sequences, place = self._recordings(table, columns, keys)
        features, sequences = InputSchema(self.owner).learn(sequences)
        axis = None if keys is None else keys.axis
        learned = replace(
            self, features=features, table=schema, columns=columns, axis=axis
        )
        return learned, Recordings(sequences, place, None)

    def check(self, X: Any) -> Recordings:
        """Return a later X as recordings, after checking that it matches."""
        assert self.features is not None
        if _is_list(X, self.owner):
            self._refuse_keys_of_list()
            return _of_list(self.features.check(X))
        table, _, keys = self._read_table(X, self.table or InputSchema(self.owner))
        if self.axis is not None:
            self._check_axis(table, keys)
        columns = self.columns or self._find_columns(table, keys)
        sequences, place = self._recordings(table, columns, keys)
        return Recordings(self.features.check(sequences), place, None)

    # -- tables -----------------------------------------------------------------------

    def _read_table(
        self, X: Any, schema: InputSchema
    ) -> tuple[Any, InputSchema, Keys | None]:
        """Return a frame or array, the schema of its columns, and its keys."""
        frame = as_frame(X)
        if frame is not None:
            _, seen = schema.validated(X, skip_check_array=True)
            keys = read_keys(frame, self.time, self.groups)
            if keys is None and schema.learns:
                warn_unread_dates(frame.index)
            if not len(frame):
                raise InputError("Found array with 0 sample(s): X has no rows.")
            table: Any = frame
        else:
            table, seen = schema.validated(
                X, dtype=FLOATS, ensure_all_finite="allow-nan"
            )
            keys = None
            if self.time is not None or as_list(self.groups):
                named = pd.DataFrame(table)
                keys = read_keys(named, self.time, self.groups, from_array=True)
        if schema.learns:
            schema = replace(
                schema, ndim=2, n_features=seen.n_features, feature_names=seen[1]
            )
        return table, schema, keys

    def _find_columns(self, table: Any, keys: Keys | None) -> Columns:
        named = self.categorical_features
        from_dtype = isinstance(named, str) and named == "from_dtype"
        return Columns.find(
            table,
            [] if keys is None else keys.columns,
            categorical=None if from_dtype else named,
            groups=self.groups,
            time=self.time,
        )

    def _recordings(
        self, table: Any, columns: Columns, keys: Keys | None
    ) -> tuple[Sequences, np.ndarray]:
        """Return one sequence per group, and the place of each row in their rows."""
        values, columns = columns.read(table)
        is_frame = isinstance(table, pd.DataFrame)
        about: dict[str, Any] = {
            "feature_names": tuple(columns.names) if is_frame else None,
            "categories": columns.categories,
        }
        n = len(values)
        if keys is None:
            whole = Sequences(values, np.zeros(1, dtype=int), np.array([n]), **about)
            return whole, np.arange(n)
        line = merge(
            None,
            Rows(keys.codes, keys.time, keys.time, values),
            Reach(1, 0),
            regular=False,
            axis=keys.axis,
            labels=keys.labels,
        )
        starts = np.flatnonzero(line.new_group)
        lengths = np.diff(starts, append=len(line.new_group))
        return Sequences(line.rows.values, starts, lengths, **about), line.place

    def _check_axis(self, table: Any, keys: Keys | None) -> None:
        assert self.axis is not None
        if keys is not None:
            self.axis.check_same(keys.axis)
        elif self.axis.kind not in ("row", "integer"):
            raise TimeIndexError(
                f"X has no time, but the rows seen in fit carried "
                f"{self.axis.describe()}. Give a DataFrame (after a scaler: "
                "set_output(transform='pandas'))."
            )

    def _refuse_keys_of_list(self) -> None:
        if self.time is not None or as_list(self.groups):
            raise InputError(
                "groups= and time= name columns of a table, but X is a list, whose "
                "items are recordings with their rows in order. Leave out groups= and "
                "time=, or pass one table."
            )


def _is_list(X: Any, owner: str) -> bool:
    """Return whether X is a list of recordings; refuse what is not one or a table."""
    layout = layout_of(X)
    if isinstance(layout, Described):
        raise InputError(
            f"X is Sequences, one per prediction, but {owner} answers every row and "
            "reads the rows themselves. Leave out the SlidingWindow, or use "
            "GRUClassifier."
        )
    if isinstance(layout, Array3D):
        raise InputError(
            f"X has 3 dimensions, {np.shape(X)}; expected rows (n_rows, n_features) or "
            "a list of recordings (n_steps, n_features). Pass list(X) and list(y)."
        )
    return isinstance(layout, Ragged)


def _of_list(sequences: Sequences) -> Recordings:
    place = np.arange(len(sequences.values))
    return Recordings(sequences, place, sequences.lengths)
