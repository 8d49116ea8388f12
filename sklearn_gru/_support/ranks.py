"""Ranks: processes that fit one model together, as `sklearn_gru.distributed` sets up.

Code of every layer may ask for the ranks that it runs in; without them there are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import numpy as np


class Ranks(Protocol):
    """The processes of a fit, of which this is one."""

    rank: int
    size: int

    @property
    def exchange_seconds(self) -> float:
        """Typical time of an exchange, the same on every rank."""
        ...

    def gather(self, value: Any, *, patient: bool = False) -> list[Any]:
        """Return the values of all ranks, in their order.

        With `patient`, the others may need long to come here.
        """
        ...

    def exchange(self, own: np.ndarray, every: np.ndarray) -> None:
        """Write the arrays (k,) of all ranks to `every` (size, k)."""
        ...


class _Shared(NamedTuple):
    """The ranks of a context, and whether its fits have the rows of all of them."""

    ranks: Ranks | None = None
    has_all_rows: bool = False


_ALONE = _Shared()
_shared: ContextVar[_Shared] = ContextVar("ranks", default=_ALONE)


def current() -> Ranks | None:
    """Return the ranks that share the fits of this context, or None."""
    return _shared.get().ranks


def has_all_rows() -> bool:
    """Return whether this context has the rows of all ranks already."""
    return _shared.get().has_all_rows


@contextmanager
def sharing(ranks: Ranks | None, *, has_all_rows: bool = False) -> Iterator[None]:
    """Let fits be shared by ranks; by none with None."""
    token = _shared.set(_Shared(ranks, has_all_rows))
    try:
        yield
    finally:
        _shared.reset(token)


def of_first_rank(value: Any) -> Any:
    """Return the value that the first rank has, such as a random seed."""
    ranks = current()
    return value if ranks is None else ranks.gather(value)[0]
