"""The linear head and the losses, with their gradients, for one block.

The loss of a batch is the mean over its sequences of weight * loss; the loss of a
sequence is the mean over its outputs (squared, absolute, huber with delta 1, pinball,
half the Poisson deviance),
or the cross-entropy of its class with smoothed labels, as torch defines them; of q
quantiles of a target, q neighbouring outputs share it.
"""

import math
from typing import Any, NamedTuple

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES
from sklearn_gru._engines.numba.compile.tile import gemm
from sklearn_gru._engines.numba.memory import (
    ABSOLUTE,
    CROSS_ENTROPY,
    HUBER,
    POISSON,
    QUANTILE,
)
from sklearn_gru._engines.numba.parts.rows import fill


class Goal(NamedTuple):
    """Targets and weights of a batch, and the parameters of the loss."""

    targets: Any  # (n, target_width): values, or one class index
    target_width: int
    weights: Any  # (n,)
    batch: int  # sequences in the batch
    parameters: Any  # of the loss: label smoothing, or the quantiles; float64


@inner
def apply_head(shape, n, pooled, head, scores):
    """Compute scores = pooled W' + b."""
    gemm(n, shape.padded_outputs // LANES, shape.pooled, pooled, shape.padded_pooled, 1,
         head.columns, shape.padded_outputs, head.bias, 0,
         scores, shape.padded_outputs)  # fmt: skip


@inner
def head_backward(shape, n, pooled, d_scores, head, grads, one, d_pooled):
    """Compute the gradients of the head's weights and of its inputs."""
    row, size = shape.padded_outputs, shape.padded_pooled
    gemm(shape.n_outputs, size // LANES, n, d_scores, 1, row, pooled, size,
         grads.rows, size, grads.rows, size)  # fmt: skip
    gemm(1, row // LANES, n, one, 0, 0, d_scores, row, grads.bias, 0, grads.bias, 0)
    fill(d_pooled, n * size, 0.0)
    gemm(n, size // LANES, shape.n_outputs, d_scores, row, 1, head.rows, size,
         d_pooled, size, d_pooled, size)  # fmt: skip


@inner
def loss_backward(shape, n, sequences, goal, scores, d_scores):
    """Return the block's part of the loss of the batch; write the scores' gradient."""
    row = shape.padded_outputs
    fill(d_scores, n * row, 0.0)
    loss = 0.0
    per_target = shape.n_outputs // goal.target_width
    for i in range(n):
        at = sequences[i]
        target = goal.targets + at * goal.target_width
        weight = goal.weights[at] / goal.batch
        if shape.loss == CROSS_ENTROPY:
            loss += weight * _cross_entropy(
                shape.n_outputs, goal.parameters[0], scores + i * row, int(target[0]),
                weight, d_scores + i * row,
            )  # fmt: skip
        else:
            for o in range(shape.n_outputs):
                score = float(scores[i * row + o])
                wanted = float(target[o // per_target])
                if shape.loss == POISSON:
                    value, slope = _poisson(score, wanted)
                else:
                    quantile = goal.parameters[o % per_target]
                    error = score - wanted
                    value, slope = _regression_loss(shape.loss, error, quantile)
                loss += weight * value / shape.n_outputs
                d_scores[i * row + o] = weight * slope / shape.n_outputs
    return loss


@inner
def _regression_loss(kind, error, quantile):
    """Return the loss of one error and its derivative, 0 where there is none."""
    size = abs(error)
    sign = 1.0 if error > 0.0 else (-1.0 if error < 0.0 else error)  # NaN stays NaN
    if kind == ABSOLUTE:
        return size, sign
    if kind == QUANTILE:  # of score - target: too high costs 1 - quantile
        slope = sign * (1.0 - quantile if error > 0.0 else quantile)
        return slope * error, slope
    if kind == HUBER:
        return (size - 0.5, sign) if size > 1.0 else (0.5 * error * error, error)
    return error * error, 2.0 * error


@inner
def _poisson(score, target):
    """Return half the deviance of a target from the mean exp(score), and its slope."""
    mean = math.exp(score)
    best = target * math.log(target) - target if target > 0.0 else 0.0
    return mean - target * score + best, mean - target


@inner
def _cross_entropy(n_classes, smoothing, scores, target, weight, d_scores):
    """Return -sum of smoothed label * log softmax; write weight * its gradient."""
    largest = float(scores[0])
    for k in range(1, n_classes):
        largest = max(largest, float(scores[k]))
    total = 0.0
    for k in range(n_classes):
        total += math.exp(float(scores[k]) - largest)
    log_total = math.log(total) + largest
    loss = 0.0
    for k in range(n_classes):
        log_probability = float(scores[k]) - log_total
        label = smoothing / n_classes + (1.0 - smoothing if k == target else 0.0)
        loss -= label * log_probability
        d_scores[k] = weight * (math.exp(log_probability) - label)
    return loss
