"""The times and groups that fit found, and the place of rows among them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sklearn_gru._tables.axis import Axis, Keys
from sklearn_gru._tables.grid import Grid, infer_grid, place
from sklearn_gru._tables.keys import check_group_kinds
from sklearn_gru._windows.timeline import (
    History,
    Reach,
    Rows,
    Timeline,
    forget,
    merge,
    remember,
)


@dataclass(frozen=True, eq=False)
class FittedGrid:
    """The grid of a fitted window; it learns new groups by being replaced.

    Attributes
    ----------
    axis : Axis
        The kind of time that rows carry.
    grid : Grid or None
        The regular times; None if times are irregular or rows carry none.
    reach : Reach
        Window size and lag in time steps.
    groups : list
        Labels of the groups seen; the number of a group is its position.
    phases : ndarray of int
        Phase of each group on the grid.
    """

    axis: Axis
    grid: Grid | None
    reach: Reach
    groups: list[Any] = field(default_factory=list)
    phases: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def is_regular(self) -> bool:
        return self.grid is not None

    @property
    def freq(self) -> Any:
        """The time step as pandas writes it, or None."""
        return None if self.grid is None else self.grid.freq

    def locate(self, keys: Keys, values: np.ndarray) -> tuple[Rows, FittedGrid]:
        """Return rows at their group and position, and this grid with new groups."""
        numbers = {label: number for number, label in enumerate(self.groups)}
        check_group_kinds(keys.labels, numbers)
        ids = [numbers.setdefault(label, len(numbers)) for label in keys.labels]
        group = keys.codes
        if ids != list(range(len(ids))):
            group = np.array(ids, dtype=group.dtype)[group]
        position, phases = keys.time, self.phases
        if self.grid is not None:
            position, phases = place(self.grid, keys, group, self.phases)
        grown = replace(self, groups=list(numbers), phases=phases)
        return Rows(group, position, keys.time, values), grown

    def merge(
        self, history: History | None, rows: Rows, *, owned: Collection[str] = ()
    ) -> Timeline:
        """Return the line of remembered and new rows; see :func:`merge`."""
        return merge(
            None if history is None else history.rows,
            rows,
            self.reach,
            regular=self.is_regular,
            axis=self.axis,
            labels=self.groups,
            owned=owned,
        )

    def remember(
        self,
        line: Timeline,
        before: History | None = None,
        origins: np.ndarray | None = None,
    ) -> History:
        """Return the rows of a line that later windows may need."""
        return remember(
            line,
            self.reach,
            regular=self.is_regular,
            before=before,
            origins=origins,
        )

    def forget(self, history: History, observed: np.ndarray, steps: int) -> History:
        """Return the rows at most `steps` - 1 steps before the newest observed one."""
        return forget(history, observed, steps, regular=self.is_regular)

    def find_again(self, line: Timeline) -> tuple[FittedGrid, Timeline] | None:
        """Return the grid that irregular rows lie on by now, and them on it."""
        rows = line.rows
        grid = infer_grid(self.axis, rows.time, rows.group)
        if grid is None:
            return None
        keys = Keys(rows.time, self.axis, rows.group, self.groups, [])
        empty = FittedGrid(self.axis, grid, self.reach, self.groups)
        located, found = empty.locate(keys, rows.values)
        return found, found.merge(None, located)
