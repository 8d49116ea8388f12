"""Command line of the accuracy benchmark; see the description of the package."""

import argparse
import os

# One core: read when the libraries load, so set before any of them.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

from tests.benchmarks.accuracy.development import DEVELOPMENT  # noqa: E402
from tests.benchmarks.accuracy.page import write_page  # noqa: E402
from tests.benchmarks.accuracy.run import (  # noqa: E402
    CACHE,
    Store,
    describe_model,
    measure,
    methods,
)
from tests.benchmarks.accuracy.tasks import TASKS as PUBLIC  # noqa: E402

TASKS = PUBLIC | DEVELOPMENT


def arguments():
    """What to run."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.accuracy")
    parser.add_argument("--data", type=Path, help="folder of the public data sets")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of results")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(PUBLIC))
    parser.add_argument("--methods", nargs="+", help="names; all of a task if left out")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--validate", dest="mode", action="store_const", const="validate")
    mode.add_argument("--test", dest="mode", action="store_const", const="test")
    parser.add_argument("--page", type=Path, help="write this page from the results")
    parser.set_defaults(mode="validate")
    args = parser.parse_args()
    if args.page and args.mode != "test":
        parser.error("--page says what the test parts showed: give --test too")
    return args


def main():
    """Run what is asked for, a line a result; a method that cannot run says so."""
    args = arguments()
    store = Store(args.cache, args.mode)
    warnings.filterwarnings("ignore")  # convergence and lost history of the baselines
    for task in (TASKS[name] for name in args.tasks if args.data):
        data = task.load(args.data)
        for method, make in methods(task).items():
            if args.methods is None or method in args.methods:
                run_seeds(task, method, make, data, args, store)
    if args.page:
        write_page(args.page, store)


def run_seeds(task, method, make, data, args, store):
    """Print the result of each seed; without a seed to set, of one fit."""
    models = {describe_model(make(seed)): seed for seed in reversed(args.seeds)}
    for seed in sorted(models.values()):
        try:
            result = measure(
                task, method, make, seed, data, store=store, mode=args.mode
            )
        except ImportError as error:
            print(f"{task.name:17s} {method:32s} not run: {error}", flush=True)
            return
        print(
            f"{task.name:17s} {method:32s} seed {seed}  "
            f"{result['score']:8.3f} {task.metric:10s} {result['seconds']:6.1f} s  "
            f"{result.get('epochs', '')} epochs",
            flush=True,
        )


if __name__ == "__main__":
    main()
