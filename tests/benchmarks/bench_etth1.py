"""ETTh1, 96 hours ahead: the recipe of the guide beside cheap baselines.

All seven channels, every window of the test rows 11520 to 14400, values standardised by
the training rows 0 to 8640. The settings were chosen on the rows between. The data
(github.com/zhouhaoyi/ETDataset, CC BY-ND 4.0) are not part of the package: the
environment variable ETTH1 says where ETTh1.csv is.
"""

import os
import time

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from tests.benchmarks.etth1 import forecast
from tests.benchmarks.machine import describe, use_one_thread

LOOK_BACK, HORIZON = 720, 96
TRAIN, VALIDATION, TEST = (0, 8640), (8640, 11520), (11520, 14400)


def standardised(path):
    """Values (n_rows, 7)."""
    values = pd.read_csv(path, index_col=0).to_numpy(np.float32)
    train = values[: TRAIN[1]]
    return (values - train.mean(axis=0)) / train.std(axis=0)


def windows(values, first, stop):
    """Windows (n, 720) and paths (n, 96) of every channel, paths in [first, stop)."""
    begin = max(first - LOOK_BACK, 0)
    span = np.lib.stride_tricks.sliding_window_view(
        values[begin:stop], LOOK_BACK + HORIZON, axis=0
    ).reshape(-1, LOOK_BACK + HORIZON)
    return span[:, :LOOK_BACK], span[:, LOOK_BACK:]


def ridge_paths(values, X):
    """Ridge on the lags less their last value, one matrix for all channels."""
    past, path = windows(values, *TRAIN)
    model = Ridge(100.0).fit(past - past[:, -1:], path - past[:, -1:])
    return model.predict(X - X[:, -1:]) + X[:, -1:]


def errors(y, predicted):
    """Mean squared and mean absolute error."""
    difference = np.asarray(predicted, np.float64) - np.asarray(y)
    return np.mean(difference**2), np.mean(np.abs(difference))


def main():
    """Print a line a method, of the GRU one a seed."""
    print(describe())
    path = os.environ.get("ETTH1")
    if path is None:
        print("skipped: set ETTH1 to the path of ETTh1.csv")
        return
    use_one_thread()
    values = standardised(path)
    X, y = windows(values, *TEST)
    contestants = {
        "last value": lambda: np.repeat(X[:, -1:], HORIZON, axis=1),
        "the day before": lambda: np.tile(X[:, -24:], HORIZON // 24),
        "ridge": lambda: ridge_paths(values, X),
    }
    for name, predict in contestants.items():
        _show(name, lambda predict=predict: (y, predict()))
    for seed in range(3):
        _show(f"GRU, seed {seed}", lambda seed=seed: forecast(path, *TEST, seed=seed))


def _show(name, run):
    start = time.process_time()
    mse, mae = errors(*run())
    seconds = time.process_time() - start
    print(f"{name:16s} MSE {mse:.3f}  MAE {mae:.3f}  {seconds:5.1f} s")


if __name__ == "__main__":
    main()
