"""Warnings about windows that are missing available history.

A window without some of its rows still gives a prediction, only a worse one, and no
score shows why. These checks cover the ways in which scikit-learn users lose rows
without noticing. Each is counted and reported once per call, with the remedy.
"""

from __future__ import annotations

import numpy as np

from sklearn_gru._support.warn import warn
from sklearn_gru._tables.axis import Axis
from sklearn_gru._windows.timeline import (
    History,
    Reach,
    Timeline,
    forgotten_of_groups,
)
from sklearn_gru.exceptions import LostHistoryWarning

Ends = tuple[np.ndarray, np.ndarray, np.ndarray]  # see `_ends`

_NEVER = np.iinfo(np.int64).max  # a coordinate that no row has

_SILENCE = " (To silence: warnings.simplefilter('ignore', LostHistoryWarning).)"


def warn_without_time(n_rows: int, reach: Reach) -> None:
    """Warn that X carries no time, so that no row seen in fit can be found."""
    short = min(n_rows, reach.back)
    if not short:
        return
    _warn(
        f"{short} of {n_rows} rows have windows cut short at the first row of X: X "
        "carries no time, so the rows seen in fit cannot be found. Give X as a "
        "DataFrame whose index is the time (after a scaler: "
        "set_output(transform='pandas')), or name the column with time=."
    )


def warn_forgotten_rows(n_rows: int) -> None:
    """Warn that rows without a time cannot be remembered."""
    _warn(
        f"partial_fit keeps none of the {n_rows} rows: X carries no time, so later "
        "rows cannot be told to follow them. Give X as a DataFrame whose index is the "
        "time, or name the column with time=."
    )


def warn_starts_anew(line: Timeline, history: History) -> None:
    """Warn that a new RangeIndex puts new rows at the start of the training rows.

    Groups without remembered rows may start anywhere.
    """
    rows = line.given & np.isin(line.rows.group, history.rows.group)
    if not rows.any() or line.remembered[rows].any():
        return
    position = line.rows.position[rows]
    first = position.min()
    if (
        first == history.run_start.min()
        and position.max() < history.rows.position.min()
    ):
        _warn(
            f"The index of X starts at {first} again, so its {rows.sum()} rows "
            "are read as the first rows seen in fit, without a past. If they are new "
            "rows, continue the index after the last label seen in fit, or use times."
        )


def warn_lost_history(
    line: Timeline,
    history: History,
    reach: Reach,
    known: np.ndarray,
    axis: Axis,
    *,
    regular: bool,
) -> None:
    """Warn once, with all ways of losing rows that are found."""
    problems = []
    if regular:
        ends = _ends(line)
        problems += _after_a_hole(line, reach, known, ends)
        problems += _forgotten(line, history, reach)
        problems += _past_the_last_observation(line, reach, known, axis, ends)
    problems += _cut_by_row_number(line, known)
    if problems:
        _warn(" Also: ".join(problems))


def _warn(message: str) -> None:
    warn(message + _SILENCE, LostHistoryWarning)


def _after_a_hole(
    line: Timeline, reach: Reach, known: np.ndarray, ends: Ends
) -> list[str]:
    """Report new rows that follow the history, but only after a hole."""
    group, end, first = ends
    later = first[group] < _NEVER
    later &= line.given & (line.coordinate > end[group])
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
        "treated as missing. If the rows exist, pass them to SlidingWindow.partial_fit "
        "first, or leave no gap between the training and the test rows."
    ]


def _ends(line: Timeline) -> Ends:
    """Return groups of rows, and the ends of their history and starts after it.

    Per row the number of its group; per group the coordinate of its last remembered row
    (-1 if there is none), and of the first new row after that (`_NEVER` likewise).
    """
    group = np.cumsum(line.new_group) - 1
    n_groups = int(group[-1]) + 1
    end = np.full(n_groups, -1)
    np.maximum.at(end, group[line.remembered], line.coordinate[line.remembered])
    first = np.full(n_groups, _NEVER)
    later = line.given & (line.coordinate > end[group]) & (end[group] >= 0)
    np.minimum.at(first, group[later], line.coordinate[later])
    return group, end, first


