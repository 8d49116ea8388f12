"""The schema of X, learned in fit and checked against every later X.

A schema is learned from one X and never changes after that; nothing is written into the
estimator. Error messages are scikit-learn's own wherever it has one: its checks run on
a stand-in that carries the name of the estimator.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from sklearn_gru._encoding import layouts
from sklearn_gru._encoding.layouts import FLOATS, Seen
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.numbers import none_infinite
from sklearn_gru._tables.codebook import named_features
from sklearn_gru._tables.frames import as_list, find_column
from sklearn_gru.exceptions import InputError, InvalidParameterError


@dataclass(frozen=True, eq=False)
class InputSchema:
    """Dimensions, names and categories of X.

    Attributes
    ----------
    owner : str
        Name of the estimator, for messages.
    features_per_step : int
        Number of columns per step of a 2-D X.
    categorical_features : object
        The parameter of that name.
    ndim : {None, 2, 3}
        2 if each row is a series, 3 for sequences, None before learning.
    n_features : int
        Number of columns of a 2-D X; number of features per step otherwise.
    feature_names : ndarray or None
        Names of the features, if X had any.
    is_categorical : ndarray of bool or None
        Mask of the categorical features; None if there are none.
    n_steps : int
        Number of steps of the longest sequence in the first fit.
    n_sequences : int
        Number of sequences in the first fit.
    """

    owner: str
    features_per_step: int = 1
    categorical_features: Any = "from_dtype"
    ndim: int | None = None
    n_features: int = 0
    feature_names: np.ndarray | None = None
    is_categorical: np.ndarray | None = None
    n_steps: int = 0
    n_sequences: int = 0

    @property
    def learns(self) -> bool:
        """State of the schema: True until an X has been learned."""
        return self.ndim is None

    def read(self, X: Any) -> tuple[InputSchema, Sequences]:
        """Learn from the first X, and check each later one against it."""
        return self.learn(X) if self.learns else (self, self.check(X))

    def learn(self, X: Any) -> tuple[InputSchema, Sequences]:
        """Return the schema of X, and X as sequences."""
        layout, (sequences, named, seen) = layouts.read(X, self)
        carried = _carried(sequences, len(named))
        if self._from_dtype:
            named = named | carried
        elif (carried & ~named).any():
            raise InputError(
                f"Feature {_name_of(sequences, carried & ~named)!r} holds categories, "
                f"but categorical_features={self.categorical_features!r} does not name "
                "it. Name it too, or leave categorical_features='from_dtype'."
            )
        learned = replace(
            self,
            ndim=layout.ndim,
            n_features=seen.n_features,
            feature_names=seen.feature_names,
            is_categorical=named if named.any() else None,
            n_steps=sequences.shape[1],
            n_sequences=len(sequences),
        )
        return learned, sequences

    def check(self, X: Any) -> Sequences:
        """Return a later X as sequences, after checking that it matches the schema."""
        layout, (sequences, named, seen) = layouts.read(X, self)
        if layout.ndim == 3:
            self._check_features(seen)
        if sequences.categories is not None:
            self._check_categories(sequences, named)
        return sequences

    # -- for layouts ------------------------------------------------------------------

    def check_ndim(self, ndim: int) -> None:
        """Raise InputError if X has other dimensions than in fit."""
        if self.learns or ndim == self.ndim:
            return
        if ndim == 2:
            raise InputError(
                f"X is 2-D, but this {self.owner} was fitted on sequences. Pass a 3-D "
                "array (sequences, steps, features), a list of 2-D arrays, or the "
                "Sequences of the same SlidingWindow; pass one sequence x as x[None]."
            )
        raise InputError(
            f"X holds sequences, but this {self.owner} was fitted on 2-D rows of "
            f"{self.n_features} columns, each row one series. Pass rows, or fit on "
            "sequences."
        )

    def named(self, names: Sequence[Any]) -> np.ndarray:
        """Return a mask of the features named as categorical, or found so in fit."""
        if self.learns:
            return named_features(self._explicit, names)
        known = self.is_categorical
        if known is None or len(known) != len(names):
            return np.zeros(len(names), dtype=bool)
        return known

    def named_in_rows(self, columns: Sequence[Any]) -> np.ndarray:
        """Return the mask for 2-D rows, by position in a step or by column name."""
        per_step = self.features_per_step
        keys = as_list(self._explicit)
        if not self.learns or not any(isinstance(key, str) for key in keys):
            return self.named(range(per_step))
        steps = named_features(keys, columns).reshape(-1, per_step)
        if (steps != steps[0]).any():
            raise InputError(
                f"categorical_features={keys} names some columns of X but not those of "
                f"the same feature at other steps. A row of 2-D X is a whole series of "
                f"{per_step} features per step (features_per_step): pass their "
                f"positions within a step, 0 to {per_step - 1}."
            )
        return steps[0]

    def validated(self, X: Any, **checks: Any) -> tuple[Any, Seen]:
        """Return 2-D X after scikit-learn's checks, and the features they saw."""
        stand_in: Any = _stand_in(self.owner)()
        if not self.learns:
            stand_in.n_features_in_ = self.n_features
            if self.feature_names is not None:
                stand_in.feature_names_in_ = self.feature_names
        array = validate_data(stand_in, X, reset=self.learns, **checks)
        names = getattr(stand_in, "feature_names_in_", None)
        return array, Seen(stand_in.n_features_in_, names)

    def finite(self, sequences: Sequences) -> Sequences:
        """Return the sequences, after checking that there are some and all are finite.

        NaN is allowed.
        """
        if not len(sequences):
            raise InputError(
                f"Found X with 0 sample(s) while a minimum of 1 is required by "
                f"{self.owner}."
            )
        values = sequences.values
        # For a single window, check_array takes longer than everything else. It also
        # knows whether a large array with NaN holds infinity.
        if values.size and not (values.dtype in FLOATS and none_infinite(values)):
            check_array(
                values,
                dtype=FLOATS,
                ensure_all_finite="allow-nan",
                input_name="X",
                estimator=self.owner,
            )
        return sequences

    # -- inside -----------------------------------------------------------------------

    @property
    def _from_dtype(self) -> bool:
        keys = self.categorical_features
        return isinstance(keys, str) and keys == "from_dtype"

    @property
    def _explicit(self) -> Any:
        return None if self._from_dtype else self.categorical_features

    def _check_categories(self, sequences: Sequences, named: np.ndarray) -> None:
        new = _carried(sequences, len(named)) & ~named
        if new.any():
            raise InputError(
                f"Feature {_name_of(sequences, new)!r} holds categories, but was "
                "numeric in fit."
            )

    def _check_features(self, seen: Seen) -> None:
        if seen.n_features != self.n_features:
            raise InputError(
                f"X has {seen.n_features} features, but {self.owner} is expecting "
                f"{self.n_features} features as input."
            )
        before, now = self.feature_names, seen.feature_names
        if before is not None and now is not None and list(before) != list(now):
            raise InputError(
                "The feature names should match those that were passed during fit. "
                f"Seen in fit: {', '.join(map(str, before))}. "
                f"Now: {', '.join(map(str, now))}."
            )


