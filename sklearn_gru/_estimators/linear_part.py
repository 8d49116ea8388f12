"""Learning of the linear part: ridge regression, its scale and its share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sklearn_gru._estimators.fitted import Fitted
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.linear import LinearPart
from sklearn_gru._model.mixing import Judged
from sklearn_gru._model.ridge import Ridge
from sklearn_gru._support.numbers import mean_of


def learn_linear_part(
    fitted: Fitted,
    share: float | str,
    training: Encoded,
    validation: Encoded | None,
    threads: int,
) -> LinearPart | None:
    """Return the linear part of trained networks, or None if it has no share.

    A share of "auto" is chosen on the validation set; without one, ridge regression is
    judged on the training set, each sequence predicted without itself.
    """
    n_columns = fitted.encoder.n_dense
    if share == 0 or n_columns == fitted.encoder.n_differences:
        return None
    task = fitted.task
    assert training.target is not None
    target = task.linear_target(training.target)
    ridge = Ridge.fit(training, target, n_columns, task.linear_penalty)
    part = ridge.part()
    if validation is None:
        judged = _left_out(ridge, training)
    else:
        judged = _held_out(fitted, part, validation, threads)
    factor = task.linear_factor(judged)
    part = part.times(factor)
    if share == "auto":
        share = task.linear_share(judged._replace(linear=factor * judged.linear))
    part = replace(part, share=float(share))
    return part if part.share > 0 else None


def _left_out(ridge: Ridge, training: Encoded) -> Judged:
    some, linear = ridge.left_out()
    assert training.target is not None
    return Judged(linear, None, training.target[some], ridge.weight[some])


def _held_out(
    fitted: Fitted, part: LinearPart, validation: Encoded, threads: int
) -> Judged:
    network = mean_of(replace(fitted, linear=None).outputs(validation, threads))
    weight = validation.weight
    if weight is None:
        weight = np.ones(len(validation))
    assert validation.target is not None
    return Judged(part.outputs(validation), network, validation.target, weight)
