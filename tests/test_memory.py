"""Windows are never copied: memory grows with the rows."""

import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_gru import SlidingWindow
from sklearn_gru._encoding.runs import RunSequences


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)
@pytest.mark.parametrize("kind", ["array", "series", "panel", "mixed"])
def test_peak_memory_of_a_fit(kind):
    """A million rows of 8 float32 columns: little more than twice the rows.

    Large arrays get memory of their own here, so that no free piece of the heap that
    none of them fits in counts.
    """
    out = subprocess.run(
        [sys.executable, "-m", "tests.memory_probe", kind, "1000000", "24", "1"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**20)},
    )
    # At least the copy that pads the windows must show, or nothing was measured.
    assert 1 < float(out.stdout) < 2.5


def rows_of(n_groups, *, mixed=False, n=1_000_000):
    """Return a frame of 8 float32 columns, and its target."""
    times = pd.date_range("2024-01-01", periods=n // n_groups, freq="min")
    index: pd.Index = times
    if n_groups > 1:
        levels = [range(n_groups), times]
        index = pd.MultiIndex.from_product(levels[::-1] if mixed else levels)
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((len(index), 8), dtype=np.float32), index)
    X.columns = X.columns.astype(str)
    return X, rng.standard_normal(len(X), dtype=np.float32)


def peak_of(call, *args):
    """Return the peak of traced memory during a call."""
    tracemalloc.start()
    try:
        call(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("n_groups", "mixed"),
    [(1, False), (100, False), (100, True)],
    ids=["series", "panel", "mixed panel"],
)
@pytest.mark.parametrize("lag", [0, 1])
def test_peak_memory_of_windows_of_a_frame(n_groups, mixed, lag):
    """The rows as floats once, and a few numbers per row: no second copy of them."""
    X, y = rows_of(n_groups, mixed=mixed)
    windows = SlidingWindow(24, lag=lag)
    windows.fit(X[:5000], y[:5000])  # what is made once
    peak = peak_of(windows.fit_transform, X, y)
    assert X.to_numpy().nbytes < peak < 2.3 * X.to_numpy().nbytes


@pytest.mark.parametrize("mixed", [False, True], ids=["panel", "mixed panel"])
def test_windows_of_a_panel_cost_little_beside_the_rows(mixed):
    """Windows of a panel are a rule; those in another order have four bytes each."""
    X, y = rows_of(100, mixed=mixed)
    windows = SlidingWindow(24, lag=1).fit_transform(X, y)
    assert isinstance(windows, RunSequences)
    assert windows.nbytes < (1.13 if mixed else 1.001) * X.to_numpy().nbytes
    part = peak_of(windows.__getitem__, np.arange(len(X)) % 10_000 < 9000)
    assert part < 0.6 * X.to_numpy().nbytes


def test_selection_and_pickle_cost_rows(hourly):
    """A selection shares the rows; a pickle of windows is about the size of them."""
    windows = SlidingWindow(96).fit_transform(hourly)
    assert np.shares_memory(windows[::2].values, windows.values)
    rows = hourly.to_numpy().nbytes
    assert len(pickle.dumps(windows)) < 4 * rows
    assert len(pickle.dumps(windows[:5])) < rows
