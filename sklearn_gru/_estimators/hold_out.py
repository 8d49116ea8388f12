"""The validation part of a fit: the latest sequences, or a random part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from sklearn_gru._encoding.targets import TrainingData
from sklearn_gru.exceptions import InputError

# Early stopping "auto": below, a tenth of the data is too few to judge by and too much
# to lose.
STOP_EARLY_FROM = 1000


def stops_early(early_stopping: Any, n_sequences: int) -> bool:
    """Return whether a fit of so many sequences holds a part out."""
    if isinstance(early_stopping, str):
        return n_sequences >= STOP_EARLY_FROM
    return bool(early_stopping)


def hold_out(
    data: TrainingData, share: float, seed: Callable[[], int], codes: np.ndarray | None
) -> tuple[TrainingData, TrainingData]:
    """Return training and validation part.

    The latest times are held out where the sequences have times, else a random part:
    stratified by `codes` if each class can be in both parts.
    """
    n = len(data.sequences)
    if n < 2:
        raise InputError(
            f"early_stopping=True holds out a part for validation, but there is "
            f"only {n} sequence: pass X_val and y_val, or early_stopping=False."
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
