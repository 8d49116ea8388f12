"""The benchmarks measure what they say: turns, differences, fair contestants."""

import importlib
import os
import pkgutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import tests.benchmarks
from sklearn_gru import GRURegressor
from sklearn_gru.live import Stream
from tests.benchmarks import contest, ours, rivals
from tests.benchmarks.hot_spots import hot_spots

SCRIPTS = [
    module.name
    for module in pkgutil.iter_modules(tests.benchmarks.__path__)
    if module.name.startswith("bench_")
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_has_a_title_and_a_main(name):
    """The first line of a script heads its part of the performance page."""
    pytest.importorskip("numba")
    module = importlib.import_module(f"tests.benchmarks.{name}")
    title = module.__doc__.splitlines()[0]
    assert title.endswith(".")
    assert len(title) <= 88
    assert callable(module.main)


def test_graphs_of_a_row_keep_all_that_they_carry():
    """The state, and the latest rows for the linear part."""
    pytest.importorskip("onnxruntime")
    script = importlib.import_module("tests.benchmarks.bench_export_onnx")
    model = script.make_model()
    assert model.linear_share_ > 0
    stream, (step, row) = Stream(model), script.step_runner(model, 1)
    rng = np.random.default_rng(0)
    for _ in range(30):
        row[:] = rng.normal(size=row.shape)
        np.testing.assert_allclose(step()[0], stream.update(row[0]), rtol=1e-4)


def test_a_race_takes_turns():
    """Contestants run one after the other, round by round, after a warm-up each."""
    calls = []
    runs = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    seconds = contest.race(runs, 3)
    assert "".join(calls) == "ab" + 3 * "ab"
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 3, "b": 3}


def test_steady_state_leaves_out_what_a_fit_costs_once():
    """Of a fit that costs 30 s and 10 s an epoch, the steady state is 10 s."""
    clock = [0.0]

    def fit(epochs):
        clock[0] += 30 + 10 * epochs

    runs = contest.race_epochs({"fit": fit}, 2, 5, clock=lambda: clock[0])
    one, more = runs["fit"]
    np.testing.assert_allclose(one, np.full(5, 40))
    np.testing.assert_allclose(more, np.full(5, 10))


def test_ratio_and_exponent():
    """A slow moment meets neighbours alike; the exponent of n squared is 2."""
    assert contest.ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == 2
    assert contest.exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2)


def test_hot_spots_name_what_costs():
    """The costliest functions come first, with their calls and microseconds a call."""

    def spin():
        end = time.process_time() + 0.002
        while time.process_time() < end:
            pass

    def call():
        for _ in range(3):
            spin()

    head, first = hot_spots(call, 2, "cumtime", 2)[::2]
    assert head.startswith("calls")
    calls, _, total, name, _ = first.split()
    assert float(calls) == 3
    assert float(total) > 5900
    assert "test_benchmarks.py" in name


def test_raw_loop_learns():
    """The rival is a fair one: it trains."""
    X, y = rivals.windows(1000)
    X, y = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    torch.manual_seed(0)
    net = rivals.raw_fit([X], y, 10)
    error = torch.nn.functional.mse_loss(rivals.raw_predict(net, X), y)
    assert error < 0.5 * y.var()


def test_ragged_rival_ignores_padding():
    """Mean and maximum are those of the steps that are there."""
    torch.manual_seed(0)
    net = rivals.Net(n_outputs=9, bidirectional=True, pooling="mean_max")
    x, lengths = torch.randn(3, 6, 8), torch.tensor([6, 4, 2])
    out = net(x, lengths)
    for i, n in enumerate(lengths):
        alone = net(x[i : i + 1, :n], lengths[i : i + 1])
        torch.testing.assert_close(out[i : i + 1], alone)


def test_fit_on_another_path_is_an_error(monkeypatch):
    """A figure of the kernels is never one of torch; the variable is put back."""
    pytest.importorskip("numba")
    monkeypatch.delenv(ours.OFF, raising=False)
    X, y = rivals.windows(20)
    assert ours.fit(ours.regressor(1), X, y, kernels=False).engine_ == "torch"
    with pytest.raises(RuntimeError, match=r"not numba: .*a small fit"):
        ours.fit(GRURegressor(max_iter=1), X, y)
    assert ours.OFF not in os.environ


def test_the_recipe_of_the_guide_stays_short():
    """ETTh1 by the public API in at most 25 lines, blank ones not counted."""
    lines = Path(tests.benchmarks.__file__).with_name("etth1.py").read_text()
    assert sum(bool(line.strip()) for line in lines.splitlines()) <= 25
    assert "sklearn_gru._" not in lines


def test_rivals_of_the_forecasts_see_the_right_rows():
    """A path follows its window; the day before is 24 hours before; a change adds up."""
    etth1 = importlib.import_module("tests.benchmarks.bench_etth1")
    rows = np.arange(2000.0)[:, None] + np.array([0.0, 10_000.0])
    X, y = etth1.windows(rows, 1000, 1200)
    assert X.shape == (2 * (200 - 96 + 1), 720)
    np.testing.assert_array_equal(y[:, 0], X[:, -1] + 1)
    assert {y[:, 0].min(), y[:, -1].max()} == {1000.0, 11_199.0}
    weather = importlib.import_module("tests.benchmarks.bench_weather")
    X, y = weather.load()
    before, now = X.loc[["JFK"]].iloc[:100], X.loc[["JFK"]].iloc[100:110]
    found = weather.DayBefore().fit(before, None).predict(now)
    np.testing.assert_array_equal(found, before["temp"].iloc[-24:-14])
    assert X.shape[1] == weather.N_FEATURES
    window = weather.ridge(2, 1.0, change=True)
    names = window[0].fit(X[:50]).get_feature_names_out()
    assert names[window[-1].column] == "temp_lag24"


def test_what_a_script_prints_becomes_its_part_of_the_page(monkeypatch):
    """Title, then the table as it was printed."""
    pytest.importorskip("numba")
    script = importlib.import_module("tests.benchmarks.bench_small")
    monkeypatch.setattr(script, "main", lambda: sys.stdout.write("a table\n"))
    page = importlib.import_module("tests.benchmarks.__main__").run("bench_small")
    title = script.__doc__.splitlines()[0].rstrip(".")
    assert page == f"\n## {title}\n\n```text\na table\n```\n"
