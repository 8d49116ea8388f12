"""The only seam to skorch: a net, its training, its forward pass.

skorch drives epochs, callbacks and the history, and ``net_`` is one of its nets. What
it does by sample (DataLoader, collation, a record a batch) is replaced through its own
extension points: ``get_iterator`` hands out whole batches, ``get_loss`` unpacks target
and weight, ``fit_loop`` takes data sets that are already split. The fast path is
chosen here too: see :mod:`sklearn_gru._engines.numba.adapter`.
"""

from __future__ import annotations

import contextlib
import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, LRScheduler
from torch import Tensor
from torch.optim import AdamW

from sklearn_gru._engines.numba.adapter import (
    Declined,
    FastPrediction,
    FastTraining,
    describe,
    flatten_parameters,
    is_usable,
    why_declined,
)
from sklearn_gru._engines.torch.batches import (
    Batches,
    SequenceDataset,
    blocks_by_length,
)
from sklearn_gru._engines.torch.callbacks import (
    EarlyStopping,
    EpochTasks,
    FiniteLoss,
    Progress,
    Schedule,
    StopTraining,
    overrides,
)
from sklearn_gru._engines.torch.device import (
    RandomStream,
    flushed_denormals,
    spawn_seeds,
)
from sklearn_gru._engines.torch.module import SequenceModel
from sklearn_gru._engines.torch.plain import ATTRIBUTES, as_plain, from_plain
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.tasks import Task

_NOT_ASKED = Declined("not asked", "not asked")

# Sequences in one forward pass: 20 000 windows 24 x 8 took 0.18 s with 256 to 1024,
# 0.26 s with 64 and 0.28 s with 4096 (32 units, one core, torch 2.13).
_BLOCK = 1024
_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class TrainingParams(NamedTuple):
    """How to train; everything skorch and torch are told."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    clip_norm: float | None
    callbacks: list[Any]


class Stopping(NamedTuple):
    """When to stop before the last epoch."""

    patience: int
    tol: float


class SequenceNet(NeuralNet):
    """A skorch net over whole batches of sequences."""

    def __init__(
        self,
        module: Any,
        criterion: Any,
        *,
        clip_norm: float | None = None,
        shuffle_stream: RandomStream | None = None,
        declined: Declined = _NOT_ASKED,
        **kwargs: Any,
    ) -> None:
        super().__init__(module, criterion, **kwargs)
        self.clip_norm = clip_norm
        self.shuffle_stream = shuffle_stream
        self.declined = declined
        self.training_: FastTraining | None = None
        self.prediction_: FastPrediction | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Compiled code and its memory belong to a process.
        own = {"training_": None, "prediction_": None}
        plain = as_plain(self)
        if plain is None:
            return {**super().__getstate__(), **own}
        kept = {k: v for k, v in vars(self).items() if k not in ATTRIBUTES}
        return {**kept, **own, "plain": plain}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "plain" not in state:
            super().__setstate__(state)
            return
        state = dict(state)
        self.__dict__.update(from_plain(state.pop("plain")), **state)

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        return [("epoch_timer", EpochTimer())]

    def get_iterator(self, dataset: Any, training: bool = False) -> Batches:
        if training:
            return Batches(dataset, self.batch_size, self.shuffle_stream)
        return Batches(dataset, _BLOCK)

    def infer(self, x: Any, **fit_params: Any) -> Tensor:
        return self.module_(**x)

    def get_loss(
        self, y_pred: Tensor, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        return self.criterion_(y_pred, *y_true)

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Tensor]:
        """One step; the closure and the modes that skorch sets each time cost 5 %."""
        inputs, target = batch
        self.optimizer_.zero_grad()
        y_pred = self.infer(inputs)
        loss = self.get_loss(y_pred, target, training=True)
        loss.backward()
        if self.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.module_.parameters(), self.clip_norm)
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
        # Records of batches cost more than small batches: made only for who looks.
        self.watched_ = self._watches_batches()
        for _ in range(self.max_epochs if epochs is None else epochs):
            self.notify("on_epoch_begin", **datasets)
            with flushed_denormals():  # here, so that callbacks compute as elsewhere
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
        """One pass; the mean loss is accumulated in float64 and read once."""
        if iterator is None:
            return
        if self.training_ is not None:
            self._run_fast_epoch(self.training_, iterator, training, prefix)
            return
        total = torch.zeros(
            (), dtype=torch.float64, device=iterator.dataset.rows.device
        )
        n_batches = 0
        self._set_training(training)
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            size = len(batch[1][0])
            total += step["loss"].detach() * size
            n_batches += 1
            if self.watched_:
                self.history.record_batch(prefix + "_loss", step["loss"].item())
                self.history.record_batch(prefix + "_batch_size", size)
            self.notify("on_batch_end", batch=batch, training=training, **step)
        self.history.record(prefix + "_loss", total.item() / len(iterator.dataset))
        self.history.record(prefix + "_batch_count", n_batches)

    def _run_fast_epoch(
        self, fast: FastTraining, batches: Batches, training: bool, prefix: str
    ) -> None:
        """The same pass by the kernels: one call, at rates known ahead."""
        dataset = batches.dataset
        if training:
            rates = self._rates(len(batches))
            order = batches.order().numpy()
            loss = fast.train_epoch(dataset, order, self.batch_size, rates)
        else:
            target = dataset.target, dataset.weight
            with torch.no_grad():
                loss = self.criterion_(fast.outputs(dataset), *target).item()
        self.history.record(prefix + "_loss", loss)
        self.history.record(prefix + "_batch_count", len(batches))

    def _rates(self, n_batches: int) -> np.ndarray:
        """Learning rates of the steps of an epoch."""
        for _, callback in self.callbacks_:
            if isinstance(callback, Schedule):
                return np.array(callback.next_rates(self, n_batches))
        return np.full(n_batches, float(self.optimizer_.param_groups[0]["lr"]))

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks that do something on this hook.

        skorch's own callbacks end training by raising KeyboardInterrupt; a real one
        must not look like a finished fit, so theirs is translated here. Every callback
        hears of an event before one that asked to stop is obeyed.
        """
        stopped: BaseException | None = None
        if method_name not in _BATCH_HOOKS or self.watched_:
            getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            if overrides(callback, method_name):
                try:
                    getattr(callback, method_name)(self, **cb_kwargs)
                except (KeyboardInterrupt, StopTraining) as stop:
                    stopped = stop
        if stopped is not None:
            raise StopTraining from stopped

    def _watches_batches(self) -> bool:
        """Whether a callback of the user listens to batches."""
        return any(
            overrides(callback, hook)
            for _, callback in self.callbacks_
            for hook in _BATCH_HOOKS
            if not isinstance(callback, (EpochTimer, Schedule))
        )


