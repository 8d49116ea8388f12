"""The validation set of a fit: the most recent sequences, or a random subset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from sklearn_gru._encoding.targets import TrainingData
from sklearn_gru.exceptions import InputError

# Early stopping "auto" starts here: with fewer sequences, a tenth of them is too few to
# validate on and too many to lose for training.
STOP_EARLY_FROM = 1000


def stops_early(early_stopping: Any, n_sequences: int) -> bool:
    """Return whether a fit of `n_sequences` sequences holds out a validation set."""
    if isinstance(early_stopping, str):
        return n_sequences >= STOP_EARLY_FROM
    return bool(early_stopping)


def hold_out(
    data: TrainingData, share: float, seed: Callable[[], int], codes: np.ndarray | None
) -> tuple[TrainingData, TrainingData]:
    """Return the training set and the validation set.

    The validation set is the most recent sequences if they carry times, and a random
    subset otherwise, stratified by `codes` if each class can be in both sets.
    """
    n = len(data.sequences)
    if n < 2:
        raise InputError(
            f"early_stopping=True holds out a validation set, but there is only {n} "
            "sequence: pass X_val and y_val, or set early_stopping=False."
        )
    held = _choose(data, min(max(1, round(share * n)), n - 1), seed, codes)
    return data.select(~held), data.select(held)


def _choose(
    data: TrainingData,
    n_held: int,
    make_seed: Callable[[], int],
    codes: np.ndarray | None,
) -> np.ndarray:
    n, order = len(data.sequences), data.sequences.order
    if order is not None:
        held = order >= np.sort(order)[n - n_held]
        if not held.all():
            return held
    seed = make_seed()
    splitter: Any = ShuffleSplit(1, test_size=n_held, random_state=seed)
    if codes is not None and _can_stratify(codes, n_held):
        splitter = StratifiedShuffleSplit(1, test_size=n_held, random_state=seed)
    _, index = next(splitter.split(np.zeros(n), codes))
    held = np.zeros(n, dtype=bool)
    held[index] = True
    return held


def _can_stratify(codes: np.ndarray, n_held: int) -> bool:
    counts = np.bincount(codes)
    counts = counts[counts > 0]
    n_left = len(codes) - n_held
    return bool(counts.min() >= 2 and min(n_held, n_left) >= len(counts))
