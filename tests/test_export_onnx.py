"""An exported ONNX graph answers what predict answers."""

import json
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.poolings import POOLINGS
from sklearn_gru.exceptions import ExportError, InputError
from sklearn_gru.export import register_skl2onnx, to_onnx
from sklearn_gru.export._onnx import public, reading
from sklearn_gru.live import Stream

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

# Windows of a plain array begin at its first row, here as in the graph.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_gru.exceptions.LostHistoryWarning"
)

N_FEATURES = 4
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def make_rows(n, seed):
    """Rows of four magnitudes, the last a code; cells and whole rows are missing."""
    rng = np.random.default_rng(seed)
    rows = rng.normal([0.0, 1e3, 5.0, 0.0], [1.0, 30.0, 0.1, 1.0], size=(n, N_FEATURES))
    rows[:, 3] = rng.integers(0, 4, size=n)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    rows[rng.random(n) < 0.08] = np.nan
    return rows


def make_data(n=50, n_steps=9, seed=0):
    """Sequences of any length up to n_steps, one of them empty, and y of spread 1."""
    X = make_rows(n * n_steps, seed).reshape(n, n_steps, N_FEATURES)
    for k, x in enumerate(X):
        x[: k % (n_steps + 1)] = np.nan
    y = np.nansum(X[:, -3:, 0], axis=1)
    return X, (y - y.mean()) / y.std()


def fitted(kind=GRURegressor, y=None, **params):
    X, target = make_data()
    params = {"hidden_size": 5, "max_iter": 1, "random_state": 0, **params}
    if kind is GRURegressor:
        params = {"normalization": None, **params}
    return kind(**params).fit(X, target if y is None else y)


def session(graph):
    return runtime.InferenceSession(graph.SerializeToString())


def run(graph, **inputs):
    """The answers by their names."""
    made = session(graph)
    names = [output.name for output in made.get_outputs()]
    return dict(zip(names, made.run(None, inputs), strict=True))


def metadata(graph):
    return {entry.key: json.loads(entry.value) for entry in graph.metadata_props}


def first_states(graph, n):
    """The states of n series before their first row."""
    states = {}
    for port in session(graph).get_inputs()[1:]:
        shape = [n if size == "n" else size for size in port.shape]
        first = np.nan if port.name == "recent" else 0
        kind = {"tensor(float)": "f4", "tensor(int64)": "i8", "tensor(double)": "f8"}
        states[port.name] = np.full(shape, first, dtype=kind[port.type])
    return states


def step_through(graph, rows, name="prediction"):
    """The answers for each row (n_rows, n, n_features), carried from row to row."""
    made, states, answers = session(graph), first_states(graph, rows.shape[1]), []
    names = [output.name for output in made.get_outputs()]
    for row in rows:
        found = dict(zip(names, made.run(None, {"row": row, **states}), strict=True))
        states = {key: found[f"new_{key}"] for key in states}
        answers.append(found[name])
    return np.array(answers)


# -- an estimator alone ----------------------------------------------------------------

