"""The accuracy benchmark cannot flatter: splits, baselines, the words of the page."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, Sequences, SlidingWindow
from tests.benchmarks.accuracy import (
    defaults,
    development,
    page,
    read,
    tasks,
    text,
    windows,
)
from tests.benchmarks.accuracy.baselines import baselines_of
from tests.benchmarks.accuracy.comparison import compared, sampling_variance
from tests.benchmarks.accuracy.memory_tasks import adding, copying
from tests.benchmarks.accuracy.mfcc import mel_filters, mfcc
from tests.benchmarks.accuracy.plain_torch import PlainClassifier
from tests.benchmarks.accuracy.run import Store, measure


@pytest.fixture
def labelled():
    """Series of two classes; those of the test part are marked by a value of 9."""
    X = np.zeros((30, 4, 1), np.float32)
    X[::2] = 1.0
    y = np.where(X[:, 0, 0] > 0, "high", "low")
    return tasks.Labelled(X, y, np.full((6, 4, 1), 9.0, np.float32), y[:6])


@pytest.mark.parametrize("name", ["GunPoint", "FSDD"])
def test_validation_reads_the_training_part_only(labelled, name):
    """Inner splits are disjoint, and hold no series of the test part."""
    if name == "FSDD":
        labelled = labelled._replace(groups=np.arange(30) % 10)
    numbered = labelled._replace(X=np.arange(30.0).reshape(30, 1, 1))
    for split in tasks.TASKS[name].validation(numbered, seed=1):
        train, held = (set(part.ravel()) for part in (split.X, split.X_test))
        assert not train & held
        assert train | held == set(range(30))


def test_every_seed_gets_another_fold(labelled):
    """The deviation over seeds is that over folds too."""
    labelled = labelled._replace(X=np.arange(30.0).reshape(30, 1, 1))
    held = [
        tuple(tasks._one_fold(labelled, seed)[0].X_test.ravel()) for seed in range(3)
    ]
    assert len(set(held)) == 3


def test_windows_of_a_panel_end_where_their_targets_begin(monkeypatch):
    """ETTh1: inputs are the rows before the origin, targets lie inside the part."""
    monkeypatch.setattr(tasks, "ETT_WINDOW", 5)
    monkeypatch.setattr(tasks, "ETT_HORIZON", 3)
    time = np.arange(20.0)
    X, y = tasks._ett_windows(np.column_stack([time, 100 + time]), 10, 16)
    assert len(X) == 2 * 4
    np.testing.assert_array_equal(np.asarray(X)[0, :, 0], [5, 6, 7, 8, 9])
    np.testing.assert_array_equal(y[0], [10, 11, 12])
    np.testing.assert_array_equal(y[-1], [113, 114, 115])
    assert y.max() < 116


def test_months_to_forecast_carry_no_value():
    """Airline: X of the part to predict is unknown."""
    index = pd.date_range("1949-01-01", periods=144, freq="MS")
    frame = pd.DataFrame({"passengers": np.arange(144.0)}, index)
    for split in tasks.TASKS["Airline"].validation(frame, seed=0):
        assert split.X_test["passengers"].isna().all()
        assert split.y_test.index[0] > split.X.index[-1]
        assert split.y_test.max() < 120  # the last 24 months stay untouched


def test_ts_files_are_read_by_step(tmp_path):
    """Channel-major text becomes arrays of steps x channels."""
    file = tmp_path / "x.ts"
    file.write_text("#c\n@classLabel true a b\n@data\n1,2,3:4,5,6:a\n7,8:9,10:b\n")
    X, y = read.read_ts(file)
    np.testing.assert_array_equal(X[0], [[1, 4], [2, 5], [3, 6]])
    assert X[1].shape == (2, 2)
    assert y.tolist() == ["a", "b"]


def test_mfcc_tells_tones_apart():
    """Filters are triangles that overlap to one; loudness moves the first number."""
    rate = 8000
    filters = mel_filters(rate, 256, 26)
    assert filters.shape == (26, 129)
    inside = slice(filters[0].argmax(), filters[-1].argmax())
    assert filters.sum(axis=0)[inside].max() == pytest.approx(1, abs=1e-9)
    tone = np.sin(2 * np.pi * 440 * np.arange(4000) / rate)
    quiet, loud = mfcc(10 * tone, rate), mfcc(1000 * tone, rate)
    assert quiet.shape == (24, 26)
    assert (loud[:, 0] > quiet[:, 0]).all()
    assert mfcc(tone[:10], rate).shape == (1, 26)


def test_recursive_ridge_continues_growth():
    """A series that grows by the same rate goes on so."""
    index = pd.date_range("2000-01-01", periods=60, freq="MS")
    series = pd.Series(np.exp(0.1 * np.arange(60)), index)
    model = windows.Recursive(Ridge(1e-6), n_lags=4).fit(None, series[:50])
    np.testing.assert_allclose(model.predict(series[50:]), series[50:], rtol=1e-3)


def test_growth_is_learned_without_the_level():
    """A series that grows by the same share is forecast from its past alone."""
    index = pd.date_range("2000-01-01", periods=84, freq="MS")
    frame = pd.DataFrame({"passengers": np.exp(0.02 * np.arange(84))}, index)
    split = tasks._airline_split(frame, 60)
    steps = SlidingWindow(12, lag=24, flatten=True), SimpleImputer(), Ridge()
    model = windows.AgainstLag(make_pipeline(*steps), lag=24).fit(split.X, split.y)
    np.testing.assert_allclose(model.predict(split.X_test), split.y_test, rtol=1e-6)


def test_last_value_is_taken_off_and_put_back():
    """Windows moved up give forecasts moved up; the newest steps are read."""
    X = np.random.default_rng(0).normal(size=(40, 12, 1))
    y = X[:, -1] + X[:, :2, 0]
    model = windows.LastSubtracted(Ridge(1e-6), n_steps=12).fit(X, y)
    np.testing.assert_allclose(model.predict(X + 5), model.predict(X) + 5)
    cut, _ = windows.LastSubtracted(Ridge(), n_steps=8)._windows(X)
    np.testing.assert_allclose(cut, X[:, 4:, 0] - X[:, -1])


@pytest.mark.parametrize("one_step", [True, False])
def test_baselines_of_windows_forecast_what_the_task_asks(one_step):
    """A sine of a season of 6 is forecast nearly exactly, in the shape of y."""
    values = np.sin(np.arange(300) * 2 * np.pi / 6).astype(np.float32)[:, None]
    series = development.Series(values, 12, 1 if one_step else 6)
    task = replace(
        development.DEVELOPMENT["Electricity-24"], season=6, one_step=one_step
    )
    split = task.test(series)
    for name, make in baselines_of(task).items():
        if name not in ("naive", "MiniRocket + ridge"):
            model = make(0)
            if isinstance(model, windows.StepAsFeature):
                model.set_params(n_rows=3000, regressor__max_iter=20)
            predicted = model.fit(split.X, split.y).predict(split.X_test)
            assert predicted.shape == split.y_test.shape, name
            assert task.score(split, predicted) < 0.02, name


def test_mase_is_in_units_of_the_seasonal_naive_forecast(monkeypatch):
    """Whatever the size of a series."""
    rng = np.random.default_rng(0)
    panel = np.sin(np.arange(1008) * 2 * np.pi / 24) + rng.normal(size=(3, 1008))
    panel *= np.array([[1.0], [100.0], [1e4]])
    task = development.DEVELOPMENT["Panel-24 scaled"]
    split = task.test(panel)
    naive = windows.Repeated(24).fit(split.X, split.y).predict(split.X_test)
    assert task.score(split, naive) == pytest.approx(1, abs=0.1)
    assert task.score(split, split.y_test) == 0
    validation = task.validation(panel, 0)[0]
    assert not np.isin(split.y_test, validation.y_test).any()


def test_words_are_numbered_in_reading_order():
    """The newest words are kept; a text of unknown words is missing, not empty."""
    numbers = text.TokenNumbers().fit(["bb aa cc"])
    one, none, long = numbers.transform(["cc aa x bb", "xx", "aa " * 500 + "bb"])
    np.testing.assert_array_equal(one, [[2], [0], [1]])
    assert np.isnan(none).all()
    assert none.shape == (1, 1)
    assert len(long) == 400
    assert long[-1] == 1


def test_differences_are_channels_of_their_own():
    """Slopes stand beside the values."""
    (both,) = windows.WithDifferences().transform([np.array([[1.0], [3.0], [9.0]])])
    np.testing.assert_array_equal(both, [[1, 2], [3, 4], [9, 6]])


def test_plain_torch_reads_the_end_of_each_sequence():
    """Its state is that after the last step, whatever the padding."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)).astype(np.float32) for n in (3, 9, 5, 7)]
    model = PlainClassifier(epochs=1).fit(X, np.array([0, 1, 0, 1]))
    together = model._outputs(X)
    alone = np.concatenate([model._outputs([x]) for x in X])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_results_are_kept_by_what_they_depend_on(labelled, tmp_path, monkeypatch):
    """A second run reads the file; another parameter is another file."""
    task = tasks.TASKS["GunPoint"]
    store = Store(tmp_path, "validate")

    def run(**parameters):
        return measure(
            task,
            "default",
            lambda seed: GRUClassifier(4, max_iter=2, random_state=seed, **parameters),
            0,
            labelled,
            store=store,
            mode="validate",
        )

    first = run()
    assert first == run()
    assert len(list(store.folder.iterdir())) == 1
    assert first["epochs"] == 2
    run(learning_rate=0.1)
    assert len(store.results()) == 2
    assert json.loads(json.dumps(first)) == first


