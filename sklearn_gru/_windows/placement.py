"""Windows laid over the rows of a timeline, as sequences or as a view.

A cell at coordinate c holds the known-future columns of the row at c and the other
columns of the row at c - lag, so that one run of cells is one window. The cells are
written once, however many windows share them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_gru._encoding.consecutive import FEW, ConsecutiveSequences, run_of
from sklearn_gru._encoding.runs import LEAST, Runs, RunSequences
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.on_disk import BLOCK_ROWS, blank, blocks, is_on_disk
from sklearn_gru._tables.axis import Keys
from sklearn_gru._tables.grid import Grid, gaps_between
from sklearn_gru._tables.keys import NO_GROUP
from sklearn_gru._tables.numbering import place_dtype
from sklearn_gru._windows.timeline import Reach, Timeline, follows


def lay_windows(
    line: Timeline,
    reach: Reach,
    known: np.ndarray,
    *,
    owns: bool = False,
    **about: Any,
) -> Sequences:
    """Return the window of every new row, over one flat array of cells.

    `about` describes the columns. With `owns`, the rows may be moved where they are.
    """
    shifts = _shifts(reach.lag, known)
    as_rows = _lie_as_rows(line, reach, shifts)
    if as_rows and (run := _run_of_rows(line)) is not None:
        end = run.start + 1 - shifts[0][0]
        windows: Sequences = ConsecutiveSequences(
            line.rows.values, run.stop - run.start, end, reach.window, **about
        )
        return windows.without_leading_gaps()
    if as_rows and (found := _runs_of_rows(line, shifts[0][0])) is not None:
        return _lay_runs(line, reach, found, owns=owns, **about)
    # In this order, and each in its own function, so that only one of them at a time
    # holds temporary arrays: this is where memory peaks.
    order = time_rank(line.rows.time[line.place])
    if as_rows:
        cells = line.rows.values
        starts, lengths = _intervals_of_rows(line, reach, shifts[0][0])
    else:
        runs = _find_runs(line, reach, shifts)
        starts, lengths = _intervals(line, reach, runs)
        cells = _fill(line, runs, shifts)
    windows = Sequences(
        cells,
        starts,
        lengths,
        n_steps=reach.window,
        order=order,
        groups=line.groups(),
        **about,
    )
    return windows.without_leading_gaps()


class CellRuns(NamedTuple):
    """Runs of cells that windows cover, one after the other in a flat array."""

    low: np.ndarray  # (n_runs,) coordinate of the first cell
    high: np.ndarray  # (n_runs,) coordinate of the last cell
    base: np.ndarray  # (n_runs,) position of the first cell in the flat array

    @property
    def n_cells(self) -> int:
        return int((self.high - self.low + 1).sum())

    def locate(self, coordinate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the flat position of each coordinate, and whether a run holds it."""
        run = np.searchsorted(self.low, coordinate, side="right") - 1
        inside = (run >= 0) & (coordinate <= self.high[run])
        return (self.base - self.low)[run] + coordinate, inside


def _find_runs(
    line: Timeline, reach: Reach, shifts: list[tuple[int, np.ndarray]]
) -> CellRuns:
    end = line.coordinate[line.given]  # (q,) last cell of each distinct window
    breaks = np.ones(len(end), dtype=bool)
    breaks[1:] = np.diff(end) > reach.window
    low = _first_cells(line.coordinate, end[breaks], reach, shifts)
    high = end[np.append(breaks[1:], True)] if len(end) else end
    size = high - low + 1
    return CellRuns(low, high, np.cumsum(size) - size)


