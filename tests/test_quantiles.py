"""Quantiles: the pinball loss, its life in the estimator, and that none ever cross."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import mean_pinball_loss, r2_score
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, make_targets
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.torch.module import WeightedLoss
from sklearn_gru._model.tasks import QuantileRegression
from sklearn_gru.exceptions import InvalidParameterError, LostHistoryWarning
from tests.builders import make_walks, minimised, noisy

LEVELS = (0.1, 0.5, 0.9)
X = np.random.default_rng(0).normal(size=(120, 6, 2))
NOISE = np.random.default_rng(1).normal(size=120) * np.exp(X[:, -1, 1])
Y = 50 + 10 * (X[:, :, 0].sum(axis=1) + NOISE)
Y2 = np.column_stack([Y, -Y / 100 + X[:, 0, 1]])

by_dtype = pytest.mark.parametrize(
    ("dtype", "tol"), [("float64", 1e-10), ("float32", 2e-5)]
)


def model(quantile=LEVELS, **params):
    defaults = {"hidden_size": 6, "max_iter": 4, "random_state": 0}
    return GRURegressor(loss="quantile", quantile=quantile, **{**defaults, **params})


def pinball(y, quantiles, levels, weights=None):
    """From its definition: y (n,) or (n, n_outputs), quantiles with one axis more."""
    losses = [
        mean_pinball_loss(y, quantiles[..., k], alpha=level, sample_weight=weights)
        for k, level in enumerate(levels)
    ]
    return np.mean(losses)


# -- the loss ------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [(0.3,), (0.1, 0.5, 0.9), (0.9, 0.2)])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_loss_is_scikit_learns_pinball(levels, weighted):
    """Mean over levels and outputs, then the weighted mean over sequences."""
    rng = np.random.default_rng(1)
    weights = rng.exponential(size=120) if weighted else None
    task = QuantileRegression.of(Y2, weights, np.array(levels), standardize=True)
    output = rng.normal(size=(120, 2 * len(levels)))
    target = torch.from_numpy(task.encode(Y2, np.dtype("float64")))
    weight = None if weights is None else torch.from_numpy(weights / weights.mean())
    got = float(
        WeightedLoss(task.loss, task.loss_parameters)(
            torch.from_numpy(output), target, weight
        )
    )
    shown = output.reshape(120, 2, -1)
    expected = pinball(target.numpy(), shown, np.sort(levels), weights)
    np.testing.assert_allclose(got, expected)


def test_loss_of_a_perfect_output_pulls_nowhere():
    """Where there is no derivative it is 0: a constant target stays exactly there."""
    task = QuantileRegression.of(Y2, None, np.array(LEVELS), standardize=True)
    target = torch.from_numpy(task.encode(Y2, np.dtype("float64")))
    output = target.repeat_interleave(3, dim=1).requires_grad_()
    WeightedLoss(task.loss, task.loss_parameters)(output, target, None).backward()
    assert not output.grad.any()


@pytest.mark.parametrize("seed", range(5))
def test_sorting_never_raises_the_loss(seed):
    """On every row, whatever y is, the sorted outputs are at least as good."""
    rng = np.random.default_rng(seed)
    y, q = rng.normal(size=500), rng.normal(size=(500, 4))
    levels = np.array([0.05, 0.3, 0.6, 0.95])

    def rows(q):
        error = y[:, None] - q
        return np.maximum(levels * error, (levels - 1) * error).sum(axis=1)

    better = rows(q) - rows(np.sort(q))
    assert better.min() > -1e-12
    assert better.max() > 0.1


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@by_dtype
def test_validation_loss_is_the_pinball_loss_of_predictions(weighted, dtype, tol):
    """Early stopping judges by what predict_quantiles is worth, up to the sorting."""
    weights = 1.0 + np.arange(40) % 3 if weighted else None
    fitted = model(dtype=dtype, max_iter=20, early_stopping=True)
    fitted.fit(X[:80], Y[:80], X_val=X[80:], y_val=Y[80:], sample_weight_val=weights)
    loss = pinball(Y[80:], fitted.predict_quantiles(X[80:]), LEVELS, weights)
    best = -max(fitted.validation_scores_) * fitted._fitted.task.scale[0]
    assert fitted.validation_scores_[fitted.best_iteration_ - 1] == max(
        fitted.validation_scores_
    )
    np.testing.assert_allclose(loss, best, rtol=1e-3)
    assert loss <= best * (1 + tol)


# -- shapes, order, crossing ---------------------------------------------------------------


@pytest.mark.parametrize("y", [Y, Y2, pd.Series(Y), pd.DataFrame(Y2), Y[:, None]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes(y, dtype):
    """A last axis is added to y's shape; the dtype is that of X."""
    fitted = model().fit(X.astype(dtype), y)
    quantiles = fitted.predict_quantiles(X[:7].astype(dtype))
    point = fitted.predict(X[:7].astype(dtype))
    assert quantiles.shape == (7, *np.shape(y)[1:], 3)
    assert point.shape == (7, *np.shape(y)[1:])
    assert quantiles.dtype == point.dtype == dtype
    np.testing.assert_array_equal(point, quantiles[..., 1])
    assert fitted.n_outputs_ == (1 if np.ndim(y) == 1 else np.shape(y)[1])
    assert fitted.score(X, y) == r2_score(y, fitted.predict(X))


