"""The public loaders: one function per data set.

A loader gives its table an index with the time (and group) of every row, and leaves
feature engineering to the user. The tests of the package, not every call, check that
the files match the docstrings.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_gru._support.rules import Boolean, OneOf, Rule
from sklearn_gru.datasets._files import data_filename, read_description, read_table
from sklearn_gru.exceptions import InvalidParameterError

SUBSETS = ("train", "test", "all")


def load_airline(*, return_X_y=False, as_frame=True):
    """Load the monthly airline passengers of 1949 to 1960 (forecasting).

    The classic univariate series: 144 months with a trend and a yearly season that
    grows with it.

    `data` holds the series as its only column, and `target` is the same series: a model
    reads the past of the series that it predicts. So a window needs ``lag=1`` or more,
    or it would contain the answer, which :class:`~sklearn_gru.SlidingWindow` refuses.
    The target is not shifted by one month, because the lag belongs to the model: it
    sets how far ahead to forecast, and can be tuned.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        Return `data` as a DataFrame and `target` as a Series, indexed by month. If
        False, both are arrays, and the months are in `time` of the Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or float64 array of shape (144, 1)
            Passengers in thousands. The index is a DatetimeIndex named "time" with
            the first of each month and ``freq="MS"``.
        target : Series or float64 array of shape (144,)
            The same numbers.
        frame : DataFrame or None
            The same as `data`, which includes the target; None if not `as_frame`.
        feature_names, target_names : list of str
            Both ``["passengers"]``.
        time : datetime64[s] array of shape (144,)
            The first of each month.
        DESCR : str
            Content, source, license and citation.
        filename : str
            Name of the file in the package's data folder.
    (data, target) : tuple if `return_X_y` is True
        The first two attributes above.

    Examples
    --------
    >>> from sklearn_gru import SlidingWindow
    >>> from sklearn_gru.datasets import load_airline
    >>> X, y = load_airline(return_X_y=True)
    >>> X.head(3)
                passengers
    time
    1949-01-01       112.0
    1949-02-01       118.0
    1949-03-01       132.0
    >>> SlidingWindow(12, lag=1).fit_transform(X, y).shape
    (144, 12, 1)
    """
    _check_booleans("load_airline", return_X_y, as_frame)
    table = read_table("airline", text=["time"], codes=[])
    time = pd.DatetimeIndex(_parse(table.pop("time")), freq="MS", name="time")
    return _table_result(
        "airline",
        table.set_index(time),
        features=["passengers"],
        target="passengers",
        as_frame=as_frame,
        return_X_y=return_X_y,
    )


def load_bike_sharing(*, return_X_y=False, as_frame=True):
    """Load the hourly bike rentals of Washington, D.C., in 2011 (forecasting).

    8645 of the 8760 hours of the year, with calendar and weather. The 115 missing hours
    are holes in the index, and rows on both sides of a hole are more than one hour
    apart: let :class:`~sklearn_gru.SlidingWindow` look up windows by time.

    `data` does not contain the target. The past of the target is the best predictor of
    its future, though: use `frame`, which holds features and target, as the input of
    windows with ``lag=1`` or more.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        Return `data` as a DataFrame and `target` as a Series, indexed by hour. If
        False, both are arrays, and the hours are in `time` of the Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or float64 array of shape (8645, 11)
            The features. The index is a DatetimeIndex named "time", local wall-clock
            time without a time zone. In the frame the codes (season, month, weekday,
            hour, holiday, workingday, weather) are int64, the rest is float64.
        target : Series or float64 array of shape (8645,)
            "bikers", the bikes rented within the hour.
        frame : DataFrame or None
            Features and target; None if not `as_frame`.
        feature_names, target_names : list of str
            Names of the features; ``["bikers"]``.
        time : datetime64[s] array of shape (8645,)
            The hours.
        DESCR : str
            Content, codes, source, license and citation.
        filename : str
            Name of the file in the package's data folder.
    (data, target) : tuple if `return_X_y` is True
        The first two attributes above.

    Notes
    -----
    "weather" is an ordered code: 1 clear, 2 cloudy or misty, 3 light rain or snow, 4
    heavy rain or snow. "weekday" counts from Sunday = 0, not from Monday as pandas
    does. The weather columns are normalized, as described in DESCR.

    Examples
    --------
    >>> from sklearn_gru import SlidingWindow
    >>> from sklearn_gru.datasets import load_bike_sharing
    >>> bikes = load_bike_sharing()
    >>> bikes.data.shape
    (8645, 11)
    >>> bikes.frame.loc["2011-08-27 16:00":"2011-08-28 08:00", ["weather", "bikers"]]
                         weather  bikers
    time
    2011-08-27 16:00:00        3    24.0
    2011-08-27 17:00:00        3    16.0
    2011-08-28 07:00:00        3     1.0
    2011-08-28 08:00:00        3     8.0

    Two days of rentals and weather up to the hour before, with weather forecast and
    calendar of the hour itself:

    >>> window = SlidingWindow(48, lag=1, known_future=["temp", "workingday", "hour"])
    >>> window.fit_transform(bikes.frame, bikes.target).shape
    (8645, 48, 12)
    """
    _check_booleans("load_bike_sharing", return_X_y, as_frame)
    codes = ["season", "month", "weekday", "hour", "holiday", "workingday", "weather"]
    table = read_table("bike_sharing", text=["time"], codes=codes)
    time = pd.DatetimeIndex(_parse(table.pop("time")), name="time")
    return _table_result(
        "bike_sharing",
        table.set_index(time),
        features=[*codes, "temp", "atemp", "hum", "windspeed"],
        target="bikers",
        as_frame=as_frame,
        return_X_y=return_X_y,
    )


def load_japanese_vowels(*, subset="train", return_X_y=False):
    """Load the Japanese vowels data, to identify the speaker (classification).

    640 utterances of 7 to 29 steps, by nine speakers: sequences of different lengths.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 270 training utterances (30 of each speaker), the 370 test utterances (24
        to 88 of each), or the training utterances followed by the test utterances.
        The split is that of the owners.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : list of float64 arrays of shape (n_steps, 12)
            One array per utterance, one row per time step.
        target : int64 array of shape (n_utterances,)
            The speaker, 1 to 9.
        frame : None
            Always None: the utterances have no times, and their lengths differ.
        feature_names : list of str
            "cepstrum_1" to "cepstrum_12".
        target_names : int64 array of shape (9,)
            The labels of the speakers, 1 to 9, in the order of `classes_` of a
            classifier.
        DESCR : str
            Content, source, license and citation.
        filename : str
            Name of the file in the package's data folder.
    (data, target) : tuple if `return_X_y` is True
        The first two attributes above.

    Examples
    --------
    >>> from sklearn_gru.datasets import load_japanese_vowels
    >>> X, y = load_japanese_vowels(return_X_y=True)
    >>> len(X), X[0].shape, X[1].shape
    (270, (20, 12), (26, 12))
    >>> X_test, y_test = load_japanese_vowels(subset="test", return_X_y=True)
    >>> len(X_test)
    370
    """
    _check("load_japanese_vowels", "subset", subset, OneOf(SUBSETS))
    _check("load_japanese_vowels", "return_X_y", return_X_y, Boolean())
    table = read_table(
        "japanese_vowels", text=["subset"], codes=["utterance", "speaker"]
    )
    if subset != "all":
        table = table[table["subset"] == subset]
    # Utterances are numbered from 1 in each subset, so the number changes wherever one
    # utterance ends and the next begins, also between the subsets.
    starts = np.flatnonzero(np.diff(table["utterance"], prepend=0))
    features = [name for name in table.columns if name.startswith("cepstrum")]
    steps = np.array(table[features], dtype=np.float64, order="C")
    # Copies, so that keeping one utterance does not keep all of them in memory.
    data = [utterance.copy() for utterance in np.split(steps, starts[1:])]
    target = np.array(table["speaker"], dtype=np.int64)[starts]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=None,
        feature_names=features,
        target_names=np.unique(target),
        DESCR=read_description("japanese_vowels"),
        filename=data_filename("japanese_vowels"),
    )


def load_nyc_taxi(*, return_X_y=False, as_frame=True):
    """Load the taxi passengers of New York, half-hourly (anomaly detection).

    10320 half-hours from July 2014 to January 2015, without holes. Five events are
    labeled: the marathon, Thanksgiving, Christmas, New Year and a snow storm.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        Return `data` as a DataFrame and `target` as a Series, indexed by half-hour. If
        False, both are arrays, and the times are in `time` of the Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or float64 array of shape (10320, 1)
            Passengers per half-hour. The index is a DatetimeIndex named "time" with
            ``freq="30min"``, local wall-clock time without a time zone.
        target : Series or int64 array of shape (10320,)
            "label": -1 in the window around an event and 1 elsewhere, as outlier
            detectors predict.
        frame : DataFrame or None
            Features and target; None if not `as_frame`.
        feature_names, target_names : list of str
            ``["passengers"]`` and ``["label"]``.
        time : datetime64[s] array of shape (10320,)
            The half-hours.
        DESCR : str
            Content, events, source, license and citation.
        filename : str
            Name of the file in the package's data folder.
    (data, target) : tuple if `return_X_y` is True
        The first two attributes above.

    Notes
    -----
    A window is a tenth of the series divided among the events, centered on each, so
    most of its half-hours are ordinary ones.

    Examples
    --------
    >>> from sklearn_gru.datasets import load_nyc_taxi
    >>> X, y = load_nyc_taxi(return_X_y=True)
    >>> X.head(3)
                         passengers
    time
    2014-07-01 00:00:00     10844.0
    2014-07-01 00:30:00      8127.0
    2014-07-01 01:00:00      6210.0
    >>> (y == -1).sum()
    np.int64(1035)
    """
    _check_booleans("load_nyc_taxi", return_X_y, as_frame)
    table = read_table("nyc_taxi", text=["time"], codes=["label"])
    time = pd.DatetimeIndex(_parse(table.pop("time")), freq="30min", name="time")
    return _table_result(
        "nyc_taxi",
        table.set_index(time),
        features=["passengers"],
        target="label",
        as_frame=as_frame,
        return_X_y=return_X_y,
    )


def load_nyc_weather(*, return_X_y=False, as_frame=True):
    """Load the hourly weather at three New York airports in 2013 (panel forecasting).

    26115 rows: three series with holes in time and missing values. The target is the
    temperature, which is also a column of `data`. Its past is an input, so a window
    needs ``lag=1`` or more (``lag=24`` forecasts a day ahead), or it would contain the
    answer, which :class:`~sklearn_gru.SlidingWindow` refuses.

    One temperature is missing in `data`, and therefore in `target`, where estimators
    refuse it: drop the row, as in the example.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        Return `data` as a DataFrame and `target` as a Series, indexed by airport and
        hour. If False, both are arrays, and the airports and hours are in `group` and
        `time` of the Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or float64 array of shape (26115, 9)
            Measurements, with NaN. The index is a MultiIndex of "origin" ("EWR",
            "JFK" or "LGA") and "time" (UTC), sorted.
        target : Series or float64 array of shape (26115,)
            "temp", the temperature in degrees Fahrenheit, one of them NaN.
        frame : DataFrame or None
            The same as `data`, which includes the target; None if not `as_frame`.
        feature_names, target_names : list of str
            Names of the measurements; ``["temp"]``.
        group : str array of shape (26115,)
            The airports.
        time : datetime64[s] array of shape (26115,)
            The hours in UTC (NumPy does not have time zones).
        DESCR : str
            Content, units, holes, source, license and citation.
        filename : str
            Name of the file in the package's data folder.
    (data, target) : tuple if `return_X_y` is True
        The first two attributes above.

    Notes
    -----
    Times are in UTC, where each hour has one name: New York skips an hour in March and
    repeats one in November. The last example converts to local hours, which people and
    the sun follow.

    Examples
    --------
    >>> from sklearn_gru import SlidingWindow
    >>> from sklearn_gru.datasets import load_nyc_weather
    >>> X, y = load_nyc_weather(return_X_y=True)
    >>> X.groupby(level="origin").size().to_dict()
    {'EWR': 8703, 'JFK': 8706, 'LGA': 8706}
    >>> X, y = X[y.notna()], y[y.notna()]
    >>> SlidingWindow(48, lag=24).fit_transform(X, y).shape
    (26114, 48, 9)
    >>> here = X.index.get_level_values("time").tz_convert("America/New_York")
    >>> here.hour[:3].tolist()
    [1, 2, 3]
    """
    _check_booleans("load_nyc_weather", return_X_y, as_frame)
    table = read_table("nyc_weather", text=["origin", "time"], codes=[])
    keys = [table.pop("origin"), _parse(table.pop("time"), utc=True)]
    index = pd.MultiIndex.from_arrays(keys, names=["origin", "time"])
    return _table_result(
        "nyc_weather",
        table.set_index(index),
        features=list(table.columns),
        target="temp",
        as_frame=as_frame,
        return_X_y=return_X_y,
    )


def _table_result(name, frame, *, features, target, as_frame, return_X_y):
    """Return the result of a table loader; times (and groups) index the `frame`."""
    # Copies, so that adding a column to one part does not change the others. Without
    # copies, arrays would be read-only or in Fortran order.
    data, y = frame[features].copy(), frame[target].copy()
    if not as_frame:
        data = np.array(data, dtype=np.float64, order="C")
        y = np.array(y)
    if return_X_y:
        return data, y
    return Bunch(
        data=data,
        target=y,
        frame=frame if as_frame else None,
        feature_names=features,
        target_names=[target],
        **_keys(frame.index),
        DESCR=read_description(name),
        filename=data_filename(name),
    )


def _keys(index):
    """Return the times, and groups if there are any, as arrays without pandas."""
    time = index.get_level_values("time")
    if time.tz is not None:
        time = time.tz_convert("UTC").tz_localize(None)
    keys = {"time": time.to_numpy().astype("datetime64[s]")}
    if index.nlevels > 1:
        keys["group"] = index.get_level_values(0).to_numpy().astype(np.str_)
    return keys


def _parse(text, *, utc=False):
    return pd.to_datetime(text, format="ISO8601", utc=utc)


def _check_booleans(loader: str, return_X_y: object, as_frame: object) -> None:
    _check(loader, "return_X_y", return_X_y, Boolean())
    _check(loader, "as_frame", as_frame, Boolean())


def _check(loader: str, name: str, value: object, rule: Rule) -> None:
    if not rule.accepts(value):
        raise InvalidParameterError(
            f"{loader}: {name}={value!r} is not allowed; expected {rule}."
        )
