"""Displays: what they show, at the right step or time, and what they refuse."""

import subprocess
import sys
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_gru import (
    GRUClassifier,
    GRURegressor,
    SlidingWindow,
    future_frame,
    make_targets,
)
from sklearn_gru.exceptions import InputError, InvalidParameterError
from sklearn_gru.inspection import (
    AttentionDisplay,
    ForecastDisplay,
    GateDisplay,
    LossCurveDisplay,
    StepImportanceDisplay,
    step_permutation_importance,
)

mpl.use("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        mpl.pyplot.close("all")


def small(**params):
    return GRURegressor(4, max_iter=2, random_state=0, **params)


def windowed(**params):
    return make_pipeline(SlidingWindow(5, lag=1), small(**params))


def ragged(n=30):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(2 + i % 5, 2)) for i in range(n)]
    return X, np.array([x[-1, 0] for x in X])


def drawn(line):
    """Values of a line, without the NaN of holes."""
    values = np.asarray(line.get_ydata(), dtype=float)
    return values[~np.isnan(values)]


def overlaps(ax):
    """Whether the legend covers any point that is drawn as a line."""
    ax.figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    points = [ax.transData.transform(line.get_xydata()) for line in ax.lines]
    return any(
        box.contains(*p) for p in np.concatenate(points) if not np.isnan(p).any()
    )


# -- losses --------------------------------------------------------------------------------


def test_loss_curve():
    """Training and validation loss by epoch, the best one marked."""
    X, y = ragged()
    model = small(early_stopping=True).set_params(max_iter=6).fit(X, y)
    display = LossCurveDisplay.from_estimator(model, name="GRU")
    np.testing.assert_array_equal(drawn(display.line_), model.loss_curve_)
    np.testing.assert_allclose(
        drawn(display.validation_line_), -np.array(model.validation_scores_)
    )
    ((epoch, loss),) = display.best_.get_xydata()
    assert epoch == model.best_iteration_
    assert loss == -model.validation_scores_[model.best_iteration_ - 1]
    assert display.line_.get_label() == "GRU: training"
    assert display.figure_ is display.ax_.figure
    assert not overlaps(display.ax_)
    plain = LossCurveDisplay.from_estimator(small().fit(X, y), ax=display.ax_)
    assert plain.ax_ is display.ax_
    assert plain.validation_line_ is plain.best_ is None


def test_loss_curve_of_partial_fits():
    """Epochs without validation leave a gap and shift nothing."""
    X, y = ragged()
    model = small(warm_start=True).fit(X, y)
    model.set_params(early_stopping=True).fit(X, y)
    display = LossCurveDisplay.from_estimator(model)
    held = np.isnan(np.asarray(display.validation_line_.get_ydata()))
    assert held.tolist() == [True, True, False, False]


def test_models_inside_others(hourly):
    """Pipelines, searches and transformed targets are opened."""
    X, y = ragged()
    search = GridSearchCV(windowed(), {"gruregressor__max_iter": [1, 3]}, cv=2)
    search.fit(hourly, hourly["load"])
    best = search.best_params_["gruregressor__max_iter"]
    assert len(LossCurveDisplay.from_estimator(search).loss) == best
    target = TransformedTargetRegressor(small()).fit(X, y)
    assert len(LossCurveDisplay.from_estimator(target).loss) == 2
    with pytest.raises(InputError, match=r"Ridge has no loss_curve_.*GRURegressor"):
        LossCurveDisplay.from_estimator(Ridge())


# -- attention and gates -------------------------------------------------------------------


