"""GRUOutlierDetector: scores, thresholds and channels, against slow definitions."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_gru import GRUOutlierDetector, GRURegressor, Sequences, SlidingWindow
from sklearn_gru.exceptions import (
    CalibrationWarning,
    InputError,
    InvalidParameterError,
)
from sklearn_gru.inspection import OutlierDisplay


class LastValue(RegressorMixin, BaseEstimator):
    """The forecast that the newest observed step repeats."""

    def fit(self, X, y):
        """Keep the mean, for sequences without any step."""
        self.mean_ = np.mean(y, axis=0)
        return self

    def predict(self, X):
        """Repeat the last step of each sequence."""
        rows = np.asarray(X)[:, -1]
        return rows[:, 0] if rows.shape[1] == 1 else rows


def waves(n, seed, n_channels=3):
    """Phase-shifted waves with noise, indexed by step."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None]
    X = np.sin(t / 4 + np.arange(n_channels)) + 0.1 * rng.normal(size=(n, n_channels))
    return pd.DataFrame(X, columns=[f"c{j}" for j in range(n_channels)], index=t[:, 0])


def detector(**params):
    """A detector around a forecast that is known without learning."""
    return GRUOutlierDetector(LastValue(), **params)


def usual_after(fitted, n):
    """What the detector holds for usual after a forecast from n steps."""
    return [usual for usual in fitted._errors.usual if usual.least <= n][-1]


def slow_errors(fitted, items, k, horizon, size):
    """Each item's errors at its last k steps, and their correlation, step by step."""
    found = []
    for x in items:
        steps = []
        for back in range(k):
            at = len(x) - 1 - back
            stop = at - horizon + 1
            n_read = stop - max(0, stop - size)
            if at < 0 or n_read < 1:
                continue
            usual = usual_after(fitted, n_read)
            z = np.clip((x[at] - x[stop - 1] - usual.center) / usual.scale, -50, 50)
            steps.append((z, usual.correlation))
        found.append(steps)
    return found


def neighboring_windows(rng, n, n_steps, n_channels=24):
    """Windows over rows of noise, each one step after the one before."""
    rows = rng.normal(size=(n + n_steps - 1, n_channels))
    return Sequences(rows, np.arange(n), np.full(n, n_steps), order=np.arange(n))


def slow_score(steps):
    """Minus the root of the mean squared Mahalanobis distance per channel."""
    total, n_judged = 0.0, 0
    for z, correlation in steps:
        kept = ~np.isnan(z)
        total += z[kept] @ np.linalg.solve(correlation[kept][:, kept], z[kept])
        n_judged += kept.sum()
    return -np.sqrt(total / max(n_judged, 1))


