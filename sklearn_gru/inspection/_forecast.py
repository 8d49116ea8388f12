"""Forecasts over time: :class:`ForecastDisplay`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_consistent_length

from sklearn_gru._tables.axis import Keys
from sklearn_gru._tables.frames import as_list
from sklearn_gru._tables.keys import read_keys
from sklearn_gru._windows.finding import find_window
from sklearn_gru.exceptions import InputError, InvalidParameterError
from sklearn_gru.inspection._display_base import Display
from sklearn_gru.inspection._drawing import (
    BLACK,
    BLUE,
    GRAY,
    legend_above,
)
from sklearn_gru.inspection._models import unwrapped
from sklearn_gru.inspection._times import (
    broken,
    keys_for,
    label_times,
    rows_of_group,
    within,
    written,
)

# Of a long history, at most this many times as many values as predictions are drawn,
# and these many in any case.
_HISTORY = 10
_SHORT_HISTORY = 100


class ForecastDisplay(Display):
    """History, observed values and predictions, with quantile bands, over time.

    Use :meth:`from_estimator` to create one from a fitted model, or
    :meth:`from_predictions` from values.

    Parameters
    ----------
    time : array-like of shape (n,)
        Time of each prediction: DatetimeIndex, integers or floats.
    prediction : ndarray of shape (n,)
        Predicted values.
    truth : ndarray of shape (n,), default=None
        Observed values, NaN where there is none yet.
    history : Series, default=None
        Earlier observed values, indexed by time.
    quantiles : ndarray of shape (n, q), default=None
        Predicted quantiles.
    levels : array-like of shape (q,), default=None
        Levels of the quantiles, each between 0 and 1.
    name : str, default=None
        Name of the target, for the axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.
    line_, truth_, history_ : matplotlib Line2D or None
        Prediction, observed values and history.
    bands_ : list of matplotlib collections
        The bands between the outer quantiles, widest first.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRURegressor, SlidingWindow, datasets
    >>> from sklearn_gru.inspection import ForecastDisplay
    >>> X, y = datasets.load_airline(return_X_y=True)
    >>> model = make_pipeline(
    ...     SlidingWindow(12, lag=1), GRURegressor(8, max_iter=3, random_state=0)
    ... )
    >>> model = model.fit(X[:120], y[:120])
    >>> display = ForecastDisplay.from_estimator(
    ...     model, X[120:], y[120:], history=y[:120]
    ... )
    >>> display.time[0], len(display.prediction)
    (Timestamp('1959-01-01 00:00:00'), 24)
    """

    def __init__(
        self,
        *,
        time,
        prediction,
        truth=None,
        history=None,
        quantiles=None,
        levels=None,
        name=None,
    ):
        self.time = time
        self.prediction = prediction
        self.truth = truth
        self.history = history
        self.quantiles = quantiles
        self.levels = levels
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        history=None,
        last=None,
        between=None,
        group=None,
        output=None,
        ax=None,
        **kwargs,
    ):
        """Predict the rows of X and draw them at their times.

        All rows of X are predicted, so that windows are those of ``predict``. Use
        `group`, `between` and `last` to choose the rows to draw.

        Parameters
        ----------
        estimator : fitted regressor
            For example a pipeline with a SlidingWindow. Quantile bands are drawn if the
            last pipeline step has ``predict_quantiles``.
        X : like X of the estimator's predict
            Rows. Their times are read as in the SlidingWindow of the estimator, or else
            from the index; rows without times are numbered.
        y : array-like of shape (n,) or (n, n_outputs), default=None
            Observed values, NaN where there is none yet.
        history : Series or DataFrame, default=None
            Values earlier than those of X: a Series indexed by time (and group) like
            X, or a frame with the time as a column, in which `output` names the column
            to draw. The values of `y` before the first time drawn are added. The latest
            are drawn: at most 100, or ten times as many as there are predictions.
        last : int, default=None
            Draw only this many of the latest times.
        between : tuple of two times, default=None
            Draw only times from the first to the second, both included; None leaves a
            side open.
        group : label, default=None
            Series of a panel to draw; a tuple if there are several key columns.
        output : int, str or "path", default=None
            Output to draw if there are several, by position or name. "path" draws all
            outputs of the last row as one path, for a model of
            :func:`~sklearn_gru.make_targets`; without `y`, None does so if `history`
            is a single series.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **kwargs : dict
            For ``plot`` of the prediction.

        Returns
        -------
        display : ForecastDisplay
            With the values drawn as attributes.
        """
        keys = keys_for(estimator, X)
        prediction = np.asarray(estimator.predict(X))
        quantiles, levels = _quantiles_of(estimator, X)
        truth = None if y is None else np.asarray(y, dtype=np.float64)
        check_consistent_length(prediction, truth)
        time, rows = rows_of_group(keys, len(prediction), group)
        chosen = rows[within(time[rows], last, between)]
        values = (prediction, truth, quantiles)
        column = -1
        if _draws_path(output, estimator, prediction, y, history):
            drawn = _path_of(estimator, keys, chosen[-1], *values)
        else:
            column = _output(output, prediction, y)
            parts = (_part(part, chosen, column) for part in values)
            drawn = _Drawn(time[chosen], *parts)
        name = _name_of(history if y is None else y, column)
        if history is not None:
            past = _history(history, estimator, output, column, group, drawn.time)
            if truth is not None:
                known = pd.Series(_column(truth, column)[rows], index=time[rows])
                known = known[known.index < drawn.time[0]]
                past = past[past.index < known.index[0]] if len(known) else past
                past = pd.concat([past, known]) if len(past) else known
            most = max(_HISTORY * len(drawn.time), _SHORT_HISTORY)
            history = past.iloc[-most:]
        display = cls(
            time=drawn.time,
            prediction=drawn.prediction,
            truth=drawn.truth,
            history=history,
            quantiles=drawn.quantiles,
            levels=levels,
            name=name,
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        time=None,
        history=None,
        quantiles=None,
        levels=None,
        ax=None,
        **kwargs,
    ):
        """Draw existing predictions.

        Parameters
        ----------
        y_true : array-like of shape (n,) or None
            Observed values.
        y_pred : array-like of shape (n,)
            Predicted values.
        time : array-like of shape (n,), default=None
            Their times; None takes the index of `y_true` or `y_pred`, or numbers the
            rows.
        history : Series, default=None
            Earlier observed values, indexed by time.
        quantiles : array-like of shape (n, q), default=None
            Predicted quantiles.
        levels : array-like of shape (q,), default=None
            Levels of the quantiles.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **kwargs : dict
            For ``plot`` of the prediction.

        Returns
        -------
        display : ForecastDisplay
            With the values drawn as attributes.
        """
        if (quantiles is None) != (levels is None):
            raise InvalidParameterError(
                "quantiles and levels belong together: levels=(0.1, 0.9) for two "
                "columns of quantiles."
            )
        prediction = np.asarray(y_pred, dtype=np.float64)
        given = [time, getattr(y_true, "index", None), getattr(y_pred, "index", None)]
        found = [index for index in given if not (index is None or callable(index))]
        time = pd.Index(found[0] if found else np.arange(len(prediction)))
        if isinstance(time, pd.PeriodIndex):
            time = time.to_timestamp()
        for values in (y_true, quantiles):
            check_consistent_length(time, prediction, values)
        order = np.argsort(time, kind="stable")

        def sorted_by_time(values: Any) -> Any:
            return None if values is None else np.asarray(values, np.float64)[order]

        if history is not None:
            history = _history(history, None, None, None, None, time[order])
        display = cls(
            time=time[order],
            prediction=prediction[order],
            truth=sorted_by_time(y_true),
            history=history,
            quantiles=sorted_by_time(quantiles),
            levels=levels,
            name=_name_of(history if y_true is None else y_true, None),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw on axes, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **kwargs : dict
            For ``plot`` of the prediction, such as `color` and `label`.

        Returns
        -------
        display : ForecastDisplay
            This display.
        """
        ax = self._begin(ax)
        style = {"color": BLUE, "lw": 1.4, "label": "prediction", "zorder": 3, **kwargs}
        if len(self.time) == 1:
            style = {"marker": "o", "ms": 5, **style}
        self.history_ = self.truth_ = None
        if self.history is not None and len(self.history):
            at, values = broken(self.history.index, self.history.to_numpy())
            seen = {"color": GRAY, "lw": 1.2, "label": "history"}
            (self.history_,) = ax.plot(at, values, **seen)
        if self.truth is not None and not np.isnan(self.truth).all():
            at, values = broken(self.time, self.truth)
            seen = {"color": BLACK, "lw": 1.2, "ls": "--", "label": "observed"}
            mark = {"marker": "o", "ms": 4} if len(self.time) == 1 else {}
            (self.truth_,) = ax.plot(at, values, **seen, **mark)
        (self.line_,) = ax.plot(*broken(self.time, self.prediction), **style)
        self.bands_ = self._draw_bands(style["color"])
        ax.set_ylabel(self.name or "value")
        label_times(ax, self.time)
        legend_above(ax)
        return self

    def _draw_bands(self, color: Any) -> list[Any]:
        """Draw one band per pair of quantiles, from the outside in."""
        if self.quantiles is None:
            return []
        order = np.argsort(self.levels)
        bands = []
        for low, high in zip(order, order[::-1], strict=True):
            if self.levels[low] >= self.levels[high]:
                break
            at, below = broken(self.time, self.quantiles[:, low])
            _, above = broken(self.time, self.quantiles[:, high])
            percent = [f"{100 * self.levels[k]:g}" for k in (low, high)]
            bands.append(
                self.ax_.fill_between(
                    at,
                    below,
                    above,
                    color=color,
                    alpha=0.2,
                    lw=0,
                    label=f"{percent[0]} to {percent[1]} %",
                )
            )
        return bands


