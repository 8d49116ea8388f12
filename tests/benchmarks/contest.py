"""Contestants timed in turn, so that other work on the machine meets them all alike.

Seconds are those of the processor, which on one thread are the seconds of a quiet
machine however busy this one is; what runs on several threads passes the wall clock. A
ratio is the median of the ratios of neighbouring runs: other work also changes the
processor's frequency and caches.
"""

import time

import numpy as np


def race(runs, repeats, *, warm_up=True, clock=time.process_time):
    """Return the seconds of each run, {name: array (repeats,)}."""
    if warm_up:  # memory, caches, compiled code
        for run in runs.values():
            run()
    seconds = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return {name: np.array(taken) for name, taken in seconds.items()}


def race_epochs(fits, epochs, repeats, *, clock=time.process_time):
    """Return seconds of a one-epoch fit and of one more epoch, for each contestant.

    `fits` are functions of the number of epochs. One more epoch, the steady state, is
    the difference between whole fits of `epochs` and of twice as many: what a fit costs
    once (checks, set-up, compiled code) is in the first figure and not in the second.
    """
    for fit in fits.values():
        fit(1)  # memory, caches, compiled code
    runs = {
        (name, n): (lambda fit=fit, n=n: fit(n))
        for name, fit in fits.items()
        for n in sorted({1, epochs, 2 * epochs})
    }
    seconds = race(runs, repeats, warm_up=False, clock=clock)
    return {
        name: (
            seconds[name, 1],
            (seconds[name, 2 * epochs] - seconds[name, epochs]) / epochs,
        )
        for name in fits
    }


def ratio(theirs, ours):
    """Return how many times longer theirs takes, by neighbouring runs."""
    return float(np.median(np.asarray(theirs) / np.asarray(ours)))


def exponent(sizes, seconds):
    """Return p of the power law seconds ~ sizes ** p."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
