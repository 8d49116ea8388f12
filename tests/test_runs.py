"""Windows of the runs of a panel: a rule that stands for numbers of each window."""

import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_gru import GRURegressor, Sequences, SlidingWindow
from sklearn_gru._encoding import runs as module
from sklearn_gru._encoding.runs import Runs, RunSequences
from sklearn_gru._windows import placement, sliding_window


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Let a few windows be many."""
    for place in (module, placement):
        monkeypatch.setattr(place, "FEW", 2)
        monkeypatch.setattr(place, "LEAST", 1)
    monkeypatch.setattr(sliding_window, "BLOCK_ROWS", 2)


def same(found, expected):
    """Check that sequences are the same, with what is known of them."""
    for name in ("starts", "lengths", "order"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.n_steps == expected.n_steps
    assert (found.groups is None) == (expected.groups is None)
    if found.groups is not None:
        assert list(found.groups) == list(expected.groups)
    np.testing.assert_array_equal(found.values, expected.values)


def ruled(rng):
    """Return random windows of random runs, some in another order, some of groups."""
    n_runs, lag = rng.integers(1, 6), rng.integers(0, 3)
    size = rng.integers(0, 12, n_runs)
    begin = np.cumsum(size + rng.integers(0, 2)) - size
    n_windows = np.maximum(size + rng.integers(0, 3), 1)
    rank, group = rng.integers(0, 9, n_runs), rng.integers(0, 3, n_runs)
    runs = Runs(begin, size, np.full(n_runs, 1 - lag), n_windows, rank, group)
    values = rng.standard_normal((int((begin + size).max()), 2))
    values[rng.random(values.shape) < rng.choice([0, 0.5])] = np.nan
    index = rng.permutation(n_windows.sum()) if rng.random() < 0.5 else None
    names = pd.CategoricalDtype(list("abc")) if rng.random() < 0.5 else None
    return RunSequences(values, runs, int(rng.integers(1, 7)), index, names)


def check_rows(found, expected, rng):
    """Check what is told of the rows in use, and copies of them."""
    weights = rng.random(len(found))
    for own in (None, weights):
        np.testing.assert_array_equal(found.coverage(own), expected.coverage(own))
    blocks = [covered for _, covered in found.coverage_blocks(size=7)]
    np.testing.assert_array_equal(np.concatenate(blocks), expected.coverage())
    pairs = zip(found.row_blocks(9), expected.row_blocks(9), strict=True)
    for (_, own), (_, other) in pairs:
        same(own, other)
    same(pickle.loads(pickle.dumps(found)), pickle.loads(pickle.dumps(expected)))
    for interior in (True, False):
        same(
            found.without_gaps(interior=interior),
            expected.without_gaps(interior=interior),
        )
    if found.lengths.any():
        same(found.within(), expected.within())
        same(found.compact(), expected.compact())


@pytest.mark.parametrize("seed", range(40))
def test_a_rule_is_what_it_stands_for(seed):
    rng = np.random.default_rng(seed)
    found = ruled(rng)
    expected = found.plain()
    assert type(expected) is Sequences
    same(found, expected)
    check_rows(found, expected, rng)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    for share in (0.1, 0.5, 0.9):
        mask = rng.random(len(found)) < share
        same(found[mask], expected[mask])
        if mask.any():
            check_rows(found[mask], expected[mask], rng)
    low, high = sorted(rng.integers(0, len(found) + 1, 2))
    for key in (slice(low, high), slice(low, high, 2), rng.integers(0, len(found), 9)):
        same(found[key], expected[key])


def panel(order):
    """Return a panel of two kinds of groups, one of them with a hole."""
    times = pd.date_range("2024-01-01", periods=30, freq="h")
    late = times[:10].append(times[-10:] + pd.Timedelta("9D"))
    index = pd.MultiIndex.from_tuples(
        [(shop, t) for shop in "bca" for t in (late if shop == "c" else times)],
        names=["shop", "t"],
    )
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((len(index), 2)), index, columns=["u", "v"])
    if order == "time":
        return X.sort_index(level="t", sort_remaining=False)
    return X.sample(frac=1, random_state=0) if order == "none" else X


@pytest.mark.parametrize("order", ["group", "time", "none"])
@pytest.mark.parametrize("lag", [0, 1, 40])
def test_windows_of_a_panel_by_rule(monkeypatch, order, lag):
    """A rule gives the windows and the model that numbers give; X stays as it is."""
    X = panel(order)
    before, y = X.copy(), np.arange(len(X)) % 7.0
    found = SlidingWindow(4, lag=lag).fit_transform(X, y)
    pd.testing.assert_frame_equal(X, before)
    # The ranks of the times of a hole do not follow each other, but runs end there.
    assert isinstance(found, RunSequences)
    monkeypatch.setattr(placement, "FEW", 10**6)
    expected = SlidingWindow(4, lag=lag).fit_transform(X, y)
    assert type(expected) is Sequences
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    np.testing.assert_array_equal(found.order, expected.order)
    assert list(found.groups) == list(expected.groups)
    if lag == 40:
        return
    models = [
        GRURegressor(4, max_iter=2, early_stopping=True, random_state=0).fit(windows, y)
        for windows in (found, expected)
    ]
    one, other = (model.predict(expected) for model in models)
    np.testing.assert_array_equal(one, other)


def test_a_rule_in_skops_is_numbers_again():
    """Windows without groups, since skops cannot read a Categorical of pandas."""
    skops = pytest.importorskip("skops.io")
    one = np.array([6])
    runs = Runs(one - 6, one, one - 5, one, one - 6, one - 6)
    windows = RunSequences(np.arange(12.0).reshape(6, 2), runs, 3)
    saved = skops.dumps(windows)
    found = skops.loads(saved, trusted=skops.get_untrusted_types(data=saved))
    assert type(found) is Sequences
    same(found, windows)
