"""Errors of a backtest by horizon, group or test set: :class:`BacktestDisplay`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._support.rules import NameIn, OneOf, check_value
from sklearn_gru.exceptions import InputError
from sklearn_gru.inspection._display_base import Display
from sklearn_gru.inspection._drawing import BLUE

_NEEDED = ("split", "horizon", "truth", "prediction")

# Each takes errors (prediction - truth) and the rows they are of.
_METRICS: dict[str, tuple[str, Any]] = {
    "mae": ("mean absolute error", lambda error, rows: error.abs().mean()),
    "rmse": ("root mean squared error", lambda error, rows: (error**2).mean() ** 0.5),
    "bias": ("mean of prediction - truth", lambda error, rows: error.mean()),
    "coverage": (
        "share inside the interval",
        lambda error, rows: rows["truth"].between(rows["low"], rows["high"]).mean(),
    ),
}


class BacktestDisplay(Display):
    """Errors of a backtest, by horizon, group or test set.

    Use :meth:`from_forecasts` to create one.

    Parameters
    ----------
    table : Series
        The errors, indexed by horizon, group or split.
    metric : {"mae", "rmse", "bias", "coverage"}
        What they are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.
    artist_ : matplotlib Line2D or BarContainer
        Errors by horizon or split, or bars by group.

    See Also
    --------
    sklearn_gru.model_selection.backtest : The forecasts.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRURegressor, SlidingWindow, datasets, make_targets
    >>> from sklearn_gru.inspection import BacktestDisplay
    >>> from sklearn_gru.model_selection import backtest
    >>> X, y = make_targets(*datasets.load_airline(return_X_y=True), 3)
    >>> gru = GRURegressor(8, normalization="last", target_feature=0, max_iter=5,
    ...                    random_state=0)
    >>> model = make_pipeline(SlidingWindow(12, lag=3), gru)
    >>> display = BacktestDisplay.from_forecasts(backtest(model, X, y, cv=3))
    >>> display.table.index.tolist()
    [1, 2, 3]
    """

    def __init__(self, *, table, metric="mae"):
        self.table = table
        self.metric = metric

    @classmethod
    def from_forecasts(cls, forecasts, *, by=None, metric="mae", ax=None, **kwargs):
        """Draw the forecasts of a backtest.

        Parameters
        ----------
        forecasts : DataFrame
            Result of :func:`~sklearn_gru.model_selection.backtest`.
        by : {"horizon", "group", "split"}, default=None
            What the errors are averaged by. None takes the first of them that has
            several values.
        metric : {"mae", "rmse", "bias", "coverage"}, default="mae"
            What to draw; "coverage" needs forecasts with an interval.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **kwargs : dict
            For ``plot`` of the line, or ``barh`` of the bars.

        Returns
        -------
        display : BacktestDisplay
            With the errors as ``table``.
        """
        name = "BacktestDisplay.from_forecasts"
        check_value(name, "metric", metric, [NameIn(_METRICS)])
        choices = ("horizon", "group", "split")
        check_value(name, "by", by, [OneOf((None, *choices))])
        wanted = [*_NEEDED, *(["low", "high"] if metric == "coverage" else [])]
        wanted += [] if by is None else [by]
        missing = [c for c in wanted if c not in getattr(forecasts, "columns", ())]
        if missing:
            raise InputError(
                f"forecasts has no column {', '.join(map(repr, missing))}; expected "
                "the table of backtest(model, X, y)"
                + (" with coverage=0.9." if "low" in missing else ".")
            )
        several = (c for c in choices if c in forecasts and forecasts[c].nunique() > 1)
        by = next(several, "horizon") if by is None else by
        error = forecasts["prediction"] - forecasts["truth"]
        _, measure = _METRICS[metric]
        parts = forecasts.groupby(by, sort=by != "group")
        values = {key: measure(error[rows.index], rows) for key, rows in parts}
        table = pd.Series(values, name=metric, dtype=np.float64)
        table.index.name = by
        if by == "group":
            table = table.sort_values(kind="stable")
        return cls(table=table, metric=metric).plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw on axes, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **kwargs : dict
            For ``plot`` of the line, or ``barh`` of the bars.

        Returns
        -------
        display : BacktestDisplay
            This display.
        """
        ax = self._begin(ax)
        label, _ = _METRICS[self.metric]
        if self.table.index.name == "group":
            names = [str(group) for group in self.table.index]
            self.artist_ = ax.barh(names, self.table, **{"color": BLUE, **kwargs})
            ax.set_xlabel(label)
            return self
        from matplotlib.ticker import MaxNLocator

        style = {"color": BLUE, "lw": 1.4, "marker": "o", "ms": 4, **kwargs}
        (self.artist_,) = ax.plot(self.table.index, self.table, **style)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        by_horizon = self.table.index.name == "horizon"
        ax.set_xlabel("time steps ahead" if by_horizon else "test set")
        ax.set_ylabel(label)
        return self
