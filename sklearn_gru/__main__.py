"""A report of what this machine will use: ``python -m sklearn_gru`` compiles ahead.

The first float32 fit of a kind of cell compiles the kernels, which takes seconds; run
this once in an image or a new environment and no fit has to wait.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.metadata import version

from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.torch.device import resolve_device
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.spec import NetworkSpec

PACKAGES = (
    "sklearn-gru",
    "scikit-learn",
    "skorch",
    "torch",
    "numba",
    "numpy",
    "pandas",
)


def main() -> None:
    """Print versions, device and path, and compile what is not compiled."""
    say = sys.stdout.write
    for package in PACKAGES:
        say(f"{package:16s} {version(package)}\n")
    say(f"{'python':16s} {sys.version.split()[0]}\n")
    say(f"{'cores':16s} {os.cpu_count()}, one thread a fit\n")
    say(f"{'device':16s} {resolve_device('auto')}\n")
    reason = kernels.reason()
    if reason is not None:
        say(f"{'engine':16s} torch: {reason}\n")
        return
    say(f"{'engine':16s} numba, compiled for {kernels.vector_unit()}\n")
    for cell in filter(kernels.has_cell, CELLS):
        start = time.perf_counter()
        network = NetworkSpec(cell, n_inputs=1, hidden_size=1)
        kernels.warm_up(network)
        kernels.warm_up_layers(network)
        say(f"{cell:16s} ready in {time.perf_counter() - start:.1f} s\n")
    kernels.warm_up_standardize()


if __name__ == "__main__":
    main()
