"""Elapsed time as features: since the last row with a value, and since the first row.

Both belong to a row, so windows that share rows stay uncopied.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sklearn_gru._support.rules import Boolean, OneOf, Rule
from sklearn_gru._tables.axis import Axis
from sklearn_gru.exceptions import InputError, TimeIndexError

RULES: list[Rule] = [Boolean(), OneOf(("since_start",))]

_NAMES = ("elapsed", "since_start")
_NANOSECONDS_PER_HOUR = 3_600_000_000_000


def new_names(add_elapsed: bool | str, taken: Iterable[str]) -> list[str]:
    """Return the names of the appended columns, after checking that they are free."""
    new = _NAMES if add_elapsed == "since_start" else _NAMES[:1]
    for name in new:
        if name in taken:
            raise InputError(
                f"The frame already has a column {name!r}, which add_elapsed would "
                f"append. Rename it: frame.rename(columns={{{name!r}: "
                f"'{name}_given'}})."
            )
    return list(new)


def require_time(axis: Axis) -> None:
    """Refuse rows whose times are unknown."""
    if axis.kind == "row":
        raise TimeIndexError(
            "add_elapsed needs a time: pass time= with the column that holds it, or "
            "give a frame whose index is the time."
        )


def find_origins(
    time: np.ndarray,
    new_group: np.ndarray,
    holds: np.ndarray,
    known: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Return the times (n, 2) of the last row with a value, and of the first row.

    Before any row with a value, the first row counts as one.

    Parameters
    ----------
    time, new_group, holds : ndarray of shape (n,)
        Times in order within each group, marks of the first rows of groups, and marks
        of the rows that hold a value.
    known : pair of a mask (n,) and an array (n_marked, 2), default=None
        Rows whose origins were found among more rows than these, and the origins.
    """
    begins, group = np.flatnonzero(new_group), np.cumsum(new_group) - 1
    at, first = np.arange(len(time)), begins[group]
    counts = holds.copy()
    counts[begins] = True
    latest = np.maximum.accumulate(np.concatenate([[0], np.where(counts, at, 0)[:-1]]))
    found = time[np.stack([np.maximum(latest, first), first], axis=1)]
    if known is None or not len(time):
        return found
    mask, before = known
    found[mask, 1] = np.minimum(found[mask, 1], before[:, 1])
    found[:, 1] = np.minimum.reduceat(found[:, 1], begins)[group]
    # A first row that was not the first of all does not count for that.
    blind = (latest <= first) & ((at == first) | ~holds[first])
    found[blind, 0] = found[blind, 1]
    earlier = before[:, 0] < time[mask]
    better = np.flatnonzero(mask)[earlier]
    found[better, 0] = np.maximum(found[better, 0], before[earlier, 0])
    found[:, 0] = _running_maximum(found[:, 0], group)
    return found


def _running_maximum(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the largest value so far within each group."""
    ordered, rank = np.unique(values, return_inverse=True)
    offset = group * len(ordered)
    return ordered[np.maximum.accumulate(rank + offset) - offset]


def elapsed_since(time: np.ndarray, origins: np.ndarray, axis: Axis) -> np.ndarray:
    """Return the times (n, 2) since origins: hours, or the unit of other times."""
    unit = _NANOSECONDS_PER_HOUR if axis.kind == "datetime" else 1
    return (time[:, None] - origins) / unit
