"""What a user does to the network is seen by compiled code, or left to PyTorch."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, Freezer, Unfreezer
from torch.nn.utils import prune

from sklearn_gru import GRURegressor
from sklearn_gru._engines.torch.changes import Outline
from sklearn_gru.exceptions import InvalidParameterError


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).normal(size=(600, 24, 3)).astype(np.float32)
    return X, X.sum((1, 2))


def make(data, **params):
    alone = {"linear_share": 0, "early_stopping": False}
    params = alone | {"max_iter": 8, "random_state": 0, "dtype": "float32"} | params
    return GRURegressor(8, **params).fit(*data)


@pytest.fixture(scope="module")
def fitted(data):
    models = {kind: make(data, pooling=kind) for kind in ("last", "attention")}
    assert models["last"].engine_ == "numba"
    assert models["attention"].engine_ == "numba+autograd"
    return models


def zero_through_data(module):
    for p in module.parameters():
        p.data.mul_(0)


def zero_through_numpy(module):
    for p in module.parameters():
        p.detach().numpy().fill(0)


def exchange_data(module):
    for p in module.parameters():
        p.data = torch.zeros_like(p)


def exchange_head(module):
    module.head = torch.nn.Linear(module.head.in_features, 1)


def exchange_weight(module):
    module.head.weight = torch.nn.Parameter(torch.zeros_like(module.head.weight))


def exchange_layer(module):
    new = torch.nn.GRU(3, 8, batch_first=True)
    module.recurrent.layers[0][0] = new


def prune_head(module):
    prune.l1_unstructured(module.head, "weight", amount=5)


def prune_layer(module):
    prune.l1_unstructured(module.recurrent.layers[0][0], "weight_hh_l0", amount=50)


def hook_network(module):
    module.register_forward_hook(lambda part, inputs, output: output * 0)


def hook_layer(module):
    module.recurrent.register_forward_hook(
        lambda part, inputs, output: tuple(o * 0 for o in output)
    )


def patch_forward(module):
    forward = module.recurrent.forward
    module.recurrent.forward = lambda *batch: tuple(o * 0 for o in forward(*batch))


CHANGES = [
    zero_through_data,
    zero_through_numpy,
    exchange_data,
    exchange_head,
    exchange_weight,
    exchange_layer,
    prune_head,
    prune_layer,
    hook_network,
    hook_layer,
    patch_forward,
]


@pytest.mark.parametrize("pooling", ["last", "attention"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_predictions_follow_a_change_of_the_network(fitted, data, change, pooling):
    """They are those of PyTorch's forward pass of the network as it is now."""
    X = data[0][:20]
    model = copy.deepcopy(fitted[pooling])
    before = model.predict(X)
    torch.manual_seed(0)
    change(model.module_)
    now = model.predict(X)
    fitted_parts = model._fitted
    with torch.inference_mode():
        rows = fitted_parts.encoder.standardizer.transform(X.reshape(-1, 3), np.float32)
        output = model.module_.eval()(torch.from_numpy(rows).view(20, 24, 3))
    expected = fitted_parts.task.decode(output.double().numpy())[:, 0]
    np.testing.assert_allclose(now, expected, rtol=1e-4, atol=1e-4)
    assert not np.array_equal(now, before)


@pytest.fixture(scope="module")
def with_categories():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 24, 3)).astype(np.float32)
    X[:, :, 2] = rng.integers(0, 5, X.shape[:2])
    model = make((X, X.sum((1, 2))), categorical_features=[2])
    assert model.engine_ == "numba"
    return model, X


def zero_table(table, tables):
    table.weight.detach().numpy()[1:] = 0


def fill_missing(table, tables):
    table.weight.data[0] = 1.0


def limit_norm(table, tables):
    table.max_norm = 0.01


def hook_table(table, tables):
    table.register_forward_hook(lambda part, inputs, output: output * 0)


def exchange_table(table, tables):
    tables[0] = torch.nn.Embedding(*table.weight.shape)


TABLE_CHANGES = [zero_table, fill_missing, limit_norm, hook_table, exchange_table]


@pytest.mark.parametrize("change", TABLE_CHANGES, ids=lambda f: f.__name__)
def test_predictions_follow_a_change_of_a_table(with_categories, change):
    """Vectors of categories, and what PyTorch does while it reads them."""
    model, X = copy.deepcopy(with_categories[0]), with_categories[1][:20].copy()
    X[:, ::5, 2] = np.nan
    before = model.predict(X)
    torch.manual_seed(0)
    change(model.module_.embedding.tables[0], model.module_.embedding.tables)
    now = model.predict(X)
    fitted_parts = model._fitted
    with torch.inference_mode():
        rows = fitted_parts.encoder.standardizer.transform(X.reshape(-1, 3), np.float32)
        output = model.module_.eval()(torch.from_numpy(rows).view(20, 24, -1))
    expected = fitted_parts.task.decode(output.double().numpy())[:, 0]
    np.testing.assert_allclose(now, expected, rtol=1e-4, atol=1e-4)
    assert not np.array_equal(now, before)