@pytest.mark.parametrize("smoothing", [1, 4])
@pytest.mark.parametrize("horizon", [1, 3])
def test_scores_are_those_of_the_definition(smoothing, horizon):
    """Distances over the last steps and the observed channels, which are related."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 3))
    items = [rng.normal(size=(n, 3)) @ mixing for n in rng.integers(1, 12, size=150)]
    for x in items[::7]:
        x[-1, 0] = np.nan
    params = {"smoothing": smoothing, "horizon": horizon, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        fitted = detector(**params).fit(items)
    size = 11 - smoothing - horizon + 1
    slow = slow_errors(fitted, items, smoothing, horizon, size)
    judged = [len(x) > horizon for x in items]
    newest = [steps[0][0] for steps, k in zip(slow, judged, strict=True) if k]
    np.testing.assert_allclose(fitted.residuals(items)[judged], newest)
    assert np.isnan(fitted.residuals(items)[~np.array(judged)]).all()
    assert np.abs(fitted.correlation_ - np.eye(3)).max() > 0.3
    expected = [slow_score(steps) for steps in slow]
    np.testing.assert_allclose(fitted.score_samples(items), expected)
    alone = [float(fitted.score_samples(items[k : k + 1])[0]) for k in range(40)]
    assert alone == fitted.score_samples(items)[:40].tolist()


def test_one_channel_has_the_root_mean_square():
    """A single channel has no other to be related to."""
    items = list(np.random.default_rng(0).normal(size=(200, 9, 1)))
    fitted = detector(smoothing=3, false_alarm_rate=0.1).fit(items)
    assert fitted.correlation_.tolist() == [[1.0]]
    slow = slow_errors(fitted, items, 3, 1, 6)
    errors = np.array([[z[0] for z, _ in steps] for steps in slow])
    expected = -np.sqrt(np.mean(errors**2, axis=1))
    np.testing.assert_allclose(fitted.score_samples(items), expected)


def test_related_channels_betray_one_of_them():
    """Two channels go together; a step against the other is found at a usual size."""
    rng = np.random.default_rng(0)
    both = rng.normal(size=(3000, 1)) + 0.1 * rng.normal(size=(3000, 2))
    model = make_pipeline(SlidingWindow(4), GRUOutlierDetector(random_state=0))
    rows = pd.DataFrame(both, columns=["a", "b"])
    model.fit(rows[:2000])
    rows.iloc[2500] = [1.0, -1.0]
    assert model.score_samples(rows[2000:]).argmin() == 500
    assert model.predict(rows[2000:])[500] == -1


@pytest.mark.parametrize("n", [6, 400])
def test_more_channels_than_errors_have_a_distance(n):
    """The correlation is shrunk until it has an inverse; constant channels have one."""
    rng = np.random.default_rng(0)
    items = list(rng.normal(size=(n, 5, 1)) + 1e-9 * rng.normal(size=(n, 5, 40)))
    for x in items:
        x[:, 7] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        fitted = detector().fit(items)
    assert np.isfinite(fitted.score_samples(items)).all()
    assert np.linalg.eigvalsh(fitted.correlation_).min() > 0


@pytest.fixture(scope="module")
def fitted():
    """A detector of the default forecaster behind windows."""
    model = make_pipeline(SlidingWindow(16), GRUOutlierDetector(random_state=0))
    return model.fit(waves(900, 0))


@pytest.mark.parametrize("smoothing", [1, 5])
def test_scores_of_rows_never_depend_on_later_rows(smoothing):
    """Cutting the future off, splitting and shuffling leave every score as it is."""
    model = make_pipeline(
        SlidingWindow(16),
        GRUOutlierDetector(smoothing=smoothing, false_alarm_rate=0.05, random_state=0),
    ).fit(waves(900, 0))
    new = waves(1100, 1)[900:]
    together = model.score_samples(new)
    np.testing.assert_allclose(model.score_samples(new[:70]), together[:70], atol=1e-6)
    shuffled = new.sample(frac=1, random_state=0)
    again = pd.Series(model.score_samples(shuffled), shuffled.index)
    np.testing.assert_allclose(again.loc[new.index], together, atol=1e-6)
    later = new.copy()
    later.iloc[120:] = 99.0
    np.testing.assert_allclose(
        model.score_samples(later)[:120], together[:120], atol=1e-6
    )


def test_a_row_is_judged_as_the_regressor_alone_predicts_it():
    """The same network behind SlidingWindow(lag=1) makes the same errors."""
    X = waves(700, 0, n_channels=1)
    model = make_pipeline(SlidingWindow(9), GRUOutlierDetector(random_state=0)).fit(X)
    outlier = model[-1]
    lagged = SlidingWindow(8, lag=1).fit(X).transform(X)
    forecast = outlier.regressor_.predict(lagged)
    z = (X["c0"].to_numpy() - forecast - outlier.center_[0]) / outlier.scale_[0]
    found = outlier.residuals(model[0].transform(X))[:, 0]
    np.testing.assert_allclose(found[8:], np.clip(z, -50, 50)[8:], atol=1e-4)
    assert np.isnan(found[0])


@pytest.mark.parametrize("kind", ["spike", "level", "dead", "broken"])
def test_planted_faults_are_found_in_their_channel(fitted, kind):
    """A spike, a level shift, a dead channel and a lost correlation."""
    rng = np.random.default_rng(3)
    new = waves(1300, 2)[900:].copy()
    values = new.to_numpy(copy=True)
    fault = slice(200, 240)
    values[fault, 1] = {
        "spike": values[fault, 1] + 3,
        "level": values[fault, 1] + 1.5,
        "dead": 0.0,
        "broken": rng.permutation(values[fault, 1]),
    }[kind]
    new[:] = values
    assert (fitted.predict(new)[fault] == -1).any()
    residuals = np.abs(fitted[-1].residuals(fitted[0].transform(new)))
    assert np.nanmean(residuals[fault], axis=0).argmax() == 1


def test_false_alarms_keep_their_promise_on_exchangeable_rows():
    """Over many draws of noise, the mean rate is that asked for, from below."""
    rates = []
    for seed in range(60):
        X = np.random.default_rng(seed).normal(size=(700, 3, 1))
        model = detector(false_alarm_rate=0.05, random_state=seed).fit(X[:400])
        rates.append(np.mean(model.predict(X[400:]) == -1))
    deviation = np.std(rates) / np.sqrt(len(rates))
    assert abs(np.mean(rates) - 0.05) < 4 * deviation
    assert deviation < 0.005


@pytest.mark.parametrize(("n_held", "smoothing"), [(60, 1), (200, 8)])
def test_false_alarms_keep_their_promise_with_channels_and_smoothing(n_held, smoothing):
    """Neither scales that saw the held-out rows nor shared steps raise the rate."""
    rates = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        model = GRUOutlierDetector(
            DummyRegressor(), false_alarm_rate=0.05, smoothing=smoothing
        )
        model.fit(neighboring_windows(rng, 5 * n_held, smoothing + 1))
        new = neighboring_windows(rng, 500, smoothing + 1)
        rates.append(np.mean(model.predict(new) == -1))
    deviation = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) - 0.05 < 2 * deviation
    assert np.mean(rates) > 0.02


def test_contamination_is_the_share_of_training_rows():
    """As in IsolationForest."""
    X = np.random.default_rng(0).normal(size=(200, 4, 2))
    model = detector(contamination=0.1, random_state=0)
    assert (model.fit_predict(X) == -1).sum() == 20


def test_a_promise_that_rests_on_too_few_rows_warns():
    """Smoothed scores of neighbors are nearly one score, so they count once."""
    X = waves(600, 0)
    window = SlidingWindow(12)
    windows = window.fit_transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector(false_alarm_rate=0.02).fit(windows)
    with pytest.warns(CalibrationWarning, match="120 held-out rows in 30 stretches"):
        detector(false_alarm_rate=0.02, smoothing=4).fit(windows)
    with pytest.warns(CalibrationWarning, match="but needs at least 999"):
        detector(false_alarm_rate=0.001).fit(windows)


def test_holes_and_missing_channels_take_no_part():
    """Nothing to judge is the most normal; the observed channels are judged alone."""
    X = waves(400, 0)
    model = make_pipeline(SlidingWindow(6), detector(false_alarm_rate=0.05)).fit(X)
    holes = waves(460, 1)[400:].copy()
    holes.iloc[30] = np.nan
    holes.iloc[40, 2] = np.nan
    residuals = model[-1].residuals(model[0].transform(holes))
    scores = model.score_samples(holes)
    assert np.isnan(residuals[30]).all()
    assert scores[30] == 0
    assert np.isnan(residuals[40]).tolist() == [False, False, True]
    expected = slow_score([(residuals[40], model[-1].correlation_)])
    assert scores[40] == pytest.approx(expected)


def test_every_run_of_a_panel_is_held_out():
    """Runs at other dates: their latest rows judge, not the latest runs."""
    parts = []
    for run in range(4):
        part = waves(150, run).assign(run=run, time=np.arange(150) + 1000 * run)
        parts.append(part)
    seen = []

    class Seen(LastValue):
        def fit(self, X, y):
            seen.append(pd.Series(np.asarray(X.groups)).value_counts())
            return super().fit(X, y)

    model = make_pipeline(
        SlidingWindow(5, time="time", groups="run"),
        GRUOutlierDetector(Seen(), false_alarm_rate=0.05),
    )
    model.fit(pd.concat(parts))
    assert seen[0].sort_index().tolist() == [119] * 4  # the first row has no input
    assert model[-1].n_held_out_ == 4 * 30


def test_a_search_over_the_length_of_the_window():
    """Normal rows have y = 1, others 0; the detector itself ignores it."""
    X = waves(500, 0)
    y = np.ones(500)
    y[[100, 230, 350, 460]] = 0
    X.loc[y == 0, "c1"] += 3
    model = make_pipeline(SlidingWindow(4), detector(false_alarm_rate=0.05))
    search = GridSearchCV(
        model,
        {"slidingwindow__window_size": [3, 8]},
        scoring="roc_auc",
        cv=TimeSeriesSplit(3),
    )
    search.fit(X, y)
    assert search.best_score_ > 0.95


def test_any_regressor_can_forecast():
    """A ridge behind a flattening step is the honest baseline in the same class."""
    flat = FunctionTransformer(
        lambda X: np.nan_to_num(np.asarray(X)).reshape(len(X), -1)
    )
    X = waves(600, 0)
    model = make_pipeline(
        SlidingWindow(12),
        GRUOutlierDetector(make_pipeline(flat, Ridge()), false_alarm_rate=0.05),
    ).fit(X)
    new = waves(700, 1)[600:].copy()
    new.iloc[50, 0] += 2
    assert model.predict(new)[50] == -1


def test_categories_are_read_but_not_judged():
    """A residual of a category would mean nothing."""
    X = waves(300, 0).assign(mode=pd.Categorical(["a", "b", "b"] * 100))
    window = SlidingWindow(5)
    windows = window.fit_transform(X)
    base = GRURegressor(4, max_iter=1)
    model = GRUOutlierDetector(base, false_alarm_rate=0.05, random_state=0)
    model.fit(windows)
    assert np.isnan(model.residuals(windows)[:, 3]).all()
    assert model.regressor_.is_categorical_.tolist() == [False, False, False, True]


def test_state_and_seeds():
    """A seed gives the same scores; a pickle gives them too."""
    windows = SlidingWindow(8).fit_transform(waves(300, 0))
    base = GRURegressor(4, max_iter=2)
    model = GRUOutlierDetector(base, false_alarm_rate=0.05, random_state=0)
    scores = model.fit(windows).score_samples(windows)
    again = clone(model).fit(windows)
    np.testing.assert_array_equal(again.score_samples(windows), scores)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.score_samples(windows), scores)


@pytest.mark.parametrize(
    ("params", "X", "error", "message"),
    [
        (
            {"contamination": 0.1, "false_alarm_rate": 0.1},
            None,
            InvalidParameterError,
            "both set the threshold",
        ),
        ({"contamination": 0.6}, None, InvalidParameterError, "contamination=0.6"),
        ({"smoothing": 6}, None, InputError, "need at least 7. Use longer"),
        ({"estimator": "gru"}, None, InvalidParameterError, "a regressor"),
        ({}, np.zeros((5, 1, 2)), InputError, "n_features=1"),
        ({}, np.full((5, 4, 2), np.nan), InputError, "Feature 0, 1 has no value"),
        ({}, np.zeros((2, 4, 2)), InputError, "Found 2 sample"),
    ],
)
def test_bad_input_is_named(params, X, error, message):
    """What was seen, what was expected."""
    X = np.random.default_rng(0).normal(size=(30, 6, 2)) if X is None else X
    with pytest.raises(error, match=message):
        GRUOutlierDetector(**params).fit(X)


def test_an_empty_sequence_is_normal():
    """A list may hold sequences without any step."""
    rows = np.random.default_rng(0).normal(size=(200, 2))
    sequences = Sequences(rows, np.arange(190), np.full(190, 6))
    model = detector(false_alarm_rate=0.05, random_state=0).fit(sequences)
    empty = Sequences(rows, [0, 3], [0, 5], n_steps=6)
    assert model.score_samples(empty)[0] == 0
    assert model.score_samples(empty)[1] < 0


# -- the display


@pytest.fixture(scope="module")
def drawn(fitted):
    """A detector with a spike in one channel, drawn."""
    pytest.importorskip("matplotlib")
    X = waves(1000, 1)
    X.loc[950, "c2"] += 4
    y = np.where(X.index == 950, -1, 1)
    return OutlierDisplay.from_estimator(fitted, X, y, last=100), fitted, X


def test_display_holds_what_the_detector_says(drawn):
    """Scores, threshold, alarms and the channel that is to blame."""
    display, fitted, X = drawn
    np.testing.assert_array_equal(display.time, np.arange(900, 1000))
    scores = fitted.score_samples(X)[900:]
    np.testing.assert_allclose(display.abnormality, -scores)
    assert display.threshold == -fitted[-1].offset_
    np.testing.assert_array_equal(display.alarms, fitted.predict(X)[900:] == -1)
    assert display.alarms[50]
    assert display.shares[50].argmax() == 2
    assert display.events.nonzero()[0].tolist() == [50]
    np.testing.assert_allclose(display.values, X.to_numpy()[900:])


def test_display_draws_series_scores_and_threshold(drawn):
    """Two axes; a line per channel; the threshold on the lower axes."""
    display, _, _ = drawn
    upper, lower = display.axes_
    assert display.ax_ is upper
    assert [line.get_label() for line in upper.get_lines()] == ["c0", "c1", "c2"]
    assert lower.get_lines()[-1].get_ydata()[0] == display.threshold
    labels = [text.get_text() for text in upper.get_legend().get_texts()]
    assert labels[-2:] == ["known event", "alarm"]


def test_display_of_one_channel_on_own_axes():
    """One channel is drawn in its own units."""
    plt = pytest.importorskip("matplotlib.pyplot")
    X = waves(300, 0, n_channels=1)
    model = make_pipeline(SlidingWindow(6), detector(false_alarm_rate=0.05)).fit(X)
    _, axes = plt.subplots(2)
    display = OutlierDisplay.from_estimator(model, X, axes=axes)
    assert display.axes_[0] is axes[0]
    assert axes[0].get_ylabel() == "c0"
    with pytest.raises(InputError, match="has no residuals"):
        OutlierDisplay.from_estimator(Ridge().fit([[0.0]], [0.0]), [[0.0]])
