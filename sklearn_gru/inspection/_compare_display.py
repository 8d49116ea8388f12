"""Bars of the table of :func:`compare`: :class:`CompareDisplay`."""

from __future__ import annotations

from os.path import commonprefix

import numpy as np

from sklearn_gru.exceptions import InvalidParameterError
from sklearn_gru.inspection._compare import check_metric, compare
from sklearn_gru.inspection._display_base import Display
from sklearn_gru.inspection._drawing import (
    BLUE,
    COLORS,
    DASHES,
    GRAY,
    legend_above,
)

_MARKERS = "osD^vPX"


class CompareDisplay(Display):
    """Scores of models, best on top: your models in blue, baselines in gray.

    Use :meth:`from_estimators` to compute and draw, or :meth:`from_predictions` to draw
    a table from :func:`compare`. Errors (``neg_…``) are drawn without their sign.

    Parameters
    ----------
    table : DataFrame
        From :func:`compare`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.
    bars_ : matplotlib BarContainer or None
        The bars, with the standard deviation over the splits.
    lines_ : list of matplotlib Line2D
        One line per model, if lines were drawn.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRURegressor, SlidingWindow, datasets
    >>> from sklearn_gru.inspection import CompareDisplay
    >>> X, y = datasets.load_airline(return_X_y=True)
    >>> gru = make_pipeline(
    ...     SlidingWindow(24, lag=1),
    ...     GRURegressor(8, normalization="last", target_feature=0, random_state=0),
    ... )
    >>> display = CompareDisplay.from_estimators({"GRU": gru}, X, y, cv=3)
    >>> len(display.bars_)
    5
    """

    def __init__(self, *, table):
        self.table = table

    @classmethod
    def from_estimators(
        cls, estimators, X, y, *, metric=None, by=None, ax=None, **kwargs
    ):
        """Compare and draw.

        Parameters
        ----------
        estimators : estimator, dict of name to estimator, or list
            As in :func:`compare`.
        X : like X of fit
            Rows or sequences.
        y : array-like of shape (n,) or (n, n_outputs)
            Target.
        metric : str, default=None
            Metric to draw; None takes the first.
        by : {None, "output", "group"}, default=None
            Draw one line per model over the outputs or groups.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **kwargs : dict
            Further parameters of :func:`compare`.

        Returns
        -------
        display : CompareDisplay
            With the table as attribute.
        """
        table = compare(estimators, X, y, **kwargs)
        return cls(table=table).plot(ax=ax, metric=metric, by=by)

    @classmethod
    def from_predictions(cls, table, *, metric=None, by=None, ax=None):
        """Draw an existing table.

        Parameters
        ----------
        table : DataFrame
            From :func:`compare`.
        metric : str, default=None
            Metric to draw; None takes the first.
        by : {None, "output", "group"}, default=None
            Draw one line per model over the outputs or groups.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : CompareDisplay
            With the table as attribute.
        """
        return cls(table=table).plot(ax=ax, metric=metric, by=by)

    def plot(self, ax=None, *, metric=None, by=None):
        """Draw on axes, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        metric : str, default=None
            Metric to draw; None takes the first.
        by : {None, "output", "group"}, default=None
            Draw one line per model over the outputs or groups.

        Returns
        -------
        display : CompareDisplay
            This display.
        """
        metric = check_metric(self.table, metric)
        if by is not None and by not in self.table.columns.intersection(
            ["output", "group"]
        ):
            raise InvalidParameterError(
                f"by={by!r} needs a table with several outputs or groups; this one has "
                f"the columns {list(self.table.columns)}."
            )
        part = self.table[self.table["metric"] == metric]
        for key in ("output", "group"):
            if key in part and key != by:
                part = part[part[key] == "all"]
        label = metric.removeprefix("neg_").replace("_", " ")
        sign = -1 if metric.startswith("neg_") else 1
        ax = self._begin(ax)
        self.bars_, self.lines_ = None, []
        if by is None:
            self._draw_bars(part, sign)
            ax.set_xlabel(label)
        else:
            self._draw_lines(part[part[by] != "all"], by, sign)
            ax.set_ylabel(label)
        return self

    def _draw_bars(self, part, sign):
        ax = self.ax_
        values, spread = sign * part["mean"].to_numpy(), part["std"].to_numpy()
        colors = [GRAY if cheap else BLUE for cheap in part["baseline"]]
        self.bars_ = ax.barh(
            part["model"].astype(str),
            values,
            xerr=spread,
            color=colors,
            error_kw={"ecolor": "#222222", "lw": 1, "capsize": 2},
        )
        ax.invert_yaxis()
        ax.axvline(0, color="#222222", lw=0.8)
        # Beside the bar and its error bar, where there is no other bar.
        ends = np.where(values >= 0, values + spread, values - spread)
        width = np.ptp(np.concatenate([[0], values + spread, values - spread]))
        for k, (end, value) in enumerate(zip(ends, values, strict=True)):
            ax.annotate(
                f"{value:.3g}",
                (end, k),
                xytext=(4 if value >= 0 else -4, 0),
                textcoords="offset points",
                va="center",
                ha="left" if value >= 0 else "right",
                fontsize="small",
            )
        low = min(0, *(values - spread))
        high = max(0, *(values + spread))
        ax.set_xlim(low - 0.2 * width * (values.min() < 0), high + 0.2 * width)

    def _draw_lines(self, part, by, sign):
        ax = self.ax_
        places = part[by].unique()
        # The table is in the order of scores; outputs are in the order of y.
        for k, model in enumerate(part["model"].unique()):
            own = part[part["model"] == model].set_index(by).reindex(places)
            self.lines_ += ax.plot(
                np.arange(len(places)),
                sign * own["mean"].to_numpy(),
                color=COLORS[k % 7],
                ls=DASHES[k % 4],
                marker=_MARKERS[k % 7],
                ms=4,
                lw=2 if not own["baseline"].iloc[0] else 1.2,
                label=str(model),
            )
        every = max(1, -(-len(places) // 6))
        # A prefix of all names, such as "load_step_", goes into the axis label.
        start = len(commonprefix([str(p) for p in places]))  # noqa: RUF071  (no paths)
        start = start if len(places) > 1 else 0
        labels = [str(place)[start:] for place in places]
        ax.set_xticks(np.arange(0, len(places), every), labels[::every])
        if max(map(len, labels)) > 6:
            ax.tick_params(axis="x", labelrotation=30)
        prefix = f" ({str(places[0])[:start]}…)" if start else ""
        ax.set_xlabel(f"{by}{prefix}")
        legend_above(ax)
