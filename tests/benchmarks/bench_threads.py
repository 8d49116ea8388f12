"""Two threads against one, and two jobs against one.

Threads: a training step of nn.GRU (forward, backward) and a one-epoch fit of the
estimator with torch set to one thread and to two; the kernels have one thread, and a
fit asks torch for one. Jobs: seconds of each fit when joblib runs one at a time, and
when it runs two (20 000 windows of 24 x 8, 32 units, one epoch each). The wall clock is
what a user waits for; on a busy machine it also waits for others, which the time of the
thread does not.
"""

import time

import joblib
import numpy as np
import torch

from tests.benchmarks import ours, rivals
from tests.benchmarks.contest import race, ratio
from tests.benchmarks.machine import describe, usable_cores

REPEATS, FITS = 7, 8
# batch, steps, inputs, hidden
SIZES = [(64, 24, 8, 32), (256, 50, 16, 64), (128, 96, 7, 128)]


def with_threads(n, run):
    """Return a run of `run` with n threads for torch."""

    def timed():
        torch.set_num_threads(n)
        run()

    return timed


def gru_step(batch, n_steps, n_inputs, hidden):
    """Return forward and backward of nn.GRU, ten times."""
    gru = torch.nn.GRU(n_inputs, hidden, batch_first=True)
    x, d_last = torch.randn(batch, n_steps, n_inputs), torch.randn(batch, hidden)

    def step():
        for _ in range(10):
            gru.zero_grad()
            gru(x)[1][-1].backward(d_last)

    return step


def estimator_fit(batch, n_steps, n_inputs, hidden):
    """Return a fit of one epoch of 40 batches."""
    X, y = rivals.windows(40 * batch, n_steps, n_inputs)
    model = ours.regressor(1).set_params(hidden_size=hidden, batch_size=batch)
    return lambda: ours.fit(model, X, y)


def print_threads():
    """Print the ratio of one thread to two for both."""
    for size in SIZES:
        for name, make in (("nn.GRU step", gru_step), ("estimator", estimator_fit)):
            run = make(*size)
            runs = {n: with_threads(n, run) for n in (1, 2)}
            seconds = race(runs, REPEATS, clock=time.perf_counter)
            print(
                f"{size!s:20s} {name:12s} one thread {np.median(seconds[1]):6.3f} s, "
                f"one / two {ratio(seconds[1], seconds[2]):5.2f}"
            )


def timed_fit(X, y):
    """Return the seconds of a fit of one epoch: on the wall clock, of its thread."""
    wall, thread = time.perf_counter(), time.thread_time()
    ours.regressor(1).fit(X, y)  # not ours.fit: threads share the environment
    return time.perf_counter() - wall, time.thread_time() - thread


def print_jobs(backend):
    """Print the seconds of a fit with one job and with two."""
    X, y = rivals.windows()
    taken = {}
    for n_jobs in (1, 2):
        with joblib.parallel_config(backend, n_jobs=n_jobs):
            parallel = joblib.Parallel()
            parallel(joblib.delayed(timed_fit)(X, y) for _ in range(2 * n_jobs))
            fits = parallel(joblib.delayed(timed_fit)(X, y) for _ in range(FITS))
        taken[n_jobs] = np.median(fits, axis=0)
    for column, clock in enumerate(("wall clock", "CPU")):
        one, two = (taken[n][column] for n in (1, 2))
        print(
            f"{backend:10s} {clock:10s} n_jobs=1 {one:.3f} s a fit, n_jobs=2 {two:.3f} s,"
            f" slower by {100 * (two / one - 1):.0f} %"
        )


def main():
    """Print threads, then jobs."""
    print(describe())
    if usable_cores() < 2:
        print("skipped: two threads need two cores, and this process may use one")
        return
    print_threads()
    print()
    for backend in ("loky", "threading"):
        print_jobs(backend)


if __name__ == "__main__":
    main()
