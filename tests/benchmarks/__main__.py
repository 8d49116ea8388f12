"""Run every benchmark and write what they print to docs/performance.md.

``python -m tests.benchmarks`` runs all, ``python -m tests.benchmarks windows`` prints
one and writes nothing. ``cells`` takes hours and runs only when named; the accuracy
benchmark has its own command line (``python -m tests.benchmarks.accuracy``).
"""

import contextlib
import importlib
import io
import pkgutil
import sys
from pathlib import Path

import tests.benchmarks as here

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"

HEAD = """# Performance

Printed by `make bench`: each script of `tests/benchmarks` answers one question, runs its
contestants in turn in one process and prints medians. Where one thread is measured,
seconds are those of the processor. The machine is shared, so ratios, medians of the
ratios of neighbouring runs, are to be trusted more than seconds. "First fit" has the
compilation or the reading of compiled code in it, "steady state" is the difference
between fits of some epochs and of twice as many, and "the floor" is the time that the
multiply-adds of training alone would take at the measured peak of a core.
"""


class Tee(io.StringIO):
    """Keeps what is written and shows it at once."""

    def write(self, text):
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def run(name):
    """What one benchmark prints, under its first line of description."""
    module = importlib.import_module(f"{here.__name__}.{name}")
    title = module.__doc__.splitlines()[0].rstrip(".")
    print(f"== {title}", flush=True)
    with contextlib.redirect_stdout(Tee()) as printed:
        module.main()
    return f"\n## {title}\n\n```text\n{printed.getvalue().rstrip()}\n```\n"


if __name__ == "__main__":
    names = [m.name for m in pkgutil.iter_modules(here.__path__)]
    names = [name for name in names if name.startswith("bench_")]
    if len(sys.argv) > 1:
        for chosen in sys.argv[1:]:
            run(f"bench_{chosen}" if f"bench_{chosen}" in names else chosen)
    else:
        PAGE.write_text(HEAD + "".join(run(name) for name in names))
