"""Prediction of 20 000 windows and of one against torch, validation of X included.

24 steps x 8 features, 32 units, one thread. Many windows: against the raw net in
batches of 1024, without gradients. One window: against the bare call of nn.GRU, which
checks nothing and has no head. Then one window again and again, with what the defaults
may add to the network, and where its time goes.
"""

import numpy as np
import torch
from sklearn.base import clone

from sklearn_gru import GRURegressor
from tests.benchmarks import ours, rivals
from tests.benchmarks.contest import race, ratio
from tests.benchmarks.hot_spots import hot_spots
from tests.benchmarks.machine import describe, use_one_thread
from tests.benchmarks.rivals import HIDDEN, N

LINES = 12


def print_race(runs, repeats, first):
    """Print medians and how they compare with the first contestant."""
    seconds = race(runs, repeats)
    for name, taken in seconds.items():
        print(
            f"{name:28s} {np.median(taken) * 1e6:8.0f} us, {first} / this "
            f"{ratio(seconds[first], taken):5.2f}"
        )


def main():
    """Print both tables and the profile."""
    use_one_thread()
    print(describe())
    X, y = rivals.windows()
    kernels = ours.fit(ours.regressor(1), X, y)
    plain = ours.fit(ours.regressor(1), X, y, kernels=False)
    net, tensor = rivals.Net(), torch.from_numpy(X)
    one, one_tensor = X[:1].copy(), tensor[:1].clone()

    def bare_inference():
        with torch.inference_mode():
            net.gru(one_tensor)

    print(f"\n{N} windows")
    many = {
        "raw torch, batches of 1024": lambda: rivals.raw_predict(net, tensor),
        "raw torch, batches of 256": lambda: rivals.raw_predict(net, tensor, 256),
        "GRURegressor, torch": lambda: plain.predict(X),
        "GRURegressor, numba": lambda: kernels.predict(X),
    }
    print_race(many, 15, "raw torch, batches of 1024")
    print("\none window")
    single = {
        "nn.GRU": lambda: net.gru(one_tensor),
        "nn.GRU in inference_mode": bare_inference,
        "GRURegressor, torch": lambda: plain.predict(one),
        "GRURegressor, numba": lambda: kernels.predict(one),
    }
    print_race(single, 1000, "nn.GRU")
    print("\none window, nothing between, numba")
    defaults = GRURegressor(HIDDEN, max_iter=1, dtype="float32", random_state=0)
    for name, model in {
        "the network alone": kernels,
        "with a linear part": clone(defaults).fit(X, X.sum(axis=(1, 2))),
        "with levels": clone(defaults).fit(X, X[:, -1, 0]),
    }.items():
        (seconds,) = race({name: lambda m=model: m.predict(one)}, 1000).values()
        print(f"{name:28s} {np.median(seconds) * 1e6:8.0f} us")
    for order in ("tottime", "cumtime"):
        print(f"\npredict of one window, numba, by {order}")
        print("\n".join(hot_spots(lambda: kernels.predict(one), 500, order, LINES)))


if __name__ == "__main__":
    main()
