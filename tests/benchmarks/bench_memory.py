"""Peak memory of a fit on windows of 96 steps, in sizes of the rows."""

import subprocess
import sys

from tests.benchmarks.machine import describe


def main():
    """Print the growth of the peak for an array and for a panel of 1000 groups."""
    print(describe())
    for kind in ("array", "frame"):
        for n in (125_000, 250_000, 500_000):
            command = [sys.executable, "-m", "tests.memory_probe", kind, str(n)]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"{kind:6s} {n:7d} rows: {float(out.stdout):5.2f} times the rows")


if __name__ == "__main__":
    main()
