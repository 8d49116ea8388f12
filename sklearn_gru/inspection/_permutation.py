"""Permutation importance of features at time steps.

scikit-learn's ``permutation_importance`` shuffles a column, and a column of flat
windows is a feature at a time step. Sequences of different lengths, however, have no
such columns. Here values are exchanged between sequences at the same step, counted from
the end.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_consistent_length

from sklearn_gru._encoding.layouts import layout_of
from sklearn_gru._encoding.schema import InputSchema
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.rules import check_value, positive_integer
from sklearn_gru._windows.finding import find_window
from sklearn_gru.exceptions import InputError
from sklearn_gru.inspection._display_base import Display
from sklearn_gru.inspection._drawing import count_steps, heat_map
from sklearn_gru.inspection._models import unwrapped


def step_permutation_importance(
    estimator,
    X,
    y,
    *,
    scoring=None,
    n_repeats=5,
    block_length=1,
    max_samples=None,
    random_state=None,
):
    """Compute the permutation importance of every feature at every time step.

    The importance of feature j at step t (counted from the end) is the score of the
    fitted model minus its score after the values of j at t are permuted among all
    sequences with an observed step at t. All other values stay. The importance measures
    how much *this* model relies on the value [1]_. Neighboring steps often carry the
    same information, and then neither seems to matter: use `block_length` to permute
    several steps together.

    Parameters
    ----------
    estimator : fitted estimator
        GRURegressor or GRUClassifier, or a pipeline or search that ends with one. The
        pipeline steps before the last one are applied once.
    X : like X of the estimator's predict
        Sequences of any lengths, or the rows that a pipeline makes windows of.
    y : array-like of shape (n,) or (n, n_outputs)
        Target.
    scoring : str or callable, default=None
        Scorer as in scikit-learn; None takes the estimator's own ``score``.
    n_repeats : int, default=5
        Number of permutations of each value.
    block_length : int, default=1
        Number of time steps to permute together, counted from the end. A block is
        permuted among the sequences in which all its steps are observed; the oldest
        block may be shorter.
    max_samples : int, default=None
        Use a random subset of this size, if there are more sequences.
    random_state : int, RandomState or None, default=None
        Seed of the permutations and of that subset.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        importances_mean, importances_std : ndarray of shape (n_blocks, n_features)
            Mean and standard deviation over the repeats; oldest block first.
        importances : ndarray of shape (n_blocks, n_features, n_repeats)
            Importance in each repeat.
        steps : ndarray of shape (n_blocks + 1,)
            Bounds of the blocks: block b holds the steps ``steps[b]`` to
            ``steps[b + 1] - 1`` counted from the end, where -1 is the last.
        feature_names : list
            Names of the features, or their positions.
        score : float
            Score of the model before permutation.

    Raises
    ------
    InputError
        The last estimator does not read sequences.

    Notes
    -----
    Missing values are permuted like other values. The windows are written out once, as
    an array of shape (n, n_steps, n_features), and the model predicts
    ``n_blocks * n_features * n_repeats`` times: use `max_samples` and `block_length`
    for long windows.

    References
    ----------
    .. [1] Breiman (2001). Random Forests. Machine Learning 45; Fisher, Rudin & Dominici
       (2019). All Models are Wrong, but Many are Useful. JMLR 20.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.inspection import step_permutation_importance
    >>> X = np.random.default_rng(0).normal(size=(300, 4, 2))
    >>> y = X[:, -2, 1]                        # the second feature, one step back
    >>> model = GRURegressor(8, random_state=0).fit(X, y)
    >>> result = step_permutation_importance(model, X, y, random_state=0)
    >>> np.unravel_index(result.importances_mean.argmax(), (4, 2))
    (np.int64(2), np.int64(1))
    """
    for name, value in (("n_repeats", n_repeats), ("block_length", block_length)):
        check_value("step_permutation_importance", name, value, [positive_integer()])
    model, X = unwrapped(estimator, X, target=False)
    cells, rebuild, names = _cells_of(model, X)
    y = np.asarray(y)
    check_consistent_length(cells, y)
    rng = check_random_state(random_state)
    if max_samples is not None and max_samples < len(cells):
        part = np.sort(rng.choice(len(cells), max_samples, replace=False))
        cells, y = cells[part], y[part]
    scorer = check_scoring(model, scoring)
    observed = ~np.isnan(cells).all(axis=2)
    n_steps, n_features = cells.shape[1:]
    bounds = np.arange(n_steps, 0, -block_length)[::-1]
    bounds = np.concatenate([[0], bounds])
    score = scorer(model, rebuild(cells), y)
    importances = np.zeros((len(bounds) - 1, n_features, n_repeats))
    for b, (first, end) in enumerate(pairwise(bounds)):
        whole = np.flatnonzero(observed[:, first:end].all(axis=1))
        for j in range(n_features):
            before = cells[whole, first:end, j]
            for k in range(n_repeats):
                cells[whole, first:end, j] = before[rng.permutation(len(whole))]
                importances[b, j, k] = score - scorer(model, rebuild(cells), y)
            cells[whole, first:end, j] = before
    return Bunch(
        importances_mean=importances.mean(axis=2),
        importances_std=importances.std(axis=2),
        importances=importances,
        steps=bounds - n_steps,
        feature_names=names,
        score=score,
    )


def _cells_of(model: Any, X: Any) -> tuple[np.ndarray, Any, list[Any]]:
    """Return windows as a writable array, the way back to an X, and feature names."""
    inner, _ = unwrapped(model)
    if not hasattr(inner, "gate_activations"):
        raise InputError(
            f"{type(inner).__name__} does not read sequences, so its features have no "
            "time steps; expected a GRURegressor or GRUClassifier at the end. For flat "
            "windows use sklearn.inspection.permutation_importance, whose columns are "
            "features at time steps."
        )
    if find_window(model) is not None:
        raise InputError(
            f"{type(model).__name__} has the SlidingWindow inside, where its time "
            "steps cannot be permuted. Transform y after the window: "
            f"make_pipeline(SlidingWindow(…), {type(model).__name__}(GRURegressor(…)))."
        )
    if layout_of(X).ndim == 3:
        return _cells_of_sequences(inner, X)
    cells = np.array(X, dtype=np.float64)
    if cells.ndim != 2:
        raise InputError(
            f"X has {cells.ndim} dimensions; expected sequences: an array of 2 or 3 "
            "dimensions, a list of 2-D arrays, or rows that a SlidingWindow reads."
        )
    width, columns = inner.features_per_step, getattr(X, "columns", None)

    def as_rows(cells: np.ndarray) -> Any:
        rows = cells.reshape(len(cells), -1)
        return rows if columns is None else pd.DataFrame(rows, columns=columns)

    return cells.reshape(len(cells), -1, width), as_rows, list(range(width))


def _cells_of_sequences(
    model: Any, X: Any
) -> tuple[np.ndarray, Callable[[np.ndarray], Any], list[Any]]:
    schema = InputSchema(
        type(model).__name__, model.features_per_step, model.categorical_features
    )
    _, sequences = schema.learn(X)
    about: dict[str, Any] = {
        "feature_names": sequences.feature_names,
        "categories": sequences.categories,
    }
    names = sequences.feature_names or range(sequences.shape[2])
    return (
        np.array(sequences),
        lambda cells: Sequences.from_array(cells, **about),
        list(names),
    )


class StepImportanceDisplay(Display):
    """Heat map of the importance of features at time steps.

    Use :meth:`from_estimator` to compute and draw, or :meth:`from_predictions` to draw
    a result of :func:`step_permutation_importance`.

    Parameters
    ----------
    result : :class:`~sklearn.utils.Bunch`
        From :func:`step_permutation_importance`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.
    mesh_, colorbar_ : matplotlib QuadMesh and Colorbar
        The heat map.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.inspection import StepImportanceDisplay
    >>> X = np.random.default_rng(0).normal(size=(60, 4, 2))
    >>> model = GRURegressor(4, max_iter=5, random_state=0).fit(X, X[:, -1, 1])
    >>> display = StepImportanceDisplay.from_estimator(
    ...     model, X, X[:, -1, 1], n_repeats=2, random_state=0
    ... )
    >>> display.result.importances_mean.shape
    (4, 2)
    """

    def __init__(self, *, result):
        self.result = result

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None, **kwargs):
        """Compute and draw the importances.

        Parameters
        ----------
        estimator : fitted estimator
            As in :func:`step_permutation_importance`.
        X : like X of the estimator's predict
            Sequences, or the rows that a pipeline makes windows of.
        y : array-like of shape (n,) or (n, n_outputs)
            Target.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **kwargs : dict
            Further parameters of :func:`step_permutation_importance`.

        Returns
        -------
        display : StepImportanceDisplay
            With the result as attribute.
        """
        result = step_permutation_importance(estimator, X, y, **kwargs)
        return cls(result=result).plot(ax=ax)

    @classmethod
    def from_predictions(cls, result, *, ax=None):
        """Draw importances computed before.

        Parameters
        ----------
        result : :class:`~sklearn.utils.Bunch`
            From :func:`step_permutation_importance`.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : StepImportanceDisplay
            With the result as attribute.
        """
        return cls(result=result).plot(ax=ax)

    def plot(self, ax=None):
        """Draw on axes, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : StepImportanceDisplay
            This display.
        """
        ax = self._begin(ax)
        steps = self.result.steps
        count_steps(ax, -steps[0])
        self.mesh_, self.colorbar_ = heat_map(
            ax,
            self.result.importances_mean.T,
            steps - 0.5,
            self.result.feature_names,
            "fall of the score",
        )
        ax.set_ylabel("feature")
        return self
