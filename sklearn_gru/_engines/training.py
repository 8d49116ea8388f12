"""Functions that make a net, train it, compute its outputs, copy it and move it."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch.callbacks import Callback, EpochTimer, LRScheduler
from torch import Tensor, nn
from torch.optim import AdamW

from sklearn_gru._engines.checkpoint import Checkpoint, Saver, TimeLimit
from sklearn_gru._engines.choice import choose
from sklearn_gru._engines.run import Run
from sklearn_gru._engines.together import (
    check_same_run,
    share_steps,
    stops_everywhere,
)
from sklearn_gru._engines.torch.adamw import AdamWState, set_rate
from sklearn_gru._engines.torch.batches import SequenceDataset
from sklearn_gru._engines.torch.callbacks import (
    EarlyStopping,
    EpochReports,
    FiniteLoss,
    Progress,
    Schedule,
    StopTraining,
)
from sklearn_gru._engines.torch.device import RandomStream, spawn_seeds
from sklearn_gru._engines.torch.module import WeightedLoss
from sklearn_gru._engines.torch.net import Opened, SequenceNet
from sklearn_gru._engines.torch.networks import make_module
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.streamed import Data
from sklearn_gru._model.tasks import Task
from sklearn_gru._support.interrupts import Interrupts
from sklearn_gru._support.ranks import current
from sklearn_gru.exceptions import DivergenceError


class TrainingParams(NamedTuple):
    """Training parameters for skorch and torch."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    clip_norm: float | None
    callbacks: list[Any]


class Stopping(NamedTuple):
    """Conditions for stopping before the last epoch."""

    patience: int
    tol: float


class Best(NamedTuple):
    """The epoch that early stopping chose.

    Attributes
    ----------
    epoch : int
        Its number.
    outputs : ndarray of shape (n, n_outputs) or None
        Outputs of the net for the validation set in float64, if they are known.
    """

    epoch: int
    outputs: np.ndarray | None


# Callbacks that change nothing, and may be called in any thread.
_HARMLESS = (EpochTimer, Checkpoint, TimeLimit)


def is_left_alone(net: SequenceNet) -> bool:
    """Return whether no callback of others changes, draws or writes anything."""
    return all(type(callback) in _HARMLESS for _, callback in net.callbacks_)


def make_net(
    spec: NetworkSpec,
    task: Task,
    params: TrainingParams,
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    work: int,
) -> SequenceNet:
    """Make an initialized net with its own sources of randomness.

    `work` is the amount of training: sequences x steps x epochs.
    """
    seeds = spawn_seeds(seed, 3)
    generator = torch.Generator().manual_seed(seeds[0])
    # Parameters are always drawn in float32, so that a seed gives the same initial
    # parameters for every dtype.
    module = make_module(spec, generator, RandomStream(seeds[1], device))
    module.silence(list(task.constant))
    on_cpu = device.type == "cpu"
    if not on_cpu or module.head.weight.dtype != dtype:
        module.to(device=device, dtype=dtype)
    net = SequenceNet(
        module,
        WeightedLoss(spec.loss, spec.loss_parameters),
        clip_norm=params.clip_norm,
        shuffle_stream=RandomStream(seeds[2], torch.device("cpu")),
        work=work,
        optimizer=AdamW,
        optimizer__weight_decay=params.weight_decay,
        optimizer__fused=True,
        lr=params.learning_rate,
        batch_size=params.batch_size,
        train_split=None,
        callbacks=params.callbacks,
        device=None if on_cpu else str(device),  # skorch would move the parts again
        verbose=0,
    ).initialize()
    net.device = str(device)
    return net


