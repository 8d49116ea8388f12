"""The engine that accepts every plan: PyTorch and autograd, batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_gru._engines.base import Plan
from sklearn_gru._engines.torch.batches import (
    PADDED,
    SequenceDataset,
    blocks_by_length,
    blocks_of_steps,
)
from sklearn_gru._engines.torch.module import Layers
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.streamed import Data, Streamed
from sklearn_gru._support.interrupts import raise_if_stopped
from sklearn_gru._support.ranks import Ranks

# Sequences per forward pass: 20 000 windows 24 x 8 took 0.18 s with 256 to 1024,
# 0.26 s with 64 and 0.28 s with 4096 (32 units, one core, torch 2.13).
PASS_SIZE = 1024

# Steps per pass if there is an output at each: states and outputs of all of them are in
# memory at once.
PASS_STEPS = 2**16


class TorchEngine:
    """Engine that uses PyTorch alone."""

    name = "torch"
    is_invariant = False

    def declines(self, plan: Plan) -> str | None:
        """Return None: PyTorch runs every network everywhere."""
        return None

    def open(self, net: Any, plan: Plan, threads: int = 1) -> TorchSession:
        """Open a session that computes with a net."""
        return TorchSession(net)


class TorchSession:
    """Session that passes over batches and calls the callbacks around each batch."""

    held_out: np.ndarray | None = None

    def __init__(self, net: Any, layers: Layers | None = None) -> None:
        self.net = net
        self.layers = layers

    def train_epoch(self, batches: Any) -> float:
        """Take one optimizer step per batch; return the mean loss."""
        return self._pass(batches, training=True)

    def validate(self, batches: Any) -> float:
        """Return the mean loss of held-out batches."""
        return self._pass(batches, training=False)

    def _pass(self, batches: Any, *, training: bool) -> float:
        """Accumulate the mean loss in float64 and read it once."""
        net, prefix = self.net, "train" if training else "valid"
        step_on = net.train_step if training else net.validation_step
        n_judged = 0
        data = batches.dataset.data
        by_token = data.by_row or data.reads_target
        total = torch.zeros((), dtype=torch.float64, device=batches.dataset.device)
        net._set_training(training)
        for batch in batches:
            raise_if_stopped()
            net.notify("on_batch_begin", batch=batch, training=training)
            step = step_on(batch)
            target = batch[1][0]
            size = n_losses(target) if by_token else len(target)
            total += step["loss"].detach() * size
            n_judged += size
            if net.watched_:
                net.history.record_batch(prefix + "_loss", step["loss"].item())
                net.history.record_batch(prefix + "_batch_size", size)
            net.notify("on_batch_end", batch=batch, training=training, **step)
        return total.item() / n_judged

    def outputs(self, data: Data, threads: int = 1) -> np.ndarray:
        """Return the outputs (n, n_outputs), or (n_rows, n_outputs), in float64."""
        module = self.net.module_
        if isinstance(data, Streamed):
            return np.concatenate([self.outputs(part) for part in data.parts()])
        dataset = SequenceDataset(data, module.head.weight.device)
        module.eval()
        if module.spec.per_step:
            return self._of_rows(data, dataset)
        out = np.empty((len(data), module.spec.n_outputs))
        with torch.inference_mode():
            for index in blocks_by_length(data.lengths, PASS_SIZE):
                inputs, _ = dataset.gather(torch.from_numpy(index))
                found = module(**inputs, layers=self.layers)
                out[index] = found.double().cpu().numpy()
        return out

    def _of_rows(self, data: Encoded, dataset: SequenceDataset) -> np.ndarray:
        """Return the outputs at every row; those of rows in no sequence are NaN."""
        module = self.net.module_
        out = np.full((len(data.rows), module.spec.n_outputs), np.nan)
        with torch.inference_mode():
            for index in blocks_of_steps(data.lengths, PASS_STEPS):
                inputs, _ = dataset.gather(torch.from_numpy(index))
                found = module(**inputs, layers=self.layers).double().cpu().numpy()
                step = np.arange(found.shape[1])
                real = step < data.lengths[index, None]
                out[(data.starts[index, None] + step)[real]] = found[real]
        return out

    def share(self, ranks: Ranks, n: int, n_steps: int) -> str | None:
        """Return why steps are not shared: only compiled ones are cut into blocks."""
        reasons = "; ".join(f"{k}: {v}" for k, v in self.net.declined.items())
        return f"the engine {self.net.engine_!r} does not share a step ({reasons})"

    def write_optimizer(self) -> None:
        """Do nothing: the optimizer holds its own state."""

    def close(self) -> None:
        """Do nothing."""


def n_losses(target: Tensor) -> int:
    """Return the number of rows or tokens that the loss of a batch is the mean of."""
    return int((target != PADDED).sum())
