"""Changed copies of few recordings, as further data for a classifier.

``python -m tests.benchmarks.accuracy.copies --data FOLDER`` trains on the recordings and
four copies of each, and judges inner folds. Test parts are not read. The networks have
no ridge regression beside them, which overfits copies. What copies gain is compared with
the same number of plain copies: these are further optimizer steps, not data.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np

from sklearn_gru import GRUClassifier
from tests.benchmarks.accuracy.development import DEVELOPMENT
from tests.benchmarks.accuracy.tasks import TASKS
from tests.benchmarks.machine import describe, use_one_thread

ALL = TASKS | DEVELOPMENT
NAMES = ("ERing", "BasicMotions", "ItalyPowerDemand", "PickupGestureWiimoteZ")
NAMES += ("GunPoint", "Coffee")
COPIES, SEEDS, FEW = 4, 2, 200


def at(x, places):
    """A recording (T, F) at other places in time, linear in between."""
    steps = np.arange(len(x))
    return np.stack([np.interp(places, steps, column) for column in x.T], axis=1)


def warp(x, rng):
    """Speed that changes slowly, by a fifth (Um et al. 2017)."""
    knots = np.exp(rng.normal(0, 0.2, 4))
    place = np.cumsum(np.interp(np.linspace(0, 3, len(x)), np.arange(4), knots))
    place -= place[0]
    return at(x, place / place[-1] * (len(x) - 1))


def crop(x, rng):
    """A part of at least four fifths, stretched to the whole length."""
    n = max(3, int(len(x) * rng.uniform(0.8, 1)))
    first = rng.integers(0, len(x) - n + 1)
    return at(x, np.linspace(first, first + n - 1, len(x)))


def scale(x, rng):
    """Channels times numbers near 1."""
    return x * rng.normal(1, 0.1, x.shape[1])


def changes(deviation):
    """The ways to change a copy; noise is in units of the channels' deviations."""

    def jitter(x, rng):
        return x + rng.normal(0, 0.05, x.shape) * deviation

    def every(x, rng):
        return jitter(scale(warp(x, rng), rng), rng)

    found = {"plain copies": lambda x, rng: x, "jitter": jitter, "scale": scale}
    return found | {"warp": warp, "crop": crop, "jitter, scale and warp": every}


def accuracies(split, seed, number):
    """Percent right of networks of the recordings alone, and with copies."""
    X, found = [np.asarray(x, np.float64) for x in split.X], {}
    deviation = np.concatenate(X).std(axis=0)
    for name, change in {"recordings alone": None, **changes(deviation)}.items():
        rng = np.random.default_rng(100 * seed + number)
        copied = [change(x, rng) for x in X * (COPIES if change else 0)]
        learned = [x.astype(np.float32) for x in X + copied]
        model = GRUClassifier(
            n_estimators=3 if len(X) < FEW else 1, linear_share=0, random_state=seed
        ).fit(learned, np.tile(split.y, len(learned) // len(X)))
        found[name] = 100 * np.mean(model.predict(split.X_test) == split.y_test)
    return found


def gains(rows, base):
    """Percent right of each variant, and the gain over one of them ± its error."""
    own = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    more = {name: values - own[base] for name, values in own.items()}
    return ", ".join(
        f"{name} {own[name].mean():.1f} "
        f"({gain.mean():+.1f} ± {gain.std() / len(gain) ** 0.5:.1f})"
        for name, gain in more.items()
    )


def main():
    """Print a row per task: percent right, and the gain over plain copies."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.accuracy.copies")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", choices=ALL, default=NAMES)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    use_one_thread()
    print(describe())
    for task in (ALL[name] for name in args.tasks):
        data, rows = task.load(args.data), []
        for seed in range(SEEDS):
            splits = task.validation(data, seed)
            rows += [accuracies(split, seed, k) for k, split in enumerate(splits)]
        print(f"{task.name}: {gains(rows, 'plain copies')}", flush=True)


if __name__ == "__main__":
    main()