OPTIONS = {
    **{f"cell={cell}": {"cell": cell} for cell in CELLS},
    **{
        f"{cell}, both directions, two layers": {
            "cell": cell,
            "bidirectional": True,
            "num_layers": 2,
        }
        for cell in CELLS
    },
    **{f"pooling={p}": {"pooling": p, "num_layers": 2} for p in POOLINGS},
    "differences": {"add_differences": True},
    **{
        f"normalization={kind}": {"normalization": kind, "target_feature": None}
        for kind in ("last", "standard")
    },
    **{
        f"normalization={kind}, target feature, differences": {
            "normalization": kind,
            "target_feature": 0,
            "add_differences": True,
        }
        for kind in ("last", "standard")
    },
    "categories": {"categorical_features": [3]},
    "no standardization": {"standardize": False, "categorical_features": [1]},
    "quantiles": {"loss": "quantile", "quantile": (0.9, 0.1, 0.5)},
    "quantiles of a continued feature": {
        "loss": "quantile",
        "quantile": (0.1, 0.6),
        "normalization": "standard",
        "target_feature": 0,
    },
    **{
        f"segments of {k}": {
            "segment_length": k,
            "pooling": "mean_max",
            "categorical_features": [3],
            "add_differences": True,
        }
        for k in (2, 4)
    },
    "convolution": {"conv_filters": (4, 6)},
    "several networks": {
        "n_estimators": 3,
        "loss": "quantile",
        "quantile": (0.2, 0.7),
        "categorical_features": [3],
    },
    "a linear part": {"linear_share": 0.4, "categorical_features": [3]},
    "everything": {
        "cell": "lstm",
        "n_estimators": 2,
        "linear_share": 0.5,
        "bidirectional": True,
        "num_layers": 2,
        "pooling": "attention",
        "conv_filters": (3, 5, 4, 3),
        "segment_length": 4,
        "normalization": "standard",
        "target_feature": 0,
        "add_differences": True,
        "categorical_features": [3],
    },
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_exported(option, dtype):
    """Missing cells, gaps anywhere, ragged lengths, an empty sequence, one sequence."""
    model = fitted(dtype=dtype, **OPTIONS[option])
    X, _ = make_data(seed=5)
    graph = to_onnx(model, X=X)
    for part in (X, X[3:4], X[:, -1:]):
        found = run(graph, X=part)
        np.testing.assert_allclose(found["prediction"], model.predict(part), **CLOSE)
    if "quantile" in OPTIONS[option]:
        quantiles = run(graph, X=X)["quantiles"]
        np.testing.assert_allclose(quantiles, model.predict_quantiles(X), **CLOSE)
    assert metadata(graph)["largest_difference"] < 1e-5


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize(
    "params", [{}, {"loss": "quantile", "quantile": (0.2, 0.7)}, {"loss": "poisson"}]
)
def test_answers_have_the_shape_of_predict(params, n_outputs):
    """Several outputs, and one output as a column."""
    _, y = make_data()
    y = np.abs(np.column_stack([y, 100 * y + 500])[:, :n_outputs])
    model = fitted(y=y, **params)
    X, _ = make_data(seed=6)
    found = run(to_onnx(model), X=X)["prediction"]
    assert found.shape == (len(X), n_outputs)
    np.testing.assert_allclose(found, model.predict(X), **CLOSE)


@pytest.mark.parametrize(
    "labels",
    [["a", "bc", "d"], [3, 5, 9], [-1.0, 0.0, 2.0], np.array(["x", "yy", "z"], object)],
    ids=["text", "int", "float", "object"],
)
def test_classes_and_probabilities(labels):
    """Labels of every kind come out as they went in."""
    _, y = make_data()
    y = np.asarray(labels)[np.digitize(y, [-0.4, 0.4])]
    model = fitted(GRUClassifier, y=y)
    X, _ = make_data(seed=7)
    found = run(to_onnx(model), X=X)
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), **CLOSE)
    assert found["label"].tolist() == model.predict(X).tolist()
    assert metadata(to_onnx(model))["classes"] == list(labels)


def test_text_is_read_by_its_position():
    """X holds the position in categories_, and NaN for a word that fit has not seen."""
    words = ["sun", "rain", "fog"]
    rng = np.random.default_rng(0)
    texts = [rng.choice(words, size=(3 + k % 3, 1)).astype(object) for k in range(30)]
    model = GRURegressor(4, categorical_features=[0], max_iter=1, random_state=0)
    model.fit(texts, rng.normal(size=30))
    graph = to_onnx(model)
    known = metadata(graph)["categories"]["0"]
    assert known == list(model.categories_[0])
    unknown = np.array([["sun"], ["snow"], ["fog"]], dtype=object)
    codes = [known.index("sun"), np.nan, known.index("fog")]
    found = run(graph, X=np.reshape(codes, (1, 3, 1)))["prediction"]
    np.testing.assert_allclose(found, model.predict([unknown]), **CLOSE)


