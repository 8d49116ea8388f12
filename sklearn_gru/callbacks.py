"""Callbacks for long fits: a checkpoint to go on from, and a time limit.

Pass them in the parameter `callbacks` of an estimator, alone or beside those of skorch.
"""

from sklearn_gru._engines.checkpoint import Checkpoint, TimeLimit

__all__ = ["Checkpoint", "TimeLimit"]
