"""Ready search spaces: :func:`search_space`.

The ranges are attributes of the estimators' classes and are found by that attribute, at
any depth. So this module loads no estimator, hence not PyTorch, and works for whatever
wraps one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from difflib import get_close_matches
from typing import Any

from sklearn_gru.exceptions import InvalidParameterError


def search_space(estimator, **changes):
    """Return ranges of parameters that are worth a search.

    The result is a dict for :class:`~sklearn.model_selection.RandomizedSearchCV`,
    :class:`~sklearn.model_selection.HalvingRandomSearchCV`,
    :func:`~sklearn_gru.model_selection.suggest` and
    :func:`~sklearn_gru.model_selection.optuna_space`.

    Parameters
    ----------
    estimator : estimator
        A GRURegressor or GRUClassifier, or a pipeline or other meta-estimator that
        contains one; it need not be fitted, and is not changed.
    **changes : list, distribution with a method ``rvs``, or None
        Parameters of `estimator` to add to the space or to search in another range,
        with their full names, such as ``slidingwindow__window_size=[24, 48]``. None
        takes a parameter out of the space.

    Returns
    -------
    space : dict of str to list or distribution
        Names of parameters of `estimator`, with the prefix of the step, and for each a
        list of values or a distribution of scipy.stats.

    Raises
    ------
    InvalidParameterError
        There is no GRURegressor or GRUClassifier in `estimator`, it has no parameter of
        that name, or a range is not a list or distribution.

    See Also
    --------
    suggest : Draw a candidate from a space in an Optuna trial.
    optuna_space : The space as Optuna's distributions.

    Notes
    -----
    The ranges were chosen by the study of the defaults:

    ================= ============================== ===============================
    parameter         GRURegressor                   GRUClassifier
    ================= ============================== ===============================
    `learning_rate`   0.001 to 0.03, logarithmic     0.001 to 0.03, logarithmic
    `hidden_size`     16, 32, 64, 128                32, 64, 128
    `dropout`         0 to 0.5                       0 to 0.5
    `bidirectional`   not searched                   True, False
    `pooling`         not searched                   ``"last"``, ``"max"``,
                                                     ``"mean_max"``
    ================= ============================== ===============================

    `max_iter` is not in the space, because it is the resource of a halving search. Nor
    is anything that depends on the data, such as `window_size`.

    If `estimator` contains several GRU estimators, each has its own ranges.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRURegressor, SlidingWindow
    >>> from sklearn_gru.model_selection import search_space
    >>> model = make_pipeline(SlidingWindow(24, lag=1), GRURegressor())
    >>> space = search_space(
    ...     model, slidingwindow__window_size=[12, 24], gruregressor__dropout=None
    ... )
    >>> sorted(space)
    ['gruregressor__hidden_size', 'gruregressor__learning_rate',
     'slidingwindow__window_size']
    """
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise InvalidParameterError(_not_an_estimator(estimator))
    parameters = estimator.get_params(deep=True)
    space = {
        f"{prefix}{name}": copy(values)  # the caller may append to a list
        for prefix, gru in _estimators_in(estimator, parameters)
        for name, values in gru._search_ranges.items()
    }
    if not space:
        raise InvalidParameterError(_nothing_to_search(estimator))
    for name, values in changes.items():
        if name not in parameters:
            raise InvalidParameterError(_unknown(name, estimator, parameters))
        if values is not None and not is_range(values):
            raise InvalidParameterError(not_a_range(name, values))
    space.update(changes)
    return {name: values for name, values in space.items() if values is not None}


def is_range(values: Any) -> bool:
    """Return whether a search can draw from the values."""
    if isinstance(values, (str, Mapping)):
        return False
    listed = isinstance(values, Sequence) or getattr(values, "ndim", None) == 1
    return len(values) > 0 if listed else hasattr(values, "rvs")


def not_a_range(name: str, values: Any) -> str:
    """Return the message about values that a search cannot draw from."""
    return (
        f"{name}={values!r} is not a range. Expected a list of one or more values, or "
        f"a distribution such as scipy.stats.loguniform(0.001, 0.03): {name}=[...]."
    )


def _estimators_in(estimator: Any, parameters: Mapping[str, Any]):
    """Generate the prefixes and the estimators that have ranges, outermost first."""
    if hasattr(estimator, "_search_ranges"):
        yield "", estimator
    for name, value in parameters.items():
        if hasattr(value, "_search_ranges") and not isinstance(value, type):
            yield f"{name}__", value


def _not_an_estimator(estimator: Any) -> str:
    if isinstance(estimator, type):
        name = estimator.__name__
        return (
            f"search_space got the class {name}; expected an estimator: "
            f"search_space({name}())."
        )
    return (
        f"search_space got {type(estimator).__name__}, which has no parameters; "
        "expected an estimator: search_space(GRURegressor())."
    )


def _nothing_to_search(estimator: Any) -> str:
    steps = getattr(estimator, "steps", None)
    seen = type(estimator).__name__
    if steps is not None:
        seen += f" of {', '.join(type(step).__name__ for _, step in steps)}"
    return (
        f"search_space found no GRURegressor or GRUClassifier in {seen}. It has ranges "
        "for these two only; end the pipeline with one: "
        "make_pipeline(SlidingWindow(24, lag=1), GRURegressor())."
    )


def _unknown(name: str, estimator: Any, parameters: Mapping[str, Any]) -> str:
    """Return the message about a name, with the parameter that was probably meant."""
    last = name.rpartition("__")[2]
    same = [known for known in parameters if known.rpartition("__")[2] == last]
    meant = same or get_close_matches(name, parameters, n=1)
    hint = (
        f"Did you mean {' or '.join(meant)}?"
        if meant
        else (
            f"estimator.get_params() lists the names, such as {sorted(parameters)[0]}."
        )
    )
    return f"{type(estimator).__name__} has no parameter {name}. {hint}"
