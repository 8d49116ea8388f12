"""predict_interval: the conformal margin, where its errors come from, real coverage."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

from sklearn_gru import GRURegressor, SlidingWindow
from sklearn_gru._estimators.conformal import Calibration
from sklearn_gru._estimators.hold_out import hold_out
from sklearn_gru.exceptions import InvalidParameterError
from tests.builders import make_walks, noisy

X, Y, _, _ = noisy(200, 0)
Y2 = np.column_stack([Y, -100 * Y + X[:, 0, 1]])
LOSSES = {
    "squared_error": {"loss": "squared_error"},
    "one quantile": {"loss": "quantile", "quantile": 0.8},
    "three quantiles": {"loss": "quantile", "quantile": (0.9, 0.1, 0.5)},
}
by_loss = pytest.mark.parametrize("loss", LOSSES)


def model(loss="squared_error", **params):
    defaults = {"hidden_size": 6, "max_iter": 5, "random_state": 0}
    return GRURegressor(**{**defaults, **LOSSES[loss], **params})


def error_by_hand(errors, coverage, weights=None):
    """The smallest error not exceeded by (m + 1) * coverage of the rows."""
    m = len(errors)
    weights = np.ones(m) if weights is None else weights / weights.mean()
    for error in np.sort(errors):
        if weights[errors <= error].sum() >= (m + 1) * coverage - 1e-9:
            return error
    return np.inf


# -- the margin ----------------------------------------------------------------------------


@pytest.mark.parametrize("m", [9, 19, 20, 99, 250])
@pytest.mark.parametrize("coverage", [0.1, 0.5, 0.8, 0.9])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_rank_of_the_error(m, coverage, weighted):
    """By output: the error of rank ceil((m + 1) * coverage), or of that weight."""
    y = np.random.default_rng(m).normal(size=(m, 2)) * [1, 50]
    weights = np.random.default_rng(1).exponential(size=m) if weighted else None
    zero = np.zeros((m, 2, 1))
    got = Calibration.measure(y, (zero, zero), weights).quantile(coverage, 0)
    errors = np.abs(y).astype(np.float32)
    if not weighted:
        rank = int(np.ceil((m + 1) * coverage - 1e-9))
        np.testing.assert_array_equal(got, np.sort(errors, axis=0)[rank - 1])
    expected = [error_by_hand(e, coverage, weights) for e in errors.T]
    np.testing.assert_array_equal(got, np.minimum(expected, errors.max(axis=0)))


def test_coverage_is_the_one_promised():
    """Averaged over many draws of 19 rows and a new one, 0.9 covers 0.9."""
    rng = np.random.default_rng(0)
    y = rng.standard_cauchy(size=(19, 20_000))  # each output is a draw
    zero = np.zeros((19, 20_000, 1))
    margin = Calibration.measure(y, (zero, zero), None).quantile(0.9, 0)
    covered = np.abs(rng.standard_cauchy(size=20_000)) <= margin
    assert abs(covered.mean() - 0.9) < 0.01


def test_equal_weights_are_none():
    """Whatever their scale."""
    rng = np.random.default_rng(1)
    y, zero = rng.normal(size=(30, 1)), np.zeros((30, 1, 1))
    plain = Calibration.measure(y, (zero, zero), None)
    weighted = Calibration.measure(y, (zero, zero), np.full(30, 0.001))
    for coverage in (0.1, 0.5, 0.9, 30 / 31):
        assert plain.quantile(coverage, 0) == weighted.quantile(coverage, 0)


@pytest.mark.parametrize(
    ("m", "coverage", "least"),
    [(8, 0.9, 9), (18, 0.95, 19), (98, 0.99, 99), (1, 0.6, 2)],
)
def test_too_few_rows_for_a_coverage(m, coverage, least):
    """The error says how many are needed; with as many there is a margin."""
    rng = np.random.default_rng(1)
    y, zero = rng.normal(size=(least, 1)), np.zeros((least, 1, 1))
    few = Calibration.measure(y[:m], (zero[:m], zero[:m]), None)
    with pytest.raises(
        InvalidParameterError, match=f"at least {least} .* there are {m}"
    ):
        few.quantile(coverage, 0)
    enough = Calibration.measure(y, (zero, zero), None)
    np.testing.assert_allclose(enough.quantile(coverage, 0), np.abs(y).max(), rtol=1e-6)


def band(*widths):
    """Bands around 0, one output."""
    widths = np.array(widths, dtype=float)[:, None, None]
    return -widths / 2, widths / 2


def test_errors_are_in_widths_of_the_band():
    """A band twice as wide is widened and narrowed twice as much; never turned over."""
    lower, upper = band(*[1.0, 4.0] * 20)
    for outside in (-0.5, -0.25, 0.0, 2.0):
        y = (upper * (1 + 2 * outside))[:, :, 0]
        found = Calibration.measure(y, (lower, upper), None)
        np.testing.assert_allclose(found.errors, outside)
        got = found.interval(lower[:, :, 0], upper[:, :, 0], 0.9, 0)
        np.testing.assert_allclose(got[:, 0, 1], y[:, 0], atol=1e-12)
        np.testing.assert_allclose(got[:, 0, 0], -y[:, 0], atol=1e-12)


def test_a_band_without_width_among_others():
    """It counts as a hundredth of the mean width: finite errors, a finite interval."""
    lower, upper = band(*[2.0] * 99, 0.0)
    y = np.full((100, 1), 1.5)
    found = Calibration.measure(y, (lower, upper), None)
    assert found.least == pytest.approx(0.0198)
    assert np.isfinite(found.errors).all()
    got = found.interval(*(end[:, :, 0] for end in band(0.0)), 0.5, 0)
    np.testing.assert_allclose(got, [[[-0.25 * 0.0198, 0.25 * 0.0198]]], rtol=1e-6)


# -- in the estimator ----------------------------------------------------------------------


@by_loss
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_interval_by_hand(loss, weighted):
    """The prediction, or its outermost quantiles, and the errors on X_val."""
    weights = np.random.default_rng(2).exponential(size=80) if weighted else None
    fitted = model(loss)
    fitted.fit(
        X[:120], Y2[:120], X_val=X[120:], y_val=Y2[120:], sample_weight_val=weights
    )

    def band(X):
        if loss == "three quantiles":
            quantiles = fitted.predict_quantiles(X)
            return quantiles[:, :, 1], quantiles[:, :, 0]
        return fitted.predict(X), fitted.predict(X)

    lower, upper = band(X[120:])
    unit = upper - lower if loss == "three quantiles" else np.ones_like(lower)
    least = np.average(unit, axis=0, weights=weights) / 100
    errors = np.maximum(lower - Y2[120:], Y2[120:] - upper) / np.maximum(unit, least)
    fresh = np.random.default_rng(5).normal(size=(50, 5, 2))
    lower, upper = band(fresh)
    unit = upper - lower if loss == "three quantiles" else np.ones_like(lower)
    for coverage in (0.3, 0.9):
        allowed = [error_by_hand(e, coverage, weights) for e in errors.T]
        margin = np.maximum(unit, least) * allowed
        margin = np.maximum(margin, (lower - upper) / 2)
        got = fitted.predict_interval(fresh, coverage)
        np.testing.assert_allclose(got[:, :, 0], lower - margin, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(got[:, :, 1], upper + margin, rtol=1e-5, atol=1e-4)
        if loss == "squared_error":
            middle = got.mean(axis=2)
            np.testing.assert_allclose(middle, fitted.predict(fresh), rtol=1e-6)


@by_loss
@pytest.mark.parametrize("y", [Y, Y2, pd.Series(Y), pd.DataFrame(Y2), Y[:, None]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes(loss, y, dtype):
    """Two ends as a last axis on y's shape, in order, in the dtype of X."""
    fitted = model(loss, early_stopping=True).fit(X.astype(dtype), y)
    got = fitted.predict_interval(X[:7].astype(dtype))
    assert got.shape == (7, *np.shape(y)[1:], 2)
    assert got.dtype == dtype
    assert (got[..., 0] <= got[..., 1]).all()
    wider = fitted.predict_interval(X[:7].astype(dtype), coverage=0.95)
    assert (wider[..., 1] - wider[..., 0] >= got[..., 1] - got[..., 0]).all()


