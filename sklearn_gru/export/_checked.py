"""The comparison of an exported model with ``predict``, before it is written.

Random sequences are like those of fit: scaled as its features, ragged, with missing
cells, steps without any value, sequences without any step, and unknown categories.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._windows.placement import window_view
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export._described import Described

_N_SEQUENCES = 60
_N_STEPS = 20
_UNKNOWN = 0.05  # share of categories that fit has not seen
_INVERSE = {
    "subtract": "add",
    "add": "subtract",
    "multiply": "divide",
    "divide": "multiply",
}


class Probe(NamedTuple):
    """Data for both models, and what the estimator says of them.

    `X` is for the exported model; answers have their names: "predict",
    "predict_proba" or "predict_quantiles".
    """

    where: str
    X: Any
    expected: dict[str, np.ndarray]


def probes(described: Described, X: Any = None) -> list[Probe]:
    """Return random data, and X, each with the answers of the model."""
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of random data that fit saw nothing like
        found = [_random_sequences(described, rng)]
        if described.window is not None:
            found.append(_random_rows(described, rng))
        if X is not None:
            found.append(Probe("X", _as_numbers(X), _answers(described.model, X)))
    return found


def compare(
    described: Described,
    answer: Callable[[str, Any], np.ndarray],
    tolerance: float,
    found: list[Probe],
) -> float:
    """Return the largest difference; raise ExportError if it is too large.

    It is relative to the standard deviation of y in fit plus the answer.
    """
    worst, unit = 0.0, unit_of(described)
    for probe in found:
        for method, expected in probe.expected.items():
            own, unit_here = answer(method, probe.X), _like(unit, expected)
            off = difference(own, expected, unit_here, method, probe.where, tolerance)
            worst = max(worst, off)
    return worst


def difference(
    found: np.ndarray,
    expected: np.ndarray,
    unit: np.ndarray,
    method: str,
    where: str,
    tolerance: float,
) -> float:
    """Return the largest difference of answers; raise ExportError if it is too large.

    It is relative to a unit plus the answer. `method` and `where` are for the message.
    """
    off = np.abs(found - expected) / (unit + np.abs(expected))
    bad = np.nan_to_num(off, nan=np.inf).reshape(len(off), -1).max(axis=1)
    row = int(bad.argmax())
    if not bad[row] <= tolerance:
        raise ExportError(
            f"The exported model differs from {method} by {bad[row]:.1e} (relative to "
            f"the spread of y): {found[row]} instead of {expected[row]} in row {row} "
            f"of {where}. Nothing was written. If the numbers are close enough, pass "
            f"a larger tolerance= than {tolerance:g}."
        )
    return float(bad[row])


def unit_of(described: Described) -> np.ndarray:
    """Return the unit of differences per target: the spread of y, 1 for classes."""
    task = described.about["task"]
    if task == "classification":
        return np.ones(described.about["n_targets"])
    unit = described.arrays["task.scale"]
    rule = described.about["continuation"]
    return unit if rule is None else unit * rule["scale"]


# -- inside ----------------------------------------------------------------------------


def _like(unit: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return units in the shape of answers: (n,), (n, q), (n, k) or (n, k, q)."""
    if len(unit) == 1:
        return unit[0]
    return unit if answers.ndim == 2 else unit[:, None]


def _answers(model: Any, X: Any) -> dict[str, np.ndarray]:
    if hasattr(model, "predict_proba"):
        return {"predict_proba": model.predict_proba(X)}
    found = {"predict": model.predict(X)}
    if hasattr(model, "predict_quantiles"):
        found["predict_quantiles"] = model.predict(X, quantiles=True)
    return found


def _as_numbers(X: Any) -> Any:
    """Return X of a user as an exported model reads it."""
    if isinstance(X, (list, tuple)):
        return [np.asarray(x) for x in X]
    return np.asarray(X)


def _random_sequences(described: Described, rng: np.random.Generator) -> Probe:
    about = described.about
    if about["per_row"]:
        n_steps = about["n_columns"] // about["n_features"]
        values, _ = _random_values(described, _N_SEQUENCES * n_steps, rng)
        values = values.reshape(_N_SEQUENCES, -1)
        return Probe("random data", values, _answers(described.estimator, values))
    most = _N_STEPS if described.window is None else about["window"]["size"]
    lengths = rng.integers(0, min(most, 60) + 1, size=_N_SEQUENCES)
    values, raw = _random_values(described, int(lengths.sum()), rng)
    ends = np.cumsum(lengths)
    own = [raw[end - n : end] for end, n in zip(ends, lengths, strict=True)]
    categories = described.estimator._fitted.encoder.categories
    sequences = Sequences(
        values,
        ends - lengths,
        lengths,
        categories=categories.categories if len(categories.columns) else None,
    )
    return Probe("random data", own, _answers(described.estimator, sequences))


def _random_rows(described: Described, rng: np.random.Generator) -> Probe:
    """Return random rows of one series, with the answers for their windows."""
    window, estimator = described.window, described.estimator
    assert window is not None
    reach, n_rows = (
        window._fitted.reach,
        min(described.about["window"]["size"], 60) + 40,
    )
    values, raw = _random_values(described, n_rows, rng)
    table = estimator._fitted.encoder.categories
    if len(table.columns):
        given, about = raw, {"categories": table.categories}
    else:
        given, about = _before_steps(described, values), {}
        values = _framed(described, given)
        for step in described.before:
            values = step.transform(values)
    # A longer window than the rows and the lag only has more absent steps in front.
    reach = reach._replace(window=min(reach.window, n_rows + reach.lag))
    view = window_view(np.asarray(values, np.float64), reach, window._columns.known)
    windows = Sequences.from_array(view, **about)
    return Probe("random rows", given, _answers(estimator, windows))


def _before_steps(described: Described, rows: np.ndarray) -> np.ndarray:
    """Return rows that the steps before the window map to about these."""
    for k, name in reversed(list(enumerate(described.about["before"]))):
        if name != "fill":
            rows = getattr(np, _INVERSE[name])(rows, described.arrays[f"before.{k}"])
    return rows


def _framed(described: Described, rows: np.ndarray) -> Any:
    """Return rows as the first step reads them, with the names that it knows."""
    if not described.before or not hasattr(described.before[0], "feature_names_in_"):
        return rows
    return pd.DataFrame(rows, columns=described.before[0].feature_names_in_)


def _random_values(
    described: Described, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows with categories as codes, and with categories by their values."""
    known = described.estimator._fitted.encoder.standardizer
    values = known.mean + known.scale * rng.normal(size=(n, len(known.mean)))
    kinds = described.about["categories"] or []
    for j, kind in enumerate(kinds):
        if kind is not None:
            values[:, j] = rng.integers(0, len(kind), size=n)
    values[rng.random(values.shape) < 0.08] = np.nan
    values[rng.random(n) < 0.08] = np.nan
    if not any(kinds):
        return values, values
    raw = values.astype(object)
    for j, kind in enumerate(kinds):
        if kind is None:
            continue
        codes = values[:, j]
        raw[:, j] = [np.nan if np.isnan(c) else kind[int(c)] for c in codes]
        unknown = rng.random(n) < _UNKNOWN
        values[unknown, j] = np.nan
        raw[unknown, j] = "\ufffd" if isinstance(kind[0], str) else -987654321
    return values, raw
