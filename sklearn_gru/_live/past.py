"""The recent rows of one series, in a ring that is found by position."""

from __future__ import annotations

from typing import Any

import numpy as np

_NOWHERE = np.iinfo(np.int64).min


class Past:
    """The rows that windows of one series still reach, by position.

    Rows from `keep` steps before the newest observed row on are kept, so that known
    rows of the future do not push the past out; the ring grows where they are many.

    Attributes
    ----------
    index : int
        Number of the series in the stepper.
    newest : int or None
        Position of the newest row.
    floor : int
        Position of the oldest row that is kept.
    phase : int or None
        Phase of the series on the grid.
    time : number or None
        Time of the newest row, where times are irregular.
    resumed : bool
        Whether all rows come from the window, none from the stream.
    read : int or None
        Position up to which the stepper has read the series; None if it has to read
        the window of the next row from its start.
    """

    __slots__ = ("at", "floor", "index", "keep", "newest", "phase", "read", "resumed",
                 "time", "values")  # fmt: skip

    def __init__(self, index: int, keep: int, n_features: int) -> None:
        self.index = index
        self.keep = keep
        self.newest: int | None = None
        self.floor = 0
        self.phase: int | None = None
        self.time: Any = None
        self.resumed = False
        self.read: int | None = None
        self.at = np.full(keep + 1, _NOWHERE, dtype=np.int64)
        self.values = np.empty((keep + 1, n_features))

    def append(self, position: int, row: np.ndarray, *, observed: bool) -> None:
        """Put a row that is newer than all others."""
        if observed or self.newest is None:
            self.floor = position - self.keep
        elif position - self.floor >= len(self.at):
            self._grow(position - self.floor + 1)
        place = position % len(self.at)
        self.at[place] = position
        self.values[place] = row
        self.newest = position

    def merge(self, position: int, row: np.ndarray, *, observed: bool) -> None:
        """Put a row that is not newer; its NaN replace nothing."""
        place = position % len(self.at)
        if self.at[place] == position:
            row = np.where(np.isnan(row), self.values[place], row)
        self.at[place] = position
        self.values[place] = row
        if observed:
            self.floor = max(self.floor, position - self.keep)

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return copies of rows (n, n_features), NaN where there is none."""
        places = positions % len(self.at)
        found = self.values[places]
        found[self.at[places] != positions] = np.nan
        return found

    def row(self, position: int) -> np.ndarray:
        """Return one row (n_features,), NaN if there is none; not to be changed."""
        place = position % len(self.at)
        if self.at[place] == position:
            return self.values[place]
        return np.full(self.values.shape[1], np.nan)

    def copy(self) -> Past:
        """Return a copy whose rows can be changed."""
        new = Past(self.index, self.keep, self.values.shape[1])
        for name in self.__slots__:
            setattr(new, name, getattr(self, name))
        new.at, new.values = self.at.copy(), self.values.copy()
        return new

    def kept(self) -> np.ndarray:
        """Return the positions of the rows that are kept, in order."""
        return np.sort(self.at[self.at >= self.floor])

    def _grow(self, n: int) -> None:
        """Make the ring long enough for n positions."""
        kept = self.kept()
        rows = self.rows(kept)
        n = max(n, 2 * len(self.at))
        self.at = np.full(n, _NOWHERE, dtype=np.int64)
        self.values = np.empty((n, rows.shape[1]))
        self.at[kept % n], self.values[kept % n] = kept, rows
