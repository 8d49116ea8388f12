"""A portable model predicts what predict does, and a damaged file is an error."""

import subprocess
import sys
import warnings

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru.exceptions import ExportError, InvalidParameterError
from sklearn_gru.export import (
    PortableError,
    PortableModel,
    gru_portable,
    load_portable,
    to_portable,
)
from sklearn_gru.live import Stream
from tests.exported import (
    N_FEATURES,
    OPTIONS,
    answers,
    difference,
    fit,
    fitted,
    fitted_pipeline,
    make_rows,
    make_X,
    random_parameters,
    random_sequences,
)
from tests.tampering import spoiled

CLOSE = 1e-5


def ported(model, folder, **options):
    """The model after a way through a file."""
    to_portable(model, folder / "model.gru", **options)
    return load_portable(folder / "model.gru")


@pytest.mark.parametrize("option", OPTIONS)
def test_predictions_are_those_of_the_estimator(option, tmp_path):
    """Ragged, with gaps, empty, unknown categories: every option agrees."""
    model = fitted(option)
    portable = ported(model, tmp_path)
    categorical = OPTIONS[option].get("categorical_features", ())
    X = random_sequences(np.random.default_rng(1), 30, categorical)
    found = portable.predict_proba(X) if "classes" in option else portable.predict(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert difference(model, found, answers(model, X)) < CLOSE
        if hasattr(model, "predict_quantiles"):
            quantiles = model.predict_quantiles(X)
            own = portable.predict_quantiles(X)
            assert own.shape == quantiles.shape
            assert difference(model, own, quantiles) < CLOSE
        assert portable.predict(X).shape == model.predict(X).shape


@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(seed=st.integers(0, 2**31))
def test_any_combination_agrees(seed, tmp_path_factory):
    """Options drawn together agree on random sequences."""
    rng = np.random.default_rng(seed)
    params = random_parameters(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fit(**params)
        portable = ported(model, tmp_path_factory.getbasetemp())
        X = random_sequences(rng, 20, params.get("categorical_features", ()))
        found = portable.predict(X)
        if hasattr(model, "classes_"):
            found = portable.predict_proba(X)
        assert difference(model, found, answers(model, X)) < CLOSE


def test_labels_are_those_of_fit(tmp_path):
    """Labels keep their type: text, numbers, booleans."""
    X = make_X()
    for y in (np.arange(40) % 3, np.arange(40) % 2 == 0, np.array(["a", "bc"] * 20)):
        model = GRUClassifier(4, max_iter=1, random_state=0).fit(X, y)
        portable = ported(model, tmp_path)
        expected = model.predict(X)
        assert np.array_equal(portable.predict(X), expected)
        assert portable.classes_.dtype.kind == expected.dtype.kind


WINDOWS = [
    {},
    {"scaled": True},
    {"lag": 2},
    {"lag": 3, "known_future": (1,)},
    {"lag": 2, "known_future": (0, 2), "scaled": True},
    {"window_size": 400},
]


@pytest.mark.parametrize("params", WINDOWS, ids=str)
def test_rows_of_a_pipeline_are_its_windows(params, tmp_path):
    """Scalers, windows, lags and known columns: rows in, predictions out."""
    pipeline = fitted_pipeline(**params)
    rows = make_rows(50, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        portable = ported(pipeline, tmp_path, X=rows)
        expected = pipeline.predict(rows)
        found = portable.predict(rows)
        assert difference(pipeline, found, expected) < CLOSE
        one_by_one = [portable.update(row) for row in rows]
        assert difference(pipeline, np.array(one_by_one), expected) < CLOSE


def test_a_pipeline_on_frames_reads_rows_in_order_of_time(tmp_path):
    """With times, rows are numbers, and the first starts the series."""
    pipeline = fitted_pipeline(frame=True, scaled=True)
    portable = ported(pipeline, tmp_path)
    rows = make_rows(40, seed=3)
    assert portable.feature_names == ["a", "b", "c"]
    assert portable.about["reads_keys"]
    hours = pd.date_range("2030-01-01", periods=len(rows), freq="h")
    frame = pd.DataFrame(rows, columns=["a", "b", "c"], index=hours)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pipeline.predict(frame)
    assert difference(pipeline, portable.predict(rows), expected) < CLOSE


def test_text_categories_are_given_by_value(tmp_path):
    """Objects hold categories by value; an unknown one is missing."""
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame(
            {"x": rng.normal(size=6), "kind": pd.Categorical(rng.choice(["a", "b"], 6))}
        )
        for _ in range(30)
    ]
    model = GRURegressor(4, max_iter=1, random_state=0)
    model.fit(frames, rng.normal(size=30))
    portable = ported(model, tmp_path)
    X = [frame.to_numpy(dtype=object) for frame in frames]
    assert difference(model, portable.predict(X), model.predict(frames)) < CLOSE
    missing, unknown = X[0].copy(), X[0].copy()
    missing[2, 1], unknown[2, 1] = None, "z"
    assert portable.predict([missing]) == portable.predict([unknown])
    with pytest.raises(PortableError, match="array of objects"):
        portable.predict(np.ones((2, 6, 2)))


@pytest.mark.parametrize(
    "option",
    [
        "cell gru",
        "cell lstm",
        "pooling mean",
        "float32 network",
        "linear part",
        "classes, one direction",
    ],
)
def test_update_carries_the_state(option, tmp_path):
    """A row at a time answers what a stream does; a new series starts at nothing."""
    model = fitted(option)
    method = "predict_proba" if "classes" in option else "predict"
    portable, rows = ported(model, tmp_path), make_rows(30, seed=5)
    stream = Stream(model, method=method)
    expected = np.array([stream.update(row) for row in rows])
    found = np.array([portable.update(row, method) for row in rows])
    assert difference(model, found, expected) < CLOSE
    again = portable.new_series()
    found = np.array([again.update(row, method) for row in rows])
    assert difference(model, found, expected) < CLOSE
    found = np.array([portable.reset().update(rows[0], method)])
    assert difference(model, found, expected[:1]) < CLOSE


def test_update_refuses_what_reads_the_whole_sequence(tmp_path):
    """Both directions need every row again, and the message says so."""
    portable = ported(fitted("bidirectional"), tmp_path)
    with pytest.raises(PortableError, match=r"bidirectional=True .* SlidingWindow"):
        portable.update(np.zeros(N_FEATURES))
    with pytest.raises(PortableError, match="not a method"):
        portable.update(np.zeros(N_FEATURES), method="fit")


def test_float16_halves_the_file(tmp_path):
    """Weights of half the bytes, predictions within 3 % of the spread."""
    X = make_X()
    model = GRURegressor(48, max_iter=1, random_state=0).fit(X, np.nansum(X, (1, 2)))
    to_portable(model, tmp_path / "whole.gru")
    to_portable(model, tmp_path / "half.gru", dtype="float16")
    whole, half = ((tmp_path / f"{n}.gru").stat().st_size for n in ("whole", "half"))
    assert half < 0.62 * whole
    found = load_portable(tmp_path / "half.gru").predict(X)
    assert 0 < difference(model, found, model.predict(X)) < 0.03


def test_what_would_differ_is_not_written(tmp_path):
    """A tolerance that rounding breaks: an error, and no file."""
    with pytest.raises(ExportError, match="differs from predict by"):
        to_portable(
            fitted("cell gru"), tmp_path / "m.gru", dtype="float16", tolerance=0
        )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidParameterError, match="float32"):
        to_portable(fitted("cell gru"), tmp_path / "m.gru", dtype="int8")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StandardScaler(), "expected a fitted GRURegressor"),
        (lambda: fitted_pipeline(flatten=False)[:1], "expected GRURegressor"),
        (
            lambda: fitted_pipeline(frame=True, add_elapsed=True),
            "add_elapsed=True",
        ),
        (
            lambda: make_pipeline(
                PCA(2), SlidingWindow(3), GRURegressor(3, max_iter=1)
            ).fit(np.random.default_rng(0).normal(size=(50, 3)), np.arange(50.0)),
            "PCA",
        ),
    ],
)
def test_refusals_say_what_is_possible(make, message, tmp_path):
    """What has no portable form is named."""
    with pytest.raises(ExportError, match=message):
        to_portable(make(), tmp_path / "model.gru")


