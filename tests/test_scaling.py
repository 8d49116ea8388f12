"""Standardisation: the moments of the dense array, computed on the rows."""

import tracemalloc
import warnings
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_gru import GRURegressor, Sequences
from sklearn_gru._encoding import standardizer as _scaling
from sklearn_gru._encoding.standardizer import Standardizer
from sklearn_gru._engines import numba as kernels
from sklearn_gru._support.numbers import nonzero_scale
from tests.builders import make_sequences

deterministic = settings(
    derandomize=True, max_examples=30, deadline=None, database=None
)


def as_one(values):
    """All rows as one sequence."""
    return Sequences(values, [0], [len(values)])


def fit(sequences, weights=None, identity=False):
    return Standardizer.fit(sequences, weights, identity=identity)


def loop_moments(sequences, weights):
    """Weighted mean and standard deviation of the dense array's observed cells."""
    cells = np.asarray(sequences, dtype=np.float64)  # (n, T, F)
    seen = ~np.isnan(cells)
    weight = weights[:, None, None] * seen
    total = weight.sum(axis=(0, 1))
    filled = np.where(seen, cells, 0)
    mean = (weight * filled).sum(axis=(0, 1)) / total
    variance = (weight * (filled - mean) ** 2).sum(axis=(0, 1)) / total
    return mean, np.sqrt(variance)


# -- moments -------------------------------------------------------------------------------


@given(st.integers(0, 10**6))
@deterministic
def test_moments_are_those_of_repeated_sequences(seed):
    """An integer weight counts like repeating the sequence in the dense array."""
    s = make_sequences(seed)
    weights = np.random.default_rng(seed).integers(1, 4, size=len(s))
    dense = np.repeat(np.asarray(s), weights, axis=0).reshape(-1, 3)
    fitted = fit(s, weights.astype(float))
    np.testing.assert_allclose(fitted.mean, np.nanmean(dense, axis=0), rtol=1e-11)
    np.testing.assert_allclose(fitted.scale, np.nanstd(dense, axis=0), rtol=1e-11)


@given(st.integers(0, 10**6))
@deterministic
def test_moments_with_any_weights(seed):
    """Real weights enter as in a weighted mean; without weights all count alike."""
    s = make_sequences(seed)
    weights = np.random.default_rng(seed).exponential(size=len(s))
    for given_weights, used in ((weights, weights), (None, np.ones(len(s)))):
        mean, std = loop_moments(s, used)
        fitted = fit(s, given_weights)
        np.testing.assert_allclose(fitted.mean, mean, rtol=1e-11)
        np.testing.assert_allclose(fitted.scale, std, rtol=1e-11)


def test_rows_nobody_uses_do_not_count():
    """Rows outside every sequence, and of sequences of weight 0, change nothing."""
    values = np.arange(20.0)[:, None] ** 2
    values[:5] = 1e12
    values[15:] = np.nan
    s = Sequences(values, [0, 5, 8, 14], [5, 4, 7, 6])
    fitted = fit(s, np.array([0.0, 1.0, 2.0, 0.0]))
    cells = np.concatenate([values[5:9], values[8:15], values[8:15]])
    np.testing.assert_allclose(fitted.mean, cells.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fitted.scale, cells.std(axis=0), rtol=1e-12)
    assert len(fitted.marked) == 0


@pytest.mark.parametrize("block", [1, 7, 40, 8192])
def test_blocks_are_invisible(monkeypatch, block):
    """Moments, marks and outputs do not depend on how many rows are read at a time."""
    s = make_sequences()
    whole = fit(s)
    expected = whole.transform(s.values, np.dtype(np.float64))
    monkeypatch.setattr(_scaling, "_ROWS_PER_BLOCK", block)
    fitted = fit(s)
    np.testing.assert_allclose(fitted.mean, whole.mean, rtol=1e-13)
    np.testing.assert_allclose(fitted.scale, whole.scale, rtol=1e-13)
    np.testing.assert_array_equal(fitted.marked, whole.marked)
    out = fitted.transform(s.values, np.dtype(np.float64))
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-13)


