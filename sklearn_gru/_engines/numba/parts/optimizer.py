"""Clipping by global norm and AdamW on one flat vector, as torch computes them."""

import math
from typing import NamedTuple

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import LANES, fma, load, sqrt, store, total

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
CLIP_EPSILON = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm


class Update(NamedTuple):
    """The numbers of one AdamW step that all parameters share."""

    clip: float  # what gradients are multiplied by
    decay: float  # 1 - lr * weight_decay
    rate: float  # lr / (1 - beta_1 ** step)
    root: float  # sqrt(1 - beta_2 ** step)


@inner
def clip_factor(grads, n, clip_norm):
    """Return what to multiply gradients by; clip_norm <= 0 means no clipping."""
    if clip_norm <= 0.0:
        return 1.0
    whole = n - n % LANES
    squares = 0.0
    if whole > 0:
        sums = load(grads) * load(grads)
        for j in range(LANES, whole, LANES):
            g = load(grads + j)
            sums = fma(g, g, sums)
        squares += total(sums)
    for j in range(whole, n):
        squares += float(grads[j]) * float(grads[j])
    factor = clip_norm / (math.sqrt(squares) + CLIP_EPSILON)
    return min(factor, 1.0)


@inner
def make_update(clip, step, learning_rate, weight_decay):
    """Return the numbers of AdamW's step number `step` (the first is 1)."""
    return Update(
        clip,
        1.0 - learning_rate * weight_decay,
        learning_rate / (1.0 - BETA_1**step),
        math.sqrt(1.0 - BETA_2**step),
    )


@inner
def adamw(params, grads, mean, square, n, update):
    """Move n parameters; `mean` and `square` are the moving moments of the gradient."""
    whole = n - n % LANES
    for j in range(0, whole, LANES):
        p, m, v = _adamw(
            load(params + j), load(mean + j), load(square + j),
            load(grads + j) * update.clip, update,
        )  # fmt: skip
        store(params + j, p)
        store(mean + j, m)
        store(square + j, v)
    for j in range(whole, n):
        params[j], mean[j], square[j] = _adamw(
            params[j], mean[j], square[j], grads[j] * update.clip, update
        )


@inner
def _adamw(p, m, v, g, update):
    """Return one parameter, or a vector of them, and its moments after a step."""
    m = m * BETA_1 + g * (1.0 - BETA_1)
    v = v * BETA_2 + g * g * (1.0 - BETA_2)
    step = m / (sqrt(v) / update.root + EPSILON)
    return p * update.decay - step * update.rate, m, v
