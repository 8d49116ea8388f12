"""A column of categories: the time of its table, in an epoch of 20 000 windows.

20 steps x 4 features, 32 units, one thread, CPU seconds. Of the four columns, none or one
holds categories (5 or 1000 of them), each with a learned vector.
"""

from functools import partial

import numpy as np

from sklearn_gru import GRURegressor
from tests.benchmarks import ours
from tests.benchmarks.contest import race, ratio
from tests.benchmarks.machine import describe, use_one_thread

N, STEPS, INPUTS, REPEATS = 20_000, 20, 4, 5


def problem(n_categories):
    """Return windows whose last column holds that many categories, 0 for a number."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, STEPS, INPUTS)).astype(np.float32)
    if n_categories:
        X[:, :, -1] = rng.integers(0, n_categories, (N, STEPS))
    return X, X[:, :, :-1].sum(axis=(1, 2)) + X[:, -1, -1]


def fits(n_categories):
    """Return the fits of an epoch on both engines."""
    X, y = problem(n_categories)
    named = [INPUTS - 1] if n_categories else None
    model = GRURegressor(
        32, max_iter=1, early_stopping=False, random_state=0, linear_share=0,
        normalization=None, categorical_features=named,
    )  # fmt: skip
    what = f"{n_categories or 'no'} categories"
    return {
        f"{what}, {engine}": partial(ours.fit, model, X, y, kernels=engine == "numba")
        for engine in ("torch", "numba")
    }


def main():
    """Print the table."""
    use_one_thread()
    print(describe())
    seconds = race({**fits(0), **fits(5), **fits(1000)}, REPEATS)
    for name, taken in seconds.items():
        print(
            f"{name:24s} {np.median(taken):6.3f} s, this / numbers alone, numba "
            f"{ratio(taken, seconds['no categories, numba']):5.2f}"
        )


if __name__ == "__main__":
    main()
