"""The dtype that a network computes in."""

from __future__ import annotations

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._engines.base import Plan
from sklearn_gru._engines.choice import choose

# Number of sequences from which every engine computes in float32.
FLOAT32_FROM = 1000


def choose_dtype(
    dtype: str,
    sequences: Sequences,
    n_given: int,
    batch_size: int,
    plan: Plan,
    weights: np.ndarray | None,
) -> str:
    """Return "float32" or "float64".

    `n_given` is the number of sequences given to fit, of which `sequences` are the
    training set; `plan` describes predictions in float32. "auto" is float32 for float32
    data and for many sequences, and for few sequences where an engine takes the plan
    whose predictions do not depend on the batch. A fit of one batch is float64 if
    rounding could tell weights from repeated sequences.
    """
    if dtype != "auto":
        return dtype
    if sequences.dtype == np.float32 or n_given >= FLOAT32_FROM:
        return "float32"
    if not choose(plan).engine.is_invariant:
        return "float64"
    exact = len(sequences) <= batch_size and _tells_weights(sequences, weights)
    return "float64" if exact else "float32"


def _tells_weights(sequences: Sequences, weights: np.ndarray | None) -> bool:
    """Return True if rounding could tell weights from repeated sequences.

    In a fit of one batch, a sequence of weight k and k copies of it give the same
    network up to rounding, which many epochs amplify. So neither may be float32: a fit
    with weights that differ, or with copies.
    """
    if weights is not None and (weights != weights[0]).any():
        return True
    spans = zip(sequences.starts, sequences.starts + sequences.lengths, strict=True)
    seen = {sequences.values[begin:end].tobytes() for begin, end in spans}
    return len(seen) < len(sequences)
