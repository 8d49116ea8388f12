"""The comparison of cells: every cell has the same choice, the words follow the figures."""

import numpy as np
import pytest

from tests.benchmarks import cells, remember
from tests.benchmarks.accuracy.page import Figures
from tests.benchmarks.accuracy.tasks import TASKS


def _result(score, parameters=100):
    return {
        "score": score,
        "parameters": parameters,
        "epochs": 20,
        "learning_rate": 0.01,
    }


@pytest.fixture
def found():
    """Memory tasks as if the GRU solved the short lengths and the RNN nothing."""
    made = {}
    for n in cells.LENGTHS:
        for problem, good, bad in (("adding", 0.001, 0.1), ("copying", 100.0, 12.0)):
            made[problem, "gru", n] = [_result(good if n < 500 else bad, 75)]
            made[problem, "lstm", n] = [_result(good, 100)]
            made[problem, "rnn", n] = [_result(bad, 25)]
    return made


@pytest.fixture
def figures():
    """Two public tasks; on one the LSTM wins beyond the noise, on one it ties."""
    scores = {
        "GunPoint": {"gru": 90.0, "lstm": 95.0, "rnn": 60.0},
        "ERing": {"gru": 80.0, "lstm": 80.1, "rnn": 85.0},
    }
    sizes = {"gru": 80, "lstm": 100, "rnn": 40}
    return Figures(
        [
            _result(score + noise, sizes[cell])
            | {"task": task, "method": cells.METHODS[cell], "seed": seed}
            for task, row in scores.items()
            for cell, score in row.items()
            for seed, noise in enumerate((-0.5, 0.0, 0.5))
        ]
    )


def test_words_say_who_solves_what(found):
    """Reach is a list of lengths, and a length counts only if every seed solves it."""
    said = cells.reach(found)
    assert (
        "`gru` solves the adding problem with every seed at 50, 100 and 200 steps."
        in said
    )
    assert "`rnn` solves the copy task with every seed at none of the lengths." in said
    assert "mean of the seeds is `lstm` 100.0, `gru` 100.0 and `rnn` 12.0 %." in said
    assert not cells.solved(found, "adding", "gru", 500)
    found["adding", "gru", 50].append(_result(0.02))
    assert not cells.solved(found, "adding", "gru", 50)


def test_only_unsolved_cells_train_longer(found):
    """More epochs are for those that need them, and the sentence has the outcome."""

    class Stored:
        def seed(self, problem, cell, n_steps, seed, epochs):
            assert (problem, n_steps, epochs) == ("adding", 200, cells.LONGER)
            return _result(0.02)

    longer = cells.measure_longer(Stored(), found)
    assert list(longer) == ["rnn"]
    said = cells.more_epochs(longer)
    assert "not solved by `rnn` with 100 epochs" in said
    assert "0.0200 to 0.0200" in said


def test_cells_are_told_apart_beyond_the_noise(figures):
    """Two standard errors of the difference, and lower is better where it is an error."""
    sides = cells.compare(figures, "lstm")
    assert sides == {"better": ["GunPoint"], "worse": [], "alike": ["ERing"]}
    sides = cells.compare(figures, "rnn")
    assert sides == {"better": ["ERing"], "worse": ["GunPoint"], "alike": []}


def test_the_saying_is_judged_by_the_figures(found, figures):
    """Shares of parameters and time are those of the tables."""
    epochs = {("GunPoint", "gru"): 1.0, ("GunPoint", "lstm"): 2.0}
    epochs |= {("ERing", "gru"): 1.8, ("ERing", "lstm"): 2.0}
    epochs |= {(task, "rnn"): 0.5 for task in ("GunPoint", "ERing")}
    pace = {"gru": 3.0, "lstm": 4.0, "rnn": 1.0}
    paces = {(cell, n): pace[cell] for cell in pace for n in cells.LENGTHS}
    said = cells.verdict(paces, figures, epochs)
    assert "the networks of the tasks have 80% of them" in said
    assert "takes 50% to 90% of the time of the LSTM" in said
    assert "on the adding problem 75% to 75%" in said
    assert "better than the GRU on GunPoint, worse on none" in said
    assert "| GunPoint, accuracy % | 90.0 ± 0.4; 80 parameters, 1.000 s |" in (
        cells.public_tasks(figures, epochs)
    )
    assert "| parameters | 75 | 100 | 25 |" in cells.cost(found, paces)
    assert "**0.0010** (20 epochs, rate 0.01)" in cells.curve(found, "adding")


def test_every_cell_chooses_its_rate_alike(tmp_path, monkeypatch):
    """The first that solves; the lowest loss if none does; beyond 200 steps that of 200."""
    losses = {
        ("gru", 0.01): 0.5,
        ("gru", 0.003): 0.001,
        ("rnn", 0.01): 0.9,
        ("rnn", 0.003): 0.7,
        ("rnn", 0.001): 0.8,
    }
    tried = []

    def trial(problem, cell, n_steps, rate):
        tried.append((cell, n_steps, rate))
        return {"loss": losses[cell, rate]}

    monkeypatch.setattr(remember, "trial", trial)
    results = remember.Results(tmp_path)
    assert results.rate("adding", "gru", 1000) == 0.003
    assert tried == [("gru", 200, 0.01), ("gru", 200, 0.003)]
    assert results.rate("adding", "rnn", 50) == 0.003
    assert len(tried) == 5
    results.rate("adding", "rnn", 50)
    assert len(tried) == 5  # stored


def test_training_ends_when_the_held_out_part_is_solved(monkeypatch):
    """A short adding problem takes fewer epochs than allowed, and is solved."""
    monkeypatch.setattr(remember, "N_TRAIN", 2000)
    monkeypatch.setattr(remember, "N_TEST", 200)
    done = remember.remember("adding", "gru", 5, 0, 0.01, 30)
    assert done["epochs"] < 30
    assert done["score"] < 0.01
    assert remember.pace("gru", 5)["epoch"] > 0


def test_epochs_are_timed_inside_the_training(monkeypatch):
    """The clock finds its way through clones and pipelines."""
    task = TASKS["GunPoint"]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 10, 1)).astype(np.float32)
    y = np.arange(20) % 2
    labelled = type("Data", (), {"X": X, "y": y, "X_test": X, "y_test": y})()
    assert cells.epoch(task, "rnn", labelled)["epoch"] > 0
