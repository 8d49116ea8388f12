"""Gate values over the time steps of a sequence: :class:`GateDisplay`."""

from __future__ import annotations

import numpy as np

from sklearn_gru._encoding.layouts import take
from sklearn_gru.exceptions import InvalidParameterError
from sklearn_gru.inspection._display_base import Display
from sklearn_gru.inspection._drawing import (
    COLORS,
    DASHES,
    count_steps,
    legend_above,
    steps_back,
)
from sklearn_gru.inspection._models import network_in


class GateDisplay(Display):
    """Gates of one layer over the time steps of one sequence.

    Without `units`, a line is the mean over all units, and the band around it holds the
    middle 80 % of the units.

    Use :meth:`from_estimator` to create one.

    Parameters
    ----------
    gates : dict of str to ndarray of shape (n_steps, n_units)
        The gates of one sequence, layer and direction by name; steps without an
        observation are NaN.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.
    lines_ : dict of str to list of matplotlib Line2D
        The line of the mean of each gate, or one line per unit.

    Notes
    -----
    The `cell` of the estimator defines the gates. In a GRU, a unit whose update gate is
    near 1 keeps its state and ignores the step; near 0 it takes a new state.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.inspection import GateDisplay
    >>> X = np.random.default_rng(0).normal(size=(40, 6, 1))
    >>> model = GRURegressor(4, max_iter=2, random_state=0).fit(X, X[:, 2, 0])
    >>> display = GateDisplay.from_estimator(model, X, sequence=-1)
    >>> display.gates["update"].shape
    (6, 4)
    """

    def __init__(self, *, gates):
        self.gates = gates

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        sequence=0,
        layer=0,
        direction=0,
        gates=None,
        units=None,
        member=0,
        ax=None,
    ):
        """Draw the gates of a sequence.

        Parameters
        ----------
        estimator : fitted GRURegressor or GRUClassifier
            Or a pipeline or search that ends with one.
        X : like X of the estimator's predict
            Sequences, or the rows that a pipeline makes windows of.
        sequence : int, default=0
            Sequence to show; -1 is the last.
        layer : int, default=0
            Recurrent layer to show; 0 is the first.
        direction : {0, 1}, default=0
            Direction to show; 1 is the backward one of a bidirectional network.
        gates : list of str, default=None
            Gates to show, by their names in the attribute `gates`; None shows all.
        units : int or list of int, default=None
            Units to show; None shows their mean.
        member : int, default=0
            Network to look into, of several (`n_estimators`).
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : GateDisplay
            With the gates as attribute.
        """
        model, X = network_in(estimator, "gate_activations", X)
        n = len(X)
        if not -n <= sequence < n:
            raise InvalidParameterError(
                f"sequence={sequence} is not one of the {n} sequences of X."
            )
        one = take(X, [sequence % n])
        found = {}
        for name, array in model.gate_activations(one, member=member).items():
            if layer >= array.shape[2] or direction >= array.shape[3]:
                raise InvalidParameterError(
                    f"layer={layer} and direction={direction} do not exist: the "
                    f"network has {array.shape[2]} layers and {array.shape[3]} "
                    "directions, counted from 0."
                )
            found[name.removesuffix("_gate")] = array[0, :, layer, direction]
        return cls(gates=found).plot(ax=ax, gates=gates, units=units)

    def plot(self, ax=None, *, gates=None, units=None, **kwargs):
        """Draw on axes, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        gates : list of str, default=None
            Gates to show; None shows all.
        units : int or list of int, default=None
            Units to show; None shows their mean.
        **kwargs : dict
            For ``plot`` of the lines.

        Returns
        -------
        display : GateDisplay
            This display.
        """
        chosen = list(self.gates) if gates is None else np.atleast_1d(gates).tolist()
        for name in chosen:
            if name not in self.gates:
                raise InvalidParameterError(
                    f"gates={chosen}: {name!r} is not one of the gates "
                    f"{list(self.gates)}."
                )
        n_steps, n_units = next(iter(self.gates.values())).shape
        for unit in [] if units is None else np.atleast_1d(units):
            if not -n_units <= unit < n_units:
                raise InvalidParameterError(
                    f"units={units}: the layer has {n_units} units, counted from 0."
                )
        ax = self._begin(ax)
        self.lines_ = {}
        names = list(self.gates)
        for name in chosen:
            style = {"color": COLORS[names.index(name) % len(COLORS)], **kwargs}
            draw = self._draw_mean if units is None else self._draw_units
            self.lines_[name] = draw(name, units, style)
        ax.set_ylabel("gate")
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        count_steps(ax, n_steps)
        legend_above(ax, (-0.02, 1.02))
        return self

    def _draw_mean(self, name, units, style):
        values = self.gates[name]
        at = steps_back(len(values))
        low, high = np.quantile(values, [0.1, 0.9], axis=1)
        color = style["color"]
        # The tints of two gates mix to gray; dotted edges distinguish them.
        self.ax_.fill_between(at, low, high, color=color, alpha=0.1, lw=0)
        for edge in (low, high):
            self.ax_.plot(at, edge, color=color, ls=":", lw=1)
        return self.ax_.plot(at, values.mean(axis=1), label=name, **style)

    def _draw_units(self, name, units, style):
        values = self.gates[name]
        lines = []
        for k, unit in enumerate(np.atleast_1d(units)):
            dashed = {"ls": DASHES[k % 4], "lw": 1.2, **style}
            lines += self.ax_.plot(
                steps_back(len(values)),
                values[:, unit],
                label=f"{name}, unit {unit}",
                **dashed,
            )
        return lines
