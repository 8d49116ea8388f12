"""One ragged sequence per group, from long frames: :func:`to_sequences`.

A window makes a sequence of every row. Here a sequence is all that a group has: the
visits of a patient, the samples of a recording, the orders of a customer.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.rules import check_value
from sklearn_gru._tables.codebook import sorted_order
from sklearn_gru._tables.columns import Columns
from sklearn_gru._tables.frames import as_frame
from sklearn_gru._tables.keys import read_keys
from sklearn_gru._tables.refused import refuse_kinds
from sklearn_gru._windows.elapsed import (
    RULES,
    elapsed_since,
    find_origins,
    new_names,
    require_time,
)
from sklearn_gru.exceptions import InputError, TimeIndexError

__all__ = ["to_sequences"]


def to_sequences(
    frame, groups=None, time=None, *, categorical_features=None, add_elapsed=False
):
    """Return one sequence per group from a long frame of events or recordings.

    Parameters
    ----------
    frame : DataFrame (pandas or polars)
        One row per observation.
    groups : str, int or list of them, default=None
        Columns or index levels that identify a sequence (a patient, a recording).
        None takes the levels of a MultiIndex that are not the time.
    time : str or int, default=None
        Column or index level to order each sequence by; as in :class:`SlidingWindow`.
        Rows of equal times, or of none, keep their order.
    categorical_features : str, int or list of them, default=None
        Columns to carry as categories, in addition to those of category dtype; a group
        key named here is a feature too. As in :class:`SlidingWindow`.
    add_elapsed : bool or "since_start", default=False
        Append a column "elapsed": the time since the last row of the group that holds a
        value, in hours for datetimes, in periods for periods, else in the unit of
        `time`; 0 in the first row. "since_start" also appends the time since the first
        row of the group. A network reads rows in order and knows their times only from
        such columns.

    Returns
    -------
    sequences : Sequences
        One sequence of any length per group, without the key columns. Its ``groups``
        is a pandas Index of the group labels in order (sorted if they can be), so
        ``labels.loc[sequences.groups]`` aligns labels.

    Raises
    ------
    TimeIndexError
        A key is missing or cannot be read.
    InputError
        The frame has a column of the name of an appended one.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_gru import to_sequences
    >>> events = pd.DataFrame({
    ...     "patient": ["b", "a", "b", "b"],
    ...     "when": pd.to_datetime(["2024-01-02", "2024-01-01", "2024-01-01",
    ...                             "2024-01-05"]),
    ...     "dose": [2.0, 9.0, 1.0, 3.0],
    ... })
    >>> s = to_sequences(events, groups="patient", time="when")
    >>> s
    Sequences(2 sequences of 1 to 3 steps, 1 features, float64, over 4 rows)
    >>> s.values[:, 0]
    array([9., 1., 2., 3.])
    >>> elapsed = to_sequences(events, "patient", "when", add_elapsed=True)
    >>> elapsed.values[1:].tolist()                 # dose and hours of patient b
    [[1.0, 0.0], [2.0, 24.0], [3.0, 72.0]]
    >>> labels = pd.Series({"b": 1, "a": 0})
    >>> labels.loc[s.groups].tolist()
    [0, 1]
    """
    refuse_kinds(frame, "a DataFrame")
    check_value("to_sequences", "add_elapsed", add_elapsed, RULES)
    table = as_frame(frame)
    if table is None:
        raise InputError(
            f"to_sequences needs a DataFrame, got {type(frame).__name__}. For arrays, "
            "give the estimators a list with one 2-D array per sequence."
        )
    keys = read_keys(table, time, groups)
    if keys is None or keys.labels == [()]:
        raise TimeIndexError(
            "to_sequences needs groups= with the column that identifies a sequence. "
            f"Seen: {', '.join(repr(c) for c in table.columns)}."
        )
    columns = Columns.find(
        table,
        keys.columns,
        categorical=categorical_features,
        groups=groups,
        time=time,
    )
    values, columns = columns.read(table)
    values = check_array(
        values,
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        input_name="frame",
    )
    ranked = sorted_order(keys.labels)
    rank = np.empty(len(ranked), dtype=np.int64)
    rank[ranked] = np.arange(len(ranked))
    group = rank[keys.codes]
    lengths = np.bincount(group, minlength=len(ranked))
    labels = [keys.labels[k] for k in ranked]
    several = isinstance(labels[0], tuple)
    order = np.lexsort((keys.time, group))
    values, names, categories = values[order], list(columns.names), columns.categories
    if add_elapsed:
        require_time(keys.axis)
        new, sorted_time = new_names(add_elapsed, names), keys.time[order]
        holds = ~np.isnan(values).all(axis=1)
        is_first = np.diff(group[order], prepend=-1) != 0
        origins = find_origins(sorted_time, is_first, holds)
        added = elapsed_since(sorted_time, origins, keys.axis)[:, : len(new)]
        values = np.column_stack([values, added.astype(values.dtype)])
        names += new
        categories = None if categories is None else (*categories, *[None] * len(new))
    return Sequences(
        values,
        np.cumsum(lengths) - lengths,
        lengths,
        feature_names=tuple(names),
        categories=categories,
        groups=pd.MultiIndex.from_tuples(labels) if several else pd.Index(labels),
    )
