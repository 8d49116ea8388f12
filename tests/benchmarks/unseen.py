"""When to warn that values lie far outside those of fit.

``python -m tests.benchmarks unseen`` prints, per rule, how often `predict` would warn on
the ordinary rows after a fit, on the same rows with a planted change of level or trend in
the column that is forecast, and how far the forecasts are off with and without a warning.
``python -m tests.benchmarks.unseen --data folder`` adds ``ETTh1.csv`` and the real series
of ``NAB.zip``. A sequence is far outside by its level (the mean of its steps against the means
in fit, the rule of ``sklearn_gru._encoding.seen_range``) or by most of its steps (each
against the values in fit), by more than a margin in ranges of the training data; a warning
needs a share of such sequences.
"""

import argparse
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets
from sklearn_gru._encoding import seen_range
from sklearn_gru.exceptions import UnseenDataWarning

RULES = [
    *(("steps", m, s) for m in (0.1, 0.25, 0.5) for s in (0.1, 0.25)),
    *(("level", m, s) for m in (0.2, 0.3, 0.4, 0.5) for s in (0.1, 0.15, 0.25)),
]
FIT_ROWS = (150, 500, 2000)
ORIGINS = 4
NAB = ("realKnownCause", "realTraffic", "realAWSCloudwatch")


def read(folder):
    """Yield the name of a data set, a table of numbers and the column to forecast."""
    X, y = datasets.load_airline(return_X_y=True)
    yield "airline", pd.DataFrame({"y": np.asarray(y, float)}), "y"
    X, y = datasets.load_bike_sharing(return_X_y=True)
    yield "bikes", numbers(X.assign(bikers=np.asarray(y))), "bikers"
    X, y = datasets.load_nyc_taxi(return_X_y=True)
    yield "taxi", pd.DataFrame({"taxi": np.asarray(X, float).ravel()}), "taxi"
    X, y = datasets.load_nyc_weather(return_X_y=True)
    for airport, rows in X.groupby(level=0):
        yield f"weather of {airport}", numbers(rows), "temp"
    if folder is None:
        return
    yield "ETTh1", numbers(pd.read_csv(folder / "ETTh1.csv")), "OT"
    with zipfile.ZipFile(folder / "NAB.zip") as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".csv") and any(f"{part}/" in name for part in NAB):
                rows = pd.read_csv(io.BytesIO(archive.read(name)))
                yield f"NAB {Path(name).stem}", numbers(rows[["value"]]), "value"


def numbers(table):
    """Return the numeric columns of a table as floats, rows numbered."""
    found = table.select_dtypes("number").astype(np.float64).reset_index(drop=True)
    return found.loc[:, found.notna().any()]


def cuts(n):
    """Yield the first and last row of fit, and the end of the rows after it."""
    for size in FIT_ROWS:
        ahead = size // 3
        if size + ahead <= n:
            for begin in np.linspace(0, n - size - ahead, ORIGINS).astype(int):
                yield begin, begin + size, begin + size + ahead
    if n < FIT_ROWS[0]:
        yield 0, n * 3 // 4, n


def planted(later, target, low, high):
    """Yield kinds of the rows after a fit: as they are, and with planted changes."""
    yield "as is", later
    ramp = np.linspace(0.0, 1.0, len(later))
    for kind, change in {
        "level +.25": 0.25,
        "level +.5": 0.5,
        "level +1": 1.0,
        "level -1": -1.0,
        "trend to +1": ramp,
        "trend to +2": 2 * ramp,
    }.items():
        changed = later[target] + change * (high - low)
        yield kind, later.assign(**{target: changed})


def warns(seen, sequences, rule):
    """Tell whether `predict` would warn by a rule."""
    kind, margin, share = rule
    if kind == "steps":
        far = mostly_outside(seen, sequences, margin)
        return bool((far.mean(axis=0) > share).any())
    now = seen_range._MARGIN, seen_range._SEQUENCES
    seen_range._MARGIN, seen_range._SEQUENCES = margin, share
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UnseenDataWarning)
            seen.warn_outside(sequences)
    finally:
        seen_range._MARGIN, seen_range._SEQUENCES = now
    return bool(said)


def mostly_outside(seen, sequences, margin):
    """Tell which sequences have most of their steps beyond the values (n, n_features)."""
    values, margin = sequences.values, margin * (seen.high - seen.low)
    outside = (values < seen.low - margin) | (values > seen.high + margin)
    total = np.cumsum(np.pad(outside & ~seen.is_code, ((1, 0), (0, 0))), axis=0)
    steps = total[sequences.starts + sequences.lengths] - total[sequences.starts]
    return 2 * steps > sequences.lengths[:, None]


def look_at(table, target, model):
    """Yield, per fit and kind of later rows, the growth of the error and who warns."""
    table = table[table[target].notna()].reset_index(drop=True)
    for begin, split, end in cuts(len(table)):
        early, later = table[begin:split], table[split:end]
        if early[target].nunique() < 2:
            continue
        low, high = early[target].min(), early[target].max()
        fitted = clone(model).fit(early, early[target])
        usual = np.abs(fitted.predict(early) - early[target]).mean()
        for kind, rows in planted(later, target, low, high):
            sequences = fitted[0].transform(rows)
            forecast = fitted[1].predict(sequences)
            error = np.abs(forecast - rows[target]).mean() / max(usual, 1e-12)
            seen = fitted[1]._fitted.encoder.seen
            found = {rule: warns(seen, sequences, rule) for rule in RULES}
            yield {"rows": split - begin, "kind": kind, "error": error, **found}


def tables(found):
    """Return the rate of warnings per rule, and the growth of the error with and without."""
    ordinary = found[found["kind"] == "as is"]
    of = {
        "weather": ordinary["data"].str.startswith("weather"),
        "NAB": ordinary["data"].str.startswith("NAB"),
    }
    of["other"] = ~(of["weather"] | of["NAB"])
    rows = {}
    for rule in RULES:
        rates = {f"as is: {kind}": ordinary[rule][of[kind]].mean() for kind in of}
        for kind, part in found.groupby("kind", sort=False):
            if kind != "as is":
                rates[kind] = part[rule].mean()
        fires = found[rule].astype(bool)
        rates["error, warned"] = found["error"][fires].median()
        rates["error, silent"] = found["error"][~fires].median()
        rows[rule] = rates
    errors = found.groupby("kind", sort=False)["error"].median()
    return pd.DataFrame(rows).T.rename_axis(["far by", "margin", "share"]), errors


def main(folder=None):
    """Print both tables."""
    model = make_pipeline(
        SlidingWindow(24, lag=1),
        GRURegressor(8, max_iter=15, random_state=0, dtype="float32"),
    )
    model[1].set_params(normalization=None)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, table, target in read(folder):
            found += [{"data": name, **row} for row in look_at(table, target, model)]
    rates, errors = tables(pd.DataFrame(found))
    fits = sum(row["kind"] == "as is" for row in found)
    print(f"{fits} fits of {', '.join(map(str, FIT_ROWS))} rows; share that warn\n")
    with pd.option_context("display.width", 200, "display.max_columns", None):
        print(rates.round(2).to_string())
    print("\nmedian error, in errors on the rows of fit")
    print(errors.round(1).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    main(parser.parse_args().data)
