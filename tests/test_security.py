"""What SECURITY.md says of each way of loading is so."""

import copy
import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sklearn_gru import GRUClassifier, GRURegressor, Sequences, SlidingWindow
from sklearn_gru._engines.numba.compile.jit import cache_folder
from sklearn_gru.export import PortableError, load_portable, to_portable
from sklearn_gru.text import GRUTranscriber, GRUTranslator
from tests.tampering import sealed

PAGE = (Path(__file__).parents[1] / "SECURITY.md").read_text(encoding="utf-8")


def make_data(n=300):
    X = np.random.default_rng(0).normal(size=(n, 24, 2)).astype(np.float32)
    return X, X.sum((1, 2))


def fit(kind=GRURegressor, **params):
    X, y = make_data()
    settings = {"max_iter": 10, "random_state": 0, "dtype": "float32", **params}
    model = kind(8, **settings).fit(X, y if kind is GRURegressor else y > 0)
    return model, X[:20]


# --- pickle --------------------------------------------------------------------------


class Payload:
    """An object in a file that calls a function of its choice when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_loading_a_pickle_runs_its_code(tmp_path):
    """As the page warns; nobody should believe that the class prevents it."""
    model, _ = fit()
    model.note_ = Payload(tmp_path / "was_here")
    data = pickle.dumps(model)
    assert not (tmp_path / "was_here").exists()
    pickle.loads(data)
    assert (tmp_path / "was_here").exists()
    assert "run any code" in PAGE


# --- skops ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (GRURegressor, {}),
        (GRURegressor, {"dtype": "float64", "early_stopping": True, "cell": "lstm"}),
        (GRURegressor, {"loss": "quantile", "quantile": 0.5, "pooling": "attention"}),
        (GRURegressor, {"normalization": "standard", "conv_filters": (4,)}),
        (GRUClassifier, {"categorical_features": [1], "dropout": 0.1}),
    ],
)
def test_a_skops_file_needs_classes_of_this_package_only(kind, params):
    """None of PyTorch or skorch, and the loaded model is the same."""
    skops = pytest.importorskip("skops.io")
    X, y = make_data(60)
    if kind is GRUClassifier:
        X[:, :, 1], y = X[:, :, 1] > 0, y > 0
    model = kind(4, max_iter=2, random_state=0, **params).fit(X, y)
    data = skops.dumps(model)
    types = skops.get_untrusted_types(data=data)
    assert {name.split(".")[0] for name in types} == {"sklearn_gru"}, types
    again = skops.loads(data, trusted=types)
    assert np.array_equal(again.predict(X), model.predict(X))


def test_models_of_texts_in_skops_need_no_others():
    """Their vocabularies are arrays, and the loaded model is the same."""
    skops = pytest.importorskip("skops.io")
    frames = [np.random.default_rng(k).normal(size=(9, 2)) for k in range(8)]
    texts = ["ab", "b"] * 4
    for model, X in ((GRUTranscriber(4), frames), (GRUTranslator(4, 3), texts)):
        model.set_params(max_iter=2, random_state=0).fit(X, texts)
        data = skops.dumps(model)
        types = skops.get_untrusted_types(data=data)
        assert {name.split(".")[0] for name in types} == {"sklearn_gru"}, types
        again = skops.loads(data, trusted=types)
        assert np.array_equal(again.predict(X), model.predict(X))


def test_windows_and_sequences_in_skops_need_no_others():
    """Also in a pipeline with them."""
    skops = pytest.importorskip("skops.io")
    window = SlidingWindow(3).fit(np.zeros((10, 2)))
    data = skops.dumps(window)
    types = skops.get_untrusted_types(data=data)
    assert {name.split(".")[0] for name in types} <= {"sklearn_gru"}, types
    skops.loads(data, trusted=types)


# --- tampered state ------------------------------------------------------------------


def frozen(thing, **changes):
    """Return a copy of a frozen object with other attributes, as a file may have."""
    thing = copy.copy(thing)
    for name, value in changes.items():
        object.__setattr__(thing, name, value)
    return thing


def tampered_encoder(model, part, **changes):
    encoder = model._fitted.encoder
    new = frozen(getattr(encoder, part), **changes)
    object.__setattr__(model._fitted, "encoder", frozen(encoder, **{part: new}))


def wide(model):
    tampered_encoder(model, "standardizer", mean=np.zeros(400), scale=np.ones(400))


def empty(model):
    tampered_encoder(model, "standardizer", mean=np.zeros(0), scale=np.ones(0))


def marked(model):
    tampered_encoder(model, "standardizer", marked=np.array([10**6]))


def wide_levels(model):
    levels = model._fitted.encoder.standardizer
    levels = frozen(levels, mean=np.zeros(400_000), scale=np.ones(400_000))
    tampered_encoder(model, "normalizer", standardizer=levels)


def segments(model):
    encoder = frozen(model._fitted.encoder, segment_length=1000)
    object.__setattr__(model._fitted, "encoder", encoder)


def no_segments(model):
    encoder = frozen(model._fitted.encoder, segment_length=-1)
    object.__setattr__(model._fitted, "encoder", encoder)


@pytest.mark.parametrize("pooling", ["last", "attention"])
@pytest.mark.parametrize(
    "change", [wide, empty, marked, wide_levels, segments, no_segments]
)
def test_a_changed_encoder_is_an_error(change, pooling):
    """Rows, levels and segments that do not fit the network, in both engines."""
    model, X = fit(normalization="standard", pooling=pooling)
    change(model)
    with pytest.raises((ValueError, IndexError, RuntimeError, TypeError)):
        model.predict(X)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 4},
        {"hidden_size": 4096},
        {"hidden_size": -1},
        {"n_inputs": 300},
        {"n_inputs": 0},
        {"num_layers": 3},
        {"n_outputs": 100},
        {"segment_length": 3},
        {"segment_length": 0},
        {"pooling": "mean_max"},
        {"bidirectional": True},
        {"cell": "lstm"},
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["file", "memory"])
def test_a_changed_description_of_the_network_is_an_error(change, where):
    """In a state that is loaded, and in one that is there."""
    model, X = fit(bidirectional=False)
    state = model.net_.__getstate__()
    spec = frozen(state["archive"]["spec"], **change)
    errors = (ValueError, IndexError, RuntimeError, TypeError, ZeroDivisionError)
    if where == "file":
        state["archive"]["spec"] = spec
        net = object.__new__(type(model.net_))
        with pytest.raises(errors):
            net.__setstate__(state)
    else:
        model.module_.spec = spec
        model.net_.prediction_ = model.net_.outline_ = None
        before = fit(bidirectional=False)[0].predict(X)
        try:
            found = model.predict(X)
        except errors:
            return
        # PyTorch runs the modules as they are, whatever the description says.
        np.testing.assert_allclose(found, before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", ["narrow", "missing", "text", "moments"])
def test_changed_arrays_of_a_network_are_an_error(change):
    """Weights of another shape, none, or no numbers; moments in a warm start."""
    model, _ = fit()
    state = model.net_.__getstate__()
    arrays = state["archive"]["arrays"]
    if change == "narrow":
        arrays["head.weight"] = arrays["head.weight"][:, :2]
    elif change == "missing":
        del arrays["head.bias"]
    elif change == "text":
        arrays["head.bias"] = np.array(["a"])
    else:
        state["archive"]["moments"][0]["exp_avg"] = np.zeros(3, dtype=np.float32)
    net = object.__new__(type(model.net_))
    with pytest.raises((ValueError, RuntimeError, KeyError, TypeError)):  # noqa: PT012
        net.__setstate__(state)
        model.net_ = net
        object.__setattr__(model._fitted, "nets", (net,))
        model.module_ = net.module_
        X, y = make_data()
        model.set_params(warm_start=True).fit(X, y)


def test_changed_sequences_are_an_error():
    """Starts and lengths outside the rows, in a pickled state."""
    state = Sequences(np.zeros((50, 2)), [0, 5], [5, 6]).__getstate__()
    state["starts"] = np.array([0, 10**12])
    with pytest.raises(ValueError, match="outside"):
        object.__new__(Sequences).__setstate__(state)


# --- portable files ------------------------------------------------------------------


def test_a_portable_file_runs_no_code(tmp_path):
    """An array of objects, which NumPy could unpickle, is refused before it is read."""
    model, _ = fit()
    file = tmp_path / "model.gru"
    to_portable(model, file)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    array = np.array([Payload(tmp_path / "was_here")], dtype=object)
    crafted = io.BytesIO()
    np.save(crafted, array, allow_pickle=True)
    name = next(name for name in members if name.endswith(".npy"))
    file.write_bytes(sealed({**members, name: crafted.getvalue()}.items()))
    with pytest.raises(PortableError):
        load_portable(file)
    assert not (tmp_path / "was_here").exists()
    np.load(io.BytesIO(crafted.getvalue()), allow_pickle=True)
    assert (tmp_path / "was_here").exists()  # the payload works where it is unpickled
    assert "to_portable" in PAGE


# --- the cache -----------------------------------------------------------------------


def test_the_page_names_the_folder_of_the_cache(monkeypatch, tmp_path):
    """With and without the variables that move it."""
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
        assert cache_folder().parent == tmp_path / name / "sklearn_gru"
        assert name in PAGE
        monkeypatch.delenv(name)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    parts = cache_folder().parent.relative_to(tmp_path).as_posix()
    assert parts in PAGE.replace("~/", "")