def test_rows_that_are_series():
    """2-D X, with several features per step."""
    X, y = make_data()
    flat = X.reshape(len(X), -1)
    params = {"max_iter": 1, "random_state": 0, "normalization": None}
    model = GRURegressor(5, features_per_step=N_FEATURES, **params).fit(flat, y)
    found = run(to_onnx(model), X=flat)["prediction"]
    np.testing.assert_allclose(found, model.predict(flat), **CLOSE)


def test_opsets():
    """18 and the newest that is installed; older ones are refused."""
    model = fitted(pooling="mean_max", conv_filters=(3,), categorical_features=[3])
    X, _ = make_data(seed=8)
    newest, accepted, refused = onnx.defs.onnx_opset_version(), [], []
    for opset in range(18, newest + 1):
        try:
            graph = to_onnx(model, opset=opset)
        except ExportError as error:
            refused.append(str(error))
            continue
        accepted.append(graph.opset_import[0].version)
        found = run(graph, X=X)["prediction"]
        np.testing.assert_allclose(found, model.predict(X), **CLOSE)
    assert accepted[:5] == [18, 19, 20, 21, 22]
    assert all("Pass opset=18, or update onnxruntime" in text for text in refused)
    for wrong in (17, newest + 1, "18"):
        with pytest.raises(ExportError, match="is not an integer from 18 to"):
            to_onnx(model, opset=wrong)


# -- pipelines -------------------------------------------------------------------------

SCALERS = [
    [],
    [StandardScaler()],
    [SimpleImputer(), MinMaxScaler()],
    [RobustScaler(), MaxAbsScaler()],
]


@pytest.mark.parametrize("before", SCALERS, ids=repr)
@pytest.mark.parametrize(
    "window", [{}, {"lag": 2}, {"lag": 3, "known_future": [1]}], ids=repr
)
def test_windows_and_scalers_are_in_the_graph(window, before):
    """Rows in, a prediction per row out; and the same with a state."""
    rows = make_rows(150, seed=2)
    y = np.nan_to_num(np.roll(rows[:, 0], 1))
    params = {"max_iter": 1, "random_state": 0, "normalization": None}
    params["linear_share"] = 0.4
    model = make_pipeline(
        *before, SlidingWindow(6, **window), GRURegressor(5, **params)
    ).fit(rows, y)
    new = make_rows(40, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph = to_onnx(model, X=new)
    expected = model.predict(new)
    np.testing.assert_allclose(run(graph, X=new)["prediction"], expected, **CLOSE)
    step = to_onnx(model, step=True, X=new)
    assert metadata(step)["window_size"] == 6
    assert metadata(step)["lag"] == window.get("lag", 0)
    answers = step_through(step, new[:, None])
    np.testing.assert_allclose(answers[:, 0], expected, **CLOSE)


def test_flat_windows():
    """SlidingWindow(flatten=True) in front of an estimator of 2-D rows."""
    rows = make_rows(120, seed=2)
    y = np.nan_to_num(np.roll(rows[:, 0], 1))
    model = make_pipeline(
        SlidingWindow(5, flatten=True),
        GRURegressor(4, features_per_step=N_FEATURES, max_iter=1, normalization=None),
    ).fit(rows, y)
    found = run(to_onnx(model), X=rows)["prediction"]
    np.testing.assert_allclose(found, model.predict(rows), **CLOSE)


def test_frames_with_times_are_read_as_rows():
    """The graph reads rows one step apart; names tell which columns."""
    hours = pd.date_range("2024-01-01", periods=120, freq="h")
    frame = pd.DataFrame(make_rows(120, seed=2), index=hours, columns=list("abcd"))
    y = np.nan_to_num(np.roll(frame["a"], 1))
    model = make_pipeline(
        SlidingWindow(6), GRURegressor(5, max_iter=1, normalization=None)
    ).fit(frame[:100], y[:100])
    graph = to_onnx(model)
    assert metadata(graph)["feature_names"] == list("abcd")
    found = run(graph, X=frame.to_numpy()[80:])["prediction"]
    # From the sixth row on, the windows of predict hold no other rows.
    np.testing.assert_allclose(found[5:], model.predict(frame[80:])[5:], **CLOSE)
    with pytest.raises(InputError, match="X has 3 columns, but the graph reads 4"):
        to_onnx(model, X=frame.to_numpy()[:, :3])


# -- one row at a time -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "pooling", "share"),
    [
        *((cell, pooling, 0) for cell in CELLS for pooling in POOLINGS),
        ("gru", "last", 0.4),
        ("lstm", "mean_max", 1.0),
    ],
)
def test_a_state_goes_in_and_out(cell, pooling, share):
    """Several series at once answer what a Stream of several networks answers."""
    about = {"num_layers": 2, "dtype": "float64", "categorical_features": [3]}
    about["linear_share"] = share
    model = fitted(cell=cell, pooling=pooling, n_estimators=2, **about)
    rows = make_rows(3 * 30, seed=4).reshape(30, 3, N_FEATURES)
    rows[:3, 0] = np.nan  # a series that begins with a gap
    answers = step_through(to_onnx(model, step=True), rows)
    for j in range(3):
        stream = Stream(model)
        expected = [stream.update(row) for row in rows[:, j]]
        np.testing.assert_allclose(answers[:, j], expected, **CLOSE)


