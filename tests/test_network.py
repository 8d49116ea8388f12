"""The network against the equations, PyTorch's own layers and finite differences."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sklearn_gru import GRURegressor
from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._engines.torch.recurrent import Dropout, _make_orthogonal, turned
from tests.networks import check_gradients, make_batch, make_model, scrambled
from tests.reference_gru import attention_weights, reference_output, reference_states

CELLS = ["gru", "gru_reset_before", "lstm", "rnn"]
POOLINGS = ["last", "mean", "max", "attention", "mean_max"]
N_GATES = {"gru": 3, "gru_reset_before": 3, "lstm": 4, "rnn": 1}
TORCH = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}

by_cell = pytest.mark.parametrize("cell", CELLS)
by_pooling = pytest.mark.parametrize("pooling", POOLINGS)
by_layers = pytest.mark.parametrize("num_layers", [1, 2], ids=["1layer", "2layers"])
by_direction = pytest.mark.parametrize(
    "bidirectional", [False, True], ids=["forward", "both"]
)
by_lengths = pytest.mark.parametrize("ragged", [False, True], ids=["equal", "ragged"])


def cut(values, lengths):
    """The sequences of a batch without their padding, as arrays."""
    if lengths is None:
        return [x.numpy() for x in values]
    return [x[:n].numpy() for x, n in zip(values, lengths, strict=True)]


# -- the equations -------------------------------------------------------------------------


@by_cell
@by_layers
@by_direction
@by_pooling
@by_lengths
def test_network_equals_the_equations(cell, num_layers, bidirectional, pooling, ragged):
    """The whole network computes what the NumPy network does, to 1e-12."""
    model = scrambled(
        cell=cell, num_layers=num_layers, bidirectional=bidirectional, pooling=pooling
    )
    values, lengths = make_batch(ragged)
    expected = [
        reference_output(model.state_dict(), x, cell=cell, pooling=pooling)
        for x in cut(values, lengths)
    ]
    with torch.no_grad():
        output = model.eval()(values, lengths).numpy()
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-12)


def test_both_reset_forms_differ():
    """The two GRUs are two cells: with the same parameters their states differ."""
    values, _ = make_batch(False)
    after, before = scrambled(cell="gru"), scrambled(cell="gru_reset_before")
    before.load_state_dict(after.state_dict())
    with torch.no_grad():
        assert (after(values) - before(values)).abs().min() > 1e-3


@by_cell
@by_layers
@by_direction
@by_lengths
def test_every_state_equals_the_equations(cell, num_layers, bidirectional, ragged):
    """The states at all real steps, and the last ones, are those of the reference."""
    model = scrambled(cell=cell, num_layers=num_layers, bidirectional=bidirectional)
    values, lengths = make_batch(ragged)
    with torch.no_grad():
        outputs, last = model.recurrent(values, lengths)
    for k, x in enumerate(cut(values, lengths)):
        states, final = reference_states(model.state_dict(), x, cell=cell)
        np.testing.assert_allclose(outputs[k, : len(x)], states, rtol=0, atol=1e-12)
        np.testing.assert_allclose(last[k], final, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", TORCH)
@by_layers
@by_direction
@by_lengths
def test_torch_layers_agree(cell, num_layers, bidirectional, ragged):
    """torch.nn.GRU, LSTM and RNN with these parameters give the same states, packed."""
    model = scrambled(cell=cell, num_layers=num_layers, bidirectional=bidirectional)
    theirs = TORCH[cell](
        3, 4, num_layers, batch_first=True, bidirectional=bidirectional
    ).double()
    theirs.load_state_dict(as_torch_names(model.recurrent))
    values, lengths = make_batch(ragged)
    with torch.no_grad():
        outputs, last = model.recurrent(values, lengths)
        real = torch.full((5,), 6) if lengths is None else lengths
        packed = pack_padded_sequence(values, real, True, enforce_sorted=False)
        states, final = theirs(packed)
    states, _ = pad_packed_sequence(states, batch_first=True)
    final = final[0] if cell == "lstm" else final  # (layers * directions, B, H)
    top = final[-2:] if bidirectional else final[-1:]
    expected = torch.cat(list(top), dim=1)
    np.testing.assert_allclose(last, expected, rtol=0, atol=1e-12)
    for k, length in enumerate(real):
        np.testing.assert_allclose(
            outputs[k, :length], states[k, :length], rtol=0, atol=1e-12
        )


def as_torch_names(recurrent):
    """Parameters of our stack under the names of one torch.nn module."""
    state = {}
    for name, parameter in recurrent.state_dict().items():
        _, layer, direction, kind = name.split(".")
        reverse = "_reverse" if direction == "1" else ""
        state[f"{kind.removesuffix('_l0')}_l{layer}{reverse}"] = parameter
    return state


def test_turning_around_is_its_own_inverse():
    """Each sequence is reversed within its length; twice gives it back."""
    values, lengths = make_batch(True)
    back = turned(values, lengths)
    for k, n in enumerate(lengths):
        np.testing.assert_array_equal(back[k, :n], values[k, :n].flip(0))
    np.testing.assert_array_equal(turned(back, lengths), values)


@by_cell
@by_pooling
def test_what_stands_behind_the_end_is_never_read(cell, pooling):
    """Changing the padding, or padding further, changes no output."""
    model = scrambled(cell=cell, num_layers=2, bidirectional=True, pooling=pooling)
    values, lengths = make_batch(True)
    other = values.clone()
    for x, n in zip(other, lengths, strict=True):
        x[n:] = -7.0
    longer = torch.cat([values, torch.full((5, 3, 3), 9.0).double()], dim=1)
    with torch.no_grad():
        output = model(values, lengths)
        np.testing.assert_array_equal(model(other, lengths), output)
        np.testing.assert_allclose(model(longer, lengths), output, rtol=0, atol=1e-12)


# -- gradients -----------------------------------------------------------------------------


@pytest.mark.slow
@by_cell
@by_lengths
def test_gradients_of_every_cell(cell, ragged):
    """Gradients of a two-layer bidirectional network equal finite differences."""
    model = scrambled(
        cell=cell,
        n_inputs=2,
        hidden_size=2,
        num_layers=2,
        bidirectional=True,
        pooling="last",
    )
    check_gradients(model, ragged)


@by_pooling
@by_lengths
def test_gradients_of_every_pooling(pooling, ragged):
    """Gradients through every pooling equal finite differences."""
    check_gradients(scrambled(n_inputs=2, hidden_size=2, pooling=pooling), ragged)


@by_cell
@by_pooling
def test_no_gradient_behind_the_end(cell, pooling):
    """Padding has gradient exactly 0, every real step has some."""
    model = scrambled(cell=cell, bidirectional=True, pooling=pooling)
    values, lengths = make_batch(True)
    values.requires_grad_()
    model(values, lengths).square().sum().backward()
    size = values.grad.abs().sum(dim=2)  # (B, T)
    real = torch.arange(6) < lengths[:, None]
    assert (size[~real] == 0).all()
    assert (size[real] > 0).all()


# -- initialisation ------------------------------------------------------------------------


@by_cell
@by_layers
@by_direction
def test_initial_parameters_per_gate(cell, num_layers, bidirectional):
    """Orthogonal recurrent blocks, Xavier input blocks, bias 1 where it keeps the state."""
    model = make_model(
        cell=cell, hidden_size=16, num_layers=num_layers, bidirectional=bidirectional
    ).double()
    keep = {"gru": 1, "gru_reset_before": 1, "lstm": 1, "rnn": None}[cell]
    for name, parameter in model.recurrent.named_parameters():
        blocks = parameter.detach().numpy().reshape(N_GATES[cell], 16, -1)
        for gate, block in enumerate(blocks):
            if "weight_hh" in name:
                np.testing.assert_allclose(block @ block.T, np.eye(16), atol=1e-5)
            elif "weight_ih" in name:
                bound = np.sqrt(6 / (block.shape[0] + block.shape[1]))
                assert np.abs(block).max() <= bound
                assert np.abs(block).max() > 0.8 * bound
                assert abs(block.mean()) < 0.25 * bound
            else:
                one = "bias_ih" in name and gate == keep
                np.testing.assert_array_equal(block, float(one))
    blocks = [p for n, p in model.recurrent.named_parameters() if "weight_hh" in n]
    first = torch.cat([b.reshape(-1, 16, 16) for b in blocks])
    assert len(torch.unique(first[:, 0, 0])) == len(first)  # no block twice


@by_pooling
def test_initial_head_and_attention(pooling):
    """Head and attention start Xavier-uniform, their biases at 0."""
    model = make_model(hidden_size=24, n_outputs=20, pooling=pooling)
    for module in (model.head, model.pooling):
        for parameter in module.parameters():
            if parameter.ndim == 1:
                assert (parameter == 0).all()
            else:
                bound = np.sqrt(6 / sum(parameter.shape))
                assert 0.8 * bound < parameter.abs().max() <= bound


def test_silenced_outputs():
    """A silenced output is 0 whatever the input, the others stay as they were."""
    model, other = (make_model(n_outputs=4).double() for _ in range(2))
    model.silence([1, 3])
    values, lengths = make_batch(True)
    with torch.no_grad():
        output, expected = model(values, lengths), other(values, lengths)
    assert (output[:, [1, 3]] == 0).all()
    np.testing.assert_array_equal(output[:, [0, 2]], expected[:, [0, 2]])


def bits(model):
    """Every parameter as bytes."""
    return b"".join(p.detach().numpy().tobytes() for p in model.parameters())


@by_cell
def test_one_seed_one_start(cell):
    """The same generator seed gives the same bits, another seed others."""
    kind = {
        "cell": cell,
        "num_layers": 2,
        "bidirectional": True,
        "pooling": "attention",
    }
    torch.manual_seed(1)
    first = bits(make_model(seed=7, **kind))
    torch.manual_seed(2)
    assert bits(make_model(seed=7, **kind)) == first
    assert bits(make_model(seed=8, **kind)) != first


def global_state():
    """Everything that the global generators of the process remember."""
    legacy = np.random.get_state()  # noqa: NPY002
    return (
        torch.get_rng_state().numpy().tobytes(),
        (legacy[0], legacy[1].tobytes(), *legacy[2:]),
        random.getstate(),
    )


@by_cell
@by_pooling
def test_global_generators_stay(cell, pooling):
    """Building a network and running it with dropout draws nothing from global state."""
    before = global_state()
    model = make_model(
        cell=cell, num_layers=2, bidirectional=True, pooling=pooling, dropout=0.5
    )
    values, lengths = make_batch(True)
    model.train()(values.float(), lengths).sum().backward()
    model.eval()(values.float(), lengths)
    assert global_state() == before


# -- dropout -------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_is_inverted(p):
    """Kept values are divided by the share kept, so that the mean stays."""
    dropout = Dropout(p, RandomStream(0, torch.device("cpu"))).train()
    out = dropout(torch.full((400, 500), 3.0, dtype=torch.float64))
    kept = out != 0
    assert abs(kept.double().mean() - (1 - p)) < 0.005
    np.testing.assert_allclose(out[kept], 3 / (1 - p), rtol=1e-12)
    assert abs(out.mean() - 3) < 0.05


def test_dropout_is_off_in_evaluation():
    """Evaluation mode and p = 0 hand the input on and draw nothing."""
    x = torch.randn(4, 5)
    for p, training in [(0.7, False), (0.0, True)]:
        stream = RandomStream(0, torch.device("cpu"))
        before = stream.generator.get_state()
        out = Dropout(p, stream).train(training)(x)
        np.testing.assert_array_equal(out, x)
        np.testing.assert_array_equal(stream.generator.get_state(), before)


def test_dropout_has_its_own_stream():
    """Masks follow the stream's seed, not torch's, and move on from call to call."""
    values, _ = make_batch(False)
    outputs = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        model = scrambled(num_layers=2, dropout=0.5).train()
        outputs.append([model(values).detach().numpy() for _ in range(2)])
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0][0], outputs[0][1])


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_dropout_is_between_layers_and_before_the_head(num_layers):
    """Each layer but the first, and the head, see dropped inputs; the first does not."""
    model = scrambled(
        num_layers=num_layers, bidirectional=True, hidden_size=32, dropout=0.4
    )
    seen = []

    def note(module, args):
        seen.append(args[0])

    for layer in model.recurrent.layers:
        for cell in layer:
            cell.register_forward_pre_hook(note)
    model.head.register_forward_pre_hook(note)
    values, _ = make_batch(False)
    model.train()(values)
    share = [float((x == 0).double().mean()) for x in seen]
    assert share[:2] == [0.0, 0.0]
    assert all(abs(s - 0.4) < 0.15 for s in share[2:])
    assert len(share) == 2 * num_layers + 1
    for forward, backward in zip(seen[2:-1:2], seen[3:-1:2], strict=True):
        # One mask a layer: both directions read the same dropped states.
        np.testing.assert_array_equal(forward.detach(), backward.flip(1).detach())
    seen.clear()
    model.eval()(values)
    assert all((x != 0).all() for x in seen)


# -- attention -----------------------------------------------------------------------------


@by_direction
@by_lengths
def test_attention_weights(bidirectional, ragged):
    """They sum to 1, are exactly 0 behind the end, and equal the reference's."""
    model = scrambled(pooling="attention", bidirectional=bidirectional)
    values, lengths = make_batch(ragged)
    real = torch.full((5,), 6) if lengths is None else lengths
    present = None if lengths is None else torch.arange(6) < lengths[:, None]
    with torch.no_grad():
        outputs, _ = model.recurrent(values, lengths)
        weights = model.pooling.step_weights(outputs, present).numpy()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-14)
    state = {name: p.numpy() for name, p in model.state_dict().items()}
    for k, n in enumerate(real):
        assert (weights[k, n:] == 0).all()
        expected = attention_weights(outputs[k, :n].numpy(), state)
        np.testing.assert_allclose(weights[k, :n], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_blocks", [1, 3, 4])
# 33 numbers do not fill whole cache lines: LAPACK rounds other last bits.
@pytest.mark.parametrize(
    ("size", "atol"), [(1, 1e-6), (5, 1e-6), (32, 1e-6), (33, 4e-6)]
)
def test_recurrent_blocks_are_those_of_torch_orthogonal(n_blocks, size, atol):
    """Drawn together, the blocks are what `nn.init.orthogonal_` makes of each."""
    generators = [torch.Generator().manual_seed(size) for _ in range(2)]
    expected, found = torch.empty(2, n_blocks * size, size)
    for block in expected.chunk(n_blocks):
        nn.init.orthogonal_(block, generator=generators[0])
    _make_orthogonal(found.unflatten(0, (n_blocks, -1)), generators[1])
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)
    assert torch.equal(*(generator.get_state() for generator in generators))


def test_seeds_drawn_together_are_those_drawn_one_by_one():
    """The dropout masks of an epoch do not depend on how their seeds are drawn."""
    together, one_by_one = (RandomStream(3, torch.device("cpu")) for _ in range(2))
    expected = [one_by_one.draw() for _ in range(20)]
    assert together.draw_many(20).tolist() == expected
    assert together.draw() == one_by_one.draw()


def test_the_default_dtype_of_torch_changes_no_network():
    """Layers are made in it, and then are of the dtype of the estimator."""
    X = np.random.default_rng(0).normal(size=(40, 6, 2)).astype(np.float32)
    model = GRURegressor(4, max_iter=2, dtype="float32", random_state=0)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        model.fit(X, X[:, -1, 0])
    finally:
        torch.set_default_dtype(before)
    assert {p.dtype for p in model.module_.parameters()} == {torch.float32}
