"""backtest: the forecasts of a loop over splits, with the times they belong to."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, make_targets
from sklearn_gru.exceptions import InputError, InvalidParameterError, LostHistoryWarning
from sklearn_gru.inspection import BacktestDisplay
from sklearn_gru.model_selection import PanelTimeSeriesSplit, backtest

HOURS = pd.date_range("2024-01-01", periods=120, freq="h")


def series(n=120):
    rng = np.random.default_rng(0)
    load = np.sin(np.arange(n) / 4) + 0.1 * rng.normal(size=n)
    return pd.DataFrame({"load": load, "temp": rng.normal(size=n)}, index=HOURS[:n])


def panel():
    parts = {"b": series(), "a": series(90) + 3}
    return (
        pd.concat(parts, names=["shop"])
        .rename_axis(["shop", "time"])
        .sample(frac=1, random_state=0)
    )


def ridge(lag=3, **params):
    window = SlidingWindow(6, lag=lag, flatten=True, **params)
    return make_pipeline(window, SimpleImputer(), Ridge(1.0))


def by_loop(model, X, y, cv):
    """Predictions of each test set, of a model fitted to each training set."""
    for train, test in cv.split(X):
        fitted = clone(model).fit(X.iloc[train], y.iloc[train])
        yield test, fitted.predict(X.iloc[test])


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_one_step_forecasts_are_those_of_a_loop(n_jobs):
    """Values, truth and times: the origin is lag steps before the time."""
    X = series()
    y, cv = X["load"], TimeSeriesSplit(3)
    table = backtest(ridge(), X, y, cv=cv, n_jobs=n_jobs)
    assert list(table) == [
        "split",
        "origin",
        "horizon",
        "time",
        "row",
        "truth",
        "prediction",
    ]
    for k, (test, expected) in enumerate(by_loop(ridge(), X, y, cv)):
        part = table[table["split"] == k]
        np.testing.assert_array_equal(part["row"], test)
        np.testing.assert_array_equal(part["prediction"], expected)
    np.testing.assert_array_equal(table["truth"], y.iloc[table["row"]])
    assert (table["time"].to_numpy() == X.index[table["row"]]).all()
    assert (table["time"] - table["origin"] == pd.Timedelta("3h")).all()
    assert (table["horizon"] == 3).all()


def test_paths_have_a_row_per_step():
    """Step k of a path is k steps after its origin."""
    X, Y = make_targets(series(), series()["load"], 4)
    cv = TimeSeriesSplit(2)
    table = backtest(ridge(lag=4), X, Y, cv=cv)
    expected = np.concatenate(
        [found.ravel() for _, found in by_loop(ridge(4), X, Y, cv)]
    )
    np.testing.assert_array_equal(table["prediction"], expected)
    assert table["horizon"].tolist() == [1, 2, 3, 4] * (len(table) // 4)
    assert (
        table["origin"] + table["horizon"] * pd.Timedelta("1h") == table["time"]
    ).all()
    np.testing.assert_allclose(table["truth"], series()["load"].loc[table["time"]])
    with pytest.raises(InputError, match=r"y has 4 columns, but lag=3"):
        backtest(ridge(lag=3), X, Y.iloc[:, ::-1], cv=cv)


def test_groups_and_default_splits_of_a_panel():
    X = panel()
    table = backtest(ridge(), X, X["load"], cv=2)
    cv = PanelTimeSeriesSplit(2)
    rows = np.concatenate([test for _, test in cv.split(X)])
    np.testing.assert_array_equal(table["row"], rows)
    keys = X.index[table["row"]]
    assert table["group"].tolist() == keys.get_level_values("shop").tolist()
    assert (table["time"].to_numpy() == keys.get_level_values("time")).all()


def test_without_refit_windows_still_see_all_rows():
    """One training; a later window holds every row before its own."""
    X = series()
    y, cv = X["load"], TimeSeriesSplit(3)
    table, models = backtest(ridge(), X, y, cv=cv, refit=False, return_estimator=True)
    assert len({id(model) for model in models}) == 1
    first, _ = next(iter(cv.split(X)))
    model = ridge().fit(X.iloc[first], y.iloc[first])
    whole = model[:1].fit_transform(X)  # no row looks ahead
    expected = model[1:].predict(whole)
    np.testing.assert_allclose(table["prediction"], expected[table["row"]])


def test_fit_parameters_are_split_like_rows():
    X = series()
    weight = np.r_[np.zeros(20), np.ones(100)]
    params = {"ridge__sample_weight": weight}
    table = backtest(ridge(), X, X["load"], cv=TimeSeriesSplit(2), params=params)
    train, test = next(iter(TimeSeriesSplit(2).split(X)))
    model = ridge().fit(
        X.iloc[train], X["load"].iloc[train], ridge__sample_weight=weight[train]
    )
    expected = model.predict(X.iloc[test])
    np.testing.assert_array_equal(table["prediction"][: len(test)], expected)


def test_intervals_of_a_network():
    """The columns of predict(X, coverage=...)."""
    X = series()
    gru = GRURegressor(
        4, max_iter=2, early_stopping=True, validation_fraction=0.3, random_state=0
    )
    model = make_pipeline(SlidingWindow(6, lag=2), gru)
    table, models = backtest(
        model, X, X["load"], cv=TimeSeriesSplit(2), coverage=0.6, return_estimator=True
    )
    part = table[table["split"] == 1]
    expected = models[1].predict(X.iloc[part["row"]], coverage=0.6)
    np.testing.assert_array_equal(part[["low", "prediction", "high"]], expected)
    display = BacktestDisplay.from_forecasts(table, metric="coverage")
    inside = table["truth"].between(table["low"], table["high"])
    assert display.table.tolist() == [
        inside[table["split"] == k].mean() for k in (0, 1)
    ]


def test_rows_without_times_and_irregular_times():
    """Times are row numbers, or those of the rows before."""
    X = series()
    with pytest.warns(LostHistoryWarning, match="X carries no time"):
        table = backtest(ridge(), X.to_numpy(), X["load"].to_numpy(), cv=2)
    assert (table["time"] == table["row"]).all()
    assert (table["origin"] == table["row"] - 3).all()
    gaps = np.random.default_rng(0).integers(1, 10**7, size=120)
    times = HOURS[0] + pd.to_timedelta(gaps.cumsum(), unit="s")
    table = backtest(ridge(), X.set_axis(times), X["load"].to_numpy(), cv=2)
    assert (table["origin"].to_numpy() == times[table["row"] - 3]).all()


def test_searches_are_models_too():
    X = series()
    search = GridSearchCV(ridge(), {"ridge__alpha": [0.1, 10.0]}, cv=TimeSeriesSplit(2))
    table = backtest(search, X, X["load"], cv=TimeSeriesSplit(2))
    assert (table["time"] - table["origin"] == pd.Timedelta("3h")).all()


def test_models_that_cannot_be_backtested():
    X = series()
    with pytest.raises(InputError, match=r"Ridge has no SlidingWindow.*cross_validate"):
        backtest(Ridge(), X, X["load"])
    classifier = make_pipeline(SlidingWindow(3, flatten=True), LogisticRegression())
    with pytest.raises(InputError, match="predicts classes"):
        backtest(classifier, X, X["load"] > 0)
    with pytest.raises(InvalidParameterError, match="refit='no' is not allowed"):
        backtest(ridge(), X, X["load"], refit="no")


def test_the_display_averages_errors():
    X, Y = make_targets(series(), series()["load"], 4)
    table = backtest(ridge(lag=4), X, Y, cv=TimeSeriesSplit(2))
    error = table["prediction"] - table["truth"]
    display = BacktestDisplay.from_forecasts(table)
    pd.testing.assert_series_equal(
        display.table, error.abs().groupby(table["horizon"]).mean(), check_names=False
    )
    np.testing.assert_array_equal(display.artist_.get_ydata(), display.table)
    bias = BacktestDisplay.from_forecasts(table, by="split", metric="bias").table
    assert bias.tolist() == pytest.approx(error.groupby(table["split"]).mean().tolist())
    shops = backtest(ridge(), panel(), panel()["load"], cv=2)
    bars = BacktestDisplay.from_forecasts(shops, metric="rmse")
    assert set(bars.table.index) == {"a", "b"}
    assert len(bars.artist_) == 2
    with pytest.raises(InputError, match=r"no column 'low', 'high'.*coverage=0.9"):
        BacktestDisplay.from_forecasts(table, metric="coverage")
    with pytest.raises(InputError, match=r"no column 'group'"):
        BacktestDisplay.from_forecasts(table, by="group")
