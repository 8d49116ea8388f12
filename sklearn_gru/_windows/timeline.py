"""Rows on a line: merging the remembered rows with new ones, and laying windows.

Every row gets one integer **coordinate** such that rows one step apart differ by 1 and
rows no window can reach together differ by at least the reach of a window. Groups and
long holes are then nothing special: a window is an interval of the line, and the cells
between two rows of a hole are simply empty. All of it is a few sorts and searches over
whole arrays; nothing loops over groups or rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._tables.grid import Grid
from sklearn_gru._tables.keys import Axis, Keys
from sklearn_gru.exceptions import TimeIndexError


class Reach(NamedTuple):
    """How far a window looks back."""

    window: int
    lag: int

    @property
    def memory(self) -> int:
        """Rows before a row that enter its window."""
        return self.window + self.lag - 1


class Rows(NamedTuple):
    """Rows with their keys; `position` counts steps on the grid (or is the time)."""

    group: np.ndarray  # (n,)
    position: np.ndarray  # (n,)
    time: np.ndarray  # (n,) as read
    values: np.ndarray  # (n, n_features)

    def take(self, index: np.ndarray) -> Rows:
        """A selection of the rows."""
        return Rows(*(part[index] for part in self))


@dataclass(frozen=True, eq=False)
class Timeline:
    """Distinct rows in order of (group, time), each at its coordinate."""

    rows: Rows
    coordinate: np.ndarray  # (m,) strictly increasing
    remembered: np.ndarray  # (m,) bool: known from before
    given: np.ndarray  # (m,) bool: among the new rows
    place: np.ndarray  # (n_new,) where each new row stands
    new_group: np.ndarray  # (m,) bool: first row of its group


def merge(
    old: Rows | None, new: Rows, reach: Reach, *, regular: bool, axis: Axis
) -> Timeline:
    """Join remembered and new rows.

    A new row replaces a remembered one of the same group and time, except where the
    new row has NaN. The same row twice is one row; two different ones are an error.
    """
    n_old = 0 if old is None else len(old.group)
    both = (
        new if old is None else Rows(*map(np.concatenate, zip(old, new, strict=True)))
    )
    is_new = np.arange(len(both.group)) >= n_old
    order = _sorted_order(both)
    if order is not None:
        both, is_new = both.take(order), is_new[order]
    same_group = both.group[1:] == both.group[:-1]
    first = np.ones(len(both.group), dtype=bool)
    first[1:] = ~(same_group & (both.position[1:] == both.position[:-1]))
    which = np.cumsum(first) - 1
    rows = both if first.all() else _merge_equal(both, is_new, first, which, axis)

    place = np.empty(len(both.group), dtype=np.int64)
    place[slice(None) if order is None else order] = which
    new_group = np.ones(len(rows.group), dtype=bool)
    new_group[1:] = rows.group[1:] != rows.group[:-1]
    return Timeline(
        rows=rows,
        coordinate=_coordinates(rows, new_group, reach, regular=regular),
        remembered=_any_at(which[~is_new], len(rows.group)),
        given=_any_at(which[is_new], len(rows.group)),
        place=place[n_old:],
        new_group=new_group,
    )


def previous_rows(grid: Grid | None, keys: Keys | None, n: int) -> np.ndarray:
    """For each row the row one step before it, or -1."""
    if keys is None:
        return np.arange(n) - 1
    position = keys.time if grid is None else grid.split(keys.time)[0]
    order = np.lexsort((position, keys.codes))
    step = np.diff(position[order])
    one = step > 0 if grid is None else step == 1
    one &= np.diff(keys.codes[order]) == 0
    previous = np.full(n, -1)
    previous[order[1:][one]] = order[:-1][one]
    return previous


def _sorted_order(rows: Rows) -> np.ndarray | None:
    """Stable order by group and position, or None if the rows are in order."""
    ahead = rows.group[1:] > rows.group[:-1]
    level = rows.group[1:] == rows.group[:-1]
    if (ahead | (level & (rows.position[1:] >= rows.position[:-1]))).all():
        return None
    return np.lexsort((rows.position, rows.group))


def _any_at(places: np.ndarray, n: int) -> np.ndarray:
    marks = np.zeros(n, dtype=bool)
    marks[places] = True
    return marks


def _merge_equal(
    both: Rows, is_new: np.ndarray, first: np.ndarray, which: np.ndarray, axis: Axis
) -> Rows:
    """One row for each place; later rows fill in, NaN never overrides."""
    again = np.flatnonzero(~first)
    twice = again[is_new[again] & is_new[again - 1]]
    a, b = both.values[twice], both.values[twice - 1]
    differs = ((a != b) & ~(np.isnan(a) & np.isnan(b))).any(axis=1)
    if differs.any():
        at = int(twice[differs.argmax()])
        raise TimeIndexError(
            f"{differs.sum()} rows have the same group and time as another row but "
            f"different values, first at {axis.show(both.time[at])}. If several series "
            "are stacked in X, name the columns that tell them apart with groups=; "
            "otherwise aggregate or drop the duplicates."
        )
    rows = both.take(np.flatnonzero(first))
    values = rows.values.copy()
    late, target = both.values[again], which[again]
    values[target] = np.where(np.isnan(late), values[target], late)
    return rows._replace(values=values)


def _coordinates(
    rows: Rows, new_group: np.ndarray, reach: Reach, *, regular: bool
) -> np.ndarray:
    """Position on one line; beyond the reach of a window distances do not matter."""
    apart = reach.memory + 2
    step = np.full(len(rows.group), apart, dtype=np.int64)
    inside = ~new_group[1:]
    if regular:
        gap = np.minimum(rows.position[1:] - rows.position[:-1], apart)
        step[1:][inside] = gap[inside]
    else:
        step[1:][inside] = 1
    return np.cumsum(step)


def lay_windows(
    line: Timeline,
    reach: Reach,
    known: np.ndarray,
    **about: Any,
) -> Sequences:
    """The window of every new row, over one flat array of cells.

    A cell at coordinate c holds the known-future columns of the row at c and the other
    columns of the row at c - lag, so one run of cells is one window. `about` describes
    the columns.
    """
    shifts = _shifts(reach.lag, known)
    # In this order, each in a function of its own: the peak of memory is one of them.
    order = time_rank(line.rows.time[line.place])
    segments = _find_segments(line, reach, shifts)
    starts, lengths = _intervals(line, reach, segments)
    windows = Sequences(
        _fill(line, segments, shifts),
        starts,
        lengths,
        n_steps=reach.window,
        order=order,
        **about,
    )
    return windows.without_leading_gaps()


class Segments(NamedTuple):
    """Runs of cells that windows cover, each laid behind the other."""

    low: np.ndarray  # (n_segments,) coordinate of the first cell
    high: np.ndarray  # (n_segments,) coordinate of the last cell
    base: np.ndarray  # (n_segments,) where the first cell lies in the flat array

    @property
    def n_cells(self) -> int:
        return int((self.high - self.low + 1).sum())

    def locate(self, coordinate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flat place of each coordinate, and whether a segment holds it."""
        segment = np.searchsorted(self.low, coordinate, side="right") - 1
        inside = (segment >= 0) & (coordinate <= self.high[segment])
        return (self.base - self.low)[segment] + coordinate, inside


