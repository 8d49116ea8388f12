"""GRU, LSTM and vanilla RNN: size, seconds an epoch, accuracy, and how long they remember.

``python -m tests.benchmarks cells`` measures; ``CELLS_CACHE`` is the folder of results
and ``DATA`` that of the public tasks (left out: the two memory tasks alone). What every
text on the GRU says ("fewer parameters, faster, as good") is printed as measured.
"""

import json
import os
import time
from pathlib import Path

import numpy as np

from sklearn_gru import GRUClassifier, GRURegressor
from tests.benchmarks.accuracy.memory_tasks import adding, copying
from tests.benchmarks.accuracy.run import CACHE
from tests.benchmarks.machine import describe

CELLS = ("gru", "lstm", "rnn")
LENGTHS = (50, 100, 200, 500, 1000)
SEEDS = (0, 1, 2)
N_TRAIN, N_TEST = 8000, 1000
# The same for all cells: found on the adding problem of 100 steps with other seeds.
TRAINING = {"batch_size": 64, "max_iter": 30, "early_stopping": False}
SOLVED = 0.01  # MSE of the adding problem; knowing nothing is 1/6


def remember(problem, cell, n_steps, seed):
    """Fit one cell on one memory task; error and cost."""
    rng = np.random.default_rng(seed)
    make = adding if problem == "adding" else copying
    X, y = make(N_TRAIN + N_TEST, n_steps, rng)
    kind = GRURegressor if problem == "adding" else GRUClassifier
    model = kind(cell=cell, random_state=seed, **TRAINING)
    start = time.process_time()
    model.fit(X[:N_TRAIN], y[:N_TRAIN])
    seconds = (time.process_time() - start) / model.n_iter_
    predicted, truth = model.predict(X[N_TRAIN:]), y[N_TRAIN:]
    if problem == "adding":
        score = float(np.mean((predicted - truth) ** 2))
    else:
        score = float(100 * np.mean(predicted == truth))
    return {"score": score, "epoch": seconds, "parameters": model.n_parameters_}


def stored(folder, problem, cell, n_steps, seed):
    """The result from its file, or measured now."""
    path = folder / f"{problem}-{cell}-{n_steps}-{seed}.json"
    if not path.exists():
        result = remember(problem, cell, n_steps, seed)
        path.write_text(json.dumps(result | {"training": TRAINING}))
    return json.loads(path.read_text())


def curve(folder, problem, lengths, seeds):
    """Print how each cell does as the cue moves away; a row a length."""
    metric = "MSE (1/6: nothing learned)" if problem == "adding" else "accuracy %"
    print(f"\n{problem}: {metric}, worst and best of {len(seeds)} seeds; s an epoch")
    print("| steps | " + " | ".join(CELLS) + " |")
    print("|---|" + "---|" * len(CELLS))
    for n_steps in lengths:
        cells = []
        for cell in CELLS:
            found = [stored(folder, problem, cell, n_steps, seed) for seed in seeds]
            scores = sorted(r["score"] for r in found)
            d = 4 if problem == "adding" else 1
            seconds = np.mean([r["epoch"] for r in found])
            span = f"{scores[0]:.{d}f} to {scores[-1]:.{d}f}"
            solved = problem == "adding" and scores[-1] < SOLVED
            cells.append(f"{span}{' solved' if solved else ''} ({seconds:.2f} s)")
        print(f"| {n_steps} | " + " | ".join(cells) + " |", flush=True)


def sizes():
    """Print the parameters of one layer of 64 units on 8 features, counted by fitting."""
    X, y = np.zeros((4, 2, 8)), np.arange(4.0)
    counts = {
        cell: GRURegressor(cell=cell, max_iter=1).fit(X, y).n_parameters_
        for cell in CELLS
    }
    print(
        "parameters, 64 units on 8 features: "
        + ", ".join(f"{cell} {n}" for cell, n in counts.items())
    )


def main():
    """Print everything."""
    folder = Path(os.environ.get("CELLS_CACHE", CACHE)) / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    print(describe())
    sizes()
    for problem in ("adding", "copying"):
        curve(folder, problem, LENGTHS, SEEDS)
