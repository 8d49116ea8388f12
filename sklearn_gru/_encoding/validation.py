"""The only judge of user data: X, y and weights in, sequences and a target out.

Every layout becomes one :class:`~sklearn_gru.Sequences`; nothing below sees what the
user gave. Where scikit-learn has an error for a mistake, it is scikit-learn's that is
raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from sklearn_gru._encoding.categorical import (
    coded_in_rows,
    coded_rows,
    named_in,
    named_in_rows,
    settle_categories,
)
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.warn import warn
from sklearn_gru._tables.codebook import (
    Codebook,
    categories_of,
    needs_codes,
    read_columns,
)
from sklearn_gru._tables.frames import as_frame, find_column, float_column
from sklearn_gru.exceptions import InputError, InvalidParameterError, LayoutWarning

_FLOATS = [np.float64, np.float32]

# Peers keep channels before steps; a "sequence" this much wider than long is theirs.
_CHANNEL_MAJOR = 8


class TrainingData(NamedTuple):
    """What takes part in training: no zero weight, no empty sequence."""

    sequences: Sequences
    y: np.ndarray
    weights: np.ndarray | None


# -- X --------------------------------------------------------------------------------


def check_X(estimator: Any, X: Any, *, reset: bool) -> Sequences:
    """Any accepted layout as sequences; sets or checks what fit has seen."""
    if isinstance(X, pd.Series):
        X = X.to_numpy()
    items, ndim = _as_items(X), 3
    if isinstance(X, Sequences):
        sequences = _check_finite(estimator, X)
        names = X.feature_names or range(X.shape[2])
        named = named_in(estimator, names, reset=reset)
    elif items is not None:
        sequences, named = _from_items(estimator, items, reset=reset)
    elif _ndim(X) == 3:
        sequences, named = _from_3d(estimator, X, reset=reset)
    else:
        ndim = 2
        _check_ndim_agrees(estimator, X, ndim, reset=reset)
        sequences, named = _from_2d(estimator, X, reset=reset)
    if ndim == 3:
        _check_ndim_agrees(estimator, X, ndim, reset=reset)
        _check_features(estimator, sequences, reset=reset)
    if reset:
        estimator._input_ndim = ndim
    settle_categories(estimator, sequences, named, reset=reset)
    return sequences


def _ndim(X: Any) -> int:
    return X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim


def _as_items(X: Any) -> list[Any] | None:
    """The items of a ragged collection, or None if X is something else."""
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1:
        return list(X) if len(X) and np.ndim(X[0]) else None
    if not isinstance(X, (list, tuple)) or not len(X):
        return None
    if all(hasattr(item, "shape") for item in X):
        return list(X)  # arrays or frames
    if all(isinstance(item, (list, tuple)) for item in X) and any(map(_is_text, X)):
        return [np.array(item, dtype=object) for item in X]  # tokens
    try:
        np.asarray(X, dtype=object if _is_text(X) else None)
    except ValueError:  # nested lists of different lengths
        return [np.asarray(item, dtype=np.float64) for item in X]
    return None


def _is_text(X: Any) -> bool:
    return len(X) > 0 and isinstance(X[0], (str, bytes))


def _refuse_whole_texts(X: Any) -> None:
    if isinstance(X, (list, tuple, np.ndarray)) and _is_text(X):
        raise InputError(
            f"X holds whole texts, such as {X[0][:40]!r}; expected sequences of "
            "tokens. Split them, tokens = CountVectorizer().build_analyzer(); "
            "X = [tokens(text) for text in X], and pass categorical_features=[0]."
        )


def _from_2d(estimator: Any, X: Any, *, reset: bool) -> tuple[Sequences, np.ndarray]:
    _refuse_whole_texts(X)
    frame = as_frame(X)
    if frame is not None and reset:
        _warn_time_index(estimator, frame)
    if getattr(X, "ndim", 2) > 3:
        raise InputError(
            f"X has {X.ndim} dimensions; expected 2 (each row one series), 3 "
            "(sequences, steps, features) or a list of 2-D arrays."
        )
    per_step = estimator.features_per_step
    table = _as_table(X) if frame is None else frame
    if table is not None and len(table) and table.shape[1] % per_step == 0:
        named = named_in_rows(estimator, list(table.columns), reset=reset)
        coded = coded_in_rows(table, named)
        if coded.any():
            validate_data(estimator, X, reset=reset, skip_check_array=True)
            return coded_rows(table, coded), named
    array = validate_data(
        estimator, X, reset=reset, dtype=_FLOATS, ensure_all_finite="allow-nan"
    )
    width = array.shape[1]
    if width % per_step:
        raise InputError(
            f"X has {width} columns, which is no multiple of features_per_step="
            f"{per_step}: a flat row holds whole steps, all features of the oldest "
            "step first."
        )
    columns = range(per_step) if table is None else list(table.columns)
    named = named_in_rows(estimator, columns, reset=reset)
    return Sequences.from_array(array.reshape(len(array), -1, per_step)), named


def _as_table(X: Any) -> pd.DataFrame | None:
    """A 2-D array that may hold text, as a frame; None if it is something else."""
    text = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "OUS"
    return pd.DataFrame(X) if text else None


def _warn_time_index(estimator: Any, frame: pd.DataFrame) -> None:
    index = frame.index
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex, pd.MultiIndex)):
        warn(
            f"X is a frame with a {type(index).__name__}: its rows look like time "
            f"steps, but {type(estimator).__name__} reads each row as a whole series. "
            "To predict from the rows before each row, put a window in front: "
            f"make_pipeline(SlidingWindow(24, lag=1), {type(estimator).__name__}()).",
            LayoutWarning,
        )


def _from_3d(estimator: Any, X: Any, *, reset: bool) -> tuple[Sequences, np.ndarray]:
    array = np.asarray(X)
    named = named_in(estimator, range(array.shape[2]), reset=reset)
    if array.size == 0:
        raise InputError(
            f"Found array with shape {array.shape}, of which at least one side is 0 "
            f"sample(s), step(s) or feature(s), while {type(estimator).__name__} "
            "requires at least 1 of each."
        )
    categories = None
    if array.dtype.kind not in "fiub" and named.any():
        table = pd.DataFrame(array.reshape(-1, array.shape[2]))
        columns = [table[j] for j in table]
        values, categories = _read_columns(columns, named)
        array = values.reshape(array.shape)
    elif array.dtype.kind not in "fiub":
        flat = check_array(
            array.reshape(len(array), -1),
            dtype=_FLOATS,
            ensure_all_finite=False,
            input_name="X",
            estimator=estimator,
        )
        array = flat.reshape(array.shape)
    if array.dtype not in _FLOATS:
        array = array.astype(np.float64)
    _, n_steps, n_features = array.shape
    if reset and n_features >= _CHANNEL_MAJOR * max(n_steps, 2):
        warn(
            f"X of shape {array.shape} is read as {n_steps} steps of {n_features} "
            "features. If it is channel-major, as in sktime and aeon, turn it: "
            "X.swapaxes(1, 2).",
            LayoutWarning,
        )
    sequences = Sequences.from_array(array, categories=categories)
    return _check_finite(estimator, sequences), named


def _read_columns(
    columns: list[pd.Series], coded: np.ndarray
) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    """Columns as floats, and the categories of those that become codes."""
    books = [Codebook() if code else None for code in coded]
    values, grown = read_columns(columns, books)
    return values, categories_of(grown)


def _from_items(
    estimator: Any, items: list[Any], *, reset: bool
) -> tuple[Sequences, np.ndarray]:
    """A list of 2-D arrays, DataFrames or 1-D arrays, of any lengths."""
    frames = [as_frame(item) for item in items]
    names = _item_names(estimator, frames, reset=reset)
    tables: list[Any] = []
    for k, (item, frame) in enumerate(zip(items, frames, strict=True)):
        table = _item_table(k, item, frame, names)
        expected = tables[0].shape[1] if tables else table.shape[1]
        if table.shape[1] != expected:
            raise InputError(
                f"Item {k} of X has {table.shape[1]} features, but item 0 has "
                f"{expected}: every sequence needs the same features in its columns."
            )
        tables.append(table)
    width = tables[0].shape[1]
    named = named_in(estimator, names or range(width), reset=reset)
    coded = _coded_in_items(tables, named)
    if coded.any():
        flat, categories = _joined(tables, coded)
    else:
        arrays = [_item_array(k, table) for k, table in enumerate(tables)]
        flat, categories = np.concatenate(arrays), None
    if flat.dtype not in _FLOATS:
        flat = flat.astype(np.float64)
    lengths = np.array([len(table) for table in tables])
    sequences = Sequences(
        flat,
        np.cumsum(lengths) - lengths,
        lengths,
        feature_names=names,
        categories=categories,
    )
    return _check_finite(estimator, sequences), named


def _coded_in_items(tables: list[Any], named: np.ndarray) -> np.ndarray:
    """Features whose values become codes in all items, because they must in one."""
    coded = np.zeros(len(named), dtype=bool)
    for table in tables:
        if not isinstance(table, pd.DataFrame):
            coded |= named & (table.dtype.kind not in "fiub")
            continue
        for j, dtype in enumerate(table.dtypes):
            coded[j] |= needs_codes(dtype, named[j])
    return coded


def _item_names(
    estimator: Any, frames: Sequence[pd.DataFrame | None], *, reset: bool
) -> tuple[str, ...] | None:
    """Column names of the frames in a list: those of fit, else of the first."""
    if all(frame is None for frame in frames):
        return None
    seen = getattr(estimator, "feature_names_in_", None)
    if seen is not None and not reset:
        return tuple(seen)
    first = next(frame for frame in frames if frame is not None)
    return tuple(str(c) for c in first.columns)


def _item_table(
    k: int, item: Any, frame: pd.DataFrame | None, names: tuple[str, ...] | None
) -> Any:
    """One item as a frame with its columns in order, or as an array (n_steps, …)."""
    if frame is not None and names is not None:
        columns = [str(c) for c in frame.columns]
        if sorted(columns) != sorted(names):
            missing = sorted(set(names) - set(columns))
            extra = sorted(set(columns) - set(names))
            raise InputError(
                f"Item {k} of X has other columns than the first sequence or fit: "
                f"missing {missing}, not expected {extra}."
            )
        return frame.iloc[:, [columns.index(name) for name in names]]
    array = np.asarray(item)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise InputError(
            f"Item {k} of X has {array.ndim} dimensions; expected a 2-D array (steps, "
            "features) or a 1-D array (one feature)."
        )
    return array


def _item_array(k: int, table: Any) -> np.ndarray:
    """One item without categories as numbers (n_steps, n_features)."""
    if isinstance(table, pd.DataFrame):
        columns = [table.iloc[:, j] for j in range(table.shape[1])]
        return read_columns(columns, [None] * len(columns))[0]
    if table.dtype.kind not in "fiub":
        try:
            return table.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"Item {k} of X is not numeric: {error}. Tokens and other categories "
                "are named by categorical_features=[0] (their positions)."
            ) from error
    return table


def _joined(
    tables: list[Any], coded: np.ndarray
) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    """All items as numbers, one below the other, and the categories of the codes.

    Values are joined before they get codes: a long list of short texts would have its
    vocabulary extended thousands of times.
    """
    columns = []
    for j, code in enumerate(coded):
        parts = [
            t.iloc[:, j] if isinstance(t, pd.DataFrame) else pd.Series(t[:, j])
            for t in tables
        ]
        values = [
            p.to_numpy(dtype=object)
            if code
            else float_column(p, np.float32 if p.dtype == np.float32 else np.float64)
            for p in parts
        ]
        columns.append(pd.Series(np.concatenate(values), name=parts[0].name))
    return _read_columns(columns, coded)


def _check_finite(estimator: Any, sequences: Sequences) -> Sequences:
    if not len(sequences):
        raise InputError(
            f"Found X with 0 sample(s) while a minimum of 1 is required by "
            f"{type(estimator).__name__}."
        )
    values = sequences.values
    with np.errstate(over="ignore", invalid="ignore"):
        # Of numbers with a finite sum none is infinite; for one window check_array
        # takes longer than all the rest.
        doubtful = values.dtype not in _FLOATS or not np.isfinite(values.sum())
    if values.size and doubtful:
        check_array(
            values,
            dtype=_FLOATS,
            ensure_all_finite="allow-nan",
            input_name="X",
            estimator=estimator,
        )
    return sequences


def _check_ndim_agrees(estimator: Any, X: Any, ndim: int, *, reset: bool) -> None:
    if reset or ndim == estimator._input_ndim:
        return
    name = type(estimator).__name__
    if ndim == 2:
        raise InputError(
            f"X is 2-D, but this {name} was fitted on sequences. Give a 3-D array "
            "(sequences, steps, features), a list of 2-D arrays, or the Sequences of "
            "the same SlidingWindow; one sequence x is x[None]."
        )
    raise InputError(
        f"X holds sequences, but this {name} was fitted on 2-D rows of "
        f"{estimator.n_features_in_} columns, each row one series. Give rows, or fit "
        "on sequences."
    )


def _check_features(estimator: Any, sequences: Sequences, *, reset: bool) -> None:
    """Set or check the number and names of channels."""
    n_features, names = sequences.shape[2], sequences.feature_names
    if reset:
        estimator.n_features_in_ = n_features
        if names is not None:
            estimator.feature_names_in_ = np.asarray(names, dtype=object)
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        return
    if n_features != estimator.n_features_in_:
        raise InputError(
            f"X has {n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    seen = getattr(estimator, "feature_names_in_", None)
    if seen is not None and names is not None and list(seen) != list(names):
        raise InputError(
            "The feature names should match those that were passed during fit. Seen in "
            f"fit: {', '.join(map(str, seen))}. Now: {', '.join(map(str, names))}."
        )


def find_channel(
    estimator: Any, sequences: Sequences, key: str | int, parameter: str
) -> int:
    """Position of the channel of X that a parameter names, or gives by position."""
    n_channels = sequences.shape[2]
    names = sequences.feature_names
    if isinstance(key, str) and names is None:
        raise InvalidParameterError(
            f"{parameter}={key!r} is a name, but the {n_channels} channels of the "
            "sequences have none (columns of 2-D X are steps). Give the position, 0 "
            f"to {n_channels - 1}, or X as Sequences or as a list of frames."
        )
    if not isinstance(key, str) and key >= n_channels:
        raise InvalidParameterError(
            f"{parameter}={key!r} is no channel of X, which has {n_channels}: "
            f"positions are 0 to {n_channels - 1}."
        )
    try:
        return find_column(names or range(n_channels), key, parameter)
    except InputError as error:
        raise InvalidParameterError(str(error)) from None


# -- y and weights --------------------------------------------------------------------


def check_training(
    estimator: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool
) -> TrainingData:
    """All that fit is given; drops what takes no part in training."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but "
            "the target y is None."
        )
    sequences = check_X(estimator, X, reset=reset)
    y = estimator._check_y(y)
    check_consistent_length(sequences, y)
    weights = check_sample_weight(sample_weight, len(sequences))
    sequences = sequences.without_gaps(interior=not estimator._keeps_gaps())
    part = sequences.lengths > 0
    if not part.any():
        raise InputError(
            f"None of the {len(part)} sequences has an observed step: there is nothing "
            "to learn from. Every value of X is NaN, or every sequence is empty (a "
            "lag longer than the data does that)."
        )
    if weights is not None:
        part &= weights > 0
        if not part.any():
            raise ValueError(
                "Every sequence with a sample weight other than zero is empty: there "
                "is nothing to learn from."
            )
    _check_finite_target(y, part)
    if not part.all():
        sequences, y = sequences[part], y[part]
        weights = None if weights is None else weights[part]
    return TrainingData(sequences, y, weights)


