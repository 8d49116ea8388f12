"""GRU, LSTM and vanilla RNN: size, seconds an epoch, accuracy, and how long they remember.

``python -m tests.benchmarks cells`` measures the two memory tasks, takes the accuracy on
the public tasks from the results of ``make bench-accuracy``, and writes docs/cells.md
with its plot. ``CACHE`` is the folder of results, ``DATA`` that of the public data; the
run takes about an hour on one core and goes on where it was interrupted.
"""

import os
from pathlib import Path

import numpy as np

from tests.benchmarks.accuracy.page import Figures, digits
from tests.benchmarks.accuracy.run import CACHE, Store, parts
from tests.benchmarks.accuracy.settings import RECOMMENDED
from tests.benchmarks.accuracy.tasks import TASKS
from tests.benchmarks.machine import describe, use_one_thread
from tests.benchmarks.remember import (
    CELLS,
    CHOSEN_UP_TO,
    N_TRAIN,
    RATES,
    TRAINING,
    Clock,
    Results,
    pace,
)

LENGTHS = (50, 100, 200, 500, 1000)
# A fit of the copy task at 1000 steps takes minutes, and at 500 the gated cells are at
# chance already.
LENGTHS_OF = {"adding": LENGTHS, "copying": LENGTHS[:-1]}
SEEDS = (0, 1, 2)
LONGER = 100  # epochs, for those that do not solve the adding problem in `max_iter`
SOLVED = {"adding": lambda score: score < 0.01, "copying": lambda score: score > 99}
METHODS = {
    "gru": "recommended",
    "lstm": "recommended, lstm",
    "rnn": "recommended, rnn",
}
PAGE = Path(__file__).parents[2] / "docs" / "cells.md"

HEAD = """# GRU, LSTM and vanilla RNN

Printed by `python -m tests.benchmarks cells`. "Fewer parameters, faster, as good" is
what texts say of the GRU beside the LSTM; this is what was measured, with nothing
changed but `cell=` (and, for the memory tasks, the learning rate, chosen for every
cell in the same way).
"""


# -- what is measured -------------------------------------------------------------------


def seeds_of(n_steps):
    """All of them, or one where a fit takes minutes."""
    return SEEDS if n_steps <= CHOSEN_UP_TO else SEEDS[:1]


def measure(results):
    """Results over the seeds by (problem, cell, length)."""
    found = {}
    for problem in SOLVED:
        for n_steps in LENGTHS_OF[problem]:
            for cell in CELLS:
                seeds = [
                    results.seed(problem, cell, n_steps, s) for s in seeds_of(n_steps)
                ]
                found[problem, cell, n_steps] = seeds
                scores = [round(r["score"], 4) for r in seeds]
                print(f"{problem} {n_steps:5d} steps {cell:5s} {scores}", flush=True)
    return found


def measure_longer(results, found):
    """The adding problem of 200 steps again, where too few epochs may be the reason."""
    return {
        cell: [results.seed("adding", cell, CHOSEN_UP_TO, s, LONGER) for s in SEEDS]
        for cell in CELLS
        if not solved(found, "adding", cell, CHOSEN_UP_TO)
    }


def epoch(task, cell, data):
    """Seconds an epoch of the recommended setting, from a fit on the training part.

    A whole fit: a short one is left to PyTorch where compiling would not pay.
    """
    model = RECOMMENDED[task.name](0, cell=cell, callbacks=[Clock()])
    split = task.test(data)
    model.fit(split.X, split.y)
    fitted = next(part for part in parts(model) if hasattr(part, "net_"))
    clock = next(c for c in fitted.callbacks if isinstance(c, Clock))
    return {"epoch": float(np.median(clock.seconds[1:]))}


def measure_paces(results):
    """Seconds an epoch of the adding problem by (cell, length), cells side by side."""
    return {
        (cell, n): results.stored(f"pace-{cell}-{n}", pace, cell, n)["epoch"]
        for n in LENGTHS
        for cell in CELLS
    }