def test_attention_display():
    """Lines for a few sequences, a heat map for many, both of attention_weights."""
    X, y = ragged()
    model = small(pooling="attention").fit(X, y)
    weights = model.attention_weights(X)
    names = [f"no {k}" for k in range(30)]
    display = AttentionDisplay.from_estimator(model, X, sequences=[3, 0], labels=names)
    np.testing.assert_array_equal(display.weights, weights[[3, 0]])
    line = display.lines_[0]
    assert line.get_label() == "no 3"
    assert line.get_xdata().tolist() == [-6, -5, -4, -3, -2, -1]
    np.testing.assert_array_equal(line.get_ydata(), weights[3])
    assert not overlaps(display.ax_)
    display = AttentionDisplay.from_estimator(model, X)
    np.testing.assert_array_equal(
        np.ma.filled(display.mesh_.get_array(), np.nan), weights
    )
    assert display.lines_ == []
    assert display.ax_.get_ylim() == (29.5, -0.5)
    one = AttentionDisplay.from_predictions(weights[0], kind="heatmap")
    assert one.mesh_.get_array().shape == (1, 6)
    with pytest.raises(InvalidParameterError, match=r"kind='bar'"):
        AttentionDisplay.from_predictions(weights, kind="bar")
    with pytest.raises(InvalidParameterError, match=r"labels has 2 entries for 30"):
        AttentionDisplay.from_predictions(weights, labels=["a", "b"])
    with pytest.raises(InvalidParameterError, match=r"pooling='last'"):
        AttentionDisplay.from_estimator(small().fit(X, y), X)


def test_labels_of_a_tall_heat_map_are_thinned():
    """No two of them touch."""
    display = AttentionDisplay.from_predictions(np.ones((200, 5)))
    display.figure_.draw_without_rendering()
    boxes = [t.get_window_extent() for t in display.ax_.get_yticklabels()]
    tops = sorted((box.y0, box.y1) for box in boxes)
    assert len(tops) > 5
    assert all(a[1] < b[0] for a, b in pairwise(tops))


