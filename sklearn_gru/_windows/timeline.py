"""Remembered and new rows on one line, and the rows to remember of it.

Every row gets one integer **coordinate**: rows one time step apart differ by 1, and
rows that no window holds together differ by at least the reach of a window. Groups and
long holes then need no special case: a window is an interval of the line, and the cells
between two rows of a hole are empty. All of it is a few sorts and searches over whole
arrays, without a loop over groups or rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_gru._support.on_disk import BLOCK_ROWS, blocks, gathered, joined
from sklearn_gru._tables.axis import Axis
from sklearn_gru._tables.grid import gaps_between, sorted_order
from sklearn_gru._tables.keys import NO_GROUP
from sklearn_gru._tables.numbering import place_dtype
from sklearn_gru.exceptions import TimeIndexError


class Reach(NamedTuple):
    """The distance that a window looks back, in time steps."""

    window: int
    lag: int

    @property
    def back(self) -> int:
        """Number of rows before a row that enter its window."""
        return self.window + self.lag - 1


_COLUMNS = 2  # sorted together: more are faster, and take more memory


class Rows(NamedTuple):
    """Rows with their keys; `position` counts time steps, or is the time off a grid."""

    group: np.ndarray  # (n,)
    position: np.ndarray  # (n,)
    time: np.ndarray  # (n,) as read
    values: np.ndarray  # (n, n_features)

    def take(self, index: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(*(gathered(part, index) for part in self))

    def sort(self, order: np.ndarray, owned: Collection[str]) -> Rows:
        """Return the rows in an order; those arrays that are `owned` change."""
        found = {}
        for name, array in self._asdict().items():
            if name not in owned:
                found[name] = array[order]
            elif array.ndim == 1:
                _sort_in_place(array, order)
            else:
                for at in range(0, array.shape[1], _COLUMNS):
                    _sort_in_place(array[:, at : at + _COLUMNS], order)
        return self._replace(**found)


def _sort_in_place(rows: np.ndarray, order: np.ndarray) -> None:
    before = rows.copy()
    # Positions in four bytes are copied when they are used.
    for part in blocks(len(order)):
        rows[part] = before[order[part]]


@dataclass(frozen=True, eq=False)
class Timeline:
    """Distinct rows in order of group and time, each at its coordinate."""

    rows: Rows
    coordinate: np.ndarray  # (m,) strictly increasing
    remembered: np.ndarray  # (m,) bool: remembered from earlier calls
    given: np.ndarray  # (m,) bool: among the new rows
    place: np.ndarray  # (n_new,) index of each new row in `rows`
    new_group: np.ndarray  # (m,) bool: first row of its group
    labels: list[Any]  # label of each group

    def begins_run(self) -> np.ndarray:
        """Return a mask (m,) of the rows that no row precedes by one time step."""
        begins = ~follows(self.coordinate)
        begins |= self.new_group
        return begins

    def without_positions(self) -> Timeline:
        """Return the line for windows, which need coordinates only."""
        nothing = np.empty(0, dtype=np.int64)
        return replace(self, rows=self.rows._replace(position=nothing))

    def groups(self) -> pd.Categorical | None:
        """Return the group of every new row, or None if there are no groups."""
        names = self.group_names()
        if names is None:
            return None
        return pd.Categorical.from_codes(self.rows.group[self.place], names)

    def group_names(self) -> pd.Index | None:
        """Return the label of each group, or None if there are no groups."""
        if self.labels == [NO_GROUP]:
            return None
        return pd.Index(self.labels, dtype=object, tupleize_cols=False)


def follows(numbers: np.ndarray) -> np.ndarray:
    """Return a mask of the numbers that are one above the number before."""
    found = np.zeros(len(numbers), dtype=bool)
    for at in range(1, len(numbers), BLOCK_ROWS):
        block = numbers[at - 1 : at + BLOCK_ROWS]
        found[at : at + BLOCK_ROWS] = block[1:] - block[:-1] == 1
    return found


def merge(
    old: Rows | None,
    new: Rows,
    reach: Reach,
    *,
    regular: bool,
    axis: Axis,
    labels: Sequence[Any] = (NO_GROUP,),
    owned: Collection[str] = (),
) -> Timeline:
    """Return the line of remembered and new rows.

    A new row replaces a remembered one of the same group and time, except where the
    new row has NaN. The same row twice is one row; different rows of one group and time
    are an error. Those arrays of new rows that are `owned` may be sorted in place, for
    a line without remembered rows that takes little memory.
    """
    n_old = 0 if old is None else len(old.group)
    both = new if old is None else Rows(*map(joined, old, new))
    is_new = np.ones(len(both.group), dtype=bool)
    is_new[:n_old] = False
    order = sorted_order(both.group, both.position)
    if order is not None:
        both = both.sort(order, owned) if owned else both.take(order)
        is_new = is_new[order] if n_old else is_new
    first = np.ones(len(both.group), dtype=bool)
    first[1:] = both.position[1:] != both.position[:-1]
    first[1:] |= both.group[1:] != both.group[:-1]
    rows = both if first.all() else _merge_equal(both, is_new, first, axis)
    place = _places(first, order, place_dtype(len(first)) if owned else np.int64)
    del order, is_new, first, both  # memory peaks at the coordinates
    new_group = np.ones(len(rows.group), dtype=bool)
    new_group[1:] = rows.group[1:] != rows.group[:-1]
    return Timeline(
        rows=rows,
        coordinate=_coordinates(
            rows, new_group, reach, regular=regular, narrow=bool(owned)
        ),
        remembered=_any_at(place[:n_old], len(rows.group)),
        given=_any_at(place[n_old:], len(rows.group)),
        place=place[n_old:],
        new_group=new_group,
        labels=list(labels),
    )


def _places(first: np.ndarray, order: np.ndarray | None, dtype: Any) -> np.ndarray:
    """Return the index of each given row among the distinct rows.

    `first` is the mask of those rows in `order` that differ from the row before.
    """
    place = np.empty(len(first), dtype=dtype)
    count = 0
    for part in blocks(len(first)):
        number = count + np.cumsum(first[part])
        place[part if order is None else order[part]] = number - 1
        count = number[-1]
    return place


def _any_at(places: np.ndarray, n: int) -> np.ndarray:
    marks = np.zeros(n, dtype=bool)
    marks[places] = True
    return marks


def _merge_equal(both: Rows, is_new: np.ndarray, first: np.ndarray, axis: Axis) -> Rows:
    """Return one row per group and time: later rows replace, but NaN never does."""
    again = np.flatnonzero(~first)
    twice = again[is_new[again] & is_new[again - 1]]
    a, b = both.values[twice], both.values[twice - 1]
    differs = ((a != b) & ~(np.isnan(a) & np.isnan(b))).any(axis=1)
    if differs.any():
        at = int(twice[differs.argmax()])
        raise TimeIndexError(
            f"{differs.sum()} rows have the same group and time as another row but "
            f"different values, first at {axis.show(both.time[at])}. "
            f"{_repeated_hour(both.time[twice[differs]], axis)}If several series "
            "are stacked in X, name the columns that tell them apart with groups=; "
            "otherwise aggregate or drop the duplicates."
        )
    rows = both.take(np.flatnonzero(first))
    values = rows.values.copy()
    late, target = both.values[again], np.cumsum(first)[again] - 1
    values[target] = np.where(np.isnan(late), values[target], late)
    return rows._replace(values=values)


def _repeated_hour(times: np.ndarray, axis: Axis) -> str:
    """Return a hint if times without a zone are twice there when clocks go back."""
    if axis.kind != "datetime" or axis.tz is not None:
        return ""
    stamps: Any = axis.written(times)
    if not ((stamps.day_of_week == 6) & (stamps.hour < 4)).all():  # a night to Sunday
        return ""
    return (
        "If these are local times without a zone, daylight saving time repeats an hour "
        "in autumn: X.index = X.index.tz_localize('Europe/Berlin', ambiguous='infer') "
        "with your zone tells the two apart. "
    )


def _coordinates(
    rows: Rows, new_group: np.ndarray, reach: Reach, *, regular: bool, narrow: bool
) -> np.ndarray:
    """Return coordinates; distances beyond the reach of a window do not matter.

    With `narrow`, they have four bytes each if none can be too large for that.
    """
    apart = reach.back + 2
    n = len(rows.group)
    small = narrow and n < 2**31 // apart
    found = np.empty(n, dtype=np.int32 if small else np.int64)
    last = 0
    for part in blocks(n):
        at, stop = part.start, part.stop
        step = np.full(stop - at, apart, dtype=np.int64)
        before = max(at - 1, 0)
        inside = ~new_group[before + 1 : stop]
        if regular:
            gap = gaps_between(
                rows.position[before : stop - 1], rows.position[before + 1 : stop]
            )
            gap = np.minimum(gap, apart, out=gap).view(np.int64)
            np.copyto(step[before + 1 - at :], gap, where=inside)
        else:
            step[before + 1 - at :][inside] = 1
        step[0] += last
        np.cumsum(step, out=step)
        found[at:stop] = step
        last = step[-1]
    return found


class History(NamedTuple):
    """Rows kept for later windows, and what is known of rows that are not kept."""

    rows: Rows
    run_start: np.ndarray  # (n,) position of the first row of the run
    forgotten: np.ndarray  # (n, 2) oldest and newest position forgotten of the group
    origins: np.ndarray | None = None  # (n, 2) times that elapsed time is counted from

    def take(self, index: np.ndarray) -> History:
        """Return what is known of some of the rows."""
        origins = None if self.origins is None else self.origins[index]
        return History(
            self.rows.take(index), self.run_start[index], self.forgotten[index], origins
        )


_NOTHING = np.array([np.iinfo(np.int64).max, np.iinfo(np.int64).min])  # is forgotten


def remember(
    line: Timeline,
    reach: Reach,
    *,
    regular: bool,
    before: History | None = None,
    origins: np.ndarray | None = None,
) -> History:
    """Return the rows that later windows may need.

    On a grid these are the last ``window + lag - 1`` rows of every run of consecutive
    time steps, because only rows after the run will look back at it. Without a grid, a
    later row may fall between any two others, so all rows are kept. All rows are also
    kept when they join those remembered `before`.
    """
    rows = line.rows
    n = len(rows.group)
    begins = line.begins_run() if regular else line.new_group
    starts = np.flatnonzero(begins)
    if regular and before is None:
        index, run = _ends_of_runs(starts, n, reach.back)
        found = np.tile(_NOTHING, (len(index), 1))
        kept = None if origins is None else origins[index]
        return History(rows.take(index), rows.position[starts][run], found, kept)
    run = np.cumsum(begins) - 1
    run_start = rows.position[starts][run] if n else rows.position
    if before is not None:
        known_start = run_start.copy()
        known_start[line.remembered] = before.run_start
        run_start = np.minimum(run_start, known_start[starts][run])
    return History(rows, run_start, forgotten_of_groups(line, before), origins)


def _ends_of_runs(
    starts: np.ndarray, n: int, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the last rows of each run of n rows, and their runs."""
    ends = np.append(starts[1:], n)
    sizes = np.minimum(ends - starts, most)
    run = np.repeat(np.arange(len(starts)), sizes)
    return np.arange(len(run)) + (ends - np.cumsum(sizes))[run], run


