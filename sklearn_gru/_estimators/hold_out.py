"""The validation set of a fit: the most recent sequences, or a random subset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.targets import TrainingData
from sklearn_gru._tables.numbering import numbered
from sklearn_gru.exceptions import InputError

# Early stopping "auto" starts here: with fewer sequences, a tenth of them is too few to
# validate on and too many to lose for training.
STOP_EARLY_FROM = 1000

# With fewer than that, a regressor can hold out one half, because it learns it later.
# Two networks of one half each, and one of all, are better below.
HOLD_OUT_HALF_FROM = 750


def stops_early(early_stopping: Any, n_sequences: int) -> bool:
    """Return whether a fit of `n_sequences` sequences holds out a validation set."""
    if isinstance(early_stopping, str):
        return n_sequences >= STOP_EARLY_FROM
    return bool(early_stopping)


def hold_out(
    data: TrainingData, share: float, seed: Callable[[], int], codes: np.ndarray | None
) -> tuple[TrainingData, TrainingData]:
    """Return the training set and the validation set.

    The validation set is the most recent sequences if they carry times, those of every
    group if the groups follow each other in time, and a random subset otherwise,
    stratified by `codes` if each class can be in both sets.
    """
    n = len(data.sequences)
    if n < 2:
        raise InputError(
            f"early_stopping=True holds out a validation set, but there is only {n} "
            "sequence: pass X_val and y_val, or set early_stopping=False."
        )
    held = held_out(data.sequences, share, seed, codes)
    return data.select(~held), data.select(held)


def held_out(
    sequences: Sequences,
    share: float,
    make_seed: Callable[[], int],
    codes: np.ndarray | None = None,
) -> np.ndarray:
    """Return the mask (n,) of the validation set."""
    n, order = len(sequences), sequences.order
    if order is not None:
        held = latest(order, group_codes(sequences), share)
        if not held.all():
            return held
    seed, n_held = make_seed(), _n_held(share, n)
    splitter: Any = ShuffleSplit(1, test_size=n_held, random_state=seed)
    if codes is not None and _can_stratify(codes, n_held):
        splitter = StratifiedShuffleSplit(1, test_size=n_held, random_state=seed)
    _, index = next(splitter.split(np.zeros(n), codes))
    held = np.zeros(n, dtype=bool)
    held[index] = True
    return held


def _n_held(share: float, n: int) -> int:
    return min(max(1, round(share * n)), n - 1)


def group_codes(sequences: Sequences) -> np.ndarray:
    """Return the number of the group of each sequence (n,); all 0 without groups."""
    groups = sequences.groups
    if groups is None:
        return np.zeros(len(sequences), dtype=np.int64)
    if isinstance(groups, pd.Categorical) and len(groups) and groups.codes.min() >= 0:
        return numbered(groups.codes, len(groups.categories))[0]
    return pd.factorize(groups, use_na_sentinel=False)[0]


def in_time(sequences: Sequences) -> Sequences:
    """Return the sequences in order of time, one group after the other."""
    if sequences.order is None:
        return sequences
    return sequences[np.lexsort((sequences.order, group_codes(sequences)))]


def latest(order: np.ndarray, codes: np.ndarray, share: float) -> np.ndarray:
    """Return a mask (n,) of the latest share of the sequences, at least one.

    One time splits all groups if they overlap. If they follow each other in time, such
    a split would hold out whole groups, so the latest share of every group is held out.
    """
    n, sizes = len(order), np.bincount(codes)
    if not _follow_each_other(order, codes, sizes):
        return order >= np.sort(order)[n - _n_held(share, n)]
    in_groups = np.lexsort((order, codes))
    rank = np.empty(n, dtype=np.int64)  # place of each sequence in its group
    rank[in_groups] = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    n_held = np.minimum(np.maximum(1, np.rint(share * sizes)), sizes - 1)
    return rank >= (sizes - n_held)[codes]


def _follow_each_other(order: np.ndarray, codes: np.ndarray, sizes: np.ndarray) -> bool:
    """Return True if a group covers less than half of the time range on average."""
    if len(sizes) == 1 or sizes.max() == 1:
        return False
    begin = np.full(len(sizes), order.max())
    end = np.full(len(sizes), order.min())
    np.minimum.at(begin, codes, order)
    np.maximum.at(end, codes, order)
    return bool(np.mean(end - begin) < np.ptp(order) / 2)


def _can_stratify(codes: np.ndarray, n_held: int) -> bool:
    counts = np.bincount(codes)
    counts = counts[counts > 0]
    n_left = len(codes) - n_held
    return bool(counts.min() >= 2 and min(n_held, n_left) >= len(counts))
