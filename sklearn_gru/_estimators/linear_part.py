"""Learning of the linear part: ridge regression, its scale and its share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sklearn_gru._engines.ridge import Ridge
from sklearn_gru._estimators.fitted import Fitted
from sklearn_gru._model.linear import LinearPart
from sklearn_gru._model.mixing import Judged
from sklearn_gru._model.streamed import Data
from sklearn_gru._support.numbers import mean_of


@dataclass(frozen=True, eq=False)
class LinearParts:
    """Linear parts of models of one training set, after any epoch.

    The ridge regression is the same for all, and fitted once.

    Attributes
    ----------
    fitted : Fitted
        Encoder and task.
    share : float or "auto"
        Share in the outputs. "auto" is chosen on the validation set; without one, by
        how well ridge regression predicts each training sequence without itself.
    training, validation : Encoded
        Training set, and validation set or None.
    """

    fitted: Fitted
    share: float | str
    training: Data
    validation: Data | None

    def of(self, fitted: Fitted, threads: int) -> LinearPart | None:
        """Return the linear part of trained networks, or None if it has no share."""
        encoder, task = self.fitted.encoder, self.fitted.task
        if self.share == 0 or encoder.n_dense == encoder.n_differences:
            return None
        part = self._ridge.part()
        if self.validation is None:
            judged = self._left_out
        else:
            judged = self._held_out(fitted, part, self.validation, threads)
        factor = task.linear_factor(judged)
        share = self.share
        if share == "auto":
            share = task.linear_share(judged._replace(linear=factor * judged.linear))
        part = replace(part.times(factor), share=float(share))
        return part if part.share > 0 else None

    @cached_property
    def _ridge(self) -> Ridge:
        task, training = self.fitted.task, self.training
        given = training.target
        assert given is not None

        def target(some: Any) -> np.ndarray:
            return task.linear_target(given[some])

        n_columns = self.fitted.encoder.n_dense
        return Ridge.fit(training, target, n_columns, task.linear_penalty)

    @cached_property
    def _left_out(self) -> Judged:
        some, linear = self._ridge.left_out()
        assert self.training.target is not None
        target, weight = self.training.target[some], self._ridge.weight(some)
        return Judged(linear, None, target, weight)

    @staticmethod
    def _held_out(
        fitted: Fitted, part: LinearPart, validation: Data, threads: int
    ) -> Judged:
        network = mean_of(replace(fitted, linear=None).outputs(validation, threads))
        weight = validation.weight
        if weight is None:
            weight = np.ones(len(validation))
        assert validation.target is not None
        return Judged(part.outputs(validation), network, validation.target, weight)
