"""Scores of predicted texts: the token error rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def edit_distance(found: Sequence[Any], true: Sequence[Any]) -> int:
    """Return how many tokens to insert, delete or replace (Levenshtein 1966)."""
    code = {token: k for k, token in enumerate(dict.fromkeys([*found, *true]))}
    column = np.array([code[token] for token in true], dtype=np.int64)
    step = np.arange(len(column) + 1)
    row = step
    for k, token in enumerate(found):
        replaced = row[:-1] + (column != code[token])
        best = np.append(k + 1, np.minimum(replaced, row[1:] + 1))
        # Insertions go along the row: each costs one more than the place before.
        row = np.minimum.accumulate(best - step) + step
    return int(row[-1])


def token_error_rate(
    found: Iterable[Sequence[Any]],
    true: Iterable[Sequence[Any]],
    weights: np.ndarray | None = None,
) -> float:
    """Return edits over tokens of all texts; each text may have a weight.

    If all true texts are empty, every token found counts as an edit of one token.
    """
    pairs = list(zip(found, true, strict=True))
    edits = np.array([edit_distance(*pair) for pair in pairs], dtype=float)
    sizes = np.array([len(text) for _, text in pairs], dtype=float)
    if weights is not None:
        edits, sizes = edits * weights, sizes * weights
    total = sizes.sum()
    return float(edits.sum() / total) if total > 0 else float(edits.sum())
