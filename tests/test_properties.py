"""What holds for every input: invariance to layout, order, batch, dtype and copying."""

import functools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_gru import GRUClassifier, GRURegressor
from tests.builders import N_FEATURES, joined, make_list, padded

ESTIMATORS = {"regressor": GRURegressor, "classifier": GRUClassifier}
KINDS = {
    "gru": {"cell": "gru", "pooling": "last"},
    "gru_reset_before": {"cell": "gru_reset_before", "pooling": "mean_max"},
    "lstm": {"cell": "lstm", "pooling": "attention", "bidirectional": True},
    "rnn": {"cell": "rnn", "pooling": "max", "bidirectional": True, "num_layers": 2},
}
TOLERANCE = {"float32": 1e-6, "float64": 1e-10}
by_task = pytest.mark.parametrize("task", ESTIMATORS)
by_kind = pytest.mark.parametrize("kind", KINDS)
by_dtype = pytest.mark.parametrize("dtype", TOLERANCE)


def few(n):
    """The same few examples in every run."""
    return settings(derandomize=True, max_examples=n, deadline=None, database=None)


def make(task, kind, **params):
    """A small estimator of which no number depends on a default."""
    fixed = {
        "hidden_size": 5,
        "dropout": 0.0,
        "max_iter": 2,
        "learning_rate": 0.02,
        "weight_decay": 1e-4,
        "batch_size": 10_000,
        "clip_norm": 1.0,
        "early_stopping": False,
        "random_state": 0,
    }
    return ESTIMATORS[task](**{**fixed, **KINDS[kind], **params})


def make_target(task, items):
    """What the estimator learns: sums of the first feature, or three classes of them."""
    total = np.array([np.nansum(x[:, 0]) for x in items])
    if task == "regressor":
        return total / 4
    return np.array(["low", "middle", "high"])[np.searchsorted([3, 6], total)]


@functools.cache
def fitted(task, kind, dtype):
    """One fit for all examples of a test."""
    items = make_list(0, np.arange(40) % 7 + 1)
    model = make(task, kind, dtype=dtype, batch_size=16, max_iter=5)
    return model.fit(items, make_target(task, items))


def outputs(model, X):
    """Everything the network says: probabilities, or the prediction itself."""
    return getattr(model, "predict_proba", model.predict)(X)


def close(a, b, dtype):
    np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE[dtype])


lists = st.builds(
    make_list,
    st.integers(0, 10**6),
    st.lists(st.integers(0, 8), min_size=2, max_size=7),
)


# -- order, batch and layout ---------------------------------------------------------------


@by_task
@by_kind
@by_dtype
@given(items=lists, data=st.data())
@few(5)
def test_row_order_and_batch_mates(task, kind, dtype, items, data):
    """Permuted, in subsets or one at a time: each sequence keeps its prediction."""
    model = fitted(task, kind, dtype)
    together = outputs(model, items)
    n = len(items)
    order = data.draw(st.permutations(range(n)))
    close(outputs(model, [items[k] for k in order]), together[order], dtype)
    some = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n))
    close(outputs(model, [items[k] for k in some]), together[some], dtype)
    alone = np.concatenate([outputs(model, [x]) for x in items])
    close(alone, together, dtype)


@by_task
@by_kind
@by_dtype
@given(items=lists, extra=st.integers(0, 3))
@few(5)
def test_padding_and_layout(task, kind, dtype, items, extra):
    """NaN in front, NaN behind, a ragged list and Sequences give one prediction."""
    model = fitted(task, kind, dtype)
    expected = outputs(model, items)
    close(outputs(model, padded(items, front=True, extra=extra)), expected, dtype)
    close(outputs(model, padded(items, front=False, extra=extra)), expected, dtype)
    close(outputs(model, joined(items)), expected, dtype)
    close(outputs(model, tuple(items)), expected, dtype)