def test_many_blocks():
    """20 000 rows, more than two blocks: still the moments of all of them."""
    values = np.random.default_rng(0).normal(3, 2, size=(20_000, 2))
    fitted = fit(as_one(values))
    np.testing.assert_allclose(fitted.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fitted.scale, values.std(axis=0), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transform(dtype):
    """Observed cells get mean 0 and deviation 1, in the dtype asked for."""
    values = make_sequences(dtype=np.float64).values
    s = as_one(values)
    out = fit(s).transform(values, np.dtype(dtype))
    assert out.dtype == dtype
    seen = np.where(np.isnan(values), np.nan, out[:, :3])
    np.testing.assert_allclose(np.nanmean(seen, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanstd(seen, axis=0), 1, atol=1e-6)


# -- columns without spread ----------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("n_rows", [1, 3, 1000, 5000, 100_000])
@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3, 1e-9, 1e9 + 0.1, 1e100])
def test_constant_columns(constant, n_rows, weighted):
    """A constant column becomes 0, whatever the constant, the rows and the weights."""
    s = Sequences.from_array(np.full((n_rows, 1, 1), constant))
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=n_rows) if weighted else None
    fitted = fit(s, weights)
    assert fitted.scale[0] == 1
    np.testing.assert_allclose(fitted.mean, constant, rtol=1e-12)
    out = fitted.transform(s.values, np.dtype(np.float64))
    assert np.abs(out).max() <= 1e-12 * abs(constant)


def test_columns_never_observed():
    """A column of NaN becomes 0 with its mark, and no warning; others are untouched."""
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    fitted = fit(as_one(values))
    out = fitted.transform(values, np.dtype(np.float32))
    np.testing.assert_array_equal(out, [[-1, 0, 1], [1, 0, 1]])
    later = fitted.transform(np.array([[2.0, 0.5]]), np.dtype(np.float32))
    assert np.isfinite(later).all()
    assert later[0, 2] == 0


def test_nonzero_scale():
    """Rounding of a constant is no spread; a true spread, however small, is."""
    mean = np.array([1e9, 1e9, 0.0, 0.0])
    std = np.array([1e-7, 1e-3, 0.0, 1e-30])
    np.testing.assert_array_equal(nonzero_scale(std, mean), [1, 1e-3, 1, 1e-30])


# -- large offsets -------------------------------------------------------------------------


def test_large_offsets_survive_float32():
    """1e9 plus something small: the network's float32 sees the small part to 5e-6."""
    small = np.random.default_rng(0).normal(size=(10_000, 2))
    fitted = fit(as_one(small + [1e9, -3e8]))
    out = fitted.transform(small + [1e9, -3e8], np.dtype(np.float32))
    expected = (small - small.mean(axis=0)) / small.std(axis=0)
    np.testing.assert_allclose(out, expected, rtol=0, atol=5e-6)


def test_float32_rows_are_summed_in_float64():
    """Moments of float32 rows are exact for the rows given, offset or not."""
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(30_000, 2)) + [1e4, -3e5]).astype(np.float32)
    fitted = fit(as_one(values))
    exact = values.astype(np.float64)
    np.testing.assert_allclose(fitted.mean, exact.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(fitted.scale, exact.std(axis=0), rtol=1e-9)


# -- marks and identity --------------------------------------------------------------------


def test_marks():
    """Columns with missing cells at fit get an indicator; others later are just 0."""
    values = np.array([[1, 2, np.nan], [np.nan, 4, 3], [5, 6, 9.0]])
    fitted = fit(as_one(values))
    np.testing.assert_array_equal(fitted.marked, [0, 2])
    assert fitted.n_inputs == 5
    out = fitted.transform(values, np.dtype(np.float64))
    np.testing.assert_array_equal(out[:, 3:], [[0, 1], [1, 0], [0, 0]])
    np.testing.assert_array_equal(out[:, :3] == 0, np.isnan(values) | (values == 4))
    other = fitted.transform(np.full((1, 3), np.nan), np.dtype(np.float64))
    np.testing.assert_array_equal(other, [[0, 0, 0, 1, 1]])


def test_no_marks_without_missing_cells():
    """Complete data adds no input."""
    fitted = fit(as_one(np.arange(6.0).reshape(3, 2)))
    assert (fitted.n_inputs, len(fitted.marked)) == (2, 0)


def test_identity_learns_only_the_marks():
    """Without standardisation values pass as they are, missing ones as a marked 0."""
    s = make_sequences()
    fitted = fit(s, identity=True)
    np.testing.assert_array_equal(fitted.marked, fit(s).marked)
    out = fitted.transform(s.values, np.dtype(np.float64))
    np.testing.assert_array_equal(out[:, :3], np.nan_to_num(s.values))
    np.testing.assert_array_equal(out[:, 3:], np.isnan(s.values)[:, fitted.marked])


def test_rows_are_not_written():
    """The user's array stays as it is."""
    values = np.array([[1.0, np.nan], [3.0, 2.0]])
    before = values.copy()
    fit(as_one(values)).transform(values, np.dtype(np.float64))
    np.testing.assert_array_equal(values, before)


# -- compiled ------------------------------------------------------------------------------


@pytest.mark.skipif(not kernels.available(), reason="needs numba")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 3, 8, 17])
def test_compiled_standardization_has_the_bits_of_numpy(width, dtype, monkeypatch):
    """Whole vectors are compiled; the rows that fill none are left to NumPy."""
    monkeypatch.setattr(kernels, "_MANY", 0)
    rng = np.random.default_rng(width)
    values = (1e4 + 100 * rng.standard_normal((3003, width))).astype(dtype)
    scaling = fit(as_one(values))
    single, done = np.dtype(np.float32), []

    def begin(*arguments):
        done.append(kernels.standardize(*arguments))
        return done[-1]

    found = scaling.transform(values, single, begin=begin)
    assert np.array_equal(found, scaling.transform(values, single))
    assert 1979 < done[0] <= 3003


