"""Loss over the epochs of a fit: :class:`LossCurveDisplay`."""

from __future__ import annotations

import numpy as np

from sklearn_gru.exceptions import InvalidParameterError
from sklearn_gru.inspection._display_base import Display
from sklearn_gru.inspection._drawing import (
    BLACK,
    BLUE,
    VERMILION,
    legend_above,
)
from sklearn_gru.inspection._models import network_in


class LossCurveDisplay(Display):
    """Training and validation loss per epoch, with the best epoch marked.

    Use :meth:`from_estimator` to create one.

    Parameters
    ----------
    loss : array-like of shape (n_epochs,)
        Mean training loss of each epoch.
    validation_loss : array-like of shape (n_epochs,), default=None
        Validation loss of each epoch.
    best_iteration : int, default=None
        Epoch whose weights were kept, counted from 1.
    name : str, default=None
        Prefix of the labels, to distinguish several models on the same axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.
    line_, validation_line_, best_ : matplotlib Line2D or None
        The curves and the mark of the best epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.inspection import LossCurveDisplay
    >>> X = np.random.default_rng(0).normal(size=(60, 5, 1))
    >>> model = GRURegressor(4, max_iter=6, early_stopping=True, random_state=0)
    >>> model = model.fit(X, X[:, -1, 0])
    >>> display = LossCurveDisplay.from_estimator(model)
    >>> display.line_.get_xdata()
    array([1, 2, 3, 4, 5, 6])
    """

    def __init__(self, *, loss, validation_loss=None, best_iteration=None, name=None):
        self.loss = loss
        self.validation_loss = validation_loss
        self.best_iteration = best_iteration
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, name=None, member=0, ax=None, **kwargs):
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : fitted GRURegressor or GRUClassifier
            Or a pipeline or search that ends with one.
        name : str, default=None
            Prefix of the labels.
        member : int, default=0
            Network whose losses to draw, of several (`n_estimators`).
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **kwargs : dict
            For ``plot`` of both curves.

        Returns
        -------
        display : LossCurveDisplay
            With the curves as attributes.
        """
        model, _ = network_in(estimator, "loss_curve_")
        if not 0 <= member < len(model.nets_):
            raise InvalidParameterError(
                f"member={member!r} is not one of the {len(model.nets_)} network(s), "
                "which are counted from 0."
            )
        # Epochs of a partial_fit have no validation loss, so the history is needed to
        # match losses to epochs.
        history, best = model.nets_[member].history, model._fitted.best_epochs
        held = np.array([row.get("valid_loss", np.nan) for row in history])
        display = cls(
            loss=np.array([row["train_loss"] for row in history]),
            validation_loss=None if np.isnan(held).all() else held,
            best_iteration=best[member] if best else None,
            name=name,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs):
        """Draw on axes, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        name : str, default=None
            Prefix of the labels, instead of the name of the display.
        **kwargs : dict
            For ``plot`` of both curves.

        Returns
        -------
        display : LossCurveDisplay
            This display.
        """
        ax = self._begin(ax)
        name = self.name if name is None else name
        prefix = "" if name is None else f"{name}: "
        epochs = np.arange(1, len(self.loss) + 1)
        # A single epoch is a point, which a line would not show.
        style = {"marker": "o" if len(epochs) == 1 else None}
        (self.line_,) = ax.plot(
            epochs,
            self.loss,
            label=f"{prefix}training",
            **{"color": BLUE, **style, **kwargs},
        )
        self.validation_line_ = self.best_ = None
        if self.validation_loss is not None:
            (self.validation_line_,) = ax.plot(
                epochs,
                self.validation_loss,
                label=f"{prefix}validation",
                **{"color": VERMILION, "ls": "--", **style, **kwargs},
            )
        if self.best_iteration is not None:
            watched = (
                self.loss if self.validation_loss is None else self.validation_loss
            )
            (self.best_,) = ax.plot(
                [self.best_iteration],
                [watched[self.best_iteration - 1]],
                ls="none",
                marker="o",
                ms=9,
                mfc="none",
                mec=BLACK,
                label=f"{prefix}best epoch ({self.best_iteration})",
            )
        ax.set(xlabel="epoch", ylabel="mean loss")
        ax.xaxis.get_major_locator().set_params(integer=True)
        legend_above(ax)
        return self
