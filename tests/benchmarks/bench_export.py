"""Exported models: how close to predict, how large, how soon and how fast.

Differences are relative to the standard deviation of y plus the answer; a case is one
random sequence of one model, and random models draw all options together. The model of
the sizes and times has 32 units, 8 features and sequences of 24 steps. A cold start is
a new process up to its first prediction, in processor time; its memory is the peak of
the resident set.
``python -m tests.benchmarks.bench_export 400`` compares 400 random models, 20 000 cases
each for the portable file and for C, and reads 1000 spoiled files.
"""

import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from sklearn_gru import GRURegressor
from sklearn_gru.export import PortableError, load_portable, to_c, to_portable
from tests.benchmarks.machine import describe, use_one_thread
from tests.benchmarks.ours import ALONE
from tests.compiled import Compiled, by_code, c_answers, gcc
from tests.exported import (
    OPTIONS,
    answers,
    difference,
    fit,
    fitted,
    random_parameters,
    random_sequences,
)
from tests.tampering import spoiled

N_MODELS, N_SEQUENCES, N_FILES = 20, 50, 200
STARTS = 5


def differences(model, X, folder):
    """Return the largest differences of the portable file and of C."""
    to_portable(model, folder / "m.gru")
    portable = load_portable(folder / "m.gru")
    method = "predict_proba" if hasattr(model, "classes_") else "predict"
    own = getattr(portable, method)(X)
    found = [difference(model, own, answers(model, X))]
    if shutil.which("gcc") is not None:
        own = Path(tempfile.mkdtemp(dir=folder))  # a library is loaded once per path
        to_c(model, own / "m.c")
        compiled = Compiled(own / "m.c", "-O0")
        c = np.array([compiled.window(x) for x in by_code(model, X)])
        found.append(difference(model, c, c_answers(model, X)))
    return found


def print_options(folder):
    """Print the largest difference for each option."""
    print(f"{'option':28s} {'portable':>10s} {'C':>10s}   {N_SEQUENCES} sequences each")
    for name, params in OPTIONS.items():
        rng = np.random.default_rng(0)
        categorical = params.get("categorical_features", ())
        X = random_sequences(rng, N_SEQUENCES, categorical)
        found = differences(fitted(name), X, folder)
        print(f"{name:28s} " + " ".join(f"{value:10.1e}" for value in found))


def print_random(n_models, folder):
    """Print the largest differences of models with options drawn together."""
    found = []
    for seed in range(n_models):
        rng = np.random.default_rng(seed)
        params = random_parameters(rng)
        model = fit(**params)
        X = random_sequences(rng, N_SEQUENCES, params.get("categorical_features", ()))
        found.append(differences(model, X, folder))
        if max(found[-1]) > 1e-5:
            print(f"  {found[-1]} with seed {seed}: {params}")
    largest = np.max(found, axis=0)
    print(
        f"{n_models} random models, {n_models * N_SEQUENCES} cases each: "
        + ", ".join(f"{value:.1e}" for value in largest)
    )