def test_gate_display(hourly):
    """Mean or units of one layer and direction of one window."""
    model = windowed(num_layers=2, bidirectional=True).fit(hourly, hourly["load"])
    gates = model[-1].gate_activations(model[:-1].transform(hourly))
    display = GateDisplay.from_estimator(
        model, hourly, sequence=-1, layer=1, direction=1
    )
    expected = gates.update_gate[-1, :, 1, 1]
    np.testing.assert_allclose(display.gates["update"], expected)
    (line,) = display.lines_["update"]
    np.testing.assert_allclose(line.get_ydata(), expected.mean(axis=1))
    assert line.get_xdata().tolist() == [-5, -4, -3, -2, -1]
    assert not overlaps(display.ax_)
    display.plot(gates="reset", units=[0, 2])
    assert list(display.lines_) == ["reset"]
    np.testing.assert_allclose(
        display.lines_["reset"][1].get_ydata(), gates.reset_gate[-1, :, 1, 1, 2]
    )
    X, y = ragged()
    lstm = small(cell="lstm").fit(X, y)
    assert list(GateDisplay.from_estimator(lstm, X).lines_) == [
        "input",
        "forget",
        "output",
    ]
    for bad, message in (
        ({"sequence": 200}, r"not one of the 200 sequences"),
        ({"layer": 2}, r"layer=2 .* 2 layers and 2 directions"),
        (
            {"gates": ["forget"]},
            r"'forget' is not one of the gates .*'reset', 'update'",
        ),
        ({"units": [4]}, r"units=\[4\].*4 units"),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            GateDisplay.from_estimator(model, hourly, **bad)


# -- forecasts -----------------------------------------------------------------------------


def test_forecast_rows_and_history(hourly):
    """The last rows at their times, before them the observed ones."""
    train, test = hourly[:150], hourly[150:]
    model = windowed().fit(train, train["load"])
    display = ForecastDisplay.from_estimator(
        model, test, test["load"], last=20, history=train["load"]
    )
    assert display.time.equals(hourly.index[-20:])
    np.testing.assert_array_equal(display.prediction, model.predict(test)[-20:])
    np.testing.assert_array_equal(drawn(display.truth_), test["load"][-20:])
    assert display.history.index.equals(hourly.index[:-20])
    np.testing.assert_array_equal(display.history, hourly["load"][:-20])
    assert display.ax_.get_ylabel() == "load"
    assert not overlaps(display.ax_)
    # Rows in any order are drawn in that of time.
    shuffled = test.sample(frac=1, random_state=0)
    again = ForecastDisplay.from_estimator(model, shuffled, shuffled["load"], last=20)
    # In float64, PyTorch rounds a sequence by where it lies in memory.
    np.testing.assert_allclose(again.prediction, display.prediction, rtol=1e-12)
    assert again.history is None


def test_forecast_range_and_future(hourly):
    """Both ends of a range are drawn; what is not observed yet is not."""
    model = windowed().fit(hourly, hourly["load"])
    span = ("2024-01-03", "2024-01-04 05:00")
    display = ForecastDisplay.from_estimator(
        model, hourly, hourly["load"], between=span
    )
    assert str(display.time[0]) == "2024-01-03 00:00:00"
    assert str(display.time[-1]) == "2024-01-04 05:00:00"
    assert ForecastDisplay.from_estimator(model, hourly[:1]).truth_ is None
    with pytest.raises(InputError, match="No row lies between"):
        ForecastDisplay.from_estimator(model, hourly, between=("2030", None))


def test_forecast_past_the_end(hourly):
    """The future has no truth; its axis has the name of the history."""
    model = make_pipeline(SlidingWindow(5, lag=3), small()).fit(hourly, hourly["load"])
    display = ForecastDisplay.from_estimator(
        model, future_frame(hourly, 3), history=hourly["load"]
    )
    assert display.name == "load"
    assert display.truth_ is None
    assert display.time[0] == hourly.index[-1] + pd.Timedelta("1h")
    assert len(display.history) == 100
    display = ForecastDisplay.from_estimator(
        model, future_frame(hourly, 3), history=hourly["load"][-96:]
    )
    assert len(display.history) == 96  # all that was given
    display = ForecastDisplay.from_estimator(
        model, hourly, history=hourly["load"][:-15], last=15
    )
    assert len(display.history) == 150  # ten times as many


def test_forecast_of_rows_with_a_time_column(hourly):
    """The history is a frame like X, or a series indexed by time."""
    frame = hourly.rename_axis("when").reset_index()
    window = SlidingWindow(5, lag=3, time="when")
    model = make_pipeline(window, small()).fit(frame, frame["load"])
    future = future_frame(frame, 3, time="when")
    for history in (hourly["load"], frame[["when", "load"]]):
        display = ForecastDisplay.from_estimator(model, future, history=history)
        assert display.history.index.equals(hourly.index[-100:])
    whole = ForecastDisplay.from_estimator(model, future, history=frame, output="load")
    np.testing.assert_array_equal(whole.history, hourly["load"][-100:])
    with pytest.raises(InputError, match=r"history=frame.set_index\('time'\)\['y'\]"):
        ForecastDisplay.from_estimator(model, future, history=frame["load"])
    with pytest.raises(InputError, match=r"columns 'when', .*output='"):
        ForecastDisplay.from_estimator(model, future, history=frame)


def test_forecast_of_a_panel_in_columns(hourly):
    panel = pd.concat({"a": hourly, "b": hourly + 1}, names=["shop", "when"])
    panel = panel.reset_index()
    window = SlidingWindow(5, lag=3, time="when", groups="shop")
    model = make_pipeline(window, small()).fit(panel, panel["load"])
    future = future_frame(panel, 3, time="when", groups="shop")
    display = ForecastDisplay.from_estimator(
        model, future, history=panel, group="b", output="load"
    )
    np.testing.assert_array_equal(display.history, hourly["load"][-100:] + 1)


def test_forecast_of_a_path(hourly):
    """All steps of the last row, each at its time; of two targets, one is chosen."""
    X, Y = make_targets(hourly, hourly["load"], 4)
    quantiles = {"loss": "quantile", "quantile": (0.1, 0.5, 0.9)}
    model = make_pipeline(SlidingWindow(5, lag=4), small(**quantiles)).fit(X, Y)
    future = future_frame(hourly, 4)
    for history, output in ((hourly["load"], None), (None, "path")):
        display = ForecastDisplay.from_estimator(
            model, future, history=history, output=output
        )
        assert display.time.equals(future.index)
        np.testing.assert_array_equal(display.prediction, model.predict(future)[-1])
        expected = model.predict(future, quantiles=True)[-1]
        np.testing.assert_array_equal(display.quantiles, expected)
        assert display.truth is None
    past = ForecastDisplay.from_estimator(
        model, X, Y, history=Y.iloc[:, -1], output="path"
    )
    np.testing.assert_array_equal(past.truth, hourly["load"][-4:])
    assert past.history.index[-1] == hourly.index[-5]
    with pytest.raises(InvalidParameterError, match=r"4 outputs.*output='path'"):
        ForecastDisplay.from_estimator(model, future)
    two = make_pipeline(SlidingWindow(5, lag=1), small()).fit(hourly, hourly)
    with pytest.raises(InvalidParameterError, match=r"lag=1: they are not a path"):
        ForecastDisplay.from_estimator(two, hourly, output="path")


def test_forecast_of_one_group(hourly):
    """A panel needs a choice; times are those of the group."""
    panel = pd.concat({"a": hourly, "b": hourly[20:] + 1}, names=["shop", "time"])
    model = windowed().fit(panel, panel["load"])
    display = ForecastDisplay.from_estimator(
        model, panel, panel["load"], group="b", history=panel["load"] * 0
    )
    assert display.time.equals(hourly.index[20:])
    np.testing.assert_array_equal(drawn(display.truth_), hourly["load"][20:] + 1)
    assert len(display.history) == 0
    assert display.history_ is None
    with pytest.raises(InputError, match=r"None is not one of the 2 groups.*'a', 'b'"):
        ForecastDisplay.from_estimator(model, panel)
    flat = panel.reset_index()
    keyed = make_pipeline(SlidingWindow(5, lag=1, groups="shop", time="time"), small())
    keyed.fit(flat, flat["load"])
    display = ForecastDisplay.from_estimator(keyed, flat, flat["load"], group="a")
    assert display.time.equals(hourly.index)
    with pytest.raises(InputError, match=r"no groups"):
        ForecastDisplay.from_estimator(small().fit(*ragged()), ragged()[0], group=1)


def test_forecast_of_one_output(hourly):
    """Several outputs need a choice, by name or position."""
    X, Y = make_targets(hourly, hourly["load"], 3)
    model = make_pipeline(SlidingWindow(5, lag=3), small()).fit(X, Y)
    display = ForecastDisplay.from_estimator(model, X, Y, output="load_step_2")
    np.testing.assert_array_equal(drawn(display.truth_), Y["load_step_2"])
    np.testing.assert_array_equal(display.prediction, model.predict(X)[:, 1])
    assert display.name == "load_step_2"
    with pytest.raises(InvalidParameterError, match=r"3 outputs, called load_step_1"):
        ForecastDisplay.from_estimator(model, X, Y)


class Quantiles(RegressorMixin, BaseEstimator):
    """Predicts quantiles as GRURegressor(loss="quantile") does."""

    quantile = (0.9, 0.5, 0.1)

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.full(len(X), 5.0)

    def predict_quantiles(self, X):
        return np.column_stack([np.full(len(X), q) for q in (9.0, 5.0, 1.0)])


def test_quantile_bands(hourly):
    """Outer quantiles make a band; the middle one makes none."""
    model = Quantiles().fit(hourly, hourly["load"])
    display = ForecastDisplay.from_estimator(model, hourly, hourly["load"])
    (band,) = display.bands_
    assert band.get_label() == "10 to 90 %"
    limits = band.get_datalim(display.ax_.transData)
    assert (limits.ymin, limits.ymax) == (1, 9)
    inside = make_pipeline(TransformedTargetRegressor(Quantiles()))
    inside.fit(hourly, hourly["load"])
    # Quantiles of a transformed target are not those of the target.
    assert ForecastDisplay.from_estimator(inside, hourly).bands_ == []
    display = ForecastDisplay.from_predictions(
        hourly["load"],
        hourly["load"],
        quantiles=np.arange(1000.0).reshape(200, 5),
        levels=[0.05, 0.25, 0.5, 0.75, 0.95],
        history=hourly["load"],
    )
    assert [b.get_label() for b in display.bands_] == ["5 to 95 %", "25 to 75 %"]
    with pytest.raises(InvalidParameterError, match=r"levels=\(0.1, 0.9\)"):
        ForecastDisplay.from_predictions([1.0], [1.0], quantiles=[[1.0]])


def test_holes_interrupt_the_line(hourly):
    """A line does not claim what lies in a hole; a weekend is none."""
    rest = hourly.drop(hourly.index[50:80])
    display = ForecastDisplay.from_predictions(rest["load"], rest["load"])
    values = np.asarray(display.line_.get_ydata(), dtype=float)
    assert np.flatnonzero(np.isnan(values)).tolist() == [50]
    np.testing.assert_array_equal(drawn(display.line_), rest["load"])
    days = pd.Series(1.0, pd.date_range("2024-01-01", periods=20, freq="B"))
    display = ForecastDisplay.from_predictions(days, days)
    assert not np.isnan(np.asarray(display.line_.get_ydata())).any()


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin"),
        pd.period_range("2020-01", periods=60, freq="M"),
        pd.RangeIndex(10, 70),
        pd.Index(np.arange(60.0) * 2.5),
    ],
    ids=["zone", "period", "integer", "float"],
)
def test_kinds_of_time(index):
    """Each has its axis; without times rows are numbered."""
    y = pd.Series(np.arange(60.0), index=index, name="y")
    display = ForecastDisplay.from_predictions(y, y + 1)
    display.figure_.draw_without_rendering()
    assert len(display.time) == 60
    frame = y.to_frame()
    if not isinstance(index, pd.Index) or index.dtype != float:
        model = windowed().fit(frame, y)
        shown = ForecastDisplay.from_estimator(model, frame, y)
        shown.figure_.draw_without_rendering()
        assert shown.time.equals(display.time)
    numbered = ForecastDisplay.from_predictions(None, y.to_numpy())
    assert numbered.time.tolist() == list(range(60))


