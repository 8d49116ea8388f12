"""Fail each large allocation of the process once; run by test_allocation_failures.

Needs failing_malloc.c as LD_PRELOAD, whose path is the argument. What is printed last is
the number of tries; an allocation of NumPy, torch or the package may be the one that
fails.
"""

import ctypes
import sys
import warnings

import numpy as np

from sklearn_gru import GRURegressor

KINDS = {
    "numba": {"dtype": "float32", "max_iter": 2, "batch_size": 500},
    "attention": {"dtype": "float32", "max_iter": 1, "pooling": "attention"},
    "torch": {"dtype": "float64", "max_iter": 1, "batch_size": 500},
}


def fail_each(fail_large, operation, unchanged):
    """Run an operation until none of its allocations fails; return the tries."""
    for number in range(1, 2000):
        fail_large(number)
        try:
            operation()
        except (MemoryError, RuntimeError) as error:  # torch raises the latter
            fail_large(0)
            if type(error) is RuntimeError and "allocate" not in str(error):
                raise
            unchanged()
        else:
            if fail_large(0) > 0:
                return number - 1
    raise AssertionError("it never succeeded")


def main(library):
    """Fit and predict of each engine; the model is what it was after each failure."""
    fail_large = ctypes.CDLL(library).fail_large
    fail_large.argtypes, fail_large.restype = [ctypes.c_long], ctypes.c_long
    X = np.random.default_rng(0).normal(size=(1500, 12, 3)).astype(np.float32)
    y = X.sum((1, 2))
    tries = []
    for params in KINDS.values():
        model = GRURegressor(8, random_state=0, **params).fit(X, y)
        expected = model.predict(X)

        def unchanged(model=model, expected=expected):
            assert np.array_equal(model.predict(X), expected)

        tries.append(fail_each(fail_large, lambda m=model: m.fit(X, y), unchanged))
        tries.append(fail_each(fail_large, lambda m=model: m.predict(X), unchanged))
    sys.stdout.write(f"{' '.join(map(str, tries))}\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1])
