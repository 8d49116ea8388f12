"""The file of a row store: sections of plain numbers, and a description at the end.

::

    magic | rows float32 (n, n_features) | time (n,) | target float64 (n, n_targets)
          | description, JSON | its length and checksum, magic

Rows lie group after group, each in order of time. The description is written last and
the file gets its name when it is whole, so there is no half-written store under that
name, and a store that is replaced stays whole until then.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sklearn_gru.exceptions import StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAGIC = b"sklearn_gru row store 1\n"
_START = 4096  # of the rows: a page of the system
_END = struct.Struct("<QI24s")  # length and checksum of the description, magic
_SAMPLED = 64  # places of the file whose checksum is looked at, a page each
_PAGE = 4096
_ALIGNED = 64  # bytes, of the sections after the rows
_COPIED = 1 << 24  # bytes copied at a time


@dataclass(frozen=True)
class Sections:
    """Places of the numbers in the file of a store, and what they are.

    Attributes
    ----------
    about : dict
        The description: names, kinds, groups, categories and moments.
    rows, time, target : ndarray
        Views of the file.
    """

    about: dict[str, Any]
    rows: np.ndarray
    time: np.ndarray
    target: np.ndarray


def open_file(path: Path) -> Sections:
    """Return the sections of a store.

    Raises
    ------
    StoreError
        The file is missing, is not a store, or is not whole.
    """
    try:
        with path.open("rb") as file:
            about = _description(file, path)
            seen = _sampled(file, about["size"])
    except OSError as error:
        raise StoreError(
            f"There is no row store at {path}: {error.strerror}. It was moved, or is "
            "still to be made with RowStore.write(source, path, groups=…, time=…, "
            "target=…)."
        ) from error
    if seen != about["sampled"]:
        raise _damaged(path, "its rows are not those that were written")
    n, places = about["n_rows"], about["places"]
    shapes = {
        "rows": ("<f4", (n, len(about["names"]))),
        "time": (about["time_dtype"], (n,)),
        "target": ("<f8", (n, len(about["targets"]))),
    }
    found = {}
    for name, (dtype, shape) in shapes.items():
        found[name] = np.empty(shape, dtype)
        if found[name].size:
            found[name] = np.memmap(path, dtype, "r", places[name], shape)
    return Sections(about, **found)


def _description(file: BinaryIO, path: Path) -> dict[str, Any]:
    size = os.fstat(file.fileno()).st_size
    if file.read(len(MAGIC)) != MAGIC:
        raise StoreError(
            f"{path} is not a row store. RowStore.write(source, path, groups=…, "
            "time=…, target=…) makes one."
        )
    if size < _START + _END.size:
        raise _damaged(path, f"it ends after {size} bytes")
    file.seek(size - _END.size)
    length, checksum, magic = _END.unpack(file.read(_END.size))
    if magic != MAGIC or length > size:
        raise _damaged(path, f"its end is missing, after {size} bytes")
    file.seek(size - _END.size - length)
    text = file.read(length)
    if zlib.crc32(text) != checksum:
        raise _damaged(path, "its description is not the one that was written")
    try:
        about = json.loads(text)
        fits = _fits(about)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        fits = False
    if not fits:
        raise _damaged(path, "its description contradicts itself")
    if about["size"] + length + _END.size != size:
        raise _damaged(path, f"it has {size} bytes, and was written with others")
    return about


def _fits(about: dict[str, Any]) -> bool:
    """Tell whether the sizes and places of a description are those of its rows.

    Whatever is mapped by them is inside the file, and holds numbers only.
    """
    names, labels, counts = about["names"], about["labels"], about["counts"]
    sizes = [about["n_rows"], about["size"], *counts]
    if not all(type(size) is int and size >= 0 for size in sizes):
        return False
    listed = (names, about["categories"], about["targets"], about["group_names"])
    if not all(isinstance(part, list) for part in listed):
        return False
    if len(about["categories"]) != len(names) or len(counts) != len(labels):
        return False
    kind, _, _ = about["axis"]
    dtype = "<f8" if kind == "number" else "<i8"
    return (
        sum(counts) == about["n_rows"]
        and about["time_dtype"] == dtype
        and (about["places"], about["size"]) == _layout(about)
    )


def _layout(about: dict[str, Any]) -> tuple[dict[str, int], int]:
    """Return the places of the sections that :func:`finish` writes, and their end."""
    n = about["n_rows"]
    end = _START + 4 * n * len(about["names"])
    places = {"rows": _START}
    for name, width in (("time", 1), ("target", len(about["targets"]))):
        places[name] = end + -end % _ALIGNED
        end = places[name] + 8 * n * width
    return places, end


def _damaged(path: Path, seen: str) -> StoreError:
    return StoreError(
        f"The row store {path} is damaged or half-copied: {seen}. Copy the whole file "
        "again, or write it again with RowStore.write."
    )


def _sampled(file: BinaryIO, size: int) -> int:
    """Return a checksum of pages at even distances."""
    checksum = 0
    for at in np.linspace(0, max(size - _PAGE, 0), _SAMPLED).astype(np.int64).tolist():
        file.seek(at)
        checksum = zlib.crc32(file.read(min(_PAGE, size - at)), checksum)
    return checksum


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that gets the name `path` if the block ends without an error."""
    prefix = f".{path.name}."
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        _remove_if_left(left)
    handle, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            _lock(file)
            file.write(MAGIC.ljust(_START, b"\0"))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed; return False if another process has done so."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_if_left(path: Path) -> None:
    """Remove what a killed write left: a file of its name that nobody has locked."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        if _lock(file) and file.read(len(MAGIC)) in (MAGIC, b""):
            path.unlink()


def finish(
    file: BinaryIO, sections: dict[str, BinaryIO], about: dict[str, Any]
) -> None:
    """Append the sections after the rows, and the description."""
    places = {"rows": _START}
    for name, section in sections.items():
        file.seek(0, os.SEEK_END)
        file.write(b"\0" * (-file.tell() % _ALIGNED))
        places[name] = file.tell()
        section.seek(0)
        shutil.copyfileobj(section, file, _COPIED)
    file.seek(0, os.SEEK_END)
    size = file.tell()
    file.flush()
    about = {**about, "places": places, "size": size, "sampled": _sampled(file, size)}
    text = json.dumps(about).encode()
    file.seek(0, os.SEEK_END)
    file.write(text + _END.pack(len(text), zlib.crc32(text), MAGIC))


def map_rows(file: BinaryIO, n: int, width: int) -> np.ndarray:
    """Return the rows of an unfinished file, to be changed in place."""
    file.flush()
    if not n * width:
        return np.empty((n, width), dtype=np.float32)
    return np.memmap(file, "<f4", "r+", _START, (n, width))
