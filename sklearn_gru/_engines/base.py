"""The interface of an engine, which accepts or declines a plan and opens sessions.

To add an engine, write a class with the members of :class:`Engine` and put it into
``ENGINES`` of :mod:`sklearn_gru._engines.choice`, before the engines it should replace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.streamed import Data
from sklearn_gru._support.ranks import Ranks


@dataclass(frozen=True)
class Plan:
    """Description of a computation and its conditions.

    Attributes
    ----------
    spec : NetworkSpec
        The network and its loss.
    work : int
        Amount of training in the first fit: sequences x steps x epochs.
    device, dtype : str
        Device and dtype of the parameters, such as "cpu" and "float32".
    trains : bool
        Whether the session trains; otherwise it only predicts.
    watched : str or None
        Reason why an engine must report every single batch, or leave the optimizer step
        to PyTorch; None without such a reason.
    announce : bool
        Whether to report a compilation that takes seconds.
    changed, changed_layers : str or None
        Reason why the network, or its recurrent layers, compute something else than
        `spec` describes; None if they do not.
    """

    spec: NetworkSpec
    work: int
    device: str = "cpu"
    dtype: str = "float32"
    trains: bool = False
    watched: str | None = None
    announce: bool = False
    changed: str | None = None
    changed_layers: str | None = None


class Session(Protocol):
    """A training run, or predictions with fixed parameters.

    Attributes
    ----------
    held_out : ndarray of shape (n, n_outputs) or None
        Outputs in the latest call of `validate`, if they are kept.
    """

    held_out: np.ndarray | None

    def train_epoch(self, batches: Any) -> float:
        """Take one optimizer step per batch; return the mean loss."""
        ...

    def validate(self, batches: Any) -> float:
        """Return the mean loss of held-out batches."""
        ...

    def outputs(self, data: Data, threads: int = 1) -> np.ndarray:
        """Return the outputs (n, n_outputs) of every sequence."""
        ...

    def share(self, ranks: Ranks, n: int, n_steps: int) -> str | None:
        """Share steps of n sequences with other processes; return why not, or None."""
        ...

    def write_optimizer(self) -> None:
        """Write the state of the optimizer to where PyTorch keeps it."""
        ...

    def close(self) -> None:
        """Release the resources of the session."""
        ...


class Engine(Protocol):
    """A way to train networks and compute predictions."""

    @property
    def name(self) -> str:
        """Name that `engine_` reports."""
        ...

    @property
    def is_invariant(self) -> bool:
        """True if the output of a sequence has the same bits in every batch."""
        ...

    def declines(self, plan: Plan) -> str | None:
        """Return the reason for declining a plan, or None."""
        ...

    def open(self, net: Any, plan: Plan, threads: int = 1) -> Session:
        """Open a session that computes with the parameters of a net."""
        ...
