"""One epoch of the estimator against what a user would write with torch or skorch.

Three problems, one thread, CPU seconds. 20 000 windows of 24 steps x 8 features, 32 units, batches
of 64, AdamW, clipping, squared error. The same with 9 classes, variable lengths, both
directions and the mean and maximum of all states. And the user's case: 20 000 rows of a
float64 frame with a time index, through SlidingWindow, every other parameter at its
default (64 units, batches of 128, a tenth held out for validation), against a raw loop
that makes the windows and looks at a validation part too.

The steady state is the difference between whole fits of one and of two epochs. The
floor is the time of the multiply-adds of training alone, at the measured peak.
"""

import numpy as np
import pandas as pd
import skorch
import torch
from sklearn.pipeline import make_pipeline
from torch import nn

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru._model.spec import NetworkSpec
from tests.benchmarks import ours, rivals
from tests.benchmarks.bench_step import floor_seconds, measured_peak
from tests.benchmarks.contest import race_epochs, ratio
from tests.benchmarks.machine import describe, use_one_thread
from tests.benchmarks.rivals import BATCH, HIDDEN, INPUTS, STEPS, N

REPEATS = 3
N_CLASSES = 9
HELD_OUT = N // 10


def windows_problem():
    """Return the fits of the squared error, and the floor of an epoch at 1 FLOP/s."""
    X, y = rivals.windows()
    tensors = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    fits = {
        "raw torch loop": lambda n: rivals.raw_fit(tensors[:1], tensors[1], n),
        "plain skorch": lambda n: rivals.skorch_net(epochs=n).fit(X, y[:, None]),
        "estimator, torch": lambda n: ours.fit(ours.regressor(n), X, y, kernels=False),
        "estimator, numba": lambda n: ours.fit(ours.regressor(n), X, y),
    }
    network = NetworkSpec("gru", INPUTS, HIDDEN)
    return fits, floor_seconds(network, np.full(N, STEPS), peak=1.0)


def classes_problem():
    """Return the same for classes of sequences of 8 to 24 steps."""
    X, _ = rivals.windows()
    rng = np.random.default_rng(1)
    lengths = rng.integers(8, STEPS + 1, N)
    y = rng.integers(0, N_CLASSES, N)
    ragged = [x[:n] for x, n in zip(X, lengths, strict=True)]
    inputs = torch.from_numpy(X), torch.from_numpy(lengths)
    net = {"n_outputs": N_CLASSES, "bidirectional": True, "pooling": "mean_max"}

    def raw(n):
        loss_of = nn.functional.cross_entropy
        rivals.raw_fit(inputs, torch.from_numpy(y), n, loss_of=loss_of, **net)

    def plain_skorch(n):
        module = {f"module__{name}": value for name, value in net.items()}
        rivals.skorch_net(
            skorch.NeuralNetClassifier, n, criterion=nn.CrossEntropyLoss, **module
        ).fit({"x": inputs[0], "lengths": inputs[1]}, y)

    def estimator(n, kernels):
        model = GRUClassifier(
            HIDDEN, batch_size=BATCH, max_iter=n, early_stopping=False, random_state=0,
            bidirectional=True, pooling="mean_max", **ours.CLASSIFIER_ALONE,
        )  # fmt: skip
        ours.fit(model, ragged, y, kernels=kernels)

    fits = {
        "raw torch loop": raw,
        "plain skorch": plain_skorch,
        "estimator, torch": lambda n: estimator(n, kernels=False),
        "estimator, numba": lambda n: estimator(n, kernels=True),
    }
    network = NetworkSpec(
        "gru", INPUTS, HIDDEN, 1, True, "mean_max", N_CLASSES, "cross_entropy"
    )
    return fits, floor_seconds(network, lengths, peak=1.0)


def frame():
    """Return hourly rows, float64 with a time index, and a target."""
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=N, freq="h")
    X = pd.DataFrame(rng.normal(size=(N, INPUTS)), index, list("abcdefgh"))
    fading = X["a"].where(X["b"] > 0, 0).ewm(span=12).mean()
    return X, 6 * fading + 0.3 * rng.normal(size=N)


def frame_problem():
    """Return the same for the user's case; only `max_iter` is not its default."""
    X, y = frame()
    defaults = GRURegressor()
    batch, hidden = 128, defaults.hidden_size

    def raw(n):
        rows = np.pad(X.to_numpy(np.float32), ((STEPS - 1, 0), (0, 0)))
        laid = np.lib.stride_tricks.sliding_window_view(rows, STEPS, axis=0)
        inputs = torch.from_numpy(laid.transpose(0, 2, 1).copy())
        target = torch.from_numpy(y.to_numpy(np.float32)[:, None])
        net = rivals.Net(hidden)
        optimizer = rivals.raw_optimizer(net)
        loss_of = nn.functional.mse_loss
        for _ in range(n):
            part = inputs[:-HELD_OUT], target[:-HELD_OUT]
            rivals.raw_epoch(net, optimizer, part[:1], part[1], loss_of, batch)
            loss_of(rivals.raw_predict(net, inputs[-HELD_OUT:]), target[-HELD_OUT:])

    def estimator(n, kernels):
        windows = SlidingWindow(STEPS).fit_transform(X)
        ours.fit(GRURegressor(max_iter=n), windows, y, kernels=kernels)

    fits = {
        "raw torch loop": raw,
        "estimator, torch": lambda n: estimator(n, kernels=False),
        "estimator, numba": lambda n: estimator(n, kernels=True),
    }
    network = NetworkSpec("gru", INPUTS, hidden)
    return fits, floor_seconds(network, np.full(N - HELD_OUT, STEPS), peak=1.0)


def print_problem(title, fits, flop, peak):
    """Print a table of one problem."""
    seconds = race_epochs(fits, 1, REPEATS)
    raw_one, raw_more = seconds["raw torch loop"]
    print(f"\n{title}")
    print("                  one-epoch fit        steady state, an epoch")
    for name, (one, more) in seconds.items():
        print(
            f"{name:16s} {np.median(one):6.3f} s, raw / this {ratio(raw_one, one):5.2f}"
            f"  {np.median(more):6.3f} s, raw / this {ratio(raw_more, more):5.2f},"
            f" {np.median(more) * peak / flop:5.2f} times the floor"
        )


def print_default_instance():
    """Print what the user's case does with no parameter given at all."""
    X, y = frame()
    model = make_pipeline(SlidingWindow(STEPS), GRURegressor()).fit(X, y)[-1]
    print(
        f"\nGRURegressor() on the frame, nothing given: engine_ = {model.engine_!r}, "
        f"{model.n_iter_} epochs, the best {model.best_iteration_}"
    )


def main():
    """Print a table for each problem."""
    use_one_thread()
    print(describe())
    peak = measured_peak()
    print(f"one thread; measured peak {peak / 1e9:.0f} GFLOP/s")
    for title, problem in (
        ("windows, squared error", windows_problem),
        ("9 classes, ragged, both directions, mean_max", classes_problem),
        ("float64 frame with a time index, defaults", frame_problem),
    ):
        print_problem(title, *problem(), peak)
    print_default_instance()


if __name__ == "__main__":
    main()
