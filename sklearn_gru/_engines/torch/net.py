"""A skorch net driven by the session of an engine; the only use of skorch's net.

skorch drives epochs, callbacks and the history, and ``net_`` is one of its nets. Its
work per sample (DataLoader, collation, a record per batch) is replaced through its own
extension points: ``get_iterator`` returns whole batches, ``get_loss`` unpacks target
and weight, ``fit_loop`` takes data sets that are already split, and a pass over the
data is one call of the session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from skorch import NeuralNet
from skorch.callbacks import EpochTimer
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from sklearn_gru._engines.base import Plan, Session
from sklearn_gru._engines.torch.adamw import (
    AdamWState,
    read_rate,
    read_state,
    unusual,
)
from sklearn_gru._engines.torch.archive import ATTRIBUTES, from_archive, to_archive
from sklearn_gru._engines.torch.batches import Batches, BatchesByLength
from sklearn_gru._engines.torch.callbacks import Schedule, StopTraining, overrides
from sklearn_gru._engines.torch.changes import Outline
from sklearn_gru._engines.torch.device import RandomStream, flushed_denormals
from sklearn_gru._engines.torch.pieces import PieceBatches
from sklearn_gru._engines.torch.recurrent import state_shape
from sklearn_gru._engines.torch.session import PASS_SIZE, PASS_STEPS
from sklearn_gru._support.interrupts import Interrupts, raise_if_stopped

# Compiled code and its memory, identities of parts, signals: None in a pickle.
_OF_A_PROCESS = ("session_", "prediction_", "outline_", "interrupts_", "decide_")

# What skorch makes again: classes, which a file need not name, and lists of names.
_OF_SKORCH = (
    *("optimizer", "dataset", "iterator_train", "iterator_valid", "history_"),
    *("callbacks_", "virtual_params_", "prefixes_", "cuda_dependent_attributes_"),
    *("_modules", "_criteria", "_optimizers", "_params_to_validate", "init_context_"),
)

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")
_DECISIVE_HOOKS = ("on_train_begin", "on_epoch_begin", "on_epoch_end")


class Opened(NamedTuple):
    """A session for predictions, and the parts of the network it was opened for."""

    session: Session
    outline: Outline


class SequenceNet(NeuralNet):
    """skorch net over whole batches of sequences."""

    def __init__(
        self,
        module: Any,
        criterion: Any,
        *,
        clip_norm: float | None = None,
        shuffle_stream: RandomStream | None = None,
        work: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(module, criterion, **kwargs)
        self.clip_norm = clip_norm
        self.shuffle_stream = shuffle_stream
        self.work = work
        self.engine_: str | None = None
        self.declined: dict[str, str] = {}
        self.session_: Session | None = None
        self.prediction_: Opened | None = None
        self.outline_: Outline | None = None
        self.interrupts_: Interrupts | None = None
        self.decide_: Callable[..., bool] | None = None

    def __getstate__(self) -> dict[str, Any]:
        archive = to_archive(self)
        if archive is None:
            _ = self.optimizer_  # skorch pickles the optimizer, not its state
            return {**super().__getstate__(), **dict.fromkeys(_OF_A_PROCESS)}
        left_out = (*ATTRIBUTES, *_OF_A_PROCESS, *_OF_SKORCH)
        return {
            "archive": archive,
            "settings": {k: v for k, v in vars(self).items() if k not in left_out},
            "history": [dict(row) for row in self.history],
            "callbacks": [c for c in self.callbacks_ if type(c[1]) is not EpochTimer],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "archive" not in state:
            super().__setstate__(state)
            return
        parts, settings = from_archive(state["archive"]), state["settings"]
        kwargs = {k: v for k, v in settings.items() if k.startswith("optimizer__")}
        self.__init__(  # type: ignore[misc]
            parts["module"], parts["criterion"], optimizer=AdamW, **kwargs
        )
        self.set_params(train_split=None, verbose=0).initialize()
        self.__dict__.update(parts, **settings)
        self.history.extend(state["history"])
        self.callbacks_ += state["callbacks"]

    def initialize_optimizer(self, triggered_directly: Any = None) -> SequenceNet:
        """Keep the options of the optimizer; reading `optimizer_` makes it."""
        parameters = self.get_all_learnable_params()
        (_, *others), options = self.get_params_for_optimizer("optimizer", parameters)
        if self.optimizer is not AdamW or others:
            return super().initialize_optimizer()
        if "optimizer_" not in vars(self):
            self._register_attribute("optimizer_", None)
        self.optimizer_ = AdamWState(options)
        return self

    @property
    def optimizer_(self) -> Optimizer:
        """The optimizer, which is made when it is first read."""
        found = self.optimizer_state
        if isinstance(found, AdamWState):
            found = self.__dict__["optimizer_"] = found.make(self.module_)
        return found

    @optimizer_.setter
    def optimizer_(self, optimizer: Optimizer | AdamWState) -> None:
        self.__dict__["optimizer_"] = optimizer

    @property
    def optimizer_state(self) -> Optimizer | AdamWState:
        """The optimizer if it has been made, else the state to make it from."""
        try:
            return vars(self)["optimizer_"]
        except KeyError:
            raise AttributeError("The net has no optimizer_ yet.") from None

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return [("epoch_timer", EpochTimer())]

    def get_iterator(
        self, dataset: Any, training: bool = False
    ) -> Batches | PieceBatches:
        if training and dataset.data.by_row:
            assert self.shuffle_stream is not None
            return PieceBatches(
                dataset,
                self.batch_size,
                self.shuffle_stream,
                state_shape(self.module_.spec),
            )
        if training and dataset.data.texts:
            return BatchesByLength(dataset, self.batch_size, self.shuffle_stream)
        if training:
            return Batches(dataset, self.batch_size, self.shuffle_stream)
        if dataset.data.reads_target:  # an output per token of the vocabulary
            return Batches(dataset, self.batch_size)
        if not self.module_.spec.per_step:
            return Batches(dataset, PASS_SIZE)
        longest = max(1, int(dataset.data.lengths.max(initial=1)))
        return Batches(dataset, max(1, PASS_STEPS // longest))

    def infer(self, x: Any, **fit_params: Any) -> Tensor:
        layers = getattr(self.session_, "layers", None)
        return self.module_(**x, layers=layers)

    def get_loss(
        self, y_pred: Tensor, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        return self.criterion_(y_pred, *y_true)

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Tensor]:
        """Take one optimizer step; skorch's closure and modes would cost 5 %."""
        inputs, target = batch
        self.optimizer_.zero_grad()
        y_pred = self.infer(inputs)
        loss = self.get_loss(y_pred, target, training=True)
        loss.backward()
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.module_.parameters(), self.clip_norm)
        if self.watched_:
            named = list(self.module_.named_parameters())
            self.notify(
                "on_grad_computed", named_parameters=named, batch=batch, training=True
            )
        self.optimizer_.step()
        return {"loss": loss, "y_pred": y_pred}

    def fit_loop(
        self, X: Any, y: Any = None, epochs: int | None = None, **fit_params: Any
    ) -> SequenceNet:
        """Train on ``X = (training data set, validation data set or None)``."""
        training, validation = X
        batches = self.get_iterator(training, training=True)
        held_out = None if validation is None else self.get_iterator(validation)
        datasets = {"dataset_train": training, "dataset_valid": validation}
        # Records of batches cost more than small batches; keep them only for callbacks.
        self.watched_ = self.batch_watcher() is not None
        for _ in range(self.max_epochs if epochs is None else epochs):
            self.notify("on_epoch_begin", **datasets)
            with flushed_denormals():  # does not include the callbacks
                self.run_single_epoch(batches, True, "train", self.train_step)
                self.run_single_epoch(held_out, False, "valid", self.validation_step)
            self.notify("on_epoch_end", **datasets)
        return self

    def run_single_epoch(
        self,
        iterator: Any,
        training: bool,
        prefix: str,
        step_fn: Any,
        **fit_params: Any,
    ) -> None:
        """Make one pass over the data with the session."""
        if iterator is None:
            return
        assert self.session_ is not None
        run = self.session_.train_epoch if training else self.session_.validate
        loss = run(iterator)
        raise_if_stopped()
        self.history.record(prefix + "_loss", loss)
        self.history.record(prefix + "_batch_count", len(iterator))

    def rates(self, n_batches: int) -> np.ndarray:
        """Return the learning rates of the optimizer steps of an epoch."""
        for _, callback in self.callbacks_:
            if isinstance(callback, Schedule):
                return np.array(callback.next_rates(self, n_batches))
        return np.full(n_batches, read_rate(self.optimizer_state))

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks that implement this hook.

        skorch's own callbacks end training by raising KeyboardInterrupt. A real
        interrupt must not look like a finished fit, so an interrupt raised by a
        callback is translated to StopTraining here, unless Ctrl-C was pressed. All
        callbacks are called before a request to stop takes effect. Where several
        processes train together, `decide_` tells whether any of them stops.
        """
        stopped: BaseException | None = None
        if method_name not in _BATCH_HOOKS or self.watched_:
            getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            if overrides(callback, method_name):
                try:
                    getattr(callback, method_name)(self, **cb_kwargs)
                except (KeyboardInterrupt, StopTraining) as stop:
                    if self.interrupts_ is not None and self.interrupts_.heard:
                        raise
                    stopped = stop
        stops = stopped is not None
        if self.decide_ is not None and method_name in _DECISIVE_HOOKS:
            stops = self.decide_(self, stops=stops)
        if stops:
            raise StopTraining from stopped

    def batch_watcher(self) -> str | None:
        """Return the name of a callback that listens to batches, or None."""
        for name, callback in self.callbacks_:
            own = isinstance(callback, (EpochTimer, Schedule))
            if not own and any(overrides(callback, hook) for hook in _BATCH_HOOKS):
                return name
        return None

    def plan(self, *, trains: bool, announce: bool = False) -> Plan:
        """Return a plan for the net in its current state."""
        outline = self.outline()
        watched = self._why_watched(outline) if trains else None
        parameter = self.module_.head.weight
        return Plan(
            self.module_.spec,
            self.work,
            parameter.device.type,
            str(parameter.dtype).removeprefix("torch."),
            trains,
            watched,
            announce,
            outline.changed,
            outline.changed_layers,
        )

    def outline(self) -> Outline:
        """Return the parts of the network as they are now."""
        known = self.outline_
        if known is None or not known.describes(self.module_):
            known = self.outline_ = Outline(self.module_)
        return known

    def _why_watched(self, outline: Outline) -> str | None:
        """Return why the optimizer step is PyTorch's, or batches are reported."""
        if reason := unusual(self.optimizer_state, outline.parameters):
            return reason
        if (name := self.batch_watcher()) is not None:
            return f"the callback {name} listens to batches"
        if not all(p.requires_grad for p in outline.parameters):
            return "some parameters are frozen (requires_grad=False)"
        moments = read_state(self.optimizer_state).moments
        if len({float(state["step"]) for state in moments if state}) > 1:
            return "some parameters have taken more optimizer steps than others"
        return None
