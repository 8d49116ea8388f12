"""Real series to try the estimators on, shipped with the package: no download.

Each function returns a :class:`~sklearn.utils.Bunch`, or ``(data, target)``, as the
``load_*`` functions of scikit-learn do, with one difference that windows need: tables
come as DataFrames by default (``as_frame=True``), because their index holds the times
by which :class:`~sklearn_gru.SlidingWindow` finds the past.

Nothing is repaired: holes in time, missing values and odd readings are those of the
sources, because real data is what the windows and the estimators must cope with.
``DESCR`` of each Bunch counts them, and names source, licence and citation.
"""

from sklearn_gru.datasets._loaders import (
    load_airline,
    load_bike_sharing,
    load_japanese_vowels,
    load_nyc_weather,
)

__all__ = [
    "load_airline",
    "load_bike_sharing",
    "load_japanese_vowels",
    "load_nyc_weather",
]