def _result(method, score, task="GunPoint", seed=0, seconds=1.0):
    return {
        "task": task,
        "method": method,
        "seed": seed,
        "score": score,
        "seconds": seconds,
    }


def test_the_page_says_who_wins():
    """A baseline above ours, a missed target and a missed budget are sentences."""
    task = tasks.TASKS["GunPoint"]
    figures = page.Figures(
        [
            _result("MiniRocket + ridge", 99.0),
            _result("ridge", 95.0),
            _result("naive", 50.0),
            _result("recommended", 96.0, seconds=40.0),
            _result("default", 80.0),
        ]
    )
    said = " ".join(page.words(task, figures))
    assert "**MiniRocket + ridge** beats the recommended and the default" in said
    assert "**ridge** beats the default setting" in said
    assert "naive" not in said
    assert "recommended setting falls short of its target: 96.0 where 97" in said
    assert "takes 40 s where 30 s" in said
    assert "MiniRocket" in page.summary([task], figures)
    verdict = page.verdict([task], figures)
    assert "recommended setting misses its target on: GunPoint." in verdict
    assert "default setting on: GunPoint (MiniRocket + ridge)." in verdict
    assert "±" not in page.show(task, figures, "ridge")


def test_the_page_says_where_plain_torch_wins(monkeypatch):
    """Counted over the tasks that both were run on; what was cut short is explained."""
    results = [
        _result("default", 80.0),
        _result(page.PLAIN, 50.0),
        _result("default", 9.0, "Airline"),
        _result(page.PLAIN, 7.0, "Airline"),
        _result("default", 70.0, "ERing"),
    ]
    figures = page.Figures(results)
    picked = [tasks.TASKS[name] for name in ("GunPoint", "Airline", "ERing")]
    said = page.verdict(picked, figures)
    assert "on 1 of the 2 tasks on which both were run; not on: Airline." in said
    monkeypatch.setattr(page, "LIMITED", {("ERing", "ridge"): "Ridge takes a day."})
    assert "Ridge takes a day." in page.words(picked[2], figures)
    assert "Ridge takes a day." not in page.words(picked[0], figures)


