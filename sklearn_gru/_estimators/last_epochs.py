"""The last epochs after early stopping: of all sequences, the validation set too.

The newest sequences tell most about those to come, and early stopping ends while the
learning rate is still high. So networks go on from their best epoch for a few epochs,
in which the rate falls to 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from skorch.callbacks import LoadInitState, LRScheduler, ParamMapper

from sklearn_gru._engines.checkpoint import TimeLimit
from sklearn_gru._engines.torch.net import SequenceNet
from sklearn_gru._support.ranks import of_first_rank

_MOST = 5
_SHARE = 0.5  # of the epochs until the best, at most

# With fewer, `max_iter` asks for a quick fit, which hardly learns noise.
LEAST_EPOCHS = 20

# Callbacks that train another network than training without callbacks would.
_CHANGING = (LoadInitState, LRScheduler, ParamMapper)

Callbacks = Iterable[Any] | None  # each alone, as (name, callback), or a class


def is_usual(callbacks: Callbacks, epochs: int) -> bool:
    """Return whether training is long, and as it would be without callbacks."""
    changed = any(issubclass(kind, _CHANGING) for kind in _kinds(callbacks))
    return epochs >= LEAST_EPOCHS and not changed


def has_time_limit(callbacks: Callbacks) -> bool:
    """Return whether training may end before a network has learned from everything."""
    return any(issubclass(kind, TimeLimit) for kind in _kinds(callbacks))


def _kinds(callbacks: Callbacks) -> Iterator[type]:
    for entry in callbacks or ():
        callback = entry[1] if isinstance(entry, tuple) else entry
        yield callback if isinstance(callback, type) else type(callback)


def last_epochs(best: Sequence[int | None]) -> list[int]:
    """Return the number of last epochs of each network, given its best epoch."""
    return [min(_MOST, math.ceil(_SHARE * (epoch or 0))) for epoch in best]


def has_last_epochs(
    nets: Sequence[SequenceNet], epochs: int, best: Sequence[int | None]
) -> bool:
    """Return whether nets that were trained for at most `epochs` have last epochs.

    They have none if a time limit is over, or nearly.
    """
    numbers = last_epochs(best)
    if min(numbers) == 0 or not all(is_usual(net.callbacks_, epochs) for net in nets):
        return False
    # The clocks of ranks differ, but all must train the same epochs.
    return bool(of_first_rank(all(map(_has_time, nets, numbers))))


def _has_time(net: SequenceNet, epochs: int) -> bool:
    limits = [c for _, c in net.callbacks_ if isinstance(c, TimeLimit)]
    return all(limit.allows(epochs) for limit in limits)
