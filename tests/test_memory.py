"""Windows are never copied: memory grows with the rows."""

import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_gru import SlidingWindow


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)
@pytest.mark.parametrize(("kind", "most"), [("array", 2.5), ("frame", 6)])
def test_peak_memory_of_a_fit(kind, most):
    """500 000 x 8 float32 rows, window 96: a few times the rows, not 96."""
    out = subprocess.run(
        [sys.executable, "-m", "tests.memory_probe", kind, "500000"],
        capture_output=True,
        text=True,
        check=True,
    )
    # At least the copy that pads the windows must show, or nothing was measured.
    assert 1 < float(out.stdout) < most


@pytest.mark.parametrize(
    ("n_groups", "most"), [(1, 3), (100, 4)], ids=["series", "panel"]
)
def test_peak_memory_of_windows_of_a_frame(n_groups, most):
    """The rows as floats once, and a few numbers per row: no second copy of them."""
    times = pd.date_range("2024-01-01", periods=200_000 // n_groups, freq="min")
    index: pd.Index = times
    if n_groups > 1:
        index = pd.MultiIndex.from_product([range(n_groups), times])
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((200_000, 8), dtype=np.float32), index)
    X.columns = X.columns.astype(str)
    y = rng.standard_normal(len(X), dtype=np.float32)
    windows = SlidingWindow(24, lag=1)
    windows.fit(X[:5000], y[:5000])  # what is made once
    tracemalloc.start()
    try:
        windows.fit_transform(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert X.to_numpy().nbytes < peak < most * X.to_numpy().nbytes


def test_selection_and_pickle_cost_rows(hourly):
    """A selection shares the rows; a pickle of windows is about the size of them."""
    windows = SlidingWindow(96).fit_transform(hourly)
    assert np.shares_memory(windows[::2].values, windows.values)
    rows = hourly.to_numpy().nbytes
    assert len(pickle.dumps(windows)) < 4 * rows
    assert len(pickle.dumps(windows[:5])) < rows
