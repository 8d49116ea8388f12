"""Faults planted in a panel of eight channels: found, named, and false alarms.

``python -m tests.benchmarks.planted_faults`` fits one detector to a panel of normal
machines, plants one fault of each kind in 200 new runs, and prints how often an alarm
was raised in the fault, how often the channel with the largest residual was the right
one, and the share of alarms on noise whose rows are exchangeable.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUOutlierDetector, Sequences, SlidingWindow
from sklearn_gru.exceptions import CalibrationWarning
from tests.benchmarks.machine import describe, use_one_thread

N_CHANNELS = 8
LENGTH = 120
FAULT = slice(70, 100)
MIXING = np.random.default_rng(0).normal(size=(3, N_CHANNELS))


def normal_run(rng, n=LENGTH):
    """Return two loads that drive eight sensors, each with its own noise."""
    loads = np.empty((n, 2))
    state = rng.normal(size=2)
    for k in range(n):
        state = 0.95 * state + np.sqrt(1 - 0.95**2) * rng.normal(size=2)
        loads[k] = state
    waves = np.sin(np.arange(n) / 4 + rng.uniform(0, 6))
    drivers = np.column_stack([loads, waves])
    return drivers @ MIXING + 0.1 * rng.normal(size=(n, N_CHANNELS))


def with_spike(values, spread, rng, usual):
    """Return the values with one row four deviations away."""
    values[len(values) // 2] += 4 * spread
    return values


def with_level_shift(values, spread, rng, usual):
    """Return the values three deviations higher."""
    return values + 3 * spread


def with_dead_channel(values, spread, rng, usual):
    """Return the value of a sensor that has lost its supply: far outside, and still."""
    return np.full(len(values), -4 * spread)


def with_broken_correlation(values, spread, rng, usual):
    """Return values of any machine at any time: usual, but not beside the others."""
    return rng.choice(usual, len(values))


def with_reordered_values(values, spread, rng, usual):
    """Return the values in another order: usual also at this time in this machine."""
    return rng.permutation(values)


FAULTS = {
    "spike": with_spike,
    "level shift": with_level_shift,
    "dead channel": with_dead_channel,
    "broken correlation": with_broken_correlation,
    "reordered values": with_reordered_values,
}


def panel(seed, n_runs):
    """Return runs of machines, one after the other in time."""
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame(normal_run(rng)).assign(run=k, time=np.arange(LENGTH) + 1000 * k)
        for k in range(n_runs)
    ]
    return pd.concat(parts, ignore_index=True).rename(columns=str)


def fit_detector(n_runs=60, smoothing=8, seed=0):
    """Return a detector of runs without faults."""
    model = make_pipeline(
        SlidingWindow(16 + smoothing, groups="run", time="time"),
        GRUOutlierDetector(smoothing=smoothing, random_state=seed),
    )
    return model.fit(panel(0, n_runs))


def raise_load(model, n_draws, seed=1):
    """Return the share of draws found in which a load rose: all channels, as usual."""
    runs = panel(seed, n_draws)
    names = [str(j) for j in range(N_CHANNELS)]
    at = np.arange(len(runs)) % LENGTH
    inside = (at >= FAULT.start) & (at < FAULT.stop)
    runs.loc[inside, names] += 2 * MIXING[0]
    runs["run"] += 10_000  # machines that fit has not seen
    alarms = (model.predict(runs) == -1).reshape(n_draws, LENGTH)[:, FAULT]
    return alarms.any(axis=1).mean()


def plant(model, kind, n_draws, seed=1):
    """Return the shares of draws that were found, and named the right channel."""
    runs = panel(seed, n_draws)
    names = [str(j) for j in range(N_CHANNELS)]
    values = runs[names].to_numpy().reshape(n_draws, LENGTH, N_CHANNELS).copy()
    usual = values.reshape(-1, N_CHANNELS).copy()
    spread = usual.std(axis=0)
    rng = np.random.default_rng(seed)
    channel = rng.integers(0, N_CHANNELS, n_draws)
    for run, j in zip(values, channel, strict=True):
        run[FAULT, j] = FAULTS[kind](run[FAULT, j], spread[j], rng, usual[:, j])
    runs[names] = values.reshape(-1, N_CHANNELS)
    runs["run"] += 10_000  # machines that fit has not seen
    windows = model[0].transform(runs)
    alarms = model[-1].predict(windows).reshape(n_draws, LENGTH)[:, FAULT] == -1
    errors = np.abs(model[-1].residuals(windows)).reshape(values.shape)[:, FAULT]
    named = np.sqrt(np.mean(errors**2, axis=1)).argmax(axis=1)
    return alarms.any(axis=1).mean(), np.mean(named == channel)


def noise(rng, n, n_steps):
    """Return n neighboring windows over rows of noise."""
    rows = rng.normal(size=(n + n_steps - 1, N_CHANNELS))
    return Sequences(rows, np.arange(n), np.full(n, n_steps), order=np.arange(n))


def false_alarms(n_draws, rate, n_held, smoothing=1, n_new=500):
    """Return the mean share of alarms on noise, and its standard error.

    Each draw has a detector of its own, because a threshold that was drawn low raises
    more alarms on all later rows. Its regressor is a constant, which leaves the rows
    exchangeable and the threshold the only thing that is measured.
    """
    shares = []
    for seed in range(n_draws):
        rng = np.random.default_rng(seed)
        model = GRUOutlierDetector(
            DummyRegressor(),
            false_alarm_rate=rate,
            smoothing=smoothing,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CalibrationWarning)
            model.fit(noise(rng, 5 * n_held, smoothing + 1))
        alarms = model.predict(noise(rng, n_new, smoothing + 1)) == -1
        shares.append(alarms.mean())
    return np.mean(shares), np.std(shares) / np.sqrt(n_draws)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    options = parser.parse_args()
    use_one_thread()
    print(describe(), flush=True)
    model = fit_detector()
    for kind in FAULTS:
        found, named = plant(model, kind, options.draws)
        print(f"{kind}: found {found:.1%}, right channel {named:.1%} of "
              f"{options.draws} draws", flush=True)  # fmt: skip
    cases = [(n, 0.05, k) for k in (1, 8) for n in (80, 200, 400)]
    for n_held, rate, smoothing in [*cases, (400, 0.01, 1)]:
        share, error = false_alarms(options.draws, rate, n_held, smoothing)
        print(f"false alarms, {n_held} rows held out, smoothing={smoothing}: "
              f"{rate:.1%} asked, {share:.2%} +- {error:.2%} got", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
