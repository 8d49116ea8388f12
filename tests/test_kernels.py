"""The compiled kernels against plain float64 torch, and against nn.GRU itself."""

import importlib
import os
import pickle
import pkgutil
import subprocess
import sys
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sklearn_gru import GRURegressor
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.numba import Predictor, Trainer, engine
from sklearn_gru._engines.numba.compile import checked
from sklearn_gru._model.spec import NetworkSpec as Network
from tests import kernels_oracle as oracle
from tests.networks import make_model

pytest.importorskip("numba")

CELLS = ("gru", "gru_reset_before", "lstm", "rnn")
TOLERANCE = 1e-5  # relative to the largest entry of each array


def relative_error(found, expected):
    """Return the largest error, relative to the largest entry expected."""
    expected = np.asarray(expected)
    if expected.size == 0:
        return 0.0
    scale = max(np.abs(expected).max(), 1e-30)
    return float(np.abs(np.asarray(found) - expected).max() / scale)


def make_params(network, rng):
    """Return parameters that do not saturate the gates.

    Where tanh is 1 - 1e-5, float32 cannot hold its slope to 1e-5; nor can torch.
    """
    bound = (network.hidden_size + network.n_inputs) ** -0.5
    params = rng.uniform(-bound, bound, network.n_parameters).astype(np.float32)
    for name, part in oracle.split(network, params).items():
        if name.startswith("embedding"):
            part[0] = 0.0
    return params


def make_sequences(network, n, longest, rng, shortest=0):
    """Return overlapping sequences (values, starts, lengths) over a few flat rows."""
    n_rows = longest + n
    values = rng.standard_normal((n_rows, network.n_columns)).astype(np.float32)
    for k, (n_categories, _) in enumerate(network.embeddings):
        at = network.n_columns - len(network.embeddings) + k
        values[:, at] = rng.integers(0, n_categories + 1, n_rows)
    lengths = rng.integers(shortest, longest + 1, n)
    starts = rng.integers(0, n_rows - longest + 1, n)
    return values, starts, lengths


def double(array):
    """Return a float64 leaf of autograd."""
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def gather(values, starts, lengths):
    """Return padded sequences (n, T, n_inputs) that autograd can follow to the rows."""
    steps = torch.arange(int(lengths.max()) if len(lengths) else 0)
    rows = (torch.as_tensor(starts)[:, None] + steps).clamp(max=len(values) - 1)
    alive = (steps < torch.as_tensor(lengths)[:, None])[:, :, None]
    return torch.where(alive, values[rows], torch.zeros((), dtype=values.dtype))


def test_the_kernels_are_available_where_numba_is():
    """An error while importing the kernels is not taken for a missing numba."""
    assert kernels.reason() is None
    assert kernels.vector_unit() in ("AVX-512", "AVX2", "NEON")


# --- one network, all gradients -----------------------------------------------------


@st.composite
def problems(draw, cell):
    """Draw a network and a batch, with sizes on both sides of every block and tile."""
    network = Network(
        cell,
        n_inputs=draw(st.sampled_from([1, 3, 8, 17])),
        hidden_size=draw(st.sampled_from([1, 5, 16, 20, 32, 48, 65, 200])),
        num_layers=draw(st.sampled_from([1, 1, 2, 3])),
        bidirectional=draw(st.booleans()),
    )
    n = draw(st.sampled_from([1, 2, 7, 8, 31, 33, 65, 300]))
    longest = draw(st.sampled_from([1, 2, 5, 12]))
    return network, n, longest, draw(st.booleans()), draw(st.integers(0, 2**31))


def oracle_gradients(network, arrays, starts, lengths, d_last, d_steps, dtype):
    """Return the plain network's states, final states and gradients, as arrays."""
    leaves = [torch.tensor(a, dtype=dtype, requires_grad=True) for a in arrays]
    params, values = leaves
    x = gather(values, starts, lengths)
    states, finals = oracle.run_layers(
        network, oracle.split(network, params), x, torch.as_tensor(lengths)
    )
    loss = (finals * torch.tensor(d_last)).sum()
    loss = loss + 0 * params.sum()  # sequences that are all empty need a graph too
    if d_steps is not None:
        loss = loss + (states * torch.tensor(d_steps)).sum()
    grads = torch.autograd.grad(loss, leaves, materialize_grads=True)
    found = {"last": finals, "steps": states, "values": grads[1]}
    found |= oracle.split(network, grads[0])
    return {name: array.detach().numpy() for name, array in found.items()}


def check_layers(network, n, longest, all_steps, seed):
    """Compare states and every gradient with the oracle."""
    from sklearn_gru._engines.numba.calls import Kernel, Rows

    rng = np.random.default_rng(seed)
    params = make_params(network, rng)
    values, starts, lengths = make_sequences(network, n, longest, rng)
    kernel, rows = Kernel(network, params), Rows(values, starts, lengths)
    kernel.pack()
    last, steps, _ = kernel.run(rows, all_steps=all_steps, keep=True)
    d_last = rng.standard_normal(last.shape).astype(np.float32)
    d_steps = None
    if all_steps:
        d_steps = rng.standard_normal(steps.shape).astype(np.float32)
    grads, d_values = kernel.run_backward(rows, d_last, d_steps, inputs=True)
    found = {"last": last, "values": d_values} | oracle.split(network, grads)
    if all_steps:
        found["steps"] = steps

    problem = network, (params, values), starts, lengths, d_last, d_steps
    exact, single = oracle_gradients(*problem, torch.float64), None
    for name, array in found.items():
        error, allowed = relative_error(array, exact[name]), TOLERANCE
        if error > allowed:
            # Sums that cancel (most often in an array of one entry) lose more digits
            # than that in any float32 program; torch's own then says how many.
            single = single or oracle_gradients(*problem, torch.float32)
            allowed = 4 * relative_error(single[name], exact[name])
        assert error <= allowed, name


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_states_and_every_gradient_agree_with_float64_autograd(cell):
    """Layers, directions, lengths and sizes of every kind give torch's numbers."""
    largest = Network(cell, 17, 200, num_layers=3, bidirectional=True)

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @example((largest, 300, 12, True, 0))
    @given(problems(cell))
    def check(problem):
        check_layers(*problem)

    check()


