"""Keys of series: one per row of a call, and as text in a snapshot of arrays."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from sklearn_gru.exceptions import InputError, StreamError

_PLAIN = (str, int, float, bool, type(None))


def different_labels(keys: Sequence[Hashable]) -> list[Hashable]:
    """Return the keys of a call as a list, of which each names another series."""
    labels = keys.tolist() if isinstance(keys, np.ndarray) else list(keys)
    if len(set(labels)) < len(labels):
        twice = next(k for k in labels if labels.count(k) > 1)
        raise InputError(
            f"keys holds {twice!r} more than once: a series takes one row per call. "
            "Call update_many once per row of a series."
        )
    return labels


def check_as_many(n_rows: int, n_keys: int) -> None:
    """Raise InputError unless every row has a key."""
    if n_rows != n_keys:
        raise InputError(f"{n_rows} rows, but {n_keys} keys: pass one key per row.")


def write_labels(keys: Iterable[Hashable]) -> np.ndarray:
    """Return keys as an array of text.

    >>> write_labels(["a", 7, ("b", 1.5), None])
    array(['"a"', '7', '["b", 1.5]', 'null'], dtype='<U10')
    """
    return np.array([json.dumps(_plain(key)) for key in keys], dtype=np.str_)


def read_labels(texts: np.ndarray) -> list[Hashable]:
    """Return the keys that `write_labels` wrote.

    >>> read_labels(write_labels(["a", 7, ("b", 1.5), None]))
    ['a', 7, ('b', 1.5), None]
    """
    return [_hashable(json.loads(str(text))) for text in texts]


def _plain(key: Any) -> Any:
    if isinstance(key, tuple):
        return [_plain(part) for part in key]
    if isinstance(key, np.generic):
        key = key.item()
    if isinstance(key, _PLAIN):
        return key
    raise StreamError(
        f"The state of a stream stores keys as text, numbers or tuples of them, but "
        f"{key!r} is a {type(key).__name__}: use keys such as str(key)."
    )


def _hashable(value: Any) -> Hashable:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