# -- rows and values to draw


class _Drawn(NamedTuple):
    """The values to draw, one per time."""

    time: pd.Index
    prediction: np.ndarray
    truth: np.ndarray | None
    quantiles: np.ndarray | None


def _part(values: Any, rows: np.ndarray, column: int | None) -> Any:
    """Return one output of some rows, or None."""
    if values is None:
        return None
    part = values[rows]
    return part if column is None or part.ndim == 1 else part[:, column]


def _draws_path(
    output: Any, estimator: Any, prediction: np.ndarray, y: Any, history: Any
) -> bool:
    """Tell whether the outputs of a row are one path to draw."""
    if prediction.ndim == 1 or prediction.shape[1] == 1:
        return False
    window = find_window(estimator)
    lag = None if window is None else window._fitted.reach.lag
    if isinstance(output, str) and output == "path":
        if lag is None or lag < prediction.shape[1]:
            raise InvalidParameterError(
                f"output='path', but the model predicts {prediction.shape[1]} outputs "
                f"with {'no window' if lag is None else f'lag={lag}'}: they are not a "
                "path that ends at each row. Choose one, output=0."
            )
        return True
    of_one_series = y is None and isinstance(history, pd.Series)
    return output is None and of_one_series and lag == prediction.shape[1]


def _path_of(
    estimator: Any,
    keys: Keys | None,
    row: int,
    prediction: np.ndarray,
    truth: np.ndarray | None,
    quantiles: np.ndarray | None,
) -> _Drawn:
    """Return the path of one row at its times."""
    n = prediction.shape[1]
    back = np.arange(n)[::-1]
    window: Any = find_window(estimator)
    grid = window._fitted.grid
    if keys is None or grid is None:
        time: Any = pd.RangeIndex(row - n + 1, row + 1)
    else:
        times = grid.advance(np.repeat(keys.time[row], n), -back)
        time = written(keys, times)
    parts = (None if part is None else part[row] for part in (truth, quantiles))
    return _Drawn(time, prediction[row], *parts)


