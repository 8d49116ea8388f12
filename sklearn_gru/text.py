"""Estimators whose answers are texts."""

from sklearn_gru._estimators.transcriber import GRUTranscriber
from sklearn_gru._estimators.translator import GRUTranslator

__all__ = ["GRUTranscriber", "GRUTranslator"]
