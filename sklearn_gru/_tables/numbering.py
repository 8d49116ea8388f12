"""Codes of rows numbered anew, and the first row of each, without a hash."""

from __future__ import annotations

import numpy as np

from sklearn_gru._support.on_disk import BLOCK_ROWS


def numbered(codes: np.ndarray, n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes (n,) numbered by first appearance, and the old ones in that order.

    Codes that no row has are left out.
    """
    first = first_rows(codes, n_codes)
    order = np.argsort(first, kind="stable")
    order = order[first[order] < len(codes)]
    number = np.empty(n_codes, dtype=np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return number[codes], order


def first_rows(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Return the first row (n_codes,) with each code; len(codes) without any."""
    first = np.full(n_codes, len(codes))
    for at in reversed(range(0, len(codes), BLOCK_ROWS)):
        block = codes[at : at + BLOCK_ROWS][::-1]
        first[block] = np.arange(at + len(block) - 1, at - 1, -1)
    return first


def place_dtype(n: int) -> type[np.signedinteger]:
    """Return the type of places among n rows: four bytes, unless there are too many."""
    return np.int32 if n < 2**31 else np.int64
