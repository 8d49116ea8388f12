"""Series followed by a pipeline with a window: the windows that are open advance.

A window starts from a state of zeros, so the state of the whole series is not what
`predict` computes. But the W windows that hold the newest row are all open at the same
time, and they read that row together: a stepper with W slots advances them in one
product. Each series also keeps its recent rows. From them, a window is run again where
no stepper can follow the network, for a row that comes late, and for a row that is only
asked about.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, KeysView, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._engines.stepping import make_stepper
from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.outliers import GRUOutlierDetector
from sklearn_gru._live.answers import Answers, check_method, weights_of
from sklearn_gru._live.carried import (
    CHANGED,
    INFINITE_ROW,
    no_rows,
    why_not_carried,
)
from sklearn_gru._live.clock import Clock
from sklearn_gru._live.intake import Intake, cut
from sklearn_gru._live.labels import read_labels, write_labels
from sklearn_gru._live.past import Past
from sklearn_gru._model.stepping import INFINITE, Stepper
from sklearn_gru._support.warn import warn
from sklearn_gru._tables.frames import as_frame
from sklearn_gru._tables.keys import NO_GROUP, check_group_kinds
from sklearn_gru.exceptions import (
    InputError,
    LostHistoryWarning,
    StreamError,
    TimeIndexError,
    UnseenDataWarning,
)

# Slots of a stepper, above which a window is run again: the product of one row with all
# open windows then takes as long as the steps of one window (512 windows of 32 units
# took 40 us, the 512 steps 50 us), and the states of each series megabytes.
MOST_SLOTS = 512


class OpenWindows:
    """The series of a pipeline; see :class:`sklearn_gru._live.feed.Feed`."""

    def __init__(self, pipeline: Pipeline, method: str) -> None:
        self._pipeline = pipeline
        self._method = method
        self._pasts: dict[Hashable, Past] = {}
        self._free: list[int] = []
        self._open()
        self._remember()

    # -- what is taken from the model --------------------------------------------------

    def _open(self) -> None:
        """Take over the window and the weights."""
        before, self._window, self._after = cut(self._pipeline)
        check_method(self._after, self._method)
        window, fitted = self._window, self._window._fitted
        self._names = window._columns.names
        self._reach, self._grid = fitted.reach, fitted
        self._numbers = {label: k for k, label in enumerate(fitted.groups)}
        self._keep = max(2 * fitted.reach.back, 1)
        self._known = known = window._columns.known
        self._lagged = ~known
        # With a shift of 0, a cell of a window is a row.
        self._shift = 0 if known.all() else fitted.reach.lag
        self._unknown = np.flatnonzero(~known).tolist() if known.any() else []
        self._stepper: Stepper | None = None
        self._categories = window._columns.categories
        if isinstance(self._after, BaseGRU) and not window.flatten:
            self._follow(self._after)
        n = len(self._names)
        self._row = np.empty(n) if self._stepper is None else self._stepper.row
        self._clock = Clock(fitted, whole_floats=not window._from_frame)
        self._intake = Intake(before, window, self._categories, self._clock, self._row)
        self._versions = self._weights()

    def _follow(self, estimator: Any) -> None:
        """Make a stepper for an estimator, if its network can go on by one row."""
        fitted = estimator._fitted
        table = fitted.encoder.categories
        self._categories = table.categories if len(table.columns) else None
        if why_not_carried(estimator) is not None:
            return
        if self._reach.window > MOST_SLOTS:
            return
        transform, dtype = fitted.encoder.standardizer.transform, fitted.dtype
        self._answers = Answers(estimator, self._method)
        self._stepper = make_stepper(
            estimator.nets_,
            fitted.linear,
            self._answers.scales,
            lambda rows: transform(rows, dtype),
            self._reach.window,
            rolls=True,
        )

    def _weights(self) -> Any:
        return weights_of(self._after)

    # -- rows in, answers out ----------------------------------------------------------

    def update(self, row: Any, key: Hashable, time: Any) -> Any:
        """Append a row; return the answer for its window."""
        key, time = self._intake.read(row, key, time)
        return self._append(key, time)

    def _append(self, key: Hashable, time: Any) -> Any:
        """Append what was read to `_row`; return the answer."""
        past = self._pasts.get(key)
        if past is None:
            return self._append_first(key, time)
        position = self._clock.place(time, past)
        if self._stepper is None or past.read is None or position != past.read + 1:
            return self._append_anywhere(past, position, time)
        if self._shift:
            self._put(past, position, time, self._row)
            self._load_cell(past, position)
            found = self._stepper.step(past.index, position)
        else:
            found = self._stepper.step(past.index, position)
            if found == INFINITE:
                raise InputError(INFINITE_ROW)
            past.append(position, self._row, observed=self._is_observed(self._row))
            past.time = time
        past.read = position
        return self._answers.one(self._stepper.out, found)

    def _append_first(self, key: Hashable, time: Any) -> Any:
        """Begin a series with a row, unless the row is refused."""
        past = self._begin(key)
        try:
            return self._append_anywhere(past, self._clock.place(time, past), time)
        except ValueError:
            self.forget(key)
            raise

    def _append_anywhere(self, past: Past, position: int, time: Any) -> Any:
        """Append or merge a row wherever it falls in its series."""
        if past.resumed:
            self._warn_hole(past, position, time)
        self._put(past, position, time, self._row)
        if self._stepper is None or past.newest != position:
            return self._run_again(self._cells(past, position))
        return self._advance(past, position)

    def _warn_hole(self, past: Past, position: int, time: Any) -> None:
        """Warn if the first row does not follow those that the window remembers."""
        past.resumed = False
        assert past.newest is not None
        missing = position - past.newest - 1
        if self._grid.is_regular and missing > 0:
            warn(
                f"The first row of the stream, at {self._clock.show(time, position)}, "
                f"comes {missing} steps after the rows that the window remembers: "
                "those steps are missing in its windows. If the rows exist, pass them "
                "to stream.warm(rows) first, or to SlidingWindow.partial_fit before "
                "the stream is made.",
                LostHistoryWarning,
            )

    def _put(self, past: Past, position: int, time: Any, row: np.ndarray) -> None:
        """Keep a row; one that is not newer changes windows that were read."""
        # The product is finite for nearly all rows, and a third of the time.
        if not math.isfinite(row @ row) and np.isinf(row).any():
            raise InputError(INFINITE_ROW)
        observed = self._is_observed(row)
        if past.newest is None or position > past.newest:
            past.append(position, row, observed=observed)
            past.time = time
            return
        if position < past.floor + self._reach.back:
            raise TimeIndexError(
                f"The row at {self._clock.show(time, position)} comes too late: it is "
                f"more than {self._reach.back} steps, the reach of a window, before "
                "the newest observed row of its series."
            )
        past.merge(position, row, observed=observed)
        past.read = None

    def _advance(self, past: Past, position: int) -> Any:
        """Let the stepper read all cells up to a position; return the answer."""
        assert self._stepper is not None
        start = position - self._reach.window + 1
        if past.read is not None:
            start = max(start, past.read + 1)
        found = 0
        for k, cell in enumerate(self._cells_between(past, start, position), start):
            self._row[:] = cell
            found = self._stepper.step(past.index, k)
        past.read = position
        return self._answers.one(self._stepper.out, found)

    def _load_cell(self, past: Past, position: int) -> None:
        """Write the newest cell to `_row`, whose known columns are there already."""
        np.copyto(self._row, past.row(position - self._shift), where=self._lagged)

    def _is_observed(self, row: np.ndarray) -> bool:
        """Return True if a row is more than what is known of the future."""
        if not self._unknown:
            return True
        return any(row[j] == row[j] for j in self._unknown)

    # -- windows run again -------------------------------------------------------------

    def _cells_between(self, past: Past, start: int, end: int) -> np.ndarray:
        """Return the cells (n, n_features) from a position to another."""
        positions = np.arange(start, end + 1)
        cells = past.rows(positions)
        if self._shift:
            lagged = past.rows(positions - self._shift)
            cells = np.where(self._known, cells, lagged)
        return cells

    def _cells(self, past: Past, position: int) -> np.ndarray:
        """Return the window (window_size, n_features) that ends at a position."""
        return self._cells_between(past, position - self._reach.window + 1, position)

    def _run_again(self, cells: np.ndarray) -> Any:
        """Return what the model says of one window, silent like a stepper."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnseenDataWarning)
            return getattr(self._after, self._method)(self._as_windows(cells))[0]

    def _as_windows(self, cells: np.ndarray) -> Any:
        """Return one window as the estimator was given windows in fit."""
        window, names = self._window, self._names
        if window.flatten:
            flat = cells.reshape(1, -1)
            first = self._after[0] if isinstance(self._after, Pipeline) else self._after
            if not hasattr(first, "feature_names_in_"):
                return flat
            return pd.DataFrame(flat, columns=window.get_feature_names_out())
        if isinstance(self._after, (BaseGRU, GRUOutlierDetector)):
            names = list(getattr(self._after, "feature_names_in_", ()))
        return Sequences(
            cells,
            np.zeros(1, dtype=np.int64),
            np.array([len(cells)]),
            feature_names=tuple(names) or None,
            categories=self._categories,
        ).without_leading_gaps()

    # -- the other calls ---------------------------------------------------------------

    def update_many(
        self, rows: Any, keys: Sequence[Hashable] | None, times: Any
    ) -> np.ndarray:
        """Append rows; return the answers for them."""
        self._check_unchanged()
        if (keys is None or times is None) and as_frame(rows) is not None:
            return self._update_table(rows, keys, times)
        n = len(rows)
        labels = [None] * n if keys is None else list(keys)
        given = _each(times, n)
        if len(labels) != n or len(given) != n:
            raise InputError(
                f"{n} rows, {len(labels)} keys and {len(given)} times: pass one key "
                "and one time per row."
            )
        frame = as_frame(rows)
        if frame is not None:
            rows = frame.to_dict("records")
        together = zip(rows, labels, given, strict=True)
        return np.array([self.update(row, key, time) for row, key, time in together])

    def _update_table(
        self, rows: Any, keys: Sequence[Hashable] | None, times: Any
    ) -> np.ndarray:
        """Append the rows of a frame, which holds keys or times or both."""
        table = list(self._intake.read_table(rows))
        given = _each(times, len(table))
        found = []
        for k, row in enumerate(table):
            self._row[:] = row.values
            key = row.key if keys is None else keys[k]
            own = row.time if times is None else self._clock.number(given[k])
            found.append(self._append(key, own))
        return np.array(found)

    def predict(self, row: Any, key: Hashable, time: Any) -> Any:
        """Return the answer for the newest window, or that of one more row."""
        self._check_unchanged()
        if row is None:
            past = self._pasts.get(key)
            if past is None or past.newest is None:
                raise no_rows(key)
            return self._run_again(self._cells(past, past.newest))
        key, time = self._intake.read(row, key, time)
        kept = self._pasts.get(key)
        past = Past(0, self._keep, len(self._row)) if kept is None else kept.copy()
        position = self._clock.place(time, past)
        self._put(past, position, time, self._row)
        return self._run_again(self._cells(past, position))

    def warm(self, X: Any, key: Hashable) -> None:
        """Keep many rows; the next row of each series reads its window from them."""
        table = list(self._intake.read_table(X))
        if self._clock.keeps_time:
            table.sort(key=lambda row: row.time)
        for row in table:
            label = row.key if key is None else key
            past = self._pasts.get(label) or self._begin(label)
            past.resumed = False
            self._put(past, self._clock.place(row.time, past), row.time, row.values)
            past.read = None

    def forget(self, key: Hashable) -> None:
        """Drop a series."""
        self._free.append(self._pasts.pop(key).index)

    def reset(self) -> None:
        """Go back to the rows that the window remembers."""
        for key in list(self._pasts):
            self.forget(key)
        self._remember()

    def refresh(self) -> None:
        """Take over weights and remembered rows; rows seen so far are kept."""
        before = self._fingerprint()
        self._open()
        if before != self._fingerprint():
            raise StreamError(
                "The window of the pipeline has other columns, another grid or another "
                "reach than before: make a new Stream."
            )
        if self._stepper is not None:
            self._stepper.reserve(len(self._pasts) + len(self._free))
        for past in self._pasts.values():
            past.read = None
        self._remember()

    def keys(self) -> KeysView[Hashable]:
        """Return the keys of the series."""
        return self._pasts.keys()

    def _check_unchanged(self) -> None:
        if self._weights() != self._versions:
            raise StreamError(CHANGED)

    def _begin(self, key: Hashable) -> Past:
        """Begin a series."""
        number = self._numbers.get(NO_GROUP if key is None else key)
        if number is None and NO_GROUP not in self._numbers:
            check_group_kinds([key], self._numbers)
        index = self._free.pop() if self._free else len(self._pasts)
        if self._stepper is not None:
            self._stepper.reserve(index + 1)
        past = Past(index, self._keep, len(self._row))
        if number is not None and self._grid.is_regular:
            past.phase = int(self._grid.phases[number])
        self._pasts[key] = past
        return past

    def _remember(self) -> None:
        """Keep the rows that the window remembers and that are not older."""
        history, fitted = self._window._history, self._window._fitted
        if history is None:
            return
        rows = history.rows
        values = self._intake.recoded(rows.values, self._window._columns.categories)
        begins = np.flatnonzero(np.diff(rows.group, prepend=-1))
        ends = np.append(begins[1:], len(rows.group))
        for begin, end in zip(begins, ends, strict=False):  # none if there is no row
            mine = np.arange(begin, end)
            label = fitted.groups[rows.group[begin]]
            key = None if label == NO_GROUP else label
            past = self._pasts.get(key) or self._begin(key)
            past.resumed = past.resumed or past.newest is None
            for k in self._recent(mine, rows.position, values):
                self._put_remembered(past, rows.position[k], rows.time[k], values[k])

    def _recent(
        self, mine: np.ndarray, position: np.ndarray, values: np.ndarray
    ) -> np.ndarray:
        """Return those rows of a group that a stream keeps."""
        if not self._grid.is_regular:
            position = np.arange(len(position))
        observed = mine
        if self._unknown:
            seen = ~np.isnan(values[mine][:, self._unknown]).all(axis=1)
            observed = mine[seen] if seen.any() else mine
        return mine[position[mine] >= position[observed[-1]] - self._keep]

    def _put_remembered(
        self, past: Past, position: Any, time: Any, row: np.ndarray
    ) -> None:
        """Keep one remembered row, unless the stream is further on."""
        position, time, observed = int(position), time.item(), self._is_observed(row)
        if not self._grid.is_regular:
            if past.time is not None and time <= past.time:
                return
            position = 0 if past.newest is None else past.newest + 1
        past.read = None
        if past.newest is None or position > past.newest:
            past.append(position, row, observed=observed)
            past.time = time
        elif position >= past.floor:
            past.merge(position, row, observed=observed)

    # -- snapshots ---------------------------------------------------------------------

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the recent rows of every series."""
        pasts = list(self._pasts.values())
        positions = [past.kept() for past in pasts]
        rows = [p.rows(at) for p, at in zip(pasts, positions, strict=True)]
        empty = np.empty((0, len(self._row)))
        dtype = np.float64 if self._clock.axis.kind == "number" else np.int64
        return {
            "model": np.array(self._fingerprint()),
            "keys": write_labels(self._pasts),
            "lengths": np.array([len(at) for at in positions], dtype=np.int64),
            "positions": np.concatenate([np.empty(0, dtype=np.int64), *positions]),
            "rows": np.concatenate([empty, *rows]),
            "floors": np.array([past.floor for past in pasts], dtype=np.int64),
            "phases": np.array(
                [-1 if past.phase is None else past.phase for past in pasts],
                dtype=np.int64,
            ),
            "timed": np.array([past.time is not None for past in pasts], dtype=bool),
            "times": np.array([past.time or 0 for past in pasts], dtype=dtype),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over a snapshot of a pipeline with the same window."""
        if str(state["model"]) != self._fingerprint():
            raise StreamError(
                "The state belongs to a window of other columns, another grid or "
                f"another reach; this one is {self._fingerprint()}."
            )
        for key in list(self._pasts):
            self.forget(key)
        ends = np.cumsum(state["lengths"])
        for k, key in enumerate(read_labels(state["keys"])):
            past = self._begin(key)
            mine = slice(ends[k] - state["lengths"][k], ends[k])
            for position, row in zip(
                state["positions"][mine].tolist(), state["rows"][mine], strict=True
            ):
                past.append(position, row, observed=False)
            past.floor = int(state["floors"][k])
            past.phase = None if state["phases"][k] < 0 else int(state["phases"][k])
            past.time = state["times"][k].item() if state["timed"][k] else None

    def _fingerprint(self) -> str:
        """Return what the recent rows depend on; the weights do not count."""
        kinds = [] if self._categories is None else self._categories
        values = [None if kind is None else list(map(str, kind)) for kind in kinds]
        about = self._names, tuple(self._reach), self._grid.axis.kind, self._grid.freq
        return repr((*about, values))


def _each(times: Any, n: int) -> list[Any]:
    """Return one time per row, from as many or from one."""
    return [times] * n if np.ndim(times) == 0 else list(times)