@by_task
@by_kind
@by_dtype
@given(items=lists, data=st.data())
@few(5)
def test_a_step_never_observed_is_no_step(task, kind, dtype, items, data):
    """All-NaN steps anywhere change nothing, in lists and in Sequences."""
    model = fitted(task, kind, dtype)
    gappy = []
    for x in items:
        at = data.draw(st.lists(st.integers(0, len(x)), max_size=3))
        gappy.append(np.insert(x, at, np.nan, axis=0))
    expected = outputs(model, items)
    close(outputs(model, gappy), expected, dtype)
    close(outputs(model, joined(gappy)), expected, dtype)


@by_task
@by_kind
def test_fit_reads_every_layout_alike(task, kind):
    """Fitted on a list, both paddings, Sequences or with gaps: one model."""
    items = make_list(1, np.arange(20) % 5 + 1)
    y = make_target(task, items)
    gappy = [np.insert(x, [0, len(x) // 2, len(x)], np.nan, axis=0) for x in items]
    expected = outputs(make(task, kind).fit(items, y), items)
    for X in (
        padded(items, front=True),
        padded(items, front=False, extra=2),
        joined(items),
        gappy,
    ):
        again = outputs(make(task, kind).fit(X, y), items)
        np.testing.assert_allclose(again, expected, rtol=0, atol=1e-8)


@by_task
@by_kind
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 6), width=st.integers(1, 3))
@few(3)
def test_flat_rows_are_sequences(task, kind, seed, steps, width):
    """2-D rows with features_per_step=k learn and predict what the 3-D array does."""
    X = np.random.default_rng(seed).normal(size=(15, steps, width))
    flat = X.reshape(15, -1)
    y = make_target(task, 9 * X)
    expected = outputs(make(task, kind).fit(X, y), X)
    model = make(task, kind, features_per_step=width).fit(flat, y)
    np.testing.assert_array_equal(outputs(model, flat), expected)
    assert model.n_features_in_ == steps * width


# -- dtype ---------------------------------------------------------------------------------


@by_task
@by_dtype
@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int64, np.float64),
        (np.int8, np.float64),
        (np.uint16, np.float64),
        (np.bool_, np.float64),
    ],
)
@given(seed=st.integers(0, 10**6))
@few(2)
def test_dtype_of_predictions(task, dtype, given_dtype, expected, seed):
    """Predictions have X's float dtype, float64 for integers, whatever the network's."""
    model = fitted(task, "gru", dtype)
    X = np.random.default_rng(seed).integers(0, 2, size=(6, 4, N_FEATURES))
    exact = outputs(model, X.astype(np.float64))
    for layout in (X.astype(given_dtype), list(X.astype(given_dtype))):
        out = outputs(model, layout)
        assert out.dtype == expected
        np.testing.assert_allclose(out, exact, rtol=0, atol=1e-6)


@by_task
@pytest.mark.parametrize("y_dtype", [np.float32, np.float64, np.int64])
def test_dtype_of_y_does_not_matter(task, y_dtype):
    """Targets of other types that hold the same numbers give the same bits."""
    X = np.random.default_rng(0).normal(size=(12, 4, N_FEATURES))
    y = np.arange(12) % 3
    expected = outputs(make(task, "gru").fit(X, y.astype(float)), X)
    again = outputs(make(task, "gru").fit(X, y.astype(y_dtype)), X)
    np.testing.assert_array_equal(again, expected)


# -- copies --------------------------------------------------------------------------------


@by_task
@by_kind
@by_dtype
@given(items=lists)
@few(2)
def test_pickle_keeps_every_bit(task, kind, dtype, items):
    """A pickled model predicts bit for bit what the model does."""
    model = fitted(task, kind, dtype)
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(outputs(back, items), outputs(model, items))
    np.testing.assert_array_equal(back.predict(items), model.predict(items))
    assert back.loss_curve_ == model.loss_curve_
    assert back.get_params() == model.get_params()


