"""docs/accuracy.md, from the stored results: tables, and in words what they say.

Sentences are made from the figures, so a page cannot praise what lost.
"""

import numpy as np

from tests.benchmarks.accuracy.comparison import compared
from tests.benchmarks.accuracy.development import DEVELOPMENT
from tests.benchmarks.accuracy.run import methods
from tests.benchmarks.accuracy.tasks import TASKS as PUBLIC

TASKS = PUBLIC | DEVELOPMENT

OURS = ("recommended", "default")
BEFORE = "default before"
CELLS = ("recommended, lstm", "recommended, rnn")
PLAIN = "torch.nn.GRU, peers' defaults"

# What a reader has to know about how a setting was found.
NOTES = {
    "ETTh1-96": (
        "torch.nn.GRU reads the latest 96 steps, the default 336. The test part was "
        "read once more with the default behind windows of 96 steps: 0.380 ± 0.003."
    ),
    "Bikeshare": (
        "The test part was read three times. The first recommended setting, found on "
        "one stretch of validation data, stopped early on the latest tenth of its rows "
        "and reached 0.921 ± 0.007; the second, one network, 0.939 ± 0.003. It, and "
        "then the mean of three networks (0.949 there, where one has 0.947), were "
        "chosen on three other stretches of the training part, not on the test part."
    ),
    "Airline": (
        "On seven stretches of the training part this setting has 5.0, where ridge has "
        "5.6, and nothing that was tried is better beyond the noise (last value taken "
        "off: 6.2; one month ahead, recursively: 11.3; weight decay 1: 4.9). The slump "
        "of 1958 ends the training part; whether the setting carries it on was not "
        "tested."
    ),
}

# Methods too slow for all seeds, or for any: what a reader has to know about them.
# The estimate goes by the same network with 10 epochs.
SCALED = "torch.nn.GRU, scaled, 50 epochs"
LIMITED = {
    (
        "ETTh1-96",
        SCALED,
    ): f"{SCALED}: more than half an hour a fit, so it was left out.",
}

HEAD = """# Accuracy

Printed by `make bench-accuracy DATA=folder`. Every method is fitted on the official
training part and judged on the official test part, once unless the task says otherwise,
on one core; figures are the mean and standard deviation over the seeds (without a
deviation: one fit), and CPU seconds of one fit. Settings were chosen by inner
validation on the training parts alone. *Default* is the estimator untouched, behind the
same windows as the baselines, and *default before* has the default parameters before
[decision 23](development/decisions/0023-better-defaults.md); *recommended* is the
setting of the task in `tests/benchmarks/accuracy/settings.py`. *torch.nn.GRU, peers'
defaults* is what a first tutorial leads to: nothing scaled, 64 units, Adam at 0.001, 10
epochs. The first twelve tasks are public benchmarks; series of the others are in the
wheels of other packages (`tests/benchmarks/accuracy/development.py`), and squared errors
of their forecasts are in variances of the training part. Fits ran at different loads of a
shared machine: less than a factor of two in time means little.

The default of decision 23 was read on the test parts first; its figures are in
[decision 24](development/decisions/0024-cross-fitted-small-fits.md), which changed the
default for small training sets and panels, and [decision
25](development/decisions/0025-the-last-epochs.md) added the last epochs, and [decision
26](development/decisions/0026-three-networks-for-few.md) networks for few recordings and
segments for many long windows; all were chosen on validation parts alone. The figures of the default here are later readings.

"""


class Figures:
    """Stored results by task and method, the newest of each seed."""

    def __init__(self, results):
        self.newest = {(r["task"], r["method"], r["seed"]): r for r in results}

    def of(self, task, method):
        """Results over the seeds; an empty list if it was not run."""
        found = sorted(key for key in self.newest if key[:2] == (task, method))
        return [self.newest[key] for key in found]

    def methods(self, task):
        """What was run on a task, in the order of the tables."""
        found = {m for t, m, _ in self.newest if t == task}
        ours = [m for m in OURS if m in found]
        ours += [BEFORE] if BEFORE in found else []
        hidden = {*OURS, *CELLS, BEFORE}
        others = [m for m in found if m not in hidden and not m.startswith("variant")]
        return ours + sorted(others)

    def rivals(self, task):
        """What was run on a task and is not ours."""
        return [m for m in self.methods(task) if m not in (*OURS, BEFORE)]

    def mean(self, task, method):
        """Mean score, or None."""
        results = self.of(task, method)
        return float(np.mean([r["score"] for r in results])) if results else None


def digits(task):
    """Decimals worth printing."""
    return 3 if task.metric in ("R2", "MSE", "MASE", "MAE") else 1


def show(task, figures, method):
    """Mean, deviation and seconds of a method on a task."""
    results = figures.of(task.name, method)
    if not results:
        return "not run"
    scores = [r["score"] for r in results]
    seconds = np.mean([r["seconds"] for r in results])
    d = digits(task)
    spread = f" ± {np.std(scores):.{d}f}" if len(scores) > 1 else ""
    return f"{np.mean(scores):.{d}f}{spread} ({seconds:.1f} s)"


