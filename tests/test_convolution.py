"""The convolution branch against its equations, and blind to padding and batch mates."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from sklearn_gru import GRUClassifier, GRURegressor
from sklearn_gru._engines.torch.convolution import (
    KERNEL_SIZES,
    Convolution,
    MaskedBatchNorm,
)
from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._engines.torch.module import observed_first
from sklearn_gru.exceptions import InvalidParameterError
from tests.builders import joined, make_list, padded
from tests.networks import scrambled
from tests.reference_gru import reference_convolution, reference_states

by_dtype = pytest.mark.parametrize(
    ("dtype", "tol"), [("float64", 1e-10), ("float32", 1e-5)]
)
by_segments = pytest.mark.parametrize("k", [None, 3])
FILTERS = (3, 4, 2)


def make_data(seed=0, n=30):
    """Sequences of 1 to 11 steps of two features, with missing cells."""
    items = make_list(seed, np.arange(n) % 11 + 1)
    return items, np.array([np.nansum(x[-5:, 0]) for x in items])


def model(kind=GRURegressor, **params):
    """A small estimator with a branch of three layers."""
    defaults = {
        "hidden_size": 4,
        "max_iter": 4,
        "random_state": 0,
        "conv_filters": FILTERS,
    }
    return kind(**{**defaults, **params})


def branch(n_inputs=2, filters=FILTERS, seed=0):
    """A branch in float64 in which no number is a default."""
    module = Convolution(n_inputs, filters)
    generator = torch.Generator().manual_seed(seed)
    module.reset_parameters(generator)
    module.double()
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if value.ndim == 1:
                low = 0.5 if "var" in name else -1.0
                value.uniform_(low, 1.5, generator=generator)
    return module


def make_batch(seed=0):
    """Values (5, 9, 2), which steps are real, and weights; padding is absurd."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(5, 9, 2, dtype=torch.float64, generator=generator)
    lengths = torch.tensor([9, 1, 4, 7, 2])
    present = torch.arange(9) < lengths[:, None]
    present[0, 3] = present[3, 1] = False
    values[~present] = 1e6
    return values, present, torch.tensor([1.0, 2.0, 3.0, 1.0, 2.0]).double()


# -- the equations -------------------------------------------------------------------------


@pytest.mark.parametrize("filters", [(3,), (3, 2), FILTERS, (2, 3, 2, 4, 3)])
def test_branch_equals_the_equations(filters):
    """In evaluation, each sequence by itself, from loops over steps and filters."""
    module = branch(filters=filters).eval()
    values, present, _ = make_batch()
    with torch.no_grad():
        got = module(values, present, None).numpy()
    state = {f"convolution.{k}": v for k, v in module.state_dict().items()}
    for b in range(5):
        steps = int(present[b].nonzero().max()) + 1
        expected = reference_convolution(
            state, values[b, :steps].numpy(), present[b, :steps].numpy()
        )
        np.testing.assert_allclose(got[b], expected, rtol=1e-10, atol=1e-12)


def test_kernel_sizes():
    """8, 5 and 3 as in the papers, then 3; the length of a sequence is kept."""
    module = Convolution(2, (4, 5, 6, 7))
    assert [layer.kernel_size[0] for layer in module.layers] == [8, 5, 3, 3]
    assert KERNEL_SIZES == (8, 5, 3)
    assert module.n_pooled == 7


