"""Anomaly detection on the labelled series of NAB.

``make bench-anomaly DATA=folder`` reads ``NAB.zip`` in the folder: 36 real series with
labelled windows (MIT licence, Numenta). Each detector is fitted to the rows before the
first anomaly (15 to 35 % of the series) and ranks the rest, so the labels choose
nothing.
"""

import argparse
import io
import json
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_gru import GRUOutlierDetector, SlidingWindow
from sklearn_gru.exceptions import CalibrationWarning, LostHistoryWarning
from tests.benchmarks.anomaly_metrics import vus_pr
from tests.benchmarks.machine import describe, use_one_thread

WINDOW = 48
FOLDERS = ("realAWSCloudwatch", "realAdExchange", "realKnownCause", "realTraffic")


def read_series(path):
    """Name, values, labels and number of training rows of each series."""
    with zipfile.ZipFile(path) as archive:
        windows = json.loads(archive.read("labels/combined_windows.json"))
        for name in sorted(windows):
            if name.split("/")[0] not in FOLDERS:
                continue
            if f"data/{name}" not in archive.namelist():
                continue
            frame = pd.read_csv(io.BytesIO(archive.read(f"data/{name}")))
            when = pd.to_datetime(frame["timestamp"])
            labels = np.zeros(len(frame), dtype=bool)
            for begin, end in windows[name]:
                labels |= (when >= begin) & (when <= end)
            first = int(labels.argmax()) if labels.any() else len(labels)
            n = len(frame)
            n_train = int(np.clip(first, 0.15 * n, 0.35 * n))
            if labels[n_train:].any():
                yield name, frame["value"].to_numpy(float)[:, None], labels, n_train


class LastValue(RegressorMixin, BaseEstimator):
    """The forecast that the newest step repeats."""

    def fit(self, X, y):
        """Learn nothing."""
        return self

    def predict(self, X):
        """Return the last value of each sequence."""
        return np.asarray(X)[:, -1, 0]


class FarFrom(BaseEstimator):
    """The distance of a flat window from what PCA or nearest neighbors know."""

    def __init__(self, kind):
        self.kind = kind

    def fit(self, X, y=None):
        """Keep the complete windows or their components."""
        self.scaler_ = StandardScaler().fit(X)
        Z = self.scaler_.transform(X)
        if self.kind == "pca":
            self.model_ = PCA(0.9, svd_solver="full").fit(Z)
        else:
            self.model_ = NearestNeighbors(n_neighbors=1).fit(Z)
        return self

    def score_samples(self, X):
        """Return minus the distance of each window."""
        Z = self.scaler_.transform(X)
        if self.kind == "nn":
            return -self.model_.kneighbors(Z)[0][:, 0]
        back = self.model_.inverse_transform(self.model_.transform(Z))
        return -np.linalg.norm(Z - back, axis=1)


def _flat(X):
    """Return the windows of one channel; missing steps repeat the next one."""
    rows = pd.DataFrame(np.asarray(X)[:, :, 0])
    return rows.bfill(axis=1).ffill(axis=1).fillna(0.0).to_numpy()


def forecaster(regressor, **params):
    """A detector by the errors of some regressor on flat windows."""
    return GRUOutlierDetector(
        make_pipeline(FunctionTransformer(_flat), regressor), **params
    )


def detectors(seed):
    """Each detector with its window, which ends at the row that is judged."""
    ridge = RidgeCV(np.logspace(-3, 3, 7))
    boosting = HistGradientBoostingRegressor(random_state=seed)
    flat = FunctionTransformer(_flat)
    forest = IsolationForest(random_state=seed)
    return {
        "GRUOutlierDetector": GRUOutlierDetector(random_state=seed),
        "the same around a ridge": forecaster(ridge),
        "the same around boosting": forecaster(boosting),
        "the same around the last value": GRUOutlierDetector(LastValue()),
        "IsolationForest on windows": make_pipeline(flat, forest),
        "PCA on windows": make_pipeline(flat, FarFrom("pca")),
        "1-NN on windows": make_pipeline(flat, FarFrom("nn")),
    }


def smoothed(badness, k, centered):
    """Mean of k neighboring squares, around a row or up to it."""
    squares = pd.Series(badness**2)
    return np.sqrt(squares.rolling(k, min_periods=1, center=centered).mean()).to_numpy()


def judge(detector, values, labels, n_train):
    """VUS-PR, AP and ROC area for three kinds of smoothing; alarms; CPU seconds."""
    windows = SlidingWindow(WINDOW + 1).fit_transform(values)
    began = time.process_time()
    detector.fit(windows[:n_train])
    spent = time.process_time() - began
    badness = -detector.score_samples(windows[n_train:])
    later = labels[n_train:]
    found = {"fit": spent}
    for name, k, centered in [("", 1, False), ("trailing", 24, False),
                              ("centered", 48, True)]:  # fmt: skip
        score = smoothed(badness, k, centered)
        found[f"vus {name}"] = vus_pr(later, score)
        found[f"ap {name}"] = average_precision_score(later, score)
        found[f"roc {name}"] = roc_auc_score(later, score)
    if hasattr(detector, "offset_"):
        alarms = badness > -detector.offset_
        found["false alarms"] = alarms[~later].mean()
        edges = np.flatnonzero(np.diff(np.concatenate([[0], later, [0]])))
        events = edges.reshape(-1, 2)
        found["events"] = np.mean([alarms[a:b].any() for a, b in events])
    return found


def random_scores(values, labels, n_train, seed):
    """What scores that know nothing get."""
    later = labels[n_train:]
    score = np.random.default_rng(seed).random(len(later))
    return {"vus ": vus_pr(later, score), "ap ": average_precision_score(later, score)}


def measure(path, seeds):
    """One row per detector, series and seed."""
    rows = []
    for name, *data in read_series(path):
        for seed in range(seeds):
            found = random_scores(*data, seed)
            rows.append({"detector": "random", "series": name, "seed": seed, **found})
            for label, detector in detectors(seed).items():
                if seed and "seed" not in _depends(label):
                    continue
                row = {"detector": label, "series": name, "seed": seed}
                rows.append({**row, **judge(detector, *data)})
    return pd.DataFrame(rows)


def _depends(label):
    """Say which detectors change with the seed."""
    return ["seed"] if label.startswith(("GRU", "Isolation")) else []


def table(rows):
    """Mean over series of the mean over seeds; CPU seconds of all fits of a seed."""
    means = rows.drop(columns="seed").groupby(["detector", "series"], sort=False).mean()
    by_detector = means.groupby("detector", sort=False)
    result = by_detector.mean().drop(columns="fit")
    result["median false alarms"] = by_detector["false alarms"].median()
    result["CPU s, all fits"] = by_detector["fit"].sum()
    return result.sort_values("vus centered")


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    use_one_thread()
    print(describe(), flush=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        warnings.simplefilter("ignore", LostHistoryWarning)
        rows = measure(options.data / "NAB.zip", options.seeds)
    print(f"{rows['series'].nunique()} series, {options.seeds} seeds, windows of "
          f"{WINDOW} steps before the row")  # fmt: skip
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        print(table(rows).round(3).to_string())
    spread = rows.groupby(["detector", "seed"])["vus centered"].mean().unstack()
    print("\nVUS-PR, smoothed 48 (centered), by seed:")
    print(spread.round(3).to_string())


if __name__ == "__main__":
    main()