@pytest.mark.parametrize(("module", "cell"), [("GRU", "gru"), ("LSTM", "lstm")])
def test_flat_parameters_are_those_of_the_torch_module(module, cell):
    """Names, order and shapes are torch's, and so are the final states."""
    from sklearn_gru._engines.numba.calls import Kernel, Rows

    network = Network(cell, 3, 20, num_layers=2, bidirectional=True)
    layer = getattr(torch.nn, module)(3, 20, 2, bidirectional=True, batch_first=True)
    named = dict(layer.named_parameters())
    shapes = [(name, tuple(p.shape)) for name, p in named.items()]
    assert shapes == list(network.parameters().items())[:-2]
    flat = torch.cat([p.detach().reshape(-1) for p in named.values()])
    params = np.zeros(network.n_parameters, dtype=np.float32)
    params[: len(flat)] = flat.numpy()
    kernel, x = Kernel(network, params), torch.randn(5, 7, 3)
    kernel.pack()
    rows = Rows(x.reshape(35, 3).numpy(), np.arange(5) * 7, np.full(5, 7))
    last, steps, _ = kernel.run(rows, all_steps=True, keep=False)
    expected, state = layer(x)
    h_n = state[0] if cell == "lstm" else state
    np.testing.assert_allclose(steps, expected.detach(), atol=1e-6)
    np.testing.assert_allclose(last, torch.cat([*h_n[-2:]], 1).detach(), atol=1e-6)


# --- the training step --------------------------------------------------------------

STEPS = [
    Network("gru", 8, 32),
    Network("gru", 3, 20, pooling="mean", n_outputs=3, loss="huber"),
    Network("gru", 2, 16, pooling="max", n_outputs=2, loss="absolute_error"),
    Network(
        "gru", 5, 24, 2, True, "mean_max", 9, "cross_entropy", loss_parameters=(0.1,)
    ),
    Network("gru", 3, 16, n_outputs=2, loss="quantile", loss_parameters=(0.8,)),
    Network(
        "gru", 3, 16, n_outputs=6, loss="quantile", loss_parameters=(0.1, 0.5, 0.9)
    ),
    Network("gru", 4, 12, 3, True, "last", 2, "cross_entropy", dropout=0.3),
    Network("lstm", 4, 17, 2, pooling="mean", dropout=0.5),
    Network("gru", 4, 17, 1, True, pooling="mean_max", dropout=0.5),
    Network("gru_reset_before", 4, 17, bidirectional=True, pooling="max"),
    Network("rnn", 4, 17, 2, pooling="mean_max"),
    Network("gru", 9, 16, embeddings=((3, 2), (40, 5)), loss="huber"),
    Network("lstm", 19, 17, 2, True, "max", embeddings=((7, 19),), dropout=0.3),
]


def dropout_masks(network, seed, rows, n_steps):
    """Return the masks after each layer but the last and before the head, or None."""
    if not network.dropout:
        return None
    width = network.hidden_size * (2 if network.bidirectional else 1)
    pooled = width * (2 if network.pooling == "mean_max" else 1)
    masks = []
    for layer in range(network.num_layers - 1):
        mask = oracle.dropout_mask(network.dropout, seed, layer, rows, n_steps, width)
        masks.append(torch.tensor(mask))
    head = oracle.dropout_mask(
        network.dropout, seed, network.num_layers, rows, 1, pooled
    )
    return [*masks, torch.tensor(head[:, 0])]


@pytest.mark.slow
@pytest.mark.parametrize("network", STEPS, ids=lambda n: f"{n.cell}-{n.loss}")
def test_training_curve_is_that_of_autograd_clipping_and_adamw(network):
    """Five epochs of one compiled call each give torch's losses and parameters."""
    rng = np.random.default_rng(0)
    n, longest, batch_size, rate = 150, 9, 64, 3e-3
    params = make_params(network, rng)
    leaf = double(params)
    values, starts, lengths = make_sequences(network, n, longest, rng, shortest=1)
    weights = rng.uniform(0.5, 2.0, n).astype(np.float32)
    if network.loss == "cross_entropy":
        targets = rng.integers(0, network.n_outputs, n)
    else:
        targets = rng.standard_normal((n, network.target_width)).astype(np.float32)
    trainer = Trainer(network, params, clip_norm=0.1, weight_decay=0.01)
    optimizer = torch.optim.AdamW([leaf], lr=rate, weight_decay=0.01)
    x = gather(torch.tensor(values, dtype=torch.float64), starts, lengths)
    y = torch.as_tensor(targets)
    if y.is_floating_point():
        y = y.double()
    for _ in range(5):
        order = rng.permutation(n)
        seeds = rng.integers(0, 2**63, 3).astype(np.uint64)
        losses = trainer.train_epoch(
            values, starts, lengths, targets, weights, order=order,
            batch_size=batch_size, rates=np.full(3, rate), seeds=seeds,
        )  # fmt: skip
        for found, seed, first in zip(losses, seeds, (0, 64, 128), strict=True):
            rows = order[first : first + batch_size]
            masks = dropout_masks(network, seed, rows, x.shape[1])
            optimizer.zero_grad()
            scores = oracle.scores_of(
                network, oracle.split(network, leaf), x[rows],
                torch.as_tensor(lengths[rows]), masks,
            )  # fmt: skip
            each = oracle.sequence_losses(network, scores, y[rows])
            loss = (each * torch.as_tensor(weights[rows])).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([leaf], 0.1)
            optimizer.step()
            assert abs(found - loss.item()) < 1e-4 * max(1.0, abs(loss.item()))
    assert relative_error(params, leaf.detach()) < 1e-3
    assert trainer.step == 15


