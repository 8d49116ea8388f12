"""The fast path: a net offered to the compiled kernels, which may decline it.

What is offered is a description (the :class:`NetworkSpec`, the loss, where it runs and
how much there is to do), so the choice depends on the problem alone and is made once,
at the first fit. Where the kernels accept, the parameters of the torch module become
views of one flat vector that they train in place: callbacks, early stopping, pickles
and ``state_dict`` see the same tensors as ever. Where they decline, nn.GRU and autograd
do the same to 1e-5.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.torch.batches import SequenceDataset
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.tasks import Classification, QuantileRegression, Task

# Below this many steps of training (sequences x steps x epochs) nn.GRU is done before
# the kernels are loaded: a fifth of a second from the cache, eight without one.
WORTH_COMPILING = 50_000

# Training steps in one compiled call: about a second, after which Ctrl-C is heard.
_STEPS_A_CALL = 2_000_000

_COMPILING = (
    "sklearn_gru compiles its {cell} kernels: about 10 seconds, once on this machine "
    "(python -m sklearn_gru does it ahead)."
)


class Declined(NamedTuple):
    """Why the kernels do not run a network, or None where they do."""

    layers: str | None  # the recurrent layers, behind autograd
    step: str | None  # the whole training step, and predictions


def why_declined(
    spec: NetworkSpec,
    task: Task,
    device: torch.device,
    dtype: torch.dtype,
    work: int,
    announce: bool = False,
) -> Declined:
    """What of a network the kernels will train and evaluate.

    They are compiled here if they are wanted; `announce` says so, as it takes seconds.
    """
    layers = _why_not(device, dtype, work)
    if layers is not None:
        return Declined(layers, layers)
    step = kernels.supports(describe(spec, task))
    if spec.conv_filters:
        step = "a convolution branch has no kernel"
    elif spec.embeddings:
        step = "embeddings of categories have no kernel"
    if announce and not kernels.is_compiled(spec.cell):
        tqdm.write(_COMPILING.format(cell=spec.cell), file=sys.stderr)
    layers = _compile_error(spec.cell, whole_step=step is None)
    return Declined(layers, layers or step)


def _why_not(device: torch.device, dtype: torch.dtype, work: int) -> str | None:
    if work <= WORTH_COMPILING:
        return f"a small fit ({work} <= {WORTH_COMPILING} sequences x steps x epochs)"
    if device.type != "cpu":
        return f"the device is {device.type}"
    if dtype != torch.float32:
        return "the network computes in float64"
    return kernels.reason()


@functools.cache
def _compile_error(cell: str, *, whole_step: bool) -> str | None:
    """None if the kernels of a cell compile here (or are compiled), or what failed."""
    warm_up = kernels.warm_up if whole_step else kernels.warm_up_layers
    try:
        warm_up(kernels.Network(cell, n_inputs=1, hidden_size=1))
    except Exception as error:  # numba and LLVM fail in many ways on what they lack
        return f"the kernels do not compile: {type(error).__name__}: {error}"
    return None


def is_usable(net: Any) -> bool:
    """Whether a net the kernels accepted can use them here and now.

    A pickle may be opened where numba is missing, or moved to a CUDA device.
    """
    if net.declined.step or net.module_.head.weight.device.type != "cpu":
        return False
    return kernels.available()


def describe(spec: NetworkSpec, task: Task) -> kernels.Network:
    """The network in the words of the kernels."""
    if isinstance(task, Classification):
        more: dict[str, Any] = {"label_smoothing": task.label_smoothing}
    elif isinstance(task, QuantileRegression):
        more = {"quantiles": tuple(task.levels.tolist())}
    else:
        more = {}
    return kernels.Network(
        cell=spec.cell,
        n_inputs=spec.n_read,
        hidden_size=spec.hidden_size,
        num_layers=spec.num_layers,
        bidirectional=spec.bidirectional,
        pooling=spec.pooling,
        n_outputs=spec.n_outputs,
        dropout=spec.dropout,
        loss=task.loss,
        **more,
    )


def flatten_parameters(module: torch.nn.Module) -> np.ndarray:
    """One vector (n_parameters,) of which the parameters become views."""
    parameters = list(module.parameters())
    flat = torch.cat([p.detach().reshape(-1) for p in parameters])
    at = 0
    for parameter in parameters:
        size = parameter.numel()
        parameter.data = flat[at : at + size].view_as(parameter)
        at += size
    return flat.numpy()


def _reading(dataset: SequenceDataset) -> dict[str, Any]:
    """How the steps of a data set are read from its rows."""
    levels = dataset.levels
    return {
        "segment_length": dataset.segment_length,
        "levels": levels and tuple(level.numpy() for level in levels),
    }


class FastTraining:
    """Epochs of one fit by the kernels, with AdamW's state that of the optimizer."""

    def __init__(self, network: kernels.Network, net: Any, threads: int) -> None:
        (group,) = net.optimizer_.param_groups
        self.threads = threads
        self.module = net.module_
        self.optimizer = net.optimizer_
        self.flat = flatten_parameters(net.module_)
        self.trainer = kernels.Trainer(
            network,
            self.flat,
            clip_norm=net.clip_norm or 0.0,
            weight_decay=group["weight_decay"],
        )
        self._read_optimizer()

    def train_epoch(
        self,
        dataset: SequenceDataset,
        order: np.ndarray,
        batch_size: int,
        rates: np.ndarray,
    ) -> float:
        """Mean loss of an epoch over the sequences of `order`."""
        starts, lengths = dataset.starts.numpy(), dataset.lengths.numpy()
        assert dataset.target is not None
        weights = dataset.weight
        if weights is None:
            weights = torch.ones(len(dataset), dtype=torch.float32)
        longest = max(1, int(lengths.max()))
        batches = max(1, _STEPS_A_CALL // (batch_size * longest))
        seeds = self._dropout_seeds(len(rates))
        total = 0.0
        for at in range(0, len(rates), batches):
            part = order[at * batch_size : (at + batches) * batch_size]
            losses = self.trainer.train_epoch(
                dataset.rows.numpy(),
                starts,
                lengths,
                dataset.target.numpy(),
                weights.numpy(),
                order=part,
                batch_size=batch_size,
                rates=rates[at : at + batches],
                seeds=None if seeds is None else seeds[at : at + batches],
                threads=self.threads,
                **_reading(dataset),
            )
            sizes = np.full(len(losses), batch_size)
            sizes[-1] = len(part) - batch_size * (len(losses) - 1)
            total += float(losses @ sizes)
        return total / len(order)

    def _dropout_seeds(self, n_batches: int) -> np.ndarray | None:
        """One seed a batch from the stream of the module, if it drops anything."""
        dropout = self.module.dropout
        if not dropout.p:
            return None
        seeds = [dropout.stream.draw() for _ in range(n_batches)]
        return np.array(seeds, dtype=np.uint64)

    def outputs(self, dataset: SequenceDataset) -> torch.Tensor:
        """Outputs (n, n_outputs) with the parameters as they are."""
        rows, starts, lengths = dataset.rows, dataset.starts, dataset.lengths
        out = self.trainer.predict(
            rows.numpy(),
            starts.numpy(),
            lengths.numpy(),
            threads=self.threads,
            **_reading(dataset),
        )
        return torch.from_numpy(out)

    def _read_optimizer(self) -> None:
        """Go on from the moments of an earlier fit."""
        at = 0
        for parameter in self.module.parameters():
            state = self.optimizer.state.get(parameter)
            end = at + parameter.numel()
            if state:
                self.trainer.mean[at:end] = state["exp_avg"].reshape(-1).numpy()
                self.trainer.square[at:end] = state["exp_avg_sq"].reshape(-1).numpy()
                self.trainer.step = int(state["step"])
            at = end

    def write_optimizer(self) -> None:
        """Leave the moments where torch's AdamW would have left them."""
        at = 0
        for parameter in self.module.parameters():
            end = at + parameter.numel()
            mean = torch.from_numpy(self.trainer.mean[at:end].copy())
            square = torch.from_numpy(self.trainer.square[at:end].copy())
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(self.trainer.step)),
                "exp_avg": mean.view_as(parameter),
                "exp_avg_sq": square.view_as(parameter),
            }
            at = end


class FastPrediction:
    """Predictions of one fitted module, its weights packed once."""

    def __init__(self, network: kernels.Network, module: torch.nn.Module) -> None:
        self.network = network
        self._parameters = list(module.parameters())
        self._lock = threading.Lock()  # the kernel's memory is one prediction's
        self._seen: list[tuple[int, int]] = []
        self._predictor: Any = None

    def __call__(self, dataset: SequenceDataset, threads: int) -> np.ndarray:
        """Outputs (n, n_outputs)."""
        rows, starts, lengths = dataset.rows, dataset.starts, dataset.lengths
        with self._lock:
            self._pack_if_changed()
            return self._predictor.predict(
                rows.numpy(),
                starts.numpy(),
                lengths.numpy(),
                threads=threads,
                **_reading(dataset),
            )

    def _pack_if_changed(self) -> None:
        """Notice parameters the user has loaded or changed in place."""
        now = [(p.data_ptr(), p._version) for p in self._parameters]
        if self._predictor is None or now != self._seen:
            flat = torch.cat([p.detach().reshape(-1) for p in self._parameters]).numpy()
            self._predictor = kernels.Predictor(self.network, flat)
            self._seen = now
