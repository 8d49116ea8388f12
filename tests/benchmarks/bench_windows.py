"""How long windowing takes: 1 million rows x 8 columns in 1000 groups."""

import time

import numpy as np
import pandas as pd

from sklearn_gru import SlidingWindow
from tests.benchmarks.machine import describe

REPEATS = 5


def _panel(n_groups=1000, n_steps=1000):
    times = pd.date_range("2024-01-01", periods=n_steps, freq="h")
    shops = [f"shop {k}" for k in range(n_groups)]
    index = pd.MultiIndex.from_product([shops, times], names=["shop", "time"])
    values = np.random.default_rng(0).normal(size=(len(index), 8))
    return pd.DataFrame(values, index=index, columns=list("abcdefgh"))


def main():
    """Print the median seconds of fit_transform for each layout."""
    print(describe())
    panel = _panel()
    columns = panel.reset_index()
    shuffled = panel.sample(frac=1, random_state=0)
    known = {"lag": 24, "known_future": ["a", "b"]}
    cases = {
        "keys in the index": (panel, {}),
        "keys in columns": (columns, {"groups": "shop", "time": "time"}),
        "lag and known columns": (panel, known),
        "rows shuffled": (shuffled, {}),
        "array, one series": (panel.to_numpy(), {}),
    }
    seconds = {name: [] for name in cases}
    for _ in range(REPEATS):  # interleaved: noise of the machine meets all alike
        for name, (X, params) in cases.items():
            start = time.perf_counter()
            SlidingWindow(48, **params).fit_transform(X)
            seconds[name].append(time.perf_counter() - start)
    for name, taken in seconds.items():
        print(f"{name:24s} {np.median(taken):6.2f} s")


if __name__ == "__main__":
    main()
