"""Forecasts end to end, on real data: the future, the newest row, the search."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, future_frame, make_targets
from sklearn_gru.datasets import load_bike_sharing, load_nyc_weather
from sklearn_gru.exceptions import LostHistoryWarning
from sklearn_gru.model_selection import PanelTimeSeriesSplit

HORIZON = 24
KNOWN = ["hour", "temp"]


@pytest.fixture(scope="module")
def bikes():
    """Hours without a hole, and a model of the next day fitted on all but the last."""
    frame = load_bike_sharing().frame[["bikers", *KNOWN]].asfreq("h").ffill()
    frame = frame.iloc[-700:].astype("float64")
    past = frame.iloc[:-HORIZON]
    X, Y = make_targets(past, past["bikers"], HORIZON)
    model = make_pipeline(
        SlidingWindow(72, lag=HORIZON, known_future=KNOWN),
        GRURegressor(
            8,
            segment_length=24,
            normalization="last",
            target_feature="bikers",
            max_iter=3,
            dtype="float32",
            random_state=0,
        ),
    )
    return model.fit(X, Y), frame, past


def _forecast(model, rows):
    """Path of the last row; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.predict(rows)[-1]


def _refitted_window(model, rows):
    """The same network behind a window that remembers these rows."""
    window = SlidingWindow(72, lag=HORIZON, known_future=KNOWN).fit(rows)
    return make_pipeline(window, model[1])


def test_a_forecast_after_the_end_is_that_of_a_longer_frame(bikes):
    """To the bit, whatever stands in the rows to come besides what is known ahead."""
    model, frame, past = bikes
    future = future_frame(past, HORIZON)
    future[KNOWN] = frame[KNOWN].iloc[-HORIZON:]
    path = _forecast(model, future)
    assert path.shape == (HORIZON,)
    assert np.isfinite(path).all()
    np.testing.assert_array_equal(_forecast(model, frame.iloc[-HORIZON:]), path)
    np.testing.assert_array_equal(
        _forecast(_refitted_window(model, frame), frame), path
    )


def test_every_step_of_the_path_sees_the_newest_row(bikes):
    """One more bike in the newest hour moves all 24 steps; one 100 hours ago none."""
    model, frame, past = bikes
    future = future_frame(past, HORIZON)
    future[KNOWN] = frame[KNOWN].iloc[-HORIZON:]
    path = _forecast(model, future)
    for back, moves in ((1, True), (100, False)):
        changed = past.copy()
        changed.iloc[-back, 0] += 50.0
        after = _forecast(_refitted_window(model, changed), future)
        assert (after != path).tolist() == [moves] * HORIZON
    # Not only the level that is added back moves: the network has seen the row.
    changed = past.copy()
    changed.iloc[-1, 0] += 50.0
    shift = _forecast(_refitted_window(model, changed), future) - path
    assert (np.abs(shift - 50.0) > 1e-3).all()


def test_what_is_known_ahead_changes_the_path(bikes):
    """The temperature of the row of the forecast is read, its bikers are not."""
    model, frame, past = bikes
    future = future_frame(past, HORIZON)
    future[KNOWN] = frame[KNOWN].iloc[-HORIZON:]
    path = _forecast(model, future)
    future.iloc[-1, future.columns.get_loc("temp")] += 1.0
    assert (_forecast(model, future) != path).all()


def _three_series():
    """Unequal starts, holes, and levels a hundred times apart."""
    weather, _ = load_nyc_weather(return_X_y=True)
    panel = weather.loc[weather["temp"].notna(), ["temp"]]
    panel = panel.groupby(level="origin").head(700)
    ewr, jfk, lga = (panel.loc[[name]] for name in ("EWR", "JFK", "LGA"))
    return pd.concat([ewr, jfk.iloc[200:] * 100, lga.drop(lga.index[300:310])])


@pytest.mark.slow
def test_the_whole_path_inside_a_search():
    """Window, segments and size are searched together, on two processes, by time."""
    panel = _three_series()
    X, Y = make_targets(panel, panel["temp"], 12)
    gru = GRURegressor(
        normalization="standard",
        target_feature="temp",
        linear_share=0,
        max_iter=2,
        random_state=0,
    )
    model = make_pipeline(SlidingWindow(24, lag=12), gru)
    grid = {
        "slidingwindow__window_size": [24, 48],
        "gruregressor__segment_length": [None, 12],
        "gruregressor__hidden_size": [4, 8],
    }
    search = GridSearchCV(
        model,
        grid,
        cv=PanelTimeSeriesSplit(2, test_size=100),
        n_jobs=2,
        scoring="neg_mean_absolute_error",
        error_score="raise",
    )
    search.fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 8
    # The same by hand: what the workers did is what the splits say.
    errors = []
    for train, test in search.cv.split(X):
        model.set_params(**search.best_params_).fit(X.iloc[train], Y.iloc[train])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LostHistoryWarning)
            predicted = model.predict(X.iloc[test])
        errors.append(np.abs(predicted - Y.iloc[test]).to_numpy().mean())
    assert -search.best_score_ == pytest.approx(np.mean(errors), rel=1e-5)
    future = search.predict(future_frame(panel, 12))
    assert future.shape == (3 * 12, 12)
    assert np.isfinite(future).all()


def test_new_and_short_series_are_legal():
    """A series unseen in fit and one shorter than the window are forecast."""
    panel = _three_series()
    X, Y = make_targets(panel, panel["temp"], 12)
    gru = GRURegressor(
        4, normalization="last", target_feature="temp", max_iter=1, random_state=0
    )
    model = make_pipeline(SlidingWindow(48, lag=12), gru).fit(X, Y)
    hours = pd.date_range("2013-02-10", periods=20, freq="h", tz="UTC")
    new = pd.MultiIndex.from_product([["BOS"], hours], names=X.index.names)
    short = pd.DataFrame({"temp": np.linspace(900.0, 919.0, 20)}, index=new)
    path = model.predict(pd.concat([short, future_frame(short, 12)]))[-1]
    assert path.shape == (12,)
    assert (np.abs(path - 919) < 100).all()  # at the level of its own series


def test_the_figure_is_the_one_that_is_drawn():
    """The files beside the script are what it draws today, in both palettes."""
    folder = Path(__file__).parents[1] / "docs" / "figures"
    spec = importlib.util.spec_from_file_location(
        "draw_forecast_rows", folder / "draw_forecast_rows.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, palette in script.PALETTES.items():
        path = folder / f"forecast_rows_{name}.svg"
        assert path.read_text(encoding="utf-8") == script.draw(**palette)