def measure_epochs(results, folder):
    """Seconds an epoch by (task, cell), one cell after the other; or those stored."""
    found = {}
    for task in TASKS.values():
        data = task.load(folder) if folder else None
        for cell in CELLS:
            name = f"epoch-{task.name}-{cell}"
            if data is not None or results.has(name):
                found[task.name, cell] = results.stored(name, epoch, task, cell, data)[
                    "epoch"
                ]
    return found


# -- tables -----------------------------------------------------------------------------


def curve(found, problem):
    """How each cell does as the cue moves away; a row a length."""
    d = 4 if problem == "adding" else 1
    lines = ["| steps | " + " | ".join(CELLS) + " |", "|---|" + "---|" * len(CELLS)]
    for n_steps in LENGTHS_OF[problem]:
        row = [_point(found[problem, cell, n_steps], problem, d) for cell in CELLS]
        lines.append(f"| {n_steps} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _point(results, problem, d):
    scores = sorted(r["score"] for r in results)
    ends = dict.fromkeys(f"{score:.{d}f}" for score in (scores[0], scores[-1]))
    epochs = dict.fromkeys(str(n) for n in sorted(r["epochs"] for r in results))
    ends, epochs = list(ends), list(epochs)
    trained = epochs[0] if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    bold = "**" if all(SOLVED[problem](s) for s in scores) else ""
    rate = f", rate {results[0]['learning_rate']:g}"
    return f"{bold}{' to '.join(ends)}{bold} ({trained} epochs{rate})"


def cost(found, paces):
    """Parameters and seconds an epoch of the adding problem; a row a length."""
    lines = ["| steps | " + " | ".join(CELLS) + " |", "|---|" + "---|" * len(CELLS)]
    sizes = [str(found["adding", c, LENGTHS[0]][0]["parameters"]) for c in CELLS]
    lines.append(f"| parameters | {' | '.join(sizes)} |")
    for n_steps in LENGTHS:
        row = [f"{paces[cell, n_steps]:.2f} s" for cell in CELLS]
        lines.append(f"| {n_steps} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def public_tasks(figures, epochs):
    """A row a task: score, parameters and seconds an epoch of each cell."""
    lines = ["| task | " + " | ".join(CELLS) + " |", "|---|" + "---|" * len(CELLS)]
    for task in measured(figures):
        row = [
            _public(task, figures.of(task.name, METHODS[c]), epochs.get((task.name, c)))
            for c in CELLS
        ]
        lines.append(f"| {task.name}, {task.metric} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def measured(figures):
    """Tasks with results of every cell."""
    return [
        task
        for task in TASKS.values()
        if all(figures.of(task.name, method) for method in METHODS.values())
    ]


def _public(task, results, seconds):
    scores = [r["score"] for r in results]
    d = digits(task)
    text = f"{np.mean(scores):.{d}f} ± {np.std(scores):.{d}f}; "
    text += f"{results[0]['parameters']} parameters"
    return text if seconds is None else f"{text}, {seconds:.3f} s"


def plot(found, path):
    """The two curves, every seed a point."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "cells"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    names = {"adding": "adding problem: MSE", "copying": "copy: accuracy %"}
    for ax, (problem, title) in zip(axes, names.items(), strict=True):
        lengths = LENGTHS_OF[problem]
        for cell in CELLS:
            scores = [[r["score"] for r in found[problem, cell, n]] for n in lengths]
            (line,) = ax.plot(lengths, [np.mean(s) for s in scores], label=cell)
            for n_steps, each in zip(lengths, scores, strict=True):
                ax.plot([n_steps] * len(each), each, "o", ms=3, color=line.get_color())
        ax.set(title=title, xlabel="steps between cue and answer", xscale="log")
        ax.set_xticks(LENGTHS, [str(n) for n in LENGTHS], minor=False)
        ax.minorticks_off()
    axes[0].set_yscale("log")
    axes[0].axhline(0.01, color="0.6", lw=0.8, ls="--")
    axes[0].legend()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


# -- words ------------------------------------------------------------------------------


def solved(found, problem, cell, n_steps):
    """Whether every seed solves it."""
    return all(SOLVED[problem](r["score"]) for r in found[problem, cell, n_steps])


def reach(found):
    """How far each cell gets, in words."""
    said = []
    for problem, name in {"adding": "adding problem", "copying": "copy task"}.items():
        for cell in CELLS:
            at = [n for n in LENGTHS_OF[problem] if solved(found, problem, cell, n)]
            where = f"at {_list(at)} steps" if at else "at none of the lengths"
            said.append(f"* `{cell}` solves the {name} with every seed {where}.")
    means = {
        cell: np.mean([r["score"] for r in found["copying", cell, CHOSEN_UP_TO]])
        for cell in CELLS
    }
    ranked = [f"`{c}` {means[c]:.1f}" for c in sorted(means, key=means.get)[::-1]]
    said.append(
        f"* At {CHOSEN_UP_TO} steps of the copy task the mean of the seeds is "
        f"{_list(ranked)} %."
    )
    return "\n".join(said)


def more_epochs(longer):
    """What the unsolved cells reach with more of them."""
    said = []
    for cell, results in longer.items():
        scores = sorted(r["score"] for r in results)
        verdict = "" if max(scores) < 0.01 else "not "
        said.append(
            f"* At {CHOSEN_UP_TO} steps the adding problem is {verdict}solved by `{cell}` "
            f"with {LONGER} epochs instead of {TRAINING['max_iter']}: the mean squared "
            f"error goes down to {scores[0]:.4f} to {scores[-1]:.4f}."
        )
    return "\n".join(said)


def compare(figures, cell):
    """Tasks on which a cell is beyond the noise better than the GRU, worse, or neither."""
    sides = {"better": [], "worse": [], "alike": []}
    for task in measured(figures):
        ours, other = (
            np.array([r["score"] for r in figures.of(task.name, METHODS[c])])
            for c in ("gru", cell)
        )
        gap = other.mean() - ours.mean()
        error = np.sqrt(sum(s.var(ddof=1) / len(s) for s in (ours, other)))
        if not abs(gap) > 2 * error:
            sides["alike"].append(task.name)
        elif task.better(other.mean(), ours.mean()):
            sides["better"].append(task.name)
        else:
            sides["worse"].append(task.name)
    return sides


def ratios(figures, epochs, cell, of):
    """The smallest, median and largest share of a cell in what another takes."""
    size, time_ = [], []
    for task in measured(figures):
        one, two = (figures.of(task.name, METHODS[c])[0] for c in (cell, of))
        size.append(one["parameters"] / two["parameters"])
        pair = epochs.get((task.name, cell)), epochs.get((task.name, of))
        if None not in pair:
            time_.append(pair[0] / pair[1])
    return tuple((min(r), float(np.median(r)), max(r)) for r in (size, time_))


def verdict(paces, figures, epochs):
    """The saying, clause by clause."""
    size, time_ = ratios(figures, epochs, "gru", "lstm")
    rnn_size, rnn_time = ratios(figures, epochs, "rnn", "gru")
    lstm, rnn = compare(figures, "lstm"), compare(figures, "rnn")
    by_length = [paces["gru", n] / paces["lstm", n] for n in LENGTHS]
    return "\n".join(
        [
            "* **Fewer parameters.** A recurrent layer of the GRU has three quarters of "
            f"the parameters of the LSTM's; the networks of the tasks have "
            f"{_span(size)} of them, because embeddings and the head are the same. The RNN has "
            f"{_span(rnn_size)} of the GRU's.",
            f"* **Faster.** On the public tasks an epoch of the GRU takes {_span(time_)} "
            f"of the time of the LSTM, in the median {time_[1]:.0%}; on the adding "
            f"problem {min(by_length):.0%} to {max(by_length):.0%}. An epoch of the RNN "
            f"takes {_span(rnn_time)} of the time of the GRU, in the median "
            f"{rnn_time[1]:.0%}.",
            f"* **As good.** The LSTM is better than the GRU on {_list(lstm['better'])}, "
            f"worse on {_list(lstm['worse'])}, and within the noise of the seeds on "
            f"{_list(lstm['alike'])}. The RNN is better on {_list(rnn['better'])}, worse "
            f"on {_list(rnn['worse'])}, and within the noise on {_list(rnn['alike'])}.",
        ]
    )


def _span(shares):
    low, high = f"{shares[0]:.0%}", f"{shares[2]:.0%}"
    return low if low == high else f"{low} to {high}"


def _list(names):
    names = [str(n) for n in names]
    if len(names) < 2:
        return "".join(names) or "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"


HOW = f"""Two made-up tasks ask for something from the start of a sequence at its end. *Adding*: among
numbers between 0 and 1 two are marked, one in the first tenth and one in the second half;
their sum is asked for. Knowing nothing has a mean squared error of 1/6, and below 0.01
counts as solved. *Copy*: the first step shows one of eight symbols, noise follows, and the
symbol is asked for; chance is 12.5 %, and above 99 % counts as solved.

64 units, one direction, the last state; {N_TRAIN} sequences, a tenth of them held out,
batches of {TRAINING["batch_size"]}, at most {TRAINING["max_iter"]} epochs, fewer once the held-out part is solved. The
learning rate is the first of {_list(RATES)} that solves a task of its own, or the one
with the lowest held-out loss there; every cell has this choice at every length. To
keep the run short, {LENGTHS[-2]} and {LENGTHS[-1]} steps have one seed instead of {len(SEEDS)} and the learning rate
chosen at {CHOSEN_UP_TO}, and the copy task ends at {LENGTHS_OF["copying"][-1]}. {TRAINING["max_iter"]} epochs are about {TRAINING["max_iter"] * round(N_TRAIN * 0.9 / TRAINING["batch_size"])} steps of the optimizer: what is not solved here may
be solved by more of them. In the copy task the seeds of one cell differ as much as the
cells do. Neither of the other two rates took the GRU off chance at 200 steps (seed 0)."""

PUBLIC = """Mean and deviation of the seeds on the official test parts; parameters of the whole network,
CPU seconds an epoch, for Bikeshare of one of its three networks. The setting of each task
is the recommended one of [](accuracy.md), **which was chosen with the GRU**: a cell that would like another
learning rate or width is at a disadvantage here. Better and worse above mean more than two
standard errors of the difference; three seeds are few. The machine was shared, so the
median ratio of the times is to be trusted more than the ends. Where an embedding holds nearly all
parameters, as in IMDB-5k, the cell decides less of size and time."""


def main():
    """Measure, print and write the page."""
    use_one_thread()
    cache = Path(os.environ.get("CACHE", CACHE))
    data = os.environ.get("DATA")
    results = Results(cache / "cells")
    found = measure(results)
    longer = measure_longer(results, found)
    paces = measure_paces(results)
    epochs = measure_epochs(results, Path(data) if data else None)
    figures = Figures(Store(cache, "test").results())
    plot(found, PAGE.parent / "images" / "cells.svg")
    tables = [
        "**Adding**, mean squared error, best to worst seed; bold where every seed has "
        "solved it.\n\n" + curve(found, "adding"),
        "**Copy**, accuracy %.\n\n" + curve(found, "copying"),
        f"**Parameters and CPU seconds an epoch** of {N_TRAIN} sequences of the adding "
        "problem.\n\n" + cost(found, paces),
        public_tasks(figures, epochs),
    ]
    page = [
        HEAD + f"\n{describe()}",
        "## What is true of it\n\n" + verdict(paces, figures, epochs),
        reach(found),
        more_epochs(longer),
        "## How long they remember\n\n![Error against length](images/cells.svg)",
        HOW,
        *tables[:3],
        "## Public tasks\n\n" + PUBLIC,
        tables[3],
    ]
    PAGE.write_text("\n\n".join(part for part in page if part) + "\n")
    print(*tables, sep="\n\n")
