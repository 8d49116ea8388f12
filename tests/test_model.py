"""Equations of cells and poolings: the same in NumPy, in PyTorch and in torch.nn."""

import numpy as np
import pytest
import torch

from sklearn_gru._engines.torch.arrays import TORCH
from sklearn_gru._engines.torch.recurrent import layer_weights, make_layer
from sklearn_gru._model.arrays import NUMPY
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.cells.base import run_steps
from sklearn_gru._model.losses import LOSSES, regression_losses
from sklearn_gru._model.poolings import POOLINGS


def random_weights(shapes, seed=0):
    """Numbers for parameters of some shapes."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def as_tensors(arrays):
    """The same parameters for PyTorch."""
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize("cell", CELLS)
def test_equations_are_those_of_torch(cell):
    """States, final states and gates by NumPy, by tensors and by the layer itself."""
    cell = CELLS[cell]
    weights = random_weights(cell.parameters(3, 5))
    x = np.random.default_rng(1).normal(size=(4, 7, 3))
    states, last, gates = run_steps(cell, weights, x, NUMPY)
    tensors = run_steps(cell, as_tensors(weights), torch.from_numpy(x), TORCH)
    np.testing.assert_allclose(states, tensors[0].numpy(), rtol=1e-12)
    assert list(gates) == list(tensors[2]) == list(cell.gates)
    assert len(last) == len(cell.state)
    layer = make_layer(cell, 3, 5).double()
    for name, parameter in layer_weights(layer).items():
        parameter.data = torch.from_numpy(weights[name])
    with torch.no_grad():
        found, final = layer(torch.from_numpy(x))
    np.testing.assert_allclose(states, found.numpy(), rtol=1e-10)
    final = final if isinstance(final, tuple) else (final,)
    for ours, theirs in zip(last, final, strict=False):
        np.testing.assert_allclose(ours, theirs[0].numpy(), rtol=1e-10)
    for gate in gates.values():
        assert ((gate > 0) & (gate < 1)).all()


@pytest.mark.parametrize("cell", CELLS)
def test_facts_of_a_cell_agree(cell):
    """Blocks, slots and the gate that persists are facts of the same cell."""
    cell = CELLS[cell]
    assert 0 <= cell.n_apart <= len(cell.blocks)
    assert cell.persists is None or cell.persists in cell.gates
    assert cell.parameters(3, 5)["weight_ih"][0] == 5 * len(cell.blocks)
    assert cell.summary


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("ragged", [False, True])
def test_poolings_are_one_in_numpy_and_torch(pooling, ragged):
    """Right-padded states and exact lengths, padding that would show if it leaked."""
    pooling = POOLINGS[pooling]
    rng = np.random.default_rng(0)
    states, last = rng.normal(size=(4, 6, 5)), rng.normal(size=(4, 5))
    present = np.arange(6) < np.array([6, 1, 3, 2])[:, None] if ragged else None
    if ragged:
        states[~present] = 1e6
    weights = random_weights(pooling.parameters(5))
    found = pooling.pool(weights, states, last, present, NUMPY)
    real = None if present is None else torch.from_numpy(present)
    tensors = torch.from_numpy(states), torch.from_numpy(last), real
    expected = pooling.pool(as_tensors(weights), *tensors, TORCH)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12)
    assert found.shape == (4, pooling.n_pooled(5))
    assert np.abs(found).max() < 100
    if pooling.weighs_steps:
        share = pooling.step_weights(weights, states, present, NUMPY)
        np.testing.assert_allclose(share.sum(axis=1), 1)


def test_losses_name_their_tasks():
    """A regressor offers every loss but those of classes and texts."""
    others = {"cross_entropy", "ctc", "token_cross_entropy"}
    assert set(regression_losses()) == set(LOSSES) - others
    assert {loss.task for loss in LOSSES.values()} == {
        *("values", "counts", "quantiles", "classes", "texts")
    }
