"""Attention weights over time steps: :class:`AttentionDisplay`."""

from __future__ import annotations

import numpy as np

from sklearn_gru.exceptions import InvalidParameterError
from sklearn_gru.inspection._display_base import Display
from sklearn_gru.inspection._drawing import (
    COLORS,
    DASHES,
    count_steps,
    heat_map,
    legend_above,
    steps_back,
)
from sklearn_gru.inspection._models import network_in

# With more lines, they are hard to distinguish.
_LINES = 4


class AttentionDisplay(Display):
    """Attention weights over the time steps of sequences.

    Use :meth:`from_estimator` to create one from a fitted model, or
    :meth:`from_predictions` from weights.

    Parameters
    ----------
    weights : ndarray of shape (n, n_steps)
        Weights as ``attention_weights`` of an estimator returns them: the last step
        comes last, and steps without an observation are NaN.
    labels : sequence of length n, default=None
        Names of the sequences; None numbers them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.
    lines_ : list of matplotlib Line2D
        One per sequence, if lines were drawn.
    mesh_, colorbar_ : matplotlib QuadMesh and Colorbar, or None
        The heat map, if one was drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.inspection import AttentionDisplay
    >>> X = np.random.default_rng(0).normal(size=(40, 6, 1))
    >>> model = GRURegressor(4, pooling="attention", max_iter=2, random_state=0)
    >>> model = model.fit(X, X[:, 2, 0])
    >>> display = AttentionDisplay.from_estimator(model, X, sequences=[0, 3])
    >>> display.weights.shape
    (2, 6)
    """

    def __init__(self, *, weights, labels=None):
        self.weights = weights
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        sequences=None,
        labels=None,
        kind="auto",
        member=0,
        ax=None,
    ):
        """Draw the attention weights of some sequences.

        Parameters
        ----------
        estimator : fitted GRURegressor or GRUClassifier with ``pooling="attention"``
            Or a pipeline or search that ends with one.
        X : like X of the estimator's predict
            Sequences, or the rows that a pipeline makes windows of.
        sequences : int, slice or array-like of int, default=None
            Sequences to show; None shows all.
        labels : sequence, default=None
            Names of the sequences shown, or of all in X; None numbers them as in X.
        kind : {"auto", "line", "heatmap"}, default="auto"
            "auto" draws lines for up to 4 sequences.
        member : int, default=0
            Network to look into, of several (`n_estimators`).
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : AttentionDisplay
            With the weights as attribute.
        """
        model, X = network_in(estimator, "attention_weights", X)
        weights = model.attention_weights(X, member=member)
        index = np.arange(len(weights))
        chosen = index if sequences is None else np.atleast_1d(index[sequences])
        if labels is None:
            labels = chosen
        elif len(labels) == len(index):
            labels = [labels[k] for k in chosen]
        return cls(weights=weights[chosen], labels=labels).plot(ax=ax, kind=kind)

    @classmethod
    def from_predictions(cls, weights, *, labels=None, kind="auto", ax=None):
        """Draw attention weights computed before.

        Parameters
        ----------
        weights : array-like of shape (n, n_steps)
            From ``attention_weights``.
        labels : sequence of length n, default=None
            Names of the sequences.
        kind : {"auto", "line", "heatmap"}, default="auto"
            "auto" draws lines for up to 4 sequences.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : AttentionDisplay
            With the weights as attribute.
        """
        display = cls(weights=np.atleast_2d(weights), labels=labels)
        return display.plot(ax=ax, kind=kind)

    def plot(self, ax=None, *, kind="auto", **kwargs):
        """Draw on axes, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        kind : {"auto", "line", "heatmap"}, default="auto"
            "auto" draws lines for up to 4 sequences.
        **kwargs : dict
            For ``plot`` of the lines.

        Returns
        -------
        display : AttentionDisplay
            This display.
        """
        if kind not in ("auto", "line", "heatmap"):
            raise InvalidParameterError(
                f"kind={kind!r} is not allowed; expected 'auto', 'line' or 'heatmap'."
            )
        n, n_steps = self.weights.shape
        labels = np.arange(n) if self.labels is None else self.labels
        if len(labels) != n:
            raise InvalidParameterError(
                f"labels has {len(labels)} entries for {n} sequences; give one per "
                "sequence."
            )
        ax = self._begin(ax)
        self.lines_, self.mesh_, self.colorbar_ = [], None, None
        count_steps(ax, n_steps)
        if kind == "line" or (kind == "auto" and n <= _LINES):
            for k, (row, label) in enumerate(zip(self.weights, labels, strict=True)):
                style = {"color": COLORS[k % 7], "ls": DASHES[k % 4]}
                style |= {"marker": "o", "ms": 3, "label": str(label), **kwargs}
                self.lines_ += ax.plot(steps_back(n_steps), row, **style)
            ax.set_ylabel("attention weight")
            if n > 1 or self.labels is not None:
                legend_above(ax)
            return self
        edges = np.arange(-n_steps, 1) - 0.5
        self.mesh_, self.colorbar_ = heat_map(
            ax, self.weights, edges, labels, "attention weight"
        )
        ax.set_ylabel("sequence")
        return self
