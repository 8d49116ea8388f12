"""What happens around epochs and batches, as skorch callbacks.

They stand in the same list as the user's own and see the same hooks.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from skorch.callbacks import BatchScoring, Callback, EpochScoring

from sklearn_gru._support.sklearn_callbacks import FitReport
from sklearn_gru.exceptions import DivergenceError, InvalidParameterError


class StopTraining(Exception):
    """Raised by a callback to end training early, keeping what was learned."""


def overrides(callback: Any, hook: str) -> bool:
    """Whether a callback does anything on a hook."""
    return getattr(type(callback), hook) is not getattr(Callback, hook)


class Schedule(Callback):
    """Linear warm-up, then half a cosine down to 0 (Loshchilov & Hutter 2017).

    The first steps of Adam have poor estimates of the gradient's size, and a recurrent
    network that is thrown off at the start seldom returns; the decay lets the last
    epochs settle.
    """

    warm_up = 0.1  # of all steps

    def __init__(self, learning_rate: float, n_steps: int) -> None:
        self.learning_rate = learning_rate
        self.n_steps = n_steps
        self.step = 0

    def on_batch_begin(
        self, net: Any, batch: Any = None, training: bool | None = None, **kwargs: Any
    ) -> None:
        """Set the learning rate of the step that follows."""
        if training:
            self.next_rates(net, 1)

    def next_rates(self, net: Any, n: int) -> list[float]:
        """Rates of the next `n` steps; the optimizer keeps the last."""
        steps = range(self.step, self.step + n)
        rates = [self.learning_rate * self.factor(s, self.n_steps) for s in steps]
        for group in net.optimizer_.param_groups:
            group["lr"] = rates[-1]
        self.step += n
        return rates

    @classmethod
    def factor(cls, step: int, n_steps: int) -> float:
        """Share of the learning rate at a step, in (0, 1]."""
        warm = max(1, round(cls.warm_up * n_steps))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, n_steps - warm)))


class FiniteLoss(Callback):
    """End a fit whose loss is no longer a number, saying what to try."""

    def on_epoch_end(
        self,
        net: Any,
        dataset_train: Any = None,
        dataset_valid: Any = None,
        **kwargs: Any,
    ) -> None:
        """Look at the losses of the epoch."""
        row = net.history[-1]
        for name in ("train_loss", "valid_loss"):
            if not math.isfinite(row.get(name, 0.0)):
                raise DivergenceError(
                    f"The {name} is {row[name]} in epoch {len(net.history)} with "
                    f"learning_rate={net.lr:g}: training diverged. Try a learning rate "
                    "ten times smaller, a smaller clip_norm, or standardize=True if it "
                    "is off; look for extreme values in X and y."
                )


class EarlyStopping(Callback):
    """Stop when the validation loss no longer falls, and go back to its best epoch."""

    def __init__(self, patience: int, tol: float) -> None:
        self.patience = patience
        self.tol = tol
        self.best_loss = math.inf
        self.best_epoch = 0
        self.best_state: dict[str, torch.Tensor] = {}
        self.reference = math.inf
        self.waited = 0

    def on_epoch_end(
        self,
        net: Any,
        dataset_train: Any = None,
        dataset_valid: Any = None,
        **kwargs: Any,
    ) -> None:
        """Keep the weights if they are the best yet; stop if patience ends."""
        loss = net.history[-1, "valid_loss"]
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, len(net.history)
            state = net.module_.state_dict()
            self.best_state = {name: value.clone() for name, value in state.items()}
        if loss < self.reference - self.tol:
            self.reference, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            raise StopTraining

    def restore(self, net: Any) -> None:
        """Go back to the best weights, before anyone is told that training ended."""
        if self.best_state:
            net.module_.load_state_dict(self.best_state)


class Progress(Callback):
    """One line: epoch, loss, validation loss, time left. Quiet where no one looks."""

    def __init__(self, epochs: int, name: str) -> None:
        self.epochs = epochs
        self.name = name
        self.bar: Any = None

    def on_train_begin(
        self, net: Any, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Open the line."""
        self.bar = open_bar(self.epochs, self.name)

    def on_epoch_end(
        self,
        net: Any,
        dataset_train: Any = None,
        dataset_valid: Any = None,
        **kwargs: Any,
    ) -> None:
        """Advance by one epoch."""
        row = net.history[-1]
        losses = {"loss": f"{row['train_loss']:.4g}"}
        if "valid_loss" in row:
            losses["validation"] = f"{row['valid_loss']:.4g}"
        self.bar.set_postfix(losses, refresh=False)
        self.bar.update()

    def on_train_end(
        self, net: Any, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Close the line, complete: a fit that stops early is no failure."""
        self.bar.total = self.bar.n
        # The widget of a notebook has an end of its own.
        for child in getattr(getattr(self.bar, "container", None), "children", ()):
            if hasattr(child, "max"):
                child.max = self.bar.n
        self.close()

    def close(self) -> None:
        """Close the line as it stands."""
        if self.bar is not None:
            self.bar.close()


def open_bar(epochs: int, name: str) -> Any:
    """A line of tqdm's, which is a widget in a notebook."""
    with warnings.catch_warnings():
        # In a notebook without widgets tqdm warns, when imported, and shows text.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    # Not left to tqdm (disable=None): it takes a notebook for a pipe.
    return tqdm(total=epochs, desc=name, unit="epoch", disable=not someone_looks())


def someone_looks() -> bool:
    """Whether there is a terminal or a notebook, not a log or a pipe."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is not None and "IPKernelApp" in shell.config:
        return True
    return sys.stderr is not None and sys.stderr.isatty()


class EpochReports(Callback):
    """Tell scikit-learn's callbacks of every epoch; they may stop the fit.

    `fitted` makes the fitted attributes of the estimator as if training had stopped
    there. It is called only if a callback asks for them.
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

    def on_epoch_end(
        self,
        net: Any,
        dataset_train: Any = None,
        dataset_valid: Any = None,
        **kwargs: Any,
    ) -> None:
        """Close the epoch, and stop if that is asked for."""
        if self.task.end_subtask(self.epoch, self.fitted):
            raise StopTraining


def check_callbacks(callbacks: Any) -> None:
    """`callbacks` are skorch's, each alone or as (name, callback)."""
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
        if issubclass(kind, (BatchScoring, EpochScoring)):
            raise InvalidParameterError(
                f"{kind.__name__} reads batches of skorch's own data sets; these are "
                "others. Give X_val and y_val and read validation_scores_, or write a "
                "callback with on_epoch_end."
            )


def _hint(callback: Any) -> str:
    if isinstance(callback, Callback):
        return " Write callbacks=[…]."
    if hasattr(callback, "on_fit_task_end"):
        return (
            " This one is scikit-learn's: pass it to set_callbacks, on the estimator "
            "or, for a ProgressBar, on the outermost pipeline or search."
        )
    return ""
