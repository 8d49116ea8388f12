"""GRU, LSTM and vanilla RNN: size, seconds an epoch, accuracy, and how long they remember.

``python -m tests.benchmarks cells`` measures the two memory tasks, takes the accuracy on
the public tasks from the results of ``make bench-accuracy``, and writes docs/cells.md
with its plot. ``CACHE`` is the folder of results. It takes hours on one core and goes
on where it was interrupted.
"""

import json
import os
import time
from pathlib import Path

import numpy as np

from sklearn_gru import GRUClassifier, GRURegressor
from tests.benchmarks.accuracy.memory_tasks import adding, copying
from tests.benchmarks.accuracy.page import Figures, digits
from tests.benchmarks.accuracy.run import CACHE, Store
from tests.benchmarks.accuracy.tasks import TASKS
from tests.benchmarks.machine import describe

CELLS = ("gru", "lstm", "rnn")
LENGTHS = (50, 100, 200, 500, 1000)
SEEDS = (0, 1, 2)
N_TRAIN, N_TEST = 8000, 1000
# One way: a cell that also reads backwards meets the early cue last.
TRAINING = {"batch_size": 64, "max_iter": 20, "early_stopping": False}
TRAINING["bidirectional"] = False
SOLVED = 0.01  # MSE of the adding problem; knowing nothing is 1/6
PAGE = Path(__file__).parents[2] / "docs" / "cells.md"

HEAD = """# GRU, LSTM and vanilla RNN

Printed by `python -m tests.benchmarks cells`. "Fewer parameters, faster, as good" is
what texts say of the GRU beside the LSTM; this is what was measured, with everything
but `cell=` the same.
"""


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


def measure(folder):
    """Results over the seeds by (problem, cell, length)."""
    found = {}
    for problem in ("adding", "copying"):
        for n_steps in LENGTHS:
            for cell in CELLS:
                results = [stored(folder, problem, cell, n_steps, s) for s in SEEDS]
                found[problem, cell, n_steps] = results
                scores = [round(r["score"], 4) for r in results]
                print(f"{problem} {n_steps:5d} steps {cell:5s} {scores}", flush=True)
    return found


def curve(found, problem):
    """How each cell does as the cue moves away; a row a length."""
    d = 4 if problem == "adding" else 1
    lines = ["| steps | " + " | ".join(CELLS) + " |", "|---|" + "---|" * len(CELLS)]
    for n_steps in LENGTHS:
        row = []
        for cell in CELLS:
            results = found[problem, cell, n_steps]
            scores = sorted(r["score"] for r in results)
            seconds = np.mean([r["epoch"] for r in results])
            solved = " solved" if problem == "adding" and scores[-1] < SOLVED else ""
            row.append(
                f"{scores[0]:.{d}f} to {scores[-1]:.{d}f}{solved} ({seconds:.2f} s)"
            )
        lines.append(f"| {n_steps} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def plot(found, path):
    """The two curves, every seed a point."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    names = {"adding": "adding problem: MSE", "copying": "copy: accuracy %"}
    for ax, (problem, title) in zip(axes, names.items(), strict=True):
        for cell in CELLS:
            scores = np.array(
                [[r["score"] for r in found[problem, cell, n]] for n in LENGTHS]
            )
            (line,) = ax.plot(LENGTHS, scores.mean(axis=1), label=cell)
            ax.plot(LENGTHS, scores, "o", ms=3, color=line.get_color())
        ax.set(title=title, xlabel="steps between cue and answer", xscale="log")
        ax.set_xticks(LENGTHS, [str(n) for n in LENGTHS], minor=False)
    axes[0].axhline(SOLVED, color="0.6", lw=0.8, ls="--")
    axes[0].set_yscale("log")
    axes[0].legend()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path)


def public_tasks(figures):
    """A row a task: score, parameters and seconds an epoch of each cell."""
    names = dict(
        zip(
            CELLS, ("recommended", "recommended, lstm", "recommended, rnn"), strict=True
        )
    )
    lines = ["| task | " + " | ".join(CELLS) + " |", "|---|" + "---|" * len(CELLS)]
    for task in TASKS.values():
        found = [figures.of(task.name, names[cell]) for cell in CELLS]
        if all(found):
            cells = " | ".join(_public_cell(task, results) for results in found)
            lines.append(f"| {task.name}, {task.metric} | {cells} |")
    return "\n".join(lines)


def _public_cell(task, results):
    scores = [r["score"] for r in results]
    epoch = np.mean([r["seconds"] / r["epochs"] for r in results])
    d = digits(task)
    return (
        f"{np.mean(scores):.{d}f} ± {np.std(scores):.{d}f}, "
        f"{results[0]['parameters']} parameters, {epoch:.3f} s an epoch"
    )


def words(found):
    """What the curves say, from the figures."""
    said = []
    for cell in CELLS:
        solved = [
            n
            for n in LENGTHS
            if all(r["score"] < SOLVED for r in found["adding", cell, n])
        ]
        reach = f"up to {max(solved)} steps" if solved else "at no length tried"
        said.append(f"* `{cell}` solves the adding problem {reach} with every seed.")
    size = {c: found["adding", c, LENGTHS[0]][0]["parameters"] for c in CELLS}
    epoch = {
        c: np.mean([r["epoch"] for n in LENGTHS for r in found["adding", c, n]])
        for c in CELLS
    }
    said.append(
        f"* The GRU has {size['gru'] / size['lstm']:.0%} of the parameters of the LSTM "
        f"and takes {epoch['gru'] / epoch['lstm']:.0%} of its time an epoch; the RNN has "
        f"{size['rnn'] / size['gru']:.0%} of the parameters of the GRU and takes "
        f"{epoch['rnn'] / epoch['gru']:.0%} of its time."
    )
    return "\n".join(said)


def main():
    """Measure, print and write the page."""
    cache = Path(os.environ.get("CACHE", CACHE))
    folder = cache / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    found = measure(folder)
    plot(found, PAGE.parent / "images" / "cells.svg")
    figures = Figures(Store(cache, "test").results())
    parts = [
        HEAD + f"\n{describe()}",
        "## How long they remember\n\n![Error against length](images/cells.svg)",
        words(found),
        "Adding problem, mean squared error (1/6: nothing learned), best to worst of "
        f"{len(SEEDS)} seeds, CPU seconds an epoch of {N_TRAIN} sequences; solved means "
        f"below {SOLVED} with every seed.\n\n" + curve(found, "adding"),
        "Copying the first of all symbols, accuracy % (chance: 12.5).\n\n"
        + curve(found, "copying"),
        "## Public tasks\n\nThe recommended setting of each task with another cell, on "
        "the official test parts.\n\n" + public_tasks(figures),
    ]
    PAGE.write_text("\n\n".join(parts) + "\n")
    print(curve(found, "adding"), curve(found, "copying"), sep="\n\n")
