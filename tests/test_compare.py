"""The table of compare: every score by a plain loop, naive forecasts by look-up."""

import contextlib
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import accuracy_score, make_scorer, max_error, r2_score
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import (
    GRUClassifier,
    GRURegressor,
    SlidingWindow,
    make_targets,
    to_sequences,
)
from sklearn_gru.exceptions import InputError, InvalidParameterError
from sklearn_gru.inspection import CompareDisplay, compare
from sklearn_gru.inspection._baselines import naive_forecasts
from sklearn_gru.model_selection import PanelTimeSeriesSplit
from tests.builders import Terminal

BASELINES = ["last value", "seasonal naive", "ridge", "gradient boosting"]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def gru(window=5, lag=1, **params):
    return make_pipeline(
        SlidingWindow(window, lag=lag, **params),
        GRURegressor(4, max_iter=2, random_state=0),
    )


def score_of(table, model, metric="r2", **where):
    part = table[(table["model"] == model) & (table["metric"] == metric)]
    for key, value in where.items():
        part = part[part[key] == value]
    (mean,) = part["mean"]
    return mean


def panel_of(hourly):
    late = hourly[30:] * 2 + 1
    return pd.concat({"a": hourly, "b": late}, names=["shop", "time"])


# -- the table -----------------------------------------------------------------------------


def test_scores_are_those_of_a_plain_loop(hourly):
    """The user's model, ridge on flat windows and both naive forecasts."""
    y = hourly["load"]
    table = compare({"GRU": gru()}, hourly, y, cv=3)
    assert list(table.columns) == [
        "metric",
        "model",
        "mean",
        "std",
        "fit_seconds",
        "baseline",
    ]
    assert len(table) == 5 * 3
    assert set(table["model"]) == {"GRU", *BASELINES}
    assert table[~table["baseline"]]["model"].unique().tolist() == ["GRU"]
    expected = {"GRU": [], "last value": [], "seasonal naive": []}
    for train, test in TimeSeriesSplit(3).split(hourly):
        model = gru().fit(hourly.iloc[train], y.iloc[train])
        expected["GRU"].append(r2_score(y.iloc[test], model.predict(hourly.iloc[test])))
        expected["last value"].append(r2_score(y.iloc[test], y.shift(1).iloc[test]))
        expected["seasonal naive"].append(
            r2_score(y.iloc[test], y.shift(24).iloc[test])
        )
    for name, scores in expected.items():
        part = table[(table["model"] == name) & (table["metric"] == "r2")]
        np.testing.assert_allclose(part["mean"], np.mean(scores), rtol=1e-6)
        np.testing.assert_allclose(part["std"], np.std(scores), rtol=1e-6)
    assert (table["fit_seconds"] >= 0).all()
    # The best model first within a metric, and metrics in their order.
    assert table["metric"].unique().tolist() == [
        "r2",
        "neg_root_mean_squared_error",
        "neg_mean_absolute_error",
    ]
    for _, part in table.groupby("metric"):
        assert part["mean"].is_monotonic_decreasing


def test_baselines_read_the_same_windows(hourly):
    """Known columns, lag and steps in front of the window are those of the pipeline."""
    y = hourly["load"]
    ours = make_pipeline(
        SlidingWindow(5, lag=2, known_future="temp"), GRURegressor(4, max_iter=1)
    )
    cv = KFold(2)
    table = compare(ours, hourly, y, cv=cv, scoring="r2")
    flat = make_pipeline(
        SlidingWindow(5, lag=2, known_future="temp", flatten=True),
        SimpleImputer(keep_empty_features=True),
        StandardScaler(),
        RidgeCV(np.logspace(-1, 5, 13)),
    )
    by_hand = compare({"ridge": flat}, hourly, y, cv=cv, scoring="r2", baselines=False)
    assert len(by_hand) == 1
    assert score_of(table, "ridge") == score_of(by_hand, "ridge")
    both = compare({"ridge": flat}, hourly, y, cv=cv, scoring="r2")
    assert {"ridge", "ridge (baseline)"} <= set(both["model"])


