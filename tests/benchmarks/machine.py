"""What a figure was measured on: CPU, load, versions."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def describe():
    """One line for the head of a table."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        cpu = next((s.split(":")[1].strip() for s in lines if "model name" in s), cpu)
    packages = ("numpy", "pandas", "scikit-learn", "skorch", "torch")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"{cpu}, {os.cpu_count()} cores, load {load:.1f}, "
        f"Python {platform.python_version()}, {versions}"
    )
