"""Normalisation, segments and convolution together, by the kernels and by torch."""

import numpy as np
import pytest

from sklearn_gru import GRUClassifier, GRURegressor
from sklearn_gru._engines import numba as kernels
from sklearn_gru.exceptions import InvalidParameterError
from tests.builders import make_list, padded

OPTIONS = {
    "normalization": {"normalization": "standard"},
    "segments": {"segment_length": 3},
    "differences": {"add_differences": True},
    "convolution": {"conv_filters": (4, 3)},
    "all": {
        "normalization": "last",
        "add_differences": True,
        "segment_length": 4,
        "conv_filters": (4,),
        "bidirectional": True,
        "pooling": "mean_max",
        "num_layers": 2,
    },
}
# Why the whole step is not compiled; the layers always are.
REASONS = {
    "normalization": None,
    "segments": None,
    "differences": None,
    "convolution": "a convolution branch has no kernel",
    "all": "a convolution branch has no kernel",
}
by_option = pytest.mark.parametrize("option", OPTIONS)


def make_data(n=1100):
    """Ragged sequences with missing cells and a gap; sums of a feature, or their sign."""
    items = make_list(0, np.arange(n) % 11 + 1)
    items[10] = np.insert(items[10], 3, np.nan, axis=0)
    y = np.array([np.nansum(x[-5:, 0]) for x in items])
    return items, y, y > y.mean()


@pytest.mark.skipif(not kernels.available(), reason=f"{kernels.reason()}")
@by_option
def test_kernels_agree_with_torch(option, monkeypatch):
    """The same fit by compiled steps or layers: losses and predictions alike."""
    items, _, labels = make_data()
    params = {"hidden_size": 8, "max_iter": 6, "random_state": 0, **OPTIONS[option]}
    weights = np.linspace(0.5, 2, len(items))
    fast = GRUClassifier(**params).fit(items, labels, weights)
    plain = GRUClassifier(**params)
    monkeypatch.setenv("SKLEARN_GRU_NO_NUMBA", "1")
    plain.fit(items, labels, weights)
    expected = plain.predict_proba(items)
    monkeypatch.delenv("SKLEARN_GRU_NO_NUMBA")
    engine = "numba+autograd" if REASONS[option] else "numba"
    assert (fast.engine_, plain.engine_) == (engine, "torch")
    reason = REASONS[option]
    assert fast.net_.declined == ({"numba": reason} if reason else {})
    np.testing.assert_allclose(fast.loss_curve_, plain.loss_curve_, rtol=1e-3)
    np.testing.assert_allclose(fast.predict_proba(items), expected, atol=5e-3)


@by_option
def test_large_fits_depend_on_each_sequence_alone(option):
    """In float32, by whatever computes: alone, permuted and padded, one prediction."""
    items, y, _ = make_data()
    target = {"target_feature": 0} if "normalization" in OPTIONS[option] else {}
    model = GRURegressor(8, max_iter=6, random_state=0, **OPTIONS[option], **target)
    model.fit(items, y)
    some = items[:30]
    together = model.predict(items)[:30]
    for X in (some, padded(some, front=True), padded(some, front=False)):
        np.testing.assert_allclose(model.predict(X), together, rtol=1e-4, atol=1e-4)
    alone = [model.predict([x])[0] for x in some]
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@by_option
def test_early_stopping_and_validation_data(option):
    """The held-out part is read as the training part is."""
    items, y, _ = make_data(200)
    params = {"hidden_size": 6, "max_iter": 12, "random_state": 0, "linear_share": 0}
    params |= OPTIONS[option]
    model = GRURegressor(**params, early_stopping=True).fit(items, y)
    assert np.isfinite(model.validation_scores_).all()
    given = GRURegressor(**params)
    given.fit(items[:150], y[:150], X_val=items[150:], y_val=y[150:])
    error = ((given.predict(items[150:]) - y[150:]) ** 2).mean()
    best = -max(given.validation_scores_) * given._fitted.task.scale[0] ** 2
    np.testing.assert_allclose(error, best, rtol=1e-5)


CATEGORY = {"categorical_features": [2]}


def with_category(items):
    """The same sequences with a third feature: one of four categories, or missing."""
    rng = np.random.default_rng(1)
    kinds = np.array([3.0, 10.0, 11.0, 40.0, np.nan])
    return [
        np.column_stack(
            [
                x[:, :2],
                np.where(np.isnan(x).all(axis=1), np.nan, rng.choice(kinds, len(x))),
            ]
        )
        for x in items
    ]


@by_option
def test_each_option_beside_categories(option):
    """Indices of categories have no level, fill segments and pass convolutions."""
    items, y, _ = make_data(400)
    items = with_category(items)
    y = y + np.array([np.sum(x[:, 2] == 40.0) for x in items])
    target = {"target_feature": 0} if "normalization" in OPTIONS[option] else {}
    model = GRURegressor(
        8, max_iter=6, random_state=0, **OPTIONS[option], **target, **CATEGORY
    ).fit(items, y)
    together = model.predict(items)[:30]
    some = items[:30]
    for X in (some, padded(some, front=True), padded(some, front=False)):
        np.testing.assert_allclose(model.predict(X), together, rtol=1e-8)
    renamed = [np.where(x == 40.0, 41.0, x) for x in some]  # unknown is missing
    missing = [np.where(x == 40.0, np.nan, x) for x in some]
    np.testing.assert_array_equal(model.predict(renamed), model.predict(missing))
    assert (model.predict(renamed) != together).any()
    if target:
        with pytest.raises(InvalidParameterError, match="is categorical"):
            model.set_params(target_feature=2).fit(items, y)
