"""One method on one task with one seed: fitted, timed, scored, kept.

A result is a JSON file named after what it depends on (task, method, seed, every
parameter, versions), in a folder outside the repository: a run that was interrupted
goes on where it stopped, and a page can be made from what is there.
"""

import gc
import hashlib
import json
import re
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import sklearn
import torch

from tests.benchmarks.accuracy.baselines import baselines_of
from tests.benchmarks.accuracy.settings import RECOMMENDED, before, default, plain
from tests.benchmarks.machine import describe

CACHE = Path(tempfile.gettempdir()) / "sklearn_gru_accuracy"
PACKAGES = ("sklearn-gru", "numpy", "scikit-learn", "torch", "numba", "aeon")


def methods(task):
    """Name to ``make(seed)`` of every method that fits the task."""
    found = baselines_of(task)
    found["torch.nn.GRU, peers' defaults"] = lambda seed: plain(task, seed)
    if task.kind != "text":
        found["torch.nn.GRU, scaled, 50 epochs"] = lambda seed: plain(
            task, seed, epochs=50, standardize=True
        )
    found["default before"] = lambda seed: before(task, seed)
    found["default"] = lambda seed: default(task, seed)
    if task.name in RECOMMENDED:
        recommended = RECOMMENDED[task.name]
        found["recommended"] = recommended
        for cell in ("lstm", "rnn"):
            found[f"recommended, {cell}"] = lambda seed, cell=cell: recommended(
                seed, cell=cell
            )
    return found


class Store:
    """Results as files, one a (task, method, seed, parameters, versions)."""

    def __init__(self, folder, mode):
        self.folder = Path(folder) / mode
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, task, method, seed, model):
        """The file of a result, whether it exists or not."""
        what = json.dumps([describe_model(model), versions()])
        tag = hashlib.sha1(what.encode()).hexdigest()[:10]
        words = "".join(c if c.isalnum() else "-" for c in f"{task.name} {method}")
        return self.folder / f"{words}.{seed}.{tag}.json"

    def results(self):
        """Everything stored, oldest first."""
        files = sorted(self.folder.glob("*.json"), key=lambda f: f.stat().st_mtime)
        return [json.loads(file.read_text()) for file in files]


def versions():
    """Of the packages that matter, those installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_model(model):
    """Every parameter, defaults too, so that a new default is a new result."""
    with sklearn.config_context(print_changed_only=False):
        return re.sub(r" at 0x[0-9a-f]+", "", model.__repr__(N_CHAR_MAX=100_000))


def evaluate(make, seed, task, splits):
    """Fit and score on each split; seconds are those of the CPU, a fit."""
    scores, seconds, observed = [], [], []
    for split in splits:
        model = make(seed)
        gc.collect()
        start = time.process_time()
        model.fit(split.X, split.y)
        seconds.append(time.process_time() - start)
        predicted = model.predict(split.X_test)
        scores.append(task.score(split, predicted))
        found = task.observations(split, task.losses(split, predicted))
        observed.append(None if found is None else [float(f"{x:.6g}") for x in found])
    return {
        "score": float(np.mean(scores)),
        "scores": scores,
        "observed": observed,
        "seconds": float(np.mean(seconds)),
        **fitted(model),
    }


def fitted(model):
    """Epochs and size of the networks inside a fitted model, if they are ours."""
    found = [part for part in parts(model) if hasattr(part, "n_parameters_")]
    if not found:
        return {}
    return {
        "epochs": sum(part.n_iter_ for part in found),
        "parameters": sum(part.n_parameters_ for part in found),
    }


def parts(model):
    """The model and everything fitted inside it."""
    yield model
    inner = [step for _, step in getattr(model, "steps", [])]
    inner += [getattr(model, name, None) for name in ("regressor_", "model_")]
    inner += getattr(model, "estimators_", [])
    for part in inner:
        if part is not None:
            yield from parts(part)


def measure(task, method, make, seed, data, *, store, mode):
    """The result, from its file or from a fit."""
    path = store.path(task, method, seed, make(seed))
    if path.exists():
        return json.loads(path.read_text())
    torch.set_num_threads(1)
    splits = [task.test(data)] if mode == "test" else task.validation(data, seed)
    result = {
        "task": task.name,
        "method": method,
        "seed": seed,
        "mode": mode,
        "metric": task.metric,
        **evaluate(make, seed, task, splits),
        "model": describe_model(make(seed)),
        "versions": versions(),
        "machine": describe(),
    }
    path.write_text(json.dumps(result, indent=1))
    return result
