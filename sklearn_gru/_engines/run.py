"""A training run: all that decides its further course, as arrays and plain numbers.

Two runs of the same fingerprint take the same optimizer steps, to the bit. A run that
was stopped between two epochs goes on from its state as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from sklearn_gru._engines.torch.adamw import (
    read_state,
    write_moments,
    write_options,
)
from sklearn_gru._engines.torch.batches import SequenceDataset
from sklearn_gru._engines.torch.callbacks import EarlyStopping, Schedule
from sklearn_gru._engines.torch.net import SequenceNet

Arrays = dict[str, np.ndarray]


class Run:
    """One call of :func:`sklearn_gru._engines.training.train`.

    Parameters
    ----------
    net : SequenceNet
        The net, before its first optimizer step of the run.
    datasets : pair of SequenceDataset or None
        Training and validation sets.
    epochs : int
        Number of epochs at most.
    schedule, stopper : Schedule, EarlyStopping or None
        The callbacks that have a state.
    """

    def __init__(
        self,
        net: SequenceNet,
        datasets: tuple[SequenceDataset, SequenceDataset | None],
        epochs: int,
        schedule: Schedule | None,
        stopper: EarlyStopping | None,
    ) -> None:
        self.net = net
        self.datasets = datasets
        self.epochs = epochs
        self.schedule = schedule
        self.stopper = stopper
        self.first_epoch = len(net.history)
        self.is_over = False

    @property
    def epochs_left(self) -> int:
        """Number of epochs still to train, at most."""
        done = len(self.net.history) - self.first_epoch
        stopped = self.stopper is not None and self.stopper.is_exhausted
        return 0 if self.is_over or stopped else self.epochs - done

    def fingerprint(self) -> dict[str, str]:
        """Return hashes of all that decides the course of the run, by what it is."""
        net, (training, validation) = self.net, self.datasets
        arrays, plain = self.state()
        stopper = self.stopper
        numbers = {
            "spec": repr(net.module_.spec),
            "epochs": self.epochs,
            "batch_size": net.batch_size,
            "clip_norm": net.clip_norm,
            "lr": net.lr,
            "group": plain["group"],
            "stopping": None if stopper is None else [stopper.patience, stopper.tol],
            "criterion": repr(net.criterion_),
            "piece_length": training.data.piece_length,
        }
        found = {
            "parameters": _digest([json.dumps(numbers, sort_keys=True).encode()]),
            "random_state or initial weights": _digest(_bytes_of(arrays)),
        }
        for name, dataset in (("", training), ("validation ", validation)):
            data = None if dataset is None else dataset.data.sample()
            for part, arrays_of in _DATA.items():
                values = [] if data is None else [getattr(data, a) for a in arrays_of]
                found[name + part] = _digest(_bytes_of(dict(enumerate(values))))
        return found

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Return the state after the last epoch: arrays, and what JSON can hold."""
        net = self.net
        if net.session_ is not None:
            net.session_.write_optimizer()
        optimizer = read_state(net.optimizer_state)
        arrays = {f"weight.{k}": _array(v) for k, v in net.module_.state_dict().items()}
        for i, moments in enumerate(optimizer.moments):
            for name, value in moments.items():
                arrays[f"moment.{i}.{name}"] = _array(value)
        for name, stream in self._streams().items():
            arrays[f"stream.{name}"] = _array(stream.generator.get_state())
        plain: dict[str, Any] = {
            "group": {k: v for k, v in optimizer.options.items() if _is_plain(v)},
            "fixed": [not p.requires_grad for p in net.module_.parameters()],
            "history": [_plain_row(row) for row in net.history[self.first_epoch :]],
            "step": None if self.schedule is None else self.schedule.step,
        }
        if self.stopper is not None:
            kept = self.stopper.best_state
            arrays |= {f"best.{name}": _array(value) for name, value in kept.items()}
            plain["stopper"] = {k: getattr(self.stopper, k) for k in _STOPPER}
        return arrays, plain

    @torch.no_grad()
    def load(self, arrays: Arrays, plain: dict[str, Any]) -> None:
        """Go on from a state; the net must have no session yet."""
        net = self.net
        kept = _tensors(arrays, "weight.", net.module_.head.weight.device)
        net.module_.load_state_dict(kept)
        parameters, moments = list(net.module_.parameters()), []
        for i, (parameter, fixed) in enumerate(
            zip(parameters, plain["fixed"], strict=True)
        ):
            parameter.requires_grad_(not fixed)
            moments.append(_tensors(arrays, f"moment.{i}.", parameter.device))
        write_moments(net.optimizer_state, moments)
        write_options(net.optimizer_state, _tupled(plain["group"]))
        for name, stream in self._streams().items():
            stream.generator.set_state(torch.from_numpy(arrays[f"stream.{name}"]))
        net.history.extend(plain["history"])
        if self.schedule is not None:
            self.schedule.step = plain["step"]
        if self.stopper is not None:
            for name in _STOPPER:
                setattr(self.stopper, name, plain["stopper"][name])
            self.stopper.best_state = _tensors(arrays, "best.", parameters[0].device)

    def _streams(self) -> dict[str, Any]:
        found = {"shuffle": self.net.shuffle_stream}
        return {**found, "dropout": self.net.module_.dropout.stream}


_STOPPER = ("best_loss", "best_epoch", "reference", "waited")
_DATA = {
    "X": ("rows", "starts", "lengths", "observed", "levels"),
    "y": ("target",),
    "sample_weight": ("weight",),
}


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy().copy()
    return np.asarray(value)


def _tensors(arrays: Arrays, prefix: str, device: Any) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): torch.from_numpy(array.copy()).to(device)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _tupled(group: dict[str, Any]) -> dict[str, Any]:
    """Return a group of parameters with tuples, which JSON has as lists."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in group.items()}


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    values = {k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()}
    return {**{k: v for k, v in values.items() if _is_plain(v)}, "batches": []}


def _bytes_of(values: dict[Any, Any]) -> Iterator[bytes]:
    """Yield names, types, shapes and contents of arrays, pairs of them, or None."""
    for name, value in values.items():
        for part in value if isinstance(value, tuple) else (value,):
            array = np.asarray(part if part is not None else "none")
            yield f"{name} {array.dtype.str} {array.shape}".encode()
            yield np.ascontiguousarray(array).tobytes()


def _digest(pieces: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()
