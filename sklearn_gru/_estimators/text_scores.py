"""Scores of predicted texts: the token error rate, and chrF."""

from __future__ import annotations

from collections import Counter
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


# Longest n-grams, and how many times as much recall counts as precision (Popović 2015).
_ORDER, _BETA = 6, 2


def chrf(
    found: Iterable[str], true: Iterable[str], weights: np.ndarray | None = None
) -> float:
    """Return the F-score of character n-grams of texts, from 0 to 1 (Popović 2015).

    Precision and recall of n-grams of 1 to 6 characters, without white space, are those
    of all texts together, and their means over the lengths that occur are combined. It
    is what sacreBLEU reports as chrF2, divided by 100. Texts without any character on
    both sides score 1.
    """
    counts = np.array([_matches(*pair) for pair in zip(found, true, strict=True)])
    each = np.ones(len(counts)) if weights is None else weights
    n_found, n_true, n_both = np.tensordot(each, counts, axes=1)  # (_ORDER,) each
    if not n_found.any() and not n_true.any():
        return 1.0
    occur = (n_found > 0) & (n_true > 0)
    if not n_both.any():
        return 0.0
    precision = (n_both[occur] / n_found[occur]).mean()
    recall = (n_both[occur] / n_true[occur]).mean()
    return float((1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall))


def _matches(found: str, true: str) -> np.ndarray:
    """Return numbers of n-grams (3, _ORDER): in one text, in the other, in both."""
    texts = ["".join(text.split()) for text in (found, true)]
    out = np.zeros((3, _ORDER))
    for n in range(1, _ORDER + 1):
        a, b = (Counter(t[k : k + n] for k in range(len(t) - n + 1)) for t in texts)
        out[:, n - 1] = a.total(), b.total(), (a & b).total()
    return out
