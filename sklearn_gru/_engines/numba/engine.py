"""The compiled engine, which runs whole optimizer steps and predictions in kernels.

The parameters of the torch module become views of one flat vector that the kernels
train in place, so callbacks, early stopping, pickles and ``state_dict`` see the same
tensors as with PyTorch. Data is read as NumPy arrays.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.base import Plan
from sklearn_gru._engines.numba.threads import spread
from sklearn_gru._engines.torch.adamw import read_state, write_moments
from sklearn_gru._engines.torch.changes import flat_view
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.streamed import Data, Streamed
from sklearn_gru._support.collector import paused_collector
from sklearn_gru._support.interrupts import raise_if_stopped
from sklearn_gru._support.ranks import Ranks
from sklearn_gru._support.warn import warn

# Below this amount of training (sequences x steps x epochs), nn.GRU finishes before the
# kernels are loaded, which takes 0.2 s from the cache and 6 s without one.
WORTH_COMPILING = 2_000

_COMPILING = (
    "sklearn_gru compiles its {cell} kernels: about 10 seconds, once on this machine "
    "(python -m sklearn_gru compiles ahead)."
)


class NumbaEngine:
    """Engine that compiles the whole optimizer step, from flat rows to AdamW."""

    name = "numba"
    is_invariant = True

    def declines(self, plan: Plan) -> str | None:
        """Return why the kernels decline a plan, or None; compile them if needed."""
        reason = layers_decline(plan) or kernels.supports(plan.spec)
        if reason is None:
            reason = plan.changed or plan.watched
        if reason is None and plan.trains:
            reason = compile_error(plan, whole_step=True)
        return reason

    def open(self, net: Any, plan: Plan, threads: int = 1) -> Any:
        """Open a session that trains, or predicts with weights that are packed once."""
        if plan.trains:
            return NumbaTraining(plan.spec, net, threads)
        return NumbaPrediction(plan.spec, net.module_)


def layers_decline(plan: Plan) -> str | None:
    """Return why the kernels cannot run the recurrent layers, or None."""
    if plan.work <= WORTH_COMPILING:
        return (
            f"a small fit ({plan.work} <= {WORTH_COMPILING} sequences x steps x epochs)"
        )
    if plan.device != "cpu":
        return f"the device is {plan.device}"
    if plan.dtype != "float32":
        return f"the network computes in {plan.dtype}"
    reason = plan.changed_layers or kernels.reason()
    if reason is None and not kernels.has_cell(plan.spec.cell):
        reason = f"cell {plan.spec.cell!r} has no kernel"
    return reason


def compile_error(plan: Plan, *, whole_step: bool) -> str | None:
    """Compile the kernels for a plan unless they are; return the error, or None."""
    cell = plan.spec.cell
    if not kernels.is_compiled(cell):
        _warn_if_not_kept()
        if plan.announce:
            tqdm.write(_COMPILING.format(cell=cell), file=sys.stderr)
    return _compile_error(cell, whole_step=whole_step)


@functools.cache
def _warn_if_not_kept() -> None:
    """Warn, once per process, that every process has to compile."""
    reason = kernels.why_not_kept()
    if reason is not None:
        warn(
            f"Compiled code cannot be kept: {reason}. So every new process compiles "
            "for about 10 seconds. Set the environment variable NUMBA_CACHE_DIR to a "
            "folder that can be written to, or to a read-only one that "
            "'python -m sklearn_gru' has filled before.",
            UserWarning,
        )


@functools.cache
def _compile_error(cell: str, *, whole_step: bool) -> str | None:
    warm_up = kernels.warm_up if whole_step else kernels.warm_up_layers
    try:
        with paused_collector():
            warm_up(NetworkSpec(cell, n_inputs=1, hidden_size=1))
    except Exception as error:  # numba and LLVM fail in many ways on what they lack
        return f"the kernels do not compile: {type(error).__name__}: {error}"
    return None


def flatten_parameters(parameters: list[torch.nn.Parameter]) -> np.ndarray:
    """Make parameters views of one vector (n_parameters,); return the vector."""
    flat, at = flat_view(parameters), 0
    for parameter in parameters:
        size = parameter.numel()
        parameter.data = flat[at : at + size].view_as(parameter)
        at += size
    return flat.numpy()


class NumbaTraining:
    """Training session of the kernels; AdamW's state is shared with the optimizer."""

    def __init__(self, spec: NetworkSpec, net: Any, threads: int) -> None:
        self.spec = spec
        self.net = net
        self.threads = threads
        self.ranks: Ranks | None = None
        self.held_out: np.ndarray | None = None
        # The same as long as the session is open: others open another one.
        self._parameters = list(net.module_.parameters())
        self.trainer = kernels.Trainer(
            spec,
            flatten_parameters(self._parameters),
            clip_norm=net.clip_norm or 0.0,
            weight_decay=read_state(net.optimizer_state).options["weight_decay"],
        )
        places = [parameter.detach() for parameter in self._parameters]
        self._places = [(part.data_ptr(), part) for part in places]
        self._read_optimizer()

    def share(self, ranks: Ranks, n: int, n_steps: int) -> str | None:
        """Share steps of n sequences with ranks if it pays; return why not, or None."""
        if not self.trainer.worth_ranks(n, n_steps, ranks):
            return (
                f"a step of {n} sequences takes less than "
                f"{2e3 * ranks.exchange_seconds:g} ms per rank, too short compared "
                "with an exchange"
            )
        kernels.warm_up_shared(NetworkSpec(self.spec.cell, n_inputs=1, hidden_size=1))
        ranks.gather(None, patient=True)  # one may have to compile, another not
        self.ranks = ranks
        return None

    def train_epoch(self, batches: Any) -> float:
        """Take one optimizer step per batch; return the mean loss."""
        self._follow()
        batch_size = self.net.batch_size
        rates = self.net.rates(len(batches))
        seeds = self._dropout_seeds(len(rates))
        losses: list[np.ndarray] = []
        done = 0
        for dataset, order in batches.parts():
            part = slice(done, done - (-len(order) // batch_size))
            own = None if seeds is None else seeds[part]
            losses.append(
                self._train_part(dataset.data, order.numpy(), rates[part], own)
            )
            raise_if_stopped()
            done = part.stop
            del dataset, order  # before the next part is made
        n = len(batches.dataset)
        sizes = np.full(done, batch_size)
        sizes[-1] = n - batch_size * (done - 1)
        return float(np.concatenate(losses) @ sizes) / n

    def _train_part(
        self,
        data: Encoded,
        order: np.ndarray,
        rates: np.ndarray,
        seeds: np.ndarray | None,
    ) -> np.ndarray:
        """Take the optimizer steps of a part of an epoch; return the losses."""
        weight = data.weight
        if weight is None:
            weight = np.ones(len(data), dtype=np.float32)
        return self.trainer.train_epoch(
            data.rows,
            data.starts,
            data.lengths,
            data.target,
            weight,
            order=order,
            batch_size=self.net.batch_size,
            rates=rates,
            seeds=seeds,
            threads=self.threads,
            segment_length=data.segment_length,
            levels=data.levels,
            leading=data.leading,
            ranks=self.ranks,
        )

    def validate(self, batches: Any) -> float:
        """Return the mean loss of held-out batches."""
        dataset = batches.dataset
        self.held_out = self.outputs(dataset.data)
        output = torch.from_numpy(self.held_out)
        with torch.no_grad():
            return self.net.criterion_(output, dataset.target, dataset.weight).item()

    def outputs(self, data: Data, threads: int = 1) -> np.ndarray:
        """Return the outputs with the current parameters."""
        if isinstance(data, Streamed):
            parts = [self.outputs(part, threads) for part in data.parts()]
            return np.concatenate(parts)
        if self.ranks is not None:
            first, last = spread(len(data), self.ranks.size)[self.ranks.rank]
            own = self._outputs(data.between(first, last), threads)
            return np.concatenate(self.ranks.gather(own))
        return self._outputs(data, threads)

    def _outputs(self, data: Encoded, threads: int) -> np.ndarray:
        return self.trainer.predict(
            data.rows,
            data.starts,
            data.lengths,
            threads=max(threads, self.threads),
            segment_length=data.segment_length,
            levels=data.levels,
            leading=data.leading,
        )

    def _follow(self) -> None:
        """Bring back parameters that a callback has moved to other memory."""
        for parameter, (address, part) in zip(
            self._parameters, self._places, strict=True
        ):
            if parameter.data_ptr() != address or not parameter.is_contiguous():
                part.copy_(parameter.detach())
                parameter.data = part

    def _dropout_seeds(self, n_batches: int) -> np.ndarray | None:
        """Draw one seed per batch from the module's stream; None without dropout."""
        dropout = self.net.module_.dropout
        if not dropout.p:
            return None
        return dropout.stream.draw_many(n_batches).numpy().astype(np.uint64)

    def _read_optimizer(self) -> None:
        """Load the moments of an earlier fit from the optimizer."""
        moments = read_state(self.net.optimizer_state).moments
        at = 0
        for parameter, state in zip(self._parameters, moments, strict=False):
            end = at + parameter.numel()
            if state:
                self.trainer.mean[at:end] = state["exp_avg"].reshape(-1).numpy()
                self.trainer.square[at:end] = state["exp_avg_sq"].reshape(-1).numpy()
                self.trainer.step = int(state["step"])
            at = end

    def write_optimizer(self) -> None:
        """Write the moments to where torch's AdamW keeps them."""
        moments, at = [], 0
        for parameter in self._parameters:
            end = at + parameter.numel()
            mean = torch.from_numpy(self.trainer.mean[at:end].copy())
            square = torch.from_numpy(self.trainer.square[at:end].copy())
            moments.append(
                {
                    "step": torch.tensor(float(self.trainer.step)),
                    "exp_avg": mean.view_as(parameter),
                    "exp_avg_sq": square.view_as(parameter),
                }
            )
            at = end
        write_moments(self.net.optimizer_state, moments)

    def close(self) -> None:
        """Write the state of the optimizer."""
        self.write_optimizer()


class NumbaPrediction:
    """Prediction session of one fitted module, with weights packed once.

    PyTorch counts changes of a parameter, but not those through `data` or a NumPy view,
    so the values are compared before each prediction. It takes some microseconds.
    """

    def __init__(self, spec: NetworkSpec, module: torch.nn.Module) -> None:
        self.spec = spec
        self._parts = contiguous_parts(list(module.parameters()))
        self._seen: list[np.ndarray] = []
        self._lock = threading.Lock()  # the kernels' memory serves one prediction
        self._predictor: Any = None

    def outputs(self, data: Data, threads: int = 1) -> np.ndarray:
        """Return the outputs (n, n_outputs)."""
        if isinstance(data, Streamed):
            parts = [self.outputs(part, threads) for part in data.parts()]
            return np.concatenate(parts)
        with self._lock:
            self._pack_if_changed()
            return self._predictor.predict(
                data.rows,
                data.starts,
                data.lengths,
                threads=threads,
                segment_length=data.segment_length,
                levels=data.levels,
                leading=data.leading,
            )

    def _pack_if_changed(self) -> None:
        """Pack the parameters again if any bit of them changed."""
        if self._predictor is None or not all(map(_same_bits, self._parts, self._seen)):
            self._seen = [part.copy() for part in self._parts]
            flat = np.concatenate(self._seen).view(np.float32)
            self._predictor = kernels.Predictor(self.spec, flat)


def contiguous_parts(parameters: list[Any]) -> list[np.ndarray]:
    """Return views of the bits of the parameters; of one vector, if they lie in one."""
    flat = flat_view(parameters)
    whole = flat.data_ptr() == parameters[0].data_ptr()
    parts = [flat] if whole else [p.detach().reshape(-1) for p in parameters]
    return [part.numpy().view(np.int32) for part in parts]


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return np.count_nonzero(a != b) == 0