@pytest.mark.parametrize("kind", [tuple, list, np.array])
def test_columns_stand_in_the_order_given(kind):
    """Unsorted levels of any container give the same model, its columns reordered."""
    ascending = model((0.1, 0.5, 0.8, 0.9)).fit(X, Y2)
    shuffled = clone(model(kind([0.9, 0.1, 0.8, 0.5]))).fit(X, Y2)
    expected = ascending.predict_quantiles(X)[..., [3, 0, 2, 1]]
    np.testing.assert_array_equal(shuffled.predict_quantiles(X), expected)
    np.testing.assert_array_equal(shuffled.predict(X), ascending.predict(X))


@pytest.mark.parametrize(
    ("levels", "nearest"),
    [((0.2, 0.45, 0.6), 1), ((0.9, 0.1), 1), ((0.3, 0.7), 0), ((0.95,), 0)],
)
def test_predict_is_the_quantile_nearest_the_median(levels, nearest):
    """The lower one of two equally near."""
    fitted = model(levels).fit(X, Y)
    expected = fitted.predict_quantiles(X)[:, nearest]
    np.testing.assert_array_equal(fitted.predict(X), expected)


def test_one_number_is_one_quantile():
    """A float gives one column, the same as a tuple of one."""
    single = model(0.3).fit(X, Y)
    assert single.predict_quantiles(X).shape == (120, 1)
    np.testing.assert_array_equal(single.predict(X), model((0.3,)).fit(X, Y).predict(X))


@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.UnseenDataWarning")
@pytest.mark.parametrize("normalization", [None, "last", "standard"])
@by_dtype
def test_no_row_crosses(normalization, dtype, tol):
    """Hardly trained, on inputs far outside: the network crosses, the model does not."""
    target = None if normalization is None else 0
    fitted = model(
        np.linspace(0.05, 0.95, 10),
        dtype=dtype,
        normalization=normalization,
        target_feature=target,
        max_iter=1,
    ).fit(X, Y2)
    far = 30 * np.random.default_rng(1).normal(size=(2000, 6, 2))
    assert (np.diff(fitted.predict_quantiles(far)) >= 0).all()
    far32 = fitted.predict_quantiles(far.astype(np.float32))
    assert (np.diff(far32) >= 0).all()
    raw = fitted.module_(torch.as_tensor(far).to(fitted.module_.head.weight.dtype))
    assert (np.diff(raw.detach().numpy().reshape(2000, 2, 10)) < 0).any()


# -- learning ------------------------------------------------------------------------------


def test_quantiles_are_learned():
    """Each quantile has its share of new rows below, and follows the spread."""
    fitted = model(hidden_size=16, max_iter=30)
    fitted.fit(*noisy(4000, 0)[:2])
    X, y, mean, spread = noisy(4000, 1)
    quantiles = fitted.predict_quantiles(X)
    below = (y[:, None] <= quantiles).mean(axis=0)
    np.testing.assert_allclose(below, LEVELS, atol=0.04)
    width = quantiles[:, 2] - quantiles[:, 0]
    assert np.corrcoef(width, spread)[0, 1] > 0.9
    exact = mean[:, None] + spread[:, None] * np.array([-1.2816, 0, 1.2816])
    constant = np.quantile(y, LEVELS)[None].repeat(len(y), 0)
    best, naive = pinball(y, exact, LEVELS), pinball(y, constant, LEVELS)
    assert pinball(y, quantiles, LEVELS) < best + 0.1 * (naive - best)


def test_one_quantile_of_a_constant_input_is_that_of_y():
    """With nothing to tell rows apart, the network learns the quantile of y."""
    same = np.ones((200, 3, 1))
    y = np.random.default_rng(0).exponential(size=200)
    fitted = model((0.2, 0.8), max_iter=400, hidden_size=2, batch_size=200)
    got = fitted.fit(same, y).predict_quantiles(same[:1])[0]
    np.testing.assert_allclose(got, np.quantile(y, [0.2, 0.8]), atol=0.05)