def test_the_band_nearest_to_the_coverage():
    """Of nested pairs of quantiles, an interval starts from the one that comes nearest."""
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    fitted = model(loss="three quantiles", quantile=levels)
    fitted.fit(X[:120], Y[:120], X_val=X[120:], y_val=Y[120:])
    quantiles = fitted.predict_quantiles(X)
    for coverage, first in [(0.9, 0), (0.8, 0), (0.69, 1), (0.5, 1), (0.1, 1)]:
        low, high = fitted.predict_interval(X, coverage).T
        width = quantiles[:, -1 - first] - quantiles[:, first]
        ratio = (high - low) / width
        np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-4)
        middle = (quantiles[:, first] + quantiles[:, -1 - first]) / 2
        np.testing.assert_allclose((low + high) / 2, middle)


def test_quantiles_make_intervals_as_wide_as_the_noise():
    """Where the spread varies, intervals follow it, and cover what they promise."""
    learn, new = noisy(5000, 1), noisy(3000, 2)
    fitted = model("three quantiles", hidden_size=16, max_iter=20).fit(*learn[:2])
    plain = model(hidden_size=16, max_iter=20).fit(*learn[:2])
    for coverage in (0.5, 0.8, 0.95):
        widths, scores = [], []
        for one in (fitted, plain):
            low, high = one.predict_interval(new[0], coverage).T
            inside = (low <= new[1]) & (new[1] <= high)
            assert abs(inside.mean() - coverage) < 0.04
            widths.append(high - low)
            missed = np.maximum(low - new[1], 0) + np.maximum(new[1] - high, 0)
            scores.append((high - low + 2 / (1 - coverage) * missed).mean())
        assert np.corrcoef(widths[0], new[3])[0, 1] > 0.9
        np.testing.assert_allclose(widths[1], widths[1][0], rtol=1e-6)
        assert scores[0] < 0.95 * scores[1]


