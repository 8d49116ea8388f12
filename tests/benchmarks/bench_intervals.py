"""Quantiles and intervals on bike sharing: shares covered, pinball loss, beside trees.

Bikes an hour, one hour and 48 hours ahead, from windows of 48 hours and what is known
of the hour itself; trained on the first 80 % of 2011 and judged on the last 20 %.
HistGradientBoosting reads the same windows, flattened, one model a quantile. "below" is
the share of y below each quantile, "band" that between the outer ones (0.8 is asked
for), "crossing" the rows in which a quantile is above a higher one. Means over three
seeds, bands one by one.

Then predict_interval, around the quantiles and around a fit of squared error: the share
covered and the mean width, beside the coverage asked for. The regularised settings were
chosen on splits of the first 80 %.

Last the whole path of 48 hours at once (missing hours filled), with the settings for 48
hours ahead: the same figures for some of its steps; a model of trees a step.
"""

import time
import warnings

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_pinball_loss

from sklearn_gru import GRURegressor, SlidingWindow, datasets, make_targets
from sklearn_gru.exceptions import LostHistoryWarning
from tests.benchmarks.machine import describe, use_one_thread

LEVELS = (0.1, 0.5, 0.9)
COVERAGES = (0.5, 0.8, 0.9, 0.95)
SEEDS = (0, 1, 2)
QUANTILES = {"loss": "quantile", "quantile": LEVELS}
REGULARISED = {
    1: {"hidden_size": 32, "dropout": 0.3, "validation_fraction": 0.2},
    48: {"hidden_size": 16, "dropout": 0.5, "validation_fraction": 0.2},
}
HORIZON = 48
STEPS = (1, 24, 48)


def settings(lag):
    """Return the parameters of the contestants."""
    return {
        "GRU, quantiles": QUANTILES,
        "GRU, q., regularised": {**QUANTILES, **REGULARISED[lag]},
        "GRU, squared error": {},
        "GRU, s. e., regularised": REGULARISED[lag],
    }


def bikes():
    """Return hourly rows without the codes of which the test part has new ones."""
    frame = datasets.load_bike_sharing().frame.drop(columns=["season", "month"])
    frame["hour_sin"] = np.sin(2 * np.pi * frame["hour"] / 24)
    frame["hour_cos"] = np.cos(2 * np.pi * frame["hour"] / 24)
    return frame.astype(np.float64)


def windows(lag, *, path=False, flatten=False):
    """Return windows and y to learn from, windows and y to judge by."""
    X = bikes().asfreq("h").ffill() if path else bikes()
    y = X["bikers"]
    if path:
        X, y = make_targets(X, y, lag)
    n = len(X) * 4 // 5
    known = [column for column in X if column != "bikers"]
    window = SlidingWindow(48, lag=lag, known_future=known, flatten=flatten)
    learn = window.fit_transform(X.iloc[:n], y.iloc[:n])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LostHistoryWarning)
        later = window.transform(X.iloc[n:])
    y = y.to_numpy()
    return learn, y[:n], later, y[n:]


def covered(y, ends):
    """Return the share of y between the first and the last column."""
    return np.mean((ends[:, 0] <= y) & (y <= ends[:, -1]))


def print_quantiles(name, y, found, seconds):
    """Print a line on quantiles (n, 3), one array a seed."""
    below = np.mean([(y[:, None] <= q).mean(axis=0) for q in found], axis=0)
    loss = np.mean(
        [
            mean_pinball_loss(y, q[:, k], alpha=level)
            for q in found
            for k, level in enumerate(LEVELS)
        ]
    )
    bands = " ".join(f"{covered(y, q):.3f}" for q in found)
    crossing = sum((np.diff(q, axis=1) < 0).any(axis=1).sum() for q in found)
    print(
        f"{name:26s} {seconds / len(found):6.1f} s  below {below.round(3)}  "
        f"pinball {loss:6.2f}  crossing {crossing:3d}  band {bands}",
        flush=True,
    )


def print_intervals(name, y, models, later):
    """Print a line on the intervals of some seeds."""
    cells = []
    for coverage in COVERAGES:
        found = [model.predict_interval(later, coverage) for model in models]
        share = np.mean([covered(y, ends) for ends in found])
        width = np.mean([np.diff(ends) for ends in found])
        cells.append(f"{share:.3f} ({width:3.0f})")
    print(f"{name:26s} " + "  ".join(cells), flush=True)


def trees(lag, step=None):
    """Return quantiles of HistGradientBoosting, and its CPU seconds."""
    learn, y, later, _ = windows(lag, path=step is not None, flatten=True)
    y = y if step is None else y[:, step - 1]
    start = time.process_time()
    columns = []
    for level in LEVELS:
        model = HistGradientBoostingRegressor(
            loss="quantile", quantile=level, random_state=0
        )
        columns.append(model.fit(learn, y).predict(later))
    return np.column_stack(columns), time.process_time() - start


def print_number(lag):
    """Print quantiles and intervals of one number, some hours ahead."""
    learn, y, later, actual = windows(lag)
    print(f"\n{lag} h ahead: quantiles {LEVELS}")
    fits = {}
    for name, params in settings(lag).items():
        start = time.process_time()
        fits[name] = [
            GRURegressor(random_state=seed, **params).fit(learn, y) for seed in SEEDS
        ]
        if "loss" in params:
            found = [model.predict_quantiles(later) for model in fits[name]]
            print_quantiles(name, actual, found, time.process_time() - start)
    found, seconds = trees(lag)
    print_quantiles("HistGradientBoosting", actual, [found], seconds)
    print(f"{lag} h ahead: covered (width) at {COVERAGES}")
    for name, models in fits.items():
        print_intervals(name, actual, models, later)


def print_path():
    """Print quantiles of the whole path, at some of its steps."""
    learn, y, later, actual = windows(HORIZON, path=True)
    print(f"\nthe path of {HORIZON} h at once: quantiles {LEVELS} at steps {STEPS}")
    for name, params in settings(HORIZON).items():
        if "loss" in params:
            start = time.process_time()
            models = [
                GRURegressor(random_state=seed, **params).fit(learn, y)
                for seed in SEEDS
            ]
            found = [model.predict_quantiles(later) for model in models]
            seconds = time.process_time() - start
            for step in STEPS:
                at_step = [q[:, step - 1] for q in found]
                print_quantiles(
                    f"{name}, {step}", actual[:, step - 1], at_step, seconds
                )
    for step in STEPS:
        found, seconds = trees(HORIZON, step)
        print_quantiles(
            f"HistGradientBoosting, {step}", actual[:, step - 1], [found], seconds
        )


def main():
    """Print both tables for each lag, and that of the path."""
    use_one_thread()
    print(describe())
    for lag in REGULARISED:
        print_number(lag)
    print_path()


if __name__ == "__main__":
    main()