def train(
    net: SequenceNet,
    training: Data,
    validation: Data | None,
    epochs: int,
    *,
    scheduled: bool,
    stopping: Stopping | None = None,
    line: Progress | None = None,
    watcher: EpochReports | None = None,
    threads: int = 1,
) -> Best | None:
    """Train for some epochs; return the best one if `stopping` was given."""
    check_shape(net.module_.spec, training)
    device = net.module_.head.weight.device
    datasets = (
        SequenceDataset(training, device),
        (None if validation is None else SequenceDataset(validation, device)),
    )
    own: list[Any] = [FiniteLoss()]
    schedule = stopper = saver = None
    # A learning-rate scheduler passed by the user replaces the default one.
    chosen = any(isinstance(c, LRScheduler) for _, c in net.callbacks_)
    if scheduled and not chosen:
        n_batches = len(net.get_iterator(datasets[0], training=True))
        schedule = Schedule(net.lr, epochs * n_batches)
        own.append(schedule)
    else:
        set_rate(net.optimizer_state, net.lr)
    if stopping is not None:
        last = len(net.history) + epochs
        stopper = EarlyStopping(stopping.patience, stopping.tol, last)
        own.append(stopper)
    if watcher is not None:
        own.append(watcher)
    theirs = net.callbacks_
    run = Run(net, datasets, epochs, schedule, stopper)
    ranks = current()
    if ranks is not None:
        check_same_run(ranks, run)
    if scheduled:
        saver = Saver(run, theirs)
        own.append(saver)
    share = None
    if ranks is not None:
        share = functools.partial(share_steps, ranks, net, training)
    sessions = Sessions(net, threads, announce=line is not None, share=share)
    sessions.choose()
    own.append(sessions)
    if saver is not None:
        saver.opened()
    if line is not None:
        own.insert(1, line)
    net.callbacks_ = theirs + [(type(c).__name__, c) for c in own]
    if ranks is not None:
        net.decide_ = functools.partial(stops_everywhere, ranks)
    try:
        with Interrupts() as net.interrupts_:
            net.notify("on_train_begin", X=None, y=None)
            with contextlib.suppress(StopTraining):
                net.fit_loop(datasets, epochs=run.epochs_left)
            if saver is not None:
                saver.finish()
            if stopper is not None:
                stopper.restore(net)
            net.notify("on_train_end", X=None, y=None)
    finally:
        net.callbacks_, net.interrupts_, net.decide_ = theirs, None, None
        sessions.close()
        net.module_.zero_grad(set_to_none=True)
    if stopper is None:
        return None
    found = stopper.best_outputs if is_left_alone(net) else None
    return Best(stopper.best_epoch, None if found is None else found.astype(np.float64))


def train_further(
    net: SequenceNet,
    data: Data,
    epochs: int,
    *,
    line: Progress | None = None,
    threads: int = 1,
) -> None:
    """Train for a few more epochs on other data.

    If training diverges, or a time limit ends it, the network has its weights from
    before. Checkpoints save these epochs beside the others; no callback but these two
    hears of them, and the history does not hold them.
    """
    theirs, n_before = net.callbacks_, len(net.history)
    before = {name: value.clone() for name, value in net.module_.state_dict().items()}
    net.callbacks_ = [
        (name, callback.of_further_epochs())
        for name, callback in theirs
        if isinstance(callback, (Checkpoint, TimeLimit))
    ]
    is_whole = False
    try:
        with contextlib.suppress(DivergenceError):
            train(net, data, None, epochs, scheduled=True, line=line, threads=threads)
            is_whole = len(net.history) == n_before + epochs
    finally:
        net.callbacks_ = theirs
        del net.history[n_before:]
    if not is_whole:
        net.module_.load_state_dict(before)