def _output(output: Any, prediction: np.ndarray, y: Any) -> int | None:
    """Return the column of the output to draw, or None if there is only one output."""
    if prediction.ndim == 1:
        return None
    n = prediction.shape[1]
    if output is None and n == 1:
        return 0
    names = [str(c) for c in getattr(y, "columns", [])]
    if isinstance(output, str) and output in names:
        return names.index(output)
    if isinstance(output, (int, np.integer)) and -n <= output < n:
        return int(output) % n
    called = f", called {', '.join(names[:6])}" if names else ""
    raise InvalidParameterError(
        f"output={output!r}: the model predicts {n} outputs{called}. Choose the one to "
        f"draw, output=0 to output={n - 1}, or output='path' for all of them as one "
        "path."
    )


def _column(values: np.ndarray, column: int | None) -> np.ndarray:
    if values.ndim == 1:
        return values
    return values[:, 0 if column is None else column]


def _name_of(y: Any, column: int | None) -> str | None:
    name = getattr(y, "name", None)
    if name is None and column is not None and hasattr(y, "columns"):
        name = y.columns[column]
    return None if name is None else str(name)


def _quantiles_of(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return quantiles (n, q) or (n, n_outputs, q) and their levels, if any."""
    model, _ = unwrapped(estimator, target=False)
    if not hasattr(model, "predict_quantiles"):
        return None, None
    model, X = unwrapped(estimator, X, target=False)
    return model.predict_quantiles(X), np.ravel(model.quantile)


def _history(
    history: Any,
    estimator: Any,
    output: Any,
    column: int | None,
    group: Any,
    before: pd.Index,
) -> pd.Series:
    """Return the values of one group before some times, indexed by time."""
    if not isinstance(history, (pd.Series, pd.DataFrame)):
        raise InputError(
            f"history is a {type(history).__name__}; expected a Series indexed by time "
            "like the rows of X, such as y_train."
        )
    keys, target = _keys_of_history(history, estimator, output)
    values = _column(np.asarray(target, dtype=np.float64), column)
    if keys is None or keys.axis.kind == "row":
        raise InputError(
            "The index of history is not a time, so its values have no place on the "
            "axis: give it the index of the rows that the values belong to."
        )
    chosen = group if len(keys.labels) > 1 or group in keys.labels else None
    time, rows = rows_of_group(keys, len(values), chosen)
    series = pd.Series(values[rows], index=time[rows])
    if not len(before):
        return series
    try:
        return series[series.index < before[0]]
    except TypeError as error:
        raise InputError(
            f"history has the times {series.index[0]!r} …, but the predictions are for "
            f"{before[0]!r} …, which cannot be compared. If the time is a column, make "
            "it the index: history=frame.set_index('time')['y']; or pass the whole "
            "frame, history=frame, output='y'."
        ) from error


def _keys_of_history(history: Any, estimator: Any, output: Any) -> tuple[Any, Any]:
    """Return the keys of a history, and the column or columns to draw."""
    window = find_window(estimator)
    named = [] if window is None else [window.time, *as_list(window.groups)]
    columns = list(getattr(history, "columns", ()))
    if window is None or not any(name in columns for name in named):
        return read_keys(pd.DataFrame(index=history.index), None, None), history
    keys = read_keys(history, window.time, window.groups)
    others = [name for name in columns if name not in named]
    if output not in others:
        if len(others) != 1:
            raise InputError(
                f"history is a frame with the columns {', '.join(map(repr, columns))}; "
                f"name the one to draw, such as output={others[0]!r}."
            )
        output = others[0]
    return keys, history[output]
