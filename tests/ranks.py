"""A fit in several processes that share it, started by torchrun.

Without torchrun, the fits are made in this process, with all rows. Both write their
predictions to a file: ``python -m tests.ranks FILE [always | gloo | killed]``. With
"gloo", ranks make the first fit as those on several machines. With "killed", the second
rank ends in the third epoch of that fit, once.
"""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch.distributed as dist
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from sklearn_gru import (
    GRUClassifier,
    GRUOutlierDetector,
    GRURegressor,
    Sequences,
    SlidingWindow,
)
from sklearn_gru._engines.numba import threads
from sklearn_gru.callbacks import Checkpoint
from sklearn_gru.distributed import _group, data_parallel

SMALL = {
    "hidden_size": 8,
    "max_iter": 4,
    "batch_size": 128,
    "random_state": 0,
    "dtype": "float32",
}


def data():
    """Ragged sequences with gaps, their targets and classes; a panel with groups."""
    rng = np.random.default_rng(0)
    n = 500
    rows = rng.normal(size=(n + 24, 3)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    starts, lengths = np.arange(n), rng.integers(1, 24, n)
    y = np.array(
        [np.nansum(rows[s : s + k, 0]) for s, k in zip(starts, lengths, strict=True)]
    )
    rare = np.where(np.arange(n) > 480, "only the last", np.where(y > 0, "up", "down"))
    frame = pd.DataFrame(
        {
            "shop": np.repeat(list("abcde"), 100),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
        }
    )
    target = frame["x"].shift(1).fillna(0) + frame["z"]
    return Sequences(rows, starts, lengths), y, rare, frame, target


def fits():
    """Yield the name of a fit, its model, X and y."""
    X, y, rare, frame, target = data()
    yield "gru", GRURegressor(**SMALL), X, y
    yield "lstm, dropout", GRURegressor(cell="lstm", dropout=0.2, **SMALL), X, y
    early = {**SMALL, "max_iter": 20, "early_stopping": True, "n_iter_no_change": 2}
    yield "early stopping", GRURegressor(**early), X, y
    yield "class weights", GRUClassifier(class_weight="balanced", **SMALL), X, rare
    yield "two networks", GRURegressor(n_estimators=2, **SMALL), X, y
    yield "float64", GRURegressor(**{**SMALL, "dtype": "float64"}), X, y
    window = SlidingWindow(12, groups="shop")
    yield "panel", make_pipeline(window, GRURegressor(**SMALL)), frame, target
    detector = GRUOutlierDetector(GRURegressor(**SMALL), random_state=0)
    yield (
        "outliers",
        make_pipeline(SlidingWindow(12, groups="shop"), detector),
        frame,
        None,
    )


class EndOnce(Callback):
    """Callback that ends the process of the second rank after three epochs, once."""

    def __init__(self, path):
        self.path = Path(path)

    def on_epoch_end(self, net, **kwargs):
        if dist.get_rank() == 1 and len(net.history) == 3 and not self.path.exists():
            self.path.touch()
            os._exit(1)


def answers(model, X):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    return (
        model.score_samples(X) if hasattr(model, "score_samples") else model.predict(X)
    )


def main(path, share="auto"):
    if share != "auto":  # however small the step is
        threads.worth_ranks = lambda *sizes: True
    warnings.simplefilter("ignore")
    if share == "gloo":
        _group.connect = lambda ranks, timeout: None
    if not dist.is_torchelastic_launched():
        np.savez(path, **{name: answers(m.fit(X, y), X) for name, m, X, y in fits()})
        return
    dist.init_process_group("gloo")
    found = {}
    with data_parallel() as group:
        assert (group._ranks._connections is None) == (share == "gloo")
        edges = [0, 300, *np.linspace(400, 500, group.size).astype(int)][
            : group.size
        ] + [500]
        own = slice(edges[group.rank], edges[group.rank + 1])
        for name, model, X, y in fits():
            if share == "killed":
                saved = Checkpoint(f"{path}.saved", every=0)
                model.set_params(callbacks=[saved, EndOnce(f"{path}.ended")])
            model.fit(X[own], None if y is None else y[own])
            found[name] = answers(model, X)
            if share in ("gloo", "killed"):
                break
    np.savez(f"{path}.{group.rank}", **found)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