@by_loss
def test_errors_are_those_of_the_weights_that_were_kept(loss):
    """After early stopping they belong to the best epoch, not to the last.

    A warm start does not learn from the validation set.
    """
    params = {"early_stopping": True, "max_iter": 60, "learning_rate": 0.1}
    params["warm_start"] = True
    params |= {"n_iter_no_change": 4, "hidden_size": 20}
    fitted = model(loss, **params).fit(X, Y)
    assert fitted.best_iteration_ < fitted.n_iter_
    held = held_out(fitted, X, Y)
    low, high = fitted.predict_interval(X[held], 0.9).T
    inside = (low - 1e-4 <= Y[held]) & (Y[held] <= high + 1e-4)
    assert inside.sum() == np.ceil(0.9 * (held.sum() + 1))


def held_out(fitted, X, y):
    """Mask of the sequences that a fit of X and y holds out."""
    data, _ = fitted._read(fitted._fitted.encoder.schema, X, y, None)
    numbered = data._replace(y=np.arange(len(y)))
    share, seed = fitted.validation_fraction, fitted._seed
    _, held = hold_out(numbered, share, seed, None)
    return np.isin(np.arange(len(y)), held.y)


@by_loss
@pytest.mark.parametrize("normalization", ["last", "standard"])
def test_with_normalization(loss, normalization):
    """Errors are in units of y, whatever the network learned in."""
    items, y = make_walks(n=80)
    fitted = model(loss, normalization=normalization, target_feature=1)
    fitted.fit(items[:50], y[:50], X_val=items[50:], y_val=y[50:])
    low, high = fitted.predict_interval(items[50:], 0.8).T
    inside = (low - 1e-3 <= y[50:]) & (y[50:] <= high + 1e-3)
    assert inside.sum() == np.ceil(0.8 * 31)


@by_loss
def test_sequences_without_input_have_errors_of_their_own(loss):
    """Predicted by a constant, they are as uncertain as y itself."""
    fitted = model(loss, max_iter=40, learning_rate=0.03, hidden_size=16)
    fitted.fit(X[:120], Y[:120], X_val=X[120:], y_val=Y[120:])
    both = np.concatenate([X[:1], np.full((1, 5, 2), np.nan)])
    (low, high) = fitted.predict_interval(both, 0.8)[1]
    assert np.sum((low - 1e-5 <= Y[120:]) & (Y[120:] <= high + 1e-5)) == 65
    if loss == "squared_error":
        assert high - low > 1.5 * np.diff(fitted.predict_interval(both, 0.8)[0])[0]


def test_constant_target():
    """The interval is the constant."""
    fitted = model("three quantiles", early_stopping=True).fit(X, np.full(200, 7.0))
    np.testing.assert_allclose(fitted.predict_interval(X[:5]), 7.0, rtol=1e-6)


# -- where there are no errors -------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, "auto"])
def test_without_validation_part(early_stopping):
    """The error names both remedies, and both work."""
    fitted = model(early_stopping=early_stopping).fit(X, Y)
    with pytest.raises(
        InvalidParameterError, match="early_stopping=True, or pass X_val"
    ):
        fitted.predict_interval(X)
    fitted.set_params(early_stopping=True).fit(X, Y).predict_interval(X)
    fitted.set_params(early_stopping=early_stopping)
    fitted.fit(X, Y, X_val=X, y_val=Y).predict_interval(X)
    with pytest.raises(InvalidParameterError, match="did not have one"):
        fitted.fit(X, Y).predict_interval(X)


