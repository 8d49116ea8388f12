"""Variants of the detector on faults planted in the training parts of NAB.

``python -m tests.benchmarks.anomaly_variants --data folder`` reads ``NAB.zip``. Only the
rows before the first labeled anomaly are used, so that no label chooses a variant: a
detector is fitted to the first 60 %, and four faults are planted in the rest. Then a
panel of eight channels, made by a script, has each channel forecast from the others.
"""

import argparse
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_gru import (
    GRUOutlierDetector,
    GRURegressor,
    SequenceEmbedding,
    SlidingWindow,
)
from sklearn_gru.exceptions import CalibrationWarning, LostHistoryWarning
from tests.benchmarks.anomalies import WINDOW, FarFrom, _flat, judge, read_series
from tests.benchmarks.machine import describe, use_one_thread
from tests.benchmarks.planted_faults import (
    FAULTS,
    fit_detector,
    panel,
    plant,
    raise_load,
)

LENGTH = 24


def planted(values, begin, rng):
    """Return values with four faults after `begin`, and their labels."""
    values, labels = values.copy(), np.zeros(len(values), dtype=bool)
    spread = values[:begin].std()
    room = (len(values) - begin) // 4
    for k, kind in enumerate(rng.permutation(["spike", "shift", "still", "shuffled"])):
        at = begin + k * room + int(rng.integers(0, max(1, room - LENGTH)))
        part = slice(at, at + LENGTH)
        usual = values[part, 0].copy()
        values[part, 0] = {
            "spike": usual + 3 * spread * (np.arange(len(usual)) == len(usual) // 2),
            "shift": usual + rng.choice([-1, 1]) * spread,
            "still": np.full(len(usual), usual[0]),
            "shuffled": rng.permutation(usual),
        }[kind]
        labels[part] = True
    return values, labels


class Neighbor(BaseEstimator):
    """The distance to the nearest state of a forecaster in the training rows."""

    def __init__(self, random_state):
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn to forecast; keep the states."""
        forecaster = GRUOutlierDetector(random_state=self.random_state).fit(X)
        embedding = SequenceEmbedding(forecaster.regressor_, prefit=True)
        self.model_ = make_pipeline(embedding, FarFrom("nn")).fit(X)
        return self

    def score_samples(self, X):
        """Return minus the distance."""
        return self.model_.score_samples(X)


class Blend(BaseEstimator):
    """The mean of the surprise of several detectors, in units of held-out rows."""

    def __init__(self, members):
        self.members = members

    def fit(self, X, y=None):
        """Fit to the first four fifths; the rest calibrates the tails."""
        n = len(X) * 4 // 5
        self.fitted_ = [clone(member).fit(X[:n]) for member in self.members]
        self.usual_ = [np.sort(-m.score_samples(X[n:])) for m in self.fitted_]
        return self

    def score_samples(self, X):
        """Return minus the mean of -log p."""
        pairs = zip(self.fitted_, self.usual_, strict=True)
        return -np.mean([_surprise(-m.score_samples(X), u) for m, u in pairs], axis=0)


def _surprise(badness, usual):
    """Minus the logarithm of the tail probability; exponential in the last tenth."""
    start = np.quantile(usual, 0.9)
    excess = max(np.mean(usual[usual >= start] - start), 1e-12)
    above = len(usual) - np.searchsorted(usual, badness, side="left")
    inside = -np.log((above + 1) / (len(usual) + 1))
    return np.where(badness > start, np.log(10) + (badness - start) / excess, inside)


class FromOthers(BaseEstimator):
    """Each channel from the past and from the other channels at the same step.

    One network learns all channels: the one that is missing at the newest step is the
    one to forecast. Errors are in robust deviations of the latest fifth of the rows,
    and the threshold is their quantile.
    """

    def __init__(self, rate=0.01, smoothing=8, random_state=0):
        self.rate = rate
        self.smoothing = smoothing
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learn from the first four fifths of the windows."""
        dense = np.asarray(X, dtype=np.float32)
        learned, held = np.split(dense, [len(dense) * 4 // 5])
        masked, target = _without_each(learned)
        self.regressor_ = GRURegressor(
            32,
            normalization=None,
            linear_share=0,
            loss="huber",
            max_iter=15,
            random_state=self.random_state,
        ).fit(masked, target)
        errors = self._errors(held)
        self.scale_ = 1.4826 * np.median(np.abs(errors), axis=0)
        sizes = self._sizes(errors / self.scale_)
        self.threshold_ = np.quantile(sizes, 1 - self.rate)
        return self

    def residuals(self, X):
        """Return the errors (n, n_channels) in robust deviations."""
        return self._errors(np.asarray(X, dtype=np.float32)) / self.scale_

    def predict(self, X):
        """Return -1 for windows above the threshold; rows are in order of time."""
        return np.where(self._sizes(self.residuals(X)) > self.threshold_, -1, 1)

    def _errors(self, dense):
        masked, target = _without_each(dense)
        found = target - self.regressor_.predict(masked)
        return found.reshape(dense.shape[2], len(dense)).T

    def _sizes(self, errors):
        squares = pd.Series(np.mean(errors**2, axis=1))
        return np.sqrt(squares.rolling(self.smoothing, min_periods=1).mean())


def _without_each(dense):
    """Return the windows once per channel, without its newest value, and these."""
    channels = range(dense.shape[2])
    masked = np.concatenate([dense] * len(channels))
    for j, part in zip(channels, np.split(masked, len(channels)), strict=True):
        part[:, -1, j] = np.nan
    return masked, np.concatenate([dense[:, -1, j] for j in channels])


def panel_variants(seed):
    """Each variant for the panel, fitted, by its name."""
    window = SlidingWindow(17, groups="run", time="time")
    others = make_pipeline(window, FromOthers(random_state=seed))
    with mock.patch(
        "sklearn_gru._estimators.usual_errors.correlation_of",
        lambda errors: np.eye(errors.shape[1]),
    ):
        apart = fit_detector(seed=seed)
    return {
        "each channel from the past": fit_detector(seed=seed),
        "the same, channels apart": apart,
        "each channel from the past and the others": others.fit(panel(0, 60)),
    }


def measure_panel(seeds, n_draws):
    """Print how often each fault is found and its channel named, and false alarms."""
    rows = []
    for seed in range(seeds):
        for name, model in panel_variants(seed).items():
            for kind in FAULTS:
                found, named = plant(model, kind, n_draws)
                rows.append((name, kind, found, named))
            load = raise_load(model, n_draws)
            rows.append((name, "load of all channels", load, np.nan))
            usual = model.predict(panel(2, n_draws)) == -1
            rows.append((name, "none", usual.mean(), np.nan))
    columns = ["variant", "fault", "found", "named"]
    table = pd.DataFrame(rows, columns=columns)
    return table.groupby(["variant", "fault"], sort=False).mean()


def variants(seed):
    """Each variant by its name."""
    one = GRUOutlierDetector(random_state=seed)
    nearest = make_pipeline(FunctionTransformer(_flat), FarFrom("nn"))
    later = [GRUOutlierDetector(horizon=h, random_state=seed) for h in (4, 12)]
    return {
        "forecaster": one,
        "forecaster, horizon 4": later[0],
        "forecaster, horizon 12": later[1],
        "1-NN on windows": nearest,
        "1-NN on states": Neighbor(seed),
        "blend of horizons 1, 4, 12": Blend([one, *later]),
        "blend of forecaster and 1-NN on windows": Blend([one, nearest]),
    }


def adaptive(values, labels, n_train, seed, n_recent=500):
    """False alarms for 1 %: the fixed threshold, and one of the latest scores."""
    windows = SlidingWindow(WINDOW + 1).fit_transform(values)
    detector = GRUOutlierDetector(random_state=seed).fit(windows[:n_train])
    badness = pd.Series(-detector.score_samples(windows))
    recent = badness.rolling(n_recent, min_periods=50).quantile(0.99).shift()
    later = np.arange(len(values)) >= n_train
    edges = np.flatnonzero(np.diff(np.concatenate([[0], labels & later, [0]])))
    found = {}
    for name, threshold in [("fixed", -detector.offset_), ("latest 500", recent)]:
        alarms = (badness > threshold).to_numpy()
        found[f"alarms, {name}"] = alarms[later & ~labels].mean()
        events = [alarms[a:b].any() for a, b in edges.reshape(-1, 2)]
        found[f"events, {name}"] = np.mean(events)
    return found


def measure(path, seeds):
    """Return one row per variant, series and seed, and one per series and seed."""
    rows, thresholds = [], []
    for name, values, _, n_train in read_series(path):
        values = values[:n_train]
        n_fit = int(0.6 * n_train)
        if n_train - n_fit < 8 * LENGTH:  # too short for four faults with room
            continue
        for seed in range(seeds):
            faulty, labels = planted(values, n_fit, np.random.default_rng(seed))
            for label, detector in variants(seed).items():
                found = judge(detector, faulty, labels, n_fit)
                rows.append({"variant": label, "series": name, "seed": seed, **found})
            thresholds.append(adaptive(faulty, labels, n_fit, seed))
    return pd.DataFrame(rows), pd.DataFrame(thresholds)


def main():
    """Print the means, and on how many series a variant beats the forecaster."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=200)
    options = parser.parse_args()
    use_one_thread()
    print(describe(), flush=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        warnings.simplefilter("ignore", LostHistoryWarning)
        rows, thresholds = measure(options.data / "NAB.zip", options.seeds)
    columns = ["vus ", "vus trailing", "vus centered", "ap ", "roc "]
    by_series = rows.groupby(["variant", "series"], sort=False)[columns].mean()
    table = by_series.groupby("variant", sort=False).mean()
    each = by_series["vus trailing"].unstack("series")
    table["better in"] = (each > each.loc["forecaster"]).sum(axis=1)
    print(f"{rows['series'].nunique()} series, {options.seeds} seeds; "
          "'better in' counts series by VUS-PR, trailing")  # fmt: skip
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        print(table.round(3).to_string())
        print(thresholds.mean().round(3).to_string())
    print(f"\npanel of 8 channels, {options.draws} draws, 1 % of false alarms asked")
    print(measure_panel(options.seeds, options.draws).round(3).to_string())


if __name__ == "__main__":
    main()
