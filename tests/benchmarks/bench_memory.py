"""Peak memory of a fit on windows of 24 and 96 steps, in sizes of the rows."""

import os
import subprocess
import sys

from tests.benchmarks.machine import describe

# What tests.memory_probe is asked for: rows, steps, sizes, and lags.
CASES = [
    ("array", 24, (500_000, 1_000_000, 4_000_000), (0,)),
    ("array", 96, (125_000, 250_000, 500_000), (0,)),
    ("series", 24, (1_000_000,), (0, 1)),
    ("panel", 24, (1_000_000,), (0, 1)),
    ("panel-columns", 24, (1_000_000,), (0, 1)),
    ("panel", 96, (125_000, 250_000, 500_000), (0,)),
    ("mixed", 24, (1_000_000,), (0, 1)),
    ("mixed-columns", 24, (1_000_000,), (0, 1)),
]

# glibc gives large arrays memory of their own, and back when they are gone. By default
# it stops that for sizes that it has seen, and pieces of the heap stay unused.
APART = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}


def main():
    """Print the growth of the peak for an array, a series and panels of 1000 groups.

    "panel" lies group after group, "mixed" time after time, and "columns" hold the keys
    that are in the index otherwise. With "arrays apart", free pieces of the heap that
    no array fits in do not count.
    """
    print(describe())
    for kind, window, sizes, lags in CASES:
        for n, lag in ((n, lag) for n in sizes for lag in lags):
            usual, apart = (_peak(own, kind, n, window, lag) for own in ({}, APART))
            print(
                f"{kind:13s} {n:7d} rows, {window} steps, lag {lag}: {usual:5.2f} "
                f"times the rows, arrays apart {apart:5.2f}"
            )


def _peak(environment, *arguments):
    command = [sys.executable, "-m", "tests.memory_probe", *map(str, arguments)]
    env = {**os.environ, **environment}
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return float(out.stdout)


if __name__ == "__main__":
    main()
