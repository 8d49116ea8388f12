"""Peak memory of a fit on windows of 24 and 96 steps, in sizes of the rows."""

import subprocess
import sys

from tests.benchmarks.machine import describe

CASES = [
    ("array", 24, (500_000, 1_000_000, 4_000_000)),
    ("array", 96, (125_000, 250_000, 500_000)),
    ("frame", 96, (125_000, 250_000, 500_000)),
]


def main():
    """Print the growth of the peak for an array and for a panel of 1000 groups."""
    print(describe())
    for kind, window, sizes in CASES:
        for n in sizes:
            arguments = [kind, str(n), str(window)]
            command = [sys.executable, "-m", "tests.memory_probe", *arguments]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            print(
                f"{kind:6s} {n:7d} rows, {window} steps: {float(out.stdout):5.2f} "
                "times the rows"
            )


if __name__ == "__main__":
    main()