@pytest.mark.parametrize("constant", [0.0, 5.0, 1e9])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_a_constant_target_stays(constant, weighted):
    """All quantiles of a constant output are it, beside one that varies."""
    weights = 1.0 + np.arange(120) % 3 if weighted else None
    y = np.column_stack([np.full(120, constant), Y])
    got = model(max_iter=10).fit(X, y, sample_weight=weights).predict_quantiles(X)
    np.testing.assert_allclose(got[:, 0], constant, rtol=1e-12)
    assert (np.ptp(got[:, 1], axis=0) > 0).all()


@pytest.mark.parametrize("shape", [1, 2])
def test_sequences_without_input_get_the_quantiles_of_y(shape):
    """Those of the training set by weight: an integer weight is repeated rows."""
    y = Y if shape == 1 else Y2
    weights = 1 + np.arange(120) % 3
    fitted = model((0.9, 0.1, 0.5)).fit(X, y, sample_weight=weights)
    empty = np.full((1, 6, 2), np.nan)
    repeated = np.repeat(y, weights, axis=0)
    expected = np.quantile(repeated, (0.9, 0.1, 0.5), axis=0, method="inverted_cdf")
    np.testing.assert_allclose(fitted.predict_quantiles(empty)[0], expected.T)
    np.testing.assert_allclose(fitted.predict(empty)[0], expected[2])


@pytest.mark.parametrize("kind", [None, "standard"])
def test_integer_weights_are_repeated_rows(kind):
    """In one batch and float64, weighting and repeating are one."""
    items, y = make_walks(n=12)
    weights = np.array([1, 2, 3] * 4)
    index = np.repeat(np.arange(12), weights)
    params = {"normalization": kind, "target_feature": None if kind is None else 1}
    params |= {"dtype": "float64", "batch_size": 1000}
    weighted = model(**params).fit(items, y, sample_weight=weights)
    repeated = model(**params).fit([items[k] for k in index], y[index])
    np.testing.assert_allclose(
        weighted.predict_quantiles(items), repeated.predict_quantiles(items), rtol=1e-9
    )


def test_the_loss_is_one_in_own_units():
    """With normalization="standard" an error counts in deviations of its sequence."""
    items, y = make_walks()
    fitted = model(0.3, normalization="standard", target_feature=1, dtype="float64")
    fitted.fit(items, y)
    data, _ = fitted._read(fitted._fitted.encoder.schema, items, y, None)
    _, deviation = fitted._fitted.continuation.levels(data.sequences)
    ratios = []
    for seed in range(3):
        prediction = y + 40 * np.random.default_rng(seed).normal(size=len(y))
        loss = mean_pinball_loss(
            y, prediction, alpha=0.3, sample_weight=1 / deviation[:, 0]
        )
        ratios.append(minimised(fitted, items, y, None, prediction) / loss)
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)


def test_own_units_are_carried_over():
    """Another level and scale of the channel moves all quantiles along."""
    items, y = make_walks()
    params = {"normalization": "standard", "target_feature": 1, "dtype": "float64"}
    fitted = model(**params).fit(items, np.column_stack([y, y]))
    items = [x for x in items if np.nanstd(x, axis=0).all()]
    moved = fitted.predict_quantiles([7 * x + [1e4, 3e5] for x in items])
    np.testing.assert_allclose(moved, 7 * fitted.predict_quantiles(items) + 3e5)


# -- life of a model -----------------------------------------------------------------------


def test_pickle_and_clone():
    """Copies predict the same bits."""
    fitted = model().fit(X, Y2)
    expected = fitted.predict_quantiles(X)
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(back.predict_quantiles(X), expected)
    again = clone(fitted).fit(X, Y2)
    np.testing.assert_array_equal(again.predict_quantiles(X), expected)


def test_training_on():
    """partial_fit and warm_start go on with the same task and get better."""
    fitted = model(warm_start=True).partial_fit(X, Y)
    task, before = fitted._fitted.task, pinball(Y, fitted.predict_quantiles(X), LEVELS)
    for _ in range(10):
        fitted.partial_fit(X, Y)
    fitted.fit(X, Y)
    assert fitted._fitted.task is task
    assert pinball(Y, fitted.predict_quantiles(X), LEVELS) < 0.9 * before


@pytest.mark.parametrize("quantile", [0.5, (0.1, 0.5), (0.9, 0.5, 0.1)])
def test_warm_start_cannot_change_the_quantiles(quantile):
    """Nor their order: the columns would mean something else."""
    fitted = model(warm_start=True).fit(X, Y)
    fitted.set_params(quantile=quantile)
    with pytest.raises(InvalidParameterError, match="Set warm_start=False"):
        fitted.fit(X, Y)
    squared = GRURegressor(4, max_iter=1, warm_start=True).fit(X, Y)
    with pytest.raises(InvalidParameterError, match="quantiles None"):
        squared.set_params(loss="quantile", quantile=quantile).fit(X, Y)


