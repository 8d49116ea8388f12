"""What a new process costs: its first fit, with and without compiled code, and a search.

4000 windows of 24 steps x 8 features, 3 epochs, batches of 64, 32 units. Processor
seconds of fresh processes; imports are those of the estimator. The search has 3 x 3
candidates, 3 folds and n_jobs=2; its seconds are those of the workers, all new. Paths
of other versions of the package are measured in turn with this one:
``python -m tests.benchmarks.bench_startup /path/to/another/version``.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.benchmarks.machine import describe, usable_cores

HERE = Path(__file__).parents[2]
REPEATS = 3

DATA = """
import json, resource, time
import numpy as np
from sklearn_gru import GRURegressor
rng = np.random.default_rng(0)
X = rng.normal(size=(4000, 24, 8)).astype(np.float32)
y = X[:, :, 0].sum(axis=1)
model = GRURegressor(
    32, max_iter=3, batch_size=64, early_stopping=False, random_state=0
)
"""
FIRST_FIT = """
seconds = [time.process_time()]
for _ in range(2):
    model.fit(X, y)
    seconds.append(time.process_time())
print(json.dumps([seconds[0], *np.diff(seconds)]))
"""
SEARCH = """
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV
grid = {"hidden_size": [16, 32, 64], "learning_rate": [0.003, 0.01, 0.03]}
GridSearchCV(model, grid, cv=3, n_jobs=2, scoring="r2").fit(X, y)
get_reusable_executor().shutdown(wait=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime]))
"""


def seconds_of(code, tree, cache):
    """Return the seconds that code prints in a new process."""
    env = {**os.environ, "PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(cache)}
    result = subprocess.run(
        [sys.executable, "-c", DATA + code],
        capture_output=True, text=True, check=True, env=env, cwd=cache,
    )  # fmt: skip
    return json.loads(result.stdout)


def empty_and_warm(tree):
    """Return the seconds of a process that compiles, and of one that need not."""
    with tempfile.TemporaryDirectory() as cache:
        return [seconds_of(FIRST_FIT, tree, cache) for _ in range(2)]


def search(tree):
    """Return the seconds of the workers of a search that find compiled code."""
    with tempfile.TemporaryDirectory() as cache:
        seconds_of(FIRST_FIT, tree, cache)
        return seconds_of(SEARCH, tree, cache)


def main(others=()):
    """Print medians for each version of the package."""
    print(describe())
    trees = [*map(Path, others), HERE]
    found = {tree: [] for tree in trees}
    for _ in range(REPEATS):
        for tree in trees:
            found[tree].append(empty_and_warm(tree))
    for tree, seconds in found.items():
        empty, warm = np.median(seconds, axis=0)
        print(f"{'this version' if tree == HERE else tree}")
        print(f"  imports                      {warm[0]:6.2f} s")
        print(f"  first fit, empty cache       {empty[1]:6.2f} s")
        print(f"  first fit, compiled code     {warm[1]:6.2f} s")
        print(f"  second fit                   {warm[2]:6.2f} s")
    if usable_cores() < 2:
        print("no search: n_jobs=2 needs two cores, and this process may use one")
        return
    workers = {tree: [] for tree in trees}
    for _ in range(REPEATS):
        for tree in trees:
            workers[tree] += search(tree)
    for tree, seconds in workers.items():
        name = "this version" if tree == HERE else tree
        print(f"workers of a search, {name}: {np.median(seconds):6.2f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
