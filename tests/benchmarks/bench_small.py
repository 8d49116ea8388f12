"""A small fit, 500 windows and one epoch: the estimator against the raw loop.

24 steps x 8 features, 32 units, batches of 64, one thread. Here the fixed cost of a fit
shows: checks, standardisation, skorch. Below the table, where the time goes, and fits of
fewer than 1000 float64 sequences in float64, by PyTorch, and as `dtype="auto"` has them.
Then untouched regressors of 990 sequences, which hold out one half, and of 1010, which
hold out a tenth.
"""

import itertools
from functools import partial

import numpy as np
import torch
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from tests.benchmarks import ours, rivals
from tests.benchmarks.contest import race, ratio
from tests.benchmarks.hot_spots import hot_spots
from tests.benchmarks.machine import describe, use_one_thread

N, REPEATS, LINES = 500, 60, 12


def contestants():
    """Return the fits of one epoch."""
    X, y = rivals.windows(N)
    tensors = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    return {
        "raw torch loop": lambda: rivals.raw_fit(tensors[:1], tensors[1], 1),
        "plain skorch": lambda: rivals.skorch_net().fit(X, y[:, None]),
        "GRURegressor": lambda: ours.regressor(1).fit(X, y),
    }


def small_fits(dtype):
    """Return fits of few float64 sequences: the sizes that are tried first."""
    rng = np.random.default_rng(0)
    sizes = {"300 x 24 x 8": (300, 24, 8), "50 x 150 x 1": (50, 150, 1)}
    fits = {}
    for name, shape in sizes.items():
        X = rng.normal(size=shape)
        y = X[:, :, 0].sum(axis=1) > 0
        model = GRUClassifier(max_iter=10, dtype=dtype, random_state=0)
        fits[f"classifier, {name}, 10 epochs"] = partial(model.fit, X, y)
    X = rng.normal(size=(990, 48, 4))
    model = GRURegressor(max_iter=3, dtype=dtype, random_state=0)
    fits["regressor, 990 x 48 x 4, 3 epochs"] = on_new_data(model, X, X[:, -1, 0])
    rows = rng.normal(size=(400, 3))
    model = GRURegressor(16, max_iter=10, dtype=dtype, random_state=0)
    pipeline = make_pipeline(SlidingWindow(12, lag=1), model)
    fits["pipeline, 400 x 12 x 3, 10 epochs"] = on_new_data(pipeline, rows, rows[:, 0])
    return fits


def on_new_data(model, X, y):
    """Return fits to data that the process does not remember from the latest ones."""
    data = itertools.cycle([(X + k, y + k) for k in range(20)])
    return lambda: model.fit(*next(data))


def untouched():
    """Return fits of default regressors on both sides of 1000 sequences."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1010, 48, 4))
    y = X[:, -5:, 0].sum(axis=1) + 0.3 * rng.normal(size=1010)
    model = GRURegressor(random_state=0)
    return {n: on_new_data(model, X[:n], y[:n]) for n in (990, 1010)}


def main():
    """Print the tables and the profile."""
    use_one_thread()
    print(describe())
    runs = contestants()
    seconds = race(runs, REPEATS)
    for name, taken in seconds.items():
        print(
            f"{name:15s} {np.median(taken) * 1e3:6.1f} ms, this / raw loop "
            f"{ratio(taken, seconds['raw torch loop']):5.2f}"
        )
    model = runs["GRURegressor"]()
    print(f"engine_ = {model.engine_!r}: {model.net_.declined}")
    exact = small_fits("float64")
    for name, fit in small_fits("auto").items():
        seconds = race({"float64": exact[name], "auto": fit}, 5)
        print(
            f"{name:34s} float64 {np.median(seconds['float64']) * 1e3:7.1f} ms, auto "
            f"{np.median(seconds['auto']) * 1e3:6.1f}, float64 / auto "
            f"{ratio(seconds['float64'], seconds['auto']):5.1f}"
        )
    seconds = race(untouched(), 5)
    print(
        f"defaults, 48 x 4: 990 sequences {np.median(seconds[990]) * 1e3:.0f} ms, 1010 "
        f"{np.median(seconds[1010]) * 1e3:.0f}, 990 / 1010 "
        f"{ratio(seconds[990], seconds[1010]):.2f}"
    )
    for order in ("tottime", "cumtime"):
        print(f"\nGRURegressor.fit by {order}")
        print("\n".join(hot_spots(runs["GRURegressor"], 20, order, LINES)))


if __name__ == "__main__":
    main()