def _find_segments(
    line: Timeline, reach: Reach, shifts: list[tuple[int, np.ndarray]]
) -> Segments:
    end = line.coordinate[line.given]  # (q,) last cell of each distinct window
    breaks = np.ones(len(end), dtype=bool)
    breaks[1:] = np.diff(end) > reach.window
    low = _first_cells(line.coordinate, end[breaks], reach, shifts)
    high = end[np.append(breaks[1:], True)] if len(end) else end
    size = high - low + 1
    return Segments(low, high, np.cumsum(size) - size)


def _intervals(
    line: Timeline, reach: Reach, segments: Segments
) -> tuple[np.ndarray, np.ndarray]:
    """First cell and number of cells of the window of every new row."""
    end = line.coordinate[line.place]  # (n_new,)
    segment = np.searchsorted(segments.low, end, side="right") - 1
    lengths = np.minimum(end - segments.low[segment] + 1, reach.window)
    end += (segments.base - segments.low)[segment] + 1
    end -= lengths
    return end, lengths


def _fill(
    line: Timeline, segments: Segments, shifts: list[tuple[int, np.ndarray]]
) -> np.ndarray:
    rows = line.rows.values
    cells = np.full((segments.n_cells, rows.shape[1]), np.nan, dtype=rows.dtype)
    for shift, columns in shifts:
        flat, inside = segments.locate(line.coordinate + shift)
        if inside.all() and columns.all():
            cells[flat] = rows
        elif columns.all():
            cells[flat[inside]] = rows[inside]
        else:
            cells[np.ix_(flat[inside], columns)] = rows[np.ix_(inside, columns)]
    return cells


