"""Batches, gathered from the flat rows when they are needed.

A DataLoader fetches sample by sample and collates, which costs more than a small
recurrent network. Here a batch is one gather by index from the standardized rows, which
stay on the device, so no window is ever stored. On a GPU, making a batch never waits
for the device: its length is read from a copy of the lengths in host memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._model.streamed import Streamed

PADDED = -1  # target at a step after the end of a sequence, with targets of steps

# Inputs by name; target, weights and, with texts, lengths.
Batch = tuple[dict[str, Any], tuple[Any, ...]]


class SequenceDataset(Dataset):
    """Encoded sequences as tensors on a device, created on first access.

    Of sequences over rows in a file (:class:`Streamed`), only targets and weights are.

    An engine that reads NumPy arrays uses :attr:`data`, so the tensors are not created.
    """

    def __init__(self, data: Any, device: torch.device) -> None:
        self.data = data
        self.device = device
        self.segment_length = data.segment_length

    @cached_property
    def equal_length(self) -> bool:
        """True if all sequences have the same length."""
        lengths = self.data.lengths
        return bool(len(lengths)) and bool(lengths.min() == lengths.max())

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    @cached_property
    def rows(self) -> Tensor:
        """Rows (n_rows, n_inputs) that the network reads."""
        return self._tensor(self.data.rows)

    @cached_property
    def segments(self) -> Tensor:
        """View of k consecutive rows side by side, one segment per first row."""
        k, (n, width) = self.segment_length, self.rows.shape
        return self.rows.as_strided((n - k + 1, k * width), (width, 1))

    @cached_property
    def lengths(self) -> Tensor:
        """Number of rows of each sequence, in host memory."""
        return torch.from_numpy(np.array(self.data.lengths))

    @cached_property
    def _place(self) -> tuple[Tensor, Tensor]:
        starts = torch.from_numpy(np.array(self.data.starts))
        return starts.to(self.device), self.lengths.to(self.device)

    @cached_property
    def target(self) -> Tensor | None:
        """Encoded target, which the loss compares with the outputs."""
        target = self.data.target
        return None if target is None else self._tensor(target)

    @cached_property
    def weight(self) -> Tensor | None:
        """Weight of each sequence, with mean 1."""
        weight = self.data.weight
        return None if weight is None else self._tensor(weight)

    @cached_property
    def levels(self) -> tuple[Tensor, ...] | None:
        """Shift and scale of each sequence."""
        levels = self.data.levels
        return None if levels is None else tuple(map(self._tensor, levels))

    @cached_property
    def leading(self) -> Tensor | None:
        """Number of steps of each sequence without a difference, by channel."""
        leading = self.data.leading
        return None if leading is None else self._tensor(np.array(leading))

    @cached_property
    def observed(self) -> Tensor | None:
        """Mask of the rows that hold a value."""
        observed = self.data.observed
        return None if observed is None else self._tensor(observed)

    def over(self, starts: np.ndarray, lengths: np.ndarray) -> SequenceDataset:
        """Return other sequences over the same rows."""
        found = SequenceDataset(
            replace(self.data, starts=starts, lengths=lengths), self.device
        )
        shared = "rows", "segments", "target", "weight"
        found.__dict__.update({name: getattr(self, name) for name in shared})
        return found

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Batch:
        return self.gather(torch.tensor([index]))

    def gather(self, index: Tensor, moved: Tensor | None = None) -> Batch:
        """Return a batch of sequences, right-padded to the longest of them.

        The batch has lengths, counted in segments, only if they differ. `moved` is
        `index` on the device.
        """
        device, k = self.device, self.segment_length
        segments = (self.lengths[index] + (k - 1)) // k  # in host memory
        longest, shortest = int(segments.max()), int(segments.min())
        index = index.to(device) if moved is None else moved
        starts, lengths = (place[index] for place in self._place)
        counts = (lengths + (k - 1)) // k
        first = starts + lengths - k * counts
        # A padded segment reads real rows, which the exact lengths later exclude.
        at = first[:, None] + k * torch.arange(longest, device=device)  # (B, S)
        at.clamp_(max=len(self.segments) - 1)
        values = self.segments.index_select(0, at.reshape(-1))
        values = values.view(len(at), longest * k, -1)  # (B, T, n_inputs)
        if self.levels is not None:
            values = self._normalised(values, index)
        if self.leading is not None:
            leading = self.leading[index, None]  # (B, 1, n_differences)
            step = (first - starts)[:, None] + torch.arange(longest * k, device=device)
            values[:, :, : leading.shape[2]].masked_fill_(step[..., None] < leading, 0)
        if k > 1:
            step = torch.arange(k - 1, device=device)
            absent = step < (starts - first)[:, None]  # (B, k - 1)
            values[:, : k - 1].masked_fill_(absent[:, :, None], 0.0)
        inputs = {"values": values}
        if not self.equal_length and shortest < longest:
            inputs["lengths"] = counts
        if self.observed is not None:
            at = first[:, None] + torch.arange(longest * k, device=device)  # (B, T)
            inside = (at >= starts[:, None]) & (at < (starts + lengths)[:, None])
            present = inside & self.observed[at.clamp_(max=len(self.rows) - 1)]
            # On a GPU, present.all() would wait for the device.
            if device.type != "cpu" or not present.all():
                inputs["present"] = present
        if self.target is None:
            return inputs, (starts, None)
        if self.data.by_row:
            return inputs, self._of_rows(at, lengths)
        weight = None if self.weight is None else self.weight[index]
        if self.observed is not None and weight is not None:
            inputs["weight"] = weight
        target = self.target[index]
        if self.data.texts:
            longest = max(1, int((target != PADDED).sum(dim=1).max()))
            target = target[:, :longest]
            if self.data.reads_target:
                inputs["target"] = target
            return inputs, (target, weight, counts)
        return inputs, (target, weight)

    def _of_rows(self, at: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return targets and weights (B, T) of the rows `at`, marked where padded."""
        assert self.target is not None
        step = torch.arange(at.shape[1], device=self.device)
        target = self.target[at].masked_fill_(step >= lengths[:, None], PADDED)
        return target, None if self.weight is None else self.weight[at]

    def _normalised(self, values: Tensor, index: Tensor) -> Tensor:
        """Apply the shift and scale of each sequence; set missing cells to 0."""
        assert self.levels is not None
        shift, scale = (level[index, None] for level in self.levels)  # (B, 1, F)
        features = values[:, :, : shift.shape[2]]
        features.sub_(shift).div_(scale).nan_to_num_(nan=0.0)
        return values


