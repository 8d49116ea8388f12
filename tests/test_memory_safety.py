"""No input, file, weight or failed allocation makes compiled code leave its arrays."""

import copy
import gc
import pickle

import numpy as np
import pytest
import torch

from sklearn_gru import GRURegressor, Sequences
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.numba import calls
from sklearn_gru._engines.numba.autograd import KernelPool, dense_sequences, run_layers
from sklearn_gru._engines.torch.archive import from_archive, to_archive
from sklearn_gru._model.spec import NetworkSpec

NETWORK = NetworkSpec("gru", n_inputs=3, hidden_size=8)
HUGE = 2**63 - 1


def make_predictor(network=NETWORK):
    rng = np.random.default_rng(0)
    params = rng.normal(scale=0.3, size=network.n_parameters).astype(np.float32)
    return kernels.Predictor(network, params)


def make_rows(n_rows=50, width=3):
    return np.random.default_rng(1).normal(size=(n_rows, width)).astype(np.float32)


class FailingAllocations:
    """NumPy as a module sees it, in which the n-th large array cannot be made."""

    def __init__(self, fail_at, smallest=1000):
        self.left, self.smallest = fail_at, smallest

    def zeros(self, shape, dtype=float):
        if np.prod(shape) >= self.smallest:
            self.left -= 1
            if self.left < 0:
                raise MemoryError("injected")
        return np.zeros(shape, dtype=dtype)

    def __getattr__(self, name):
        return getattr(np, name)


@pytest.mark.parametrize("fail_at", range(4))
def test_after_a_memory_error_no_address_points_to_freed_memory(monkeypatch, fail_at):
    """The workspace and its addresses are replaced together, or not at all."""
    predictor, rows = make_predictor(), make_rows(20_000)
    starts, lengths = np.arange(0, 20_000, 2500), np.full(8, 2500)
    few = rows, starts[:1], np.full(1, 5)
    before = predictor.predict(*few)
    with monkeypatch.context() as patch:
        patch.setattr(calls, "np", FailingAllocations(fail_at))
        failed = False
        try:
            predictor.predict(rows, starts, lengths)
        except MemoryError:
            failed = True
    assert failed == (fail_at < 2)  # it makes two large arrays
    memory = predictor._kernel._memory
    assert memory.addresses.workspace == calls.address(memory.workspace)
    assert memory.addresses.integers == calls.address(memory.integers)
    assert np.array_equal(predictor.predict(*few), before)


@pytest.mark.parametrize(
    ("start", "length"),
    [(-1, 3), (48, 3), (HUGE, 1), (1, HUGE), (HUGE, HUGE), (HUGE, 0), (51, 0)],
)
@pytest.mark.parametrize("segment_length", [1, 3])
def test_sequences_outside_the_rows_are_refused(start, length, segment_length):
    """Also where start + length is beyond int64; by the kernels and by Sequences."""
    rows = make_rows()
    with pytest.raises(ValueError, match="outside the rows"):
        calls.Rows(
            rows, np.array([start]), np.array([length]), segment_length=segment_length
        )
    with pytest.raises(ValueError, match="outside the rows"):
        Sequences(rows, [start], [length])


def test_a_changed_pickle_of_sequences_is_refused():
    """Loading checks what constructing checks."""
    state = Sequences(make_rows(), [0, 5], [5, 6]).__getstate__()
    for name, value in (("lengths", [5, 10**6]), ("starts", [0, -7])):
        changed = {**state, name: np.array(value)}
        with pytest.raises(ValueError, match="outside the rows"):
            object.__new__(Sequences).__setstate__(changed)
    assert len(pickle.loads(pickle.dumps(Sequences(make_rows(), [0], [5])))) == 1


def test_the_caller_cannot_move_a_sequence_after_the_check():
    """Another thread may write into the arrays that were checked."""
    starts, lengths = np.array([0]), np.array([5])
    rows = calls.Rows(make_rows(), starts, lengths)
    starts[0], lengths[0] = 10**9, 10**9
    assert rows.starts[0] == 0
    assert rows.lengths[0] == 5


def ones(*shape):
    return np.ones(shape, dtype=np.float32)


@pytest.mark.parametrize(
    "levels",
    [
        (ones(1, 4), ones(1, 4)),
        (ones(1, 300_000), ones(1, 300_000)),
        (ones(1, 3), ones(1, 2)),
        (ones(2, 3), ones(2, 3)),
        (ones(3), ones(3)),
    ],
)
def test_levels_of_another_shape_are_refused(levels):
    """They are as many as the sequences, and no wider than the rows."""
    with pytest.raises(ValueError, match="levels"):
        calls.Rows(make_rows(), np.array([0]), np.array([5]), levels=levels)


@pytest.mark.parametrize(("n_inputs", "segment_length"), [(7, 2), (3, 2), (4, 1)])
def test_rows_of_another_width_are_refused(n_inputs, segment_length):
    """The width of a segment is exactly what the network reads."""
    predictor = make_predictor(NetworkSpec("gru", n_inputs=n_inputs, hidden_size=8))
    with pytest.raises(ValueError, match="the network reads"):
        predictor.predict(
            make_rows(), np.array([0]), np.array([50]), segment_length=segment_length
        )