@pytest.mark.parametrize("freq", ["s", "min", "h", "D", "W", "MS", "YS"])
@pytest.mark.parametrize("n", [2, 7, 23, 60, 100, 200])
def test_dates_have_few_labels_for_any_span(freq, n):
    """Two to eight, with no complaint of matplotlib."""
    y = pd.Series(1.0, pd.date_range("2020-03-01", periods=n, freq=freq))
    ax = ForecastDisplay.from_predictions(None, y).ax_
    low, high = ax.get_xlim()
    assert 1 <= sum(low <= tick <= high for tick in ax.get_xticks()) <= 8


def test_history_needs_times(hourly):
    """An array or an unindexed series has no place on the axis."""
    with pytest.raises(InputError, match=r"history is a ndarray; expected a Series"):
        ForecastDisplay.from_predictions([1.0], [1.0], history=np.ones(3))
    letters = pd.Series([1.0, 2.0], index=["a", "b"])
    with pytest.raises(InputError, match=r"index of history is not a time"):
        ForecastDisplay.from_predictions([1.0], [1.0], history=letters)


# -- permutation ---------------------------------------------------------------------------


class Sums(GRURegressor):
    """A known function of the cells: 2 x feature 1 at the last step, minus feature 0."""

    def predict(self, X):
        cells = [np.asarray(x) for x in X]
        return np.array([2 * x[-1, 1] - (x[-3, 0] if len(x) > 2 else 0) for x in cells])