def test_as_torch_where_nothing_is_masked():
    """Without masks and weights: Conv1d with "same" padding, BatchNorm1d and ReLU."""
    module = branch().train()
    values = make_batch()[0].clamp(-2, 2)
    x = values.transpose(1, 2)
    for layer, norm in zip(module.layers, module.norms, strict=True):
        theirs = nn.BatchNorm1d(layer.out_channels).double().train()
        theirs.load_state_dict({"weight": norm.weight, "bias": norm.bias}, strict=False)
        size = layer.kernel_size[0]
        x = nn.functional.pad(x, ((size - 1) // 2, size // 2))
        x = torch.relu(theirs(nn.functional.conv1d(x, layer.weight)))
    got = module(values, None, None)
    torch.testing.assert_close(got, x.mean(dim=2), rtol=1e-10, atol=1e-12)


@by_segments
@by_dtype
def test_predictions_equal_the_equations(k, dtype, tol):
    """The whole estimator: both branches and the head, with missing cells and gaps."""
    items, y = make_data()
    items[10] = np.insert(items[10], [3, 5], np.nan, axis=0)
    fitted = model(segment_length=k, dtype=dtype).fit(items, y)
    state = {n: v.numpy() for n, v in fitted.module_.state_dict().items()}
    mean, scale = (
        fitted._fitted.encoder.standardizer.mean,
        fitted._fitted.encoder.standardizer.scale,
    )
    for x, got in zip(items, fitted.predict(items), strict=True):
        read = np.column_stack(
            [np.nan_to_num((x - mean) / scale, nan=0.0), np.isnan(x)]
        )
        seen = ~np.isnan(x).all(axis=1)
        found = reference_convolution(state, read, seen)
        if k is None:
            steps = read[seen]
        else:
            front = np.zeros((-len(read) % k, read.shape[1]))
            steps = np.concatenate([front, read]).reshape(-1, k * read.shape[1])
        last = reference_states(state, steps, cell="gru")[1]
        out = state["head.weight"] @ np.concatenate([last, found]) + state["head.bias"]
        np.testing.assert_allclose(
            got, fitted._fitted.task.decode(out)[0], atol=100 * tol
        )


# -- statistics of the batch ---------------------------------------------------------------


def test_statistics_are_those_of_real_steps_by_weight():
    """Weighted mean and variance over observed steps, and nothing of the padding."""
    values, present, weight = make_batch()
    module = branch().train()
    module.norms[0] = MaskedBatchNorm(3).double().train()
    module(values, present, weight)
    x = values.masked_fill(~present[:, :, None], 0.0).transpose(1, 2)
    x = module.layers[0](nn.functional.pad(x, (3, 4))).transpose(1, 2)
    repeated = torch.repeat_interleave(x, weight.long(), dim=0)
    kept = torch.repeat_interleave(present, weight.long(), dim=0)
    cells = repeated[kept]
    norm = module.norms[0]
    torch.testing.assert_close(norm.running_mean, cells.mean(dim=0))
    torch.testing.assert_close(norm.running_var, cells.var(dim=0, correction=0))


def test_padding_changes_nothing_in_training():
    """Other padding, other numbers in it: same outputs, no gradient there."""
    values, present, weight = make_batch()
    module = branch().train()
    expected = module(values, present, weight)
    longer = nn.functional.pad(values, (0, 0, 0, 4), value=-7.0)
    longer[:, :9][~present] = 3.0
    longer.requires_grad_()
    more = nn.functional.pad(present, (0, 4), value=False)
    got = module(longer, more, weight)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)
    got.square().sum().backward()
    assert (longer.grad[~more] == 0).all()
    assert (longer.grad[more].abs().sum(dim=1) > 0).all()


def test_running_statistics():
    """The mean of the first ten batches, then a moving one; 1 batch is that batch."""
    norm = MaskedBatchNorm(1).double().train()
    share = torch.full((4, 1, 5), 1 / 20).double()
    batches = torch.randn(30, 4, 1, 5).double()
    means = batches.mean(dim=(1, 2, 3))
    expected = 0.0
    for n, batch in enumerate(batches):
        norm(batch, share)
        if n < 10:
            expected = means[: n + 1].mean()
        else:
            expected = 0.9 * expected + 0.1 * means[n]
        torch.testing.assert_close(norm.running_mean[0], expected)
    before = copy.deepcopy(norm.state_dict())
    norm.eval()(batches[0], share)
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("k", [1, 2])
def test_gradients(training, k):
    """Of inputs and all parameters, against finite differences."""
    net = scrambled(
        n_inputs=2, hidden_size=2, conv_filters=(3, 2), segment_length=k
    ).train(training)
    values, present, weight = make_batch()
    values, present = values[:, :8].clamp(-2, 2), present[:, :8]
    lengths = None if k == 1 else torch.tensor([4, 1, 2, 4, 1])
    names = [name for name, _ in net.named_parameters()]

    def outputs(values, *parameters):
        state = dict(zip(names, parameters, strict=True))
        inputs = (values, lengths, present, weight)
        return torch.func.functional_call(net, state, inputs)

    parameters = [p.detach().clone().requires_grad_() for p in net.parameters()]
    assert torch.autograd.gradcheck(
        outputs, (values.requires_grad_(), *parameters), atol=1e-6, rtol=1e-4
    )


def test_observed_steps_move_to_the_front():
    """In order; the recurrent layers skip what the convolution keeps in place."""
    values, present, _ = make_batch()
    moved, lengths = observed_first(values, present)
    for b in range(5):
        assert torch.equal(moved[b, : lengths[b]], values[b, present[b]])


def test_lengths_alone_are_enough():
    """Whoever calls the module with lengths only gets the mask they imply."""
    for k in (1, 3):
        net = scrambled(n_inputs=2, conv_filters=(3,), segment_length=k).eval()
        values, _, _ = make_batch()
        lengths = torch.tensor([9, 3, 6, 9, 3]) // k
        present = torch.arange(9) < (lengths * k)[:, None]
        with torch.no_grad():
            got, expected = net(values, lengths), net(values, lengths, present)
        torch.testing.assert_close(got, expected)


# -- the estimator -------------------------------------------------------------------------


@by_segments
@by_dtype
def test_each_prediction_depends_on_its_sequence_alone(k, dtype, tol):
    """Alone, permuted, NaN in front, NaN behind, over one array: one prediction."""
    items, y = make_data()
    items[10] = np.insert(items[10], 3, np.nan, axis=0)
    fitted = model(segment_length=k, dtype=dtype, normalization="last").fit(items, y)
    together = fitted.predict(items)

    def close(got, expected):
        np.testing.assert_allclose(got, expected, rtol=tol, atol=10 * tol)

    close([fitted.predict([x])[0] for x in items], together)
    close(fitted.predict(items[::-1]), together[::-1])
    close(fitted.predict(padded(items, front=True, extra=2)), together)
    close(fitted.predict(padded(items, front=False, extra=2)), together)
    close(fitted.predict(joined(items)), together)


@by_segments
def test_integer_weights_are_repeated_rows(k):
    """Also through the statistics of the batches, in one batch and float64."""
    items, y = make_data(n=12)
    weights = np.array([1, 2, 3] * 4)
    index = np.repeat(np.arange(12), weights)
    params = {"dtype": "float64", "batch_size": 1000, "segment_length": k}
    weighted = model(**params).fit(items, y, sample_weight=weights)
    repeated = model(**params).fit([items[k] for k in index], y[index])
    np.testing.assert_allclose(
        weighted.predict(items), repeated.predict(items), rtol=1e-8, atol=1e-9
    )
    unweighted = model(**params).fit(items, y)
    assert np.abs(unweighted.predict(items) - weighted.predict(items)).max() > 1e-4


def test_one_step_fits_every_layout_alike():
    """Batches of one sequence of one step have a variance of 0, and no NaN."""
    items, y = make_data()
    fitted = model(batch_size=1, max_iter=1).fit(items, y)
    assert np.isfinite(fitted.predict(items)).all()
    one = model().fit([np.ones((1, 2))], [3.0])
    np.testing.assert_allclose(one.predict([np.ones((1, 2))]), [3.0])


@by_dtype
def test_copies_keep_the_statistics(dtype, tol):
    """Pickle and deepcopy predict the same bits; a clone has forgotten the fit."""
    items, y = make_data()
    labels = np.digitize(y, [0, 3])
    fitted = model(GRUClassifier, dtype=dtype).fit(items, labels)
    expected = fitted.predict_proba(items)
    for other in (
        pickle.loads(pickle.dumps(fitted)),
        copy.deepcopy(fitted),
        clone(fitted).fit(items, labels),
    ):
        np.testing.assert_array_equal(other.predict_proba(items), expected)
    for name, buffer in fitted.module_.named_buffers():
        kind = torch.int64 if "n_batches" in name else getattr(torch, dtype)
        assert buffer.dtype == kind
        assert int(fitted.module_.convolution.norms[0].n_batches) == 4


def test_statistics_move_with_the_module():
    """They are buffers: another device or dtype takes them along."""
    norm = MaskedBatchNorm(2)
    assert [name for name, _ in norm.named_buffers()] == [
        "running_mean",
        "running_var",
        "n_batches",
    ]
    assert norm.double().running_var.dtype == torch.float64
    assert {b.device.type for b in norm.to("meta").buffers()} == {"meta"}


def test_early_stopping_goes_back_with_the_statistics():
    """The best epoch's predictions are those of a fit that ended there."""
    items, y = make_data(n=60)
    data = {"X_val": items[40:], "y_val": y[40:]}
    seen = {}

    from skorch.callbacks import Callback

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen[len(net.history)] = copy.deepcopy(net.module_.state_dict())

    fitted = model(
        learning_rate=0.1, max_iter=25, n_iter_no_change=3, callbacks=[Keep()]
    ).fit(items[:40], y[:40], **data)
    assert fitted.best_iteration_ < fitted.n_iter_
    for name, value in fitted.module_.state_dict().items():
        assert torch.equal(value, seen[fitted.best_iteration_][name]), name


def test_training_on():
    """warm_start and partial_fit go on with weights and statistics."""
    items, y = make_data()
    fitted = model(warm_start=True, early_stopping=False).fit(items, y)
    norm = fitted.module_.convolution.norms[0]
    assert int(norm.n_batches) == 4
    fitted.fit(items, y).partial_fit(items, y)
    assert fitted.module_.convolution.norms[0] is norm
    assert int(norm.n_batches) == 9
    fitted.set_params(conv_filters=None)
    with pytest.raises(InvalidParameterError, match="conv_filters"):
        fitted.fit(items, y)


def test_global_generators_stay():
    """Parameters are drawn from the generator of the fit alone."""
    state = torch.random.get_rng_state()
    items, y = make_data()
    one, two = model(dropout=0.2).fit(items, y), model(dropout=0.2).fit(items, y)
    assert torch.equal(state, torch.random.get_rng_state())
    np.testing.assert_array_equal(one.predict(items), two.predict(items))
    assert one.module_.convolution.layers[0].weight.abs().max() > 0
    assert isinstance(one.module_.dropout.stream, RandomStream)


@pytest.mark.parametrize("bad", [(), (4, 0), 64, (4, 2.5), "abc", (True,)])
def test_what_it_may_be(bad):
    """Positive integers, at least one; or None."""
    items, y = make_data()
    with pytest.raises(InvalidParameterError, match="conv_filters"):
        model(conv_filters=bad).fit(items, y)
    model(conv_filters=[np.int64(2)], max_iter=1).fit(items, y)


@pytest.mark.slow
def test_it_finds_a_pattern_wherever_it_stands():
    """A bump early in 150 steps decides: the branch sees it, the last state does not.

    Differences and the largest state see it too.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 150, 1))
    y = rng.integers(0, 2, size=160)
    for x, label in zip(X, y, strict=True):
        at = rng.integers(0, 60)
        x[at : at + 6, 0] += 4 if label else [4, -4, 4, -4, 4, -4]
    params = {"hidden_size": 8, "max_iter": 15, "batch_size": 32}
    params |= {"pooling": "last", "add_differences": False, "linear_share": 0}
    params["segment_length"] = None  # two steps at a time see the differences, too
    fitted = model(GRUClassifier, conv_filters=(8, 8), **params).fit(X[:120], y[:120])
    assert fitted.score(X[120:], y[120:]) > 0.9
    plain = model(GRUClassifier, conv_filters=None, **params).fit(X[:120], y[:120])
    assert plain.score(X[120:], y[120:]) < 0.8


def test_the_kernels_decline():
    """They have no convolution, and say so."""
    X = np.random.default_rng(0).normal(size=(1100, 10, 1))
    fitted = model(max_iter=5, conv_filters=(2,)).fit(X, X[:, -1, 0])
    assert fitted.net_.declined["numba"] == "a convolution branch has no kernel"
