"""Windows are never copied: memory grows with the rows."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_gru import SlidingWindow


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)
@pytest.mark.parametrize(("kind", "most"), [("array", 3), ("frame", 8)])
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


def test_selection_and_pickle_cost_rows(hourly):
    """A selection shares the rows; a pickle of windows is about the size of them."""
    windows = SlidingWindow(96).fit_transform(hourly)
    assert np.shares_memory(windows[::2].values, windows.values)
    rows = hourly.to_numpy().nbytes
    assert len(pickle.dumps(windows)) < 4 * rows
    assert len(pickle.dumps(windows[:5])) < rows
