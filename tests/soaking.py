"""Endurance: killed fits, thousands of fits and predictions, threads, random bytes.

``make soak`` runs all of it for hours; ``tests/test_soak.py`` runs a minute of each.
Each function returns a table of what it saw, and raises if something is wrong.
"""

from __future__ import annotations

import gc
import itertools
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, Sequences, SlidingWindow
from sklearn_gru.callbacks import Checkpoint
from sklearn_gru.exceptions import CheckpointError, StoreError
from sklearn_gru.store import RowStore
from tests.tampering import spoiled_stores


def make_data(n=150, n_steps=12, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, n_steps, 3)).astype(np.float32)
    return X, X.sum((1, 2))


# --- killed fits ---------------------------------------------------------------------

KINDS = (
    {"dtype": "float32"},
    {"dtype": "float32", "dropout": 0.2, "num_layers": 2},
    {"dtype": "float32", "early_stopping": True, "n_iter_no_change": 50},
    {"dtype": "float32", "pooling": "attention", "max_iter": 8},
    {"dtype": "float64", "max_iter": 4},
)


def kill_fits(n, seed=0, report=None):
    """Kill n fits with SIGKILL at random moments; each goes on to the same bits.

    A fit is a child that is forked once all is imported and compiled, so that a case
    costs as much as the fit. Some are killed a second and a third time.
    """
    X, y = make_data(64, 8)
    models = [_timed_fit(X, y, {**kind}) for kind in KINDS]
    rng, killed, fits, resumed, ended = random.Random(seed), 0, 0, 0, 0
    folder = Path(tempfile.mkdtemp())
    while killed < n:
        settings, expected, seconds = models[fits % len(models)]
        least = rng.choice([1, 1, 1, 2, 3])
        for attempt in itertools.count(1):
            # Longer each time: on a busy machine, a child may not come to a checkpoint.
            wait = rng.uniform(0.0, 1.2 * seconds * max(1, attempt - least + 1))
            died = _kill_one(settings, X, y, folder, wait)
            killed, ended = killed + died, ended + (not died)
            if attempt >= least and (folder / "checkpoint.npz").exists():
                break
        resumed += (folder / "checkpoint.npz").exists()
        again = GRURegressor(8, callbacks=[Checkpoint(folder)], **settings).fit(X, y)
        assert np.array_equal(again.predict(X), expected.predict(X)), settings
        assert again.loss_curve_ == expected.loss_curve_, settings
        shutil.rmtree(folder)
        fits += 1
        if report and fits % max(1, n // 10) == 0:
            report(f"{killed} kills, {fits} fits, {resumed} from a checkpoint")
    return {
        "kills": killed,
        "ended before the kill": ended,
        "fits": fits,
        "from a checkpoint": resumed,
        "other bits": 0,
    }


def _timed_fit(X, y, params):
    """Return settings, the uninterrupted fit, and the seconds of one with checkpoints."""
    settings = {"max_iter": 20, "random_state": 0, "batch_size": 16, **params}
    expected = GRURegressor(8, **settings).fit(X, y)  # compiles before the fork
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        callbacks = [Checkpoint(folder, every=0)]
        GRURegressor(8, callbacks=callbacks, **settings).fit(X, y)
        return settings, expected, time.perf_counter() - began


def _kill_one(settings, X, y, folder, seconds):
    """Start a fit, kill it after some seconds; return whether it was still at it."""
    pid = os.fork()
    if pid == 0:
        _fit_and_exit(settings, X, y, folder)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WIFSIGNALED(status)


def _fit_and_exit(settings, X, y, folder):
    code = 1
    try:
        callbacks = [Checkpoint(folder, every=0)]
        GRURegressor(8, callbacks=callbacks, **settings).fit(X, y)
        code = 0
    finally:
        os._exit(code)


# --- leaks ---------------------------------------------------------------------------


def resources():
    """Return resident megabytes, open files and threads of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return megabytes, len(os.listdir("/proc/self/fd")), threading.active_count()


def fit_and_predict(n_fits, n_predictions, report=None):
    """Fit models of mixed kinds and predict with them; memory must not grow."""
    X, y = make_data(40)
    kinds = [
        (GRURegressor, {"dtype": "float32"}),
        (GRURegressor, {"dtype": "float32", "pooling": "attention"}),
        (GRURegressor, {"dtype": "float64"}),
        (GRUClassifier, {"dtype": "float32", "num_layers": 2, "dropout": 0.1}),
        (GRURegressor, {"dtype": "float32", "normalization": "last"}),
    ]
    each, seen = n_predictions // n_fits, []
    for number in range(n_fits):
        kind, params = kinds[number % len(kinds)]
        hidden = 4 + number % 23
        model = kind(hidden, max_iter=20, random_state=number, **params)
        if params["dtype"] == "float64":
            model.set_params(max_iter=2)
        model.fit(X, y if kind is GRURegressor else y > 0)
        rows = X[:1], X[:7], X
        for k in range(each):
            model.predict(rows[k % 3])
        if (number + 1) % max(1, n_fits // 10) == 0:
            gc.collect()
            seen.append(resources())
            if report:
                report(f"{number + 1} fits: %.0f MB, %d files, %d threads" % seen[-1])
    (memory, files, threads), first = seen[-1], seen[len(seen) // 2]
    assert memory < 1.05 * first[0] + 20, seen
    assert files <= first[1] + 2, seen
    assert threads <= first[2] + 1, seen
    return {"fits": n_fits, "predictions": n_fits * each, "MB": memory, "seen": seen}


# --- threads -------------------------------------------------------------------------


def use_in_threads(n_calls, n_threads=8):
    """Predict, fit and pickle shared and own models in threads; the bits are equal."""
    X, y = make_data(60)
    kinds = [{"dtype": "float32"}, {"dtype": "float32", "pooling": "attention"}]
    kinds.append({"dtype": "float64", "max_iter": 2})

    def make(params):
        return GRURegressor(8, **{"max_iter": 80, "random_state": 0, **params})

    shared = [make(params).fit(X, y) for params in kinds]
    expected = [model.predict(X) for model in shared]
    differences = []

    def work(number):
        rng = random.Random(number)
        for _ in range(n_calls // n_threads):
            k = rng.randrange(len(kinds))
            what = rng.choice(["predict", "predict", "predict", "fit", "pickle"])
            if what == "predict":
                found = shared[k].predict(X)
            elif what == "fit":
                found = make(kinds[k]).fit(X, y).predict(X)
            else:
                found = pickle.loads(pickle.dumps(shared[k])).predict(X)
            if not np.array_equal(found, expected[k]):
                differences.append((what, k))

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(work, range(n_threads)))
    assert differences == []
    return {"calls": n_calls, "threads": n_threads, "differences": 0}


# --- random input --------------------------------------------------------------------

EDGES = [0, 1, 2, 49, 50, 51, -1, 2**31, 2**62, 2**63 - 1, -(2**63)]


def fuzz_sequences(n, seed=0):
    """Make n Sequences of edge values; those accepted are read as by a loop."""
    rng, accepted = random.Random(seed), 0
    X, y = make_data()
    model = GRURegressor(4, max_iter=60, random_state=0, dtype="float32").fit(X, y)
    rows = np.random.default_rng(seed).normal(size=(50, 3)).astype(np.float32)
    for number in range(n):
        size = rng.randrange(1, 4)
        starts = [_number(rng) for _ in range(size)]
        lengths = [_number(rng) for _ in range(size)]
        inside = all(
            s >= 0 and k >= 0 and s + k <= 50
            for s, k in zip(starts, lengths, strict=True)
        )
        try:
            found = Sequences(rows, starts, lengths)
        except ValueError:
            assert not inside, (starts, lengths)
            continue
        assert inside, (starts, lengths)
        accepted += 1
        if number % 50 == 0:
            dense = [rows[s : s + k] for s, k in zip(starts, lengths, strict=True)]
            some = [k for k, part in enumerate(dense) if len(part)]
            if some:
                alone = model.predict([dense[k] for k in some])
                assert np.array_equal(model.predict(found)[some], alone)
    return {"cases": n, "accepted": accepted, "wrong": 0}


def _number(rng):
    return rng.choice(EDGES) if rng.random() < 0.4 else rng.randrange(-2, 53)


def fuzz_checkpoints(n, seed=0):
    """Damage a checkpoint n times: the fit is right, or says that it cannot be read."""
    rng = np.random.default_rng(seed)
    X, y = make_data(40)
    folder = Path(tempfile.mkdtemp())
    params = {"max_iter": 60, "random_state": 0, "dtype": "float32"}
    expected = GRURegressor(4, **params).fit(X, y).predict(X)
    GRURegressor(4, callbacks=[Checkpoint(folder)], **params).fit(X, y)
    file = folder / "checkpoint.npz"
    content, refused = file.read_bytes(), 0
    for _ in range(n):
        file.write_bytes(damaged(content, rng))
        model = GRURegressor(4, callbacks=[Checkpoint(folder)], **params)
        try:
            found = model.fit(X, y).predict(X)
        except CheckpointError:
            refused += 1
        else:
            assert np.array_equal(found, expected)
    shutil.rmtree(folder)
    return {"cases": n, "refused": refused, "wrong": 0}


def fuzz_stores(n, seed=0):
    """Damage a row store n times: it says so, or gives the windows and the model."""
    rng = np.random.default_rng(seed)
    folder = Path(tempfile.mkdtemp())
    file = folder / "panel.rows"
    frame = pd.DataFrame(
        {
            "shop": np.repeat(["a", "b", "c"], 120),
            "day": np.tile(np.arange(120), 3),
            "kind": np.tile(["x", "y", None], 120),
            "sales": rng.normal(size=360).astype(np.float32),
        }
    )
    keys = {"groups": "shop", "time": "day", "target": "sales"}
    store = RowStore.write([frame], file, **keys)
    model = make_pipeline(
        SlidingWindow(4, lag=1), GRURegressor(4, max_iter=1, random_state=0)
    )
    expected, answers = store.to_frame(), clone(model).fit(store, store.y)
    answers = answers.predict(store)
    content, refused, trained = file.read_bytes(), 0, 0
    for _, damage in spoiled_stores(content, rng, n):
        file.unlink(missing_ok=True)
        if damage is not None:
            file.write_bytes(damage)
        try:
            found = RowStore.open(file)
        except StoreError:
            refused += 1
            continue
        pd.testing.assert_frame_equal(found.to_frame(), expected)
        again = clone(model).fit(found, found.y)
        assert np.array_equal(again.predict(found), answers)
        trained += 1
    shutil.rmtree(folder)
    return {"cases": n, "refused": refused, "undamaged": trained, "wrong": 0}


def damaged(content, rng):
    """Return bytes with some changed, cut off, doubled or set to edge values."""
    data, kind = bytearray(content), rng.integers(4)
    at = int(rng.integers(len(data)))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        for place in rng.integers(0, len(data), 4):
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        data[at : at + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])
    else:
        data[at:at] = data[at : at + 64]
    return bytes(data)


def fuzz_states(n, seed=0):
    """Change numbers of a fitted state n times: an error or an answer, never a crash."""
    rng = np.random.default_rng(seed)
    X, y = make_data(40)
    params = {"max_iter": 20, "random_state": 0, "dtype": "float32"}
    models = [
        GRURegressor(4, pooling=pooling, normalization=kind, **params).fit(X, y)
        for pooling in ("last", "attention")
        for kind in (None, "standard")
    ]
    states = [pickle.dumps(model) for model in models]
    errors = 0
    for number in range(n):
        at = number % len(states)
        if number % 100 < len(states):  # loading costs more than predicting
            models[at] = pickle.loads(states[at])
        part, name = _some_number(models[at], rng)
        before = vars(part)[name]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            _set(models[at], part, name, _other(before, rng))
            try:
                models[at].predict(X[:3])
            except (MemoryError, Exception):  # the process goes on, that is all
                errors += 1
        _set(models[at], part, name, before)
    assert all(
        np.array_equal(pickle.loads(s).predict(X), m.predict(X))
        for s, m in zip(states, models, strict=True)
    )
    return {"cases": n, "errors": errors, "crashes": 0}


def _some_number(model, rng):
    """Return a part of a fitted model, and the name of a number that it holds."""
    encoder = model._fitted.encoder
    parts = [encoder, encoder.standardizer, model.module_.spec, model._fitted.task]
    if encoder.normalizer is not None:
        parts.append(encoder.normalizer)
    part = parts[rng.integers(len(parts))]
    return part, rng.choice([k for k, v in vars(part).items() if _is_number(v)])


def _set(model, part, name, value):
    """Change a part, also where it is frozen; the next prediction looks at it anew."""
    object.__setattr__(part, name, value)
    model.net_.outline_ = model.net_.prediction_ = None


def _is_number(value):
    kind = isinstance(value, (int, float, np.ndarray)) and not isinstance(value, bool)
    return kind and getattr(value, "dtype", np.dtype(float)).kind in "fiu"


def _other(value, rng):
    if isinstance(value, np.ndarray):
        size = int(rng.choice([0, 1, 2, 7, 64, 5000]))
        number = rng.choice([0, 1, -1, 7, 1e300, np.nan])
        with np.errstate(invalid="ignore", over="ignore"):
            return np.full(size, number).astype(value.dtype)
    return int(rng.choice([0, -1, 1, 2, 3, 17, 10**4, 2**62]))


def fuzz_times(n, seed=0):
    """Lay windows over random integer times at edges; none sees a later row."""
    rng, refused = np.random.default_rng(seed), 0
    edges = np.array([-(2**63), -(2**63) + 1, -1, 0, 1, 2**62, 2**63 - 2, 2**63 - 1])
    import pandas as pd

    for _ in range(n):
        times = np.unique(
            rng.choice(edges, 5) if rng.random() < 0.5 else rng.integers(-9, 9, 6)
        )
        times = rng.permutation(times)
        frame = pd.DataFrame({"a": np.arange(len(times), dtype=float)}, index=times)
        freq = ["infer", None, 1, 3][rng.integers(4)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                windows = np.asarray(SlidingWindow(3, freq=freq).fit_transform(frame))
            except ValueError:
                refused += 1
                continue
        for row, window in enumerate(windows[:, :, 0]):
            seen = window[~np.isnan(window)].astype(int)
            assert (times[seen] <= times[row]).all(), (times, freq)
            assert row in seen
    return {"cases": n, "refused": refused, "wrong": 0}


def main(scale=1.0):
    """Run everything, in proportion to `scale`, and print the tables."""
    warnings.simplefilter("ignore", DeprecationWarning)  # fork beside torch's threads

    def say(line):
        print(line, flush=True)  # noqa: T201

    for name, run in {
        "killed fits": lambda: kill_fits(max(4, int(1000 * scale)), report=say),
        "sequences": lambda: fuzz_sequences(max(1000, int(1_000_000 * scale))),
        "states": lambda: fuzz_states(max(50, int(60_000 * scale))),
        "checkpoints": lambda: fuzz_checkpoints(max(50, int(20_000 * scale))),
        "stores": lambda: fuzz_stores(max(200, int(20_000 * scale))),
        "times": lambda: fuzz_times(max(50, int(20_000 * scale))),
        "threads": lambda: use_in_threads(max(80, int(6000 * scale))),
        "fits": lambda: fit_and_predict(
            max(20, int(10_000 * scale)), max(2000, int(1_000_000 * scale)), say
        ),
    }.items():
        began = time.perf_counter()
        found = run()
        say(f"{name}: {found} in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
