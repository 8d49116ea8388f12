"""The public tasks as data: what is predicted, from what, judged how, within what time.

A task yields splits. ``validation(data, seed)`` cuts the training part only, and every
choice in this folder was made with it; ``test(data)`` gives the official split. Small
sets are cut in three folds, drawn anew for every seed; large ones give each seed one
fold, or all seeds the same last stretch of time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    r2_score,
)
from sklearn.model_selection import GroupKFold, StratifiedKFold

from sklearn_gru import Sequences
from sklearn_gru.metrics import smape
from tests.benchmarks.accuracy import read
from tests.benchmarks.accuracy.mfcc import mfcc
from tests.benchmarks.bench_weather import load as weather


class Split(NamedTuple):
    """What to learn from and what to predict.

    `scale` is the mean error of the seasonal naive forecast on the training part, one
    per test target, for MASE.
    """

    X: Any
    y: Any
    X_test: Any
    y_test: Any
    scale: Any = None


STRETCHES = 20  # of a test part, at most


@dataclass(frozen=True)
class Task:
    """A public task.

    `must` is what the recommended setting has to reach within `budget`. `load` reads
    the folder and returns what `validation` and `test` cut; `kind` says what X is:
    "series" (arrays of steps x channels), "measured" (the same, with a number each),
    "frame" (rows by time), "weather" (rows by airport and time), "panel" (windows of many series, next values), "windows"
    (of one series or many, next values), "forecast" (one series, far ahead) or "text".
    """

    name: str
    kind: str
    metric: str
    must: float
    stretch: float
    budget: float  # CPU seconds
    load: Callable[[Path], Any]
    validation: Callable[[Any, int], list[Split]]
    test: Callable[[Any], Split]
    untouched: float | None = None  # what default parameters alone must reach
    season: int = 1  # of "windows", in steps
    one_step: bool = False  # y of "windows" is the next value alone

    @property
    def higher_is_better(self):
        """Whether `metric` is a score, not an error."""
        return self.metric in ("accuracy %", "R2")

    def score(self, split, predicted):
        """The metric of the task."""
        if self.metric == "MASE":
            return float(np.mean(np.abs(predicted - split.y_test) / split.scale))
        return float(METRICS[self.metric](split.y_test, predicted))

    def losses(self, split, predicted):
        """The error of each thing that is predicted; their mean is that of the score."""
        y, predicted = np.asarray(split.y_test), np.asarray(predicted)
        if self.metric == "accuracy %":
            return 100.0 * (predicted != y)
        size = np.maximum(np.abs(y), np.finfo(float).eps)
        both = np.maximum(np.abs(y) + np.abs(predicted), np.finfo(float).tiny)
        scales = {"R2": y.std(axis=0), "MASE": split.scale}
        scales |= {"MAPE %": size / 100, "sMAPE %": both / 200}
        found = np.abs(predicted - y) / scales.get(self.metric, 1.0)
        found = found**2 if self.metric in ("MSE", "R2") else found
        return found.reshape(len(found), -1).mean(axis=1)

    def observations(self, split, losses):
        """Means of losses that tell of each other little; None if there are too few.

        Series and texts tell nothing of each other. Windows of the same time do, and
        those that forecast the same step: they are taken in `STRETCHES` of the time.
        """
        if self.kind in ("series", "measured", "text"):
            return losses
        times, of = np.unique(_times(split.X_test), return_inverse=True)
        n = min(STRETCHES, len(times) // self._reach(split))
        if n < STRETCHES // 2:
            return None
        stretch = of * n // len(times)
        return np.bincount(stretch, losses) / np.bincount(stretch)

    def _reach(self, split):
        """For how many of the times in the test part a forecast holds a step."""
        if self.kind == "forecast":  # all of one origin
            return len(split.y_test)
        horizon = split.y_test.shape[1] if split.y_test.ndim > 1 else 1
        order = np.unique(_times(split.X_test))
        between = np.min(np.diff(order)) if self.kind in ("windows", "panel") else 1
        return max(1, int(horizon // between))

    def error(self, score):
        """A score as an error, at least a tenth of a point of accuracy."""
        if self.metric == "accuracy %":
            return max(100 - score, 0.1)
        return 1 - score if self.metric == "R2" else score

    def better(self, a, b):
        """Whether result `a` beats `b`."""
        return a > b if self.higher_is_better else a < b


METRICS = {
    "accuracy %": lambda y, p: 100 * accuracy_score(y, p),
    "R2": r2_score,
    "MSE": mean_squared_error,
    "MAE": mean_absolute_error,
    "MAPE %": lambda y, p: 100 * mean_absolute_percentage_error(y, p),
    "sMAPE %": lambda y, p: 100 * smape(y, p),
}


# -- classes of series ------------------------------------------------------------------


class Labelled(NamedTuple):
    """Series with labels, already cut in two by their owners."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray
    groups: np.ndarray | None = None


