"""Quantiles and intervals on bike sharing: shares covered, pinball loss, beside trees.

Bikes an hour, one hour and 48 hours ahead, from windows of 48 hours and what is known
of the hour itself; trained on the first 80 % of 2011 and judged on the last 20 %.
HistGradientBoosting reads the same windows, flattened, one model a quantile. "below" is
the share of y below each quantile, "band" that between the outer ones (0.8 is asked
for), "crossing" the rows in which a quantile is above a higher one.

Then predict_interval, around the quantiles and around a squared-error fit: the share
covered and the mean width, beside the coverage asked for. Settings were chosen on
splits of the first 80 %.
"""

import warnings

import numpy as np
from sklearn.metrics import mean_pinball_loss

from sklearn_gru import SlidingWindow, datasets
from sklearn_gru.exceptions import LostHistoryWarning
from tests.benchmarks.machine import describe, use_one_thread

LEVELS = (0.1, 0.5, 0.9)
COVERAGES = (0.5, 0.8, 0.9, 0.95)
LAGS = (1, 48)
SEEDS = (0, 1, 2)
SETTINGS = {"hidden_size": 32, "dropout": 0.3, "validation_fraction": 0.2}


def bikes():
    """Return hourly rows without the codes of which the test part has new ones."""
    frame = datasets.load_bike_sharing().frame.drop(columns=["season", "month"])
    frame["hour_sin"] = np.sin(2 * np.pi * frame["hour"] / 24)
    frame["hour_cos"] = np.cos(2 * np.pi * frame["hour"] / 24)
    return frame.astype(np.float64)


def windows(lag, *, flatten=False):
    """Return training windows and y, test windows and y."""
    frame = bikes()
    n = len(frame) * 4 // 5
    known = [column for column in frame if column != "bikers"]
    window = SlidingWindow(48, lag=lag, known_future=known, flatten=flatten)
    y = frame["bikers"].to_numpy()
    learn = window.fit_transform(frame.iloc[:n], frame["bikers"].iloc[:n])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LostHistoryWarning)
        later = window.transform(frame.iloc[n:])
    return learn, y[:n], later, y[n:]


def covered(y, lower, upper):
    """Return the share of y between two ends."""
    return np.mean((lower <= y) & (y <= upper))


def print_quantiles(name, y, quantiles, seconds):
    """Print a line on quantiles (n, 3)."""
    below = (y[:, None] <= quantiles).mean(axis=0)
    loss = np.mean(
        [
            mean_pinball_loss(y, quantiles[:, k], alpha=level)
            for k, level in enumerate(LEVELS)
        ]
    )
    crossing = (np.diff(quantiles, axis=1) < 0).any(axis=1).sum()
    print(
        f"{name:22s} {seconds:6.1f} s  below {below.round(3)}  "
        f"band {covered(y, quantiles[:, 0], quantiles[:, 2]):.3f}  "
        f"pinball {loss:6.2f}  crossing {crossing}"
    )


def print_intervals(name, y, model, later):
    """Print a line on intervals."""
    cells = []
    for coverage in COVERAGES:
        low, high = model.predict_interval(later, coverage).T
        cells.append(f"{covered(y, low, high):.3f} ({np.mean(high - low):3.0f})")
    print(f"{name:22s} " + "  ".join(cells))


def main():
    """Print both tables."""
    use_one_thread()
    print(describe())
