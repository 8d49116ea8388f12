"""The grid of regular times, which shows missing rows as holes.

The time step is the greatest common divisor of the gaps between the times of a group,
taken in UTC, in wall-clock time (days of 23 or 25 hours) or in whole months, whichever
leaves the fewest holes. ``pandas.infer_freq`` returns None if a single row is missing,
as in every shuffled fold; the divisor is the same.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import pandas as pd

from sklearn_gru._support.on_disk import BLOCK_ROWS
from sklearn_gru._support.rules import Satisfies
from sklearn_gru._tables.axis import Axis, Keys
from sklearn_gru._tables.numbering import first_rows, place_dtype
from sklearn_gru.exceptions import InvalidParameterError, TimeIndexError

_DAY = 86_400 * 10**9  # nanoseconds

_LARGEST = np.iinfo(np.int64).max

# Of a window or a lag: coordinates of all groups, that far apart, must fit into int64.
MOST_STEPS = 2**31

# With more time steps per row, on average, a grid explains nothing.
MAX_STEPS_PER_ROW = 10
# One very long hole must not make a regular series irregular.
_GAP_CAP = 100

_DURATIONS = (str, datetime.timedelta, pd.offsets.BaseOffset, np.timedelta64)
DURATION = Satisfies(
    lambda v: isinstance(v, _DURATIONS),
    "a duration such as '7D' on regular times",
)


class Grid(Protocol):
    """Regular times: every time is a whole number of steps and a phase."""

    @property
    def freq(self) -> Any:
        """The time step, as pandas writes it."""

    def split(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return position in steps, and phase, which is constant in a regular group."""

    def count(self, duration: Any) -> int | None:
        """Return the steps in a duration, or None if they are not a whole number."""

    def advance(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the times some steps later, off the grid if there is no such time."""


@dataclass(frozen=True)
class Ticks:
    """A fixed number of units: nanoseconds of UTC, ordinals of periods, integers."""

    step: int
    is_datetime: bool

    @property
    def freq(self) -> Any:
        return pd.Timedelta(self.step, unit="ns") if self.is_datetime else self.step

    def split(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.divmod(time, self.step)

    def count(self, duration: Any) -> int | None:
        return _whole(_nanoseconds(duration), self.step) if self.is_datetime else None

    def advance(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return time + steps * self.step


@dataclass(frozen=True)
class WallClock:
    """A fixed number of nanoseconds on a clock that jumps with daylight saving."""

    step: int
    tz: Any

    @property
    def freq(self) -> Any:
        if self.step % _DAY == 0:
            return pd.DateOffset(days=self.step // _DAY)
        return pd.Timedelta(self.step, unit="ns")

    def split(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.divmod(wall_clock(time, self.tz), self.step)

    def count(self, duration: Any) -> int | None:
        return _whole(_nanoseconds(duration), self.step)

    def advance(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return _of_wall_clock(wall_clock(time, self.tz) + steps * self.step, self.tz)


@dataclass(frozen=True)
class Months:
    """Whole months, counted to the same day from their start or from their end."""

    step: int
    tz: Any
    from_end: bool

    @property
    def freq(self) -> Any:
        return pd.DateOffset(months=self.step)

    def split(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        month, since, until = _months(wall_clock(time, self.tz))
        position, phase = np.divmod(month, self.step)
        return position, phase * 32 * _DAY + (until if self.from_end else since)

    def count(self, duration: Any) -> int | None:
        months = _offset_months(_to_offset(duration))
        return None if months is None else _whole(months, self.step)

    def advance(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        month, since, until = _months(wall_clock(time, self.tz))
        month = month + steps * self.step
        if self.from_end:
            return _of_wall_clock(_month_start(month + 1) - until, self.tz)
        return _of_wall_clock(_month_start(month) + since, self.tz)


@dataclass(frozen=True)
class BusinessDays:
    """Monday to Friday; a holiday is a hole."""

    step: int
    tz: Any

    @property
    def freq(self) -> Any:
        return pd.offsets.BusinessDay(self.step)

    def split(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        day, clock = np.divmod(wall_clock(time, self.tz), _DAY)
        dates = day.astype("datetime64[D]")
        number = np.busday_count(np.datetime64("1970-01-05"), dates)
        position, phase = np.divmod(number, self.step)
        # Mark weekends as off-grid.
        return position, np.where(np.is_busday(dates), phase * _DAY + clock, -1)

    def count(self, duration: Any) -> int | None:
        offset = _to_offset(duration)
        if isinstance(offset, pd.offsets.BusinessDay):
            return _whole(offset.n, self.step)
        return None

    def advance(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        day, clock = np.divmod(wall_clock(time, self.tz), _DAY)
        later = np.busday_offset(day.astype("datetime64[D]"), steps * self.step)
        return _of_wall_clock(later.astype(np.int64) * _DAY + clock, self.tz)


@dataclass(frozen=True)
class FloatTicks:
    """A fixed step between floating-point times, to a thousandth of the step."""

    step: float

    @property
    def freq(self) -> float:
        return self.step

    def split(self, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        thousandths = np.rint(time / self.step * 1000)
        if (np.abs(thousandths) >= _LARGEST / 2).any():
            raise TimeIndexError(
                f"The times reach {np.abs(time).max():g}, too many steps of "
                f"{self.step:g} to count. Subtract a constant from the times, or pass "
                "a longer freq=."
            )
        return np.divmod(thousandths.astype(np.int64), 1000)

    def count(self, duration: Any) -> int | None:
        return None

    def advance(self, time: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return time + steps * self.step


def wall_clock(time: np.ndarray, tz: Any) -> np.ndarray:
    """Return wall-clock nanoseconds, from nanoseconds of UTC."""
    if tz is None:
        return time
    return pd.DatetimeIndex(time, tz="UTC").tz_convert(tz).tz_localize(None).asi8


def _of_wall_clock(wall: np.ndarray, tz: Any) -> np.ndarray:
    """Return nanoseconds of UTC; a repeated hour is read as its first occurrence."""
    if tz is None:
        return wall
    # A time that the clock skips becomes another one, off the grid.
    first = np.ones(len(wall), dtype=bool)
    stamps = pd.DatetimeIndex(wall).tz_localize(
        tz, ambiguous=first, nonexistent="shift_forward"
    )
    return stamps.asi8


def _months(wall: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the number of the month, and nanoseconds from its start and to its end."""
    month = wall.astype("datetime64[ns]").astype("datetime64[M]")
    # In days: the first day of a month may lie outside the years of nanoseconds.
    start = month.astype("datetime64[D]").astype(np.int64)
    end = (month + np.timedelta64(1, "M")).astype("datetime64[D]").astype(np.int64)
    day, clock = np.divmod(wall, _DAY)
    return (
        month.astype(np.int64),
        (day - start) * _DAY + clock,
        (end - day) * _DAY - clock,
    )


def _month_start(month: np.ndarray) -> np.ndarray:
    """Return the nanoseconds at which months begin, from their numbers."""
    return month.astype("datetime64[M]").astype("datetime64[ns]").astype(np.int64)


def find_grid(freq: Any, keys: Keys | None) -> Grid | None:
    """Return the grid that `freq` ("infer", None or a step) gives these keys."""
    if keys is None or keys.axis.kind == "row" or freq is None:
        return None
    if isinstance(freq, str) and freq == "infer":
        return infer_grid(keys.axis, keys.time, keys.codes)
    return grid_from_freq(freq, keys.axis, keys.time)


def misses_weekends(grid: Grid, keys: Keys) -> bool:
    """Tell whether rows are daily and have no weekend in three weeks or more."""
    if keys.axis.kind != "datetime" or grid.count("1D") != 1:
        return False
    days = wall_clock(keys.time, keys.axis.tz) // _DAY
    weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
    return bool(np.ptp(days) >= 21 and (weekday < 5).all())


def place(
    grid: Grid, keys: Keys, group: np.ndarray, phases: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the position of every row on the grid, and the phase of every group.

    Groups that already have a phase in `phases` keep it.
    """
    found = np.zeros(max(int(group.max()) + 1, len(phases)), dtype=np.int64)
    first = first_rows(group, len(found))
    seen = np.flatnonzero(first < len(group))
    found[seen] = grid.split(keys.time[first[seen]])[1]
    found[: len(phases)] = phases
    positions = np.empty(len(group), dtype=np.int64)
    n_off = first_off = 0
    for at in range(0, len(group), BLOCK_ROWS):
        part = slice(at, at + BLOCK_ROWS)
        expected = found[group[part]]
        position, phase = grid.split(keys.time[part])
        positions[part], phase = _tolerated(grid, position, phase, expected)
        off = (phase != expected) | (phase < 0)
        if off.any():
            first_off = first_off if n_off else at + int(off.argmax())
            n_off += int(off.sum())
    if n_off:
        raise TimeIndexError(
            f"{n_off} of {len(group)} rows are off the grid of {grid.freq!r}, "
            f"the first at {keys.axis.show(keys.time[first_off])}. "
            f"{_rounding(grid, keys)}If the times are irregular, pass freq=None, "
            "which counts every row as one step; if the step differs, pass it as freq=."
        )
    return positions, found


# Clocks are inexact: a time this near to the grid, in steps, is on it.
_TOLERANCE = 0.01


def _tolerated(
    grid: Grid, position: np.ndarray, phase: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and phases, with times near the grid moved onto it."""
    if not isinstance(grid, (Ticks, WallClock)) or (phase == expected).all():
        return position, phase
    tolerance = int(_TOLERANCE * grid.step)
    ahead = phase - expected
    # A time just before a step is at the end of the step before it, or the reverse.
    steps = np.rint(ahead / grid.step).astype(np.int64)
    near = np.abs(ahead - steps * grid.step) <= tolerance
    return position + near * steps, np.where(near, expected, phase)


def _rounding(grid: Grid, keys: Keys) -> str:
    """Return the advice to round inexact times, for datetimes at a fixed step."""
    if not (isinstance(grid, Ticks) and grid.is_datetime):
        return ""
    offset = pd.tseries.frequencies.to_offset(pd.Timedelta(grid.step, unit="ns"))
    where = "X.index = X.index" if keys.time_column is None else "X[time] = X[time].dt"
    return f"If the clock is inexact, round them: {where}.round({offset.freqstr!r}). "


def infer_grid(axis: Axis, time: np.ndarray, codes: np.ndarray) -> Grid | None:
    """Return the grid of the times, or None if they are irregular or too few."""
    if axis.kind == "number":
        return None
    order = sorted_order(codes, time)
    ticks, least = _common_gap(codes, time, order)
    if not ticks:
        return None
    if axis.tz is None and (axis.kind != "datetime" or least < 28 * _DAY):
        return _ticks(axis, ticks, _gap_blocks(codes, time, order))
    if order is not None:
        time, codes = time[order], codes[order]
    apart = (codes[1:] == codes[:-1]) & (time[1:] > time[:-1])
    before, after = time[:-1], time[1:]
    if not apart.all():
        before, after = before[apart], after[apart]
    found = [
        (grid, steps)
        for grid, steps in _candidates(axis, before, after)
        if np.minimum(steps, _GAP_CAP).mean() <= MAX_STEPS_PER_ROW
    ]
    # min keeps the first of equals, and candidates are in order of preference.
    return min(found, key=lambda c: c[1].sum(dtype=float))[0] if found else None


def _gap_blocks(
    codes: np.ndarray, time: np.ndarray, order: np.ndarray | None
) -> Iterator[np.ndarray]:
    """Yield the gaps between the times of a group, block by block."""
    for at in range(0, len(time) - 1, BLOCK_ROWS):
        part: Any = slice(at, at + BLOCK_ROWS + 1)
        part = part if order is None else order[part]
        own, when = codes[part], time[part]
        apart = (own[1:] == own[:-1]) & (when[1:] > when[:-1])
        gaps = gaps_between(when[:-1], when[1:])
        yield gaps if apart.all() else gaps[apart]


def _common_gap(
    codes: np.ndarray, time: np.ndarray, order: np.ndarray | None
) -> tuple[int, int]:
    """Return the greatest common divisor and the least of the gaps; 0 without any."""
    ticks, least = 0, 2**64
    for gaps in _gap_blocks(codes, time, order):
        if len(gaps):
            ticks = math.gcd(ticks, int(np.gcd.reduce(gaps)))
            least = min(least, int(gaps.min()))
    return ticks, least


def _ticks(axis: Axis, ticks: int, blocks: Iterable[np.ndarray]) -> Grid | None:
    """Return the grid of a fixed step, unless there are too many steps per row."""
    if ticks > _LARGEST:
        return None
    total = count = 0
    for gaps in blocks:
        total += int(np.minimum(gaps // ticks, _GAP_CAP).sum())
        count += len(gaps)
    if total > MAX_STEPS_PER_ROW * count:
        return None
    return Ticks(ticks, is_datetime=axis.kind == "datetime")


def sorted_order(codes: np.ndarray, time: np.ndarray) -> np.ndarray | None:
    """Return a stable order by group and time, or None if rows are in order."""
    if _are_in_order(codes, time):
        return None
    order = np.lexsort((time, codes))
    return order.astype(place_dtype(len(order)), copy=False)


def _are_in_order(codes: np.ndarray, time: np.ndarray) -> bool:
    ahead = codes[1:] > codes[:-1]
    level = codes[1:] == codes[:-1]
    return bool((ahead | (level & (time[1:] >= time[:-1]))).all())


def gaps_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return after - before as unsigned integers: it may be above half of all int64."""
    return np.subtract(after, before, dtype=np.uint64, casting="unsafe")


def _candidates(axis: Axis, before: np.ndarray, after: np.ndarray):
    """Generate grids on which all gaps are whole, with the gaps in steps."""
    apart = gaps_between(before, after)
    ticks = int(np.gcd.reduce(apart))
    if axis.kind != "datetime":
        if ticks <= _LARGEST:
            yield Ticks(ticks, is_datetime=False), apart // ticks
        return
    wall_before, wall_after = wall_clock(before, axis.tz), wall_clock(after, axis.tz)
    backward = wall_after < wall_before  # in a repeated hour
    if backward.any():
        wall_after = np.where(backward, wall_before, wall_after)
    gaps = apart if axis.tz is None else gaps_between(wall_before, wall_after)
    if gaps.min() >= 28 * _DAY:
        yield from _monthly(axis, wall_before, wall_after)
    wall = int(np.gcd.reduce(gaps)) if gaps.min() > 0 and axis.tz is not None else 0
    daily = wall and wall % _DAY == 0
    if daily:  # before UTC: two days without a clock change look the same in both
        yield WallClock(wall, axis.tz), gaps // wall
    if ticks <= _LARGEST:
        yield Ticks(ticks, is_datetime=True), apart // ticks
    # Prefer hours of UTC, unless only the wall clock allows a step as long. In a
    # repeated hour, the wall clock would hide a missing row.
    if not daily and wall > ticks:
        yield WallClock(wall, axis.tz), gaps // wall


def _at_the_end(until: np.ndarray) -> bool:
    """Tell whether all times lie on the last day of a month, the 30th or the 31st."""
    return bool((until <= _DAY).all())


def _monthly(axis: Axis, wall_before: np.ndarray, wall_after: np.ndarray):
    month_before, *phases_before = _months(wall_before)
    month_after, *phases_after = _months(wall_after)
    months = month_after - month_before
    step = int(np.gcd.reduce(months))
    ends = _at_the_end(phases_before[1])
    for from_end in (ends, not ends):
        if np.array_equal(phases_before[from_end], phases_after[from_end]):
            yield Months(step, axis.tz, from_end), months // step


def grid_from_freq(freq: Any, axis: Axis, time: np.ndarray) -> Grid:
    """Return the grid named by the user."""
    if isinstance(freq, (int, float, np.number)) and not isinstance(freq, bool):
        if axis.kind == "number":
            return FloatTicks(float(freq))
        if axis.kind in ("integer", "period", "row") and float(freq).is_integer():
            return Ticks(int(freq), is_datetime=False)
    elif axis.kind == "datetime":
        grid = _grid_from_offset(_to_offset(freq), axis, time)
        if grid is not None:
            return grid
    raise TimeIndexError(
        f"freq={freq!r} does not fit rows that carry {axis.describe()}. Expected "
        "'infer', None (every row is one step), a number for numbers, or an "
        "offset such as 'h', '15min', 'D', 'B', 'W', 'MS', 'ME' for datetimes."
    )


def _grid_from_offset(offset: Any, axis: Axis, time: np.ndarray) -> Grid | None:
    if offset is None:
        return None
    if isinstance(offset, pd.offsets.BusinessDay):
        return BusinessDays(offset.n, axis.tz)
    months = _offset_months(offset)
    if months is not None:
        _, since, until = _months(wall_clock(time, axis.tz))
        from_end = bool(np.ptp(since)) or _at_the_end(until)
        return Months(months, axis.tz, from_end=from_end)
    step = _nanoseconds(offset)
    if step is None:
        return None
    if step % _DAY == 0 and axis.tz is not None:
        return WallClock(step, axis.tz)
    return Ticks(step, is_datetime=True)


def _to_offset(freq: Any) -> Any:
    try:
        return pd.tseries.frequencies.to_offset(freq)
    except (ValueError, TypeError):
        return None


def _offset_months(offset: Any) -> int | None:
    if _is_plain(offset, "months"):
        return offset.n * offset.kwds["months"]
    code = offset.rule_code.partition("-")[0] if offset is not None else ""
    months = {"M": 1, "ME": 1, "MS": 1, "QE": 3, "QS": 3, "YE": 12, "YS": 12}.get(code)
    return None if months is None else offset.n * months


def _is_plain(offset: Any, unit: str) -> bool:
    return type(offset) is pd.DateOffset and set(offset.kwds) == {unit}


def _nanoseconds(duration: Any) -> int | None:
    """Return a duration of constant length in nanoseconds, or None."""
    offset = _to_offset(duration)
    if isinstance(offset, pd.offsets.Week):
        return offset.n * 7 * _DAY
    if isinstance(offset, pd.offsets.Day):
        return offset.n * _DAY
    if _is_plain(offset, "days"):
        return offset.n * offset.kwds["days"] * _DAY
    try:
        return int(pd.Timedelta(offset if offset is not None else duration).value)
    except (ValueError, TypeError):
        return None


def _whole(amount: int | None, step: int) -> int | None:
    return None if amount is None or amount % step else amount // step


def steps_of(value: Any, grid: Grid | None, parameter: str, *, least: int = 1) -> int:
    """Return a number of time steps, given as such or as a duration on a grid."""
    steps = _count_steps(value, grid, parameter)
    if steps < least:
        raise InvalidParameterError(
            f"{parameter}={value!r} is {steps} steps; expected at least {least}."
        )
    if steps > MOST_STEPS:
        raise InvalidParameterError(
            f"{parameter}={value!r} is {steps} steps; expected at most {MOST_STEPS}."
        )
    return steps


def _count_steps(value: Any, grid: Grid | None, parameter: str) -> int:
    if isinstance(value, Integral) and not isinstance(value, np.timedelta64):
        return int(value)
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        raise InvalidParameterError(
            f"{parameter}={value!r} is a text of digits. As a number of steps, write "
            f"{parameter}={int(value)}; a duration has a unit, such as '{int(value)}h'."
        )
    if grid is None:
        raise TimeIndexError(
            f"{parameter}={value!r} is a duration, which needs regular times; these "
            f"rows have none. Give a number of rows, such as {parameter}=20, with the "
            "time since the row before as a column; or make the times regular, "
            "X.resample('D').mean(); or pass freq= if no grid was found."
        )
    if _to_offset(value) is None and _nanoseconds(value) is None:
        raise TimeIndexError(
            f"{parameter}={value!r} cannot be read as a duration. Give a number of "
            "steps, or a duration such as '36h', '7D' or '12MS'."
        )
    steps = grid.count(value)
    if steps is None:
        raise TimeIndexError(
            f"{parameter}={value!r} is not a whole number of steps of {grid.freq!r}. "
            "Integer times and periods take a number of steps."
        )
    return steps
