"""GRU estimators that are scikit-learn estimators.

Names are loaded on first use: importing scikit-learn, PyTorch and skorch costs
seconds, and neither ``import sklearn_gru`` nor the windows need the latter two.
"""

import importlib

__version__ = "0.1.0"

_HOME = {
    "GRUClassifier": "sklearn_gru._estimators.classifier",
    "GRUOutlierDetector": "sklearn_gru._estimators.outliers",
    "GRURegressor": "sklearn_gru._estimators.regressor",
    "GRUTagger": "sklearn_gru._estimators.tagger",
    "SequenceEmbedding": "sklearn_gru._estimators.embedding",
    "Sequences": "sklearn_gru._encoding.sequences",
    "SlidingWindow": "sklearn_gru.windows",
    "callbacks": "sklearn_gru",
    "datasets": "sklearn_gru",
    "distributed": "sklearn_gru",
    "exceptions": "sklearn_gru",
    "export": "sklearn_gru",
    "future_frame": "sklearn_gru.windows",
    "inspection": "sklearn_gru",
    "live": "sklearn_gru",
    "make_targets": "sklearn_gru.windows",
    "metrics": "sklearn_gru",
    "model_selection": "sklearn_gru",
    "store": "sklearn_gru",
    "text": "sklearn_gru",
    "to_sequences": "sklearn_gru.windows",
    "windows": "sklearn_gru",
}

__all__ = [
    "GRUClassifier",
    "GRUOutlierDetector",
    "GRURegressor",
    "GRUTagger",
    "SequenceEmbedding",
    "Sequences",
    "SlidingWindow",
    "callbacks",
    "datasets",
    "distributed",
    "exceptions",
    "export",
    "future_frame",
    "inspection",
    "live",
    "make_targets",
    "metrics",
    "model_selection",
    "store",
    "text",
    "to_sequences",
    "windows",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'sklearn_gru' has no attribute {name!r}")
    home = _HOME[name]
    if home == __name__:
        return importlib.import_module(f"{home}.{name}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
