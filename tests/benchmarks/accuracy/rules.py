"""Figures behind the automatic levels and the linear part, on the development series.

``python -m tests.benchmarks.accuracy.rules FOLDER`` prints, for each series of
:mod:`~tests.benchmarks.accuracy.development`, the feature and the normalization that
the rules choose on its first three fifths, the error of ridge regression on the fourth
with each normalization, and with several penalties relative to a penalty chosen by
leave-one-out validation. The last line is the geometric mean over the series. Last
parts are not read.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru._encoding.automatic_levels import (
    choose_normalization,
    continued_channel,
)
from tests.benchmarks.accuracy.baselines import ALPHAS
from tests.benchmarks.accuracy.development import DEVELOPMENT, Series

KINDS = (None, "last", "standard")
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def levels(windows, kind):
    """Shift and scale of each window (n, 1)."""
    scale = np.ones((len(windows), 1))
    if kind is None:
        return np.zeros((len(windows), 1)), scale
    if kind == "last":
        return windows[:, -1:], scale
    deviation = windows.std(axis=1, keepdims=True)
    least = 1e-3 * np.median(deviation)
    return windows.mean(axis=1, keepdims=True), np.maximum(deviation, least)


def error(task, split, kind, regressor):
    """Score of a regressor of windows, normalized, on the validation part."""
    flat, ahead = (np.asarray(X, np.float64)[:, :, 0] for X in (split.X, split.X_test))
    y = split.y.reshape(len(flat), -1)
    (shift, scale), (later, size) = levels(flat, kind), levels(ahead, kind)
    model = make_pipeline(StandardScaler(), regressor)
    model.fit((flat - shift) / scale, (y - shift) / scale)
    found = model.predict((ahead - later) / size).reshape(len(ahead), -1)
    return task.score(split, (found * size + later).reshape(split.y_test.shape))


def main():
    """Print a line per series."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder, logs = parser.parse_args().folder, []
    print("series, feature, normalization | raw last standard |", *PENALTIES)
    for task in DEVELOPMENT.values():
        data = task.load(folder)
        if not isinstance(data, (Series, np.ndarray)):
            continue  # not a series that y continues
        (split,) = task.validation(data, 0)
        y = split.y.astype(np.float64).reshape(len(split.X), -1)
        column = continued_channel(split.X, y, np.arange(split.X.shape[2]))
        chosen = choose_normalization(split.X, y, None, 0)
        by_kind = [error(task, split, kind, RidgeCV(ALPHAS)) for kind in KINDS]
        base, n = by_kind[KINDS.index(chosen)], len(y)
        ratios = [error(task, split, chosen, Ridge(p * n)) / base for p in PENALTIES]
        logs.append(np.log(ratios))
        print(
            f"{task.name:15s} {column} {chosen!s:8s} |",
            *(f"{value:9.4f}" for value in by_kind),
            "|",
            *(f"{ratio:6.3f}" for ratio in ratios),
            flush=True,
        )
    means = np.exp(np.mean(logs, axis=0))
    print("mean", *(f"{mean:6.3f}" for mean in means))


if __name__ == "__main__":
    main()
