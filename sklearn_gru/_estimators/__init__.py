"""The estimators and their fitted state."""

from sklearn_gru._support.collector import paused_collector

with paused_collector():  # by name, and where a pickle is the first to need them
    from sklearn_gru._estimators import base  # noqa: F401