def test_a_state_of_classes_with_a_linear_part():
    """Probabilities behind a window, through a gap longer than it."""
    rows = make_rows(150, seed=5)
    rows[60:70] = np.nan
    y = np.nan_to_num(np.roll(rows[:, 0], 1)) > 0
    params = {"bidirectional": False, "add_differences": False, "linear_share": 0.4}
    gru = GRUClassifier(5, max_iter=1, random_state=0, **params)
    model = make_pipeline(SlidingWindow(6), gru).fit(rows, y)
    step = to_onnx(model, step=True, X=rows)
    found = step_through(step, rows[:, None], name="probabilities")[:, 0]
    np.testing.assert_allclose(found, model.predict_proba(rows), **CLOSE)


@pytest.mark.parametrize(
    "params",
    [
        {"bidirectional": True},
        {"normalization": "last"},
        {"add_differences": True},
        {"conv_filters": (3,)},
        {"segment_length": 2},
    ],
    ids=repr,
)
def test_a_state_that_cannot_be_carried_is_refused(params):
    """The reason is the parameter."""
    (name,) = params
    with pytest.raises(ExportError, match=rf"step=True is not possible.*{name}"):
        to_onnx(fitted(**params), step=True)


# -- refusals and the file -------------------------------------------------------------


def test_nothing_is_written_that_differs(tmp_path, monkeypatch):
    """A graph with other weights is refused, and the old file stays."""
    model, path = fitted(), tmp_path / "model.onnx"
    to_onnx(model, path)
    before = path.read_bytes()
    assert before == to_onnx(model).SerializeToString()

    def disturbed(source):
        graph, inputs, outputs = predicting(source)
        weight = model.module_.head.weight.detach().numpy().T.astype(np.float32)
        (at,) = [c for c in graph.constants if tuple(c.dims) == weight.shape]
        at.CopyFrom(onnx.numpy_helper.from_array(weight + 0.01, at.name))
        return graph, inputs, outputs

    predicting = public.predicting
    monkeypatch.setattr(public, "predicting", disturbed)
    with pytest.raises(ExportError, match=r"differs from predict.*random data"):
        to_onnx(model, path)
    assert path.read_bytes() == before
    assert to_onnx(model, tolerance=10.0) is not None


