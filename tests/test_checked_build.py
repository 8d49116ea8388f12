"""The checked build finds what it is for, and computes the same bits."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from sklearn_gru import GRURegressor
from sklearn_gru._engines.numba.compile import checked

linux_only = pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")

COMMON = """
import numpy as np
from sklearn_gru import GRURegressor

X = np.random.default_rng(0).normal(size=(70, 12, 3)).astype(np.float32)
kinds = [
    {},
    {"num_layers": 2, "dropout": 0.2, "pooling": "mean_max"},
    {"pooling": "attention"},
    {"segment_length": 5, "normalization": "standard"},
    {"segment_length": 5, "categorical_features": [2], "dropout": 0.2},
    {"bidirectional": False, "early_stopping": True},
]

def fits():
    for params in kinds:
        model = GRURegressor(9, max_iter=70, random_state=0, dtype="float32", **params)
        yield model.fit(X, X.sum((1, 2))).predict(X)
"""


def run(code, **variables):
    import os

    return subprocess.run(
        [sys.executable, "-c", COMMON + textwrap.dedent(code)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )


def test_an_array_is_as_large_as_its_memory():
    """The rows of a broadcast array are one row; an empty array has no bytes."""
    row = np.arange(3)
    for array, n_bytes in (
        (row, 24),
        (np.broadcast_to(row, (288, 3)), 24),
        (row[1:], 16),
        (row[:0], 0),
    ):
        checked.register(array, 8)
        assert checked._known.pop(8)[1] == n_bytes


@linux_only
@pytest.mark.slow
def test_the_same_bits_without_a_finding():
    """Training and predictions of both compiled engines, at sizes of odd remainders."""
    code = "print([p.tobytes().hex() for p in fits()])"
    plain, checked = run(code), run(code, SKLEARN_GRU_CHECKED="1")
    assert checked.returncode == 0, checked.stderr[-2000:]
    assert checked.stdout == plain.stdout


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("where", ["behind", "far", "front", "read-only"])
def test_an_access_outside_an_array_is_found(where):
    """One float behind the rows, far behind, in front, or a write to read-only rows."""
    code = f"""
    from sklearn_gru._engines.numba.calls import address
    from sklearn_gru._engines.numba.compile.jit import entry
    from sklearn_gru._engines.numba.compile.simd import floats_at

    @entry
    def touch(array, at, value):
        pointer = floats_at(array)
        pointer[at] = value
        return pointer[at]

    rows = np.zeros(1000, dtype=np.float32)
    where = {where!r}
    if where == "read-only":
        rows.flags.writeable = False
    at = {{"behind": 1000, "far": 1900, "front": -1, "read-only": 0}}[where]
    print(touch(address(rows), 999 if where != "read-only" else 0, 0.0), flush=True)
    touch(address(rows), at, 1.0)
    print("not found")
    """
    found = run(code, SKLEARN_GRU_CHECKED="1")
    assert found.stdout.strip() == "0.0", found.stderr[-2000:]
    assert found.returncode != 0
    if where in ("front", "read-only"):
        assert "MemoryError" in found.stderr
    else:
        assert found.returncode < 0  # killed by the fault


@linux_only
@pytest.mark.unchecked
def test_an_ordinary_process_is_not_checked():
    """It would be slow."""
    from sklearn_gru._engines.numba.compile import checked

    assert not checked.ENABLED
    X = np.zeros((40, 5, 2), dtype=np.float32) + np.arange(40)[:, None, None]
    GRURegressor(4, max_iter=20, random_state=0).fit(X, X[:, 0, 0])
    assert not checked._known


@linux_only
def test_each_array_of_places_is_guarded_on_its_own():
    """Starts, lengths and absent steps lie in one block of memory."""
    result = run(
        """
        from sklearn_gru._engines.numba.calls import Rows
        from sklearn_gru._engines.numba.compile import checked

        one = np.ones(4, dtype=np.int64)
        rows = Rows(np.zeros((9, 2), dtype=np.float32), one, one)
        places = rows.starts, rows.lengths, rows.absent
        known = [checked._known[p.__array_interface__["data"][0]] for p in places]
        print([n_bytes for _, n_bytes, _ in known])
        """,
        SKLEARN_GRU_CHECKED="1",
    )
    assert result.stdout == "[32, 32, 32]\n", result.stderr
