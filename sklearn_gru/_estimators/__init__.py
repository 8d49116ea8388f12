"""The estimators and their fitted state."""

from sklearn_gru._support.collector import paused_collector

with paused_collector():  # also where a pickle is the first to import an estimator
    from sklearn_gru._estimators import base  # noqa: F401
