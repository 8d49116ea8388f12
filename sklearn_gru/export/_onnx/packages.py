"""Packages that only an export needs, imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

_EXTRAS = {"onnx": "onnx", "onnxruntime": "onnx", "skl2onnx": "skl2onnx"}


def require(name: str) -> Any:
    """Return a module; raise ImportError with the line that installs it."""
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"This export needs {package}, which cannot be imported ({error}). Install "
            f"it with: pip install 'sklearn-gru[{_EXTRAS[package]}]'"
        ) from error
