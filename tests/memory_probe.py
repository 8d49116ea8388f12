"""Peak memory of one fit in a fresh process; run by test_memory and benchmarks.

Arguments: "array", "series", "panel" (group after group) or "mixed" (a panel, time after
time), the number of rows, the length of the windows (96), the lag (0), and the type of
the rows (float32). "panel-columns" and "mixed-columns" have their keys in columns.
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


def _rows(n, kind, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, N_FEATURES), dtype=dtype)  # no peak of its own
    if kind == "array":
        return X
    # A copy would be a peak of its own, too.
    X = pd.DataFrame(X, columns=list("abcdefgh"), copy=False)
    n_groups = 1 if kind == "series" else min(1000, n // 50)
    times = pd.date_range("2024-01-01", periods=n // n_groups, freq="h")
    X.index = _index(kind, range(n_groups), times)
    return X.reset_index() if kind.endswith("-columns") else X


def _index(kind, groups, times):
    if kind == "series":
        return times
    levels = {"shop": groups, "t": times}
    if kind.startswith("mixed"):
        levels = {"t": times, "shop": groups}
    return pd.MultiIndex.from_product(levels.values(), names=levels.keys())


def _fit(X, kind, window, lag):
    y = np.zeros(len(X), dtype=np.float32)
    y[::2] = 1
    keys = {"time": "t", "groups": "shop"} if kind.endswith("-columns") else {}
    model = make_pipeline(
        SlidingWindow(window, lag=lag, **keys),
        GRURegressor(hidden_size=2, max_iter=1, batch_size=256, random_state=0),
    )
    model.fit(X, y)


def main(kind, n, window=WINDOW, lag=0, dtype="float32"):
    """Print the growth of the peak during a fit, in sizes of the rows."""
    window, lag = int(window), int(lag)
    _fit(_rows(5000, kind, dtype), kind, window, lag)
    X = _rows(int(n), kind, dtype)
    with contextlib.suppress(OSError):  # not every system can
        Path("/proc/self/clear_refs").write_text("5")  # forget peaks before the fit
    before = _peak()
    _fit(X, kind, window, lag)
    size = int(n) * N_FEATURES * np.dtype(dtype).itemsize
    sys.stdout.write(f"{(_peak() - before) / size}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