@pytest.mark.parametrize(
    "change",
    [
        {"targets": ones(1, 1)},
        {"weights": ones(1)},
        {"batch_size": 0},
        {"batch_size": -1},
        {"rates": np.zeros(3)},
        {"order": np.array([0, 2])},
        {"order": np.array([-1, 0])},
        {"seeds": np.zeros(3, dtype=np.uint64)},
        {"segment_length": 0},
    ],
)
def test_training_refuses_arrays_of_another_size(change):
    """Every address that a step of training reads has been checked."""
    trainer = kernels.Trainer(NETWORK, np.zeros(NETWORK.n_parameters, np.float32))
    good = {
        "targets": ones(2, 1),
        "weights": ones(2),
        "order": np.arange(2),
        "batch_size": 2,
        "rates": np.zeros(1),
    }
    place = make_rows(), np.array([0, 5]), np.array([5, 5])
    trainer.train_epoch(*place, **good)
    with pytest.raises(ValueError):
        trainer.train_epoch(*place, **{**good, **change})


def test_a_backward_pass_needs_the_forward_pass_of_the_same_rows():
    """The workspace of another batch may be smaller."""
    kernel = calls.Kernel(NETWORK, np.zeros(NETWORK.n_parameters, np.float32))
    small = calls.Rows(make_rows(), np.array([0]), np.array([5]))
    large = calls.Rows(make_rows(), np.arange(40), np.full(40, 10))
    kernel.run(small, all_steps=False, keep=True)
    with pytest.raises(RuntimeError, match="does not hold"):
        kernel.run_backward(large, None, None)
    with pytest.raises(ValueError, match="d_last"):
        kernel.run_backward(small, ones(1, 7), None)


@pytest.mark.parametrize(
    "weight",
    [
        torch.zeros(1, 1),
        torch.zeros(24, 3, dtype=torch.float64),
        torch.zeros(3, 24),
        torch.zeros(25, 3),
    ],
)
def test_layers_refuse_weights_of_another_shape_or_dtype(weight):
    """Compiled layers check each weight before they take its address."""
    layer = torch.nn.GRU(3, 8)
    weights = list(layer.parameters())
    batch = dense_sequences(torch.zeros(2, 5, 3))
    run_layers(NETWORK, weights, *batch)
    with pytest.raises(ValueError, match="weight_ih_l0 has shape"):
        run_layers(NETWORK, [weight, *weights[1:]], *batch)
    with pytest.raises(ValueError, match="3 weights"):
        run_layers(NETWORK, weights[:3], *batch)


def test_layers_read_weights_wherever_they_lie():
    """Consecutive in one vector, apart, or transposed: the same states."""
    torch.manual_seed(0)
    weights = [w.detach() for w in torch.nn.GRU(3, 8).parameters()]
    flat = torch.cat([w.reshape(-1) for w in weights])
    together, at = [], 0
    for weight in weights:
        together.append(flat[at : at + weight.numel()].view_as(weight))
        at += weight.numel()
    turned = [w.T.contiguous().T if w.ndim == 2 else w for w in weights]
    batch = dense_sequences(torch.randn(4, 5, 3))
    found = [run_layers(NETWORK, w, *batch)[1] for w in (weights, together, turned)]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_the_memory_of_compiled_layers_ends_with_their_session():
    """Fits of many widths keep nothing, and a pool that predicts keeps little."""
    before = [o for o in gc.get_objects() if type(o) is KernelPool]  # of other tests
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 100, 3)).astype(np.float32)
    y = X.sum((1, 2))
    for hidden in (30, 31, 32):
        model = GRURegressor(hidden, max_iter=10, pooling="attention", random_state=0)
        assert model.fit(X, y).engine_ == "numba+autograd"
        model.predict(X)
    gc.collect()
    alive = [o for o in gc.get_objects() if type(o) is KernelPool and o not in before]
    own = model.net_.prediction_.session.layers.pool
    assert [pool for pool in alive if pool is not own and pool.nbytes > 0] == []
    assert own.nbytes <= 4 * calls.KEPT_FLOATS


def test_a_model_does_not_keep_the_workspace_of_its_largest_prediction():
    """The predictor lives as long as the model; what it keeps is bounded."""
    predictor, rows = make_predictor(), make_rows(200_000)
    predictor.predict(rows, np.zeros(32, dtype=np.int64), np.full(32, 200_000))
    assert predictor._kernel.nbytes <= 4 * calls.KEPT_FLOATS


def test_levels_of_a_changed_file_do_not_reach_the_kernels():
    """A standardizer that is wider than the rows is refused, as a crafted file has."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 50, 1)).astype(np.float32)
    model = GRURegressor(8, max_iter=1, normalization="standard", random_state=0)
    model.fit(X, X.sum((1, 2)))
    assert model.engine_ == "numba"
    encoder = model._fitted.encoder
    wide = copy.copy(encoder.standardizer)
    object.__setattr__(wide, "mean", np.zeros(40))
    object.__setattr__(wide, "scale", np.ones(40))
    object.__setattr__(encoder.normalizer, "standardizer", wide)
    with pytest.raises(ValueError):
        model.predict(X[:3])


def test_a_state_of_endless_layers_is_refused_at_once():
    """A changed number of layers neither loops nor fills the memory."""
    X = np.random.default_rng(0).normal(size=(1000, 4, 2))
    model = GRURegressor(4, max_iter=1, early_stopping=False, random_state=0)
    model.fit(X, X[:, -1, 0])
    expected, archive = model.predict(X), to_archive(model.net_)
    for spec in (model.module_.spec, archive["spec"]):
        object.__setattr__(spec, "num_layers", 2**62)
    with pytest.raises(ValueError, match="4611686018427387904 layers, but has only"):
        from_archive(archive)
    model.net_.outline_ = model.net_.prediction_ = None
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-5)
    assert to_archive(model.net_) is None