def _intervals(
    line: Timeline, reach: Reach, runs: CellRuns
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first cell and the length of the window of every new row."""
    end = line.coordinate[line.place]  # (n_new,)
    run = np.searchsorted(runs.low, end, side="right") - 1
    lengths = np.minimum(end - runs.low[run] + 1, reach.window)
    end += (runs.base - runs.low)[run] + 1
    end -= lengths
    return end, lengths


def _fill(
    line: Timeline, runs: CellRuns, shifts: list[tuple[int, np.ndarray]]
) -> np.ndarray:
    rows = line.rows.values
    if is_on_disk(rows):
        return _fill_on_disk(line, runs, shifts)
    cells = np.full((runs.n_cells, rows.shape[1]), np.nan, dtype=rows.dtype)
    for shift, columns in shifts:
        flat, inside = runs.locate(line.coordinate + shift)
        if inside.all() and columns.all():
            cells[flat] = rows
        elif columns.all():
            cells[flat[inside]] = rows[inside]
        else:
            cells[np.ix_(flat[inside], columns)] = rows[np.ix_(inside, columns)]
    return cells


def _runs_of_rows(line: Timeline, lag: int) -> Runs | None:
    """Return the runs of all rows, if they are few and their ranks follow each other.

    Run by run, a rule takes the place of the numbers of each window.
    """
    n = len(line.coordinate)
    if n < FEW or not line.given.all():
        return None
    begins = line.begins_run()
    begin = np.flatnonzero(begins)
    if len(begin) * LEAST > n:
        return None
    rank = time_rank(line.rows.time)
    if not (follows(rank) | begins).all():
        return None
    size = np.diff(begin, append=n)
    end = np.full(len(begin), 1 - lag)
    return Runs(begin, size, end, size, rank[begin], line.rows.group[begin])


def _lay_runs(
    line: Timeline, reach: Reach, runs: Runs, *, owns: bool, **about: Any
) -> Sequences:
    values = line.rows.values
    if owns:
        values, runs = _moved_together(values, runs, reach.window)
    index = None if run_of(line.place, len(line.coordinate)) is not None else line.place
    names = line.group_names()
    labels = None if names is None else pd.CategoricalDtype(names)
    windows = RunSequences(values, runs, reach.window, index, labels, **about)
    return windows.without_leading_gaps()


def _moved_together(
    values: np.ndarray, runs: Runs, window: int
) -> tuple[np.ndarray, Runs]:
    """Return the rows in use, moved over those that no window reaches, and their runs.

    With a lag, these are the last rows of each run. A copy of the others would come
    later, and be a second one in memory.
    """
    low, high = runs.used(window)
    if (high - low == runs.size).all():
        return values, runs
    kept = np.zeros(len(values) + 1, dtype=np.int8)
    np.add.at(kept, runs.begin + low, 1)
    np.add.at(kept, runs.begin + high, -1)
    used = np.cumsum(kept[:-1], dtype=np.int8).view(bool)
    n = 0
    for part in blocks(len(values)):
        block = values[part][used[part]]
        values[n : n + len(block)] = block
        n += len(block)
    size = high - low
    moved = runs._replace(begin=np.cumsum(size) - size, size=size, end=runs.end - low)
    return values[:n], moved


def _lie_as_rows(
    line: Timeline, reach: Reach, shifts: list[tuple[int, np.ndarray]]
) -> bool:
    """Tell whether windows are runs of the rows as they are, without a copy."""
    if len(shifts) > 1:
        return False
    gap = line.coordinate[1:] - line.coordinate[:-1]
    return not ((gap > 1) & (gap < reach.back + 2)).any()  # no hole that a window spans


def _run_of_rows(line: Timeline) -> slice | None:
    """Return the rows that windows end at, if they follow each other in one series."""
    at = line.coordinate
    if line.labels != [NO_GROUP] or len(line.place) < FEW or at[-1] - at[0] >= len(at):
        return None
    return run_of(line.place, len(at))


def _intervals_of_rows(
    line: Timeline, reach: Reach, shift: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row and the number of rows of the window of every new row."""
    last = line.coordinate[line.place] - shift
    starts = np.searchsorted(line.coordinate, last - reach.window, side="right")
    lengths = np.searchsorted(line.coordinate, last, side="right")
    lengths -= starts
    return starts, lengths


def _fill_on_disk(
    line: Timeline, runs: CellRuns, shifts: list[tuple[int, np.ndarray]]
) -> np.ndarray:
    """Return the cells in a file of their own, written block by block."""
    rows = line.rows.values
    cells = blank((runs.n_cells, rows.shape[1]), rows.dtype, like=rows)
    for at in range(0, len(cells), BLOCK_ROWS):
        cells[at : at + BLOCK_ROWS] = np.nan
    for shift, columns in shifts:
        for at in range(0, len(rows), BLOCK_ROWS):
            part = slice(at, at + BLOCK_ROWS)
            flat, inside = runs.locate(line.coordinate[part] + shift)
            block = rows[part][np.ix_(inside, columns)]
            cells[np.ix_(flat[inside], columns)] = block
    return cells


def _shifts(lag: int, known: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Return pairs of a shift in cells and the columns that move ahead by it."""
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
    """Return the first cell of each run: it holds a row, at most one window back."""
    back = first_end - reach.window + 1
    low = first_end
    for shift, _ in shifts:
        at = np.searchsorted(coordinate, back - shift)
        exists = at < len(coordinate)
        cell = coordinate[np.minimum(at, len(coordinate) - 1)] + shift
        low = np.where(exists, np.minimum(low, cell), low)
    return low


def windows_on_disk(values: np.ndarray, reach: Reach, known: np.ndarray) -> Sequences:
    """Return the windows of :func:`window_view` over rows that stay in their file."""
    n, lag = len(values), reach.lag
    if lag and known.any() and not known.all():
        return ConsecutiveSequences(
            _cells_on_disk(values, lag, known), n, 1, reach.window
        )
    return ConsecutiveSequences(values, n, 1 if known.all() else 1 - lag, reach.window)


def _cells_on_disk(values: np.ndarray, lag: int, known: np.ndarray) -> np.ndarray:
    """Return the rows with the columns known ahead, and the others of earlier rows."""
    cells = blank(values.shape, values.dtype, like=values)
    for at in range(0, len(values), BLOCK_ROWS):
        block = values[at : at + BLOCK_ROWS]
        early = values[max(at - lag, 0) : max(at - lag + len(block), 0)]
        part = cells[at : at + len(block)]
        part[:, known] = block[:, known]
        part[: len(block) - len(early), ~known] = np.nan
        part[len(block) - len(early) :, ~known] = early[:, ~known]
    return cells


def window_view(values: np.ndarray, reach: Reach, known: np.ndarray) -> np.ndarray:
    """Return read-only windows (n, window, n_features) over NaN-padded rows."""
    n, n_features = values.shape
    window, lag = reach
    cells = values
    if reach.back:
        cells = np.full((n + window - 1, n_features), np.nan, dtype=values.dtype)
        own, lagged = cells[window - 1 :], cells[window - 1 + lag :]
        # A selection of columns would be a copy of the rows.
        np.copyto(own, values, where=known)
        np.copyto(lagged, values[: max(n - lag, 0)], where=~known)
    cells = np.ascontiguousarray(cells)
    row, cell = cells.strides
    return np.lib.stride_tricks.as_strided(
        cells, shape=(n, window, n_features), strides=(row, row, cell), writeable=False
    )


def long_windows(values: np.ndarray, reach: Reach, known: np.ndarray) -> Sequences:
    """Return the windows of :func:`window_view` without the rows that pad them.

    A window of a billion steps over ten rows has a billion missing steps, which a view
    would have to hold once.
    """
    n = len(values)
    cells = np.full_like(values, np.nan)
    cells[:, known] = values[:, known]
    cells[min(reach.lag, n) :, ~known] = values[: max(n - reach.lag, 0), ~known]
    end = np.arange(1, n + 1)
    lengths = np.minimum(end, reach.window)
    order = np.arange(n)
    return Sequences(cells, end - lengths, lengths, n_steps=reach.window, order=order)


def time_rank(time: np.ndarray) -> np.ndarray:
    """Return the rank of each time; equal times have the same rank."""
    before, after = time[:-1], time[1:]  # their difference could wrap around
    kind = place_dtype(len(time))
    if (after >= before).all():
        rank = np.zeros(len(time), dtype=kind)
        np.cumsum(after > before, out=rank[1:])
        return rank
    # Few of the times of a panel are distinct, and so no second copy of all is sorted.
    some = [np.unique(time[part]) for part in blocks(len(time))]
    distinct = np.unique(np.concatenate(some))
    del some
    rank = np.empty(len(time), dtype=kind)
    for part in blocks(len(time)):
        rank[part] = np.searchsorted(distinct, time[part])
    return rank


def previous_rows(grid: Grid | None, keys: Keys | None, n: int) -> np.ndarray:
    """Return, for each row, the row one time step before it, or -1."""
    if keys is None:
        return np.arange(n) - 1
    position = keys.time if grid is None else grid.split(keys.time)[0]
    order = np.lexsort((position, keys.codes))
    before, after = position[order][:-1], position[order][1:]
    one = after > before
    if grid is not None:
        one &= gaps_between(before, after) == 1
    one &= np.diff(keys.codes[order]) == 0
    previous = np.full(n, -1)
    previous[order[1:][one]] = order[:-1][one]
    return previous
