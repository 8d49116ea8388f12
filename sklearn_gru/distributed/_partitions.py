"""Partitions of a Dask collection: its parts in their order, and their groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_gru._tables.keys import keys_of
from sklearn_gru._windows.sliding_window import SlidingWindow
from sklearn_gru.exceptions import InputError


def partitions_of(collection: Any, name: str) -> list[Any]:
    """Return the parts of a collection, each a Delayed or a Future.

    Raises
    ------
    InputError
        It is no collection, or an array whose chunks do not hold whole rows.
    """
    if isinstance(collection, (list, tuple)) and len(collection):
        if all(hasattr(part, "key") for part in collection):
            return list(collection)
    elif hasattr(collection, "to_delayed"):
        blocks = getattr(collection, "numblocks", None)
        if blocks is not None and any(n != 1 for n in blocks[1:]):
            raise InputError(
                f"{name} is a Dask array of {blocks} chunks, which cut rows. "
                f"Use {name}.rechunk({{i: -1 for i in range(1, {name}.ndim)}})."
            )
        return list(np.ravel(np.array(collection.to_delayed(), dtype=object)))
    raise InputError(
        f"{name} is a {type(collection).__name__}. Give a Dask DataFrame, Series or "
        "Array, or a list of Delayed or Future objects; for rows in memory, fit and "
        "predict of the model do the same."
    )


def groups_in(part: Any, window: SlidingWindow) -> list[Any]:
    """Return the labels of the groups in a part; one for all rows without groups."""
    if not len(part):
        return []
    keys = keys_of(part, window.time, window.groups, refuse_unnamed=False)
    return [()] if keys is None or not keys.labels else list(keys.labels)


def check_whole_groups(parts: Sequence[list[Any]], *, one_series: bool) -> None:
    """Refuse groups with rows in several parts.

    Rows without groups are one series, which may lie in several with `one_series`.
    """
    where: dict[Any, int] = {}
    for number, labels in enumerate(parts):
        for label in labels:
            before = where.setdefault(label, number)
            if before == number or (one_series and label == ()):
                continue
            what = "Rows without groups" if label == () else f"Rows of group {label!r}"
            raise InputError(
                f"{what} lie in partitions {before} and {number}, so that a partition "
                "lacks the rows before its own. Put whole groups into a partition: "
                "frame.set_index('group').repartition(…), or frame.shuffle('group')."
            )
