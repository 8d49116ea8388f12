"""Callbacks around epochs and batches, as skorch callbacks.

They are in the same list as the callbacks of the user and see the same hooks.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from skorch.callbacks import BatchScoring, Callback, Checkpoint, EpochScoring

from sklearn_gru._engines.torch.adamw import set_rate
from sklearn_gru._support.progress import ProgressLine
from sklearn_gru._support.sklearn_callbacks import FitReport
from sklearn_gru.exceptions import DivergenceError, InvalidParameterError


class StopTraining(Exception):
    """Exception that a callback raises to end training early and keep the network."""


def overrides(callback: Any, hook: str) -> bool:
    """Return True if a callback implements a hook."""
    return getattr(type(callback), hook) is not getattr(Callback, hook)


class Schedule(Callback):
    """Linear warm-up, then half a cosine down to 0 (Loshchilov & Hutter 2017).

    In its first optimizer steps, Adam has poor estimates of the size of the gradient,
    and a recurrent network that diverges at the start seldom recovers. The decay lets
    the last epochs converge.
    """

    warm_up = 0.1  # share of all optimizer steps

    def __init__(self, learning_rate: float, n_steps: int) -> None:
        self.learning_rate = learning_rate
        self.n_steps = n_steps
        self.step = 0

    def on_batch_begin(
        self, net: Any, batch: Any = None, training: bool | None = None, **kwargs: Any
    ) -> None:
        """Set the learning rate of the next optimizer step."""
        if training:
            self.next_rates(net, 1)

    def next_rates(self, net: Any, n: int) -> list[float]:
        """Return the rates of the next `n` optimizer steps, and advance the schedule.

        The optimizer gets the last of them.
        """
        steps = range(self.step, self.step + n)
        rates = [self.learning_rate * self.factor(s, self.n_steps) for s in steps]
        set_rate(net.optimizer_state, rates[-1])
        self.step += n
        return rates

    @classmethod
    def factor(cls, step: int, n_steps: int) -> float:
        """Return the factor of the learning rate at an optimizer step, in (0, 1]."""
        warm = max(1, round(cls.warm_up * n_steps))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, n_steps - warm)))


class FiniteLoss(Callback):
    """Check that raises DivergenceError when the loss is no longer finite."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Check the losses of the epoch."""
        row = net.history[-1]
        for name in ("train_loss", "valid_loss"):
            if not math.isfinite(row.get(name, 0.0)):
                raise DivergenceError(
                    f"The {name} is {row[name]} in epoch {len(net.history)} with "
                    f"learning_rate={net.lr:g}: training diverged. Try a learning rate "
                    "ten times smaller, a smaller clip_norm, or standardize=True if it "
                    "is off, and look for extreme values in X and y."
                )


