"""Batches, gathered from the flat rows when they are needed.

A DataLoader fetches sample by sample and collates; that costs more than a small
recurrent network. Here a batch is one gather by index from the standardised rows, which
stay on the device, so no window is ever stored. On a GPU nothing in a batch waits for
the device: how long it gets is read from a copy of the lengths in host memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._engines.torch.device import RandomStream

Batch = tuple[dict[str, Tensor], tuple[Tensor, Tensor | None]]


class SequenceDataset(Dataset):
    """Standardised rows, and where the sequences lie in them.

    Normalised or not, what the network reads at a cell of sequence i is
    ``(row - shift[i]) / scale[i]``, and 0 where the row is NaN; columns behind those of
    `shift` (the marks of missing cells) are read as they are. Whoever gathers the rows
    in another way has to do the same.

    Segments of k steps end where their sequence ends, so the first may reach up to
    k - 1 rows in front of it; those are read as 0. In the flat rows a segment is
    ``k * n_inputs`` contiguous numbers, and one index gathers it.

    Parameters
    ----------
    rows : Tensor of shape (n_rows, n_inputs)
        What the network sees, in its dtype and on its device. Missing cells are 0, but
        NaN where `levels` are given. In front of the rows that `sequences` describes
        stand ``segment_length - 1`` others, which exist to be within reach.
    sequences : Sequences
        Without gaps; describes `rows`.
    target : Tensor of shape (n, n_outputs) or (n,), optional
        Encoded target.
    weight : Tensor of shape (n,), optional
        Weights of mean 1.
    levels : pair of ndarrays of shape (n, n_features), optional
        Shift and scale of each sequence, in units of `rows` and in their dtype.
    segment_length : int, default=1
        Steps read together; batches then hold whole segments.
    observed : ndarray of shape (n_rows,), optional
        Which rows hold a value, for a network that has to know: batches then say which
        of their steps do (`present`), and the weights of their sequences.
    """

    def __init__(
        self,
        rows: Tensor,
        sequences: Sequences,
        target: Tensor | None = None,
        weight: Tensor | None = None,
        *,
        levels: tuple[np.ndarray, np.ndarray] | None = None,
        segment_length: int = 1,
        observed: np.ndarray | None = None,
    ) -> None:
        device = rows.device
        self.rows = rows
        self.segment_length = k = segment_length
        n, width = rows.shape
        self.segments = rows.as_strided((n - k + 1, k * width), (width, 1))
        self.starts = torch.from_numpy(np.array(sequences.starts)) + (k - 1)
        self.lengths = torch.from_numpy(np.array(sequences.lengths))
        self._place = self.starts.to(device), self.lengths.to(device)
        self.target = None if target is None else target.to(device)
        self.weight = None if weight is None else weight.to(device)
        self.levels = None
        if levels is not None:
            self.levels = tuple(torch.from_numpy(a).to(device) for a in levels)
        lengths = sequences.lengths
        self.equal_length = bool(len(lengths)) and lengths.min() == lengths.max()
        self.observed = None
        if observed is not None:
            self.observed = torch.from_numpy(observed).to(device)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Batch:
        return self.gather(torch.tensor([index]))

    def gather(self, index: Tensor, moved: Tensor | None = None) -> Batch:
        """The batch of some sequences, right-padded to the longest of them.

        Lengths, where they differ, count segments. `moved` is `index` on the device.
        """
        device, k = self.rows.device, self.segment_length
        segments = (self.lengths[index] + (k - 1)) // k  # in host memory
        longest, shortest = int(segments.max()), int(segments.min())
        index = index.to(device) if moved is None else moved
        starts, lengths = (place[index] for place in self._place)
        counts = (lengths + (k - 1)) // k
        first = starts + lengths - k * counts
        # A padded segment reads real rows, which exact lengths then ignore.
        at = first[:, None] + k * torch.arange(longest, device=device)  # (B, S)
        at.clamp_(max=len(self.segments) - 1)
        values = self.segments.index_select(0, at.reshape(-1))
        values = values.view(len(at), longest * k, -1)  # (B, T, n_inputs)
        if self.levels is not None:
            values = self._normalised(values, index)
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
            if device.type != "cpu" or not present.all():  # asking would wait for a GPU
                inputs["present"] = present
        if self.target is None:
            return inputs, (starts, None)
        weight = None if self.weight is None else self.weight[index]
        if self.observed is not None and weight is not None:
            inputs["weight"] = weight
        return inputs, (self.target[index], weight)

    def _normalised(self, values: Tensor, index: Tensor) -> Tensor:
        """Each sequence from its own shift and in its own scale; missing cells 0."""
        assert self.levels is not None
        shift, scale = (level[index, None] for level in self.levels)  # (B, 1, F)
        features = values[:, :, : shift.shape[2]]
        features.sub_(shift).div_(scale).nan_to_num_(nan=0.0)
        return values


class Batches:
    """Whole batches of a data set, shuffled by a stream of their own."""

    def __init__(
        self,
        dataset: SequenceDataset,
        batch_size: int,
        stream: RandomStream | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        # One batch holds everything: its order changes nothing but the rounding.
        self.stream = None if len(dataset) <= batch_size else stream

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def order(self) -> Tensor:
        """All sequences in the order of the next pass."""
        n = len(self.dataset)
        if self.stream is None:
            return torch.arange(n)
        return torch.randperm(n, generator=self.stream.generator)

    def __iter__(self) -> Iterator[Batch]:
        n, size = len(self.dataset), self.batch_size
        order = self.order()
        moved = order.to(self.dataset.rows.device)  # once an epoch
        for at in range(0, n, size):
            yield self.dataset.gather(order[at : at + size], moved[at : at + size])


def blocks_by_length(lengths: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Indices of all sequences in blocks of about equal length: little padding."""
    order = np.argsort(lengths, kind="stable")
    for at in range(0, len(order), size):
        yield order[at : at + size]
