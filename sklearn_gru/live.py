"""Predictions from rows that arrive one at a time."""

from sklearn_gru._live.stream import Stream

__all__ = ["Stream"]