class EarlyStopping(Callback):
    """Early stopping when the validation loss stalls, returning to the best epoch.

    `last` is the number of the last epoch. If it is the best, there is nothing to
    return to, and no state is kept.
    """

    def __init__(self, patience: int, tol: float, last: int) -> None:
        self.patience = patience
        self.tol = tol
        self.last = last
        self.best_loss = math.inf
        self.best_epoch = 0
        self.best_state: dict[str, torch.Tensor] = {}
        self.best_outputs: np.ndarray | None = None  # for the validation set
        self.reference = math.inf
        self.waited = 0

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Keep the weights if they are the best so far; stop if patience runs out."""
        loss = net.history[-1, "valid_loss"]
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, len(net.history)
            self.best_outputs = net.session_.held_out
            is_last = self.best_epoch == self.last
            state = {} if is_last else net.module_.state_dict()
            self.best_state = {name: value.clone() for name, value in state.items()}
        if loss < self.reference - self.tol:
            self.reference, self.waited = loss, 0
            return
        self.waited += 1
        if self.is_exhausted:
            raise StopTraining

    @property
    def is_exhausted(self) -> bool:
        """Flag that the loss has stalled for too long."""
        return self.waited >= self.patience

    def restore(self, net: Any) -> None:
        """Restore the best weights, before callbacks learn that training ended."""
        if self.best_state:
            net.module_.load_state_dict(self.best_state)


class Progress(Callback):
    """Progress line with epoch, losses and time left; hidden in logs and pipes.

    All networks of a fit share the line, from their threads.

    Parameters
    ----------
    name : str
        Text in front of the name of the engine.
    epochs : int
        Number of epochs of each network, at most.
    n_nets : int
        Number of networks.
    """

    def __init__(self, name: str, epochs: int, n_nets: int = 1) -> None:
        self.name = name
        self.epochs = epochs
        self.n_nets = n_nets
        self.line: ProgressLine | None = None
        self._lock = threading.Lock()
        # Epochs of each network that are still to come, at most.
        self._left: dict[int, int] = {}

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Open the line, unless another network has."""
        with self._lock:
            self._left[id(net)] = self.epochs
            if self.line is None:
                total, name = self.epochs * self.n_nets, f"{self.name} ({net.engine_})"
                self.line = ProgressLine(total, name, "epoch")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Advance by one epoch."""
        assert self.line is not None
        row = net.history[-1]
        losses = {"loss": f"{row['train_loss']:.4g}"}
        if "valid_loss" in row:
            losses["validation"] = f"{row['valid_loss']:.4g}"
        with self._lock:
            self._left[id(net)] -= 1
            self.line.step(**losses)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Skip what was not needed; the last network closes the line as complete."""
        assert self.line is not None
        with self._lock:
            skipped = self._left.pop(id(net))
            self.n_nets -= 1
            if self.n_nets == 0:
                self.line.complete()
            elif skipped:
                self.line.skip(skipped)

    def close(self) -> None:
        """Close the line in its current state."""
        if self.line is not None:
            self.line.close()


class EpochReports(Callback):
    """Reports of every epoch to scikit-learn's callbacks, which may stop the fit.

    `fitted` makes the fitted attributes of the estimator as if training had stopped
    after the epoch. It is called only if a callback asks for them.
    """

    def __init__(self, task: FitReport, fitted: Callable[[], dict[str, Any]]) -> None:
        self.task = task
        self.fitted = fitted

    def on_epoch_begin(
        self,
        net: Any,
        dataset_train: Any = None,
        dataset_valid: Any = None,
        **kwargs: Any,
    ) -> None:
        """Open the epoch."""
        self.epoch = self.task.begin_subtask("epoch", self.fitted)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Close the epoch, and stop if a callback asks for it."""
        if self.task.end_subtask(self.epoch, self.fitted):
            raise StopTraining


def check_callbacks(callbacks: Any) -> None:
    """Check that all are skorch callbacks, each alone or as (name, callback)."""
    if callbacks is not None and not isinstance(callbacks, (list, tuple)):
        raise InvalidParameterError(
            f"callbacks takes a list of skorch callbacks; got {callbacks!r}."
            f"{_hint(callbacks)}"
        )
    for entry in callbacks or ():
        callback = entry[1] if isinstance(entry, tuple) and len(entry) == 2 else entry
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            raise InvalidParameterError(
                f"callbacks takes a list of skorch callbacks; got {callback!r}."
                f"{_hint(callback)}"
            )
        if issubclass(kind, Checkpoint):
            raise InvalidParameterError(
                "skorch's Checkpoint needs records of batches, which this estimator "
                "does not keep. Use sklearn_gru.callbacks.Checkpoint(path), from which "
                "a killed fit goes on."
            )
        if issubclass(kind, (BatchScoring, EpochScoring)):
            raise InvalidParameterError(
                f"{kind.__name__} needs skorch's own data sets, which this estimator "
                "does not use. Pass X_val and y_val to fit and read "
                "validation_scores_, or write a callback with on_epoch_end."
            )


def _hint(callback: Any) -> str:
    if isinstance(callback, Callback):
        return " Pass it in a list: callbacks=[…]."
    if hasattr(callback, "on_fit_task_end"):
        return (
            " This is a scikit-learn callback: pass it to set_callbacks, on the "
            "estimator or, for a ProgressBar, on the outermost pipeline or search."
        )
    return ""