def test_given_data_are_compared_too(monkeypatch):
    """X shows a difference that random data like those of fit do not."""
    model = fitted()
    monkeypatch.setattr(reading, "_LARGEST", 5.0)  # standard deviations
    X, _ = make_data(seed=9)
    to_onnx(model, X=X)
    X[7, -1, 0] = 8.0
    with pytest.raises(ExportError, match="in row 7 of X"):
        to_onnx(model, X=X)


def test_models_without_an_onnx_form():
    """Each refusal names what stands in the way and the next step."""
    rows = make_rows(60, seed=2)
    rows = np.nan_to_num(rows)
    y = np.roll(rows[:, 0], 1)
    regressor = GRURegressor(3, max_iter=1, normalization=None)
    power = make_pipeline(PowerTransformer(), SlidingWindow(4), regressor)
    with pytest.raises(ExportError, match=r"PowerTransformer.*register_skl2onnx"):
        to_onnx(power.fit(rows, y))
    pca = make_pipeline(PCA(3), regressor).fit(rows, y)
    with pytest.raises(ExportError, match="but PCA stands there"):
        to_onnx(pca)
    X, target = make_data()
    wrapped = TransformedTargetRegressor(regressor).fit(X, target)
    with pytest.raises(ExportError, match="TransformedTargetRegressor, its regressor_"):
        to_onnx(wrapped)


def test_a_missing_package_gives_the_line_that_installs_it(monkeypatch):
    """Without onnx, and without onnxruntime alone."""
    model = fitted()
    for package, extra in (("onnxruntime", "onnx"), ("skl2onnx", "skl2onnx")):
        monkeypatch.setitem(sys.modules, package, None)
        message = rf"needs {package}.*pip install 'sklearn-gru\[{extra}\]'"
        with pytest.raises(ImportError, match=message):
            to_onnx(model) if extra == "onnx" else register_skl2onnx()


# -- skl2onnx --------------------------------------------------------------------------


def test_skl2onnx_converts_pipelines():
    """Steps of scikit-learn before the window, and what comes after flat windows."""
    skl2onnx = pytest.importorskip("skl2onnx")
    register_skl2onnx()
    register_skl2onnx()
    rows = np.nan_to_num(make_rows(120, seed=2))
    y = np.roll(rows[:, 0], 1)
    params = {"max_iter": 1, "random_state": 0}
    window = SlidingWindow(5, lag=2, known_future=[1])
    regressor = GRURegressor(4, normalization=None, **params)
    model = make_pipeline(StandardScaler(), PCA(2), window, regressor).fit(rows, y)
    for dtype in (np.float64, np.float32):
        graph = skl2onnx.to_onnx(model, rows[:1].astype(dtype), target_opset=18)
        (found,) = run(graph, X=rows.astype(dtype)).values()
        np.testing.assert_allclose(found[:, 0], model.predict(rows), atol=1e-4)
    labels = np.where(y > np.median(y), "high", "low")
    classifier = GRUClassifier(4, **params)
    model = make_pipeline(StandardScaler(), SlidingWindow(5), classifier)
    model.fit(rows, labels)
    graph = skl2onnx.to_onnx(
        model, rows[:1], target_opset=18, options={"zipmap": False}
    )
    label, probabilities = run(graph, X=rows).values()
    np.testing.assert_allclose(probabilities, model.predict_proba(rows), **CLOSE)
    assert label.tolist() == model.predict(rows).tolist()
    with pytest.raises(ExportError, match="target_opset=15 is too old"):
        skl2onnx.to_onnx(model, rows[:1], target_opset=15)


def test_elapsed_times_are_refused():
    """A graph gets no times."""
    rows = pd.DataFrame(make_rows(50, 0), pd.date_range("2024", periods=50, freq="h"))
    rows.columns = list("abcd")
    window = SlidingWindow(4, lag=1, add_elapsed=True)
    pipeline = make_pipeline(window, GRURegressor(4, max_iter=1))
    with pytest.raises(ExportError, match="add_elapsed"):
        to_onnx(pipeline.fit(rows, np.arange(50.0)))