def take(X, index):
    """Some of the series, whatever holds them."""
    return [X[i] for i in index] if isinstance(X, list) else X[index]


def _split(data, train, test):
    return Split(take(data.X, train), data.y[train], take(data.X, test), data.y[test])


def _times(X):
    """The time of each window or row, (n,)."""
    if isinstance(X, Sequences):
        return X.order
    index = X.index
    return index.get_level_values("time") if index.nlevels > 1 else index


def _three_folds(data, seed):
    cut = StratifiedKFold(3, shuffle=True, random_state=seed)
    return [_split(data, *pair) for pair in cut.split(data.y, data.y)]


def _one_fold(data, seed):
    if data.groups is None:
        cut = StratifiedKFold(5, shuffle=True, random_state=0).split(data.y, data.y)
    else:
        cut = GroupKFold(5).split(data.y, data.y, data.groups)
    return [_split(data, *list(cut)[seed % 5])]


def _official(data):
    return Split(data.X, data.y, data.X_test, data.y_test)


def _archive(name):
    def load(folder):
        X, y = read.read_ts(folder / f"{name}_TRAIN.ts")
        X_test, y_test = read.read_ts(folder / f"{name}_TEST.ts")
        if len({len(x) for x in X + X_test}) == 1:
            X, X_test = np.stack(X), np.stack(X_test)
        return Labelled(X, y, X_test, y_test)

    return load


def _ering(folder):
    file = np.load(folder / "ERing.npz")
    return Labelled(*(file[k] for k in ("X_train", "y_train", "X_test", "y_test")))


def _hapt(folder):
    file = np.load(folder / "HAPT6_windows.npz")
    X, X_test = (
        np.ascontiguousarray(file[k].swapaxes(1, 2), np.float32) for k in ("Xtr", "Xte")
    )
    return Labelled(X, file["ytr"], X_test, file["yte"], file["str"])


def _fsdd(folder):
    clips, digit, number, rate = read.read_clips(folder / "FSDD_clips.npz")
    X = [mfcc(clip, rate) for clip in clips]
    kept, out = np.flatnonzero(number >= 5), np.flatnonzero(number < 5)
    return Labelled(take(X, kept), digit[kept], take(X, out), digit[out], number[kept])


def _imdb(folder):
    X, y = read.read_reviews(folder / "IMDB5k.csv.gz")
    return Labelled(X[:4000], y[:4000], X[4000:], y[4000:])


# -- forecasts --------------------------------------------------------------------------

BIKES_KNOWN = ["hour_sin", "hour_cos", "holiday", "weekday", "workingday", "weather"]
BIKES_KNOWN += ["temp", "atemp", "hum", "windspeed"]


def _bikes(folder):
    frame = read.read_bikes(folder / "Bikeshare.csv")
    angle = 2 * np.pi * frame.index.hour / 24
    return frame.assign(hour_sin=np.sin(angle), hour_cos=np.cos(angle))


def _bikes_split(frame, start, stop):
    train, test = frame.iloc[:start], frame.iloc[start:stop]
    return Split(train, train["bikers"], test, test["bikers"])


