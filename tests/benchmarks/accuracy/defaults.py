"""The study behind the default parameters: one change at a time, on training parts.

``python -m tests.benchmarks.accuracy.defaults --data FOLDER`` measures every variant of
:mod:`~tests.benchmarks.accuracy.variants` by inner validation with three seeds and
adds a table to the page named by ``--page``. Test parts are not read.
"""

import argparse
import json
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from tests.benchmarks.accuracy.development import DEVELOPMENT  # noqa: E402
from tests.benchmarks.accuracy.run import CACHE, Store, measure  # noqa: E402
from tests.benchmarks.accuracy.tasks import TASKS as PUBLIC  # noqa: E402
from tests.benchmarks.accuracy.variants import AROUND, VARIANTS  # noqa: E402
from tests.benchmarks.machine import describe  # noqa: E402

TASKS = PUBLIC | DEVELOPMENT
CHEAP = ("JapaneseVowels", "BasicMotions", "ERing", "GunPoint", "ItalyPowerDemand")
CHEAP += ("Airline", "FSDD", "Bikeshare")


def study(data, store, tasks, variants, seeds, *, fit=True):
    """Results by (task, variant), a list over the seeds; a variant on all tasks first.

    Without `fit` only what is stored.
    """
    loaded = {name: TASKS[name].load(data) for name in tasks}
    found = {}
    for variant, make in variants.items():
        for task in (TASKS[name] for name in tasks):
            results = list(
                _measured(task, variant, make, loaded[task.name], store, seeds, fit)
            )
            if len(results) == len(seeds):
                found[task.name, variant] = results
                _say(task, variant, results)
    return found


def _say(task, variant, results):
    scores = np.array([r["score"] for r in results])
    seconds = np.mean([r["seconds"] for r in results])
    print(
        f"{task.name:17s} {variant:28s} {scores.mean():8.3f} +- {scores.std():6.3f} "
        f"{task.metric:10s} {seconds:6.1f} s",
        flush=True,
    )


def _measured(task, variant, make, data, store, seeds, fit):
    method = f"variant {variant}"
    for seed in seeds:
        model = make(task, seed)
        if model is None or not (fit or store.path(task, method, seed, model).exists()):
            continue
        yield measure(
            task,
            method,
            lambda seed: make(task, seed),
            seed,
            data,
            store=store,
            mode="validate",
        )


def table(found, tasks):
    """A row a variant, a column a task: mean and deviation; bold beyond the noise."""
    head = "| variant | " + " | ".join(
        f"{name}, {TASKS[name].metric}" for name in tasks
    )
    lines = [head + " | CPU s, all |", "|---" * (len(tasks) + 2) + "|"]
    for aspect, variants in VARIANTS.items():
        if not any(_any(v, found, tasks) for v in variants):
            continue
        lines.append(f"| **{aspect}** " + "| " * len(tasks) + "| |")
        lines += [_row(v, found, tasks) for v in variants if _any(v, found, tasks)]
    return "\n".join(lines)


def _any(variant, found, tasks):
    return any((name, variant) in found for name in tasks)


def _row(variant, found, tasks):
    cells, seconds = [], 0.0
    for name in tasks:
        results, base = found.get((name, variant)), found[name, "unchanged"]
        cells.append("" if results is None else _cell(TASKS[name], results, base))
        seconds += np.mean([r["seconds"] for r in results or [{"seconds": 0}]])
    return f"| {variant} | " + " | ".join(cells) + f" | {seconds:.1f} |"


def _cell(task, results, base):
    scores = np.array([r["score"] for r in results])
    digits = 3 if task.metric in ("R2", "MSE") else 1
    text = f"{scores.mean():.{digits}f} ± {scores.std():.{digits}f}"
    pairs = np.array([r["score"] for r in base]), scores
    if _beyond_noise(*pairs):
        better = task.better(scores.mean(), pairs[0].mean())
        return f"**{text}** {'▲' if better else '▼'}"
    return text


def _beyond_noise(base, scores):
    """Two standard errors of the difference, seed by seed as the folds are."""
    if len(base) != len(scores) or len(base) < 2:
        return False
    difference = scores - base
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return bool(abs(difference.mean()) > 2 * error and np.any(difference))


def write(found, tasks, seeds, path, title=None):
    """Add the table of a round to the page."""
    page = path.read_text() if path.exists() else HEAD
    changed = ", ".join(f"`{k}={v!r}`" for k, v in AROUND.items())
    title = title or f"Around the defaults{' with ' + changed if changed else ''}"
    text = f"## {title}\n\n{len(seeds)} seeds. {describe()}\n\n{table(found, tasks)}\n"
    path.write_text(f"{page}\n{text}")


HEAD = """# Defaults study

The tables are printed by `python -m tests.benchmarks.accuracy.defaults`, one section
per round. Every row changes one parameter of the first row. The values are the mean and
deviation over the seeds, by inner validation on the training sets (small data sets are
split into three folds, drawn again for each seed; large ones use one fold per seed),
and the CPU seconds of a fit, summed over the tasks of the row. ▲ and ▼ mark values that
are better or worse than the first row by more than two standard errors of the
difference. Empty cells were not measured. Decision records 12 and 23 describe the
conclusions.
"""


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.accuracy.defaults"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(CHEAP))
    parser.add_argument(
        "--aspects", nargs="+", choices=VARIANTS, default=list(VARIANTS)
    )
    parser.add_argument("--variants", nargs="+", help="of these aspects, only these")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--around", type=json.loads, default={}, help="JSON")
    parser.add_argument("--page", type=Path, help="add the table to this page")
    parser.add_argument("--title", help="of the section")
    parser.add_argument("--stored", action="store_true", help="fit nothing")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    AROUND.update(args.around)
    store = Store(args.cache, "validate")
    every = {k: v for aspect in args.aspects for k, v in VARIANTS[aspect].items()}
    variants = {k: v for k, v in every.items() if k in (args.variants or every)}
    found = study(
        args.data, store, args.tasks, variants, args.seeds, fit=not args.stored
    )
    if args.page:
        write(found, args.tasks, args.seeds, args.page, args.title)


if __name__ == "__main__":
    main()
