"""Standardization of many rows: to the bits of NumPy, several times as fast.

NumPy makes one pass over the rows for each operation. Here, a vector is read, computed
in float64 and written as float32.
"""

from sklearn_gru._engines.numba.compile.jit import entry, inner
from sklearn_gru._engines.numba.compile.simd import (
    LANES,
    doubles_at,
    floats_at,
    load,
    standardized_doubles,
    standardized_floats,
    store,
)


@entry
def standardize_floats(n_rows, width, values, mean, scale, out, bad):
    """Standardize rows of float32; see `_standardize`."""
    _standardize(
        standardized_floats, n_rows, width, floats_at(values), mean, scale, out, bad
    )


@entry
def standardize_doubles(n_rows, width, values, mean, scale, out, bad):
    """Standardize rows of float64; see `_standardize`."""
    _standardize(
        standardized_doubles, n_rows, width, doubles_at(values), mean, scale, out, bad
    )


@inner
def _standardize(standardized, n_rows, width, values, mean, scale, out, bad):
    """Write (values - mean) / scale of rows of whole vectors.

    `bad` (LANES,) holds zeros, and NaN if a result is not finite; the results after it
    are written all the same.
    """
    mean, scale, out, bad = (
        doubles_at(mean), doubles_at(scale), floats_at(out), floats_at(bad)
    )  # fmt: skip
    found = load(bad)
    for i in range(n_rows):
        for j in range(0, width, LANES):
            at = i * width + j
            x = standardized(values + at, mean + j, scale + j)
            found = found + (x - x)  # 0, but NaN if x is not finite
            store(out + at, x)
    store(bad, found)
