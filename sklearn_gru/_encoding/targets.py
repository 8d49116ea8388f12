"""The data of a fit: X read by its schema, y and weights checked, the rest left out."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    column_or_1d,
)

from sklearn_gru._encoding.consecutive import run_of
from sklearn_gru._encoding.layouts import FLOATS, refuse_complex
from sklearn_gru._encoding.schema import InputSchema
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.warn import warn
from sklearn_gru._tables.refused import refuse_targets, refuse_times
from sklearn_gru.exceptions import InputError


class TrainingData(NamedTuple):
    """Data used for training, without zero weights and empty sequences."""

    sequences: Sequences
    y: np.ndarray
    weights: np.ndarray | None

    def select(self, mask: np.ndarray) -> TrainingData:
        """Return a part of the sequences; of a run of them without copies."""
        run = run_of(mask, len(self.y))
        some = mask if run is None else run
        weights = None if self.weights is None else self.weights[some]
        return TrainingData(self.sequences[some], self.y[some], weights)


def require_target(y: Any, owner: str) -> None:
    """Raise an error if y is missing, before any other check."""
    if y is None:
        raise ValueError(
            f"This {owner} estimator requires y to be passed, but the target y is None."
        )


def read_training_data(
    schema: InputSchema,
    X: Any,
    y: Any,
    sample_weight: Any,
    check_y: Callable[[Any], np.ndarray],
    *,
    check_pairs: Callable[[Sequences, np.ndarray, np.ndarray], None],
    keeps_gaps: Callable[[InputSchema], bool],
) -> tuple[TrainingData, InputSchema]:
    """Return the data used for training, and the schema, which learns the first X.

    `check_pairs` is given all sequences, y and the mask of those that take part.
    `keeps_gaps` tells from the schema whether a step without any value keeps its place.
    """
    require_target(y, schema.owner)
    schema, sequences = schema.read(X)
    y = check_y(y)
    if len(sequences) != len(y):
        raise InputError(
            f"Found input variables with inconsistent numbers of samples: "
            f"[{len(sequences)}, {len(y)}]. X has {len(sequences)} sequences and y "
            f"{len(y)} entries; expected one entry per sequence."
        )
    weights = check_sample_weight(sample_weight, len(y))
    sequences = sequences.without_gaps(interior=not keeps_gaps(schema))
    part = sequences.lengths > 0
    if not part.any():
        raise InputError(
            f"None of the {len(part)} sequences has an observed step: there is nothing "
            "to learn from. Every value of X is NaN, or every sequence is empty (for "
            "example because a lag is longer than the data)."
        )
    if weights is not None:
        part &= weights > 0
        if not part.any():
            raise ValueError(
                "Every sequence with a sample weight other than zero is empty: there "
                "is nothing to learn from."
            )
    _check_finite_target(y, part)
    check_pairs(sequences, y, part)
    found = TrainingData(sequences, y, weights)
    return (found if part.all() else found.select(part)), schema


def check_sample_weight(sample_weight: Any, n: int) -> np.ndarray | None:
    """Return the weights as float64 (n,), or None if none were passed."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n, float(sample_weight))
    try:
        weights = check_array(
            sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight"
        )
    except (TypeError, ValueError) as error:
        if "contains" in str(error):  # NaN or infinity
            raise
        raise InputError(
            f"sample_weight is not numeric: {error}. Pass one number per sequence."
        ) from error
    if weights.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {weights.ndim}D"
        )
    if weights.shape != (n,):
        raise ValueError(
            f"sample_weight.shape == {weights.shape}, expected {(n,)}: one weight "
            "per sequence."
        )
    if (weights < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    largest = weights.max()
    # Only their ratios count, and their sum must be a number.
    return weights if 1e-100 < largest < 1e100 else weights / largest


def check_regression_target(y: Any, owner: str) -> np.ndarray:
    """Return real targets, (n,) or (n, n_outputs).

    Finiteness is checked after weighting.
    """
    is_plain = type(y) is pd.Series and isinstance(y.dtype, np.dtype)
    array = y.to_numpy() if is_plain else y
    is_float = type(array) is np.ndarray and array.dtype in FLOATS
    if is_float and array.ndim in (1, 2) and array.size:
        return array  # so would check_array, which takes as long as a new network
    refuse_targets(y)
    refuse_complex(y, "y")
    refuse_times(y, "y")
    try:
        return check_array(
            y,
            dtype=FLOATS,
            ensure_2d=False,
            ensure_all_finite=False,
            input_name="y",
            estimator=owner,
        )
    except ValueError as error:
        if "could not convert" in str(error):
            raise InputError(
                f"y is not numeric: {error}. To predict classes, use GRUClassifier."
            ) from error
        raise


def warn_rounding(y: np.ndarray, dtype: np.dtype) -> None:
    """Warn if predictions in the dtype of X could not tell most targets apart."""
    if dtype != np.float32 or y.dtype != np.float64 or not y.size:
        return
    y = y.reshape(len(y), -1)
    deviation = y.std(axis=0)
    rounding = np.finfo(np.float32).eps * np.abs(y).max(axis=0)
    coarse = (deviation > 0) & (rounding > 0.1 * deviation)
    if coarse.any():
        k = int(coarse.argmax())
        warn(
            f"y varies by {deviation[k]:.3g} around {y[:, k].mean():.6g}, but X is "
            f"float32, and so are predictions, in steps of {rounding[k]:.3g}. "
            "Pass X as float64, X.astype('float64'), or subtract a constant from y.",
            UserWarning,
        )


def check_class_target(y: Any) -> np.ndarray:
    """Return the class labels (n,)."""
    refuse_targets(y)
    shape = np.asarray(y).shape  # np.shape refuses other containers
    if len(shape) == 2 and shape[1] > 1:
        raise InputError(
            f"y has shape {shape}; GRUClassifier predicts one label per sequence. For "
            "several labels per sequence: MultiOutputClassifier(GRUClassifier()). For "
            "one label per step, give rows and let the window find what leads to each: "
            "make_pipeline(SlidingWindow(24), GRUClassifier())."
        )
    y = column_or_1d(y, warn=True)
    missing = pd.isna(y)
    if missing.any():
        raise InputError(
            f"Input y contains NaN or None in {missing.sum()} of {len(y)} rows, the "
            f"first at row {int(missing.argmax())}. Drop those rows from X and y."
        )
    refuse_mixed(y)
    check_classification_targets(y)
    return y


def refuse_mixed(y: np.ndarray) -> None:
    """Raise InputError for labels of several kinds, which have no order."""
    if y.dtype != object or len({type(label) for label in y.tolist()}) < 2:
        return
    texts = [isinstance(label, str) for label in y.tolist()]
    if any(texts) and not all(texts):
        text, other = y[texts.index(True)], y[texts.index(False)]
        raise InputError(
            f"y holds texts, such as {text!r}, and {type(other).__name__}, such as "
            f"{other!r}; expected labels of one kind: y = y.astype(str)."
        )


def _check_finite_target(y: np.ndarray, part: np.ndarray) -> None:
    """Check that y is finite in the rows used for training."""
    if y.dtype.kind != "f" or np.isfinite(y).all():
        return
    bad = part & ~np.isfinite(y.reshape(len(y), -1)).all(axis=1)
    if not bad.any():
        return
    what = "NaN" if np.isnan(y[bad]).any() else "infinity or a value too large"
    raise InputError(
        f"Input y contains {what} in {bad.sum()} of {len(y)} rows, the first at row "
        f"{int(bad.argmax())}. Drop those rows from X and y. Or, to keep them in the "
        "windows of later rows, fill y with any number there and give them "
        "sample_weight 0."
    )
