"""One class is enough: toy cells, poolings, losses, levels, layouts and engines."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, Sequences
from sklearn_gru._encoding.layouts import LAYOUTS, Layout, Seen
from sklearn_gru._encoding.normalizations import NORMALIZATIONS, Normalization
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.choice import ENGINES
from sklearn_gru._engines.numba import engine as numba_engine
from sklearn_gru._engines.torch.session import TorchEngine
from sklearn_gru._model.arrays import NUMPY
from sklearn_gru._model.cells import CELLS, Cell
from sklearn_gru._model.cells.base import run_steps
from sklearn_gru._model.losses import LOSSES, Loss
from sklearn_gru._model.poolings import POOLINGS, Pooling
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru.exceptions import InvalidParameterError

X = np.random.default_rng(0).normal(size=(160, 6, 2)).astype(np.float32)
Y = X[:, :, 0].sum(axis=1)


class Leaky(Cell):
    """h' = (1 - g) h + g tanh(W x + b), with g = sigmoid(V x + U h + c)."""

    name = "leaky"
    summary = "is a toy"
    blocks = ("leak", "candidate")
    persists = None

    def step(self, weights, inputs, state, xp):
        (h,) = state
        x_g, x_n = xp.split(inputs, 2)
        h_g, _ = xp.split(xp.linear(h, weights["weight_hh"], weights["bias_hh"]), 2)
        g = xp.sigmoid(x_g + h_g)
        return ((1 - g) * h + g * xp.tanh(x_n),), {"leak": g}


class Spread(Pooling):
    """Maximum minus mean."""

    name = "spread"

    def pool(self, weights, states, last, present, xp):
        return POOLINGS["max"].pool(weights, states, last, present, xp) - POOLINGS[
            "mean"
        ].pool(weights, states, last, present, xp)


class LogCosh(Loss):
    """A loss that the kernels lack."""

    name = "log_cosh"

    def per_sequence(self, output, target, parameters):
        return (output - target).cosh().log().mean(dim=1)


class FirstValue(Normalization):
    """Subtract the first value of each sequence."""

    name = "first"

    def levels(self, sequences, standardizer, precision):
        shift = np.asarray(sequences.values[sequences.starts], dtype=np.float64)
        return shift, np.ones_like(shift)


class Named(Layout):
    """A dict of name to array (n, n_steps)."""

    def accepts(self, X):
        return isinstance(X, dict)

    def read(self, X, schema):
        array = np.stack([np.asarray(a, dtype=np.float64) for a in X.values()], axis=2)
        sequences = Sequences.from_array(array, feature_names=tuple(X))
        return sequences, schema.named(list(X)), Seen.of(sequences)

    def take(self, X, index):
        return {name: array[index] for name, array in X.items()}


class Counting(TorchEngine):
    """PyTorch, counting how often it is opened; not for two layers."""

    name = "counting"

    def __init__(self):
        self.opened = 0

    def declines(self, plan):
        return "two layers are too many" if plan.spec.num_layers == 2 else None

    def open(self, net, plan, threads=1):
        self.opened += 1
        return super().open(net, plan, threads)


def pipeline(**params):
    """A regressor behind another step of a pipeline."""
    defaults = {"hidden_size": 8, "max_iter": 60, "random_state": 0}
    return make_pipeline("passthrough", GRURegressor(**{**defaults, **params}))


@pytest.fixture
def willing(monkeypatch):
    """Small fits, too, are offered to the kernels."""
    if not kernels.available():
        pytest.skip(f"no kernels here: {kernels.reason()}")
    monkeypatch.setattr(numba_engine, "WORTH_COMPILING", 0)


@pytest.mark.parametrize(
    ("registry", "toy", "parameter", "layers_run"),
    [
        (CELLS, Leaky(), "cell", False),
        (POOLINGS, Spread(), "pooling", True),
        (LOSSES, LogCosh(), "loss", True),
    ],
    ids=["cell", "pooling", "loss"],
)
def test_a_toy_is_one_class(registry, toy, parameter, layers_run, monkeypatch, willing):
    """It trains and predicts, is in the rule's message, and kernels say why not."""
    with pytest.raises(InvalidParameterError, match=f"{parameter}='{toy.name}' is not"):
        pipeline(**{parameter: toy.name}).fit(X, Y)
    monkeypatch.setitem(registry, toy.name, toy)
    with pytest.raises(InvalidParameterError, match=f"expected.*'{toy.name}'"):
        pipeline(**{parameter: "nonsense"}).fit(X, Y)
    model = pipeline(**{parameter: toy.name}).fit(X, Y)
    assert model.score(X, Y) > 0.8
    fitted = model[-1]
    assert fitted.net_.declined["numba"] == (f"{parameter} '{toy.name}' has no kernel")
    assert fitted.engine_ == ("numba+autograd" if layers_run else "torch")


