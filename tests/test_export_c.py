"""Exported C compiles without a warning and computes what predict does."""

import shutil
import warnings

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from sklearn_gru import GRURegressor
from sklearn_gru.exceptions import ExportError, InvalidParameterError
from sklearn_gru.export import to_c
from tests.compiled import Compiled, by_code, c_answers, gcc
from tests.exported import (
    OPTIONS,
    difference,
    fit,
    fitted,
    fitted_pipeline,
    make_rows,
    make_X,
    random_parameters,
    random_sequences,
)

CLOSE = 1e-5
pytestmark = [
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc"),
    pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.UnseenDataWarning"),
]


@pytest.mark.parametrize("option", OPTIONS)
def test_windows_are_those_of_the_estimator(option, tmp_path):
    """Ragged, with gaps, empty, unknown categories: every option agrees."""
    model = fitted(option)
    to_c(model, tmp_path / "pump.c")
    compiled = Compiled(tmp_path / "pump.c")
    categorical = OPTIONS[option].get("categorical_features", ())
    X = random_sequences(np.random.default_rng(1), 20, categorical)
    found = np.array([compiled.window(x) for x in by_code(model, X)])
    assert difference(model, found, c_answers(model, X)) < CLOSE


@hypothesis.settings(max_examples=8, deadline=None)
@hypothesis.given(seed=st.integers(0, 2**31))
def test_any_combination_agrees(seed, tmp_path_factory):
    """Options drawn together agree on random sequences."""
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("c")
    params = random_parameters(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fit(**params)
        to_c(model, folder / "m.c")
        X = random_sequences(rng, 15, params.get("categorical_features", ()))
        expected = c_answers(model, X)
    compiled = Compiled(folder / "m.c", "-O0")
    found = np.array([compiled.window(x) for x in by_code(model, X)])
    assert difference(model, found, expected) < CLOSE


@pytest.mark.parametrize(
    "option",
    ["cell gru", "cell lstm", "3 layers", "pooling mean", "pooling attention",
     "classes, one direction", "categories"],
)  # fmt: skip
@pytest.mark.parametrize("share", [0, 0.4])
def test_steps_carry_the_state(option, share, tmp_path):
    """After each row, the answer for all rows so far."""
    model = fit(**OPTIONS[option], linear_share=share)
    to_c(model, tmp_path / "pump.c")
    compiled = Compiled(tmp_path / "pump.c")
    categorical = OPTIONS[option].get("categorical_features", ())
    rows = make_X(1, 30, seed=5, categorical=categorical)[0]
    found = np.array([compiled.step(row) for row in by_code(model, [rows])[0]])
    expected = c_answers(model, [rows[: k + 1] for k in range(len(rows))])
    assert difference(model, found, expected) < CLOSE


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"scaled": True},
        {"lag": 3, "known_future": (1,)},
        {"lag": 2, "scaled": True},
    ],
    ids=str,
)
def test_steps_of_a_pipeline_are_its_windows(params, tmp_path):
    """Scalers, windows, lags and known columns, row by row."""
    pipeline, rows = fitted_pipeline(**params), make_rows(40, seed=3)
    to_c(pipeline, tmp_path / "pump.c")
    compiled = Compiled(tmp_path / "pump.c")
    found = np.array([compiled.step(row) for row in rows])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = c_answers(pipeline, rows)
    assert difference(pipeline, found, expected) < CLOSE


@pytest.mark.parametrize("level", ["-Os", "-O2", "-O3"])
def test_it_compiles_at_every_level(level, tmp_path):
    """No warning, and the same answers."""
    model, X = fitted("pooling attention"), make_X(5)
    to_c(model, tmp_path / "pump.c")
    compiled = Compiled(tmp_path / "pump.c", level)
    found = np.array([compiled.window(x) for x in X])
    assert difference(model, found, c_answers(model, X)) < CLOSE


def test_fast_math_is_refused(tmp_path):
    """The compiler says why."""
    to_c(fitted("cell rnn"), tmp_path / "pump.c")
    with pytest.raises(AssertionError, match="without -ffast-math"):
        gcc(tmp_path, "-ffast-math", "-c", "pump.c")
    gcc(tmp_path, "-c", "pump.c")
    (tmp_path / "main.c").write_text(
        '#define PUMP_DECLARATIONS\n#include "pump.c"\n'
        "int main(void) { static pump_state s; double row[3] = {1, 2, 3}, out[1];\n"
        "pump_reset(&s); pump_step(&s, row, out); return out[0] != out[0]; }\n"
    )
    gcc(tmp_path, "main.c", "pump.o", "-lm", "-o", "main")


@pytest.mark.parametrize("option", ["cell lstm", "convolution", "pooling attention"])
def test_int8_is_smaller_and_says_what_it_loses(option, tmp_path):
    """Predictions change by as much as the measured loss."""
    params = {"hidden_size": 24, **OPTIONS[option]}
    model, X = fit(**params), make_X(40, seed=9)
    whole = to_c(model, tmp_path / "whole.c")
    loss = to_c(model, tmp_path / "small.c", weights="int8", X=X)
    assert whole < 1e-6 < loss < 0.1
    text = (tmp_path / "small.c").read_text()
    assert f"rounding changed answers by at most {loss:.1e}" in text
    compiled = Compiled(tmp_path / "small.c")
    found = np.array([compiled.window(x) for x in X])
    off = difference(model, found, c_answers(model, X))
    assert 0 < off < loss + CLOSE
    sizes = []
    for name in ("whole", "small"):
        gcc(tmp_path, "-Os", "-c", f"{name}.c")
        sizes.append((tmp_path / f"{name}.o").stat().st_size)
    assert sizes[1] < 0.7 * sizes[0]


def test_what_does_not_fit_is_refused(tmp_path):
    """Steps beyond the memory, names that are not C, unknown types, large losses."""
    model = fitted("cell gru")
    to_c(model, tmp_path / "pump.c", max_steps=4)
    compiled = Compiled(tmp_path / "pump.c")
    compiled.window(np.ones((4, 3)))
    with pytest.raises(ValueError, match="too many"):
        compiled.window(np.ones((5, 3)))
    for options, error, message in [
        ({"name": "2x"}, InvalidParameterError, "not a name in C"),
        ({"weights": "int4"}, InvalidParameterError, "'float32' or 'int8'"),
        ({"max_steps": 0}, InvalidParameterError, "at least 1"),
        ({"weights": "int8", "tolerance": 1e-9}, ExportError, "differs from predict"),
    ]:
        with pytest.raises(error, match=message):
            to_c(model, tmp_path / "other.c", **options)
    assert not (tmp_path / "other.c").exists()


def test_names_in_comments_cannot_end_them(tmp_path):
    """Labels are data, never code."""
    import pandas as pd

    frames = [pd.DataFrame({"*/ int x;": np.arange(4.0) + k}) for k in range(12)]
    model = GRURegressor(3, max_iter=1, random_state=0).fit(frames, np.arange(12.0))
    to_c(model, tmp_path / "gru.c")
    gcc(tmp_path, "-c", "gru.c")
