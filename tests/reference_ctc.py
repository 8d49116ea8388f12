"""Connectionist temporal classification in NumPy, written from the definition.

The probability of a text is a sum over all paths, of which there are ``K ** T``: slow,
and without recursions that could be wrong.
"""

from itertools import groupby, product

import numpy as np


def collapsed(path):
    """The text of a path: without repetitions, then without blanks (0)."""
    return tuple(token for token, _ in groupby(path) if token)


def text_probabilities(p):
    """Probability of every text of distributions (T, K), by text."""
    found = {}
    for path in product(range(p.shape[1]), repeat=len(p)):
        text = collapsed(path)
        each = np.prod([p[t, token] for t, token in enumerate(path)])
        found[text] = found.get(text, 0.0) + each
    return found


def distance(a, b):
    """Smallest number of insertions, deletions and replacements, by its recursion."""
    if not a or not b:
        return len(a) + len(b)
    return min(
        distance(a[1:], b) + 1,
        distance(a, b[1:]) + 1,
        distance(a[1:], b[1:]) + (a[0] != b[0]),
    )
