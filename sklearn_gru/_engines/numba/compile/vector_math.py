"""Sigmoid and tanh of a whole vector, to a relative error of 2e-7.

Both gates come from one reduction of the exponential, x = n ln 2 + r with
|r| <= ln 2 / 2:

    exp(x) = 2**n (1 + p(r)),     p(r) = exp(r) - 1, a polynomial

so exp(x) - 1 = 2**n p + (2**n - 1) keeps full relative accuracy near 0, where tanh
needs it. The constants of p make the largest relative error of p smallest, 1.4e-8.
"""

from sklearn_gru._engines.numba.compile.jit import inner
from sklearn_gru._engines.numba.compile.simd import clip, fma, power_of_two

LOG2_E = 1.44269504088896341
LN2_HIGH = 0.693359375  # ln 2 in two parts: n * LN2_HIGH is exact
LN2_LOW = -2.12194440e-4
ROUNDER = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer


@inner
def _exp_parts(x):
    """Return 2**n and p(r), so that exp(x) = 2**n (1 + p(r))."""
    shifted = fma(x, LOG2_E, ROUNDER)
    n = shifted - ROUNDER
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))
    p = fma(r, 1.3882516e-3, 8.3665471e-3)
    p = fma(p, r, 4.1667201e-2)
    p = fma(p, r, 1.6666543e-1)
    p = fma(p, r, 4.9999998e-1)
    return power_of_two(shifted), fma(p, r * r, r)


@inner
def sigmoid(x):
    """Return exp(x) / (exp(x) + 1), exactly 0 and 1 at the infinities."""
    # From -87.7 down the power of 2 is 0; at 88 it is the largest.
    scale, p = _exp_parts(clip(x, -88.0, 88.0))
    exp = fma(scale, p, scale)
    return exp / (exp + 1.0)


@inner
def tanh(x):
    """Return expm1(2x) / (expm1(2x) + 2), exactly -1 and 1 from 10 on."""
    scale, p = _exp_parts(clip(x + x, -20.0, 20.0))
    expm1 = fma(scale, p, scale - 1.0)
    return expm1 / (expm1 + 2.0)
