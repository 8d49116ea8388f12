"""Training beside what else one could take: torch, skorch, MLP, boosting, keras.

20 000 windows of 24 steps x 8 features, one thread, CPU seconds. First the cost of an epoch: the
first fit of one epoch in a new process (imports of libraries aside, compilation or the
reading of compiled code inside), a later one, and the steady state, the difference
between whole fits of two epochs and of one. GRUs have 32 units and batches of 64;
MLPRegressor reads the flattened windows with its defaults (100 units, batches of 200).

Then whole fits to where each ends by default, with the R2 on 5000 other windows, so
that seconds are compared at what they buy. The target is one that a recurrent network
can learn; on another, trees may be better.
"""

import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPRegressor

from sklearn_gru import GRURegressor
from tests.benchmarks import ours, rivals
from tests.benchmarks.contest import race_epochs, ratio
from tests.benchmarks.machine import describe, use_one_thread
from tests.benchmarks.rivals import BATCH, HIDDEN, INPUTS, STEPS, N

REPEATS = 3
KERAS = rivals.has_keras()
NUMBA = "GRURegressor, numba"


def keras_net():
    """Return a compiled keras model on jax, one thread."""
    keras = rivals.keras_on_jax()
    layers = [
        keras.Input((STEPS, INPUTS)),
        keras.layers.GRU(HIDDEN),
        keras.layers.Dense(1),
    ]
    net = keras.Sequential(layers)
    net.compile(keras.optimizers.AdamW(0.01, global_clipnorm=1.0), loss="mse")
    return net


def keras_fit():
    """Return a function that trains one and the same model, compiled only once."""
    X, y = rivals.windows()
    net = keras_net()
    return lambda n: net.fit(X, y, batch_size=BATCH, epochs=n, verbose=0)


def mlp_fit():
    """Return a function that trains an MLP for some epochs."""
    X, y = rivals.windows()
    flat = X.reshape(N, -1)

    def fit(n):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            MLPRegressor(max_iter=n, random_state=0).fit(flat, y)

    return fit


def raw_fit():
    """Return a function that trains by the raw loop."""
    X, y = (torch.from_numpy(a) for a in rivals.windows())
    return lambda n: rivals.raw_fit([X], y[:, None], n)


def skorch_fit():
    """Return a function that trains a plain skorch net."""
    X, y = rivals.windows()
    return lambda n: rivals.skorch_net(epochs=n).fit(X, y[:, None])


def estimator_fit(kernels):
    """Return a function that trains the estimator."""
    X, y = rivals.windows()
    return lambda n: ours.fit(ours.regressor(n), X, y, kernels=kernels)


CONTESTANTS = {
    "raw torch loop": raw_fit,
    "plain skorch": skorch_fit,
    "MLPRegressor": mlp_fit,
    "GRURegressor, torch": lambda: estimator_fit(kernels=False),
    NUMBA: lambda: estimator_fit(kernels=True),
}
if KERAS:
    CONTESTANTS["keras on jax"] = keras_fit


def first_fit(name, *, cold=False):
    """Return the seconds of a one-epoch fit in a new process; cold: compile all."""
    with tempfile.TemporaryDirectory() as empty:
        out = subprocess.run(
            [sys.executable, "-m", __spec__.name, name],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": empty} if cold else None,
        )
    return float(out.stdout.split()[-1])


def print_epochs():
    """Print the cost of an epoch: first, later, steady."""
    first = {name: first_fit(name) for name in CONTESTANTS}
    fits = {name: make() for name, make in CONTESTANTS.items()}
    seconds = race_epochs(fits, 1, REPEATS)
    print("\nCPU seconds of an epoch: first fit of a process, later fit, steady state")
    for name, (one, more) in seconds.items():
        print(
            f"{name:22s} {first[name]:6.2f} {np.median(one):6.2f} "
            f"{np.median(more):6.3f}   steady state / ours "
            f"{ratio(more, seconds[NUMBA][1]):6.2f}"
        )
    cold = first_fit(NUMBA, cold=True)
    print(f"{NUMBA}: {cold:.2f} s the first time on a machine, nothing compiled")
    if not KERAS:
        print("keras on jax           not installed here: pip install keras jax")


def print_whole_fits():
    """Print whole fits to their default end, once each."""
    X, y = rivals.windows()
    X_test, y_test = rivals.windows(5000, seed=1)
    small = {"batch_size": BATCH, "random_state": 0}
    models = {
        "GRURegressor(32, batch 64)": GRURegressor(HIDDEN, **small),
        "GRURegressor()": GRURegressor(random_state=0),
        "MLPRegressor()": MLPRegressor(random_state=0),
        "HistGradientBoosting()": HistGradientBoostingRegressor(random_state=0),
    }
    print(
        "\nwhole fits to their default end: CPU seconds, iterations, R2 on other windows"
    )
    for name, model in models.items():
        recurrent = isinstance(model, GRURegressor)
        train, test = (x if recurrent else x.reshape(len(x), -1) for x in (X, X_test))
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(train, y)
        seconds = time.process_time() - start
        score = r2_score(y_test, model.predict(test))
        print(f"{name:26s} {seconds:7.2f} s, {model.n_iter_:3d}, {score:.3f}")


def main():
    """Print both tables."""
    use_one_thread()
    print(describe())
    print_epochs()
    print_whole_fits()


if __name__ == "__main__":
    if len(sys.argv) > 1:  # a first fit, for print_epochs
        use_one_thread()
        run = CONTESTANTS[sys.argv[1]]()
        start = time.process_time()
        run(1)
        print(time.process_time() - start)
    else:
        main()