def test_before_fit_and_bad_coverages():
    """NotFittedError first; a coverage is above 0 and below 1."""
    with pytest.raises(NotFittedError):
        model().predict_interval(X)
    fitted = model(early_stopping=True).fit(X, Y)
    for coverage in (0, 1, 1.5, "0.9", None, True):
        with pytest.raises(InvalidParameterError, match="coverage="):
            fitted.predict_interval(X, coverage)
    with pytest.raises(
        InvalidParameterError, match=r"at least 99 .* there are 20.* 0\.952"
    ):
        fitted.predict_interval(X, 0.99)
    fitted.predict_interval(X, 0.952)


def test_training_on():
    """warm_start measures anew; partial_fit has nothing to measure by, and forgets."""
    fitted = model(early_stopping=True, warm_start=True, max_iter=3).fit(X, Y)
    first = fitted.predict_interval(X)
    fitted.fit(X, Y)
    held = held_out(fitted, X, Y)
    assert not np.array_equal(fitted.predict_interval(X), first)
    low, high = fitted.predict_interval(X[held]).T
    assert ((low - 1e-4 <= Y[held]) & (Y[held] <= high + 1e-4)).sum() == 19
    fitted.partial_fit(X, Y)
    with pytest.raises(InvalidParameterError, match="partial_fit never does"):
        fitted.predict_interval(X)


@by_loss
def test_pickle(loss):
    """Errors travel with the model, in single precision."""
    fitted = model(loss, early_stopping=True).fit(X, Y2)
    back = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(back.predict_interval(X), fitted.predict_interval(X))
    assert fitted._fitted.calibrations[0].errors.dtype == np.float32
    assert fitted._fitted.calibrations[0].errors.shape == (20, 2, 1)


# -- real data -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rentals(bikes):
    """Windows of 48 hours an hour ahead: the first 80 % of a year, and the rest."""
    frame, y, _ = bikes
    frame = frame.drop(columns=["season", "month"])
    n = len(frame) * 4 // 5
    known = [column for column in frame if column != "bikers"]
    window = SlidingWindow(48, lag=1, known_future=known)
    learn = window.fit_transform(frame.iloc[:n], y.iloc[:n])
    return learn, y.iloc[:n], window.transform(frame.iloc[n:]), y.iloc[n:].to_numpy()


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["squared_error", "three quantiles"])
def test_coverage_on_bike_sharing(rentals, loss):
    """Ten weeks after the fit: what is promised, within 6 points; no row crosses.

    Of raw values: with the default normalization, 57 % of y fell into the interval for
    50 %, with or without a linear part.
    """
    learn, y, later, actual = rentals
    fitted = model(
        loss,
        hidden_size=32,
        normalization=None,
        linear_share=0,
        dropout=0.3,
        validation_fraction=0.2,
        max_iter=20,
    )
    fitted.fit(learn, y)
    for coverage in (0.5, 0.8, 0.9, 0.95):
        low, high = fitted.predict_interval(later, coverage).T
        inside = np.mean((low <= actual) & (actual <= high))
        assert abs(inside - coverage) < 0.06
    if loss == "three quantiles":
        lower, middle, upper = fitted.predict_quantiles(later).T[[1, 2, 0]]
        assert (lower <= middle).all()
        assert (middle <= upper).all()
        assert abs(np.mean((lower <= actual) & (actual <= upper)) - 0.8) < 0.06


