"""Cost in rows, steps and epochs, and peak memory against the length of windows.

CPU seconds of whole fits, one thread, 8 features, 32 units, batches of 64; the exponent is that of the
power law through the three sizes (1 is linear; below, what a fit costs once shows).
"""

import subprocess
import sys

import numpy as np

from tests.benchmarks import ours, rivals
from tests.benchmarks.contest import exponent, race
from tests.benchmarks.machine import describe, use_one_thread

REPEATS = 3
# rows, steps, epochs; the other two stay as they are in the first column
SIZES = {
    "rows": [(10_000, 24, 2), (20_000, 24, 2), (40_000, 24, 2)],
    "steps": [(5_000, 24, 2), (5_000, 96, 2), (5_000, 384, 2)],
    "epochs": [(10_000, 24, 2), (10_000, 24, 4), (10_000, 24, 8)],
}
PROBE_ROWS, PROBE_WINDOWS = 250_000, (24, 96, 384)


def print_cost(varied, sizes):
    """Print the seconds of three sizes and the exponent."""
    column = list(SIZES).index(varied)
    data = {size: rivals.windows(*size[:2]) for size in sizes}
    runs = {
        size: (lambda size=size: ours.fit(ours.regressor(size[2]), *data[size]))
        for size in sizes
    }
    seconds = [np.median(taken) for taken in race(runs, REPEATS).values()]
    values = [size[column] for size in sizes]
    cells = ", ".join(
        f"{value}: {taken:.3f} s" for value, taken in zip(values, seconds, strict=True)
    )
    print(f"{varied:7s} {cells}; exponent {exponent(values, seconds):.2f}")


def print_memory():
    """Print the growth of the peak in a child, in sizes of the rows."""
    print(f"\npeak memory of a fit over {PROBE_ROWS} rows, in sizes of the rows")
    for window in PROBE_WINDOWS:
        out = subprocess.run(
            [sys.executable, "-m", "tests.memory_probe", "array", str(PROBE_ROWS),
             str(window)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        print(f"windows of {window:3d} steps: {float(out.stdout):5.2f}")


def main():
    """Print exponents and memory."""
    use_one_thread()
    print(describe())
    for varied, sizes in SIZES.items():
        print_cost(varied, sizes)
    print_memory()


if __name__ == "__main__":
    main()