@pytest.mark.slow
@pytest.mark.parametrize("network", STEPS, ids=lambda n: f"{n.cell}-{n.loss}")
def test_gradient_of_a_batch_agrees_with_float64_autograd(network):
    """Pooling, head and loss pass on every gradient, for lengths from 0."""
    network = replace(network, dropout=0.0)
    rng = np.random.default_rng(1)
    n = 70
    params = make_params(network, rng)
    leaf = double(params)
    values, starts, lengths = make_sequences(network, n, 6, rng)
    weights = rng.uniform(0.5, 2.0, n).astype(np.float32)
    if network.loss == "cross_entropy":
        targets = rng.integers(0, network.n_outputs, n)
        y = torch.as_tensor(targets)
    else:
        targets = rng.standard_normal((n, network.target_width)).astype(np.float32)
        y = torch.as_tensor(targets).double()
    trainer = Trainer(network, params)
    trainer.train_epoch(
        values, starts, lengths, targets, weights, order=np.arange(n), batch_size=n,
        rates=np.zeros(1),
    )  # fmt: skip
    x = gather(torch.tensor(values, dtype=torch.float64), starts, lengths)
    named = oracle.split(network, leaf)
    scores = oracle.scores_of(network, named, x, torch.as_tensor(lengths))
    each = oracle.sequence_losses(network, scores, y)
    (each * torch.as_tensor(weights)).mean().backward()
    for name, grad in oracle.split(network, leaf.grad).items():
        found = oracle.split(network, trainer.grads)[name]
        assert relative_error(found, grad) < TOLERANCE, name
    found = Predictor(network, params).predict(values, starts, lengths)
    assert relative_error(found, scores.detach()) < TOLERANCE


