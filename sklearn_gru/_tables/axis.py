"""Kind of time of a table, and the time and group of each of its rows.

:mod:`~sklearn_gru._tables.keys` reads them; grids, windows and tables use them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_gru.exceptions import TimeIndexError


class Axis(NamedTuple):
    """The kind of time that rows carry; equal in fit and transform."""

    kind: str  # "datetime" | "period" | "integer" | "number" | "row"
    tz: Any = None
    period: str | None = None

    def check_same(self, other: Axis) -> None:
        """Raise TimeIndexError if rows on `other` have no place on this axis."""
        if self.kind != other.kind or self.period != other.period:
            raise TimeIndexError(
                f"The rows carry {other.describe()} as time, but those seen in fit "
                f"carried {self.describe()}."
            )
        if (self.tz is None) != (other.tz is None):
            raise TimeIndexError(
                f"The rows carry {other.describe()}, but those seen in fit carried "
                f"{self.describe()}. Use tz_localize or tz_convert to make them match."
            )

    def written(self, times: np.ndarray) -> pd.Index:
        """Return times as an index of the kind they were read from."""
        if self.kind == "datetime":
            return pd.DatetimeIndex(times, tz="UTC").tz_convert(self.tz)
        if self.kind == "period":
            ordinals = pd.PeriodIndex.from_ordinals  # type: ignore[attr-defined]
            return ordinals(times, freq=self.period)
        return pd.Index(times)

    def describe(self) -> str:
        """Return the kind of time in words, for messages."""
        if self.kind == "datetime":
            return "naive datetimes" if self.tz is None else f"datetimes in {self.tz}"
        if self.kind == "period":
            return f"periods of frequency {self.period!r}"
        return {
            "integer": "integers",
            "number": "floating-point numbers",
            "row": "no time (their row number)",
        }[self.kind]

    def show(self, time: Any) -> str:
        """Return one time as the user wrote it."""
        if self.kind == "datetime":
            stamp = pd.Timestamp(int(time), unit="ns", tz="UTC" if self.tz else None)
            return str(stamp.tz_convert(self.tz) if self.tz else stamp)
        if self.kind == "period":
            return str(pd.Period(ordinal=int(time), freq=self.period))
        return str(time)


class Keys(NamedTuple):
    """The time and the group of every row."""

    time: np.ndarray  # (n_rows,) int64, or float64 for axis "number"
    axis: Axis
    codes: np.ndarray  # (n_rows,) into labels
    labels: list[Any]  # one value per group, a tuple for several key columns
    columns: list[int]  # columns of X that are keys, not features
    time_column: int | None = None  # the time was read from this column,
    time_level: int | None = None  # or this level of the index
    levels: tuple[int, ...] = ()  # levels of the index that are keys
    copied: bool = False  # whether the times are a copy of those of X