def test_defaults_are_compared_over_all_tasks():
    """Only differences beyond the noise count; an error of nothing is a tenth."""
    results = []
    for seed, noise in enumerate((-0.1, 0.0, 0.1)):
        for name, task, score in (
            ("default", "GunPoint", 100.0),
            (page.BEFORE, "GunPoint", 99.0 + noise),
            ("default", "ERing", 80.0 + 10 * noise),
            (page.BEFORE, "ERing", 80.5),
            ("ridge", "ERing", 90.0),
            ("ridge", "GunPoint", 90.0),
        ):
            results.append(_result(name, score, task, seed, seconds=2.0))
    figures = page.Figures(results)
    picked = [tasks.TASKS[name] for name in ("GunPoint", "ERing")]
    said = " ".join(compared(picked, figures, page.BEFORE, page.best_baseline))
    assert "better than the default before on 1 of 2 tasks, worse on 0." in said
    ratios = 0.1 / 1.0, 20.0 / 19.5
    assert f"error {np.sqrt(np.prod(ratios)):.2f}, CPU seconds 1.00" in said
    assert "strongest baseline, up to the noise, on 1 of 2 tasks" in said
    assert "not on: ERing (ridge)." in said
    assert page.BEFORE not in figures.rivals("GunPoint")


@pytest.mark.parametrize("name", ["GunPoint", "Airline", "Bikeshare", "Births-1"])
def test_the_losses_of_the_test_part_have_the_error_as_mean(name):
    """One a sequence, from which the noise of the test part is computed."""
    task = page.TASKS[name]
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(1, 4, 40), rng.integers(1, 4, 40)
    split = tasks.Split(None, None, None, y)
    losses = task.losses(split, predicted)
    error = task.score(split, predicted)
    if task.higher_is_better:
        error = 100 - error if task.metric == "accuracy %" else 1 - error
    assert losses.shape == (40,)
    assert losses.mean() == pytest.approx(error)


