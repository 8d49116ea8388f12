"""The newest steps of sequences, each with the steps before it as input.

No row is copied: a step is a value of the rows, and its input is an interval of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru.exceptions import InputError

# Sequences whose last steps are laid out at once; each takes 24 bytes per step.
_BLOCK = 1 << 16


class Context(NamedTuple):
    """The steps that a step is predicted from.

    Attributes
    ----------
    size : int
        Largest number of steps to read.
    horizon : int
        Distance in steps from the last step read to the step itself.
    """

    size: int
    horizon: int = 1


class NewestSteps(NamedTuple):
    """Distinct steps, and where each sequence finds its own.

    Attributes
    ----------
    before : Sequences of length m
        Input of each step; empty where a sequence begins.
    values : ndarray of shape (m, n_channels)
        Values of each step.
    place : ndarray of shape (n, k)
        Step of each sequence, the newest first; m where a sequence has no such step.
    """

    before: Sequences
    values: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, sequences: Sequences, context: Context, k: int = 1) -> NewestSteps:
        """Return the last `k` steps of every sequence."""
        ends = sequences.starts + sequences.lengths
        row = ends[:, None] - 1 - np.arange(k)
        exists = row >= sequences.starts[:, None]
        begin = np.maximum(
            sequences.starts[:, None], row - context.horizon - context.size + 1
        )
        place = np.full(row.shape, exists.sum())
        row, begin = row[exists], begin[exists]
        if k == 1:  # a sequence each, also where two are alike
            place[exists] = np.arange(len(row))
        else:  # neighboring windows share most of their steps
            _, first, inverse = np.unique(
                row * (len(sequences.values) + 1) + begin,
                return_index=True,
                return_inverse=True,
            )
            place[exists], place[~exists] = inverse, len(first)
            row, begin = row[first], begin[first]
        lengths = np.maximum(row - context.horizon + 1 - begin, 0)
        kept = np.flatnonzero(exists[:, 0]) if k == 1 else None
        before = Sequences(
            sequences.values,
            np.minimum(begin, row),
            lengths,
            n_steps=context.size,
            feature_names=sequences.feature_names,
            categories=sequences.categories,
            order=_at(sequences.order, kept),
            groups=_at(sequences.groups, kept),
        )
        return cls(before, sequences.values[row], place)

    def reading(self, n: int) -> NewestSteps:
        """Return the same steps, of whose input only the latest `n` steps are read."""
        before = self.before
        lengths = np.minimum(before.lengths, n)
        starts = before.starts + before.lengths - lengths
        return self._replace(before=replace(before, starts=starts, lengths=lengths))

    def to_learn(
        self, channels: np.ndarray
    ) -> tuple[Sequences, np.ndarray, np.ndarray]:
        """Return the inputs and targets of a forecaster, and the mask of these steps.

        They are the steps that have an input and values in all of the channels; with
        one channel, the target is one-dimensional.
        """
        values = self.values[:, channels]
        usable = (self.before.lengths > 0) & ~np.isnan(values).any(axis=1)
        target = values[usable]
        target = target[:, 0] if target.shape[1] == 1 else target
        return self.before[usable], target, usable


def _at(of_sequences: Any, kept: np.ndarray | None) -> Any:
    return None if of_sequences is None or kept is None else of_sequences[kept]


def numeric_channels(sequences: Sequences) -> np.ndarray:
    """Return the positions of the channels that a residual can be taken of."""
    n_channels = sequences.shape[2]
    carried = sequences.categories or (None,) * n_channels
    numeric = np.flatnonzero([categories is None for categories in carried])
    if not len(numeric):
        raise InputError(
            "Every feature holds categories. The newest step is judged by its numeric "
            "features: pass at least one."
        )
    return numeric


def blocks(sequences: Sequences) -> Iterator[Sequences]:
    """Yield the sequences in parts of limited size."""
    for at in range(0, len(sequences), _BLOCK):
        yield sequences[at : at + _BLOCK]
