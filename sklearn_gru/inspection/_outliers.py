"""Outlier scores over time: :class:`OutlierDisplay`."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru.exceptions import InputError
from sklearn_gru.inspection._display_base import Display
from sklearn_gru.inspection._drawing import (
    BLACK,
    BLUE,
    COLORS,
    DASHES,
    ORANGE,
    VERMILION,
    legend_above,
)
from sklearn_gru.inspection._models import unwrapped
from sklearn_gru.inspection._times import (
    broken,
    keys_for,
    label_times,
    rows_of_group,
    within,
)


class OutlierDisplay(Display):
    """Series, score, threshold, alarms and the share of each channel, over time.

    The upper axes show the channels, each in its own standard deviations if there are
    several, with alarms as bands. The lower axes show the score, high where it is
    abnormal, with the threshold; for several channels, its area is divided by their
    share in the squared score.

    Use :meth:`from_estimator` to create one.

    Parameters
    ----------
    time : array-like of shape (n,)
        Time of each row.
    values : ndarray of shape (n, n_channels)
        Newest values.
    residuals : ndarray of shape (n, n_channels)
        Signed residuals in robust standard deviations; NaN where nothing was judged.
    abnormality : ndarray of shape (n,)
        Negative scores.
    threshold : float
        Abnormality above which a row is an outlier.
    names : list of str
        Names of the channels.
    events : ndarray of bool of shape (n,), default=None
        Rows known to be outliers.

    Attributes
    ----------
    shares : ndarray of shape (n, n_channels)
        Share of each channel in the squared residuals of the newest step; 0 where
        nothing was judged.
    alarms : ndarray of bool of shape (n,)
        Rows above the threshold.
    ax_ : matplotlib Axes
        The upper axes.
    axes_ : ndarray of two matplotlib Axes
        Both axes.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRUOutlierDetector, SlidingWindow
    >>> from sklearn_gru.inspection import OutlierDisplay
    >>> t = np.arange(900)
    >>> X = pd.DataFrame({"speed": np.sin(t / 5), "load": np.cos(t / 5)}, index=t)
    >>> X += 0.1 * np.random.default_rng(0).normal(size=X.shape)
    >>> model = make_pipeline(SlidingWindow(12), GRUOutlierDetector(random_state=0))
    >>> model = model.fit(X[:800])
    >>> X.loc[850, "load"] += 2
    >>> display = OutlierDisplay.from_estimator(model, X, last=100)
    >>> bool(display.alarms[50]), display.names[display.shares[50].argmax()]
    (True, 'load')
    """

    def __init__(
        self, *, time, values, residuals, abnormality, threshold, names, events=None
    ):
        self.time = time
        self.values = values
        self.residuals = residuals
        self.abnormality = abnormality
        self.threshold = threshold
        self.names = names
        self.events = events
        self.alarms = abnormality > threshold
        squares = np.where(np.isnan(residuals), 0.0, residuals**2)
        total = squares.sum(axis=1, keepdims=True)
        self.shares = squares / np.where(total > 0, total, 1.0)

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, last=None, between=None, group=None, axes=None
    ):
        """Score the rows of X and draw them at their times.

        Parameters
        ----------
        estimator : fitted GRUOutlierDetector
            Or a pipeline that ends with one.
        X : like X of the estimator's predict
            Rows. Their times are read as in the SlidingWindow of the estimator, or else
            from the index; rows without times are numbered.
        y : array-like of shape (n,), default=None
            Known labels: -1 (or 0) for outliers, 1 for others.
        last : int, default=None
            Draw only this many of the latest times.
        between : tuple of two times, default=None
            Draw only times from the first to the second, both included; None leaves a
            side open.
        group : label, default=None
            Series of a panel to draw; a tuple if there are several key columns.
        axes : sequence of two matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : OutlierDisplay
            With the values drawn as attributes.
        """
        detector, sequences = unwrapped(estimator, X, target=False)
        if not hasattr(detector, "residuals"):
            raise InputError(
                f"{type(detector).__name__} has no residuals; expected a fitted "
                "GRUOutlierDetector, or a pipeline or search that ends with one."
            )
        keys = keys_for(estimator, X)
        residuals = detector.residuals(sequences)
        time, rows = rows_of_group(keys, len(residuals), group)
        rows = rows[within(time[rows], last, between)]
        names = getattr(detector, "feature_names_in_", None)
        if names is None:
            names = [f"x{j}" for j in range(residuals.shape[1])]
        display = cls(
            time=time[rows],
            values=_newest(detector._schema.check(sequences))[rows],
            residuals=residuals[rows],
            abnormality=-detector.score_samples(sequences)[rows],
            threshold=-detector.offset_,
            names=list(names),
            events=None if y is None else (np.asarray(y) < 1)[rows],
        )
        return display.plot(axes)

    def plot(self, axes=None):
        """Draw on axes, or on a new figure.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : OutlierDisplay
            This display.
        """
        if axes is None:
            upper = self._begin(None)
            upper.remove()
            axes = self.figure_.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        self.axes_ = np.ravel(axes)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self._draw_series(self.axes_[0])
        self._draw_scores(self.axes_[1])
        return self

    def _draw_series(self, ax: Any) -> None:
        several = len(self.names) > 1
        for j, name in enumerate(self.names):
            values = self.values[:, j]
            if several:
                spread = np.nanstd(values)
                values = (values - np.nanmean(values)) / (spread or 1.0)
            style = {"color": COLORS[j % len(COLORS)], "lw": 1.1, "label": name}
            ax.plot(
                *broken(self.time, values), ls=DASHES[j // len(COLORS) % 4], **style
            )
        self._shade(ax, self.events, ORANGE, "known event", 0.25)
        self._shade(ax, self.alarms, VERMILION, "alarm", 0.35)
        ax.set_ylabel("standard deviations" if several else self.names[0])
        legend_above(ax)

    def _draw_scores(self, ax: Any) -> None:
        at, total = broken(self.time, self.abnormality)
        if len(self.names) > 1:
            below = np.zeros(len(self.time))
            for j, share in enumerate(self.shares.T):
                above = below + share * self.abnormality
                parts = [broken(self.time, values)[1] for values in (below, above)]
                ax.fill_between(at, *parts, color=COLORS[j % len(COLORS)], lw=0)
                below = above
        ax.plot(at, total, color=BLUE if len(self.names) == 1 else BLACK, lw=0.8)
        ax.axhline(self.threshold, color=VERMILION, ls="--", lw=1.2, label="threshold")
        ax.set_ylabel("abnormality")
        label_times(ax, self.time)
        legend_above(ax)

    def _shade(
        self, ax: Any, mask: np.ndarray | None, color: str, label: str, alpha: float
    ) -> None:
        """Draw a band over each run of rows."""
        if mask is None or not mask.any():
            return
        edges = np.flatnonzero(np.diff(np.concatenate([[0], mask, [0]])))
        for k, (begin, end) in enumerate(edges.reshape(-1, 2)):
            span = self.time[begin], self.time[end - 1]
            style = {"color": color, "alpha": alpha, "lw": 1.5}
            ax.axvspan(*span, label=label if k == 0 else None, zorder=0, **style)


def _newest(sequences: Sequences) -> np.ndarray:
    """Return the newest values (n, n_channels); NaN for an empty sequence."""
    last = sequences.starts + sequences.lengths - 1
    values = sequences.values[np.maximum(last, 0)].astype(np.float64)
    values[sequences.lengths == 0] = np.nan
    return values