def test_wrong_data_is_refused(tmp_path):
    """Widths, dimensions and infinity."""
    portable = ported(fitted("cell gru"), tmp_path)
    for X, message in [
        (np.zeros((2, 5, N_FEATURES + 1)), "expected 3 columns"),
        (np.zeros((5, N_FEATURES)), r"x\[None\]"),
        (np.full((1, 2, N_FEATURES), np.inf), "infinity"),
        ([np.array([["a", "b", "c"]])], "not a number"),
    ]:
        with pytest.raises(PortableError, match=message):
            portable.predict(X)
    with pytest.raises(PortableError, match="only classifiers"):
        portable.predict_proba(make_X())
    with pytest.raises(PortableError, match="without quantiles"):
        portable.predict_quantiles(make_X())


# --- the file -------------------------------------------------------------------------


def test_members_are_arrays_that_numpy_reads(tmp_path):
    """The zip holds .npy files and a text; np.load reads it without pickle."""
    to_portable(fitted("pooling attention"), tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        weights = arrays["net0.head.weight"]
    module = fitted("pooling attention").module_
    expected = module.head.weight.detach().numpy().astype(np.float32)
    assert np.array_equal(weights, expected)


def test_every_flipped_bit_is_found(tmp_path):
    """A file with one bit changed anywhere is not loaded."""
    path = tmp_path / "m.gru"
    to_portable(fitted("cell rnn"), path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(0, len(content), size=150):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(changed))
        with pytest.raises(PortableError):
            load_portable(path)


def test_crafted_files_are_clear_errors(tmp_path):
    """Whatever is changed, and sealed again: an error that says what is wrong."""
    path = tmp_path / "m.gru"
    to_portable(fitted("categories, differences"), path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for kind, crafted in spoiled(content, rng, 150):
        path.write_bytes(crafted)
        assert len(refusal(path)) > 20, kind


def refusal(path):
    """The message that a file is refused with; empty if it is loaded."""
    try:
        load_portable(path)
    except PortableError as error:
        return str(error)
    return ""


def test_a_newer_format_says_so(tmp_path):
    """The message names the remedy."""
    path = tmp_path / "m.gru"
    to_portable(fitted("cell rnn"), path)
    about, arrays = gru_portable.unpack(path.read_bytes())
    with pytest.raises(PortableError, match="format 2"):
        gru_portable.check_description({**about, "format": 2})
    assert isinstance(PortableModel(about, arrays), PortableModel)


ALONE = """
import sys
class Refuse:
    def find_spec(self, name, *rest):
        top = name.partition(".")[0]
        if top in {"torch", "numba", "sklearn", "pandas", "skorch", "scipy",
                   "sklearn_gru", "joblib", "polars"}:
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Refuse())
import numpy as np
from gru_portable import load_portable
model = load_portable("m.gru")
X = np.load("X.npy")
np.save("found.npy", model.predict(X))
assert not {"torch", "numba", "sklearn", "pandas", "sklearn_gru"} & set(sys.modules)
"""


def test_the_reader_works_alone(tmp_path):
    """One file beside the model, and NumPy; also as a program."""
    pipeline = fitted_pipeline()
    to_portable(pipeline, tmp_path / "m.gru", reader=True)
    rows = make_rows(20, seed=7)
    np.save(tmp_path / "X.npy", rows)
    env = {"PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", ALONE], cwd=tmp_path, check=True, env=env)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pipeline.predict(rows)
    found = np.load(tmp_path / "found.npy")
    assert difference(pipeline, found, expected) < CLOSE
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b,c", comments="")
    printed = subprocess.run(
        [sys.executable, "gru_portable.py", "m.gru", "rows.csv"],
        cwd=tmp_path, check=True, env=env, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = np.array(printed.split(), dtype=float)
    assert difference(pipeline, found, expected) < CLOSE


def test_loading_through_the_package_imports_numpy_only(tmp_path):
    """load_portable of an installed package is as light."""
    to_portable(fitted("cell rnn"), tmp_path / "m.gru")
    code = (
        "import sys; from sklearn_gru.export import load_portable; "
        "load_portable('m.gru').predict([[[1., 2., 3.]]]); "
        "heavy = {'torch', 'numba', 'sklearn', 'pandas'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