def make_net(
    spec: NetworkSpec,
    task: Task,
    params: TrainingParams,
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    work: int,
    announce: bool = False,
) -> SequenceNet:
    """An initialised net with its own sources of randomness.

    `work` is the number of steps to train: sequences x steps x epochs; `announce`
    says so when kernels are compiled for the first time.
    """
    seeds = spawn_seeds(seed, 3)
    generator = torch.Generator().manual_seed(seeds[0])
    # Parameters are drawn in float32 whatever the dtype: one seed, one start.
    module = SequenceModel(spec, generator, RandomStream(seeds[1], device))
    module.silence(list(task.constant))
    declined = why_declined(spec, task, device, dtype, work, announce)
    module.recurrent.compiled = declined.layers is None
    net = SequenceNet(
        module.to(device=device, dtype=dtype),
        task.criterion(),
        clip_norm=params.clip_norm,
        shuffle_stream=RandomStream(seeds[2], torch.device("cpu")),
        declined=declined,
        optimizer=AdamW,
        optimizer__weight_decay=params.weight_decay,
        optimizer__fused=True,
        lr=params.learning_rate,
        batch_size=params.batch_size,
        train_split=None,
        callbacks=params.callbacks,
        device=str(device),
        verbose=0,
    )
    return net.initialize()


