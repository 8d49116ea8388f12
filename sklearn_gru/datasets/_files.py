"""Readers of the data files in the package: compressed tables and descriptions.

Files are opened through :mod:`importlib.resources`, so that they are found wherever
the package is installed, and are gzip-compressed text, so that they can be read without
this package. ``tests/tools/convert_datasets.py`` wrote them.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import resources

import numpy as np
import pandas as pd

_PACKAGE = "sklearn_gru.datasets"


def data_filename(name: str) -> str:
    """Return the name of the data file of the data set `name`."""
    return f"{name}.csv.gz"


def read_table(name: str, *, text: Collection[str], codes: Collection[str]):
    """Read the data set `name`: columns of text, of integer codes, and of float64.

    Codes are int64 although they are small: int8 would silently overflow in common
    features such as ``24 * weekday + hour``.
    """
    file = resources.files(_PACKAGE).joinpath("data", data_filename(name))
    with file.open("rb") as stream:
        # Text first: the number parser of older pandas versions may be off by one unit
        # in the last place, and newer versions deprecate the option that fixes it.
        table = pd.read_csv(stream, compression="gzip", dtype="str")
    measured = table.columns.difference([*text, *codes])
    numbers = dict.fromkeys(codes, np.int64) | dict.fromkeys(measured, np.float64)
    return table.astype(numbers)


def read_description(name: str) -> str:
    """Read the description of the data set `name`, reStructuredText."""
    file = resources.files(_PACKAGE).joinpath("descr", f"{name}.rst")
    return file.read_text(encoding="utf-8")
