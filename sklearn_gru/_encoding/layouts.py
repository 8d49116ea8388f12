"""Layouts of X: the accepted ways to lay out sequences, listed in ``LAYOUTS``.

A layout is one class. It decides whether it accepts an X, reads X into
:class:`~sklearn_gru.Sequences`, and selects some of its sequences. To add a layout,
write one class and put it into ``LAYOUTS`` before those that would accept the same X.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

from sklearn_gru._encoding.consecutive import sequences_of
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._support.warn import warn
from sklearn_gru._tables.codebook import (
    Codebook,
    categories_of,
    has_categories,
    needs_codes,
    read_columns,
)
from sklearn_gru._tables.frames import (
    as_frame,
    check_numeric,
    float_column,
    table_of,
)
from sklearn_gru._tables.refused import (
    named_texts,
    refuse_kinds,
    refuse_repeated_names,
    refuse_times,
    texts_in,
)
from sklearn_gru.exceptions import InputError, LayoutWarning

FLOATS = [np.dtype(np.float64), np.dtype(np.float32)]

# Other libraries put channels before steps. A sequence with this many times as many
# features as steps probably comes from one of them.
_CHANNEL_MAJOR = 6
# With fewer, it does if neighboring features are much more alike than two steps.
_MAYBE_CHANNEL_MAJOR = 2
_ALIKE = 0.5


class Seen(NamedTuple):
    """Number and names of the features of an X."""

    n_features: int
    feature_names: np.ndarray | None

    @classmethod
    def of(cls, sequences: Sequences) -> Seen:
        """Return the number and names of the features of sequences."""
        names = sequences.feature_names
        array = None if names is None else np.asarray(names, dtype=object)
        return cls(sequences.shape[2], array)


# Sequences, the mask of features named as categorical, and the features seen.
Read = tuple[Sequences, np.ndarray, Seen]


class Layout:
    """One way to lay out sequences.

    Attributes
    ----------
    ndim : {2, 3}
        3 for sequences; 2 if each row is one series.
    """

    ndim: ClassVar[int] = 3

    def accepts(self, X: Any) -> bool:
        """Return whether X has this layout."""
        raise NotImplementedError(f"{type(self).__name__} defines no accepts")

    def read(self, X: Any, schema: Any) -> Read:
        """Return X as sequences, checked against a schema unless it still learns."""
        raise NotImplementedError(f"{type(self).__name__} defines no read")

    def take(self, X: Any, index: np.ndarray) -> Any:
        """Return some of the sequences, in the same layout."""
        return X[index]


class Described(Layout):
    """A :class:`~sklearn_gru.Sequences`, such as SlidingWindow returns."""

    def accepts(self, X: Any) -> bool:
        return isinstance(X, Sequences)

    def read(self, X: Any, schema: Any) -> Read:
        named = schema.named(X.feature_names or range(X.shape[2]))
        return schema.finite(X), named, Seen.of(X)


class Ragged(Layout):
    """A list of 2-D arrays, frames, 1-D arrays or token lists that differ in length."""

    def accepts(self, X: Any) -> bool:
        return _as_items(X) is not None

    def read(self, X: Any, schema: Any) -> Read:
        items = _as_items(X)
        assert items is not None
        return _from_items(schema, items)

    def take(self, X: Any, index: np.ndarray) -> Any:
        return [X[k] for k in index]


class Array3D(Layout):
    """An array of shape (n, n_steps, n_features)."""

    def accepts(self, X: Any) -> bool:
        return _ndim(X) == 3

    def read(self, X: Any, schema: Any) -> Read:
        return _from_3d(schema, X)


class Rows2D(Layout):
    """A table in which each row is a whole series, step after step."""

    ndim = 2

    def accepts(self, X: Any) -> bool:
        refuse_kinds(X, _EXPECTED)  # nothing else would accept them
        return True

    def read(self, X: Any, schema: Any) -> Read:
        return _from_2d(schema, X)

    def take(self, X: Any, index: np.ndarray) -> Any:
        table = table_of(X)
        if table is not None:
            return table.take(X, index)
        if hasattr(X, "iloc"):  # a Series
            return X.iloc[index]
        if isinstance(X, (list, tuple)):
            return [X[k] for k in index]
        return X[index]


# In the order in which they are tried; the last one accepts everything.
LAYOUTS: list[Layout] = [Described(), Ragged(), Array3D(), Rows2D()]


_EXPECTED = (
    "an array (sequences, steps, features), a list with one 2-D array or frame per "
    "sequence, Sequences, or a table in which each row is one series"
)


def layout_of(X: Any) -> Layout:
    """Return the layout of an X, or raise InputError for kinds that are not data."""
    return next(layout for layout in LAYOUTS if layout.accepts(X))


def read(X: Any, schema: Any) -> tuple[Layout, Read]:
    """Return the layout of an X, and X as sequences."""
    if isinstance(X, pd.Series):
        X = X.to_numpy()  # its index is not used
    layout = layout_of(X)
    schema.check_ndim(layout.ndim)
    return layout, layout.read(X, schema)


def take(X: Any, index: Any) -> Any:
    """Return some rows or sequences of an X of any layout."""
    return layout_of(X).take(X, np.asarray(index))


def _ndim(X: Any) -> int:
    if hasattr(X, "ndim"):
        return X.ndim
    # Others are not asked for an array, which may fail; Rows2D refuses them.
    is_array = hasattr(X, "__array__") and not hasattr(X, "to_pandas")
    return np.asarray(X).ndim if is_array or isinstance(X, (list, tuple)) else 2


def _as_items(X: Any) -> list[Any] | None:
    """Return the items of a ragged collection, or None if X is something else."""
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
        refuse_kinds(X, _EXPECTED)
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


def _from_2d(schema: Any, X: Any) -> Read:
    _refuse_whole_texts(X)
    _refuse_1d(X)
    frame = as_frame(X)
    if frame is None:
        refuse_times(X, "X")
    else:
        _refuse_columns(frame)
    if frame is not None and schema.learns:
        _warn_rows_of_steps(schema.owner, frame, schema.features_per_step)
    if getattr(X, "ndim", 2) > 3:
        raise InputError(
            f"X has {X.ndim} dimensions; expected 2 (each row one series), 3 "
            "(sequences, steps, features) or a list of 2-D arrays."
        )
    per_step = schema.features_per_step
    table = _as_table(X) if frame is None else frame
    if table is not None and len(table) and table.shape[1] % per_step == 0:
        named = schema.named_in_rows(list(table.columns))
        coded = _coded_in_rows(table, named)
        if coded.any():
            _, seen = schema.validated(X, skip_check_array=True)
            return _coded_rows(table, coded), named, seen
    if frame is None:
        _refuse_texts(X, per_step)
    array, seen = schema.validated(X, dtype=FLOATS, ensure_all_finite="allow-nan")
    width = array.shape[1]
    if width % per_step:
        raise InputError(
            f"X has {width} columns, which is not a multiple of features_per_step="
            f"{per_step}: a flat row holds whole steps, all features of the oldest "
            "step first."
        )
    columns = range(per_step) if table is None else list(table.columns)
    named = schema.named_in_rows(columns)
    sequences = Sequences.from_array(array.reshape(len(array), -1, per_step))
    return sequences, named, seen


def _refuse_1d(X: Any) -> None:
    """Raise InputError for a single series, or numbers that are not in rows."""
    shape = getattr(X, "shape", ())
    if isinstance(X, (list, tuple, range)) and (not len(X) or np.ndim(X[0]) == 0):
        shape = (len(X),)
    if len(shape) != 1:
        return
    raise InputError(
        f"Expected 2D array, got 1D array instead: X has shape {shape}. Reshape your "
        "data: X.reshape(1, -1) is one series. To predict each value of a long series "
        "from those before it, put a window in front, "
        "make_pipeline(SlidingWindow(24, lag=1), GRURegressor()), and pass "
        "X.reshape(-1, 1)."
    )


def _refuse_texts(X: Any, n_features: int) -> None:
    """Raise InputError for texts in an array, none of which is named a category."""
    is_flat = getattr(X, "ndim", 2) == 2
    found = texts_in(X) if is_flat else texts_in(X, n_features)
    if not found:
        return
    features = sorted({j % n_features for j in found})
    seen = f"X is an array with texts in the features {named_texts(found)}"
    remedy = f"If they are categories, name them: categorical_features={features}."
    if is_flat:
        seen = f"X is an array with texts in the columns {named_texts(found)}"
        remedy = (
            "If its rows are time steps, let a window read them from a frame: "
            f"SlidingWindow(24, lag=1, categorical_features={list(found)}), and X = "
            "pd.DataFrame(X). If each row is a whole series of categories, name its "
            f"features: categorical_features={features}."
        )
    raise InputError(f"{seen}; expected numbers. {remedy}")


def _refuse_columns(frame: pd.DataFrame) -> None:
    """Raise InputError for a frame without columns, or with columns of times."""
    if not frame.shape[1]:
        raise InputError(
            f"X is a frame of shape {frame.shape}: it has 0 feature(s), but at least "
            "one column is required."
        )
    for j, dtype in enumerate(frame.dtypes):
        if dtype.kind not in "fiub" and not has_categories(dtype):
            check_numeric(frame.iloc[:, j])


def _coded_in_rows(table: pd.DataFrame, named: np.ndarray) -> np.ndarray:
    """Return a mask of the features per step whose values become codes.

    A feature becomes codes in all of its columns or in none.
    """
    coded = np.array([has_categories(dtype) for dtype in table.dtypes], dtype=bool)
    steps = coded.reshape(-1, len(named))
    if ((steps.any(axis=0) & ~steps.all(axis=0)) & ~named).any():
        name = table.columns[int(coded.argmax())]
        raise InputError(
            f"Column {name!r} holds categories, but not all columns of its feature do: "
            f"a row of 2-D X is a whole series of {len(named)} features per step "
            "(features_per_step). If rows are steps, put a SlidingWindow in front."
        )
    text = [needs_codes(dtype, True) for dtype in table.dtypes]
    return steps.any(axis=0) | (np.reshape(text, steps.shape).any(axis=0) & named)


def _coded_rows(table: pd.DataFrame, coded: np.ndarray) -> Sequences:
    """Return 2-D rows as sequences; a feature has the same categories at all steps."""
    n_steps, per_step = table.shape[1] // len(coded), len(coded)
    values = np.empty((len(table), n_steps, per_step))
    books: list[Codebook | None] = [Codebook() if c else None for c in coded]
    for step in range(n_steps):
        at = range(step * per_step, (step + 1) * per_step)
        values[:, step], books = read_columns([table.iloc[:, j] for j in at], books)
    return Sequences.from_array(values, categories=categories_of(books))


def _as_table(X: Any) -> pd.DataFrame | None:
    """Return a 2-D array that may hold text as a frame; None if X is not one."""
    text = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "OUS"
    return pd.DataFrame(X) if text else None


def _warn_rows_of_steps(owner: str, frame: pd.DataFrame, per_step: int) -> None:
    """Warn if the rows of a frame look like time steps instead of whole series."""
    index = frame.index
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex, pd.MultiIndex)):
        seen = f"X is a frame with a {type(index).__name__}"
    elif per_step == 1 and _look_like_features(frame.columns):
        names = ", ".join(repr(name) for name in frame.columns[:4])
        more = ", …" if frame.shape[1] > 4 else ""
        seen = f"X is a frame with the columns {names}{more}, which look like features"
    else:
        return
    warn(
        f"{seen}: its rows look like time steps, but {owner} reads each row as a whole "
        "series. To predict from the rows before each row, put a window in front: "
        f"make_pipeline(SlidingWindow(24, lag=1), {owner}()). If each row is a series, "
        "pass X.to_numpy().",
        LayoutWarning,
    )


def _look_like_features(columns: Any) -> bool:
    """Tell whether columns have names of their own instead of numbers of steps."""
    names = [re.sub(r"\d+", "", str(name)) for name in columns]
    return len(set(names)) > 1 or names == [str(name) for name in columns]


def _from_3d(schema: Any, X: Any) -> Read:
    array = np.asarray(X)
    named = schema.named(range(array.shape[2]))
    if array.size == 0:
        raise InputError(
            f"Found array with shape {array.shape}: it has 0 sample(s), step(s) or "
            f"feature(s), while {schema.owner} requires at least 1 of each."
        )
    categories = None
    if array.dtype.kind not in "fiub" and named.any():
        table = pd.DataFrame(array.reshape(-1, array.shape[2]))
        columns = [table[j] for j in table]
        values, categories = _read_columns(columns, named)
        array = values.reshape(array.shape)
    elif array.dtype.kind not in "fiub":
        refuse_times(array, "X")
        _refuse_texts(array, array.shape[2])
        flat = check_array(
            array.reshape(len(array), -1),
            dtype=FLOATS,
            ensure_all_finite=False,
            input_name="X",
            estimator=schema.owner,
        )
        array = flat.reshape(array.shape)
    if array.dtype not in FLOATS:
        array = array.astype(np.float64)
    _, n_steps, n_features = array.shape
    if schema.learns and _looks_channel_major(array):
        warn(
            f"X of shape {array.shape} is read as {n_steps} steps of {n_features} "
            "features. If it is channel-major, as in sktime and aeon, swap the axes: "
            "X.swapaxes(1, 2).",
            LayoutWarning,
        )
    sequences = sequences_of(array, categories=categories)
    return schema.finite(sequences), named, Seen.of(sequences)


def _looks_channel_major(array: np.ndarray) -> bool:
    """Tell whether the last axis of an array is probably the one of time."""
    _, n_steps, n_features = array.shape
    ratio = n_features / max(n_steps, 2)
    if ratio >= _CHANNEL_MAJOR or ratio < _MAYBE_CHANNEL_MAJOR or n_steps < 2:
        return ratio >= _CHANNEL_MAJOR
    some = array[:100].astype(np.float64)
    between_steps = np.abs(np.diff(some, axis=1))
    between_features = np.abs(np.diff(some, axis=2))
    if np.isnan(between_steps).all() or np.isnan(between_features).all():
        return False
    return bool(np.nanmean(between_features) < _ALIKE * np.nanmean(between_steps))


def _read_columns(
    columns: list[pd.Series], coded: np.ndarray
) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    """Return the columns as floats, and the categories of those that become codes."""
    books = [Codebook() if code else None for code in coded]
    values, grown = read_columns(columns, books)
    return values, categories_of(grown)


def _from_items(schema: Any, items: list[Any]) -> Read:
    _refuse_static(items)
    frames = [as_frame(item) for item in items]
    names = _item_names(schema, frames)
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
    named = schema.named(names or range(width))
    coded = _coded_in_items(tables, named)
    if coded.any():
        flat, categories = _joined(tables, coded)
    else:
        arrays = [_item_array(k, table) for k, table in enumerate(tables)]
        flat, categories = np.concatenate(arrays), None
    if flat.dtype not in FLOATS:
        flat = flat.astype(np.float64)
    lengths = np.array([len(table) for table in tables])
    sequences = Sequences(
        flat,
        np.cumsum(lengths) - lengths,
        lengths,
        feature_names=names,
        categories=categories,
    )
    return schema.finite(sequences), named, Seen.of(sequences)


def _refuse_static(items: list[Any]) -> None:
    """Raise InputError for a pair of all sequences and a table beside them."""
    if len(items) != 2 or [np.ndim(item) for item in items] != [3, 2]:
        return
    sequences, table = (np.shape(item) for item in items)
    if sequences[0] == table[0]:
        raise InputError(
            f"X holds sequences of shape {sequences} and a table of shape {table}; "
            "expected the sequences alone. Repeat the table at every step: "
            "X = np.concatenate([X[0], np.repeat(X[1][:, None], X[0].shape[1], "
            "axis=1)], axis=2)."
        )


def _coded_in_items(tables: list[Any], named: np.ndarray) -> np.ndarray:
    """Return a mask of the features that need codes in at least one item."""
    coded = np.zeros(len(named), dtype=bool)
    for table in tables:
        if not isinstance(table, pd.DataFrame):
            coded |= named & (table.dtype.kind not in "fiub")
            continue
        for j, dtype in enumerate(table.dtypes):
            coded[j] |= needs_codes(dtype, named[j])
    return coded


def _item_names(
    schema: Any, frames: Sequence[pd.DataFrame | None]
) -> tuple[str, ...] | None:
    """Return the column names of fit, else those of the first frame in a list."""
    if all(frame is None for frame in frames):
        return None
    if schema.feature_names is not None:
        return tuple(schema.feature_names)
    first = next(frame for frame in frames if frame is not None)
    return tuple(str(c) for c in first.columns)


def _item_table(
    k: int, item: Any, frame: pd.DataFrame | None, names: tuple[str, ...] | None
) -> Any:
    """Return an item as a frame with ordered columns, or as an array (n_steps, …)."""
    if frame is not None and names is not None:
        refuse_repeated_names(frame)
        columns = [str(c) for c in frame.columns]
        if sorted(columns) != sorted(names):
            missing = sorted(set(names) - set(columns))
            extra = sorted(set(columns) - set(names))
            raise InputError(
                f"Item {k} of X does not have the same columns as the first sequence "
                f"or fit: missing {missing}, not expected {extra}."
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


def refuse_complex(values: Any, name: str) -> None:
    """Refuse complex numbers: to drop their imaginary part would go unnoticed."""
    if getattr(getattr(values, "dtype", None), "kind", None) == "c":
        raise InputError(
            f"Complex data not supported: {name} has dtype {values.dtype}. Pass real "
            f"and imaginary parts as two features, or {name}.real."
        )


def _item_array(k: int, table: Any) -> np.ndarray:
    """Return an item without categories as numbers (n_steps, n_features)."""
    refuse_complex(table, f"item {k} of X")
    refuse_times(table, f"X[{k}]")
    if isinstance(table, pd.DataFrame):
        columns = [table.iloc[:, j] for j in range(table.shape[1])]
        return read_columns(columns, [None] * len(columns))[0]
    if table.dtype.kind not in "fiub":
        try:
            return table.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"Item {k} of X is not numeric: {error}. If it holds tokens or other "
                "categories, pass their positions, such as categorical_features=[0]."
            ) from error
    return table


def _joined(
    tables: list[Any], coded: np.ndarray
) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    """Return all items as numbers, stacked vertically, and the categories of the codes.

    Values are joined before they get codes; otherwise a long list of short texts would
    extend its vocabulary thousands of times.
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
