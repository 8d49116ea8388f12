"""Real series to try the estimators on, shipped with the package: no download.

Each function returns a :class:`~sklearn.utils.Bunch`, or ``(data, target)``, as the
``load_*`` functions of scikit-learn do. One difference is for windows: tables are
DataFrames by default (``as_frame=True``), because their index holds the times by which
:class:`~sklearn_gru.SlidingWindow` finds the past.

The data are not repaired: they keep the holes in time, missing values and odd readings
of their sources, because windows and estimators must cope with real data. ``DESCR`` of
each Bunch counts them, and names source, license and citation.
"""

from sklearn_gru.datasets._loaders import (
    load_airline,
    load_bike_sharing,
    load_japanese_vowels,
    load_nyc_taxi,
    load_nyc_weather,
)

__all__ = [
    "load_airline",
    "load_bike_sharing",
    "load_japanese_vowels",
    "load_nyc_taxi",
    "load_nyc_weather",
]
