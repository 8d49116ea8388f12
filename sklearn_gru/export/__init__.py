"""Fitted models in other formats, which run without this package."""

import importlib

_HOME = {
    "PortableError": "sklearn_gru.export.gru_portable",
    "PortableModel": "sklearn_gru.export.gru_portable",
    "load_portable": "sklearn_gru.export.gru_portable",
    "register_skl2onnx": "sklearn_gru.export._onnx.skl2onnx",
    "to_c": "sklearn_gru.export._c",
    "to_onnx": "sklearn_gru.export._onnx.public",
    "to_portable": "sklearn_gru.export._portable",
}

__all__ = [
    "PortableError",
    "PortableModel",
    "load_portable",
    "register_skl2onnx",
    "to_c",
    "to_onnx",
    "to_portable",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
