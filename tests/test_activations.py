"""Attention weights and gates against the equations, on the steps of the user's X."""

import pickle

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, Sequences, SlidingWindow
from sklearn_gru.exceptions import InvalidParameterError
from tests.builders import make_list
from tests.reference_gru import (
    attention_weights,
    reference_gates,
    reference_states,
)

CELLS = {
    "gru": ["reset_gate", "update_gate"],
    "gru_reset_before": ["reset_gate", "update_gate"],
    "lstm": ["input_gate", "forget_gate", "output_gate"],
}
by_cell = pytest.mark.parametrize("cell", CELLS)
by_direction = pytest.mark.parametrize("bidirectional", [False, True])
by_dtype = pytest.mark.parametrize(
    ("dtype", "tol"), [("float64", 1e-10), ("float32", 2e-5)]
)


def make_data(n=24):
    """Sequences of 1 to 8 steps with missing cells; some have a missing step inside."""
    items = make_list(0, np.arange(n) % 8 + 1)
    for x in items[5::3]:
        if len(x) > 2:
            x[len(x) // 2] = np.nan
    return items, np.array([np.nansum(x[-3:, 0]) for x in items])


def model(kind=GRURegressor, **params):
    defaults = {"hidden_size": 4, "max_iter": 3, "random_state": 0}
    return kind(**{**defaults, **params})


def read_by_hand(items, standardise_on):
    """What the network reads of each item, and which of its steps it reads."""
    whole = np.concatenate(standardise_on)
    whole = whole[~np.isnan(whole).all(axis=1)]
    mean, std = np.nanmean(whole, axis=0), np.nanstd(whole, axis=0)
    for x in items:
        z = np.column_stack([np.nan_to_num((x - mean) / std, nan=0.0), np.isnan(x)])
        yield z, ~np.isnan(x).all(axis=1)


def last_columns(row, n):
    """The last n columns of a row; all others must be NaN."""
    assert np.isnan(row[: len(row) - n]).all()
    return row[len(row) - n :]


# -- against the equations -----------------------------------------------------------------


@by_cell
@by_direction
@by_dtype
@pytest.mark.parametrize("num_layers", [1, 2])
def test_gates_equal_the_equations(cell, bidirectional, dtype, tol, num_layers):
    """Every unit of every layer and direction, at the step that it reads."""
    items, y = make_data()
    fitted = model(
        cell=cell, bidirectional=bidirectional, dtype=dtype, num_layers=num_layers
    ).fit(items, y)
    gates = fitted.gate_activations(items)
    assert list(gates) == CELLS[cell]
    for i, (z, seen) in enumerate(read_by_hand(items, items)):
        expected = reference_gates(fitted.module_.state_dict(), z[seen], cell=cell)
        for name, array in gates.items():
            assert array.shape == (24, 8, num_layers, 1 + bidirectional, 4)
            steps = last_columns(array[i], len(seen))
            assert np.isnan(steps[~seen]).all()
            np.testing.assert_allclose(steps[seen], expected[name], atol=tol)


@by_cell
@by_direction
@by_dtype
def test_attention_equals_the_equations(cell, bidirectional, dtype, tol):
    """Softmax over the steps read; missing ones are NaN."""
    items, y = make_data()
    fitted = model(
        cell=cell, bidirectional=bidirectional, dtype=dtype, pooling="attention"
    ).fit(items, y)
    weights = fitted.attention_weights(items)
    assert weights.shape == (24, 8)
    state = {k: v.double().numpy() for k, v in fitted.module_.state_dict().items()}
    for row, (z, seen) in zip(weights, read_by_hand(items, items), strict=True):
        outputs, _ = reference_states(state, z[seen], cell=cell)
        steps = last_columns(row, len(seen))
        assert np.isnan(steps[~seen]).all()
        np.testing.assert_allclose(
            steps[seen], attention_weights(outputs, state), atol=tol
        )
        assert abs(steps[seen].sum() - 1) < 1e-5


def test_weights_are_those_of_the_prediction():
    """The head over the states, weighted by the weights returned, predicts."""
    items, y = make_data()
    fitted = model(pooling="attention", linear_share=0).fit(items, y)
    state = {k: v.numpy() for k, v in fitted.module_.state_dict().items()}
    weights = fitted.attention_weights(items)
    for i, (z, seen) in enumerate(read_by_hand(items, items)):
        outputs, _ = reference_states(state, z[seen], cell="gru")
        w = weights[i, -len(seen) :][seen]
        out = state["head.weight"] @ (w @ outputs) + state["head.bias"]
        np.testing.assert_allclose(
            fitted.predict(items[i : i + 1]),
            fitted._fitted.task.decode(out[None])[:, 0],
        )


@pytest.mark.parametrize("k", [2, 3, 20])
@by_direction
def test_segments_have_one_value_each(k, bidirectional):
    """The last column is the segment that ends with the last observed step."""
    items, y = make_data()
    items[7][-1] = np.nan
    fitted = model(
        segment_length=k, pooling="attention", bidirectional=bidirectional
    ).fit(items, y)
    weights = fitted.attention_weights(items)
    update = fitted.gate_activations(items).update_gate
    n_segments = -(-8 // k)
    assert weights.shape == (24, n_segments)
    assert update.shape == (24, n_segments, 1, 1 + bidirectional, 4)
    state = {key: v.numpy() for key, v in fitted.module_.state_dict().items()}
    trimmed = [x[: -1 if i == 7 else None] for i, x in enumerate(items)]
    for i, (z, _) in enumerate(read_by_hand(trimmed, trimmed)):
        absent = np.zeros((-len(z) % k, z.shape[1]))
        cut = np.concatenate([absent, z]).reshape(-1, k * z.shape[1])
        outputs, _ = reference_states(state, cut, cell="gru")
        np.testing.assert_allclose(
            last_columns(weights[i], len(cut)), attention_weights(outputs, state)
        )
        gates = reference_gates(state, cut, cell="gru")["update_gate"]
        np.testing.assert_allclose(last_columns(update[i], len(cut)), gates)


def test_convolution_keeps_the_places_of_missing_steps():
    """The recurrent layers skip a hole that the convolution keeps."""
    items, y = make_data()
    fitted = model(conv_filters=(3,), pooling="attention").fit(items, y)
    weights = fitted.attention_weights(items)
    state = {k: v.numpy() for k, v in fitted.module_.state_dict().items()}
    for row, (z, seen) in zip(weights, read_by_hand(items, items), strict=True):
        outputs, _ = reference_states(state, z[seen], cell="gru")
        steps = last_columns(row, len(seen))
        np.testing.assert_array_equal(np.isnan(steps), ~seen)
        np.testing.assert_allclose(steps[seen], attention_weights(outputs, state))


# -- what holds for every input ------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"segment_length": 2}, {"conv_filters": (3,)}])
def test_each_sequence_alone(options):
    """Batch mates, order and padding change nothing but rounding."""
    items, y = make_data()
    params = {"pooling": "attention", "bidirectional": True, **options}
    fitted = model(GRUClassifier, **params).fit(items, y > 0)
    padded = np.full((24, 8, 2), np.nan)
    for i, x in enumerate(items):
        padded[i, 8 - len(x) :] = x
    whole, gates = fitted.attention_weights(items), fitted.gate_activations(items)
    np.testing.assert_allclose(fitted.attention_weights(padded), whole)
    np.testing.assert_allclose(fitted.attention_weights(items[::-1])[::-1], whole)
    for i in (0, 7, 13):
        alone = fitted.attention_weights(items[i : i + 1])[0]
        np.testing.assert_allclose(alone, whole[i, -len(alone) :])
        alone = fitted.gate_activations(items[i : i + 1]).reset_gate[0]
        np.testing.assert_allclose(alone, gates.reset_gate[i, -len(alone) :])


def test_normalization_categories_and_rows():
    """Other ways to the network: levels, embeddings, 2-D rows, windows."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 6))
    fitted = model(pooling="attention", normalization="standard")
    fitted.fit(rows, rows[:, -1])
    weights = fitted.attention_weights(rows)
    assert weights.shape == (40, 6)
    np.testing.assert_allclose(fitted.attention_weights(rows + 100), weights, atol=1e-8)
    words = [["so", "good"], ["bad"], ["so", "unknown", "bad"]] * 4
    reader = model(GRUClassifier, pooling="attention", categorical_features=[0])
    weights = reader.fit(words[:2] * 6, [1, 0] * 6).attention_weights(words[:3])
    assert np.isnan(weights).tolist() == [
        [True, False, False],
        [True, True, False],
        [False, True, False],  # an unknown word is a step without any value
    ]


def test_windows(hourly):
    """Sequences of a SlidingWindow, through a pipeline's parts."""
    pipeline = make_pipeline(SlidingWindow(6, lag=1), model(pooling="attention"))
    pipeline.fit(hourly, hourly["load"])
    weights = pipeline[-1].attention_weights(pipeline[:-1].transform(hourly))
    assert weights.shape == (200, 6)
    assert np.isnan(weights[0]).all()
    assert np.isnan(weights[2]).tolist() == [True] * 4 + [False] * 2
    np.testing.assert_allclose(np.nansum(weights[1:], axis=1), 1)


def test_nothing_observed():
    """NaN in the shape of the answer, also where no sequence has a step."""
    items, y = make_data()
    fitted = model(pooling="attention").fit(items, y)
    empty = Sequences(np.empty((0, 2)), [0, 0], [0, 0], n_steps=3)
    assert np.isnan(fitted.attention_weights(empty)).all()
    assert fitted.gate_activations(empty).update_gate.shape == (2, 3, 1, 1, 4)


def test_large_calls_and_dtype():
    """Blocks of sequences are put together in order; float32 in, float32 out."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 5, 2)).astype(np.float32)
    X[::3, :2] = np.nan
    fitted = model(pooling="attention").fit(X, X[:, -1, 0])
    weights = fitted.attention_weights(X)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(fitted.attention_weights(X[500:]), weights[500:], 1e-5)


def test_the_fitted_network_answers():
    """set_params after fit changes nothing; a pickle says the same."""
    items, y = make_data()
    fitted = model(pooling="attention").fit(items, y)
    weights = fitted.attention_weights(items)
    fitted.set_params(pooling="last")
    np.testing.assert_array_equal(fitted.attention_weights(items), weights)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.attention_weights(items), weights)


# -- errors --------------------------------------------------------------------------------


def test_errors():
    """Each says what to fit instead."""
    items, y = make_data()
    with pytest.raises(NotFittedError):
        model().gate_activations(items)
    with pytest.raises(NotFittedError):
        model().attention_weights(items)
    with pytest.raises(InvalidParameterError, match=r"pooling='mean'.*'attention'"):
        model(pooling="mean").fit(items, y).attention_weights(items)
    with pytest.raises(InvalidParameterError, match=r"cell='rnn'.*no gates"):
        model(cell="rnn").fit(items, y).gate_activations(items)
