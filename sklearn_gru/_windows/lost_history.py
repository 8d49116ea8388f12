"""Saying aloud that windows are shorter than they could be.

A window that misses rows still gives a prediction, only a worse one, and nothing in a
score tells why. The cases here are the ways in which scikit-learn users lose rows
without noticing; each is counted and reported once a call, with the remedy.
"""

from __future__ import annotations

import numpy as np

from sklearn_gru._support.warn import warn
from sklearn_gru._tables.keys import Axis
from sklearn_gru._windows.timeline import Memory, Reach, Timeline
from sklearn_gru.exceptions import LostHistoryWarning

_SILENCE = " (To silence: warnings.simplefilter('ignore', LostHistoryWarning).)"


def warn_without_time(n_rows: int, reach: Reach) -> None:
    """X carries no time, so nothing seen in fit can be found."""
    short = min(n_rows, reach.memory)
    _warn(
        f"{short} of {n_rows} rows have windows cut short at the first row of X: X "
        "carries no time, so the rows seen in fit cannot be found. Give X as a "
        "DataFrame whose index is the time (behind a scaler: "
        "set_output(transform='pandas')), or name the column with time=."
    )


def warn_starts_anew(line: Timeline, memory: Memory) -> None:
    """A fresh RangeIndex puts new rows at the beginning of the training rows.

    A group that nothing is remembered of may begin wherever it likes.
    """
    rows = line.given & np.isin(line.rows.group, memory.rows.group)
    if not rows.any() or line.remembered[rows].any():
        return
    position = line.rows.position[rows]
    first = position.min()
    if first == memory.run_start.min() and position.max() < memory.rows.position.min():
        _warn(
            f"The index of X starts at {first} again, so its {rows.sum()} rows "
            "are read as the first rows seen in fit, without a past. If they are new "
            "rows, let the index go on where that of fit ended, or use times."
        )


def warn_lost_history(
    line: Timeline,
    memory: Memory,
    reach: Reach,
    known: np.ndarray,
    axis: Axis,
    *,
    regular: bool,
) -> None:
    """Look for each way of losing rows and report those found."""
    problems = []
    if regular:
        problems += _after_a_hole(line, reach, known)
        problems += _forgotten(line, memory, reach)
        problems += _past_the_last_observation(line, reach, known, axis)
    problems += _cut_by_row_number(line, known)
    for problem in problems:
        _warn(problem)


def _warn(message: str) -> None:
    warn(message + _SILENCE, LostHistoryWarning)


def _after_a_hole(line: Timeline, reach: Reach, known: np.ndarray) -> list[str]:
    """New rows behind the end of the history, with steps missing between."""
    group = np.cumsum(line.new_group) - 1
    n_groups = int(group[-1]) + 1
    end = np.full(n_groups, -1)
    np.maximum.at(end, group[line.remembered], line.coordinate[line.remembered])
    later = line.given & (line.coordinate > end[group]) & (end[group] >= 0)
    if not later.any():
        return []
    first = np.full(n_groups, np.iinfo(np.int64).max)
    np.minimum.at(first, group[later], line.coordinate[later])
    hole = first[group] > end[group] + 1
    looks_into = np.zeros(len(later), dtype=bool)
    for shift, columns in ((0, known), (reach.lag, ~known)):
        newest = line.coordinate - shift
        looks_into |= columns.any() & (
            (newest > end[group]) & (newest - reach.window + 1 < first[group])
        )
    lost = int((later & hole & looks_into).sum())
    if not lost:
        return []
    return [
        f"The windows of {lost} of {line.given.sum()} rows reach into a hole between "
        "the end of the rows seen in fit and the first row of X: those steps are "
        "treated as missing. If the rows exist, give them to SlidingWindow.partial_fit "
        "first, or leave no gap between the training and the test rows."
    ]


def _forgotten(line: Timeline, memory: Memory, reach: Reach) -> list[str]:
    """New rows that look back further than the rows kept of a run seen in fit."""
    n = len(line.coordinate)
    if reach.memory == 0 or not len(memory.run_start):
        return []
    begins = line.new_group.copy()
    begins[1:] |= np.diff(line.coordinate) != 1
    first = np.flatnonzero(begins)
    run = np.cumsum(begins) - 1
    run_start = np.full(n, np.iinfo(np.int64).max)
    run_start[line.remembered] = memory.run_start
    # The first remembered row at or behind the start of a run of rows tells whether
    # fit saw rows before it.
    at = np.where(line.remembered, np.arange(n), n - 1)
    following = np.minimum.accumulate(at[::-1])[::-1][first]
    same = line.rows.group[following] == line.rows.group[first]
    cut = same & (run_start[following] < line.rows.position[first])
    near = line.coordinate - line.coordinate[first][run] < reach.memory
    lost = int((line.given & cut[run] & near).sum())
    if not lost:
        return []
    return [
        f"The windows of {lost} of {line.given.sum()} rows miss rows that were seen in "
        f"fit but not kept: only the last {reach.memory} rows of every run are. To "
        "transform a part of the training rows, include the rows before it."
    ]


def _past_the_last_observation(
    line: Timeline, reach: Reach, known: np.ndarray, axis: Axis
) -> list[str]:
    """New rows further ahead than `lag` steps: their newest steps are unknown."""
    if known.all():
        return []
    observed = ~np.isnan(line.rows.values[:, ~known]).all(axis=1)
    group = np.cumsum(line.new_group) - 1
    last = np.full(int(group[-1]) + 1, -1)
    np.maximum.at(last, group[observed], line.coordinate[observed])
    ahead = line.given & (last[group] >= 0)
    ahead &= line.coordinate > last[group] + reach.lag
    if not ahead.any():
        return []
    first = axis.show(line.rows.time[int(ahead.argmax())])
    return [
        f"{ahead.sum()} of {line.given.sum()} rows lie more than lag={reach.lag} steps "
        f"past the last observation of their group, the first at {first}: the newest "
        "steps of their windows are missing. To forecast h steps ahead fit with lag=h."
    ]


def _cut_by_row_number(line: Timeline, known: np.ndarray) -> list[str]:
    """Other groups are remembered beyond the times transformed."""
    group = line.rows.group
    n = int(group.max()) + 1
    low, last_old = np.full(n, np.inf), np.full(n, -np.inf)
    time = line.rows.time.astype(np.float64)
    np.minimum.at(low, group[line.given], time[line.given])
    np.maximum.at(last_old, group[line.remembered], time[line.remembered])
    given, seen = np.isfinite(low), np.isfinite(last_old)
    if (given | seen).sum() < 2 or not seen.any():
        return []
    # Groups that go on after their own past, while others are already further. (Groups
    # never seen are left alone: to hold out whole groups is another way to split.)
    # (Rows with nothing observed are the future of a series, not a test fold.)
    observed = known.all() | ~np.isnan(line.rows.values[:, ~known]).all(axis=1)
    scored = np.zeros(n, dtype=bool)
    scored[group[line.given & observed]] = True
    forward = given & seen & scored & (low > last_old)
    behind = forward & (_maximum_of_others(last_old) > low)
    if not behind.any():
        return []
    return [
        f"The rows remembered of other groups reach past the times transformed in "
        f"{behind.sum()} of {given.sum()} groups: a panel split by row number instead "
        "of by time lets training see the future. Split by time for all groups at once."
    ]


def _maximum_of_others(values: np.ndarray) -> np.ndarray:
    """For each entry the largest of all the others."""
    top = int(values.argmax())
    second = np.delete(values, top).max(initial=-np.inf)
    return np.where(np.arange(len(values)) == top, second, values[top])