def check_sample_weight(sample_weight: Any, n: int) -> np.ndarray | None:
    """Weights as float64 (n,), or None where all are equal by default."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n, float(sample_weight))
    weights = check_array(
        sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight"
    )
    if weights.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {weights.ndim}D"
        )
    if weights.shape != (n,):
        raise ValueError(
            f"sample_weight.shape == {weights.shape}, expected {(n,)}: one weight a "
            "sequence."
        )
    if (weights < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def check_regression_target(estimator: Any, y: Any) -> np.ndarray:
    """Real targets, (n,) or (n, n_outputs); finiteness is judged after weighting."""
    try:
        return check_array(
            y,
            dtype=_FLOATS,
            ensure_2d=False,
            ensure_all_finite=False,
            input_name="y",
            estimator=estimator,
        )
    except ValueError as error:
        if "could not convert" in str(error):
            raise InputError(
                f"y is not numeric: {error}. To predict classes, take GRUClassifier."
            ) from error
        raise


def check_class_target(y: Any) -> np.ndarray:
    """Class labels (n,)."""
    y = column_or_1d(y, warn=True)
    missing = pd.isna(y) if y.dtype == object else np.zeros(len(y), dtype=bool)
    if missing.any():
        raise InputError(
            f"Input y contains NaN or None in {missing.sum()} of {len(y)} rows: drop "
            "those rows."
        )
    check_classification_targets(y)
    return y


def _check_finite_target(y: np.ndarray, part: np.ndarray) -> None:
    """Rows that take no part may hold anything."""
    if y.dtype.kind != "f" or np.isfinite(y).all():
        return
    bad = part & ~np.isfinite(y.reshape(len(y), -1)).all(axis=1)
    if not bad.any():
        return
    what = "NaN" if np.isnan(y[bad]).any() else "infinity or a value too large"
    raise InputError(
        f"Input y contains {what} in {bad.sum()} of {len(y)} rows, the first at row "
        f"{int(bad.argmax())}. Drop those rows from X and y; or, so that they stay in "
        "the windows of later rows, fill y with any number there and give them "
        "sample_weight 0."
    )