def fitted_sums(X, y):
    return Sums(2, max_iter=1).fit(X, y)


def test_importance_by_definition():
    """Only the cells that the model reads matter, and as much as by a plain loop."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4, 2))
    y = 2 * X[:, -1, 1] - X[:, -3, 0]
    model = fitted_sums(X, y)
    copy = X.copy()
    result = step_permutation_importance(model, X, y, n_repeats=3, random_state=1)
    np.testing.assert_array_equal(X, copy)
    assert result.score == 1
    assert result.steps.tolist() == [-4, -3, -2, -1, 0]
    assert result.importances.shape == (4, 2, 3)
    read = np.zeros((4, 2), dtype=bool)
    read[3, 1] = read[1, 0] = True
    np.testing.assert_array_equal(result.importances_mean != 0, read)
    rng = np.random.RandomState(1)
    for step in range(4):
        for feature in range(2):
            for repeat in range(3):
                changed = X.copy()
                order = rng.permutation(50)
                changed[:, step, feature] = X[order, step, feature]
                fall = 1 - r2_score(y, model.predict(changed))
                got = result.importances[step, feature, repeat]
                assert abs(got - fall) < 1e-12


def test_importance_of_ragged_sequences():
    """Values are exchanged among the sequences that have the step, and only there."""
    X, y = ragged()

    seen = []

    class Recorder(GRURegressor):
        def predict(self, X):
            seen.append(np.asarray(X))
            return np.zeros(len(X))

    model = Recorder(2, max_iter=1).fit(X, y)
    step_permutation_importance(
        model, X, y, n_repeats=2, random_state=0, block_length=2, scoring="r2"
    )
    first = seen[0]
    lengths = (~np.isnan(first).all(axis=2)).sum(axis=1)
    assert lengths.tolist() == [len(x) for x in X]
    assert len(seen) == 1 + 3 * 2 * 2
    for k, changed in enumerate(seen[1:]):
        block, feature = k // 4, k // 2 % 2
        part = np.s_[:, 2 * block : 2 * block + 2, feature]
        np.testing.assert_array_equal(np.isnan(changed), np.isnan(first))
        rest = np.ones(first.shape, dtype=bool)
        rest[part] = False
        np.testing.assert_array_equal(changed[rest], first[rest])
        whole = ~np.isnan(first[part]).any(axis=1)
        np.testing.assert_array_equal(changed[part][~whole], first[part][~whole])
        assert sorted(map(tuple, changed[part][whole])) == sorted(
            map(tuple, first[part][whole])
        )


def test_importance_layouts(hourly):
    """Windows of a pipeline by name, 2-D rows, a part of the sequences; a heat map."""
    model = windowed().fit(hourly, hourly["load"])
    result = step_permutation_importance(
        model, hourly, hourly["load"], n_repeats=1, max_samples=60, random_state=0
    )
    assert result.feature_names == ["load", "temp"]
    assert result.importances.shape == (5, 2, 1)
    rows = hourly["load"].to_numpy()[:180].reshape(30, 6)
    names = pd.DataFrame(rows, columns=list("abcdef"))
    flat = small(features_per_step=2).fit(names, rows[:, -1])
    result = step_permutation_importance(flat, names, rows[:, -1], block_length=2)
    assert result.steps.tolist() == [-3, -2, 0]
    display = StepImportanceDisplay.from_predictions(result)
    np.testing.assert_array_equal(display.mesh_.get_array(), result.importances_mean.T)
    labels = [t.get_text() for t in display.ax_.get_yticklabels()]
    assert labels == ["0", "1"]
    X, y = ragged()
    classifier = GRUClassifier(4, max_iter=1).fit(X, y > 0)
    shown = StepImportanceDisplay.from_estimator(classifier, X, y > 0, n_repeats=1)
    assert shown.result.importances.shape == (6, 2, 1)


def test_importance_of_categories():
    """Sequences keep their categories while codes are exchanged."""
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=60, freq="h")
    kind = pd.Categorical(rng.choice(["dry", "wet"], 60))
    frame = pd.DataFrame({"kind": kind, "x": rng.normal(size=60)}, index=index)
    model = windowed().fit(frame, frame["x"] * 3 + 1)
    result = step_permutation_importance(model, frame, frame["x"], n_repeats=1)
    assert result.feature_names == ["kind", "x"]
    assert np.isfinite(result.importances).all()


def test_importance_errors(hourly):
    """What has no steps is told where to go."""
    y = hourly["load"]
    with pytest.raises(InputError, match=r"Ridge does not read sequences"):
        step_permutation_importance(Ridge().fit(hourly, y), hourly, y)
    around = TransformedTargetRegressor(windowed()).fit(hourly, y)
    with pytest.raises(InputError, match=r"Transform y after the window"):
        step_permutation_importance(around, hourly, y)
    X, y = ragged()
    model = small().fit(X, y)
    with pytest.raises(InvalidParameterError, match=r"n_repeats=0"):
        step_permutation_importance(model, X, y, n_repeats=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        step_permutation_importance(model, X, y[:-1])


def test_importance_of_tokens():
    """Categories are permuted as their codes; a list of tokens is one more layout."""
    words = GRUClassifier(8, max_iter=30, categorical_features=[0], random_state=0)
    tokens = [["a", "b"], ["b", "c"]] * 12
    y = [0, 1] * 12
    words.fit(tokens, y)
    result = step_permutation_importance(words, tokens, y, random_state=0)
    assert result.importances_mean.shape == (2, 1)
    assert result.score == 1
    assert result.importances_mean.max() > 0.1


# -- matplotlib is optional ----------------------------------------------------------------


@pytest.mark.slow
def test_without_matplotlib():
    """Everything but drawing works, and drawing says what to install."""
    code = """
import sys
sys.modules["matplotlib"] = sys.modules["matplotlib.pyplot"] = None
from sklearn_gru.inspection import LossCurveDisplay
display = LossCurveDisplay(loss=[2.0, 1.0])
try:
    display.plot()
except ImportError as error:
    print(error)
"""
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "LossCurveDisplay.plot needs matplotlib" in out.stdout
    assert "pip install matplotlib" in out.stdout