def test_a_toy_cell_shows_its_gates(monkeypatch):
    """Gates, NumPy equations and the network agree, and nothing lists their names."""
    from sklearn_gru.inspection import GateDisplay

    pytest.importorskip("matplotlib").use("agg")
    monkeypatch.setitem(CELLS, "leaky", Leaky())
    model = pipeline(cell="leaky", max_iter=2, dtype="float64", standardize=False)
    fitted = model.fit(X, Y)[-1]
    gates = fitted.gate_activations(X[:3])
    assert list(gates) == ["leak_gate"]
    layer = fitted.module_.recurrent.layers[0][0]
    weights = {
        name.removesuffix("_l0"): p.detach().numpy()
        for name, p in layer.named_parameters()
    }
    _, _, found = run_steps(Leaky(), weights, X[:3].astype(np.float64), NUMPY)
    np.testing.assert_allclose(gates.leak_gate[:, :, 0, 0], found["leak"], rtol=1e-6)
    assert list(GateDisplay.from_estimator(model, X).lines_) == ["leak"]


def test_a_toy_normalization_is_one_class(monkeypatch):
    """A level moves every input and the target with it."""
    monkeypatch.setitem(NORMALIZATIONS, "first", FirstValue())
    model = pipeline(normalization="first", target_feature=0, dtype="float64")
    model.fit(X, X[:, 0, 0] + Y)
    base, far = model.predict(X[:5]), model.predict(X[:5] + np.float32([1000, 0]))
    np.testing.assert_allclose(far, base + 1000, atol=1e-3)


def test_a_toy_layout_is_one_class(monkeypatch):
    """It is read like the array it stands for, and its names are checked."""
    monkeypatch.setattr("sklearn_gru._encoding.layouts.LAYOUTS", [Named(), *LAYOUTS])
    named = {"a": X[:, :, 0], "b": X[:, :, 1]}
    model = pipeline(max_iter=3, dtype="float64").fit(named, Y)
    expected = pipeline(max_iter=3, dtype="float64").fit(X.astype(np.float64), Y)
    np.testing.assert_array_equal(
        model.predict(named), expected.predict(X.astype(np.float64))
    )
    assert model[-1].feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict({"a": X[:, :, 0], "c": X[:, :, 1]})


def test_a_toy_engine_is_one_class(monkeypatch):
    """It is asked first, trains and predicts; where it declines, its reason is kept."""
    toy = Counting()
    monkeypatch.setattr("sklearn_gru._engines.choice.ENGINES", [toy, *ENGINES])
    model = pipeline(max_iter=3, early_stopping=False).fit(X, Y)
    model.predict(X)
    model.predict(X[:1])
    assert model[-1].engine_ == "counting"
    assert toy.opened == 2  # training, and predictions
    labels = GRUClassifier(4, num_layers=2, max_iter=1).fit(X, Y > 0)
    assert labels.net_.declined["counting"] == "two layers are too many"
    assert labels.engine_ == "torch"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_parameters_are_those_of_the_module(cell, pooling):
    """One description says names and shapes; the module has them, in this order."""
    params = {"cell": cell, "pooling": pooling, "num_layers": 2, "bidirectional": True}
    fitted = GRURegressor(3, max_iter=1, **params).fit(X[:9], Y[:9])
    spec = fitted.module_.spec
    assert isinstance(spec, NetworkSpec)
    shapes = [tuple(p.shape) for p in fitted.module_.parameters()]
    assert shapes == list(spec.parameters().values())
    assert fitted.n_parameters_ == spec.n_parameters


def test_a_failed_refit_leaves_the_old_model_whole():
    """What fit froze is assigned last: other features, NaN in y, then predict as before."""
    model = GRURegressor(4, max_iter=2, random_state=0).fit(X, Y)
    before, attributes = model.predict(X), set(vars(model))
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(X[:, :, :1], np.where(np.arange(160) == 3, np.nan, Y))
    assert model.n_features_in_ == 2
    assert set(vars(model)) == attributes
    np.testing.assert_array_equal(model.predict(X), before)
