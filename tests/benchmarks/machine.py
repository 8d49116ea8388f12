"""What a figure was measured on: CPU, load, versions; and one thread for all."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

PACKAGES = ("numpy", "pandas", "scikit-learn", "skorch", "torch", "numba")
OPTIONAL = ("keras", "jax")


def describe():
    """One line for the head of a table."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        cpu = next((s.split(":")[1].strip() for s in lines if "model name" in s), cpu)
    packages = [*PACKAGES, *(name for name in OPTIONAL if is_installed(name))]
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"{cpu}, {os.cpu_count()} cores, load {load:.1f}, "
        f"Python {platform.python_version()}, {versions}"
    )


def is_installed(package):
    """Whether a distribution is here."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def use_one_thread():
    """Give every library of this process one thread."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def usable_cores():
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