def _shifts(lag: int, known: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """How many cells ahead of its own time each column stands."""
    if lag == 0 or known.all():
        return [(0, np.ones_like(known))]
    if not known.any():
        return [(lag, np.ones_like(known))]
    return [(lag, ~known), (0, known)]


def _first_cells(
    coordinate: np.ndarray,
    first_end: np.ndarray,
    reach: Reach,
    shifts: list[tuple[int, np.ndarray]],
) -> np.ndarray:
    """First cell of each segment: the first that holds a row, at most a window back."""
    back = first_end - reach.window + 1
    low = first_end
    for shift, _ in shifts:
        at = np.searchsorted(coordinate, back - shift)
        exists = at < len(coordinate)
        cell = coordinate[np.minimum(at, len(coordinate) - 1)] + shift
        low = np.where(exists, np.minimum(low, cell), low)
    return low


def window_view(values: np.ndarray, reach: Reach, known: np.ndarray) -> np.ndarray:
    """Read-only windows (n, window, n_features) over the rows, padded once with NaN."""
    n, n_features = values.shape
    window, lag = reach
    cells = values
    if reach.memory:
        cells = np.full((n + window - 1, n_features), np.nan, dtype=values.dtype)
        own, lagged = cells[window - 1 :], cells[window - 1 + lag :]
        own[:, known] = values[:, known]
        lagged[:, ~known] = values[: max(n - lag, 0), ~known]
    cells = np.ascontiguousarray(cells)
    row, cell = cells.strides
    return np.lib.stride_tricks.as_strided(
        cells, shape=(n, window, n_features), strides=(row, row, cell), writeable=False
    )


def time_rank(time: np.ndarray) -> np.ndarray:
    """Rank of each time, equal times sharing one."""
    step = np.diff(time)
    if (step >= 0).all():
        return np.cumsum(np.concatenate([[0], step > 0]))
    return np.unique(time, return_inverse=True)[1]


class Memory(NamedTuple):
    """Rows kept for later windows, and where the run of each began."""

    rows: Rows
    run_start: np.ndarray  # (n,) position of the first row of the run


def remember(
    line: Timeline, reach: Reach, *, regular: bool, before: Memory | None = None
) -> Memory:
    """The rows later windows may need.

    On a grid these are the last ``window + lag - 1`` rows of every run of consecutive
    steps: a row inside a run can only be looked back at from a row that follows the
    run. Without a grid any later row may fall between two others, so all are kept, and
    so are the rows that join those remembered `before`.
    """
    rows = line.rows
    n = len(rows.group)
    begins = line.new_group.copy()
    if regular:
        begins[1:] |= np.diff(line.coordinate) != 1
    starts = np.flatnonzero(begins)
    run = np.cumsum(begins) - 1
    run_start = rows.position[starts][run] if n else rows.position
    if before is not None:
        known_start = run_start.copy()
        known_start[line.remembered] = before.run_start
        run_start = np.minimum(run_start, known_start[starts][run])
    if not regular or before is not None:
        return Memory(rows, run_start)
    ends = np.append(starts[1:], n)
    kept = np.flatnonzero(np.arange(n) >= ends[run] - reach.memory)
    return Memory(rows.take(kept), run_start[kept])
