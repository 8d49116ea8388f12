"""Peak memory of one fit in a fresh process; run by test_memory and benchmarks.

Arguments: "array" or "frame", the number of rows, and the length of the windows.
"""

import contextlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow

N_FEATURES, WINDOW = 8, 96


def _peak():
    """Peak resident bytes of this program.

    Not ru_maxrss: a child begins with the peak of the process that started it.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM in /proc/self/status")


def _rows(n, kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, N_FEATURES), dtype=np.float32)  # no peak of its own
    if kind == "array":
        return X
    n_groups = min(1000, n // 50)
    times = pd.date_range("2024-01-01", periods=n // n_groups, freq="h")
    index = pd.MultiIndex.from_product([range(n_groups), times], names=["shop", "t"])
    # A copy would be a peak of its own, too.
    return pd.DataFrame(X, index=index, columns=list("abcdefgh"), copy=False)


def _fit(X, window):
    y = np.zeros(len(X), dtype=np.float32)
    y[::2] = 1
    model = make_pipeline(
        SlidingWindow(window),
        GRURegressor(hidden_size=2, max_iter=1, batch_size=256, random_state=0),
    )
    model.fit(X, y)


if __name__ == "__main__":
    kind, n = sys.argv[1], int(sys.argv[2])
    window = int(sys.argv[3]) if len(sys.argv) > 3 else WINDOW
    _fit(_rows(5000, kind), window)
    X = _rows(n, kind)
    with contextlib.suppress(OSError):  # not every system can
        Path("/proc/self/clear_refs").write_text("5")  # forget peaks before the fit
    before = _peak()
    _fit(X, window)
    sys.stdout.write(f"{(_peak() - before) / (n * N_FEATURES * 4)}\n")
