"""Rows that lie in a file, of which the system reads the pages that are touched.

They may be larger than memory, so nothing may be made that is as large as they are,
and nothing that has 8 bytes per row if a few rows are asked for: code that meets them
works in blocks. joblib hands arrays of memory to its workers as files of its own; these
count as memory, so that a fit does not depend on the number of workers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BLOCK_ROWS = 1 << 16  # rows in a block: some megabytes of float64

_OF_JOBLIB = "joblib_memmapping_folder"


def blocks(n: int, size: int = BLOCK_ROWS) -> Iterator[slice]:
    """Yield slices of n rows or columns, a block each."""
    for at in range(0, n, size):
        yield slice(at, min(at + size, n))


def is_on_disk(array: Any) -> bool:
    """Tell whether an array is a view of a file that somebody else than joblib made."""
    mapped = _mapped(array)
    if mapped is None:
        return False
    name = mapped.filename
    return name is None or _OF_JOBLIB not in str(name)


def _mapped(array: Any) -> np.memmap | None:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(array.base, np.memmap):
            array = array.base  # a slice, whose offset numpy does not tell
            continue
        if isinstance(array, np.memmap):
            return array if array.base is not None else None
        array = array.base
    return None


def blank(shape: tuple[int, int], dtype: Any, like: np.ndarray) -> np.ndarray:
    """Return an array to fill: in a file without a name, if `like` is in a file."""
    if not is_on_disk(like) or not np.prod(shape):
        return np.empty(shape, dtype=dtype)
    with tempfile.TemporaryFile() as file:
        file.truncate(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)


def gathered(values: np.ndarray, rows: Any) -> np.ndarray:
    """Return some rows, by a slice, a mask or positions; many of a file in a file."""
    if isinstance(rows, slice) or not is_on_disk(values):
        return values[rows]
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows
    if len(rows) <= BLOCK_ROWS:
        return np.array(values[rows])
    found = blank((len(rows), values.shape[1]), values.dtype, like=values)
    for at in range(0, len(rows), BLOCK_ROWS):
        found[at : at + BLOCK_ROWS] = values[rows[at : at + BLOCK_ROWS]]
    return found


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the rows of both; in a file if those of the second are in one."""
    if not is_on_disk(second):
        return np.concatenate([first, second])
    shape = len(first) + len(second), second.shape[1]
    found = blank(shape, np.result_type(first, second), like=second)
    found[: len(first)] = first
    for at in range(0, len(second), BLOCK_ROWS):
        block = second[at : at + BLOCK_ROWS]
        found[len(first) + at : len(first) + at + len(block)] = block
    return found


def count_missing(values: np.ndarray) -> np.ndarray:
    """Return the number of NaN in each column, block by block."""
    count = np.zeros(values.shape[1], dtype=np.int64)
    for at in range(0, len(values), BLOCK_ROWS):
        count += np.isnan(values[at : at + BLOCK_ROWS]).sum(axis=0)
    return count


@dataclass(frozen=True)
class Place:
    """The place of rows in a file, as a pickle carries it in place of the rows.

    Attributes
    ----------
    path : str
        Absolute path of the file.
    size, changed : int
        Size of the file and time of its last change, in nanoseconds.
    offset : int
        First byte of the rows.
    shape : tuple of int
        Number of rows and columns.
    dtype : str
        Type of a cell.
    """

    path: str
    size: int
    changed: int
    offset: int
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, values: np.ndarray) -> Place | None:
        """Return the place of rows; None for memory, and for files without a name."""
        mapped = _mapped(values)
        if mapped is None or not is_on_disk(values) or not values.flags.c_contiguous:
            return None
        if mapped.filename is None or not os.path.isfile(mapped.filename):
            return None
        path, found = Path(mapped.filename).resolve(), os.stat(mapped.filename)
        inside = _address(values) - _address(mapped)
        return cls(
            str(path),
            found.st_size,
            found.st_mtime_ns,
            int(mapped.offset) + inside,
            values.shape,
            values.dtype.str,
        )

    def open(self) -> np.ndarray:
        """Return the rows, after checking that the file is as it was.

        Raises
        ------
        ValueError
            The file is gone, or was changed.
        """
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise ValueError(
                f"The rows of this pickle lie in the file {self.path}, which cannot be "
                f"read: {error.strerror}. Put it back there, or make the pickle again."
            ) from error
        if (found.st_size, found.st_mtime_ns) != (self.size, self.changed):
            raise ValueError(
                f"The rows of this pickle lie in the file {self.path}, which was "
                f"changed since: it had {self.size} bytes and has {found.st_size}. "
                "Make the pickle again from the file as it is."
            )
        return np.memmap(
            self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=self.shape
        )


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]
