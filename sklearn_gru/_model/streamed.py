"""Sequences over rows in a file, encoded part by part while an engine reads them.

The encoded rows of a file would take as much memory as the file. A part is encoded when
its turn comes, which costs a few percent of an epoch.

Training has to mix the sequences all the same: parts in the order of the file, group
after group, cost accuracy (a panel of 40 series, one after the other: R2 .66 on other
series; in parts of 8 random series .983, all mixed .984). So a part is made of short
runs from everywhere, in a new order in each epoch. A data set of one part is shuffled
like one in memory, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from sklearn_gru._model.encoded import Encoded
from sklearn_gru._support.numbers import evenly

Permutation = Callable[[int], np.ndarray]

MOST = 1 << 17  # sequences in a part
_CELLS = 1 << 22  # encoded cells in a part: sixteen megabytes
_RUNS = 128  # runs in a part

_LOOKED_AT = 2048  # sequences


class Streamed:
    """Encoded sequences that are never in memory as a whole.

    Parameters
    ----------
    sequences : Sequences
        Condensed sequences over rows in a file.
    encode : callable
        From sequences in memory, their targets and their weights to :class:`Encoded`.
    target, weight : ndarray or None
        As in :class:`Encoded`.
    """

    by_row = False
    texts = False
    reads_target = False
    piece_length = None

    def __init__(
        self,
        sequences: Any,
        encode: Callable[[Any, Any, Any], Encoded],
        target: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> None:
        self.sequences = sequences
        self.target = target
        self.weight = weight
        self._encode = encode

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def lengths(self) -> np.ndarray:
        """Number of rows of each sequence (n,)."""
        return self.sequences.lengths

    @property
    def segment_length(self) -> int:
        """Number of steps read together."""
        return self._first.segment_length

    @property
    def n_columns(self) -> int:
        """Number of encoded columns."""
        return self._first.n_columns

    @property
    def n_differences(self) -> int:
        """Number of encoded columns that are differences."""
        return self._first.n_differences

    @cached_property
    def _first(self) -> Encoded:
        return self._part(np.arange(min(len(self), 1)))

    def sample(self) -> Encoded:
        """Return some sequences at even distances, which stand for all of them."""
        return self._part(evenly(len(self), _LOOKED_AT))

    def at(self, index: np.ndarray) -> tuple[Encoded, np.ndarray]:
        """Return encoded data with some of the sequences, and their positions in it."""
        return self._part(index), np.arange(len(index))

    def parts(self) -> Iterator[Encoded]:
        """Yield all sequences in their order."""
        for at in range(0, len(self), self._size):
            yield self._part(np.arange(at, min(at + self._size, len(self))))

    def shuffled(
        self, batch_size: int, permutation: Permutation
    ) -> Iterator[tuple[Encoded, np.ndarray]]:
        """Yield parts of an epoch and the order of their sequences.

        All parts but the last are whole batches.
        """
        size = max(1, self._size // batch_size) * batch_size
        if len(self) <= size:
            yield self._all, permutation(len(self))
            return
        for index in self._mixed(size, permutation):
            yield self._part(index), permutation(len(index))

    def _mixed(self, size: int, permutation: Permutation) -> Iterator[np.ndarray]:
        """Yield positions of `size` sequences at a time, in runs from everywhere."""
        n, run = len(self), max(1, size // _RUNS)
        waiting, count = [], 0
        for number in permutation(-(-n // run)):
            waiting.append(np.arange(number * run, min((number + 1) * run, n)))
            count += len(waiting[-1])
            if count >= size:
                index = np.concatenate(waiting)
                # First, so that the parts it was joined from are not held meanwhile.
                waiting, count = [index[size:]], count - size
                yield index[:size]
        if count:
            yield np.concatenate(waiting)

    @cached_property
    def _size(self) -> int:
        """Number of sequences in a part, so that it fits the memory meant for it."""
        n = len(self)
        few = max(1, min(n, 1024))
        cells = 1
        for first in {0, (n - few) // 2, n - few}:
            part = self._part(np.arange(first, first + few))
            cells = max(cells, part.rows.size)
        return min(MOST, max(64, _CELLS * few // cells))

    @property
    def whole(self) -> Encoded | None:
        """All sequences, if they are one part; otherwise None."""
        return self._all if len(self) <= self._size else None

    @cached_property
    def _all(self) -> Encoded:
        return self._part(np.arange(len(self)))

    def _part(self, index: np.ndarray) -> Encoded:
        target, weight = (
            None if array is None else array[index]
            for array in (self.target, self.weight)
        )
        return self._encode(self.sequences[index].compact(), target, weight)


Data = Encoded | Streamed
