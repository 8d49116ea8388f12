"""Other inputs for recordings: slopes of each kind, and what stands for missing cells.

``python -m tests.benchmarks.accuracy.inputs --data FOLDER`` judges inner folds of
recordings to classify. Test parts are not read. The slopes are read by the network alone,
as ridge regression does not read differences. For missing cells, nine of ten cells of each
recording are removed at random.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_gru import GRUClassifier
from tests.benchmarks.accuracy.copies import gains
from tests.benchmarks.accuracy.development import DEVELOPMENT
from tests.benchmarks.accuracy.tasks import TASKS
from tests.benchmarks.machine import describe, use_one_thread

ALL = TASKS | DEVELOPMENT
SLOPES = ("ERing", "BasicMotions", "ItalyPowerDemand", "PickupGestureWiimoteZ")
SLOPES += ("GunPoint", "Coffee", "JapaneseVowels")
SPARSE = ("ERing", "BasicMotions", "JapaneseVowels", "FSDD")
SEEDS, REMOVED = 3, 0.9


def central(x):
    """The values, and central differences of each channel."""
    return np.hstack([x, np.gradient(x, axis=0)])


def sparse(x, rng):
    """A recording of which most cells are missing."""
    return np.where(rng.random(x.shape) < REMOVED, np.nan, x)


def observed(x):
    """Which cells hold a value, as numbers."""
    return np.isfinite(x).astype(float)


def filled(x):
    """The last value of each channel; NaN in front of the first."""
    return pd.DataFrame(x).ffill().to_numpy()


def since(x):
    """Steps since each channel had a value."""
    steps = np.arange(len(x))[:, None]
    last = np.maximum.accumulate(np.where(np.isfinite(x), steps, -1), axis=0)
    return (steps - last).astype(float)


VALUES = {"add_differences": False, "linear_share": 0}
# Name to (change of a recording, parameters).
OF_SLOPES = {
    "backward": (np.asarray, VALUES | {"add_differences": True}),
    "none": (np.asarray, VALUES),
    "central": (central, VALUES),
}
OF_MISSING = {
    "NaN": (np.asarray, {}),
    "last value, missing or not": (lambda x: np.hstack([filled(x), observed(x)]), {}),
    "the same, steps since": (
        lambda x: np.hstack([filled(x), observed(x), since(x)]),
        {},
    ),
}


def accuracies(split, X, X_test, seed, variants):
    """Percent right with each kind of input."""
    found = {}
    for name, (change, params) in variants.items():
        model = GRUClassifier(random_state=seed, **params)
        model.fit([change(x) for x in X], split.y)
        predicted = model.predict([change(x) for x in X_test])
        found[name] = 100 * np.mean(predicted == split.y_test)
    return found


def study(folder, names, prepare, variants):
    """Print a row per task: percent right, and the gain over the first variant."""
    for task in (ALL[name] for name in names):
        data, rows = task.load(folder), []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            for split in task.validation(data, seed):
                parts = [
                    [prepare(np.asarray(x, np.float64), rng) for x in part]
                    for part in (split.X, split.X_test)
                ]
                rows.append(accuracies(split, *parts, seed, variants))
        print(f"{task.name}: {gains(rows, next(iter(variants)))}", flush=True)


def main():
    """Print both studies."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.accuracy.inputs")
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    use_one_thread()
    print(describe(), "\n\nSlopes", flush=True)
    study(args.data, SLOPES, lambda x, rng: x, OF_SLOPES)
    print("\nMissing cells", flush=True)
    study(args.data, SPARSE, sparse, OF_MISSING)


if __name__ == "__main__":
    main()
