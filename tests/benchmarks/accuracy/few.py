"""Few windows: the default beside all epochs, networks alone and ridge regression.

``python -m tests.benchmarks.accuracy.few --data FOLDER`` fits the latest windows of the
training parts of development series and judges the validation parts. Test parts are not
read.
"""

import argparse
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import time  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from sklearn_gru import GRURegressor  # noqa: E402
from tests.benchmarks.accuracy.development import DEVELOPMENT  # noqa: E402
from tests.benchmarks.machine import describe  # noqa: E402

SERIES = ("Visits-7", "Beijing-6", "Melbourne-1", "Bitcoin-1", "Wind-6", "I94-1")
SERIES += ("CO2-13", "Solar-24", "SF-traffic-24", "Electricity-24")
MODELS = {
    "default": {},
    "all epochs": {"early_stopping": False},
    "network alone": {"linear_share": 0},
    "a tenth held out": {"early_stopping": True},
    "ridge regression": {"linear_share": 1.0, "early_stopping": False, "max_iter": 1},
}
SEEDS = 3


def errors_of(task, split, n, params):
    """Return the errors (SEEDS,) of models of the latest n windows, and CPU seconds."""
    X, y = split.X[len(split.X) - n :], split.y[len(split.y) - n :]
    errors, began = [], time.process_time()
    for seed in range(SEEDS):
        model = GRURegressor(random_state=seed, **params).fit(X, y)
        errors.append(task.score(split, model.predict(split.X_test)))
    return np.array(errors), (time.process_time() - began) / SEEDS


def main():
    """Print a row per series, and the geometric means of the ratios to all epochs."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.accuracy.few")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[300, 600])
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    print(describe())
    for n in args.sizes:
        print(f"\n| {n} windows, MSE (CPU s) | " + " | ".join(MODELS) + " |")
        print("|---" * (len(MODELS) + 1) + "|")
        ratios = {name: [] for name in MODELS}
        for name in SERIES:
            task = DEVELOPMENT[name]
            (split,) = task.validation(task.load(args.data), 0)
            found = {m: errors_of(task, split, n, p) for m, p in MODELS.items()}
            cells = [
                f"{errors.mean():.4f} ± {errors.std():.4f} ({seconds:.1f})"
                for errors, seconds in found.values()
            ]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
            base = found["all epochs"][0].mean(), found["all epochs"][1]
            for m, (errors, seconds) in found.items():
                ratios[m].append((errors.mean() / base[0], seconds / base[1]))
        means = (np.exp(np.log(r).mean(axis=0)) for r in ratios.values())
        cells = [f"{error:.2f} ({seconds:.2f})" for error, seconds in means]
        print("| geometric mean, to all epochs | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