@pytest.mark.skipif(not kernels.available(), reason="needs numba")
@pytest.mark.parametrize("value", [np.nan, 1e300])
def test_numpy_standardizes_what_is_missing_or_too_large(value, monkeypatch):
    """The compiled code only tells that there is such a value."""
    monkeypatch.setattr(kernels, "_MANY", 0)
    values = np.random.default_rng(0).standard_normal((1000, 4))
    scaling = fit(as_one(values))
    values[77, 2] = value
    out = np.empty(values.shape, dtype=np.float32)
    assert kernels.standardize(values, scaling.mean, scaling.scale, out) == 0
    single = np.dtype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = scaling.transform(values, single, begin=kernels.standardize)
        expected = scaling.transform(values, single)
    assert np.array_equal(found, expected)


@pytest.mark.skipif(not kernels.available(), reason="needs numba")
def test_a_few_wide_rows_are_left_to_numpy(monkeypatch):
    """Fewer than fill whole vectors, for which moments would be repeated."""
    monkeypatch.setattr(kernels, "_MANY", 0)
    values, out = np.zeros((6, 99_999)), np.zeros((6, 99_999), dtype=np.float32)
    moments = np.zeros(99_999), np.ones(99_999)
    tracemalloc.start()
    try:
        assert kernels.standardize(values, *moments, out) == 0
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not kernels.available(), reason="needs numba")
def test_numpy_standardizes_where_nothing_compiles(monkeypatch):
    """As where LLVM lacks something."""
    monkeypatch.setattr(kernels, "_standardize", mock.Mock(side_effect=OSError))
    kernels._can_standardize.cache_clear()
    try:
        values = np.zeros((1 << 18, 4))
        out = np.empty(values.shape, dtype=np.float32)
        assert kernels.standardize(values, np.zeros(4), np.ones(4), out) == 0
    finally:
        kernels._can_standardize.cache_clear()


@pytest.mark.skipif(not kernels.available(), reason="needs numba")
def test_few_rows_or_rows_with_gaps_between_are_left_to_numpy():
    """Neither is worth it."""
    values = np.zeros((1 << 18, 4))
    out = np.empty(values.shape, dtype=np.float32)
    moments = np.zeros(4), np.ones(4)
    assert kernels.standardize(values[:1000], *moments, out[:1000]) == 0
    assert kernels.standardize(values[::2], *moments, out[::2]) == 0
    assert kernels.standardize(values, *moments, out) == len(values)


def test_predictions_of_many_rows_are_those_of_few(monkeypatch):
    """Whether the rows are standardized by compiled code or by NumPy."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 6, 2)).astype(np.float32)
    model = GRURegressor(8, max_iter=2, random_state=0).fit(X, X[:, -1, 0])
    few = model.predict(X)
    monkeypatch.setattr(kernels, "_MANY", 0)
    assert np.array_equal(model.predict(X), few)