def print_spoiled(n, folder):
    """Print how many changed files were refused."""
    path, refused = folder / "m.gru", 0
    for option in ("categories, differences", "convolution"):
        to_portable(fitted(option), path)
        content = path.read_bytes()
        for kind, crafted in spoiled(content, np.random.default_rng(0), n // 2):
            path.write_bytes(crafted)
            try:
                load_portable(path)
            except PortableError:
                refused += 1
            else:
                print(f"  loaded: {kind}")
    print(f"{refused} of {n // 2 * 2} spoiled files refused with PortableError")


# --- sizes and times ------------------------------------------------------------------


CODES = {
    "numpy alone": "",
    "portable": (
        "from gru_portable import load_portable\nload_portable('whole.gru').predict(X)"
    ),
    "portable, float16": (
        "from gru_portable import load_portable\nload_portable('half.gru').predict(X)"
    ),
    "pickle": "import pickle\npickle.load(open('model.pkl', 'rb')).predict(X)",
}
BEFORE = """
import time
import numpy as np
X = np.zeros((1, 24, 8))
"""
AFTER = """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(time.process_time(), int(status["VmHWM"].split()[0]) / 1024)
"""


def print_starts(folder):
    """Print the medians of new processes, in turn; processor seconds."""
    if not Path("/proc/self/status").exists():
        print("no cold starts: memory is read from /proc")
        return
    found = {name: [] for name in CODES}
    for _ in range(STARTS):
        for name, code in CODES.items():
            done = subprocess.run(
                [sys.executable, "-c", BEFORE + code + AFTER],
                cwd=folder, capture_output=True, text=True, check=True,
            )  # fmt: skip
            found[name].append([float(value) for value in done.stdout.split()])
    medians = {name: np.median(values, axis=0) for name, values in found.items()}
    base = medians["numpy alone"][0]
    for name, (seconds, megabytes) in medians.items():
        more = (seconds - base) * 1e3
        print(
            f"cold start, {name:20s} {seconds * 1e3:8.0f} ms "
            f"(numpy + {more:6.0f} ms) {megabytes:7.0f} MB"
        )


def timed(call, argument, times):
    """Return microseconds per call with an argument, the least of five."""
    found = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            call(argument)
        found.append((time.perf_counter() - began) / times)
    return min(found) * 1e6


def print_sizes(folder):
    """Print sizes, losses and times of one model in every form."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 24, 8))
    y = X[:, -6:, 0].sum(axis=1) + rng.normal(size=len(X)) / 10
    model = GRURegressor(32, max_iter=5, random_state=0, dtype="float32", **ALONE)
    model.fit(X, y)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    to_portable(model, folder / "whole.gru", reader=True)
    to_portable(model, folder / "half.gru", dtype="float16")
    row, out = X[0, 0], model.predict(X)
    print(f"{'form':12s} {'bytes':>8s} {'loss':>9s} {'a step':>10s} {'a window':>10s}")
    size = (folder / "model.pkl").stat().st_size
    window = timed(model.predict, X[:1], 20)
    print(f"{'pickle':12s} {size:8d} {'':9s} {'':10s} {window:8.1f} us")
    for name in ("whole.gru", "half.gru"):
        size = (folder / name).stat().st_size
        portable = load_portable(folder / name)
        step = timed(portable.update, row, 100)
        window = timed(portable.predict, X[:1], 20)
        loss = np.abs(portable.predict(X) - out).max() / y.std()
        print(f"{name:12s} {size:8d} {loss:9.1e} {step:7.1f} us {window:7.1f} us")
    for weights in ("float32", "int8"):
        print_c(model, X, out, y.std(), weights, folder)


def print_c(model, X, expected, unit, weights, folder):
    """Print object size, loss and times of C with one type of weights."""
    name = f"c_{weights}"
    to_c(model, folder / f"{name}.c", weights=weights, max_steps=24)
    for level in ("-Os", "-O2"):
        gcc(folder, level, "-c", f"{name}.c")
        shown = (
            subprocess.run(
                ["size", f"{name}.o"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
            )
            .stdout.split("\n")[1]
            .split()
        )
        compiled = Compiled(folder / f"{name}.c", level)
        found = np.array([compiled.window(x)[0] for x in X])
        loss = np.abs(found - expected).max() / unit
        step = timed(compiled.step, X[0, 0], 2000)
        window = timed(compiled.window, X[0], 200)
        print(
            f"C {weights} {level:4s} {int(shown[0]) + int(shown[1]):8d} {loss:9.1e} "
            f"{step:7.1f} us {window:7.1f} us   (ctypes included; state "
            f"{compiled.n_bytes} bytes)"
        )


def main(n_models=N_MODELS, n_files=N_FILES):
    """Print all tables."""
    print(describe())
    use_one_thread()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print_sizes(folder)
        print_starts(folder)
        print_options(folder)
        print_random(n_models, folder)
        print_spoiled(n_files, folder)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(int(sys.argv[1]), 1000)
    else:
        main()
