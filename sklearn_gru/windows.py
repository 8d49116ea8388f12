"""Public names for turning rows into sequences.

This module imports neither PyTorch nor skorch.
"""

from sklearn_gru._windows.events import to_sequences
from sklearn_gru._windows.future import future_frame
from sklearn_gru._windows.sliding_window import SlidingWindow
from sklearn_gru._windows.targets import make_targets

__all__ = ["SlidingWindow", "future_frame", "make_targets", "to_sequences"]