@pytest.mark.parametrize("segment_length", [1, 4])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("clears", [None, "one row", "rows"])
def test_flat_rows_are_read_as_laid_out(segment_length, normalised, clears):
    """The step sees what a loop over the sequences would have laid out."""
    if segment_length == 1 and not normalised and clears is None:
        return
    rng = np.random.default_rng(2)
    n, width, k = 60, 3, segment_length
    network = Network("gru", width * k, 12, bidirectional=True, pooling="mean_max")
    params = make_params(network, rng)
    lengths = rng.integers(1, 15, n)
    values = rng.standard_normal((lengths.sum() + k - 1, width)).astype(np.float32)
    starts = k - 1 + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    levels = None
    if normalised:
        values[rng.random(values.shape) < 0.1] = np.nan
        levels = tuple(
            rng.uniform(0.5, 2.0, (n, 2)).astype(np.float32) for _ in range(2)
        )
        values[:, 2] = np.nan_to_num(values[:, 2])
    leading = None
    if clears is not None:
        leading = rng.integers(0, 6, (n if clears == "rows" else 1, 2))
        leading = np.broadcast_to(leading, (n, 2))
    counts = -(-lengths // k)
    laid_out = np.zeros((counts.sum(), k * width), dtype=np.float32)
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    for i in range(n):
        rows = values[starts[i] : starts[i] + lengths[i]].copy()
        if normalised:
            rows[:, :2] = np.nan_to_num((rows[:, :2] - levels[0][i]) / levels[1][i])
        for j in range(0 if leading is None else 2):
            rows[: leading[i, j], j] = 0.0
        padded = np.zeros((counts[i] * k, width), dtype=np.float32)
        padded[counts[i] * k - lengths[i] :] = rows
        laid_out[firsts[i] : firsts[i] + counts[i]] = padded.reshape(counts[i], -1)
    targets, ones = (
        rng.standard_normal((n, 1)).astype(np.float32),
        np.ones(n, np.float32),
    )
    results = []
    for data, options in (
        (
            (values, starts, lengths),
            {"segment_length": k, "levels": levels, "leading": leading},
        ),
        ((laid_out, firsts, counts), {}),
    ):
        trainer = Trainer(network, params.copy())
        losses = trainer.train_epoch(
            *data, targets, ones, order=np.arange(n), batch_size=n, rates=np.zeros(1),
            **options,
        )  # fmt: skip
        scores = Predictor(network, params).predict(*data, threads=2, **options)
        results.append((losses, trainer.grads, scores))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("segment_length", [1, 4])
def test_embedded_rows_train_as_in_the_torch_module(segment_length):
    """Scores and every gradient, behind levels, cleared differences and segments."""
    rng = np.random.default_rng(3)
    n, k, tables = 60, segment_length, ((3, 2), (30, 9))
    network = Network(
        "gru", 14, 12, 1, True, "mean_max", segment_length=k, embeddings=tables
    )
    params = make_params(network, rng)
    lengths = rng.integers(1, 15, n)
    starts = k - 1 + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    values, *_ = make_sequences(network, n, int(lengths.sum()) + k - 1 - n, rng)
    values[rng.random(len(values)) < 0.1, 0] = np.nan
    levels = tuple(rng.uniform(0.5, 2.0, (n, 2)).astype(np.float32) for _ in range(2))
    leading = rng.integers(0, 6, (n, 2))
    counts = -(-lengths // k)
    x = np.zeros((n, counts.max() * k, 5))
    for i in range(n):
        rows = values[starts[i] : starts[i] + lengths[i]].astype(np.float64)
        rows[:, :2] = np.nan_to_num((rows[:, :2] - levels[0][i]) / levels[1][i])
        for j in range(2):
            rows[: leading[i, j], j] = 0.0
        end = counts[i] * k
        x[i, end - lengths[i] : end] = rows
    targets = rng.standard_normal((n, 1)).astype(np.float32)
    weights, options = (
        np.ones(n, np.float32),
        {"segment_length": k, "levels": levels, "leading": leading},
    )
    trainer = Trainer(network, params)
    trainer.train_epoch(
        values, starts, lengths, targets, weights, order=np.arange(n), batch_size=n,
        rates=np.zeros(1), **options,
    )  # fmt: skip
    module = make_model(**vars(network)).double()
    torch.nn.utils.vector_to_parameters(
        torch.tensor(params).double(), module.parameters()
    )
    scores = module(torch.tensor(x), torch.tensor(counts))
    ((scores - torch.tensor(targets)) ** 2).mean().backward()
    found = oracle.split(network, trainer.grads)
    for name, parameter in zip(found, module.parameters(), strict=True):
        assert relative_error(found[name], parameter.grad) < TOLERANCE, name
    assert not found["embedding.tables.1.weight"][0].any()
    assert found["embedding.tables.1.weight"][1:].any()
    got = Predictor(network, params).predict(
        values, starts, lengths, threads=2, **options
    )
    assert relative_error(got, scores.detach()) < TOLERANCE


def test_indices_that_no_table_has_are_refused():
    """Before compiled code reads them; which would take them for missing ones."""
    network = Network("gru", 3, 4, embeddings=((3, 2),))
    predictor = Predictor(network, np.ones(network.n_parameters, dtype=np.float32))
    start, length = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    for index in (-1.0, 4.0, np.nan, np.inf):
        values = np.array([[0.5, index]], dtype=np.float32)
        with pytest.raises(ValueError, match="an index is outside table 0"):
            predictor.predict(values, start, length)
    values = np.ones((1, 3), dtype=np.float32)
    with pytest.raises(ValueError, match="values have 3 columns"):
        predictor.predict(values, start, length)


def test_indices_that_change_after_the_check_read_no_other_memory():
    """Another thread may write to values while compiled code reads them."""
    from sklearn_gru._engines.numba.calls import Kernel, Rows

    network = Network("gru", 3, 4, embeddings=((3, 2),))
    rng = np.random.default_rng(0)
    kernel = Kernel(network, make_params(network, rng))
    kernel.pack()
    values, starts, lengths = make_sequences(network, 4, 5, rng, shortest=1)
    values[:, 1] = 0.0
    rows = Rows(values, starts, lengths, embeddings=network.embeddings)
    missing = kernel.predict(rows)
    for index in (-1.0, 4.0, 1e30, np.nan, -np.inf):
        values[:, 1] = index
        np.testing.assert_array_equal(kernel.predict(rows), missing)


def test_the_same_epoch_gives_the_same_bits():
    """Training is a function of its arguments, also after other work in the memory."""
    network, rng = STEPS[3], np.random.default_rng(0)
    values, starts, lengths = make_sequences(network, 100, 8, rng, shortest=1)
    first = make_params(network, rng)

    def train(n_epochs):
        params = first.copy()
        trainer = Trainer(network, params, clip_norm=1.0)
        for _ in range(n_epochs):
            trainer.train_epoch(
                values, starts, lengths, np.arange(100) % 9,
                np.ones(100, dtype=np.float32), order=np.arange(100), batch_size=40,
                rates=np.full(3, 1e-2),
            )  # fmt: skip
        return params

    assert np.array_equal(train(3), train(3))


@pytest.mark.parametrize("network", STEPS, ids=lambda n: f"{n.cell}-{n.loss}")
def test_threads_that_share_a_batch_change_no_bit(network, monkeypatch):
    """Training and prediction by one, two and five threads are the same."""
    from sklearn_gru._engines.numba import threads as _threads

    monkeypatch.setattr(_threads, "WORTH_SHARING", 1)
    rng = np.random.default_rng(0)
    start = make_params(network, rng)
    sequences = make_sequences(network, 300, 12, rng)
    targets = rng.standard_normal((300, network.target_width)).astype(np.float32)
    if network.loss == "cross_entropy":
        targets = rng.integers(0, network.n_outputs, 300)
    seeds, ones = np.arange(3, dtype=np.uint64), np.ones(300, dtype=np.float32)

    def train(threads):
        params = start.copy()
        trainer = Trainer(network, params, clip_norm=1.0)
        losses = trainer.train_epoch(
            *sequences, targets, ones, order=np.arange(300), batch_size=128,
            rates=np.full(3, 1e-2), seeds=seeds, threads=threads,
        )  # fmt: skip
        scores = trainer.predict(*sequences, threads=threads)
        return params, losses, scores

    for threads in (2, 5):
        for found, expected in zip(train(threads), train(1), strict=True):
            assert np.array_equal(found, expected)


@pytest.mark.skipif(checked.ENABLED, reason="the checked build has one thread")
def test_small_networks_stay_on_one_thread():
    """Handing over must not cost more than the work."""
    from sklearn_gru._engines.numba.memory import make_shape
    from sklearn_gru._engines.numba.threads import for_prediction, for_training

    small = make_shape(Network("gru", 8, 32), 16, 4)
    large = make_shape(Network("gru", 8, 128, 2), 16, 4)
    assert for_training(small, 64, 24, 8) == 1
    assert for_training(large, 128, 96, 8) == 4  # one a block of 32 sequences
    assert for_training(large, 128, 96, 2) == 2
    assert for_training(large, 20, 96, 8) == 1
    assert for_prediction(small, 100, 24, 8) == 1
    assert for_prediction(small, 20_000, 24, 8) == 8
    assert for_prediction(small, 1, 10**6, 8) == 1  # one sequence cannot be shared


def test_threads_that_train_at_the_same_time_do_not_meet():
    """Two fits in two threads give the bits of two fits in turn."""
    network = Network("gru", 4, 20, 2, pooling="mean")

    def train(seed):
        rng = np.random.default_rng(seed)
        params = make_params(network, rng)
        sequences = make_sequences(network, 200, 20, rng)
        targets = rng.standard_normal((200, 1)).astype(np.float32)
        trainer, ones = Trainer(network, params), np.ones(200, dtype=np.float32)
        for _ in range(5):
            trainer.train_epoch(
                *sequences, targets, ones, order=np.arange(200), batch_size=64,
                rates=np.full(4, 1e-2),
            )  # fmt: skip
        return params

    expected = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(train, range(4)))
    assert np.array_equal(found, expected)


def test_long_sequences_take_smaller_blocks():
    """The memory of a block stays below about a gigabyte, down to a tile's rows."""
    from sklearn_gru._engines.numba.memory import block_rows, make_layout, make_shape

    shape = make_shape(Network("gru", 8, 128), lanes=16, saved=4)
    assert [block_rows(shape, steps) for steps in (1000, 20_000, 10**6)] == [32, 16, 8]
    assert make_layout(shape, 64, 20_000, train=True).rows == 16


# --- properties ---------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", ["last", "mean_max"])
def test_a_prediction_does_not_depend_on_the_other_sequences(cell, pooling):
    """Alone, in any order, beside NaN or longer ones: the same bits."""
    network = Network(cell, 3, 20, 2, True, pooling, n_outputs=5)
    rng = np.random.default_rng(0)
    predictor = Predictor(network, make_params(network, rng))
    values, starts, lengths = make_sequences(network, 90, 11, rng)
    together = predictor.predict(values, starts, lengths)
    order = rng.permutation(90)
    shuffled = predictor.predict(values, starts[order], lengths[order])
    assert np.array_equal(shuffled, together[order])
    for i in (0, 17, 89):
        alone = predictor.predict(values, starts[[i]], lengths[[i]])
        assert np.array_equal(alone[0], together[i])
    worse = np.concatenate([values, np.full((20, 3), np.nan, dtype=np.float32)])
    more_starts, more_lengths = np.append(starts, 101), np.append(lengths, 20)
    beside = predictor.predict(worse, more_starts, more_lengths)
    assert np.array_equal(beside[:-1], together)
    assert np.isnan(beside[-1]).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_the_program_that_trains_predicts_as_the_one_that_predicts(
    cell, pooling, monkeypatch
):
    """To the bit; a fit compiles one program in place of both."""
    from sklearn_gru._engines.numba import calls

    network = Network(cell, 3, 20, 2, cell != "rnn", pooling, n_outputs=5)
    rng = np.random.default_rng(0)
    predictor = Predictor(network, make_params(network, rng))
    sequences = make_sequences(network, 90, 11, rng)
    found = []
    for trains in (True, False):
        monkeypatch.setattr(
            calls, "_predicts_by_training", lambda _, is_so=trains: is_so
        )
        found.append(predictor.predict(*sequences))
    assert np.array_equal(*found)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("hidden", [16, 20])
def test_nan_and_infinity_behave_as_in_torch(value, hidden):
    """States and gradients are finite, infinite or NaN where those of nn.GRU are."""
    from sklearn_gru._engines.numba.autograd import dense_sequences, run_layers

    layer = torch.nn.GRU(3, hidden, batch_first=True)
    network = Network("gru", 3, hidden)
    results = []
    for use_kernel in (True, False):
        layer.zero_grad()
        torch.manual_seed(0)
        x = torch.randn(9, 6, 3)
        x[4, 2, 1] = value
        x.requires_grad_()
        if use_kernel:
            weights = list(layer.parameters())
            states, last = run_layers(network, weights, *dense_sequences(x))
        else:
            states, h_n = layer(x)
            last = h_n[0]
        (states.sum() + (last * last).sum()).backward()
        grads = [x.grad, *(p.grad for p in layer.parameters())]
        results.append([t.detach().clone() for t in (states, last, *grads)])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(
            found, expected, equal_nan=True, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max"])
def test_lengths_of_zero_and_one(pooling):
    """Empty sequences are predicted from a zero state, and train without harm."""
    network = Network("gru", 2, 9, 2, True, pooling)
    rng = np.random.default_rng(0)
    params = make_params(network, rng)
    bias = oracle.split(network, params)["head.bias"].copy()
    values = rng.standard_normal((5, 2)).astype(np.float32)
    starts, lengths = np.array([0, 1, 5, 2]), np.array([0, 1, 0, 1])
    found = Predictor(network, params).predict(values, starts, lengths)
    assert np.array_equal(found[[0, 2], 0], [bias[0], bias[0]])
    assert np.isfinite(found).all()
    for n in (4, 1):  # the second batch holds an empty sequence only
        losses = Trainer(network, params).train_epoch(
            values, starts, lengths, np.ones((4, 1), dtype=np.float32),
            np.ones(4, dtype=np.float32), order=np.arange(n), batch_size=4,
            rates=np.full(1, 1e-3),
        )  # fmt: skip
        assert np.isfinite(losses).all()
        assert np.isfinite(params).all()
    assert Predictor(network, params).predict(values, starts[:0], lengths[:0]).size == 0


def test_gradients_reach_weights_and_inputs_through_torch():
    """The torch function gives nn.GRU's gradients in a larger graph."""
    from sklearn_gru._engines.numba.autograd import dense_sequences, run_layers

    torch.manual_seed(0)
    layer = torch.nn.GRU(4, 10, 2, batch_first=True, bidirectional=True)
    network = Network("gru", 4, 10, 2, True)
    x = torch.randn(40, 5, 4)
    results = []
    for use_kernel in (True, False):
        layer.zero_grad()
        x_ = x.clone().requires_grad_()
        if use_kernel:
            weights = list(layer.parameters())
            states, _ = run_layers(network, weights, *dense_sequences(x_))
        else:
            states, _ = layer(x_)
        (torch.softmax(states, 1) * states).sum().backward()
        results.append([states, x_.grad, *(p.grad for p in layer.parameters())])
    for found, expected in zip(*results, strict=True):
        assert relative_error(found.detach(), expected.detach()) < TOLERANCE


# --- parts --------------------------------------------------------------------------


def test_compiled_functions_have_names_of_their_own():
    """Programs from the disk are linked by name: two of one name would be mixed up."""
    from numba.core.dispatcher import Dispatcher

    named = {}
    for found in pkgutil.walk_packages(kernels.__path__, f"{kernels.__name__}."):
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, Dispatcher):
                function = value.py_func
                name = function.__module__, function.__qualname__
                assert named.setdefault(name, function) is function, name
    assert len(named) > 50


def apply_gates(x):
    """Sigmoid and tanh of the kernels."""
    from sklearn_gru._engines.numba.compile.jit import entry
    from sklearn_gru._engines.numba.compile.simd import LANES, floats_at, load, store
    from sklearn_gru._engines.numba.compile.vector_math import sigmoid, tanh

    def apply(n, x, s, t):
        x, s, t = floats_at(x), floats_at(s), floats_at(t)
        for j in range(0, n, LANES):
            store(s + j, sigmoid(load(x + j)))
            store(t + j, tanh(load(x + j)))

    x = np.append(x, np.zeros(-len(x) % LANES)).astype(np.float32)
    s, t = np.empty_like(x), np.empty_like(x)
    pointers = [a.__array_interface__["data"][0] for a in (x, s, t)]
    entry(apply)(len(x), *pointers)
    return x, s, t


def test_gates_far_out_are_numbers():
    """No gap where the exponential overflows: an input 88.5 below 0 once gave NaN."""
    x, s, t = apply_gates(np.linspace(-120, -86, 50_000))
    far = x < -86
    assert ((s[far] >= 0) & (s[far] < 1e-37)).all()
    assert (t[far] == -1).all()
    _, s, t = apply_gates(np.linspace(86, 120, 50_000))
    assert set(s) <= {1.0, 0.5}  # 0.5 is that of the zeros that fill the last vector
    assert set(t) <= {1.0, 0.0}


def test_gates_are_accurate_to_the_last_places():
    """Sigmoid and tanh are within 2e-7 of float64 everywhere, relatively."""
    special = [np.inf, -np.inf, np.nan, 0.0]
    x, s, t = apply_gates(
        np.concatenate(
            [np.linspace(-86, 86, 40_000), np.geomspace(1e-30, 1, 4_000), special * 4]
        )
    )
    wide = x.astype(np.float64)
    finite = np.isfinite(wide)
    with np.errstate(over="ignore"):
        exact_s, exact_t = 1 / (1 + np.exp(-wide)), np.tanh(wide)
    np.testing.assert_allclose(s[finite], exact_s[finite], rtol=2e-7)
    np.testing.assert_allclose(t[finite], exact_t[finite], rtol=2e-7)
    assert np.array_equal(s[~finite], exact_s[~finite], equal_nan=True)
    assert np.array_equal(t[~finite], exact_t[~finite], equal_nan=True)


def test_dropout_masks_keep_the_right_share():
    """Masks are 0 or 1 / (1 - rate), in the right proportion, and differ by layer."""
    masks = [
        oracle.dropout_mask(0.3, 5, layer, np.arange(50), 20, 16) for layer in (0, 1)
    ]
    assert set(np.unique(masks[0])) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((masks[0] > 0).mean() - 0.7) < 0.02
    assert abs(((masks[0] > 0) == (masks[1] > 0)).mean() - 0.58) < 0.02


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cell": "mgu"}, "cell"),
        ({"pooling": "attention"}, "pooling"),
        ({"loss": "quantile"}, "without quantiles"),
        ({"loss": "hinge"}, "loss"),
        ({"conv_filters": (4,)}, "convolution"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_what_the_kernels_do_not_know_they_decline(change, words):
    """`supports` names what is missing."""
    assert words in kernels.supports(replace(Network("gru", 2, 3), **change))


def test_arrays_that_compiled_code_could_not_read_are_refused():
    """A wrong type, layout or range raises before any memory is touched."""
    network = Network("gru", 2, 3)
    predictor = Predictor(network, np.zeros(network.n_parameters, dtype=np.float32))
    values, two = np.zeros((6, 2), dtype=np.float32), np.array([0, 3])
    with pytest.raises(TypeError, match="float32"):
        predictor.predict(values.astype(float), two, two)
    with pytest.raises(TypeError, match="contiguous"):
        predictor.predict(np.zeros((2, 6), dtype=np.float32).T, two, two)
    with pytest.raises(ValueError, match="outside"):
        predictor.predict(values, two, two + 1)
    fixed = np.zeros(network.n_parameters, dtype=np.float32)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        Trainer(network, fixed)
    assert Predictor(network, fixed).predict(values, two, two).shape == (2, 1)
    with pytest.raises(ValueError, match="columns"):
        predictor.predict(np.zeros((6, 3), dtype=np.float32), two, two)


def test_a_predictor_survives_pickling():
    """What comes back predicts the same bits."""
    network, rng = Network("gru", 3, 20, pooling="mean"), np.random.default_rng(0)
    predictor = Predictor(network, make_params(network, rng))
    sequences = make_sequences(network, 9, 5, rng)
    again = pickle.loads(pickle.dumps(predictor))
    assert np.array_equal(again.predict(*sequences), predictor.predict(*sequences))


def run_python(code, **environment):
    """Run code in a fresh interpreter; return what it prints."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_numba_is_imported_only_when_asked_for():
    """Importing the package loads neither numba nor torch; a switch turns it off."""
    code = """
        import sys
        from sklearn_gru._engines import numba as kernels
        print("numba" in sys.modules, "torch" in sys.modules, kernels.reason())
    """
    found = run_python(code, SKLEARN_GRU_NO_NUMBA="1")
    assert found.startswith("False False the environment variable")


def test_without_numba_the_reason_is_given():
    """A missing numba is a reason, not an error."""
    code = """
        import sys
        sys.modules["numba"] = None
        from sklearn_gru._engines import numba as kernels
        print(kernels.available(), kernels.reason())
    """
    assert run_python(code).startswith("False numba cannot be used: ModuleNotFound")


def compile_small(folder):
    """Compile or load a small program with its cache in a folder; return seconds."""
    code = """
        import time
        import numpy as np
        from sklearn_gru._model.spec import NetworkSpec as Network
        from sklearn_gru._engines.numba.calls import Kernel
        network = Network("gru", 1, 1)
        kernel = Kernel(network, np.ones(network.n_parameters, dtype=np.float32))
        start = time.perf_counter()
        kernel.pack()
        assert kernel.packed.sum() > 0
        print(time.perf_counter() - start)
    """
    return float(run_python(code, NUMBA_CACHE_DIR=str(folder)))


@pytest.mark.slow
def test_compiled_code_is_found_again_and_a_damaged_cache_is_no_error(tmp_path):
    """The second process loads the code; with broken files, a third compiles again."""
    compile_small(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".nbi", ".nbc"}
    before = [path.stat().st_mtime_ns for path in files]
    compile_small(tmp_path)
    assert before == [path.stat().st_mtime_ns for path in files]
    for path in files:
        path.write_bytes(b"damaged")
    compile_small(tmp_path)


def test_a_cell_without_a_kernel_is_not_compiled():
    """A cell that only torch knows has a polite answer too."""
    assert not kernels.is_compiled("mgu")


@pytest.mark.slow
@pytest.mark.unchecked
def test_programs_are_compiled_and_cached_for_one_cell(tmp_path):
    """Each cell has programs of its own; the others are not even imported."""
    code = """
        import sys
        from sklearn_gru._engines import numba as kernels
        print(kernels.is_compiled("rnn"), kernels.is_compiled("gru"))
        from sklearn_gru._model.spec import NetworkSpec
        kernels.warm_up(NetworkSpec("rnn", 1, 1))
        from sklearn_gru._engines.numba.programs.bind import programs_of
        programs = programs_of("rnn").train_epoch, programs_of("rnn").predict
        for program in programs:
            stats = program.__wrapped__.stats
            print(*(sum(s.values()) for s in (stats.cache_misses, stats.cache_hits)))
        print([name for name in sys.modules if "numba.cells." in name])
    """
    imported = "['sklearn_gru._engines.numba.cells.rnn']"
    first, second = (run_python(code, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    assert first.splitlines() == ["False False", "1 0", "0 0", imported]
    assert second.splitlines() == ["True False", "0 1", "0 0", imported]


@pytest.mark.slow
def test_only_the_smaller_program_is_compiled_where_nothing_was_trained(tmp_path):
    """A process that predicts with a loaded model, on a new machine."""
    code = """
        import numpy as np
        from sklearn_gru._engines.numba import Predictor
        from sklearn_gru._model.spec import NetworkSpec
        network = NetworkSpec("rnn", 1, 1)
        params = np.ones(network.n_parameters, dtype=np.float32)
        one = np.ones(1, dtype=np.int64)
        scores = Predictor(network, params).predict(np.ones((2, 1), "f4"), one, one)
        assert np.isfinite(scores).all()
    """
    run_python(code, NUMBA_CACHE_DIR=str(tmp_path))
    compiled = {path.name.split("-")[0] for path in tmp_path.rglob("*.nbi")}
    assert {name.partition(".")[2] for name in compiled} == {
        "longest_sequence",
        "pack",
        "predict_rnn",
    }


def test_a_function_is_lowered_once_and_linked_by_the_entry_alone():
    """A library that held all it calls would be copied for each of its callers."""
    from numba import njit, types
    from numba.core.types import BaseFunction

    from sklearn_gru._engines.numba.compile import lowering

    look_up = BaseFunction.get_call_type
    inner = lowering.options_of_inner()
    inner |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    double = njit(**inner)(lambda x: x + x)
    quadruple = njit(**inner)(lambda x: double(double(x)))
    entry = njit(**lowering.options_of_entries())(lambda x: quadruple(x) + double(x))
    assert entry(3) == 18
    assert BaseFunction.get_call_type is look_up  # numba's own again
    library = quadruple.overloads[(types.int64,)].library
    assert len(list(library.get_defined_functions())) == 1


@pytest.mark.parametrize(
    ("part", "options"),
    [
        ("_module_pass_manager", "options_of_entries"),
        ("_function_pass_manager", "options_of_inner"),
    ],
)
def test_another_numba_compiles_the_long_way(monkeypatch, part, options):
    """Where a part that is replaced is missing, nothing is."""
    from numba.core.codegen import CPUCodegen

    from sklearn_gru._engines.numba.compile import lowering

    assert getattr(lowering, options)()
    monkeypatch.delattr(CPUCodegen, part)
    assert getattr(lowering, options)() == {}


@pytest.mark.slow
def test_without_a_writable_folder_kernels_are_compiled_all_the_same(tmp_path):
    """A home that cannot be written to costs time, not results."""
    blocked = tmp_path / "a file"
    blocked.write_text("no folder can be made in here")
    compile_small(blocked)


def test_installations_do_not_share_a_cache_folder(tmp_path, monkeypatch):
    """Another numba, llvmlite, vector unit or source has a folder of its own."""
    from sklearn_gru._engines.numba.compile import jit

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    folders = [jit.cache_folder()]
    for module, name, other in (
        (jit.numba, "__version__", "0.1"),
        (jit.llvmlite, "__version__", "0.1"),
        (jit, "VECTOR_UNIT", jit.VECTOR_UNIT._replace(name="other")),
        (jit, "_source_hash", lambda: "0123"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, other)
            folders.append(jit.cache_folder())
    assert len(set(folders)) == 5
    assert jit.cache_folder() == folders[0]


def test_a_cache_that_cannot_be_written_to_is_read(tmp_path, monkeypatch):
    """It is used once it has compiled code, and named as the problem before."""
    from sklearn_gru._engines.numba.compile import jit

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    folder = jit.cache_folder()
    monkeypatch.setattr(jit, "_is_writable", lambda folder: False)
    assert jit.cache_folder() is None
    assert str(tmp_path) in kernels.why_not_kept()
    (folder / "train.nbi").write_bytes(b"")
    assert jit.cache_folder() == folder


NO_HOME = """
    import os
    from pathlib import Path

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    Path.home = no_home
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
"""


def test_without_a_home_the_kernels_are_used():
    """A user id without an entry in passwd, as in many containers."""
    code = (
        NO_HOME
        + """
    from sklearn_gru._engines import numba as kernels
    print(kernels.reason(), kernels.is_compiled("gru"), kernels.why_not_kept())
    """
    )
    assert run_python(code) == (
        "None False this user has no home directory (HOME is not set)"
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_a_cache_that_cannot_be_kept_is_announced_once(tmp_path, monkeypatch, compiled):
    """The first fit names the folder and the remedy, unless nothing has to compile."""
    blocked = tmp_path / "a file"
    blocked.write_text("no folder can be made in here")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    monkeypatch.setattr(kernels, "is_compiled", lambda cell: compiled)
    engine._warn_if_not_kept.cache_clear()

    def fit():
        X = np.random.default_rng(0).normal(size=(40, 10, 2)).astype(np.float32)
        GRURegressor(4, max_iter=10, random_state=0, dtype="float32").fit(X, X[:, 0, 0])

    try:
        if not compiled:
            with pytest.warns(UserWarning, match=r"a file cannot.*NUMBA_CACHE_DIR"):
                fit()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit()
    finally:
        engine._warn_if_not_kept.cache_clear()


@pytest.mark.slow
def test_the_neon_tile_gives_the_same_numbers():
    """Four lanes and a tile of 4 x 6, as on ARM, agree with the oracle here too."""
    code = """
        from sklearn_gru._engines.numba.compile import jit
        jit.VECTOR_UNIT = jit.NEON
        from sklearn_gru._model.spec import NetworkSpec as Network
        from tests.test_kernels import check_layers
        check_layers(Network("gru", 3, 39, 2, True), 33, 5, True, 0)
        print("agrees")
    """
    assert run_python(code) == "agrees"


@pytest.mark.slow
def test_the_avx2_code_gives_the_same_numbers():
    """The same source, compiled for fewer features, agrees with the oracle."""
    from sklearn_gru._engines.numba.compile.jit import detect_vector_unit

    if detect_vector_unit().name != "AVX-512":
        pytest.skip("needs a processor with AVX-512 to tell the two apart")
    code = """
        from sklearn_gru._engines import numba as kernels
        from sklearn_gru._model.spec import NetworkSpec as Network
        from tests.test_kernels import check_layers
        assert kernels.vector_unit() == "AVX2"
        check_layers(Network("gru", 3, 20, 2, True), 33, 5, True, 0)
        print("agrees")
    """
    features = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2"
    found = run_python(code, NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES=features)
    assert found == "agrees"
