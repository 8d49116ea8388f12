"""Rules for constructor parameters.

An estimator lists the rules that each parameter may satisfy. The check runs in ``fit``
(never in ``__init__`` or ``set_params``, as scikit-learn requires), and its message
names the parameter, the value and the allowed values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from sklearn_gru.exceptions import InvalidParameterError


@dataclass(frozen=True)
class Number:
    """A number of `kind` between two bounds; an open bound itself is not allowed."""

    kind: type
    low: float
    high: float = float("inf")
    low_open: bool = False
    high_open: bool = False

    def accepts(self, value: Any) -> bool:
        # A duration of NumPy is an Integral, too.
        other = isinstance(value, (bool, np.bool_, np.timedelta64))
        if other or not isinstance(value, self.kind):
            return False
        value = float(value)  # type: ignore[arg-type]
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return bool(above and below)

    def __str__(self) -> str:
        kind = "an integer" if self.kind is Integral else "a number"
        left = "above" if self.low_open else "at least"
        if self.high == float("inf"):
            return f"{kind} {left} {self.low:g}"
        right = "below" if self.high_open else "at most"
        return f"{kind} {left} {self.low:g} and {right} {self.high:g}"


@dataclass(frozen=True)
class OneOf:
    """One of some fixed values."""

    values: tuple[Any, ...]

    def accepts(self, value: Any) -> bool:
        return any(type(value) is type(v) and value == v for v in self.values)

    def __str__(self) -> str:
        return " or ".join(repr(v) for v in self.values)


@dataclass(frozen=True)
class NameIn:
    """A name of a registry, as the registry is when the check runs."""

    names: Callable[[], Iterable[str]] | Mapping[str, Any]

    def _listed(self) -> list[str]:
        return list(self.names() if callable(self.names) else self.names)

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and value in self._listed()

    def __str__(self) -> str:
        return " or ".join(repr(name) for name in self._listed())


@dataclass(frozen=True)
class Boolean:
    """True or False."""

    def accepts(self, value: Any) -> bool:
        return isinstance(value, (bool, np.bool_))

    def __str__(self) -> str:
        return "True or False"


@dataclass(frozen=True)
class Satisfies:
    """Any value that passes a test, described in words."""

    test: Callable[[Any], bool]
    description: str

    def accepts(self, value: Any) -> bool:
        return bool(self.test(value))

    def __str__(self) -> str:
        return self.description


Rule = Number | OneOf | NameIn | Boolean | Satisfies


def positive_integer(low: int = 1) -> Number:
    """Return the rule of an integer of at least `low`."""
    return Number(Integral, low)


def real(low: float, high: float = float("inf"), **open_bounds: bool) -> Number:
    """Return the rule of a real number between `low` and `high`."""
    return Number(Real, low, high, **open_bounds)


def check_parameters(estimator: Any, rules: Mapping[str, Iterable[Rule]]) -> None:
    """Raise InvalidParameterError for the first parameter that no rule accepts."""
    for name, choices in rules.items():
        check_value(type(estimator).__name__, name, getattr(estimator, name), choices)


def check_value(owner: str, name: str, value: Any, choices: Iterable[Rule]) -> None:
    """Raise InvalidParameterError if no rule accepts the value."""
    choices = list(choices)
    if not any(rule.accepts(value) for rule in choices):
        expected = ", or ".join(str(rule) for rule in choices)
        shown = repr(value)
        if not isinstance(value, type) and getattr(value, "ndim", 0) > 0:
            shown = f"a {type(value).__name__}"
        raise InvalidParameterError(
            f"{owner}: {name}={shown} is not allowed; expected {expected}."
        )
