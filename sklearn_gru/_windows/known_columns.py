"""Check that the columns known ahead of time are known in the rows to be predicted.

:func:`~sklearn_gru.future_frame` leaves them missing, and a network answers anyway. A
column that fit never saw missing was probably forgotten.
"""

from __future__ import annotations

import numpy as np

from sklearn_gru._support.on_disk import count_missing
from sklearn_gru._support.warn import warn
from sklearn_gru._tables.columns import Columns
from sklearn_gru.exceptions import UnseenDataWarning

# Cells may be missing by chance: a column counts as forgotten if it lacks half of the
# rows, and the share missing in fit makes that less probable than this.
_CHANCE = 1e-3


def missing_shares(values: np.ndarray) -> np.ndarray:
    """Return the share of rows in which each feature is missing (n_features,)."""
    return count_missing(values) / max(len(values), 1)


def warn_missing_known(
    values: np.ndarray, columns: Columns, in_fit: np.ndarray
) -> None:
    """Warn about known columns that are missing now, but were not in fit.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        Features of the rows to be predicted.
    columns : Columns
        Their names, and the mask of those known ahead.
    in_fit : ndarray of shape (n_features,)
        Share of the rows of fit in which each feature was missing.
    """
    if not columns.known.any():
        return
    count = count_missing(values)
    forgotten = (2 * count >= len(values)) & (in_fit**count < _CHANCE)
    at = np.flatnonzero(forgotten & columns.known)
    if not len(at):
        return
    found = ", ".join(
        f"{columns.names[j]!r} in {_amount(count[j], len(values))} (in fit: "
        f"{'never' if in_fit[j] == 0 else f'{in_fit[j]:.1%} of the rows'})"
        for j in at
    )
    warn(
        f"Columns in known_future are missing: {found}. The predictions do without "
        f"them. Fill them in first, such as X[{columns.names[at[0]]!r}] = ..., or "
        "leave them out of known_future.",
        UnseenDataWarning,
    )


def _amount(count: int, n: int) -> str:
    return f"all {n} rows" if count == n else f"{count} of {n} rows"
