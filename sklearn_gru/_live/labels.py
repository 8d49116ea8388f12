"""Keys of series as text, so that a snapshot holds arrays and no objects."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from sklearn_gru.exceptions import StreamError

_PLAIN = (str, int, float, bool, type(None))


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
