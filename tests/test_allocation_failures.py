"""Every NumPy allocation of the package fails once: an error, and the old model whole."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_gru import GRURegressor, SlidingWindow

ALLOCATING = {
    *("zeros", "empty", "ones", "full", "zeros_like", "empty_like", "ones_like"),
    *("full_like", "concatenate", "arange", "ascontiguousarray", "pad", "array"),
    *("asarray", "repeat", "tile", "where", "append", "cumsum", "flatnonzero"),
    *("bincount", "unique", "average", "nan_to_num", "isnan", "argsort", "lexsort"),
}
# numba compiles what these modules hold; Python does not run it.
COMPILED = tuple(
    f"sklearn_gru._engines.numba.{name}"
    for name in ("parts", "programs", "compile", "cells")
)


class Allocations:
    """NumPy, as the modules of the package see it, in which one allocation fails."""

    def __init__(self):
        self.left, self.sites = sys.maxsize, set()

    def __getattr__(self, name):
        thing = getattr(np, name)
        if name not in ALLOCATING:
            return thing

        def allocate(*args, **kwargs):
            caller = sys._getframe(1)
            self.sites.add((caller.f_code.co_filename, caller.f_lineno))
            self.left -= 1
            if self.left == 0:
                raise MemoryError("injected")
            return thing(*args, **kwargs)

        return allocate


@pytest.fixture
def allocations(monkeypatch):
    found = Allocations()
    for name, module in list(sys.modules.items()):
        ours = name.startswith("sklearn_gru.") and not name.startswith(COMPILED)
        if ours and vars(module).get("np") is np:
            monkeypatch.setattr(module, "np", found)
    return found


def fail_each(allocations, operation, unchanged):
    """Run an operation until none of its allocations fails; return the number."""
    for number in range(1, 5000):
        allocations.left = number
        try:
            operation()
        except MemoryError:
            allocations.left = sys.maxsize
            unchanged()
            continue
        if allocations.left > 0:  # none failed
            allocations.left = sys.maxsize
            return number - 1
        allocations.left = sys.maxsize
        unchanged()  # it was caught, which is fine if the result is whole
    raise AssertionError("it never succeeded")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numba", "attention", "torch"])
@pytest.mark.parametrize("method", ["fit", "warm_start", "partial_fit", "predict"])
def test_each_allocation_may_fail(allocations, kind, method):
    """A MemoryError reaches the caller, and the model predicts as before."""
    X = np.random.default_rng(0).normal(size=(40, 6, 2)).astype(np.float32)
    y = X.sum((1, 2))
    params = {
        "numba": {"dtype": "float32", "max_iter": 10, "batch_size": 40},
        "attention": {"dtype": "float32", "max_iter": 10, "pooling": "attention"},
        "torch": {"dtype": "float64", "max_iter": 2},
    }[kind]
    model = GRURegressor(3, random_state=0, early_stopping=False, **params).fit(X, y)
    assert model.engine_.startswith("torch" if kind == "torch" else "numba")
    model.set_params(warm_start=method == "warm_start")
    if method == "warm_start":
        model.set_params(max_iter=1)  # by the engine of the first fit
    expected, tries = model.predict(X), []

    def unchanged():
        tries.append(1)
        if method == "predict" or len(tries) % 5 == 0:
            assert np.array_equal(model.predict(X), expected)

    operation = {
        "predict": lambda: model.predict(X),
        "partial_fit": lambda: model.partial_fit(X, y),
    }.get(method, lambda: model.fit(X, y))
    failed = fail_each(allocations, operation, unchanged)
    assert failed >= (5 if method == "predict" else 20)


def test_each_allocation_of_windows_may_fail(allocations):
    """The windows that were fitted stay."""
    times = pd.date_range("2024-01-01", periods=20, freq="h")
    rows = pd.DataFrame(np.arange(40.0).reshape(20, 2), times, ["a", "b"])
    window = SlidingWindow(3, lag=1).fit(rows)
    expected = np.asarray(window.transform(rows))

    def unchanged():
        np.testing.assert_array_equal(np.asarray(window.transform(rows)), expected)

    assert fail_each(allocations, lambda: window.transform(rows), unchanged) >= 1


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs glibc and cc"
)
def test_each_large_malloc_may_fail(tmp_path):
    """Of NumPy, torch or the package: an error that is raised, never a crash."""
    here, library = Path(__file__).parent, str(tmp_path / "failing.so")
    source = str(here / "failing_malloc.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    result = subprocess.run(
        [sys.executable, "-m", "tests.large_allocations", library],
        env={**os.environ, "LD_PRELOAD": library}, cwd=here.parent,
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    tries = [int(number) for number in result.stdout.split()]
    assert len(tries) == 6
    assert min(tries) >= 2