class Sessions(Callback):
    """Choice of the engine, again in each epoch for which something changed.

    Callbacks may freeze parameters, exchange parts of the network or register hooks
    between two epochs, which not every engine can follow. As the last callback, this
    one sees what the others did.
    """

    def __init__(
        self,
        net: SequenceNet,
        threads: int,
        *,
        announce: bool,
        share: Callable[[], None] | None = None,
    ) -> None:
        self.net = net
        self.threads = threads
        self.announce = announce
        self.share = share
        self._for: Any = None

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Choose again if the plan is another one."""
        self.choose()

    def choose(self) -> None:
        """Open a session of the first engine that accepts the net as it is."""
        net = self.net
        plan, outline = net.plan(trains=True, announce=self.announce), net.outline()
        if (plan, outline) == self._for:
            return
        self.close()
        engine, net.declined = choose(plan)
        net.engine_, net.prediction_ = engine.name, None
        net.session_ = engine.open(net, plan, self.threads)
        if self.share is not None:
            self.share()
        outline.follow()  # opening may have moved the parameters to other memory
        self._for = net.plan(trains=True, announce=self.announce), net.outline_

    def close(self) -> None:
        """Close the session that is open, if there is one."""
        session, self.net.session_ = self.net.session_, None
        if session is not None:
            session.close()


def outputs(net: SequenceNet, data: Data, threads: int = 1) -> np.ndarray:
    """Return the outputs (n, n_outputs) of a trained net in float64."""
    check_shape(net.module_.spec, data)
    known = net.prediction_
    if known is None or not known.outline.describes(net.module_):
        plan = net.plan(trains=False)
        engine, _ = choose(plan)
        known = net.prediction_ = Opened(engine.open(net, plan), net.outline())
    return known.session.outputs(data, threads).astype(np.float64, copy=False)


def check_shape(spec: NetworkSpec, data: Data) -> None:
    """Refuse rows of another width than the network reads, as of a changed file."""
    expected = spec.n_columns, spec.segment_length
    found = data.n_columns, data.segment_length
    if found != expected:
        raise ValueError(
            f"The network reads {expected[0]} columns in segments of {expected[1]} "
            f"steps, but there are {found[0]} in segments of {found[1]}: the model was "
            "changed after fit. Fit it again."
        )


def snapshot(net: SequenceNet, callbacks: list[tuple[str, Any]]) -> SequenceNet:
    """Return a copy of the net during training, which further training does not change.

    Everything that training changes is copied, so that the result can be kept, pickled
    and trained further. `callbacks` are the callbacks the net had before training.
    """
    if net.session_ is not None:
        net.session_.write_optimizer()
    changing = ("module", "module_", "criterion_", "optimizer_", "shuffle_stream")
    copies = copy.deepcopy({name: vars(net)[name] for name in changing})
    own = {"callbacks_": callbacks, "session_": None, "prediction_": None}
    own.update(outline_=None, interrupts_=None, decide_=None)
    frozen = object.__new__(type(net))
    frozen.__dict__.update(vars(net), **copies, **own)
    frozen.history_ = copy.copy(net.history)
    return frozen


def headless(net: SequenceNet) -> SequenceNet:
    """Return a net whose outputs are the pooled states, over the same weights.

    The head is the identity, so every engine can run it.
    """
    module = copy.deepcopy(net.module_)
    n_pooled, weight = module.head.in_features, module.head.weight
    module.spec = replace(
        module.spec, n_outputs=n_pooled, loss="squared_error", loss_parameters=()
    )
    module.head = nn.Linear(n_pooled, n_pooled).to(weight)
    with torch.no_grad():
        nn.init.eye_(module.head.weight)
        nn.init.zeros_(module.head.bias)
    without = object.__new__(type(net))
    own = {"session_": None, "prediction_": None, "outline_": None}
    without.__dict__.update(vars(net), module_=module, **own)
    return without


def move_net(net: SequenceNet, device: torch.device) -> SequenceNet:
    """Return the net on a device, as a copy if it was on another device."""
    if next(net.module_.parameters()).device.type == device.type:
        return net
    moved = copy.deepcopy(net)
    moved.prediction_ = None
    moved.device = str(device)
    moved.module_.to(device)
    moved.module_.dropout.stream.to(device)
    optimizer = moved.optimizer_state
    if not isinstance(optimizer, AdamWState):  # whose moments move when it is made
        for state in optimizer.state.values():
            for name, value in state.items():
                if isinstance(value, Tensor):
                    state[name] = value.to(device)
    return moved
