"""The transformer from rows to windows: :class:`SlidingWindow`.

A transformer that keeps the number of rows works inside scikit-learn without changes:
y stays aligned, scores stay correct, and every splitter can be used. The windows are
correct because they are looked up by group and time, not by row number, among the rows
given and those remembered from fit (see :mod:`sklearn_gru._windows.timeline`). This
module imports neither PyTorch nor skorch.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_gru._encoding.all_ranks import of_all_ranks
from sklearn_gru._encoding.consecutive import sequences_of
from sklearn_gru._support.estimator import Estimator
from sklearn_gru._support.on_disk import BLOCK_ROWS, is_on_disk
from sklearn_gru._support.rules import (
    Boolean,
    OneOf,
    Rule,
    check_parameters,
    positive_integer,
)
from sklearn_gru._support.sklearn_callbacks import CallbackSupportMixin, is_one_task
from sklearn_gru._tables.axis import Axis, Keys
from sklearn_gru._tables.columns import Columns
from sklearn_gru._tables.frames import as_frame, as_list
from sklearn_gru._tables.grid import DURATION, find_grid, steps_of
from sklearn_gru._tables.keys import read_keys
from sklearn_gru._tables.row_store import RowStore
from sklearn_gru._windows.elapsed import (
    RULES,
    elapsed_since,
    find_origins,
    new_names,
    require_time,
)
from sklearn_gru._windows.explain import explain_window, find_row
from sklearn_gru._windows.fitted_grid import FittedGrid
from sklearn_gru._windows.known_columns import missing_shares, warn_missing_known
from sklearn_gru._windows.leakage import check_no_leak
from sklearn_gru._windows.lost_history import (
    warn_forgotten_rows,
    warn_lost_history,
    warn_starts_anew,
    warn_without_time,
)
from sklearn_gru._windows.placement import (
    lay_windows,
    long_windows,
    previous_rows,
    window_view,
    windows_on_disk,
)
from sklearn_gru._windows.row_checks import (
    check_same_rows,
    refuse_infinity,
    refuse_other_shapes,
    refuse_texts,
    warn_step,
    warn_unread_dates,
    warn_window,
)
from sklearn_gru._windows.timeline import History, Reach, Timeline
from sklearn_gru.exceptions import InputError, InvalidParameterError, TimeIndexError

__all__ = ["SlidingWindow"]

_FLOATS = [np.float64, np.float32]

# Missing rows that pad the windows of a plain array; beyond, they are Sequences.
_MOST_PADDING = 1_000_000


class SlidingWindow(CallbackSupportMixin, TransformerMixin, Estimator):
    """Turn every row into the sequence of rows that leads to it.

    The window of the row at time t of group g holds the rows of g at the times
    ``t - lag - (window_size - 1) * step`` … ``t - lag``; columns in `known_future` fill
    the same `window_size` steps ending at t. Steps before the first known row are
    absent (the sequence is shorter); a hole inside is a step of NaN. The number of rows
    never changes, and y is never touched.

    ``fit`` remembers the rows that later ones look back at, and ``transform`` looks
    them up by group and time, so the test rows of a cross-validation see their true
    past, and no window looks forward.

    Parameters
    ----------
    window_size : int or str
        Number of steps in a window, or a duration such as ``"7D"`` on regular times.
    lag : int or str, default=0
        Steps (or a duration) by which the window ends before its row. ``lag=h``
        forecasts h steps ahead: the row's target is predicted from what was known h
        steps before.
    known_future : str, int or list of them, default=None
        Columns known ahead of time (calendar, weather forecast, planned price), by name
        or position; they are read up to the row itself.
    groups : str, int or list of them, default=None
        Columns or index levels that identify the series of a panel. None takes the
        levels of a MultiIndex that are not the time.
    time : str or int, default=None
        Column or index level that is the time. None takes a DatetimeIndex, PeriodIndex
        or integer index, or the only datetime level of a MultiIndex (else its last
        integer level). Rows of an array without `time` are time steps in row order.
    freq : "infer", None, str, number or pandas offset, default="infer"
        Length of one time step. "infer" finds it in the times given to fit; None counts
        every row as one step, whatever the times; ``"B"`` counts business days.
    categorical_features : str, int or list of them, default=None
        Columns to carry as categories (texts, booleans, numbered kinds), in addition to
        those of category dtype. A group key named here is a feature too.
    max_history : "auto", None, int or str, default="auto"
        How many steps (or what duration) of rows `partial_fit` remembers, counted back
        from the newest observed row of each group: a row with a value outside
        `known_future`. "auto" keeps the rows of the last call and what windows can
        reach before them on regular times, and all rows on irregular ones, where a late
        row may fall between any others. None keeps all rows.
    add_elapsed : bool or "since_start", default=False
        Append a column "elapsed": the time since the last row of the group that holds a
        value outside `known_future`, in hours for datetimes, in periods for periods,
        else in the unit of `time`; 0 in the first row. "since_start" also appends the
        time since the first row of the group. They tell irregular times apart, and how
        long a hole was; they are read `lag` steps back.
    flatten : bool, default=False
        Return a 2-D array of shape ``(n_rows, window_size * n_features)``, oldest step
        first, for estimators that do not take sequences.

    Attributes
    ----------
    freq_ : Timedelta, DateOffset, int, float or None
        The time step found; None if the times are irregular or X carries none.
    categories_ : tuple or None
        For each feature the array of its categories in the order of their codes, None
        for a numeric feature; None if all are numeric.
    n_features_in_ : int
        Number of columns seen in fit, keys included.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had any.

    Raises
    ------
    TimeIndexError
        Times or groups are missing, contradict each other or leave the grid.
    LeakageError
        A column visible at the target's own time is a copy of y.

    Notes
    -----
    Key columns are dropped from the features. An array without `time` or `groups` gives
    a read-only view over its rows, everything else a
    :class:`~sklearn_gru.Sequences`; neither copies windows. The rows of such an array
    that lies in a file (``np.memmap``) stay there, as Sequences. The same row twice (a
    bootstrap sample) is one row; different rows of the same group and time are an
    error. A :class:`~sklearn_gru.exceptions.LostHistoryWarning` reports windows that
    are shorter than the data could make them.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn_gru import SlidingWindow
    >>> hours = pd.date_range("2024-01-01", periods=5, freq="h")
    >>> df = pd.DataFrame({"load": [3.0, 4.0, 5.0, 6.0, 7.0]}, index=hours)
    >>> window = SlidingWindow(3, lag=1).fit(df.iloc[:4])
    >>> window.transform(df.iloc[4:])
    Sequences(1 sequences of 3 steps, 1 features, float64, over 4 rows)
    >>> np.asarray(window.transform(df.iloc[4:]))[0, :, 0]
    array([4., 5., 6.])

    Holes are found by time, and groups never mix:

    >>> panel = df.iloc[[0, 1, 3]].assign(shop="a").set_index("shop", append=True)
    >>> np.asarray(SlidingWindow(4, freq="h").fit_transform(panel))[-1, :, 0]
    array([ 3.,  4., nan,  6.])

    The same windows for any other estimator, with names:

    >>> flat = SlidingWindow(2, lag=1, flatten=True).set_output(transform="pandas")
    >>> flat.fit_transform(df).columns.tolist()
    ['load_lag2', 'load_lag1']
    """

    _parameter_rules: ClassVar[dict[str, list[Rule]]] = {
        "window_size": [positive_integer(), DURATION],
        "lag": [positive_integer(0), DURATION],
        "max_history": [OneOf((None, "auto")), positive_integer(), DURATION],
        "add_elapsed": RULES,
        "flatten": [Boolean()],
    }

    def __init__(
        self,
        window_size,
        *,
        lag=0,
        known_future=None,
        groups=None,
        time=None,
        freq="infer",
        categorical_features=None,
        max_history="auto",
        add_elapsed=False,
        flatten=False,
    ):
        self.window_size = window_size
        self.lag = lag
        self.known_future = known_future
        self.groups = groups
        self.time = time
        self.freq = freq
        self.categorical_features = categorical_features
        self.max_history = max_history
        self.add_elapsed = add_elapsed
        self.flatten = flatten

    _fitted: FittedGrid  # inspection reads it too
    _columns: Columns
    _history: History | None
    _from_frame: bool
    _missing_in_fit: np.ndarray

    # -- the contract -----------------------------------------------------------------

    @of_all_ranks
    def fit(self, X, y=None):
        """Find the keys and the grid, and remember the rows that later ones need.

        Parameters
        ----------
        X : DataFrame, RowStore or array-like of shape (n_rows, n_columns)
            Rows in any order, with their keys.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Only compared with the columns, to refuse one that gives it away.

        Returns
        -------
        self : SlidingWindow
            Fitted transformer.
        """
        self._fit(X, y)
        return self

    @of_all_ranks
    def fit_transform(self, X, y=None):
        """Fit to X and return its windows; the same as ``fit(X, y).transform(X)``.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows in any order, with their keys.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs), default=None
            Only compared with the columns, to refuse one that gives it away.

        Returns
        -------
        windows : Sequences or ndarray
            One window per row; see :meth:`transform`.
        """
        values, line = self._fit(X, y)
        owns = self._copies(X)
        if self._history is not None:
            owns &= self._history.rows.values is not values
        return self._windows(values, line, self._columns, None, owns=owns)

    def transform(self, X):
        """Look up the window of every row.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows in any order, with the same columns and keys as in fit.

        Returns
        -------
        windows : Sequences or ndarray
            Of shape ``(n_rows, window_size, n_features)``, or
            ``(n_rows, window_size * n_features)`` with ``flatten=True``; in the order
            of the rows. An ndarray for an array without keys, unless its windows are
            over a million rows longer than it is.
        """
        check_is_fitted(self)
        values, keys, columns = self._read_new(X)
        if keys is None:
            warn_missing_known(values, self._columns, self._missing_in_fit)
            warn_without_time(len(values), self._fitted.reach)
            return self._windows(values, None, columns, None)
        line = self._line(keys, values)
        merged = line.rows.values[line.place]
        warn_missing_known(merged, self._columns, self._missing_in_fit)
        if self._history is None:
            warn_without_time(len(values), self._fitted.reach)
        else:
            if isinstance(getattr(X, "index", None), pd.RangeIndex):
                warn_starts_anew(line, self._history)
            warn_lost_history(
                line,
                self._history,
                self._fitted.reach,
                self._columns.known,
                self._fitted.axis,
                regular=self._fitted.is_regular,
            )
        return self._windows(values, line, columns, self._history)

    def partial_fit(self, X, y=None):
        """Append rows to those remembered, and forget those out of reach.

        Later windows then reach into these rows. Rows farther back than `max_history`
        are forgotten, so that a call takes as long after years as after a day. The
        columns, the grid and the model that reads the windows stay as they are.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            New rows; one already remembered is replaced.
        y : None
            Ignored.

        Returns
        -------
        self : SlidingWindow
            The transformer with the longer history.
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X, y)
        values, keys, columns = self._read(X, reset=False)
        if keys is None or self._fitted.axis.kind == "row":
            warn_forgotten_rows(len(values))
            return self
        before = self._history
        rows, fitted = self._fitted.locate(keys, values)
        line = fitted.merge(before, rows)
        if not fitted.is_regular and self.freq == "infer":
            found = fitted.find_again(line)  # there may be enough rows now
            if found is not None:
                (fitted, line), before = found, None
        history = fitted.remember(line, before, self._origins(line, before))
        steps = self._steps_kept(fitted)
        if steps is not None:
            observed = self._observed(history.rows.values)
            # The rows of this call may still be transformed.
            if self.max_history == "auto" and before is not None:
                observed &= ~line.given
            history = fitted.forget(history, observed, steps)
        self._keep_grid(fitted)
        self._history = history
        self._keep_columns(columns)
        return self

    def explain(self, X, row):
        """Show exactly which source rows make up a window.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows as for ``transform``: the window is the one that ``transform(X)``
            gives for `row`.
        row : int or label
            An integer is the position of the row in X (-1 is the last); anything else,
            such as a time or a tuple, is its label in the index of X.

        Returns
        -------
        steps : DataFrame of `window_size` rows
            One row per time step of the window, oldest first. Columns that are read at
            the same time form one part: ``"lag=h"`` holds those read h steps back,
            ``"known_future"`` those in `known_future`, read up to the row itself
            (``"lag=0"`` if there is no lag). The parts are printed below each other.
            Each part begins with

            * ``time``: the time of the step, as X writes it (NaT or <NA> where
              irregular times have no row; no such column if X carries no time);
            * ``source``: ``"X"``, a row of X; ``"fit"``, a row remembered from `fit` or
              `partial_fit`; ``"X and fit"``, a row of X whose missing values are filled
              from the remembered one; ``"missing"``, no row, a hole in the window;
              ``"absent"``, no row, before the sequence begins;
            * ``row``: position in X, <NA> for a row that is not in X;

            and ends with the values of the features. ``steps.attrs`` holds the ``row``,
            its ``time`` and ``group``, and the ``length`` of the sequence: the number
            of steps left after steps without any value are dropped at its start.

        Raises
        ------
        InputError
            X has no such row, or several.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_gru import SlidingWindow
        >>> hours = pd.date_range("2024-01-01", periods=5, freq="h")
        >>> df = pd.DataFrame({"load": [3.0, 4.0, 5.0, 6.0, 7.0]}, index=hours)
        >>> window = SlidingWindow(3, lag=1).fit(df.iloc[:3])
        >>> window.explain(df.iloc[4:], "2024-01-01 04:00")
        Window of row 0 at 2024-01-01 04:00:00: 3 of 3 steps
        <BLANKLINE>
        lag=1
                            time   source   row  load
        step
        0    2024-01-01 01:00:00      fit  <NA>   4.0
        1    2024-01-01 02:00:00      fit  <NA>   5.0
        2    2024-01-01 03:00:00  missing  <NA>   NaN
        """
        check_is_fitted(self)
        values, keys, columns = self._read_new(X)
        row = find_row(X, row, len(values))
        line = None if keys is None else self._line(keys, values)
        if line is not None and self.add_elapsed:
            line, columns = self._with_elapsed(line, columns, self._history)
            values = line.rows.values[line.place]
        return explain_window(values, row, columns, self._fitted, keys, line)

    @available_if(lambda self: self.flatten is True)
    def get_feature_names_out(self, input_features=None):
        """Return the names of the flattened columns, such as ``temp_lag3``.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X, if it had none in fit.

        Returns
        -------
        names : ndarray of str
            The number in a name is the shift from the row's own time.
        """
        check_is_fitted(self)
        columns = self._and_elapsed(self._columns)
        names = columns.names
        if input_features is not None:
            n_given = len(self._columns.names)
            names = self._checked_names(input_features) + names[n_given:]
        window, lag = self._fitted.reach
        shift = np.where(columns.known, 0, lag)
        return np.array(
            [
                f"{name}_lag{back + shift[j]}"
                for back in reversed(range(window))
                for j, name in enumerate(names)
            ],
            dtype=object,
        )

    def set_output(self, *, transform=None):
        """Choose the container of flattened windows.

        Sequences cannot be a frame. Without ``flatten``, the choice is accepted and has
        no effect, so that the other steps of a Pipeline can be asked for frames.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Container for ``flatten=True``; None leaves it unchanged.

        Returns
        -------
        self : SlidingWindow
            This transformer.
        """
        if self.flatten is True:
            return super().set_output(transform=transform)
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_fitted")

    def __getstate__(self):  # the grid holds `freq_` in plain numbers
        return {k: v for k, v in super().__getstate__().items() if k != "freq_"}

    def __setstate__(self, state):
        super().__setstate__(state)
        if "_fitted" in state:
            self.freq_ = self._fitted.freq

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # -- what the methods do ----------------------------------------------------------

    @is_one_task
    def _fit(self, X: Any, y: Any) -> tuple[np.ndarray, Timeline | None]:
        check_parameters(self, self._parameter_rules)
        values, keys, columns = self._read(X, reset=True)
        check_same_rows(X, y)
        self._and_elapsed(columns)  # refuses a taken name
        self._keep_columns(columns)
        self._missing_in_fit = missing_shares(values)
        grid = find_grid(self.freq, keys)
        warn_step(self.freq, grid, keys)
        reach = Reach(
            steps_of(self.window_size, grid, "window_size"),
            steps_of(self.lag, grid, "lag", least=0),
        )
        warn_window(self.window_size, reach, grid, keys, len(values))
        axis = Axis("row") if keys is None else keys.axis
        fitted = FittedGrid(axis, grid, reach)
        self._steps_kept(fitted)  # refuses what is too short for the windows
        if y is not None:
            check_no_leak(
                values,
                y,
                self._columns.known,
                self._columns.names,
                self._columns.categories,
                lag=reach.lag,
                previous=partial(previous_rows, grid, keys, len(values)),
            )
        self._history = None
        self._keep_grid(fitted)
        if keys is None:
            return values, None
        rows, fitted = self._fitted.locate(keys, values)
        owned = self._owned(X, keys, grid)
        del keys, values  # here and below, what memory does not hold while it peaks
        line = fitted.merge(None, rows, owned=owned)
        del rows
        self._keep_grid(fitted)
        if axis.kind != "row":
            self._history = fitted.remember(line, origins=self._origins(line, None))
        return line.rows.values, line.without_positions()

    def _read(self, X: Any, *, reset: bool) -> tuple[np.ndarray, Keys | None, Columns]:
        """Return features (n_rows, n_features), keys, and columns with new codes."""
        if isinstance(X, RowStore):
            return self._read_store(X, reset=reset)
        refuse_other_shapes(X)
        frame = as_frame(X)
        table: Any = frame
        if frame is None:
            table, keys = self._read_array(X, reset=reset)
        else:
            keys = self._read_frame(X, frame, reset=reset)
        if reset:
            if self.add_elapsed:
                require_time(Axis("row") if keys is None else keys.axis)
            self._from_frame = frame is not None
            self._columns = Columns.find(
                table,
                [] if keys is None else keys.columns,
                categorical=self.categorical_features,
                groups=self.groups,
                time=self.time,
                known_future=self.known_future,
            )
        elif keys is not None:
            self._fitted.axis.check_same(keys.axis)
        values, columns = self._columns.read(table)
        if frame is not None and values.size:
            refuse_infinity(values, columns.names)
        elif not len(values):
            raise InputError("Found array with 0 sample(s): X has no rows.")
        return values, keys, columns

    def _read_store(
        self, X: RowStore, *, reset: bool
    ) -> tuple[np.ndarray, Keys, Columns]:
        """Read the rows of a store, which stay in their file."""
        head = X.head()
        validate_data(self, head, reset=reset, skip_check_array=True)
        keys = X.keys(self.time, self.groups)
        if not len(X):
            raise InputError("Found array with 0 sample(s): X has no rows.")
        if reset:
            if self.add_elapsed:
                require_time(keys.axis)
            self._from_frame = True
            self._columns = Columns.find(
                head,
                [],
                categorical=self.categorical_features,
                known_future=self.known_future,
            ).with_codes_of(X.categories)
        else:
            self._fitted.axis.check_same(keys.axis)
        values, columns = self._columns.recoded(X.values(), X.categories)
        return values, keys, columns

    def _read_frame(self, X: Any, frame: pd.DataFrame, *, reset: bool) -> Keys | None:
        validate_data(self, X, reset=reset, skip_check_array=True)
        if not reset and not self._from_frame:
            return None
        keys = read_keys(frame, self.time, self.groups)
        if reset and keys is None:
            warn_unread_dates(frame.index)
        return keys

    def _read_array(self, X: Any, *, reset: bool) -> tuple[np.ndarray, Keys | None]:
        if not reset and self._from_frame and self._fitted.axis.kind != "row":
            raise TimeIndexError(
                f"X is an array without an index, but the rows seen in fit carried "
                f"{self._fitted.axis.describe()}. Give a DataFrame (after a scaler: "
                "set_output(transform='pandas'))."
            )
        refuse_texts(X)
        values = validate_data(
            self, X, reset=reset, dtype=_FLOATS, ensure_all_finite="allow-nan"
        )
        if self.time is not None or as_list(self.groups):
            frame = pd.DataFrame(values)
            return values, read_keys(frame, self.time, self.groups, from_array=True)
        if reset and as_list(self.categorical_features):
            raise InputError(
                "categorical_features needs a DataFrame, or an array with time=: the "
                "windows of a plain array are a plain array, which cannot hold "
                "categories. Leave it out here and name the columns in the estimator: "
                "GRURegressor(categorical_features=[…])."
            )
        return values, None

    def _read_new(self, X: Any) -> tuple[np.ndarray, Keys | None, Columns]:
        """Read rows to look up; new categories are missing in flat windows."""
        values, keys, columns = self._read(X, reset=False)
        if self.flatten and columns.categories is not None:
            values = self._columns.without_new(values)
        return values, keys, columns

    def _copies(self, X: Any) -> bool:
        """Tell whether the values read from X are a copy in memory, and not a few."""
        return self._from_frame and not isinstance(X, RowStore) and len(X) > BLOCK_ROWS

    def _owned(self, X: Any, keys: Keys, grid: Any) -> list[str]:
        """Return the parts of the rows of X that nothing else holds."""
        if not self._copies(X):
            return []
        position = [] if grid is None else ["position"]
        return ["group", "values", *position, *(["time"] if keys.copied else [])]

    def _line(self, keys: Keys, values: np.ndarray) -> Timeline:
        """Return the line of remembered rows and rows of X, which are not kept."""
        rows, fitted = self._fitted.locate(keys, values)
        return fitted.merge(self._history, rows)

    def _steps_kept(self, fitted: FittedGrid) -> int | None:
        """Return how many steps of history `partial_fit` keeps; None for all."""
        kept, back = self.max_history, fitted.reach.back
        if kept is None:
            return None
        if isinstance(kept, str) and kept == "auto":
            # The windows of late rows inside the reach are whole, too.
            return 2 * back + 1 if fitted.is_regular else None
        steps = steps_of(kept, fitted.grid, "max_history")
        if steps < back:
            raise InvalidParameterError(
                f"max_history={kept!r} keeps {steps} steps, but windows reach {back} "
                "steps back (window_size + lag - 1). Pass at least as many, or 'auto'."
            )
        return steps

    def _observed(self, values: np.ndarray) -> np.ndarray:
        """Return a mask of the rows that are more than what is known ahead."""
        known = self._columns.known
        if known.all() or not known.any():
            return np.ones(len(values), dtype=bool)
        return ~np.isnan(values[:, ~known]).all(axis=1)

    def _keep_columns(self, columns: Columns) -> None:
        """Remember the columns with the codes given so far."""
        self._columns = columns
        self.categories_ = columns.categories

    def _keep_grid(self, fitted: FittedGrid) -> None:
        """Remember the grid with the groups seen so far."""
        self._fitted = fitted
        self.freq_ = fitted.freq

    def _origins(self, line: Timeline, history: History | None) -> np.ndarray | None:
        """Return the times that the elapsed time of each row is counted from."""
        if not self.add_elapsed:
            return None
        known = None
        if history is not None and history.origins is not None:
            known = line.remembered, history.origins
        known_ahead = self._columns.known
        own = line.rows.values[:, ~known_ahead | known_ahead.all()]
        holds = ~np.isnan(own).all(axis=1)
        return find_origins(line.rows.time, line.new_group, holds, known)

    def _with_elapsed(
        self, line: Timeline, columns: Columns, history: History | None
    ) -> tuple[Timeline, Columns]:
        """Return the line and the columns with the elapsed times of each row."""
        columns = self._and_elapsed(columns)
        origins = self._origins(line, history)
        assert origins is not None
        rows = line.rows
        added = elapsed_since(rows.time, origins, self._fitted.axis)
        added = added[:, : len(columns.names) - rows.values.shape[1]]
        values = np.column_stack([rows.values, added.astype(rows.values.dtype)])
        return replace(line, rows=rows._replace(values=values)), columns

    def _and_elapsed(self, columns: Columns) -> Columns:
        """Return the columns of the windows."""
        if not self.add_elapsed:
            return columns
        return columns.and_numbers(new_names(self.add_elapsed, columns.names))

    def _windows(
        self,
        values: np.ndarray,
        line: Timeline | None,
        columns: Columns,
        history: History | None,
        *,
        owns: bool = False,
    ) -> Any:
        reach = self._fitted.reach
        if line is not None and self.add_elapsed:
            line, columns = self._with_elapsed(line, columns, history)
        about: dict[str, Any] = {
            "feature_names": tuple(columns.names),
            "categories": columns.categories,
        }
        if line is not None:
            windows: Any = lay_windows(line, reach, columns.known, owns=owns, **about)
        elif is_on_disk(values):
            windows = windows_on_disk(values, reach, columns.known)._with(**about)
        elif reach.window > _MOST_PADDING + len(values):
            windows = replace(long_windows(values, reach, columns.known), **about)
        else:
            windows = window_view(values, reach, columns.known)
            if columns.categories is not None and not self.flatten:
                return sequences_of(windows, **about)
        if not self.flatten:
            return windows
        n, n_steps, n_features = windows.shape
        return np.asarray(windows).reshape(n, n_steps * n_features)

    def _checked_names(self, input_features: Any) -> list[str]:
        given = [str(name) for name in input_features]
        if len(given) != self.n_features_in_:
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(given)}"
            )
        seen = getattr(self, "feature_names_in_", None)
        if seen is not None and list(seen) != given:
            raise ValueError("input_features is not equal to feature_names_in_")
        return self._columns.renamed(given)
