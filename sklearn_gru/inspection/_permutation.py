"""Which features matter at which steps, by permutation.

scikit-learn's ``permutation_importance`` shuffles a column, and a column of windows is
a feature at a step; but its windows would have to be flat, and sequences of different
lengths have no columns. Here values are exchanged between the same steps, counted from
the end, of different sequences.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_consistent_length

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.rules import check_value, positive_integer
from sklearn_gru.exceptions import InputError
from sklearn_gru.inspection._drawing import axes_for, count_steps, heat_map
from sklearn_gru.inspection._models import find_window, reach


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
    """Permutation importance of every feature at every step.

    The importance of feature j at step t (counted from the end) is the score of the
    fitted model minus its score after the values of j at t have been permuted among
    all sequences that have an observed step at t; everything else of a sequence stays,
    and so does a sequence without that step. It says how much *this* model relies on
    the value [1]_. Neighbouring steps often tell the same, and then neither seems to
    matter: `block_length` permutes some steps together.

    Parameters
    ----------
    estimator : fitted estimator
        GRURegressor or GRUClassifier, or a pipeline or search that ends with one. What
        stands in front of the last step of a pipeline is applied once.
    X : like X of the estimator's predict
        Sequences of any lengths, or the rows that a pipeline makes windows of.
    y : array-like of shape (n,) or (n, n_outputs)
        Target.
    scoring : str or callable, default=None
        Scorer as in scikit-learn; None takes the estimator's own ``score``.
    n_repeats : int, default=5
        Number of permutations of each value.
    block_length : int, default=1
        Steps permuted together, counted from the end. A block is permuted among the
        sequences in which each of its steps is observed; the oldest block may be
        shorter.
    max_samples : int, default=None
        Take a random part of the sequences, if there are more.
    random_state : int, RandomState or None, default=None
        Seed of permutations and of that part.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        importances_mean, importances_std : ndarray of shape (n_blocks, n_features)
            Over the repeats; oldest block first.
        importances : ndarray of shape (n_blocks, n_features, n_repeats)
            Each of them.
        steps : ndarray of shape (n_blocks + 1,)
            Bounds of the blocks: block b holds the steps ``steps[b]`` to
            ``steps[b + 1] - 1`` counted from the end, where -1 is the last.
        feature_names : list
            Names of the features, or their positions.
        score : float
            Score of the model before anything is permuted.

    Raises
    ------
    InputError
        What the last estimator reads are no sequences.

    Notes
    -----
    Missing values travel with the others. The windows are written out once, as an array
    of shape (n, n_steps, n_features), and the model predicts
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
    model, X = reach(estimator, X, target=False)
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
    """Windows as an array to write in, the way back to an X, and feature names."""
    inner, _ = reach(model)
    if not hasattr(inner, "gate_activations"):
        raise InputError(
            f"{type(inner).__name__} reads no sequences, so its features have no "
            "steps; expected a GRURegressor or GRUClassifier at the end. For flat "
            "windows use sklearn.inspection.permutation_importance, whose columns are "
            "features at steps."
        )
    if find_window(model) is not None:
        raise InputError(
            f"{type(model).__name__} has the SlidingWindow inside, where no step "
            "can be reached. Transform y behind the window: "
            f"make_pipeline(SlidingWindow(…), {type(model).__name__}(GRURegressor(…)))."
        )
    if isinstance(X, list):
        X = _joined(X)
    if isinstance(X, Sequences):
        about = {"feature_names": X.feature_names, "categories": X.categories}
        names = X.feature_names or range(X.shape[2])
        return (
            X.__array__(X.dtype).copy(),
            lambda cells: Sequences.from_array(cells, **about),
            list(names),
        )
    cells = np.array(X, dtype=np.float64)
    if cells.ndim == 3:
        return cells, lambda cells: cells, list(range(cells.shape[2]))
    if cells.ndim != 2:
        raise InputError(
            f"X has {cells.ndim} dimensions; expected sequences: an array of 2 or 3 "
            "dimensions, a list of 2-D arrays, or rows in front of a SlidingWindow."
        )
    width, columns = inner.features_per_step, getattr(X, "columns", None)

    def as_rows(cells: np.ndarray) -> Any:
        rows = cells.reshape(len(cells), -1)
        return rows if columns is None else pd.DataFrame(rows, columns=columns)

    return cells.reshape(len(cells), -1, width), as_rows, list(range(width))


def _joined(items: list[Any]) -> Sequences:
    """A list of arrays or frames of numbers as sequences."""
    names = getattr(items[0], "columns", None)
    try:
        tables = [
            np.asarray(item if names is None else item[names], dtype=np.float64)
            for item in items
        ]
    except ValueError as error:
        raise InputError(
            f"X is a list whose items are not numeric: {error}. Give texts and other "
            "categories as the Sequences of to_sequences or SlidingWindow."
        ) from error
    tables = [t[:, None] if t.ndim == 1 else t for t in tables]
    lengths = np.array([len(t) for t in tables])
    return Sequences(
        np.concatenate(tables),
        np.cumsum(lengths) - lengths,
        lengths,
        feature_names=None if names is None else tuple(map(str, names)),
    )


class StepImportanceDisplay:
    """Heat map of the importance of features at steps.

    Use :meth:`from_estimator` to compute and draw, or :meth:`from_predictions` to draw
    what :func:`step_permutation_importance` has returned.

    Parameters
    ----------
    result : :class:`~sklearn.utils.Bunch`
        From :func:`step_permutation_importance`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        Its figure.
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
            Where to draw; None makes a figure.
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
            Where to draw; None makes a figure.

        Returns
        -------
        display : StepImportanceDisplay
            With the result as attribute.
        """
        return cls(result=result).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : StepImportanceDisplay
            This display.
        """
        self.ax_ = ax = axes_for(ax, "StepImportanceDisplay")
        self.figure_ = ax.figure
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
