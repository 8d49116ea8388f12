"""Look-backs of one, two and three seasons beside a search of the window.

``python -m tests.benchmarks.accuracy.look_back --data FOLDER`` learns from the training
parts of development series and judges the validation parts. Test parts are not read. The
season is where the differences correlate most with themselves; the search judges windows
on the latest fifth of the training part.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

from sklearn_gru import GRURegressor
from tests.benchmarks.accuracy.development import DEVELOPMENT, _windows
from tests.benchmarks.machine import describe, use_one_thread

GRID = (8, 16, 32, 64, 128, 192)
SEASONS, SEEDS = (1, 2, 3), 2
NO_SEASON = 12  # steps in place of a season


def season_of(values):
    """Steps after which the differences repeat themselves; 0 if they do not."""
    x = np.diff(values)
    x -= x.mean()
    power = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    correlation = np.fft.irfft(power)[: min(len(x) // 3, 400)] / (x @ x)
    negative = np.flatnonzero(correlation < 0)
    if not len(negative):
        return 0
    found = negative[0] + correlation[negative[0] :].argmax()
    return int(found) if correlation[found] > 0.2 else 0


def error(series, window, first, stop, seed):
    """Squared error of values from first to stop, learned before; CPU seconds."""
    series, start = series._replace(n_steps=window), time.process_time()
    X, y = _windows(series, 0, first)
    model = GRURegressor(random_state=seed).fit(X, y)
    seconds = time.process_time() - start
    X_test, y_test = _windows(series, first, stop)
    return np.mean((model.predict(X_test) - y_test) ** 2), seconds


def compare(series, seed):
    """Name to (window, error, CPU seconds) of the search and of the rules."""
    n = len(series.values)
    first, stop = n * 3 // 5, n * 4 // 5
    inner = first * 4 // 5
    grid = [window for window in GRID if window < inner // 3]
    tried = [error(series, window, inner, first, seed) for window in grid]
    window = grid[int(np.argmin([score for score, _ in tried]))]
    score, seconds = error(series, window, first, stop, seed)
    found = {"search": (window, score, seconds + sum(took for _, took in tried))}
    season = season_of(series.values[:first, 0].astype(float)) or NO_SEASON
    for many in SEASONS:
        window = min(max(8, many * season), first // 3)
        found[f"{many} seasons"] = window, *error(series, window, first, stop, seed)
    return found


def main():
    """Print a row per series, and geometric means of the ratios to the search."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.accuracy.look_back"
    )
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    use_one_thread()
    print(describe())
    ratios = []
    for task in DEVELOPMENT.values():
        if task.kind != "windows" or task.name.startswith("Panel"):
            continue
        rows = [compare(task.load(args.data), seed) for seed in range(SEEDS)]
        means = {k: np.mean([row[k] for row in rows], axis=0) for k in rows[0]}
        cells = [f"{k} {w:.0f}: {e:.4g} ({s:.1f} s)" for k, (w, e, s) in means.items()]
        print(f"{task.name}: {', '.join(cells)}", flush=True)
        ratios.append([means[k][1:] / means["search"][1:] for k in means])
    for name, (e, s) in zip(means, np.exp(np.log(ratios).mean(axis=0)), strict=True):
        print(f"{name}: errors {e:.3f}, CPU seconds {s:.3f} times those of the search")


if __name__ == "__main__":
    main()
