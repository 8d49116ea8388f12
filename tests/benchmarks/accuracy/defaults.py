"""The study behind the default parameters: one change at a time, on training parts.

``python -m tests.benchmarks.accuracy.defaults --data FOLDER`` measures every variant of
:mod:`~tests.benchmarks.accuracy.variants` by inner validation with three seeds and
writes docs/development/defaults_study.md. Test parts are not read.
"""

import argparse
import json
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from tests.benchmarks.accuracy.run import CACHE, Store, measure  # noqa: E402
from tests.benchmarks.accuracy.tasks import TASKS  # noqa: E402
from tests.benchmarks.accuracy.variants import AROUND, VARIANTS  # noqa: E402
from tests.benchmarks.machine import describe  # noqa: E402

CHEAP = ("JapaneseVowels", "BasicMotions", "ERing", "GunPoint", "ItalyPowerDemand")
CHEAP += ("Airline", "FSDD", "Bikeshare")
PAGE = Path(__file__).parents[3] / "docs" / "development" / "defaults_study.md"


def study(data, store, tasks, aspects, seeds):
    """Results by (task, variant), a list over the seeds; a variant on all tasks first."""
    loaded = {name: TASKS[name].load(data) for name in tasks}
    found = {}
    for variant, make in [v for a in aspects for v in VARIANTS[a].items()]:
        for task in (TASKS[name] for name in tasks):
            results = list(
                _measured(task, variant, make, loaded[task.name], store, seeds)
            )
            if results:
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


def _measured(task, variant, make, data, store, seeds):
    for seed in seeds:
        if make(task, seed) is not None:
            yield measure(
                task,
                f"variant {variant}",
                lambda seed: make(task, seed),
                seed,
                data,
                store=store,
                mode="validate",
            )


def gain(task, results, base):
    """How much of the error of the defaults a variant takes away (1: all)."""
    if task.higher_is_better:
        top = 100 if task.metric == "accuracy %" else 1
        error, before = top - _mean(results), top - _mean(base)
    else:
        error, before = _mean(results), _mean(base)
    return 1 - error / max(before, 1e-9)


def _mean(results):
    return float(np.mean([r["score"] for r in results]))


def table(found, tasks):
    """A row a variant, a column a task: mean and deviation; bold beyond the noise."""
    head = "| variant | " + " | ".join(
        f"{name}, {TASKS[name].metric}" for name in tasks
    )
    lines = [head + " | CPU s, all |", "|---" * (len(tasks) + 2) + "|"]
    for aspect, variants in VARIANTS.items():
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


def write(found, tasks, seeds, path):
    """The page."""
    path.write_text(
        HEAD.format(seeds=len(seeds), around=AROUND or "no change", machine=describe())
        + table(found, tasks)
        + "\n"
    )


HEAD = """# The study behind the defaults

Printed by `python -m tests.benchmarks.accuracy.defaults`. Every row changes one thing
of the defaults (with {around} to begin with) and is judged by inner validation on the training parts: means and
deviations over {seeds} seeds (folds are drawn anew for each), CPU seconds of a fit
summed over the tasks. ▲ and ▼ mark what is better or worse than the first row by more
than two standard errors of the difference.

{machine}

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
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--around", type=json.loads, default={}, help="JSON")
    parser.add_argument("--page", type=Path)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    AROUND.update(args.around)
    store = Store(args.cache, "validate")
    found = study(args.data, store, args.tasks, args.aspects, args.seeds)
    if args.page:
        write(found, args.tasks, args.seeds, args.page)


if __name__ == "__main__":
    main()
