"""Three networks in one fit against one.

Fit: seconds of three networks (`n_estimators=3`) relative to one, in one thread and in
two, and of three that PyTorch trains. Predict: the same for predictions. Figures of one
thread are of the processor; two threads pass the wall clock, on which they also wait
for other work on the machine. Error: of the speakers of Japanese vowels, and of the
hourly bikes of the last fifth, by the number of networks (mean and deviation of seeds).
"""

import time
import warnings

import numpy as np
import torch
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, SlidingWindow, datasets
from tests.benchmarks import ours, rivals
from tests.benchmarks.contest import race, ratio
from tests.benchmarks.machine import describe, usable_cores

REPEATS, SEEDS, NUMBERS = 7, 6, (1, 2, 3, 5, 10)
EPOCHS = {"numba": 4, "torch": 1}


def with_threads(n, run):
    """Return a run of `run` with n threads for the process."""

    def timed():
        torch.set_num_threads(n)
        run()

    return timed


def fits(engine, n_threads):
    """Return fits of one network and of three."""
    X, y = rivals.windows()
    kernels = engine == "numba"

    def fit(n):
        model = ours.regressor(EPOCHS[engine], n_estimators=n)
        return with_threads(n_threads, lambda: ours.fit(model, X, y, kernels=kernels))

    return {n: fit(n) for n in (1, 3)}


def predictions(n_threads):
    """Return predictions of one network and of three."""
    X, y = rivals.windows()
    models = {n: ours.fit(ours.regressor(1, n_estimators=n), X, y) for n in (1, 3)}
    return {
        n: with_threads(n_threads, lambda model=model: model.predict(X))
        for n, model in models.items()
    }


def print_times():
    """Print the ratios of three networks to one."""
    contests = {"fit, numba": lambda n: fits("numba", n), "predict": predictions}
    contests["fit, torch"] = lambda n: fits("torch", n)
    for name, runs_with in contests.items():
        for n_threads in (1, 2):
            if n_threads > usable_cores():
                print(f"{name:12s} two threads skipped: this process may use one core")
                continue
            clock = time.process_time if n_threads == 1 else time.perf_counter
            seconds = race(runs_with(n_threads), REPEATS, clock=clock)
            print(
                f"{name:12s} {n_threads} thread(s)  one network "
                f"{np.median(seconds[1]):6.3f} s, three / one "
                f"{ratio(seconds[3], seconds[1]):5.2f}"
            )


def speakers(n, seed):
    """Return the percentage of wrong speakers."""
    train, test = (
        datasets.load_japanese_vowels(subset=part, return_X_y=True)
        for part in ("train", "test")
    )
    model = GRUClassifier(n_estimators=n, random_state=seed).fit(*train)
    return 100 * (1 - model.score(*test))


def bikes(n, seed):
    """Return the mean absolute error of the bikes one hour ahead."""
    frame = datasets.load_bike_sharing().frame.astype(float)
    known = [name for name in frame.columns if name != "bikers"]
    model = make_pipeline(
        SlidingWindow(24, lag=1, known_future=known),
        ours.regressor(10, n_estimators=n).set_params(random_state=seed),
    )
    cut = len(frame) * 4 // 5
    model.fit(frame[:cut], frame["bikers"][:cut])
    return np.abs(model.predict(frame[cut:]) - frame["bikers"][cut:]).mean()


def print_errors():
    """Print the errors by the number of networks."""
    for name, error in (("wrong speakers, %", speakers), ("bikes, MAE", bikes)):
        for n in NUMBERS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = [error(n, seed) for seed in range(SEEDS)]
            print(
                f"{name:18s} {n:2d} network(s) {np.mean(found):7.3f} "
                f"± {np.std(found, ddof=1):.3f}",
                flush=True,
            )


def main():
    """Print times, then errors."""
    print(describe())
    before = torch.get_num_threads()
    try:
        print_times()
    finally:
        torch.set_num_threads(before)
    print()
    print_errors()


if __name__ == "__main__":
    main()
