"""A small fit, 500 windows and one epoch: the estimator against the raw loop.

24 steps x 8 features, 32 units, batches of 64, one thread. Here the fixed cost of a fit
shows: checks, standardisation, skorch. Below the table, where the time goes.
"""

import numpy as np
import torch

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


def main():
    """Print the table and the profile."""
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
    for order in ("tottime", "cumtime"):
        print(f"\nGRURegressor.fit by {order}")
        print("\n".join(hot_spots(runs["GRURegressor"], 20, order, LINES)))


if __name__ == "__main__":
    main()