def test_beside_categories_that_validation_alone_has():
    """Held-out sequences of which nothing is known leave errors and intervals alone."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(300, 4, 1)).astype(float)
    y = (X[:, -1, 0] == 1) + rng.normal(scale=0.1, size=300)
    held_out = rng.integers(0, 3, size=(60, 4, 1)).astype(float)
    held_out[:5] = 7.0  # not seen by fit
    target = (held_out[:, -1, 0] == 1) + rng.normal(scale=0.1, size=60)
    model = GRURegressor(8, max_iter=5, categorical_features=[0], random_state=0)
    model.fit(X, y, X_val=held_out, y_val=target)
    assert np.isfinite(model.predict_interval(held_out, 0.8)).all()


# -- as columns of predict, through what surrounds an estimator ------------------------


@by_loss
@pytest.mark.parametrize("y", [Y, Y2], ids=["one output", "two outputs"])
def test_predict_returns_interval_and_prediction(loss, y):
    """Lower end, prediction, upper end: those of the methods, to the bit."""
    fitted = model(loss, early_stopping=True).fit(X, y)
    found = fitted.predict(X[:20], coverage=0.8)
    interval = fitted.predict_interval(X[:20], coverage=0.8)
    assert found.shape == (*y[:20].shape, 3)
    assert found.dtype == interval.dtype
    np.testing.assert_array_equal(found[..., [0, 2]], interval)
    np.testing.assert_array_equal(found[..., 1], fitted.predict(X[:20]))
    if loss != "squared_error":
        expected = fitted.predict_quantiles(X[:20])
        np.testing.assert_array_equal(fitted.predict(X[:20], quantiles=True), expected)


@pytest.mark.parametrize("routed", [False, True], ids=["plain", "routed"])
def test_a_pipeline_passes_them_on(routed):
    frame = pd.DataFrame(X[:, -1], columns=["a", "b"])
    piped = make_pipeline(
        SlidingWindow(3, lag=1), model("three quantiles", early_stopping=True)
    )
    with config_context(enable_metadata_routing=routed):
        piped.fit(frame, Y)
        found = piped.predict(frame, coverage=0.8)
        quantiles = piped.predict(frame, quantiles=True)
    windows = piped[0].transform(frame)
    np.testing.assert_array_equal(
        found[:, [0, 2]], piped[1].predict_interval(windows, coverage=0.8)
    )
    np.testing.assert_array_equal(quantiles, piped[1].predict_quantiles(windows))


TARGETS = {
    "functions": {"func": np.arcsinh, "inverse_func": np.sinh},
    "standard": {"transformer": StandardScaler()},
    "min and max": {"transformer": MinMaxScaler()},
}


@pytest.mark.parametrize("transform", TARGETS)
@pytest.mark.parametrize("routed", [False, True], ids=["plain", "routed"])
def test_transformed_targets_map_every_column_back(transform, routed):
    """The columns inside, each through the inverse."""
    about = TARGETS[transform]
    inside = model("three quantiles", early_stopping=True)
    with config_context(enable_metadata_routing=routed):
        outer = TransformedTargetRegressor(inside, **about).fit(X, Y)
        found = outer.predict(X[:20], coverage=0.8)
        quantiles = outer.predict(X[:20], quantiles=True)
    inner, inverse = outer.regressor_, outer.transformer_.inverse_transform
    for got, within in (
        (found, inner.predict(X[:20], coverage=0.8)),
        (quantiles, inner.predict_quantiles(X[:20])),
    ):
        expected = np.column_stack([inverse(column[:, None]) for column in within.T])
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], outer.predict(X[:20]), rtol=1e-6)
    assert (found[:, 0] <= found[:, 2]).all()


@pytest.mark.parametrize(
    ("transformer", "y"),
    [
        (PowerTransformer(), Y),
        (QuantileTransformer(n_quantiles=20), Y),
        (StandardScaler(), Y2),
    ],
    ids=["power", "quantile", "two outputs"],
)
def test_other_targets_are_refused(transformer, y):
    """Never a column through the transformation of another."""
    outer = TransformedTargetRegressor(
        model(early_stopping=True), transformer=transformer
    )
    outer.fit(X, y)
    with pytest.raises(ValueError, match=r"expecting 1 features|array with dim 3"):
        outer.predict(X[:5], coverage=0.8)
    if y.ndim == 1:  # as the page about errors says
        back = outer.transformer_.inverse_transform
        columns = outer.regressor_.predict(X[:5], coverage=0.8).T
        low, point, high = (back(column[:, None])[:, 0] for column in columns)
        np.testing.assert_allclose(point, outer.predict(X[:5]))
        assert (low < point).all()
        assert (point < high).all()


def test_columns_that_predict_cannot_return():
    fitted = model(early_stopping=True).fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"quantiles=True.*loss='quantile'"):
        fitted.predict(X, quantiles=True)
    with pytest.raises(InvalidParameterError, match="Pass one of them"):
        fitted.predict(X, quantiles=True, coverage=0.8)
    with pytest.raises(InvalidParameterError, match=r"predict: coverage=1\.5"):
        fitted.predict(X, coverage=1.5)
    with pytest.raises(InvalidParameterError, match="needs a validation set"):
        model().fit(X, Y).predict(X, coverage=0.8)
    with pytest.raises(NotFittedError):
        model().predict(X, coverage=0.8)
