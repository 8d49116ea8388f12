"""Series on every kind of time line, each with the rule that goes back along it."""

import numpy as np
import pandas as pd


def make_values(n, rng):
    values = rng.normal(size=(n, 3))
    values[rng.random((n, 3)) < 0.05] = np.nan
    return values


def _single(index, rng):
    return pd.DataFrame(make_values(len(index), rng), index=index, columns=list("abc"))


def _thin(index, rng, share=0.12):
    """Drop some times, never the first two, so that holes appear."""
    keep = rng.random(len(index)) > share
    keep[:2] = True
    return index[keep]


def _back_by(offset):
    return lambda t, k: t - k * offset


def _back_wall(days):
    return lambda t, k: (t.tz_localize(None) - pd.Timedelta(days=days * k)).tz_localize(
        t.tz
    )


def _back_month_end(t, k):
    return (
        t
        if k == 0
        else (t + pd.Timedelta(days=1) - pd.DateOffset(months=k))
        - (pd.Timedelta(days=1))
    )


def _cases():
    rng = np.random.default_rng(0)
    dates = pd.date_range
    hour = pd.Timedelta(hours=1)
    hourly = dates("2024-03-30 10:00", periods=50, freq="h", tz="Europe/Berlin")
    autumn = dates("2024-10-26 10:00", periods=50, freq="h", tz="Europe/Berlin")
    daily = dates("2024-03-10", periods=50, freq="D", tz="Europe/Berlin")
    business = dates("2024-03-20", periods=50, freq="B")
    holidays = pd.to_datetime(["2024-03-29", "2024-04-01", "2024-05-01"])
    business = business.difference(holidays)
    start = dates("2020-01-01", periods=50, freq="MS")
    end = dates("2020-01-31", periods=50, freq="ME")
    yield "hourly across spring", _single(_thin(hourly, rng), rng), _back_by(hour), {}
    yield "hourly across autumn", _single(_thin(autumn, rng), rng), _back_by(hour), {}
    yield "daily wall clock", _single(_thin(daily, rng), rng), _back_wall(1), {}
    yield (
        "daily naive",
        _single(_thin(daily.tz_localize(None), rng), rng),
        _back_by(pd.Timedelta(days=1)),
        {},
    )
    yield (
        "monthly start",
        _single(_thin(start, rng), rng),
        lambda t, k: t - pd.DateOffset(months=k),
        {},
    )
    yield "monthly end", _single(_thin(end, rng), rng), _back_month_end, {}
    yield (
        "business days with holidays",
        _single(business, rng),
        lambda t, k: t - k * pd.offsets.BusinessDay(),
        {"freq": "B"},
    )
    integer = pd.Index(_thin(np.arange(100, 400, 6), rng))
    yield "integer", _single(integer, rng), _back_by(6), {}
    periods = pd.period_range("2020-01", periods=50, freq="Q")
    yield "periods", _single(_thin(periods, rng), rng), _back_by(1), {}
    irregular = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        np.cumsum(rng.integers(1, 10**6, 45)), unit="s"
    )
    yield "irregular", _single(irregular, rng), None, {}
    yield "declared irregular", _single(hourly[:40], rng), None, {"freq": None}
    yield "panel in index", _panel(rng), _back_by(hour), {}


def _panel(rng):
    """Three groups with unequal starts, their own phase, and holes."""
    parts = []
    for k, group in enumerate(["x", "y", "z"]):
        begin = pd.Timestamp("2024-01-01") + pd.Timedelta(hours=5 * k, minutes=7 * k)
        times = _thin(pd.date_range(begin, periods=22 - 3 * k, freq="h"), rng)
        index = pd.MultiIndex.from_product([[group], times], names=["shop", "when"])
        parts.append(_single(index, rng))
    return pd.concat(parts)


CASES = {name: case for name, *case in _cases()}