@functools.cache
def _stand_in(owner: str) -> type:
    """Return an empty estimator class with the name of the estimator."""
    return type(owner, (BaseEstimator,), {})


def _carried(sequences: Sequences, n: int) -> np.ndarray:
    """Return a mask of the features that carry categories."""
    if sequences.categories is None:
        return np.zeros(n, dtype=bool)
    return np.array([values is not None for values in sequences.categories], dtype=bool)


def _name_of(sequences: Sequences, mask: np.ndarray) -> Any:
    at = int(mask.argmax())
    return at if sequences.feature_names is None else sequences.feature_names[at]


def find_channel(sequences: Sequences, key: str | int, parameter: str) -> int:
    """Return the position of the feature that a parameter names."""
    n_channels = sequences.shape[2]
    names = sequences.feature_names
    if isinstance(key, str) and names is None:
        raise InvalidParameterError(
            f"{parameter}={key!r} is a name, but the {n_channels} channels of the "
            "sequences have none (columns of 2-D X are steps). Pass the position, 0 "
            f"to {n_channels - 1}, or pass X as Sequences or as a list of frames."
        )
    if not isinstance(key, str) and key >= n_channels:
        raise InvalidParameterError(
            f"{parameter}={key!r} is not a channel of X, which has {n_channels}: "
            f"positions are 0 to {n_channels - 1}."
        )
    try:
        return find_column(names or range(n_channels), key, parameter)
    except InputError as error:
        raise InvalidParameterError(str(error)) from None
