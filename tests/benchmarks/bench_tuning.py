"""Ways to search: halving, pruning, workers that are killed, searches that go on.

Bikeshare, 5000 hours, one hour ahead from 24; 54 candidates drawn from the search space
(learning rate, 16 or 32 units, dropout, weight decay); two folds by time; 27 epochs.
The recipes are those of the user guide, and all draw the same candidates. The score of a
winner is its mean R2 over the folds; to prune, a tenth of each training part is held out.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import joblib
import numpy as np
from joblib.externals.loky import get_reusable_executor, reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    ParameterSampler,
    RandomizedSearchCV,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from sklearn_gru import GRURegressor, SlidingWindow, datasets
from sklearn_gru.model_selection import search_space, suggest
from tests.benchmarks.machine import (
    describe,
    is_installed,
    usable_cores,
    use_one_thread,
)

N, EPOCHS, CANDIDATES = 5000, 27, 54
KNOWN = ["hour", "workingday", "temp"]
CV = TimeSeriesSplit(2)
CPU = time.process_time


def problem():
    """Return the rows, the target, the pipeline and its search space."""
    frame = datasets.load_bike_sharing().frame.iloc[:N].astype(float)
    model = make_pipeline(
        SlidingWindow(24, lag=1, known_future=KNOWN),
        GRURegressor(max_iter=EPOCHS, random_state=0),
    )
    space = search_space(
        model,
        gruregressor__hidden_size=[16, 32],
        gruregressor__weight_decay=loguniform(1e-5, 0.3),
    )
    return frame[["bikers", *KNOWN]], frame["bikers"], model, space


# -- fewer epochs for bad candidates --------------------------------------------------


def random_search(model, space, **options):
    """Return scikit-learn's search of all candidates for all epochs."""
    return RandomizedSearchCV(
        model, space, n_iter=CANDIDATES, cv=CV, random_state=0, **options
    )


def halving_search(model, space, **options):
    """Return the search that gives most candidates few epochs."""
    return HalvingRandomSearchCV(
        model,
        space,
        n_candidates=CANDIDATES,
        resource="gruregressor__max_iter",
        max_resources=EPOCHS,
        factor=3,
        cv=CV,
        random_state=0,
        **options,
    )


class Report(Callback):
    """Callback that reports each epoch of a fold to a trial, which may end there."""

    def __init__(self, trial, fold):
        self.trial = trial
        self.fold = fold

    def on_epoch_end(self, net, **kwargs):
        """Report the loss of the rows held out; end the trial if others had less."""
        import optuna

        step = self.fold * EPOCHS + len(net.history)
        self.trial.report(net.history[-1, "valid_loss"], step)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def optuna_study(problem, pruner):
    """Run a study of the candidates of scikit-learn's searches; return it."""
    import optuna

    X, y, model, space = problem

    def objective(trial):
        candidate = clone(model).set_params(**suggest(trial, space))
        scores = []
        for fold, (train, test) in enumerate(CV.split(X)):
            candidate.set_params(
                gruregressor__callbacks=[Report(trial, fold)],
                gruregressor__early_stopping=True,
                gruregressor__n_iter_no_change=EPOCHS,  # the pruner alone decides
            )
            candidate.fit(X.iloc[train], y.iloc[train])
            scores.append(candidate.score(X.iloc[test], y.iloc[test]))
        return -np.mean(scores)

    study = optuna.create_study(pruner=pruner)
    for params in ParameterSampler(space, CANDIDATES, random_state=0):
        study.enqueue_trial(params)
    study.optimize(objective, n_trials=CANDIDATES)
    return study


def row(name, seconds, best, params, base):
    """Print a search: CPU seconds, times faster, the winner and its score."""
    rate = params["gruregressor__learning_rate"]
    units = params["gruregressor__hidden_size"]
    print(
        f"| {name} | {seconds:.1f} s | {base / seconds:.1f} | {best:.4f} "
        f"| {units} units, rate {rate:.5f} |"
    )


def fewer_epochs(problem):
    """Print the searches that spend fewer epochs on bad candidates, and on all."""
    X, y, model, space = problem
    clone(model).fit(X, y)  # reads the compiled code
    print("| search | CPU | times faster | R2 of the winner | winner |")
    print("|---|---|---|---|---|")
    searches = {
        "RandomizedSearchCV": random_search(model, space),
        f"HalvingRandomSearchCV, 1 to {EPOCHS} epochs": halving_search(
            model, space, min_resources=1
        ),
        "the same, `return_train_score=False`": halving_search(
            model, space, min_resources=1, return_train_score=False
        ),
    }
    base = None
    for name, search in searches.items():
        start = CPU()
        search.fit(X, y)
        seconds = CPU() - start
        base = base or seconds
        row(name, seconds, search.best_score_, search.best_params_, base)
    if is_installed("optuna"):
        pruned(problem, base)


