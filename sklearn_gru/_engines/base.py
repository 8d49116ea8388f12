"""The interface of an engine: it is offered a plan, may decline, and opens sessions.

To add an engine, write a class with the members of :class:`Engine` and put it into
``ENGINES`` of :mod:`sklearn_gru._engines.choice`, in front of those it is preferred to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.spec import NetworkSpec


@dataclass(frozen=True)
class Plan:
    """What is to be computed, and under which conditions.

    Attributes
    ----------
    spec : NetworkSpec
        The network and its loss.
    work : int
        Steps of training in the first fit: sequences x steps x epochs.
    device, dtype : str
        Where the parameters are and what they are, such as "cpu" and "float32".
    trains : bool
        Whether the session will train; else it only predicts.
    watched : str or None
        Why an engine must show every single batch, or leave the step to PyTorch.
    announce : bool
        Whether to report a compilation that takes seconds.
    """

    spec: NetworkSpec
    work: int
    device: str = "cpu"
    dtype: str = "float32"
    trains: bool = False
    watched: str | None = None
    announce: bool = False


class Session(Protocol):
    """One training, or predictions with the parameters as they are."""

    def train_epoch(self, batches: Any) -> float:
        """Take one optimizer step per batch; return the mean loss."""
        ...

    def validate(self, batches: Any) -> float:
        """Return the mean loss of held-out batches."""
        ...

    def outputs(self, data: Encoded, threads: int = 1) -> np.ndarray:
        """Return the outputs (n, n_outputs) of every sequence."""
        ...

    def write_optimizer(self) -> None:
        """Leave the state of the optimizer where PyTorch keeps it."""
        ...

    def close(self) -> None:
        """Give back what the session holds."""
        ...


class Engine(Protocol):
    """One way to compute."""

    @property
    def name(self) -> str:
        """Name, as `engine_` reports it."""
        ...

    def declines(self, plan: Plan) -> str | None:
        """Return the reason for not taking a plan, or None."""
        ...

    def open(self, net: Any, plan: Plan, threads: int = 1) -> Session:
        """Start to compute with the parameters of a net."""
        ...
