"""Times of rows that arrive one at a time, as positions on the grid of a window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._live.past import Past
from sklearn_gru._tables.grid import Ticks
from sklearn_gru._tables.keys import read_time
from sklearn_gru._windows.fitted_grid import FittedGrid
from sklearn_gru.exceptions import TimeIndexError


class Clock:
    """The time axis of a fitted window, for one row at a time.

    Parameters
    ----------
    fitted : FittedGrid
        Axis and grid of the window.
    whole_floats : bool
        Whether times are columns of an array, whose integers are floats.
    """

    def __init__(self, fitted: FittedGrid, *, whole_floats: bool) -> None:
        self.axis = fitted.axis
        self.grid = fitted.grid
        self._whole_floats = whole_floats
        # The usual times and grids are read without an array: it takes a tenth.
        grid = fitted.grid
        self._step = grid.step if isinstance(grid, Ticks) else 0

    @property
    def keeps_time(self) -> bool:
        """State of the rows: True if they carry a time."""
        return self.axis.kind != "row"

    def number(self, time: Any) -> Any:
        """Return a time as a number in the unit of the axis."""
        kind, axis = type(time), self.axis
        if axis.kind == "datetime" and kind is pd.Timestamp:
            if (time.tz is None) == (axis.tz is None):
                return time.value
        elif axis.kind == "integer" and kind is int:
            return time
        times, found = read_time(pd.Index([time]), whole_floats=self._whole_floats)
        axis.check_same(found)
        return times[0].item()

    def place(self, time: Any, past: Past) -> int:
        """Return the position of a row at a time (a number) in its series.

        A time that is later than all others of the series has a position above
        `past.newest`.
        """
        if time is None:
            return self._next(past)
        if self.grid is None:
            return self._in_order(time, past)
        if self._step:
            position, phase = divmod(time, self._step)
        else:
            positions, phases = self.grid.split(np.array([time]))
            position, phase = int(positions[0]), int(phases[0])
        if phase != past.phase:
            if past.phase is not None or phase < 0:
                raise TimeIndexError(
                    f"The row at {self.axis.show(time)} is off the grid of "
                    f"{self.grid.freq!r} on which its series lies."
                )
            past.phase = phase
        return position

    def _next(self, past: Past) -> int:
        """Return the position after the newest row, for rows without a time."""
        if self.axis.kind not in ("row", "integer"):
            raise TimeIndexError(
                f"The window was fitted on rows that carry {self.axis.describe()}: "
                "pass the time of the row, stream.update(row, time=...)."
            )
        if past.phase is None:
            past.phase = 0
        return 0 if past.newest is None else past.newest + 1

    def _in_order(self, time: Any, past: Past) -> int:
        """Return the position of a row on irregular times, where each row is a step."""
        if past.newest is None or past.time is None:
            return 0 if past.newest is None else past.newest + 1
        if time < past.time:
            raise TimeIndexError(
                f"A row at {self.axis.show(time)} comes too late: the series is at "
                f"{self.axis.show(past.time)}, and on irregular times a row between "
                "two others moves all rows before it. Add it with "
                "SlidingWindow.partial_fit, and make a new Stream."
            )
        return past.newest + (time > past.time)

    def show(self, time: Any, position: int) -> str:
        """Return the time of a row for messages; its position if it has none."""
        return str(position) if time is None else self.axis.show(time)