@pytest.mark.parametrize("option", ["sparse", "scale_grad_by_freq"])
def test_options_of_a_table_are_pytorchs_to_follow(with_categories, option):
    """They change its gradient, which compiled code computes without them."""
    model = copy.deepcopy(with_categories[0])
    outline = Outline(model.module_)
    assert outline.changed is None
    setattr(model.module_.embedding.tables[0], option, True)
    assert not outline.describes(model.module_)
    changed = Outline(model.module_)
    assert "embedding.tables.0 has other options" in changed.changed
    assert changed.changed_layers is None


def test_a_hook_for_all_modules_is_called(fitted, data):
    """Global hooks are hooks of every part, while they are registered."""
    model = copy.deepcopy(fitted["last"])
    before = model.predict(data[0][:5])
    called = []
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda part, inputs, output: called.append(type(part).__name__)
    )
    model.predict(data[0][:5])
    handle.remove()
    assert "Linear" in called
    assert np.array_equal(model.predict(data[0][:5]), before)


def test_weights_that_are_loaded_back_give_the_same_bits(fitted, data):
    """A change and its reversal leave nothing behind."""
    model = copy.deepcopy(fitted["last"])
    before, state = model.predict(data[0]), copy.deepcopy(model.module_.state_dict())
    zero_through_data(model.module_)
    model.predict(data[0])
    model.module_.load_state_dict(state)
    assert np.array_equal(model.predict(data[0]), before)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(data[0]), before)


def layer_values(model):
    return [p.detach().clone() for p in model.module_.recurrent.parameters()]


@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_a_warm_start_does_not_train_frozen_layers(fitted, data, pooling):
    """requires_grad=False is obeyed; the head goes on learning."""
    model = copy.deepcopy(fitted[pooling]).set_params(warm_start=True)
    for p in model.module_.recurrent.parameters():
        p.requires_grad = False
    layers, head = layer_values(model), model.module_.head.weight.detach().clone()
    model.fit(*data)
    assert all(map(torch.equal, layers, layer_values(model)))
    assert not torch.equal(model.module_.head.weight, head)


def test_freezer_and_unfreezer_are_obeyed_in_every_epoch(data):
    """The engine is chosen again when a callback freezes or thaws parameters."""
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            values = [p.detach().clone() for p in net.module_.recurrent.parameters()]
            seen.append((net.engine_, values))

    make(
        data,
        max_iter=10,
        callbacks=[Freezer("recurrent.*"), Unfreezer("recurrent.*", at=4), Watch()],
    )
    engines = [engine for engine, _ in seen]
    assert "numba" not in engines[:3]
    for earlier, later in itertools.pairwise(seen[:3]):
        assert all(map(torch.equal, earlier[1], later[1]))
    assert not all(map(torch.equal, seen[3][1], seen[2][1]))
    # AdamW has taken fewer steps with the thawed parameters: not for the kernels.
    assert "numba" not in engines


def test_a_freeze_of_some_epochs_returns_to_the_kernels(data):
    """Frozen layers before the first step of any parameter, as without a Freezer."""

    class FreezeOnce(Callback):
        def on_train_begin(self, net, **kwargs):
            net.module_.requires_grad_(False)

        def on_epoch_begin(self, net, **kwargs):
            net.module_.requires_grad_(True)

    plain, thawed = make(data), make(data, callbacks=[FreezeOnce()])
    assert thawed.engine_ == "numba"
    assert np.array_equal(plain.predict(data[0]), thawed.predict(data[0]))


def test_a_callback_may_move_the_parameters_to_other_memory(data):
    """The kernels train what the module holds, wherever it lies."""

    class Halve(Callback):
        def __init__(self, moves):
            self.moves = moves

        def on_epoch_begin(self, net, **kwargs):
            for p in net.module_.parameters():
                if self.moves:
                    p.data = p.data * 0.5
                else:
                    p.data.mul_(0.5)

    models = [make(data, callbacks=[Halve(moves)]) for moves in (True, False)]
    assert {model.engine_ for model in models} == {"numba"}
    found = [model.predict(data[0]) for model in models]
    assert np.array_equal(*found)
    assert not np.array_equal(found[0], make(data).predict(data[0]))


def test_another_network_in_module_is_refused(fitted, data):
    """`module_` shows the network; assigning it would change nothing."""
    model = copy.deepcopy(fitted["last"])
    other = copy.deepcopy(model.module_)
    model.module_ = other
    with pytest.raises(InvalidParameterError, match="load_state_dict"):
        model.predict(data[0])
    with pytest.raises(InvalidParameterError, match="load_state_dict"):
        pickle.dumps(model)


@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_a_fit_that_nobody_changes_looks_at_the_network_twice(monkeypatch, pooling):
    """Before and after the first session opens, however many epochs follow."""
    looks = []
    look = Outline.__init__
    monkeypatch.setattr(
        Outline,
        "__init__",
        lambda self, module: (looks.append(1), look(self, module))[1],
    )
    X = np.random.default_rng(0).normal(size=(1000, 6, 2))
    GRURegressor(4, pooling=pooling, max_iter=9, early_stopping=False).fit(X, X[:, -1])
    assert len(looks) <= 2