class Batches:
    """Whole batches of a data set, shuffled by their own random stream."""

    def __init__(
        self,
        dataset: SequenceDataset,
        batch_size: int,
        stream: RandomStream | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        # If one batch holds everything, its order only changes the rounding.
        self.stream = None if len(dataset) <= batch_size else stream

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def order(self) -> Tensor:
        """Return the indices of all sequences in the order of the next pass."""
        n = len(self.dataset)
        if self.stream is None:
            return torch.arange(n)
        return torch.randperm(n, generator=self.stream.generator)

    def parts(self) -> Iterator[tuple[SequenceDataset, Tensor]]:
        """Yield data sets that are in memory, and the order of their sequences.

        There is one, or several of whole batches if the rows lie in a file.
        """
        data, device = self.dataset.data, self.dataset.device
        if not isinstance(data, Streamed):
            yield self.dataset, self.order()
        elif self.stream is None:
            parts = data.parts()
            if len(data) <= self.batch_size:  # one batch is one part, however large
                parts = (part for part, _ in data.shuffled(self.batch_size, np.arange))
            for part in parts:
                yield SequenceDataset(part, device), torch.arange(len(part))
        else:
            generator = self.stream.generator

            def permutation(n: int) -> np.ndarray:
                return torch.randperm(n, generator=generator).numpy()

            for part, order in data.shuffled(self.batch_size, permutation):
                found = SequenceDataset(part, device), torch.from_numpy(order)
                del part, order  # before the next ones are made
                yield found
                del found

    def __iter__(self) -> Iterator[Batch]:
        size = self.batch_size
        for dataset, order in self.parts():
            moved = order.to(dataset.device)  # once
            for at in range(0, len(order), size):
                yield dataset.gather(order[at : at + size], moved[at : at + size])


class BatchesByLength(Batches):
    """Batches of sequences of similar length, in random order, to pad little.

    Sequences are sorted by their length times a random number from 1 to 1 + `SPREAD`,
    so that a batch has other sequences in each pass.
    """

    SPREAD = 0.2

    def __iter__(self) -> Iterator[Batch]:
        order, size = self.order(), self.batch_size
        starts = torch.arange(0, len(order), size)
        if self.stream is not None:
            generator = self.stream.generator
            lengths = self.dataset.lengths[order].double()
            noise = torch.rand(len(order), generator=generator, dtype=torch.float64)
            by_length = (lengths * (1 + self.SPREAD * noise)).argsort(stable=True)
            order = order[by_length]
            starts = starts[torch.randperm(len(starts), generator=generator)]
        for at in starts.tolist():
            yield self.dataset.gather(order[at : at + size])


def blocks_of_steps(lengths: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Yield the indices of all sequences in blocks of similar length and few steps."""
    order = np.argsort(lengths, kind="stable")
    end = len(order)
    while end > 0:
        size = max(1, most // max(1, int(lengths[order[end - 1]])))
        yield order[max(0, end - size) : end]
        end -= size


def blocks_by_length(lengths: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the indices of all sequences in blocks of similar length, to pad little."""
    order = np.argsort(lengths, kind="stable")
    for at in range(0, len(order), size):
        yield order[at : at + size]