def forgotten_of_groups(line: Timeline, history: History | None) -> np.ndarray:
    """Return, for each row of a line, the positions (n, 2) forgotten of its group."""
    found = np.tile(_NOTHING, (len(line.rows.group), 1))
    if history is None or not len(found):
        return found
    found[line.remembered] = history.forgotten
    return _widest(found, line.new_group)


def _widest(bounds: np.ndarray, new_group: np.ndarray) -> np.ndarray:
    """Return the least and the greatest bound (n, 2) of each row's group."""
    begins, group = np.flatnonzero(new_group), np.cumsum(new_group) - 1
    low = np.minimum.reduceat(bounds[:, 0], begins)[group]
    high = np.maximum.reduceat(bounds[:, 1], begins)[group]
    return np.stack([low, high], axis=1)


def forget(
    history: History, observed: np.ndarray, steps: int, *, regular: bool
) -> History:
    """Return the rows at most `steps` - 1 steps before the newest observed one.

    Each group counts back from its own newest observed row, so that rows of the future,
    of which only some columns are known, push nothing out; a group without any observed
    row keeps all. The positions that a group forgets are noted, so that windows which
    miss them are reported.

    Parameters
    ----------
    history : History
        Rows in order of group and time.
    observed : ndarray of bool of shape (n,)
        Rows that are more than what is known of the future.
    steps : int
        Time steps to keep; rows where times are irregular.
    regular : bool
        Whether rows lie on a grid.
    """
    rows = history.rows
    n = len(rows.group)
    if not n:
        return history
    new_group = np.append(True, rows.group[1:] != rows.group[:-1])
    begins, group = np.flatnonzero(new_group), np.cumsum(new_group) - 1
    place = rows.position if regular else np.arange(n)
    newest = np.full(len(begins), -1)
    np.maximum.at(newest, group[observed], np.flatnonzero(observed))
    # Without an observed row, nothing is older than the first row.
    oldest = np.where(newest >= 0, place[newest] - steps + 1, place[begins])
    kept = place >= oldest[group]
    if kept.all():
        return history
    bounds = history.forgotten.copy()
    bounds[~kept, 0] = np.minimum(bounds[~kept, 0], place[~kept])
    bounds[~kept, 1] = np.maximum(bounds[~kept, 1], place[~kept])
    forgotten = _widest(bounds, new_group)
    return history._replace(forgotten=forgotten).take(kept)
