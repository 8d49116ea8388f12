"""Saying aloud that windows are shorter than they could be.

A window that misses rows still gives a prediction, only a worse one, and nothing in a
score tells why. The cases here are the ways in which scikit-learn users lose rows
without noticing; each is counted and reported once a call, with the remedy.
"""

from __future__ import annotations

import warnings

import numpy as np

from sklearn_gru._time import Axis
from sklearn_gru._timeline import Memory, Reach, Timeline
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
    problems += _cut_by_row_number(line)
    for problem in problems:
        _warn(problem)


def _warn(message: str) -> None:
    # Past transform and scikit-learn's wrapper, to the line of the user or of Pipeline.
    warnings.warn(message + _SILENCE, LostHistoryWarning, stacklevel=5)


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
    shift = 0 if known.any() else reach.lag
    newest = line.coordinate - shift
    hole = first[group] > end[group] + 1
    looks_into = (newest > end[group]) & (newest - reach.window + 1 < first[group])
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
    """New rows inside a run seen in fit, whose earlier rows were not kept."""
    n = len(line.coordinate)
    starts = line.given.copy()
    starts[1:] &= line.new_group[1:] | (np.diff(line.coordinate) != 1)
    starts &= ~line.remembered
    if reach.memory == 0 or not starts.any() or not len(memory.run_start):
        return []
    run_start = np.full(n, np.iinfo(np.int64).max)
    run_start[line.remembered] = memory.run_start
    # The next remembered row of the same group tells whether its run reaches back.
    at = np.where(line.remembered, np.arange(n), n - 1)
    following = np.minimum.accumulate(at[::-1])[::-1]
    same = line.rows.group[following] == line.rows.group
    inside = starts & same & (run_start[following] < line.rows.position)
    if not inside.any():
        return []
    since = np.maximum.accumulate(np.where(starts, np.arange(n), -1))
    near = line.coordinate - line.coordinate[since] < reach.memory
    lost = int((line.given & (since >= 0) & inside[since] & near).sum())
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


def _cut_by_row_number(line: Timeline) -> list[str]:
    """Other groups are remembered beyond the times transformed."""
    group = line.rows.group
    n = int(group.max()) + 1
    low = np.full(n, np.inf)
    last_new, last_old = np.full(n, -np.inf), np.full(n, -np.inf)
    time = line.rows.time.astype(np.float64)
    np.minimum.at(low, group[line.given], time[line.given])
    np.maximum.at(last_new, group[line.given], time[line.given])
    np.maximum.at(last_old, group[line.remembered], time[line.remembered])
    given, seen = np.isfinite(low), np.isfinite(last_old)
    if (given | seen).sum() < 2 or not seen.any():
        return []
    if (given & seen).any():
        # Groups that go on after their own past, while others are already further.
        forward = given & seen & (low > last_old)
        others = _maximum_of_others(last_old)
        behind = forward & (others > low)
    else:
        behind = given & (last_old.max() > last_new.max())
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
