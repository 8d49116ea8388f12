"""Search spaces in Optuna: :func:`suggest` and :func:`optuna_space`.

Optuna is an optional library. Trials are called through their methods, so only
:func:`optuna_space` imports it, when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from scipy.stats import rv_discrete

from sklearn_gru.exceptions import InvalidParameterError
from sklearn_gru.model_selection._search_space import is_range, not_a_range

_CONTINUOUS = {"uniform": False, "loguniform": True, "reciprocal": True}


class Interval(NamedTuple):
    """Numbers between two ends, both possible; `log` draws them on a logarithm."""

    low: float
    high: float
    log: bool = False
    integer: bool = False


def suggest(trial, space):
    """Draw one candidate from a search space in an Optuna trial.

    Parameters
    ----------
    trial : optuna.Trial
        The trial that an objective function is called with.
    space : dict of str to list or distribution
        Space as returned by :func:`~sklearn_gru.model_selection.search_space`: lists of
        values, and the distributions ``uniform``, ``loguniform`` and ``randint`` of
        scipy.stats.

    Returns
    -------
    params : dict of str to object
        A value for each parameter, for ``set_params``.

    Raises
    ------
    InvalidParameterError
        Optuna cannot draw from one of the ranges.

    Examples
    --------
    An objective function for ``study.optimize``:

    >>> from sklearn.base import clone
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.model_selection import search_space, suggest
    >>> model = GRURegressor(max_iter=5, random_state=0)
    >>> def objective(trial):
    ...     candidate = clone(model).set_params(**suggest(trial, search_space(model)))
    ...     return candidate.fit(X_train, y_train).score(X_test, y_test)
    """
    params = {}
    for name, drawn in _read(space).items():
        if isinstance(drawn, list):
            params[name] = trial.suggest_categorical(name, drawn)
        elif drawn.integer:
            params[name] = trial.suggest_int(name, drawn.low, drawn.high)
        else:
            params[name] = trial.suggest_float(
                name, drawn.low, drawn.high, log=drawn.log
            )
    return params


def optuna_space(space):
    """Return a search space as Optuna's distributions.

    For ``OptunaSearchCV``, ``study.ask`` and ``study.enqueue_trial``. It imports
    Optuna.

    Parameters
    ----------
    space : dict of str to list or distribution
        Space as returned by :func:`~sklearn_gru.model_selection.search_space`; see
        :func:`~sklearn_gru.model_selection.suggest`.

    Returns
    -------
    distributions : dict of str to optuna.distributions.BaseDistribution
        The same ranges.

    Raises
    ------
    InvalidParameterError
        Optuna cannot draw from one of the ranges.
    ModuleNotFoundError
        Optuna is not installed.
    """
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    def converted(drawn):
        if isinstance(drawn, list):
            return CategoricalDistribution(drawn)
        if drawn.integer:
            return IntDistribution(drawn.low, drawn.high)
        return FloatDistribution(drawn.low, drawn.high, log=drawn.log)

    return {name: converted(drawn) for name, drawn in _read(space).items()}


def _read(space: Any) -> dict[str, list[Any] | Interval]:
    """Return the lists and the intervals of a space."""
    if not isinstance(space, Mapping):
        raise InvalidParameterError(
            f"space is of type {type(space).__name__}; expected a dict of parameter "
            "names to lists or distributions: search_space(model)."
        )
    return {name: _read_range(name, values) for name, values in space.items()}


def _read_range(name: str, values: Any) -> list[Any] | Interval:
    """Return the values of a list, or the interval of a scipy.stats distribution."""
    if not is_range(values):
        raise InvalidParameterError(not_a_range(name, values))
    if not hasattr(values, "rvs"):
        return list(values)
    law = getattr(values, "dist", None)
    kind = getattr(law, "name", type(values).__name__)
    if kind in _CONTINUOUS:
        low, high = map(float, values.support())
        return Interval(low, high, log=_CONTINUOUS[kind])
    if isinstance(law, rv_discrete) and kind == "randint":
        low, high = map(int, values.support())
        return Interval(low, high, integer=True)
    raise InvalidParameterError(
        f"{name} has the distribution {kind}, which Optuna cannot draw from. Expected "
        "a list, or uniform, loguniform or randint of scipy.stats: "
        f"{name}=scipy.stats.uniform(low, high - low)."
    )
