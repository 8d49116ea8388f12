"""Ridge regression beside the network: equations, and what it reads."""

import numpy as np
import pytest

from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.linear import LinearPart


def encoded(n=60, *, levels=False, leading=False, weights=False, seed=0):
    """Return random sequences of 1 to 9 steps over shared rows, and two targets."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(200, 3)).astype(np.float32)
    lengths = rng.integers(1, 10, n)
    starts = rng.integers(0, 200 - 10, n)
    pair = None
    if levels:
        rows[rng.random(rows.shape) < 0.1] = np.nan
        shift = rng.normal(size=(n, 2)).astype(np.float32)
        pair = shift, rng.uniform(1, 2, (n, 2)).astype(np.float32)
        rows[:, 2] = np.nan_to_num(rows[:, 2])
    return Encoded(
        rows,
        starts,
        lengths,
        pair,
        rng.integers(0, 3, (n, 1)) if leading else None,
        target=rng.normal(size=(n, 2)).astype(np.float32),
        weight=rng.exponential(size=n).astype(np.float32) if weights else None,
    )


def flat(data, i, n_steps, n_columns):
    """Return one sequence as the network reads it, cell by cell."""
    out = np.zeros((n_steps, n_columns))
    for back in range(1, min(n_steps, data.lengths[i]) + 1):
        step = data.lengths[i] - back
        for j in range(n_columns):
            cell = float(data.rows[data.starts[i] + step, j])
            if data.levels is not None and j < data.levels[0].shape[1]:
                shift, scale = (float(level[i, j]) for level in data.levels)
                cell = 0.0 if np.isnan(cell) else (cell - shift) / scale
            if data.leading is not None and j < data.leading.shape[1]:
                cell = 0.0 if step < data.leading[i, j] else cell
            out[-back, j] = cell
    return out.ravel()


CASES = [{}, {"levels": True}, {"leading": True, "weights": True}]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("n_columns", [2, 3])
def test_it_minimizes_the_penalized_squares(case, n_columns):
    """The gradient of the weighted squares and the penalty is zero."""
    data = encoded(**case)
    part = LinearPart.fit(data, n_columns)
    assert part.n_steps == 9
    x = np.stack([flat(data, i, 9, n_columns) for i in range(60)])
    w = np.ones(60) if data.weight is None else data.weight.astype(float)
    w /= w.sum()
    found = x @ part.coef.T + part.intercept
    np.testing.assert_allclose(part.outputs(data), found, atol=1e-12)
    residual = data.target - found
    np.testing.assert_allclose(w @ residual, 0, atol=1e-12)
    centered = x - w @ x
    variance = w @ centered**2
    penalty = 0.01 * variance * part.coef
    np.testing.assert_allclose((residual.T * w) @ centered, penalty, atol=1e-12)


def test_each_output_depends_on_its_sequence_alone():
    """To the bit, whatever is beside it."""
    data = encoded(levels=True)
    part = LinearPart.fit(data, 3)
    whole = part.outputs(data)
    for index in (np.arange(1), np.arange(7, 40), np.array([5, 59, 5])):
        alone = Encoded(
            data.rows,
            data.starts[index],
            data.lengths[index],
            tuple(level[index] for level in data.levels),
        )
        np.testing.assert_array_equal(part.outputs(alone), whole[index])


def test_a_weight_counts_like_repeats():
    """Of the normal equations."""
    data = encoded()
    counts = np.random.default_rng(1).integers(0, 3, 60)
    index = np.repeat(np.arange(60), counts)
    arrays = data.rows, data.starts[index], data.lengths[index]
    repeated = Encoded(*arrays, target=data.target[index])
    weight = (counts / counts.mean()).astype(np.float32)
    arrays = data.rows, data.starts, data.lengths
    weighted = Encoded(*arrays, target=data.target, weight=weight)
    a, b = LinearPart.fit(repeated, 3), LinearPart.fit(weighted, 3)
    np.testing.assert_allclose(a.coef, b.coef, atol=1e-6)


def test_long_sequences_are_read_from_their_end():
    """The number of coefficients is bounded; a constant column has none."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(900, 3)).astype(np.float32)
    rows[:, 2] = 4
    starts, lengths = np.arange(0, 400, 2), np.full(200, 500)
    target = rng.normal(size=(200, 1)).astype(np.float32)
    part = LinearPart.fit(Encoded(rows, starts, lengths, target=target), 3)
    assert part.n_steps == 341
    np.testing.assert_allclose(part.coef.reshape(341, 3)[:, 2], 0, atol=1e-12)


def test_the_share_of_least_error():
    """Between 0 and 1; the better of the two alone, or their best mean."""
    data = encoded()
    part = LinearPart.fit(data, 3)
    linear, target = part.outputs(data), data.target
    for network in (target + 0.01, 2 * linear - target, target * 0, linear):
        best = part.with_best_share(network, data)
        assert 0 <= best.share <= 1
        error = ((best.mixed(network, data) - target) ** 2).mean()
        for share in np.linspace(0, 1, 11):
            other = network + share * (linear - network)
            assert error <= ((other - target) ** 2).mean() + 1e-12
