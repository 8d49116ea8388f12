"""Rows of all ranks: what each process has given to fit, as one data set.

All of what a fit learns is a function of all rows, so every rank gets them; the ranks
share the work of training, not the memory. A fit that is given the same rows on every
rank has them already.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import pickle
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import _num_samples

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.on_disk import Place, is_on_disk
from sklearn_gru._support.ranks import Ranks, current, has_all_rows, sharing
from sklearn_gru._tables.frames import is_store, table_of_column
from sklearn_gru.exceptions import InputError

# Arguments that are rows of the same data, the first of which is X.
_TOGETHER = (("X", "y", "sample_weight"), ("X_val", "y_val", "sample_weight_val"))


def of_all_ranks(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method that fits: it gets the rows of all ranks, if there are some."""
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        ranks = current()
        if ranks is None or has_all_rows():
            return fit(self, *args, **kwargs)
        given = signature.bind(self, *args, **kwargs)
        for names in _TOGETHER:
            found = {name: given.arguments.get(name) for name in names}
            for name, value in rows_of_all(ranks, found).items():
                if value is not None:
                    given.arguments[name] = value
        with sharing(ranks, has_all_rows=True):
            return fit(*given.args, **given.kwargs)

    return call


def rows_of_all(ranks: Ranks, given: dict[str, Any]) -> dict[str, Any]:
    """Return X, y and weights of all ranks, one after the other.

    What is the same on every rank stays as it is. So does X if it has as many rows as
    the targets of all ranks have together.
    """
    own = {name: _Described.of(value) for name, value in given.items()}
    every = ranks.gather(own, patient=True)
    for name in given:
        present = [found[name] is not None for found in every]
        if any(present) and not all(present):
            raise InputError(
                f"{name} was given to fit on {sum(present)} of {ranks.size} ranks. "
                "Give it on all of them, or on none."
            )
    columns = {n: [found[n] for found in every] for n in given if own[n] is not None}
    if not columns:
        return given
    first, *rest = columns.values()
    n_rows = first[0].n_rows

    def is_whole(column: list[_Described]) -> bool:
        return len(set(column)) == 1 and column[0].n_rows == n_rows

    def is_cut(column: list[_Described]) -> bool:
        return sum(found.n_rows for found in column) == n_rows

    x_is_whole = is_whole(first) and all(is_whole(c) or is_cut(c) for c in rest)
    return {
        name: value
        if name not in columns or (x_is_whole and is_whole(columns[name]))
        else gathered(ranks, value, name)
        for name, value in given.items()
    }


class _Described(NamedTuple):
    """Number of rows, and a hash of what they are."""

    n_rows: int
    digest: bytes

    @classmethod
    def of(cls, value: Any) -> _Described | None:
        if value is None:
            return None
        digest = hashlib.blake2b(digest_size=16)
        for piece in _contents(value):
            digest.update(piece)
        n = _num_samples(value) if hasattr(value, "__len__") else 1
        return cls(n, digest.digest())


def _contents(value: Any) -> Iterable[Any]:
    """Yield bytes that are the same in every process for the same rows.

    A pickle is not: it says which of equal strings are one object.
    """
    table = table_of_column(value)
    if isinstance(value, Sequences):
        for part in (value.values, value.starts, value.lengths):
            yield from _contents(part)
    elif table is not None:
        yield from table.content(value)
    elif isinstance(value, np.ndarray) and is_on_disk(value):
        yield repr(Place.of(value)).encode()
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield f"{value.dtype.str}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, (list, np.ndarray)):
        for item in value:
            yield from _contents(item)
    else:
        yield pickle.dumps(value)


def gathered(ranks: Ranks, value: Any, name: str = "X") -> Any:
    """Return the rows of all ranks, one after the other.

    Raises
    ------
    InputError
        Rows in a file, or of kinds that differ between ranks.
    """
    rows = value.values if isinstance(value, Sequences) else value
    if is_store(rows) or is_on_disk(rows):
        raise InputError(
            f"{name} has rows in a file, and other rows on each of the {ranks.size} "
            "ranks. Write all rows into one store, and open it on every rank: "
            "RowStore.open(path)."
        )
    return joined(ranks.gather(value, patient=True), name)


def joined(parts: list[Any], name: str = "X") -> Any:
    """Return parts of rows as one, in their order; those without a row are left out."""
    kinds = {type(part) for part in parts}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise InputError(
            f"{name} differs in type between ranks: {names}. Give all ranks one type."
        )
    parts = [part for part in parts if len(part)] or parts[:1]
    first = parts[0]
    if len(parts) == 1:
        return first
    try:
        if isinstance(first, Sequences):
            return _joined_sequences(parts)
        if isinstance(first, (list, tuple)):
            return [item for part in parts for item in part]
        table = table_of_column(first)
        return np.concatenate(parts) if table is None else table.joined(parts)
    except Exception as error:  # each library raises its own
        raise InputError(
            f"The rows of {name} on {len(parts)} ranks do not fit together: {error}"
        ) from error


def _joined_sequences(parts: list[Sequences]) -> Sequences:
    described_as = [repr((part.feature_names, part.categories)) for part in parts]
    if len(set(described_as)) > 1:
        raise ValueError("their feature_names or categories differ")
    offsets = np.cumsum([0, *(len(part.values) for part in parts[:-1])])
    described = {}
    for name in ("order", "groups"):
        values = [getattr(part, name) for part in parts]
        described[name] = None if values[0] is None else np.concatenate(values)
    return Sequences(
        np.concatenate([part.values for part in parts]),
        np.concatenate([p.starts + at for p, at in zip(parts, offsets, strict=True)]),
        np.concatenate([part.lengths for part in parts]),
        max(part.shape[1] for part in parts),
        parts[0].feature_names,
        parts[0].categories,
        **described,
    )
