"""Learning of the linear part: ridge regression, its scale and its share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sklearn_gru._engines.ridge import Ridge
from sklearn_gru._estimators.cross_fit import CrossFit
from sklearn_gru._estimators.fitted import Fitted
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.linear import LinearPart
from sklearn_gru._model.mixing import Judged, Mix, explained
from sklearn_gru._model.streamed import Data
from sklearn_gru._model.tasks import Regression
from sklearn_gru._support.numbers import mean_of

OfNetworks = Callable[[], list[np.ndarray]]

# Tried for a small training set; the usual one is among them.
_PENALTIES = tuple(10.0**k for k in range(-7, 1))


@dataclass(frozen=True, eq=False)
class LinearParts:
    """Linear parts of models of one training set, after any epoch.

    The ridge regression is the same for all, and fitted once.

    Attributes
    ----------
    fitted : Fitted
        Encoder and task.
    share : float or "auto"
        Share in the outputs. "auto" is chosen on the validation set or by
        cross-fitting; without either, by how well ridge regression predicts each
        training sequence without itself.
    training, validation : Encoded
        Training set, and validation set or None.
    crossed : CrossFit or None
        What networks say of the training sequences that they did not learn from.
    """

    fitted: Fitted
    share: float | str
    training: Data
    validation: Data | None
    crossed: CrossFit | None

    def recipe(self, held_out: OfNetworks) -> Mix | None:
        """Return the recipe for trained networks; None if no linear part has a share.

        `held_out` returns the outputs of each network for the validation set.
        """
        task = self.fitted.task
        if not self._exists:
            return None
        if self.mix is not None:
            return self.mix
        part = self._ridge.part()
        if self.validation is None:
            judged = self._left_out
        else:
            judged = self._held_out(held_out(), part, self.validation)
        factor = task.linear_factor(judged)
        share = self.share
        if share == "auto":
            share = task.linear_share(judged._replace(linear=factor * judged.linear))
        return Mix(task.linear_penalty, factor, float(share))

    def made(self, recipe: Mix | None, data: Data | None = None) -> LinearPart | None:
        """Return the linear part of a recipe, None if it has no share.

        It is fitted to the training set, or to `data`.
        """
        if recipe is None or recipe.share == 0:
            return None
        if data is None:
            ridge = self._ridge.with_penalty(recipe.penalty)
        else:
            ridge = self._ridge_of(data, recipe.penalty)
        return replace(ridge.part().times(recipe.factor), share=recipe.share)

    @property
    def _exists(self) -> bool:
        encoder = self.fitted.encoder
        return self.share != 0 and encoder.n_dense > encoder.n_differences

    @cached_property
    def mix(self) -> Mix | None:
        """The weights that cross-fitting chose, or those of the fit before.

        Cross-fitting minimizes squared errors, so other losses have none.
        """
        task = self.fitted.task
        if self.share != "auto" or not self._exists:
            return None
        if self.crossed is None:
            return self.fitted.mix if self.validation is None else None
        if not isinstance(task, Regression) or task.loss != "squared_error":
            return None
        known = {penalty: self._explained(penalty) for penalty in _PENALTIES}
        penalty = max(known, key=known.__getitem__)

        def predict(learned: Encoded, judged: Encoded) -> np.ndarray:
            return self._ridge_of(learned, penalty).part().outputs(judged)

        linear, data = self.crossed.others(predict), self.crossed.data
        # Where ridge regression extrapolates wildly, two halves may not show it. What
        # it explains is 0 if the mean predicts better.
        if known[task.linear_penalty] == 0:
            linear = 0.0 * linear
        assert data.target is not None
        weight = np.ones(len(data)) if data.weight is None else data.weight
        judged = Judged(linear, self.crossed.network, data.target, weight)
        return Mix(penalty, *task.cross_fitted_mix(judged))

    @cached_property
    def _ridge(self) -> Ridge:
        return self._ridge_of(self.training, self.fitted.task.linear_penalty)

    def _ridge_of(self, data: Data, penalty: float) -> Ridge:
        task, given = self.fitted.task, data.target
        assert given is not None

        def target(some: Any) -> np.ndarray:
            return task.linear_target(given[some])

        return Ridge.fit(data, target, self.fitted.encoder.n_dense, penalty)

    def _explained(self, penalty: float) -> float:
        """Return the explained share of the variance of sequences left out."""
        some, linear = self._ridge.left_out(penalty)
        return explained(linear, self._ridge.target(some), self._ridge.weight(some))

    @cached_property
    def _left_out(self) -> Judged:
        some, linear = self._ridge.left_out()
        assert self.training.target is not None
        target, weight = self.training.target[some], self._ridge.weight(some)
        return Judged(linear, None, target, weight)

    @staticmethod
    def _held_out(
        found: list[np.ndarray], part: LinearPart, validation: Data
    ) -> Judged:
        weight = validation.weight
        if weight is None:
            weight = np.ones(len(validation))
        assert validation.target is not None
        linear = part.outputs(validation)
        return Judged(linear, mean_of(found), validation.target, weight)
