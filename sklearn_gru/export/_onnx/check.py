"""The comparison of a graph with ``predict``, before it is written.

It runs in ONNX Runtime on random data like those of fit, with missing cells, steps
without any value, ragged lengths and unknown categories, and on data that the user
gives.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._model.tasks import Classification
from sklearn_gru._tables.frames import as_list
from sklearn_gru._windows.placement import window_view
from sklearn_gru.exceptions import ExportError, LostHistoryWarning, UnseenDataWarning
from sklearn_gru.export._checked import difference
from sklearn_gru.export._onnx.packages import require
from sklearn_gru.export._onnx.reading import category_values
from sklearn_gru.export._onnx.source import Source

_N_SEQUENCES = 200
_N_STEPS = 24
_N_SERIES = 3  # in the check of a graph that answers one row at a time


class Runner:
    """A graph in ONNX Runtime, on one thread."""

    def __init__(self, model: Any) -> None:
        runtime = require("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            opset = model.opset_import[0].version
            raise ExportError(
                f"onnxruntime {runtime.__version__} cannot run the graph in opset "
                f"{opset}, so it cannot be checked: {error}. Pass opset=18, or update "
                "onnxruntime."
            ) from error

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(None, inputs), strict=True))


def check_predicting(source: Source, model: Any, X: Any, tolerance: float) -> float:
    """Compare answers for random data and X; return the largest difference.

    It is relative to the spread of y and to the answer.
    """
    run, worst = Runner(model), 0.0
    tables = [("random data", _random_table(source))]
    if X is not None:
        tables.append(("X", _as_given(source, X)))
    for where, table in tables:
        expected = _Expected(source, *_of_table(source, table))
        worst = max(worst, expected.compare(run(X=table), where, tolerance))
    return worst


def check_stepping(source: Source, model: Any, X: Any, tolerance: float) -> float:
    """Compare the answers for rows one by one; return the largest difference."""
    run, worst = Runner(model), 0.0
    given = [_as_given(source, X)] if X is not None else []
    if source.window is None:
        given = [sequence[None] for dense in given for sequence in dense]
    for where, rows in [
        ("random data", _random_rows(source)),
        *(("X", part.reshape(1, -1, part.shape[-1])) for part in given),
    ]:
        found = _run_steps(run, model, rows)
        for series, own in zip(rows, found, strict=True):
            table = _prefixes(source, series) if source.window is None else series
            expected = _Expected(source, *_of_table(source, table))
            worst = max(worst, expected.compare(own, where, tolerance))
    return worst


# -- what predict says -----------------------------------------------------------------


class _Expected:
    """The answers of ``predict``, and the unit of their differences."""

    def __init__(self, source: Source, sequences: Any, table: Any) -> None:
        self._task = source.fitted.task
        model, X = (source.model, table) if table is not None else (None, sequences)
        model = source.estimator if model is None else model
        with warnings.catch_warnings():
            for category in (LostHistoryWarning, UnseenDataWarning):
                warnings.simplefilter("ignore", category)
            if isinstance(self._task, Classification):
                self._answers = {"probabilities": model.predict_proba(X)}
            else:
                self._answers = {"prediction": model.predict(X)}
            if hasattr(self._task, "given"):
                self._answers["quantiles"] = model.predict(X, quantiles=True)
        self._unit = _unit(source, sequences)

    def compare(
        self, found: dict[str, np.ndarray], where: str, tolerance: float
    ) -> float:
        """Raise ExportError if answers differ; return the largest difference."""
        worst = 0.0
        for name, expected in self._answers.items():
            unit, method = _like(self._unit, expected), f"predict ({name})"
            off = difference(found[name], expected, unit, method, where, tolerance)
            worst = max(worst, off)
        if "label" in found:
            self._compare_labels(found["label"], where, tolerance)
        return worst

    def _compare_labels(self, labels: Any, where: str, tolerance: float) -> None:
        probabilities = self._answers["probabilities"]
        classes = self._task.classes
        expected = classes[probabilities.argmax(axis=1)]
        first, second = np.sort(probabilities, axis=1)[:, :-3:-1].T
        wrong = (labels != expected) & (first - second > 2 * tolerance)
        if wrong.any():
            row = int(wrong.argmax())
            raise ExportError(
                f"The exported graph differs from predict: the label is "
                f"{labels[row]!r} instead of {expected[row]!r} in row {row} of "
                f"{where}. It was not written."
            )


def _like(unit: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return units (n or 1, n_outputs) in the dimensions of answers."""
    if unit.shape[1] == 1 and expected.ndim == 1:
        return unit[:, 0]
    if unit.shape[1] == 1 and expected.ndim == 2:
        return unit
    return unit.reshape(*unit.shape, *(1,) * (expected.ndim - 2))


def _unit(source: Source, sequences: Any) -> np.ndarray:
    """Return the spread of y (n or 1, n_outputs), of each sequence if it has one."""
    fitted = source.fitted
    if isinstance(fitted.task, Classification):
        return np.ones((1, 1))
    unit = fitted.task.scale[None]
    if fitted.continuation is None:
        return unit
    encoder = fitted.encoder
    _, scale = fitted.continuation.levels(encoder.condense(encoder.read(sequences)))
    return unit * scale