def train(
    net: SequenceNet,
    task: Task,
    training: SequenceDataset,
    validation: SequenceDataset | None,
    epochs: int,
    *,
    scheduled: bool,
    stopping: Stopping | None = None,
    progress: str | None = None,
    watcher: EpochTasks | None = None,
    threads: int = 1,
) -> int | None:
    """Train for some epochs; the best epoch if training was watched for stopping."""
    own: list[Any] = [FiniteLoss()]
    # A learning-rate scheduler of the user's own takes the place of ours.
    chosen = any(isinstance(c, LRScheduler) for _, c in net.callbacks_)
    if scheduled and not chosen:
        n_batches = len(net.get_iterator(training, training=True))
        own.append(Schedule(net.lr, epochs * n_batches))
    else:
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr
    stopper = None
    if stopping is not None:
        stopper = EarlyStopping(stopping.patience, stopping.tol)
        own.append(stopper)
    if watcher is not None:
        own.append(watcher)
    line = None
    theirs = net.callbacks_
    fast = _start_fast(net, task, threads)
    net.engine_ = _engine_name(net)
    if progress:
        line = Progress(epochs, f"{progress} ({net.engine_})")
        own.insert(1, line)
    net.callbacks_ = theirs + [(type(c).__name__, c) for c in own]
    try:
        net.notify("on_train_begin", X=None, y=None)
        with contextlib.suppress(StopTraining):
            net.fit_loop((training, validation), epochs=epochs)
        if stopper is not None:
            stopper.restore(net)
        net.notify("on_train_end", X=None, y=None)
    finally:
        if line is not None:
            line.close()
        net.callbacks_ = theirs
        net.training_ = net.prediction_ = None
        if fast is not None:
            fast.write_optimizer()
        net.optimizer_.zero_grad(set_to_none=True)
    return None if stopper is None else stopper.best_epoch


def _start_fast(net: SequenceNet, task: Task, threads: int) -> FastTraining | None:
    """Training by the kernels, where they accept and nobody looks at batches."""
    plain = type(net.optimizer_) is AdamW and not net._watches_batches()
    if plain and is_usable(net):
        net.training_ = FastTraining(describe(net.module_.spec, task), net, threads)
    elif net.module_.recurrent.compiled:
        flatten_parameters(net.module_)  # the layers are then read where they lie
    return net.training_


def _engine_name(net: SequenceNet) -> str:
    """What trains: compiled steps, compiled layers under autograd, or torch alone."""
    if net.training_ is not None:
        return "numba"
    return "numba+autograd" if net.module_.recurrent.runs_kernels else "torch"


def forward(
    net: SequenceNet, task: Task, dataset: SequenceDataset, threads: int = 1
) -> np.ndarray:
    """Outputs (n, n_outputs) in float64."""
    module = net.module_
    if is_usable(net):
        if net.prediction_ is None:
            net.prediction_ = FastPrediction(describe(module.spec, task), module)
        return net.prediction_(dataset, threads).astype(np.float64)
    module.eval()
    out = np.empty((len(dataset), module.spec.n_outputs))
    with torch.inference_mode():
        for index in blocks_by_length(dataset.lengths.numpy(), _BLOCK):
            inputs, _ = dataset.gather(torch.from_numpy(index))
            out[index] = module(**inputs).double().cpu().numpy()
    return out


def snapshot(net: SequenceNet, callbacks: list[tuple[str, Any]]) -> SequenceNet:
    """The net as it is now, in the middle of a training that does not touch it.

    What training changes is copied, so that the net can be kept, pickled and trained
    on; `callbacks` are those it had before.
    """
    if net.training_ is not None:
        net.training_.write_optimizer()
    changing = ("module", "module_", "criterion_", "optimizer_", "shuffle_stream")
    copies = copy.deepcopy({name: vars(net)[name] for name in changing})
    own = {"callbacks_": callbacks, "training_": None, "prediction_": None}
    frozen = object.__new__(type(net))
    frozen.__dict__.update(vars(net), **copies, **own)
    frozen.history_ = copy.copy(net.history)
    return frozen


def move_net(net: SequenceNet, device: torch.device) -> SequenceNet:
    """The net on a device; a copy if it was on another."""
    if next(net.module_.parameters()).device.type == device.type:
        return net
    moved = copy.deepcopy(net)
    moved.device = str(device)
    moved.module_.to(device)
    moved.module_.dropout.stream.to(device)
    for state in moved.optimizer_.state.values():
        for name, value in state.items():
            if isinstance(value, Tensor):
                state[name] = value.to(device)
    return moved