def _weather_split(data, start, stop):
    """Rows of all airports from January to `start`, and from there to `stop`."""
    X, y = data
    time = X.index.get_level_values("time")
    start, stop = (pd.Timestamp(day, tz=time.tz) for day in (start, stop))
    learned, judged = time < start, (time >= start) & (time < stop)
    return Split(X[learned], y[learned], X[judged], y[judged])


ETT_WINDOW, ETT_HORIZON = 720, 96


def _ett(folder):
    values = read.read_ett(folder / "ETTh1.csv")[:14400]
    train = values[:8640]
    return ((values - train.mean(0)) / train.std(0)).astype(np.float32)


def _ett_windows(values, first, stop):
    """Windows of each channel, and the next values: targets lie in [first, stop)."""
    n_rows, n_channels = values.shape
    rows = np.ascontiguousarray(values.T).reshape(-1, 1)
    origin = np.arange(max(first, ETT_WINDOW), stop - ETT_HORIZON + 1)
    time = np.tile(origin, n_channels)
    origin = (np.arange(n_channels)[:, None] * n_rows + origin).ravel()
    starts = origin - ETT_WINDOW
    X = Sequences(rows, starts, np.full(len(starts), ETT_WINDOW), order=time)
    ahead = np.lib.stride_tricks.sliding_window_view(rows[:, 0], ETT_HORIZON)
    return X, ahead[origin]


def _ett_split(values, first, stop):
    X, y = _ett_windows(values[:8640], 0, 8640)
    return Split(X, y, *_ett_windows(values[:stop], first, stop))


def _airline(folder):
    return read.read_airline(folder / "Airline.csv")


AIRLINE_HORIZON = 24


def _airline_split(frame, start):
    """Months to come have no value in X: nothing but the past can be read."""
    train, ahead = frame.iloc[:start], frame.iloc[start : start + AIRLINE_HORIZON]
    unknown = pd.DataFrame({"passengers": np.nan}, ahead.index)
    return Split(train, train["passengers"], unknown, ahead["passengers"])


# -- the list ---------------------------------------------------------------------------


def _small(name, must, stretch, untouched=None, load=None):
    load = load or _archive(name)
    cuts = _three_folds, _official
    return Task(name, "series", "accuracy %", must, stretch, 30, load, *cuts, untouched)


TASKS = {
    task.name: task
    for task in (
        _small("JapaneseVowels", 98, 99, 97),
        _small("BasicMotions", 97, 100, 97),
        _small("ERing", 88, 95, load=_ering),
        _small("GunPoint", 97, 100, 90),
        _small("ItalyPowerDemand", 96, 97, 95),
        Task(
            "FSDD", "series", "accuracy %", 98, 99, 30, _fsdd, _one_fold, _official
        ),
        Task(
            "HAPT-6", "series", "accuracy %", 93, 95, 300, _hapt, _one_fold, _official
        ),
        Task(
            "IMDB-5k", "text", "accuracy %", 83, 87.5, 300, _imdb, _one_fold, _official
        ),
        Task(
            "Bikeshare", "frame", "R2", 0.94, 0.95, 60, _bikes,
            validation=lambda frame, seed: [_bikes_split(frame, 5187, 6916)],
            test=lambda frame: _bikes_split(frame, 6916, 8645),
            untouched=0.92,
        ),
        Task(
            "NYC weather", "weather", "MAE", np.nan, np.nan, 60, lambda _: weather(),
            validation=lambda data, seed: [_weather_split(data, "2013-06", "2013-08")],
            test=lambda data: _weather_split(data, "2013-08", "2014-01"),
        ),
        Task(
            "Airline", "forecast", "MAPE %", 6, 4, 10, _airline,
            validation=lambda f, seed: [_airline_split(f, n) for n in (72, 84, 96)],
            test=lambda frame: _airline_split(frame, 120),
        ),
        Task(
            "ETTh1-96", "panel", "MSE", 0.368, 0.355, 60, _ett,
            validation=lambda values, seed: [_ett_split(values, 8640, 11520)],
            test=lambda values: _ett_split(values, 11520, 14400),
        ),
    )
}  # fmt: skip