def best_baseline(task, figures):
    """The name of the strongest method that is not ours, or None."""
    others = figures.rivals(task.name)
    key = lambda m: figures.mean(task.name, m)  # noqa: E731
    return (max if task.higher_is_better else min)(others, key=key, default=None)


def summary(tasks, figures):
    """One row a task: ours beside the strongest baseline."""
    lines = [
        "| task | metric | default before | default | recommended | strongest baseline |",
        "|---|---|---|---|---|---|",
    ]
    for task in tasks:
        rival = best_baseline(task, figures)
        ours = [
            show(task, figures, method) if figures.of(task.name, method) else ""
            for method in (BEFORE, "default", "recommended")
        ]
        named = f"{rival}: {show(task, figures, rival)}" if rival else "not run"
        lines.append(f"| {task.name} | {task.metric} | {' | '.join(ours)} | {named} |")
    return "\n".join(lines)


def verdict(tasks, figures):
    """Which targets are missed, and where something else is the better choice."""
    short = {method: [] for method in OURS}
    losses = {method: [] for method in OURS}
    for task in tasks:
        rival = best_baseline(task, figures)
        goals = {"recommended": task.must, "default": task.untouched}
        for method in OURS:
            mean = figures.mean(task.name, method)
            if mean is None:
                continue
            if goals[method] is not None and task.better(goals[method], mean):
                short[method].append(task.name)
            if rival and task.better(figures.mean(task.name, rival), mean):
                losses[method].append(f"{task.name} ({rival})")
    lines = []
    for method in OURS:
        missed = ", ".join(short[method]) or "none"
        lost = ", ".join(losses[method]) or "none"
        lines.append(f"* The {method} setting misses its target on: {missed}.")
        lines.append(f"* A baseline beats the {method} setting on: {lost}.")
    lines.append(_beside_plain(tasks, figures))
    lines += compared(tasks, figures, BEFORE, best_baseline)
    return "\n".join(lines)


def _beside_plain(tasks, figures):
    """Whether the untouched estimator is the better first try than a first tutorial."""
    behind, ahead = [], []
    for task in tasks:
        pair = [figures.mean(task.name, m) for m in ("default", PLAIN)]
        if None not in pair:
            (behind if task.better(*pair) else ahead).append(task.name)
    lost = f"; not on: {', '.join(ahead)}" if ahead else ""
    return (
        f"* The default setting is better than {PLAIN}, on {len(behind)} of the "
        f"{len(behind) + len(ahead)} tasks on which both were run{lost}."
    )


def details(task, figures):
    """All methods of a task, ours first."""
    lines = [f"| method | {task.metric} (CPU seconds) |", "|---|---|"]
    lines += [
        f"| {method} | {show(task, figures, method)} |"
        for method in figures.methods(task.name)
    ]
    return "\n".join(lines)


def words(task, figures):
    """What the figures of a task say, losses first."""
    said = [*_targets(task, figures)]
    for method in figures.rivals(task.name):
        beaten = [
            ours
            for ours in OURS
            if (mine := figures.mean(task.name, ours)) is not None
            and task.better(figures.mean(task.name, method), mine)
        ]
        if beaten:
            said.append(f"**{method}** beats the {' and the '.join(beaten)} setting.")
    left_out = [
        name
        for name in methods(task)
        if name not in CELLS and not figures.of(task.name, name)
    ]
    if task.name in DEVELOPMENT:  # on which torch.nn.GRU was not asked for
        left_out = [name for name in left_out if "torch" not in name]
    if left_out:
        said.append(f"Not run: {', '.join(left_out)}.")
    said += [why for (name, _), why in LIMITED.items() if name == task.name]
    if task.name in NOTES:
        said.append(NOTES[task.name])
    return said or ["No baseline beats the estimator."]


def _targets(task, figures):
    d = digits(task)
    wanted = {"recommended": task.must, "default": task.untouched}
    for method, target in wanted.items():
        mean = figures.mean(task.name, method)
        if target is None or np.isnan(target):
            continue
        if mean is None:
            yield f"The {method} setting was not run."
        elif task.better(target, mean):
            yield (
                f"The {method} setting falls short of its target: {mean:.{d}f} "
                f"where {target:g} is wanted."
            )
    results = figures.of(task.name, "recommended")
    seconds = np.mean([r["seconds"] for r in results]) if results else 0
    if seconds > task.budget:
        yield f"It takes {seconds:.0f} s where {task.budget:g} s are allowed."


def write_page(path, store):
    """Write the page of what is in the store."""
    results = store.results()
    figures = Figures(results)
    tasks = [t for t in TASKS.values() if figures.methods(t.name)]
    machines = sorted({_where(r) for r in results})
    parts = [
        HEAD + "\n".join(f"* {line}" for line in machines),
        summary(tasks, figures),
        verdict(tasks, figures),
    ]
    for task in tasks:
        sentences = "\n".join(f"* {s}" for s in words(task, figures))
        parts.append(f"## {task.name}\n\n{details(task, figures)}\n\n{sentences}")
    path.write_text("\n\n".join(parts) + "\n")


def _where(result):
    cpu = result["machine"].split(",")[0]
    packages = ", ".join(f"{name} {v}" for name, v in result["versions"].items())
    return f"{cpu}; {packages}"