def _forgotten(line: Timeline, history: History, reach: Reach) -> list[str]:
    """Report new rows that look back further than the rows kept from fit."""
    n = len(line.coordinate)
    if reach.back == 0 or not len(history.run_start):
        return []
    begins = line.new_group.copy()
    begins[1:] |= np.diff(line.coordinate) != 1
    first = np.flatnonzero(begins)
    run = np.cumsum(begins) - 1
    run_start = np.full(n, np.iinfo(np.int64).max)
    run_start[line.remembered] = history.run_start
    # The first remembered row at or after the start of a run of rows shows whether fit
    # saw rows before it.
    at = np.where(line.remembered, np.arange(n), n - 1)
    following = np.minimum.accumulate(at[::-1])[::-1][first]
    same = line.rows.group[following] == line.rows.group[first]
    cut = same & (run_start[following] < line.rows.position[first])
    near = line.coordinate - line.coordinate[first][run] < reach.back
    oldest, newest = forgotten_of_groups(line, history).T
    position = line.rows.position
    missed = (oldest < position[first][run]) & (position - reach.back <= newest)
    lost = int((line.given & near & (cut[run] | missed)).sum())
    if not lost:
        return []
    return [
        f"The windows of {lost} of {line.given.sum()} rows miss rows that were seen in "
        f"fit but not kept: only the last {reach.back} rows of every run are, and "
        "after partial_fit those within max_history. To transform a part of the rows "
        "seen, include the rows before it."
    ]


def _past_the_last_observation(
    line: Timeline, reach: Reach, known: np.ndarray, axis: Axis, ends: Ends
) -> list[str]:
    """Report new rows more than `lag` steps ahead, whose newest steps are unknown."""
    if known.all():
        return []
    observed = ~np.isnan(line.rows.values[:, ~known]).all(axis=1)
    group, end, first_new = ends
    last = np.full(len(end), -1)
    np.maximum.at(last, group[observed], line.coordinate[observed])
    # Rows missing between the history and X are reported as a hole: count from its end.
    hole = (first_new < _NEVER) & (first_new > end + 1)
    last = np.where(hole & (last >= 0), np.maximum(last, first_new - 1), last)
    ahead = line.given & (last[group] >= 0)
    ahead &= line.coordinate > last[group] + reach.lag
    if not ahead.any():
        return []
    first = axis.show(line.rows.time[int(ahead.argmax())])
    return [
        f"{ahead.sum()} of {line.given.sum()} rows lie more than lag={reach.lag} steps "
        f"past the last observation of their group, the first at {first}: the newest "
        "steps of their windows are missing. To forecast h steps ahead, fit with lag=h."
    ]


def _cut_by_row_number(line: Timeline, known: np.ndarray) -> list[str]:
    """Report groups whose new times are in the remembered past of other groups."""
    group = line.rows.group
    n = int(group.max()) + 1
    if n < 2:
        return []
    low, last_old = np.full(n, np.inf), np.full(n, -np.inf)
    time = line.rows.time.astype(np.float64)
    np.minimum.at(low, group[line.given], time[line.given])
    np.maximum.at(last_old, group[line.remembered], time[line.remembered])
    given, seen = np.isfinite(low), np.isfinite(last_old)
    if (given | seen).sum() < 2 or not seen.any():
        return []
    # Groups that continue after their own past while others are already further ahead.
    # Groups never seen are ignored: holding out whole groups is another way to split.
    # Rows without any observation are the future of a series, not a test fold.
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
    """Return, for each entry, the largest of all the others."""
    top = int(values.argmax())
    second = np.delete(values, top).max(initial=-np.inf)
    return np.where(np.arange(len(values)) == top, second, values[top])
