"""Estimators whose answers are texts."""

from sklearn_gru._estimators.transcriber import GRUTranscriber

__all__ = ["GRUTranscriber"]
