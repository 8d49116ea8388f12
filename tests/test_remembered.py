"""Results that are remembered by the contents of the arguments."""

import gc
import itertools
import weakref

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_gru import GRURegressor
from sklearn_gru._encoding import automatic_levels
from sklearn_gru._engines import ridge
from sklearn_gru._support import remembered as module
from sklearn_gru._support.remembered import remembered


@pytest.fixture
def counted():
    """A remembered function, and the arguments of each call of the function itself."""
    calls = []

    def function(*arguments):
        calls.append(len(arguments))
        return object()

    return remembered(function), calls


def test_equal_contents_are_one_call(counted):
    """Of a copy, of rows in another layout of memory, after a change back."""
    call, calls = counted
    x = np.arange(6.0).reshape(2, 3)
    first = call(x, None, (x, 3), "a")
    assert call(x.copy(), None, (np.asfortranarray(x), 3), "a") is first
    x[0, 0] = 7
    assert call(x, None, (x, 3), "a") is not first
    x[0, 0] = 0
    assert call(x, None, (x, 3), "a") is first
    assert len(calls) == 2


def test_different_contents_are_different_calls(counted):
    """Values, shapes, dtypes, and what could be one text behind the other."""
    call, calls = counted
    x = np.arange(6.0)
    different = [
        (x,),
        (x, None),
        ((x,),),
        (x.reshape(2, 3),),
        (x.astype(np.float32),),
        (x.astype(np.int64),),
        (-x,),
        (x[:0],),
        (x[:0].reshape(0, 3),),
        (x > 2,),
        (12, 3),
        (1, 23),
        (1.0, 23),
        ("1", 23),
        (True, 23),
    ]
    found = [call(*arguments) for arguments in different[:8]]
    assert len(set(map(id, found))) == 8
    pairs = itertools.combinations(map(module._Contents, different), 2)
    assert all(a != b for a, b in pairs)
    assert len(calls) == 8


def test_a_few_results_are_kept_and_no_argument(counted):
    call, _ = counted
    x = np.zeros(1000)
    kept = call(x)
    watched = weakref.ref(x)
    del x
    gc.collect()
    assert watched() is None
    for k in range(module._MOST - 1):
        call(k)
    assert call(np.zeros(1000)) is kept
    for k in range(module._MOST):
        call(k + 100)
    assert call(np.zeros(1000)) is not kept


def test_large_arguments_are_not_looked_at(counted, monkeypatch):
    call, calls = counted
    monkeypatch.setattr(module, "_LARGEST", 100)
    monkeypatch.setattr(module, "_Contents", None)
    for _ in range(2):
        call((np.zeros(13),), 1)
    assert len(calls) == 2


def test_errors_and_objects_are_not_remembered():
    def fail(x):
        raise LookupError(x)

    for _ in range(2):
        with pytest.raises(LookupError):
            remembered(fail)(1)
    with pytest.raises(TypeError, match="an array of object has no contents"):
        remembered(fail)(np.array([None]))
    with pytest.raises(TypeError, match="dict is neither"):
        remembered(fail)({})


def test_what_was_made_of_changed_arguments_is_not_kept():
    """Another thread may write to an array while a fit reads it."""
    x = np.zeros(3)

    def changing(array):
        array += 1
        return array.sum()

    assert remembered(changing)(x) == 3
    call = remembered(lambda array: next(results)(array))
    results = iter([changing, np.sum])
    x[:] = 0
    assert call(x) == 3
    assert call(np.zeros(3)) == 0


REMEMBERED = (
    automatic_levels._best_normalization,
    automatic_levels._continued_channel_of_few,
    ridge._solved_for_few,
)


def forget():
    for function in REMEMBERED:
        function.cache_clear()


@pytest.mark.parametrize("n", [200, 1200])
def test_a_fit_is_the_same_whatever_fits_are_remembered(n):
    """Fits that differ in one respect each, in a process that knows them or nothing."""
    rng = np.random.default_rng(n)
    X = np.cumsum(rng.normal(size=(n, 12, 2)), axis=1)
    y = X[:, -1, 0] + rng.normal(size=n)
    weight = rng.uniform(0.5, 2, n)
    cases = [
        ({}, X, y, None),
        ({}, X, -y, None),
        ({}, -X, y, None),
        ({}, X[:, 1:], y, None),
        ({}, X, y, weight),
        ({}, X, y, weight[::-1].copy()),
        ({"normalization": "last"}, X, y, None),
        ({"normalization": "standard", "target_feature": 1}, X, y, None),
        ({"add_differences": True}, X, y, None),
    ]

    def predictions(params, X, y, weight):
        model = GRURegressor(4, max_iter=2, random_state=0, **params)
        return model.fit(X, y, sample_weight=weight).predict(X)

    alone = []
    for case in cases:
        forget()
        alone.append(predictions(*case))
    for order in (cases, cases[::-1]):
        together = [predictions(*case) for case in order]
        for found, expected in zip(
            together, alone if order is cases else alone[::-1], strict=True
        ):
            np.testing.assert_array_equal(found, expected)
    assert len({found.tobytes() for found in alone}) == len(cases)


def test_a_search_learns_each_training_set_once():
    """With both halves of each, which a cross-fitted fit solves, too."""
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(200, 6, 1)), axis=1)
    search = GridSearchCV(
        GRURegressor(
            2, max_iter=20, random_state=0, n_iter_no_change=1, target_feature=0
        ),
        {"learning_rate": [0.01, 0.02, 0.03]},
        cv=KFold(5),
    )
    forget()
    search.fit(X, X[:, -1, 0] + 0.1 * rng.normal(size=200))
    found = [function.cache_info() for function in REMEMBERED]
    assert [(info.misses, info.hits) for info in found] == [(6, 10), (0, 0), (18, 30)]