def test_losses_of_several_steps_are_means_in_the_units_of_the_metric():
    """One a window: squares, percents, or errors of the seasonal naive forecast."""
    rng = np.random.default_rng(0)
    y, predicted = rng.uniform(1, 2, (2, 30, 6))
    split = tasks.Split(None, None, None, y, np.full((30, 1), 0.5))
    for name in ("Electricity-24", "Panel-24", "Panel-24 scaled", "NYC weather"):
        task = page.TASKS[name]
        losses = task.losses(split, predicted)
        assert losses.shape == (30,)
        assert losses.mean() == pytest.approx(task.score(split, predicted))


def test_a_small_test_part_is_noise_too():
    """One of 50 recordings tells nothing, as seeds alone would not say; ten do."""
    task = tasks.TASKS["GunPoint"]

    def said(wrong, n):
        results = []
        for method, count in (("default", wrong), ("ridge", 0)):
            losses = [100.0] * count + [0.0] * (n - count)
            for seed in range(3):
                found = _result(method, 100 - np.mean(losses), seed=seed)
                results.append({**found, "observed": [losses]})
        figures = page.Figures(results)
        return " ".join(compared([task], figures, page.BEFORE, page.best_baseline))

    assert "up to the noise, on 0 of 1 tasks" in said(1, 50)
    assert (
        "better than the strongest baseline on 0 of 1 tasks, and worse on 0."
        in said(1, 50)
    )
    assert "and worse on 1: GunPoint (ridge)." in said(10, 50)


def test_windows_of_one_time_are_no_separate_observations():
    """Stretches hold all series of their time, and are not shorter than a forecast."""
    task = page.TASKS["Electricity-24"]
    n_series, n_times = 3, 480
    order = np.tile(np.arange(n_times), n_series)
    lengths = np.ones(len(order), dtype=int)
    X = Sequences(
        np.zeros((len(order), 1)), np.arange(len(order)), lengths, order=order
    )
    split = tasks.Split(None, None, X, np.zeros((len(order), 24)))
    found = task.observations(split, order.astype(float))
    np.testing.assert_allclose(found, 11.5 + 24 * np.arange(20))
    few = split._replace(X_test=X[order < 200], y_test=split.y_test[order < 200])
    assert task.observations(few, np.ones(600)) is None  # 8 days are too few
    assert sampling_variance([{"observed": [None]}], [{"observed": [None]}]) == 0
    recordings = tasks.TASKS["GunPoint"]
    assert len(recordings.observations(None, np.ones(50))) == 50


def test_errors_are_beaten_from_below():
    """For MSE and MAPE the smaller figure wins."""
    task = tasks.TASKS["Airline"]
    figures = page.Figures(
        [_result("ridge", 3.0, "Airline"), _result("recommended", 5.0, "Airline")]
    )
    assert page.best_baseline(task, figures) == "ridge"
    assert "**ridge** beats the recommended setting." in page.words(task, figures)


def test_the_study_marks_what_lies_beyond_the_noise():
    """Pairs by seed: a steady gain is marked, a lucky seed is not."""
    base = np.array([90.0, 80.0, 85.0])
    assert defaults._beyond_noise(base, base + [1.0, 1.2, 0.9])
    assert not defaults._beyond_noise(base, base + [4.0, -1.0, 0.2])
    assert not defaults._beyond_noise(base, base)


@pytest.mark.parametrize("n_steps", [10, 50])
def test_memory_tasks_need_their_early_steps(n_steps):
    """The answer is where the description says, and nowhere else."""
    rng = np.random.default_rng(0)
    X, y = adding(200, n_steps, rng)
    np.testing.assert_allclose((X[:, :, 0] * X[:, :, 1]).sum(axis=1), y, rtol=1e-6)
    assert (X[:, :, 1].sum(axis=1) == 2).all()
    assert (X[:, : n_steps // 10, 1].sum(axis=1) == 1).all()
    X, y = copying(200, n_steps, rng)
    np.testing.assert_array_equal(X[:, 0, :8].argmax(axis=1), y)
    assert not X[:, 1:, :8].any()