parameters = st.fixed_dictionaries(
    {
        "hidden_size": st.integers(1, 100),
        "num_layers": st.integers(1, 4),
        "cell": st.sampled_from(list(KINDS)),
        "bidirectional": st.booleans(),
        "pooling": st.sampled_from(["last", "mean", "max", "attention", "mean_max"]),
        "dropout": st.floats(0, 0.9),
        "conv_filters": st.one_of(st.none(), st.just((64, 128, 64))),
        "segment_length": st.one_of(st.none(), st.integers(1, 48)),
        "normalization": st.sampled_from([None, "last", "standard"]),
        "learning_rate": st.floats(1e-6, 1),
        "batch_size": st.one_of(st.just("auto"), st.integers(1, 999)),
        "clip_norm": st.one_of(st.none(), st.floats(0.1, 9)),
        "early_stopping": st.sampled_from(["auto", True, False]),
        "random_state": st.one_of(st.none(), st.integers(0, 2**32 - 1)),
        "dtype": st.sampled_from(["auto", "float32", "float64"]),
    }
)


@by_task
@given(params=parameters)
@few(10)
def test_clone_has_the_parameters(task, params):
    """A clone, and one set later, have the parameters as given, and no fit."""
    model = ESTIMATORS[task](**params)
    for other in (clone(model), ESTIMATORS[task]().set_params(**params)):
        assert other.get_params() == model.get_params()
        assert {name: other.get_params()[name] for name in params} == params


@by_task
@by_kind
def test_clone_of_a_fitted_model(task, kind):
    """A clone has forgotten the fit, and fitting it gives the same bits."""
    model = fitted(task, kind, "float64")
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    items = make_list(0, np.arange(40) % 7 + 1)
    with pytest.raises(NotFittedError):
        copied.predict(items)
    copied.fit(items, make_target(task, items))
    np.testing.assert_array_equal(outputs(copied, items), outputs(model, items))


# -- weights -------------------------------------------------------------------------------


@by_task
@by_kind
@given(
    seed=st.integers(0, 10**6),
    weights=st.lists(st.integers(0, 3), min_size=12, max_size=12),
)
@few(4)
def test_integer_weights_are_repeated_rows(task, kind, seed, weights):
    """In float64 and one batch, weight k is as good as k rows, and 0 as none."""
    items = make_list(seed, np.arange(12) % 5 + 1)
    y = np.resize(make_target(task, make_list(0, range(1, 13))), 12)
    weights = np.maximum(weights, [1, 1, 1] + 9 * [0])
    index = np.repeat(np.arange(12), weights)
    weighted = make(task, kind, dtype="float64", max_iter=4)
    weighted.fit(items, y, sample_weight=weights)
    repeated = make(task, kind, dtype="float64", max_iter=4)
    repeated.fit([items[k] for k in index], y[index])
    np.testing.assert_allclose(
        outputs(weighted, items), outputs(repeated, items), rtol=1e-7, atol=1e-9
    )


@by_task
@by_kind
@given(seed=st.integers(0, 10**6), factor=st.sampled_from([1e-3, 0.5, 7.0]))
@few(2)
def test_only_ratios_of_weights_matter(task, kind, seed, factor):
    """Equal weights are no weights, and a common factor changes nothing."""
    items = make_list(seed, np.arange(12) % 5 + 1)
    y = make_target(task, make_list(0, range(1, 13)))
    plain = outputs(make(task, kind).fit(items, y), items)
    same = make(task, kind).fit(items, y, sample_weight=np.full(12, factor))
    np.testing.assert_allclose(outputs(same, items), plain, rtol=1e-7, atol=1e-9)
    weights = np.random.default_rng(seed).exponential(size=12)
    one = make(task, kind).fit(items, y, sample_weight=weights)
    two = make(task, kind).fit(items, y, sample_weight=factor * weights)
    np.testing.assert_allclose(
        outputs(two, items), outputs(one, items), rtol=1e-7, atol=1e-9
    )


@by_task
@by_kind
@given(seed=st.integers(0, 10**6))
@few(2)
def test_one_batch_has_no_order(task, kind, seed):
    """A fit in one batch does not depend on the order of the rows but for rounding."""
    items = make_list(seed, np.arange(12) % 5 + 1)
    y = make_target(task, make_list(0, range(1, 13)))
    order = np.random.default_rng(seed).permutation(12)
    one = make(task, kind).fit(items, y)
    two = make(task, kind).fit([items[k] for k in order], y[order])
    np.testing.assert_allclose(
        outputs(two, items), outputs(one, items), rtol=1e-7, atol=1e-9
    )
