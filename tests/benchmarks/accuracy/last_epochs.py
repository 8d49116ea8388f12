"""The last epochs, of all sequences: errors, intervals and cost with and without them.

``python -m tests.benchmarks.accuracy.last_epochs --data FOLDER`` fits the training
parts of development series, or their latest windows, and judges the validation parts.
Test parts are not read. With 750 to 999 windows, the fit without last epochs trains on
all windows for as many epochs as were best for halves, as with fewer.
"""

import argparse
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import contextlib  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402
from unittest import mock  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from sklearn_gru import GRURegressor  # noqa: E402
from tests.benchmarks.accuracy.development import DEVELOPMENT  # noqa: E402
from tests.benchmarks.accuracy.few import SERIES  # noqa: E402
from tests.benchmarks.machine import describe  # noqa: E402

SEEDS = 3
ASKED = 0.9


@contextlib.contextmanager
def without():
    """Let no network learn from what is held out."""
    never = mock.Mock(return_value=False)
    with mock.patch.object(GRURegressor, "_has_last_epochs", never):
        yield


def measured(task, split, n):
    """Return the mean error, the covered share or NaN, and the CPU seconds of a fit."""
    X, y = split.X[len(split.X) - n :], split.y[len(split.y) - n :]
    found = []
    for seed in range(SEEDS):
        began = time.process_time()
        model = GRURegressor(random_state=seed).fit(X, y)
        seconds = time.process_time() - began
        error = task.score(split, model.predict(split.X_test))
        found.append((error, covered(model, split), seconds))
    return np.mean(found, axis=0)


def covered(model, split):
    """Return the share of the targets inside the intervals, NaN if there are none."""
    if not hasattr(model, "validation_scores_"):
        return np.nan
    low, high = np.moveaxis(model.predict_interval(split.X_test, coverage=ASKED), -1, 0)
    return np.mean((low <= split.y_test) & (split.y_test <= high))


def main():
    """Print a row per series and size, and means."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.accuracy.last_epochs"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[750, 950, 10**6])
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    print(describe())
    for most in args.sizes:
        print(f"\n| at most {most} windows | error without, with | ratio ", end="")
        print(f"| in intervals for {ASKED:.0%} | CPU s |\n|---|---|---|---|---|")
        rows = []
        for name in SERIES:
            task = DEVELOPMENT[name]
            (split,) = task.validation(task.load(args.data), 0)
            n = min(most, len(split.X))
            with without():
                before = measured(task, split, n)
            after = measured(task, split, n)
            rows.append((before, after))
            print(_row(name, *before, *after, after[0] / before[0]), flush=True)
        pairs = np.array(rows)
        ratios = np.exp(np.log(pairs[:, 1] / pairs[:, 0]).mean(axis=0))
        shares = pairs[:, :, 1].mean(axis=0)
        print(f"| mean | | {ratios[0]:.3f} | {shares[0]:.3f}, {shares[1]:.3f} "
              f"| {ratios[2]:.2f} times |")  # fmt: skip


def _row(name, error, share, seconds, error_after, share_after, seconds_after, ratio):
    return (
        f"| {name} | {error:.4f}, {error_after:.4f} | {ratio:.3f} "
        f"| {share:.3f}, {share_after:.3f} | {seconds:.2f}, {seconds_after:.2f} |"
    )


if __name__ == "__main__":
    main()