def _of_table(source: Source, table: Any) -> tuple[Any, Any]:
    """Return the sequences that the estimator reads, and X of the model if it may."""
    if isinstance(table, Sequences):
        return table, None
    about = {"categories": _carried(source)}
    if source.window is None:
        if source.is_flat:
            return table, None
        return Sequences.from_array(table, **about), None
    X: Any = table
    names = source.feature_names
    if names is not None:
        X = pd.DataFrame(table, columns=names)
    rows = X
    for step in source.before:
        rows = step.transform(rows)
    window = source.window
    rows = np.asarray(rows, dtype=np.float64)
    found: Any = window_view(rows, window._fitted.reach, window._columns.known)
    if window.flatten:
        return found.reshape(len(found), -1), X if _is_plain(source) else None
    sequences = Sequences.from_array(found, **about)
    return sequences, X if _is_plain(source) else None


def _is_plain(source: Source) -> bool:
    """Return whether the model itself reads rows without times and groups."""
    window = source.window
    if window.time is not None or as_list(window.groups):
        return False
    return window._fitted.axis.kind == "row" and _carried(source) is None


def _carried(source: Source) -> Any:
    """Return the categories behind the codes of X, if they are not numbers."""
    known = source.fitted.encoder.categories.categories
    text = [values is not None and category_values(values) is None for values in known]
    return known if any(text) else None


# -- data to compare on ----------------------------------------------------------------


def _random_table(source: Source) -> np.ndarray:
    """Return random X like that of fit."""
    rng = np.random.default_rng(0)
    if source.window is not None:
        reach = source.window._fitted.reach
        n = max(_N_SEQUENCES, 3 * (reach.window + reach.lag))
        return _before_window(source, _cells(source, rng, (n,)))
    n_steps = _N_STEPS
    encoder = source.fitted.encoder
    if source.is_flat:
        n_steps = source.n_features // encoder.schema.features_per_step
    cells = _cells(source, rng, (_N_SEQUENCES, n_steps))
    length = rng.integers(0, n_steps + 1, size=_N_SEQUENCES)
    cells[np.arange(n_steps) < n_steps - length[:, None]] = np.nan
    return cells.reshape(_N_SEQUENCES, -1) if source.is_flat else cells


def _random_rows(source: Source) -> np.ndarray:
    """Return random rows (n_series, n_rows, n_features)."""
    rng = np.random.default_rng(1)
    n_rows = _N_STEPS
    if source.window is not None:
        reach = source.window._fitted.reach
        n_rows += 2 * (reach.window + reach.lag)
    cells = _cells(source, rng, (_N_SERIES, n_rows))
    return np.stack([_before_window(source, rows) for rows in cells])


def _cells(
    source: Source, rng: np.random.Generator, shape: tuple[int, ...]
) -> np.ndarray:
    """Return random cells (*shape, n_features) as the estimator reads them."""
    encoder = source.fitted.encoder
    mean, scale = encoder.standardizer.mean, encoder.standardizer.scale
    cells = mean + scale * rng.normal(size=(*shape, len(mean)))
    for j, known in enumerate(encoder.categories.categories):
        if known is not None:
            values = category_values(known)
            values = np.arange(len(known), dtype=float) if values is None else values
            cells[..., j] = rng.choice(np.append(values, np.nan), size=shape)
            if category_values(known) is not None:
                cells[rng.random(shape) < 0.05, j] = values.max() + 1  # unknown
    cells[rng.random(cells.shape) < 0.05] = np.nan
    cells[rng.random(shape) < 0.05] = np.nan
    return cells


def _before_window(source: Source, rows: np.ndarray) -> np.ndarray:
    """Return rows in the units of X, in front of the scalers."""
    for step in reversed(source.before):
        if hasattr(step, "inverse_transform") and hasattr(step, "scale_"):
            rows = np.asarray(step.inverse_transform(rows))
    return rows


def _as_given(source: Source, X: Any) -> np.ndarray:
    """Return X as the graph reads it."""
    if source.window is not None:
        names = source.feature_names
        if isinstance(X, pd.DataFrame) and names is not None:
            X = X[names]
        source.check_width(X := np.asarray(X, dtype=np.float64))
        return X
    if source.is_flat:
        source.check_width(X := np.asarray(X, dtype=np.float64))
        return X
    sequences = source.fitted.encoder.read(X)  # with codes, where there are categories
    dense = sequences.__array__(np.float64)
    for j, known in enumerate(source.fitted.encoder.categories.categories):
        values = None if known is None else category_values(known)
        if values is not None:
            codes = dense[..., j]
            some = ~np.isnan(codes)
            codes[some] = values[codes[some].astype(np.int64)]
    return dense


def _prefixes(source: Source, rows: np.ndarray) -> Sequences:
    """Return the sequences of all rows up to each."""
    n = len(rows)
    starts, lengths = np.zeros(n, dtype=np.int64), np.arange(1, n + 1)
    return Sequences(rows, starts, lengths, categories=_carried(source))


def _run_steps(
    run: Runner, model: Any, rows: np.ndarray
) -> list[dict[str, np.ndarray]]:
    """Return the answers for each series of rows (n, n_rows, n_features)."""
    states, answers = first_states(model, len(rows)), []
    for k in range(rows.shape[1]):
        found = run(row=np.ascontiguousarray(rows[:, k]), **states)
        states = {name: found.pop(f"new_{name}") for name in states}
        answers.append(found)
    return [
        {name: np.stack([now[name][j] for now in answers]) for name in answers[0]}
        for j in range(len(rows))
    ]


def first_states(model: Any, n: int) -> dict[str, np.ndarray]:
    """Return the states of n series before their first row."""
    helper, states = require("onnx.helper"), {}
    for port in model.graph.input[1:]:
        kind = port.type.tensor_type
        shape = [d.dim_value or n for d in kind.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        states[port.name] = np.full(
            shape, np.nan if port.name == "recent" else 0, dtype
        )
    return states