def pruned(problem, base):
    """Print studies of the same candidates that prune."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruners = {
        "Optuna, `MedianPruner`": optuna.pruners.MedianPruner(n_warmup_steps=3),
        "Optuna, `SuccessiveHalvingPruner`": optuna.pruners.SuccessiveHalvingPruner(
            min_resource=3, reduction_factor=3
        ),
    }
    for name, pruner in pruners.items():
        start = CPU()
        study = optuna_study(problem, pruner)
        seconds = CPU() - start
        row(name, seconds, -study.best_value, study.best_params, base)


# -- workers --------------------------------------------------------------------------


def workers():
    """Return the numbers of loky's processes (asking for its pool may make a new one)."""
    pool = reusable_executor._executor
    return list(getattr(pool, "_processes", None) or [])


def cpu_of(pids):
    """Return the CPU seconds that processes have used."""
    import psutil

    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


def warm_pool(problem):
    """Print the CPU of a halving search with new workers, and with running ones."""
    X, y, model, space = problem
    get_reusable_executor().shutdown(wait=True)
    for state in ("new", "running"):
        before = cpu_of(workers())
        halving_search(
            model, space, min_resources=1, return_train_score=False, n_jobs=2
        ).fit(X, y)
        print(f"| {state} | {cpu_of(workers()) - before:.1f} s |")


def kill_after(seconds, pids):
    """Kill one of the processes that a function lists, a while from now."""
    timer = threading.Timer(seconds, lambda: os.kill(pids()[0], signal.SIGKILL))
    timer.start()
    return timer


def outcome(search, X, y, reference):
    """Return what became of a search, and whether its scores are those of one core."""
    try:
        search.fit(X, y)
    except TerminatedWorkerError:
        return "lost: TerminatedWorkerError"
    equal = np.array_equal(search.cv_results_["mean_test_score"], reference)
    return f"finished, scores {'bit-equal' if equal else 'differ'}"


def killed_worker(problem):
    """Print what becomes of a search of which a worker is killed."""
    X, y, model, space = problem
    few = {"n_iter": 12, "cv": CV, "random_state": 0}
    search = RandomizedSearchCV(model, space, **few, n_jobs=2)
    here = RandomizedSearchCV(model, space, **few).fit(X, y)
    reference = here.cv_results_["mean_test_score"]
    joblib.Parallel(2)(joblib.delayed(clone(model).fit)(X, y) for _ in range(2))
    timer = kill_after(0.5, workers)
    print(f"| loky | {outcome(search, X, y, reference)} |")
    timer.join()
    if not is_installed("distributed"):
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as local,
        Client(local) as client,
    ):
        pids = list(client.run(os.getpid).values())
        client.gather(client.map(clone(model).fit, [X, X], [y, y], pure=False))
        data = client.submit(lambda: (X, y))
        timer = kill_after(0.5, lambda: pids)
        scores = client.gather(
            client.map(
                lambda params, data: cross_val_score(
                    clone(model).set_params(**params), *data, cv=CV
                ).mean(),
                here.cv_results_["params"],
                data=data,
            )
        )
        equal = "bit-equal" if np.array_equal(scores, reference) else "differ"
        print(f"| Dask, `client.map` | finished, scores {equal} |")
        timer.join()


# -- a search that goes on ------------------------------------------------------------


def stored_study(url, n_trials):
    """Open the study of a file and run what is missing of its trials."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    use_one_thread()
    X, y, model, space = problem()

    def objective(trial):
        candidate = clone(model).set_params(**suggest(trial, space))
        return cross_val_score(candidate, X, y, cv=CV).mean()

    study = optuna.create_study(
        storage=url, study_name="bikes", direction="maximize", load_if_exists=True
    )
    # A seed per start: the same seed would draw the same candidates again.
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
    missing = n_trials - len(finished(study))
    study.optimize(objective, n_trials=max(missing, 0))


def finished(study):
    """Return the trials with a result."""
    return [t for t in study.trials if t.state.name == "COMPLETE"]


def killed_search(n_trials=20, kill_at=8):
    """Print what a killed study had finished, and what was trained after it."""
    import subprocess

    import optuna

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'search.db'}"
        study = optuna.create_study(
            storage=url, study_name="bikes", direction="maximize"
        )
        command = [sys.executable, "-m", __spec__.name, url, str(n_trials)]
        process = subprocess.Popen(command)
        while len(finished(study)) < kill_at and process.poll() is None:
            time.sleep(0.1)
        process.kill()
        process.wait()
        before = {t.number: t.value for t in finished(study)}
        subprocess.run(command, check=True)
        after = {t.number: t.value for t in finished(study)}
    kept = all(after[number] == value for number, value in before.items())
    print(
        f"{n_trials} trials asked for: {len(before)} finished before SIGKILL, "
        f"{len(after) - len(before)} after the restart; "
        f"results {'kept' if kept else 'LOST'}, {len(after)} in all"
    )


def main():
    """Print the tables."""
    print(describe(), "\n")
    use_one_thread()
    given = problem()
    fewer_epochs(given)
    if usable_cores() > 1:
        if is_installed("psutil"):
            print("\n| two workers, halving search | CPU of the workers |\n|---|---|")
            warm_pool(given)
        print("\n| 24 fits by two processes, one killed | search |\n|---|---|")
        killed_worker(given)
    if is_installed("optuna"):
        print()
        killed_search()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        stored_study(sys.argv[1], int(sys.argv[2]))
    else:
        main()
