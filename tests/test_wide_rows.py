"""Narrow rows that are computed with as wide ones: the numbers of the plain way."""

import numpy as np
import pytest

from sklearn_gru._encoding.wide_rows import by_column, column_ends


@pytest.mark.parametrize("width", [0, 1, 3, 2000])
@pytest.mark.parametrize("n", [0, 1, 64, 65, 1000, 70_001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ends_of_columns(n, width, dtype):
    """Of many narrow rows, taken as wide ones, and of few; NaN does not count."""
    n = min(n, 3_000_000 // max(1, width))
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, width)).astype(dtype)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, :1] = np.nan
    for rows in (values, np.asfortranarray(values), values[::2]):
        low, high = column_ends(rows)
        assert low.dtype == high.dtype == dtype
        for found, end in ((low, np.fmin), (high, np.fmax)):
            expected = end.reduce(rows, axis=0, initial=np.nan)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n", [0, 1, 64, 65, 1000, 9000])
@pytest.mark.parametrize("width", [0, 1, 3, 2000])
@pytest.mark.parametrize("order", ["C", "F"])
def test_many_narrow_rows_are_computed_with_as_wide_ones(n, width, order):
    """To the same bits, also into the rows themselves, whatever their layout."""
    rng = np.random.default_rng(0)
    n = min(n, 3_000_000 // max(1, width))
    rows = np.array(rng.normal(size=(n, width)), order=order)
    columns = rng.normal(size=width)
    single, out = rows.astype(np.float32), np.empty((n, width))
    by_column(np.subtract, single, columns, out=out)
    np.testing.assert_array_equal(out, single - columns)
    expected = rows - columns
    by_column(np.subtract, rows, columns, out=rows)
    np.testing.assert_array_equal(rows, expected)