@pytest.mark.parametrize(
    "quantile",
    [0, 1.0, -0.1, "0.5", True, (), (0.5, 0.5), (0.1, 1), [[0.1, 0.5]], (0.1, None)],
)
def test_what_is_no_quantile(quantile):
    """Levels are numbers above 0 and below 1, each once."""
    with pytest.raises(InvalidParameterError, match=r"quantile=.*is not allowed"):
        model(quantile).fit(X, Y)


def test_loss_and_quantile_belong_together():
    """As in HistGradientBoostingRegressor: needed by the loss, unused without it."""
    with pytest.raises(
        InvalidParameterError,
        match=r"needs quantile, which is None\. Set one, such as quantile=0\.9",
    ):
        model(None).fit(X, Y)
    unused = GRURegressor(4, max_iter=2, random_state=0)
    expected = unused.fit(X, Y).predict(X)
    unused.set_params(quantile=0.3).fit(X, Y)
    np.testing.assert_array_equal(unused.predict(X), expected)


def test_other_losses_have_no_quantiles():
    """The method is not there, and says what it needs."""
    assert hasattr(model(), "predict_quantiles")
    squared = GRURegressor(4, max_iter=1)
    assert not hasattr(squared, "predict_quantiles")
    squared.fit(X, Y).set_params(loss="quantile", quantile=0.5)
    with pytest.raises(AttributeError, match="predict_quantiles"):
        squared.predict_quantiles(X)


# -- by the kernels ------------------------------------------------------------------------


@pytest.mark.skipif(not kernels.available(), reason=f"{kernels.reason()}")
@pytest.mark.parametrize("quantile", [0.8, (0.9, 0.1, 0.5)])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_kernels_agree_with_torch(quantile, n_outputs, monkeypatch):
    """The same fit by compiled steps and by torch: losses and quantiles alike."""
    X, y, *_ = noisy(1100, 2)
    y = np.column_stack([y, y**2, X[:, 0, 0]])[:, :n_outputs]
    weights = np.linspace(0.5, 2, len(y))
    fast = model(quantile, max_iter=12).fit(X, y, weights)
    monkeypatch.setenv("SKLEARN_GRU_NO_NUMBA", "1")
    plain = model(quantile, max_iter=12).fit(X, y, weights)
    expected = plain.predict_quantiles(X)
    monkeypatch.delenv("SKLEARN_GRU_NO_NUMBA")
    assert (fast.engine_, plain.engine_) == ("numba", "torch")
    np.testing.assert_allclose(fast.loss_curve_, plain.loss_curve_, rtol=1e-3)
    np.testing.assert_allclose(fast.predict_quantiles(X), expected, atol=2e-2)


# -- inside scikit-learn -------------------------------------------------------------------


@pytest.fixture(scope="module")
def paths(bikes):
    """Some weeks of rentals and their paths of 48 hours."""
    frame, _, known = bikes
    hours = frame.iloc[2000:2900].asfreq("h").ffill()
    X, Y = make_targets(hours, hours["bikers"], 48)
    return X, Y, known


@pytest.mark.slow
def test_horizon_in_cross_validation_and_transformed_target(paths):
    """48 hours by three quantiles, of the logarithm, scored and asked like any model."""
    X, Y, known = paths
    gru = model((0.1, 0.5, 0.9), hidden_size=8, max_iter=15, learning_rate=0.02)
    window = SlidingWindow(48, lag=48, known_future=known)
    logged = TransformedTargetRegressor(
        make_pipeline(window, gru), func=np.log1p, inverse_func=np.expm1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LostHistoryWarning)
        scores = cross_val_score(logged, X, Y, cv=TimeSeriesSplit(2, test_size=100))
    assert scores.shape == (2,)
    assert scores.min() > 0
    logged.fit(X.iloc[:-100], Y.iloc[:-100])
    pipeline = logged.regressor_
    later = pipeline[:-1].transform(X.iloc[-100:])
    quantiles = np.expm1(pipeline[-1].predict_quantiles(later))
    assert quantiles.shape == (100, 48, 3)
    assert (np.diff(quantiles) >= 0).all()
    np.testing.assert_allclose(logged.predict(X.iloc[-100:]), quantiles[:, :, 1])
    share = np.mean(
        (quantiles[..., 0] <= Y.iloc[-100:]) & (Y.iloc[-100:] <= quantiles[..., 2])
    )
    assert 0.5 < share < 0.95
