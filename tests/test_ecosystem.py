"""The pipeline inside scikit-learn's tools, on real data.

Each test compares with a number worked out by hand, or with the seasonal naive forecast
(the value 24 hours before), which a forecaster that has lost its history does not beat.
"""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (scikit-learn's own switch)
from sklearn.impute import SimpleImputer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from tests.builders import seasonal_naive

FAST = {
    "hidden_size": 16,
    "max_iter": 15,
    "learning_rate": 0.02,
    "early_stopping": False,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def data(bikes):
    """Some months of rentals: features with the target, target, names known ahead."""
    frame, y, known = bikes
    return frame.iloc[2000:3600], y.iloc[2000:3600], known


@pytest.fixture
def model(data):
    """Forecast one hour ahead from 24 hours, calendar and weather known."""
    window = SlidingWindow(24, lag=1, known_future=data[2])
    return make_pipeline(window, GRURegressor(**FAST))


def by_hand(model, X, y, train, test, **params):
    """Score of a fresh copy on one split."""
    copy = clone(model).set_params(**params).fit(X.iloc[train], y.iloc[train])
    return copy.score(X.iloc[test], y.iloc[test])


@pytest.mark.slow
def test_cross_val_score(model, data):
    """Every fold beats the seasonal naive and equals the loop by hand."""
    X, y, _ = data
    cv = TimeSeriesSplit(3)
    scores = cross_val_score(model, X, y, cv=cv)
    expected = [by_hand(model, X, y, *split) for split in cv.split(X)]
    np.testing.assert_array_equal(scores, expected)
    assert scores.min() > seasonal_naive(y)


@pytest.mark.slow
def test_grid_search(model, data):
    """Two processes search window and width; scores equal those by hand."""
    X, y, _ = data
    grid = {
        "slidingwindow__window_size": [3, 24],
        "gruregressor__hidden_size": [4, 16],
    }
    cv = TimeSeriesSplit(2)
    search = GridSearchCV(model, grid, cv=cv, n_jobs=2).fit(
        X.iloc[:-200], y.iloc[:-200]
    )
    best = [
        by_hand(model, X.iloc[:-200], y.iloc[:-200], *split, **search.best_params_)
        for split in cv.split(X.iloc[:-200])
    ]
    assert search.best_score_ == pytest.approx(np.mean(best), abs=1e-12)
    assert search.score(X.iloc[-200:], y.iloc[-200:]) > seasonal_naive(y)


@pytest.mark.slow
def test_randomized_search(model, data):
    """Random draws find what the grid of the same values holds."""
    X, y, _ = data
    search = RandomizedSearchCV(
        model,
        {"gruregressor__learning_rate": [1e-6, 0.02]},
        n_iter=2,
        cv=TimeSeriesSplit(2),
        random_state=0,
    ).fit(X, y)
    assert search.best_params_ == {"gruregressor__learning_rate": 0.02}
    assert search.best_score_ > seasonal_naive(y)


@pytest.mark.slow
def test_halving_search_over_epochs(model, data):
    """Epochs are the resource: the last candidates get the most of them."""
    X, y, _ = data
    search = HalvingGridSearchCV(
        model,
        {"gruregressor__learning_rate": [1e-6, 1e-5, 0.02]},
        resource="gruregressor__max_iter",
        min_resources=4,
        max_resources=12,
        cv=KFold(2),
        random_state=0,
    ).fit(X, y)
    assert search.best_params_["gruregressor__learning_rate"] == 0.02
    assert search.best_estimator_[-1].n_iter_ == 12


def test_cross_val_predict(model, data):
    """Predictions stand at their rows."""
    X, y, _ = data
    cv = KFold(3)
    predicted = cross_val_predict(model, X, y, cv=cv)
    train, test = list(cv.split(X))[1]
    copy = clone(model).fit(X.iloc[train], y.iloc[train])
    np.testing.assert_array_equal(predicted[test], copy.predict(X.iloc[test]))
    assert r2_score(y, predicted) > seasonal_naive(y)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.LostHistoryWarning")
@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.UnseenDataWarning")
def test_learning_curve(model, data):
    """More rows, better scores; the last point is the whole fold.

    The first fifth of a fold leaves a hole before the test rows, which is said.
    """
    X, y, _ = data
    cv = TimeSeriesSplit(2)
    sizes, _, test = learning_curve(model, X, y, cv=cv, train_sizes=[0.2, 1.0])
    assert test[1].mean() > test[0].mean()
    train, held = next(iter(cv.split(X)))
    assert test[1][0] == by_hand(model, X, y, train[-sizes[1] :], held)


def test_transformed_target(model, data):
    """The square root of y is learned and undone."""
    X, y, _ = data
    whole = TransformedTargetRegressor(model, func=np.sqrt, inverse_func=np.square)
    whole.fit(X.iloc[:-300], y.iloc[:-300])
    alone = clone(model).fit(X.iloc[:-300], np.sqrt(y.iloc[:-300]))
    np.testing.assert_allclose(
        whole.predict(X.iloc[-300:]), alone.predict(X.iloc[-300:]) ** 2, rtol=1e-5
    )
    assert whole.score(X.iloc[-300:], y.iloc[-300:]) > seasonal_naive(y)


@pytest.mark.slow
def test_stacking(model, data):
    """A GRU and ridge on the same windows, stacked, beat either's worse."""
    X, y, known = data
    window = SlidingWindow(24, lag=1, known_future=known, flatten=True)
    ridge = make_pipeline(window, SimpleImputer(), StandardScaler(), Ridge())
    stack = StackingRegressor([("gru", model), ("ridge", ridge)], Ridge(), cv=KFold(2))
    stack.fit(X.iloc[:-300], y.iloc[:-300])
    held = X.iloc[-300:], y.iloc[-300:]
    gru = stack.named_estimators_["gru"].predict(held[0])
    single = clone(model).fit(X.iloc[:-300], y.iloc[:-300])
    np.testing.assert_array_equal(gru, single.predict(held[0]))
    scores = [e.score(*held) for e in stack.estimators_]
    assert stack.score(*held) > max(min(scores), seasonal_naive(y))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.UnseenDataWarning")
def test_calibration(data):
    """A calibrated pipeline of classes gives better probabilities than the prior."""
    X, y, known = data
    busy = np.where(y > y.median(), "busy", "calm")
    window = SlidingWindow(12, lag=1, known_future=known)
    classifier = make_pipeline(window, GRUClassifier(**FAST))
    calibrated = CalibratedClassifierCV(classifier, cv=KFold(2), ensemble=False)
    calibrated.fit(X.iloc[:-300], busy[:-300])
    p = calibrated.predict_proba(X.iloc[-300:])
    prior = np.mean(busy[:-300] == "busy")
    guess = log_loss(busy[-300:], np.tile([prior, 1 - prior], (300, 1)))
    assert log_loss(busy[-300:], p) < guess / 2


@pytest.mark.slow
def test_permutation_importance(model, data):
    """The hour matters more than the holiday, with time in the index."""
    X, y, _ = data
    model.fit(X.iloc[:-400], y.iloc[:-400])
    held = X.iloc[-400:], y.iloc[-400:]
    result = permutation_importance(model, *held, n_repeats=2, random_state=0)
    importance = dict(zip(X.columns, result.importances_mean, strict=True))
    assert importance["hour"] > importance["holiday"] + 0.05
    assert importance["bikers"] > importance["holiday"] + 0.05


@pytest.mark.slow
def test_partial_dependence(model, data):
    """The average equals the mean prediction with the column set by hand."""
    X, y, _ = data
    model.fit(X.iloc[:-200], y.iloc[:-200])
    part = X.iloc[-200:]
    got = partial_dependence(model, part, ["temp"], kind="average", grid_resolution=3)
    grid = got["grid_values"][0]
    expected = [model.predict(part.assign(temp=value)).mean() for value in grid]
    np.testing.assert_allclose(got["average"][0], expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8),
    reason="before 1.8 the scorer of a search does not ask the pipeline it scores",
)
def test_metadata_routing(model, data):
    """sample_weight reaches the network through searches and the pipeline."""
    X, y, _ = data
    weight = np.linspace(0.1, 1, len(X))
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(model)
        routed[-1].set_fit_request(sample_weight=True).set_score_request(
            sample_weight=True
        )
        search = GridSearchCV(
            routed, {"gruregressor__hidden_size": [16]}, cv=TimeSeriesSplit(2)
        ).fit(X, y, sample_weight=weight)
        scores = [search.cv_results_[f"split{k}_test_score"][0] for k in (0, 1)]
    expected = []
    for train, test in TimeSeriesSplit(2).split(X):
        copy = clone(model).fit(
            X.iloc[train], y.iloc[train], gruregressor__sample_weight=weight[train]
        )
        predicted = copy.predict(X.iloc[test])
        expected.append(r2_score(y.iloc[test], predicted, sample_weight=weight[test]))
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


@pytest.mark.slow
def test_a_scaler_in_front_keeps_the_history(data):
    """With pandas output every test row finds its past, in every fold."""
    X, y, known = data
    window = SlidingWindow(24, lag=1, known_future=known)
    scaled = make_pipeline(StandardScaler(), window, GRURegressor(**FAST))
    scaled.set_output(transform="pandas")
    for train, test in TimeSeriesSplit(3).split(X):
        fitted = clone(scaled).fit(X.iloc[train], y.iloc[train])
        windows = fitted[:-1].transform(X.iloc[test])
        assert (windows.lengths == 24).all()
        assert fitted.score(X.iloc[test], y.iloc[test]) > seasonal_naive(y)


def test_validation_data_through_the_pipeline(model, data):
    """transform_input sends X_val through the window, history included."""
    X, y, _ = data
    with sklearn.config_context(enable_metadata_routing=True):
        steps = clone(model).steps
        steps[-1][1].set_params(early_stopping=True, max_iter=30, linear_share=0)
        steps[-1][1].set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline(steps, transform_input=["X_val"])
        pipeline.fit(
            X.iloc[:-300], y.iloc[:-300], X_val=X.iloc[-300:], y_val=y.iloc[-300:]
        )
    gru = pipeline[-1]
    error = (pipeline.predict(X.iloc[-300:]) - y.iloc[-300:]) / y.iloc[:-300].std(
        ddof=0
    )
    assert -max(gru.validation_scores_) == pytest.approx((error**2).mean(), rel=1e-4)
    windows = pipeline[0].transform(X.iloc[-300:])
    assert (windows.lengths == 24).all()


@pytest.mark.slow
def test_panel_with_holes_and_missing_values():
    """Three airports, split by time: better than the value 24 hours before."""
    from sklearn_gru import datasets

    frame = datasets.load_nyc_weather().frame[
        ["temp", "dewp", "pressure", "wind_speed"]
    ]
    frame = frame[frame["temp"].notna()]
    time = frame.index.get_level_values("time")
    first, cut, end = (
        pd.Timestamp(t, tz="UTC") for t in ("2013-05", "2013-06", "2013-06-10")
    )
    train = frame[(time >= first) & (time < cut)]
    test = frame[(time >= cut) & (time < end)]
    model = make_pipeline(SlidingWindow(24, lag=6), GRURegressor(**FAST))
    model.fit(train, train["temp"])
    before = train["temp"].groupby(level=0).shift(24)
    naive = r2_score(train["temp"][before.notna()], before.dropna())
    assert model.score(test, test["temp"]) > naive
    assert (model[0].transform(test).lengths == 24).all()


@pytest.mark.slow
def test_speakers(speakers):
    """Sequences of any length in cross-validation and a search."""
    X, y, X_test, y_test = speakers
    model = GRUClassifier(32, max_iter=25, random_state=0)
    search = GridSearchCV(model, {"pooling": ["last", "mean"]}, cv=3).fit(X, y)
    assert search.score(X_test, y_test) > 0.9
