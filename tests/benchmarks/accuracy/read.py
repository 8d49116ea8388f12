"""Files of the public data sets to arrays: nothing is chosen or scaled here."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd


def read_ts(path):
    """Cases of a .ts file as arrays (steps, channels), and their labels."""
    cases, labels = [], []
    body = Path(path).read_text().split("@data", 1)[1]
    for line in body.strip().splitlines():
        *channels, label = line.strip().split(":")
        steps = [np.fromstring(c, sep=",", dtype=np.float32) for c in channels]
        cases.append(np.stack(steps, axis=1))  # (T, C)
        labels.append(label)
    return cases, np.array(labels)


def read_bikes(path):
    """Hourly rentals of 2011 by time; what only the end of the hour tells is dropped."""
    table = pd.read_csv(path)
    day = pd.Timestamp("2011-01-01") + pd.to_timedelta(table["day"] - 1, unit="D")
    table.index = day + pd.to_timedelta(table["hr"].astype(int), unit="h")
    weather = {
        "clear": 1,
        "cloudy/misty": 2,
        "light rain/snow": 3,
        "heavy rain/snow": 4,
    }
    table["weather"] = table["weathersit"].map(weather)
    kept = ["holiday", "weekday", "workingday", "weather"]
    kept += ["temp", "atemp", "hum", "windspeed", "bikers"]
    return table[kept].astype(float)


def read_ett(path):
    """Rows x channels of ETTh1."""
    return pd.read_csv(path, index_col=0).to_numpy(np.float64)


def read_airline(path):
    """Monthly passengers."""
    table = pd.read_csv(path)
    index = pd.DatetimeIndex(table["Date"] + "-01", freq="MS")
    return pd.DataFrame({"passengers": table["Passengers"].to_numpy(float)}, index)


def read_clips(path):
    """Sound clips as arrays of samples, digit and take of each."""
    file = np.load(path)
    clips = np.split(file["samples"].astype(np.float32), file["offsets"][1:-1])
    return clips, file["digit"], file["take"], int(file["rate"])


def read_reviews(path):
    """Texts and sentiments."""
    table = pd.read_csv(path, quoting=csv.QUOTE_MINIMAL)
    return table["review"].to_numpy(object), table["sentiment"].to_numpy()