@pytest.mark.parametrize("lag", [1, 3, 24, 30])
def test_naive_forecasts_look_up_what_was_known(hourly, lag):
    """Holes, unsorted rows and groups: by a loop over times."""
    panel = panel_of(hourly).drop(index=[("a", hourly.index[77])])
    panel = panel.sample(frac=1, random_state=0)
    y = panel["load"]
    found = naive_forecasts(SlidingWindow(5, lag=lag), panel, y, "infer")
    at = dict(y.items())
    season = 24 * -(-lag // 24)
    for k, (shop, t) in enumerate(panel.index):
        hour = pd.Timedelta(hours=1)
        known = [at.get((shop, t - back * hour)) for back in range(lag, lag + 5)]
        known = [value for value in known if value is not None]
        last = found["last value"][k]
        if known:
            assert last == known[0]
        expected = at.get((shop, t - season * hour))
        got = found["seasonal naive"][k]
        assert np.isnan(got) if expected is None else got == expected


def test_naive_forecasts_of_a_path(hourly):
    """The steps of a path continue one series, each from its own season."""
    X, Y = make_targets(hourly, hourly["load"], 6)
    for targets, rows in ((Y, X), (Y.to_numpy(), X)):
        found = naive_forecasts(SlidingWindow(4, lag=6), rows, targets, 24)
        assert found["last value"].shape == (195, 6)
        k = 100
        t = X.index[k]
        hour = pd.Timedelta(hours=1)
        assert (found["last value"][k] == hourly["load"][t - 6 * hour]).all()
        for j in range(6):
            step = t - (5 - j) * hour
            assert found["seasonal naive"][k, j] == hourly["load"][step - 24 * hour]


def test_naive_forecasts_of_arrays():
    """Row number is time; other outputs continue themselves."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(50, 2)), rng.normal(size=(50, 2))
    found = naive_forecasts(SlidingWindow(3, lag=2), X, Y, 7)
    np.testing.assert_array_equal(found["last value"][2:], Y[:-2])
    np.testing.assert_array_equal(found["seasonal naive"][7:], Y[:-7])
    assert np.isnan(found["seasonal naive"][:7]).all()
    assert list(naive_forecasts(SlidingWindow(3), X, Y, "infer")) == ["last value"]


@pytest.mark.parametrize(
    ("freq", "season"),
    [
        ("h", 24),
        ("15min", 96),
        ("7h", None),
        ("D", 7),
        ("W", 52),
        ("MS", 12),
        ("QE", 4),
    ],
)
def test_seasons(freq, season):
    """The usual one of each step, found by what the seasonal forecast repeats."""
    n = 120
    index = pd.date_range("2020-01-05", periods=n, freq=freq)
    frame = pd.DataFrame({"a": np.arange(float(n))}, index=index)
    found = naive_forecasts(SlidingWindow(3, lag=1), frame, frame["a"], "infer")
    if season is None:
        assert "seasonal naive" not in found
    else:
        assert found["seasonal naive"][-1] == n - 1 - season
    periods = {"h": "h", "D": "D", "W": "W", "MS": "M", "QE": "Q"}
    if freq in periods:
        frame.index = pd.period_range("2020-01-05", periods=n, freq=periods[freq])
        found = naive_forecasts(SlidingWindow(3, lag=1), frame, frame["a"], "infer")
        assert found["seasonal naive"][-1] == n - 1 - season


def test_groups_and_outputs(hourly):
    """Rows for each group and each output beside those for all."""
    panel = panel_of(hourly)
    table = compare({"GRU": gru()}, panel, panel["load"], cv=2, scoring="r2")
    assert table["group"].unique().tolist() == ["all", "a", "b"]
    assert "output" not in table
    y = panel["load"]
    scores = []
    for _, test in PanelTimeSeriesSplit(2).split(panel):
        truth = y.iloc[test]
        past = y.groupby(level="shop").shift(1).iloc[test]
        of_b = truth.index.get_level_values("shop") == "b"
        scores.append(r2_score(truth[of_b], past[of_b]))
    got = score_of(table, "last value", group="b")
    np.testing.assert_allclose(got, np.mean(scores), rtol=1e-6)
    X, Y = make_targets(hourly, hourly["load"], 3)
    table = compare({"GRU": gru(lag=3)}, X, Y, cv=2, scoring="r2")
    assert table["output"].unique().tolist() == ["all", *Y.columns]
    every = [score_of(table, "GRU", output=name) for name in Y.columns]
    np.testing.assert_allclose(score_of(table, "GRU", output="all"), np.mean(every))


@pytest.mark.slow
def test_classifiers(speakers):
    """Sequences of any lengths: flattened for the others, in their own right here."""
    X, y, *_ = speakers
    X, y = X[::3], y[::3]
    model = GRUClassifier(8, max_iter=2, random_state=0)
    table = compare({"GRU": model}, X, y, cv=3, n_jobs=None)
    assert set(table["model"]) == {
        "GRU",
        "most frequent",
        "logistic regression",
        "gradient boosting",
    }
    assert table["metric"].unique().tolist() == ["accuracy", "balanced_accuracy"]
    from sklearn.model_selection import StratifiedKFold

    scores = []
    for train, test in StratifiedKFold(3).split(y, y):
        dummy = DummyClassifier().fit(y[train], y[train])
        scores.append(accuracy_score(y[test], dummy.predict(y[test])))
    got = score_of(table, "most frequent", "accuracy")
    np.testing.assert_allclose(got, np.mean(scores))
    proba = compare(model, X, y, cv=3, scoring="neg_log_loss", baselines=False)
    assert proba["mean"].between(-10, 0).all()
    assert proba["model"].tolist() == ["GRUClassifier"]


def test_classifier_behind_a_window(hourly):
    """Rows with a class each: splits by time, flat windows for the others."""
    y = np.where(hourly["load"] > 0, "up", "down")
    model = make_pipeline(SlidingWindow(5, lag=1), GRUClassifier(4, max_iter=1))
    table = compare({"GRU": model}, hourly, y, cv=2)
    assert score_of(table, "logistic regression", "accuracy") > 0.7


def test_regression_on_sequences():
    """Without a window the mean is the naive forecast; groups of to_sequences."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(3 + k % 4, 2)) for k in range(40)]
    y = np.array([x[-1, 0] for x in X])
    table = compare(GRURegressor(4, max_iter=1), X, y, cv=3, scoring="r2")
    assert set(table["model"]) == {"GRURegressor", "mean", "ridge", "gradient boosting"}
    assert score_of(table, "ridge") > 0.5
    events = pd.DataFrame(
        {"who": np.repeat(np.arange(20), 3), "when": np.tile(range(3), 20), "v": 1.0}
    )
    found = to_sequences(events, groups="who", time="when")
    table = compare(
        GRURegressor(2, max_iter=1), found, np.arange(20.0), cv=2, scoring="r2"
    )
    assert "group" not in table  # a group for each sequence tells nothing apart


def test_models_inside_others(hourly):
    """Searches and transformed targets have windows too; names are kept apart."""
    search = GridSearchCV(gru(), {"gruregressor__hidden_size": [2]}, cv=2)
    target = TransformedTargetRegressor(gru())
    y = hourly["load"]
    table = compare([search, target, gru(), gru()], hourly, y, cv=2, scoring="r2")
    assert set(table["model"]) == {
        "GridSearchCV",
        "TransformedTargetRegressor",
        "GRURegressor",
        "GRURegressor #2",
        *BASELINES,
    }
    np.testing.assert_allclose(
        score_of(table, "GridSearchCV"),
        score_of(
            compare(
                gru().set_params(gruregressor__hidden_size=2),
                hourly,
                y,
                cv=2,
                scoring="r2",
                baselines=False,
            ),
            "GRURegressor",
        ),
    )


@pytest.mark.slow
def test_parallel_and_own_scorers(hourly):
    """Two processes say what one says; scorers are scikit-learn's, or made."""
    y = hourly["load"]
    worst = {"worst": make_scorer(max_error, greater_is_better=False)}
    one = compare(gru(), hourly, y, cv=2, scoring=worst)
    two = compare(gru(), hourly, y, cv=2, scoring=worst, n_jobs=2)
    columns = ["metric", "model", "mean", "std", "baseline"]
    pd.testing.assert_frame_equal(one[columns], two[columns])
    assert (one["mean"] < 0).all()
    none = compare(gru(), hourly, y, cv=2, season=None, scoring="r2")
    assert "seasonal naive" not in set(none["model"])


class Meeting(Ridge):
    """A model whose fit waits until another one is in its fit, too."""

    place = threading.Barrier(2, timeout=60)

    def fit(self, X, y):
        self.place.wait()
        return super().fit(X, y)


@pytest.mark.parametrize("verbose", [0, 1])
def test_fits_run_in_parallel_behind_a_progress_line(hourly, verbose, monkeypatch):
    """Two fits at once; the line counts them and names the model of the last one."""
    monkeypatch.setenv("COLUMNS", "120")
    X, Y = make_targets(hourly, hourly["load"], 3)
    models = {"first": Meeting(), "second": Meeting()}
    terminal = Terminal()
    with contextlib.redirect_stderr(terminal), joblib.parallel_config("threading"):
        table = compare(models, X, Y, cv=2, baselines=False, n_jobs=2, verbose=verbose)
    assert set(table["model"]) == {"first", "second"}
    if not verbose:
        assert terminal.getvalue() == ""
        return
    assert "compare: 100%" in terminal.last
    assert "4/4 [" in terminal.last
    assert "model=second" in terminal.last
    assert terminal.getvalue().count("\n") == 1


def test_nothing_is_changed(hourly):
    """Estimators are cloned, data are left as they are."""
    model, X, y = gru(), hourly.copy(), hourly["load"].copy()
    compare(model, X, y, cv=2, scoring="r2")
    assert not hasattr(model[-1], "net_")
    assert model[0].flatten is False
    pd.testing.assert_frame_equal(X, hourly)


def test_errors(hourly):
    """Each says what was given and what is expected."""
    y = hourly["load"]
    with pytest.raises(InputError, match="estimators is empty"):
        compare({}, hourly, y)
    with pytest.raises(InputError, match="estimators holds 'GRU'"):
        compare(["GRU"], hourly, y)
    with pytest.raises(InputError, match=r"GRUClassifier classify, Ridge do not"):
        compare([GRUClassifier(), Ridge()], hourly, y)
    with pytest.raises(InvalidParameterError, match="season=0 is 0 steps"):
        compare(gru(), hourly, y, season=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        compare(gru(), hourly, y[:-1])
    with pytest.raises(ValueError, match="'r3'"):
        compare(gru(), hourly, y, scoring="r3")


# -- the display ---------------------------------------------------------------------------


def table_of(n_outputs=0):
    rows = []
    for metric, sign in (("r2", 1), ("neg_mean_absolute_error", -1)):
        for output in ["all", *(f"load_step_{k + 1}" for k in range(n_outputs))]:
            for k, model in enumerate(["GRU", "ridge", "a model with a long name"]):
                row = {"metric": metric, "output": output, "model": model}
                row |= {"mean": sign * (0.9 - 0.1 * sign * k), "std": 0.05}
                rows.append({**row, "fit_seconds": 1.0, "baseline": k > 0})
    table = pd.DataFrame(rows)
    return table if n_outputs else table.drop(columns="output")


def test_bars():
    """Best on top, errors without sign, the user's own in another colour."""
    display = CompareDisplay.from_predictions(table_of())
    np.testing.assert_allclose([b.get_width() for b in display.bars_], [0.9, 0.8, 0.7])
    colours = [b.get_facecolor() for b in display.bars_]
    assert colours[0] != colours[1] == colours[2]
    assert display.ax_.get_xlabel() == "r2"
    assert display.ax_.yaxis_inverted()
    display.plot(metric="neg_mean_absolute_error")
    np.testing.assert_allclose([b.get_width() for b in display.bars_], [0.9, 1.0, 1.1])
    assert display.ax_.get_xlabel() == "mean absolute error"
    display.figure_.draw_without_rendering()
    inside = display.ax_.get_window_extent()
    for text in display.ax_.texts:
        assert inside.x0 <= text.get_window_extent().x0
        assert text.get_window_extent().x1 <= inside.x1


@pytest.mark.parametrize("n_outputs", [2, 24])
def test_lines_by_output(n_outputs):
    """A line for each model in the order of the outputs, few and short labels."""
    display = CompareDisplay.from_predictions(table_of(n_outputs), by="output")
    assert [line.get_label() for line in display.lines_][:2] == ["GRU", "ridge"]
    assert len(display.lines_[0].get_ydata()) == n_outputs
    assert display.ax_.get_xlabel() == "output (load_step_…)"
    labels = [t.get_text() for t in display.ax_.get_xticklabels()]
    assert labels[0] == "1"
    assert len(labels) <= 6
    overall = CompareDisplay.from_predictions(table_of(n_outputs))
    assert len(overall.bars_) == 3


def test_display_errors():
    """Metrics and ways to split that the table does not have."""
    with pytest.raises(InvalidParameterError, match=r"metric='mse'.*\['r2'"):
        CompareDisplay.from_predictions(table_of(), metric="mse")
    with pytest.raises(InvalidParameterError, match="by='group'"):
        CompareDisplay.from_predictions(table_of(2), by="group")


def test_from_estimators(hourly):
    """Computes and draws at once."""
    display = CompareDisplay.from_estimators(
        {"GRU": gru()}, hourly, hourly["load"], cv=2, scoring="r2"
    )
    assert len(display.bars_) == 5


def test_chosen_baselines(hourly):
    """Names select and order them; others are refused with those there are."""
    y = hourly["load"]
    table = compare(gru(), hourly, y, cv=2, scoring="r2", baselines=["ridge"])
    assert sorted(table["model"]) == ["GRURegressor", "ridge"]
    one = compare(gru(), hourly, y, cv=2, scoring="r2", baselines="last value")
    assert set(one.loc[one["baseline"], "model"]) == {"last value"}
    with pytest.raises(
        InvalidParameterError, match=r"no 'ridges' here.*'last value', "
    ):
        compare(gru(), hourly, y, cv=2, baselines=["ridges"])
