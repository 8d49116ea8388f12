"""A grid search on two cores against plain skorch in the same grid.

3 x 3 candidates, 3 folds, 4000 windows of 24 steps x 8 features, 3 epochs, batches of
64, n_jobs=2: 27 fits and the last one. Once with new workers, which have to import
everything first, then with workers that run already.
"""

import time

from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV

from tests.benchmarks import ours, rivals
from tests.benchmarks.machine import describe, usable_cores

N, EPOCHS = 4000, 3
HIDDEN, RATES = [16, 32, 64], [0.003, 0.01, 0.03]


def seconds_of(model, grid, X, y):
    """Return the seconds of a search with workers new, and with workers running."""
    get_reusable_executor().shutdown(wait=True)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        GridSearchCV(model, grid, cv=3, n_jobs=2, scoring="r2").fit(X, y)
        seconds.append(time.perf_counter() - start)
    return seconds


def main():
    """Print both searches and their ratio."""
    print(describe())
    if usable_cores() < 2:
        print("skipped: n_jobs=2 needs two cores, and this process may use one")
        return
    X, y = rivals.windows(N)
    plain = seconds_of(
        rivals.skorch_net(epochs=EPOCHS),
        {"module__hidden": HIDDEN, "lr": RATES},
        X,
        y[:, None],
    )
    own = seconds_of(
        ours.regressor(EPOCHS), {"hidden_size": HIDDEN, "learning_rate": RATES}, X, y
    )
    for workers, theirs, mine in zip(("new", "running"), plain, own, strict=True):
        print(
            f"workers {workers:8s} plain skorch {theirs:6.2f} s, GRURegressor "
            f"{mine:6.2f} s, ratio {theirs / mine:5.2f}"
        )


if __name__ == "__main__":
    main()
