"""Batches of pieces of recordings, and the states that are carried between them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sklearn_gru._engines.torch.batches import Batch, SequenceDataset
from sklearn_gru._engines.torch.device import RandomStream

# Share of the pieces that begin with zeros although they could go on.
RESTARTS = 0.5


class Carried:
    """The states in which pieces of recordings begin and end.

    Attributes
    ----------
    initial : Tensor of shape (B, num_layers, n_parts, hidden_size)
        State of the forward direction before the first step of each piece.
    final : Tensor of that shape, or None
        State after the last step, set by the recurrent layers.
    """

    def __init__(self, initial: Tensor) -> None:
        self.initial = initial
        self.final: Tensor | None = None


class PieceBatches:
    """Batches of pieces of recordings, in which states are carried on.

    As in language models, all pieces are laid one after the other and cut into lanes;
    a batch has one piece of each lane, and the next batch the following ones. A piece
    that follows the one before it in its lane begins in the state in which that one
    ended, without a gradient through it (truncated backpropagation through time,
    Williams & Peng 1990). The backward direction begins at the end of each piece.

    Recordings are in a new order in each pass, and cut at other rows; the network would
    learn fixed cuts by heart (rows of JapaneseVowels, pieces of 64 that begin with
    zeros: .914 right with fixed cuts, .940 with moving ones). A share of the pieces
    begin with zeros all the same, to learn to begin anywhere: .916 right if none do,
    .929 if half of them do.

    Parameters
    ----------
    dataset : SequenceDataset
        Recordings with targets of rows.
    batch_size : int
        Pieces per batch.
    stream : RandomStream
        Source of the order and the cuts.
    shape : tuple
        Shape of the states of a piece.
    """

    def __init__(
        self,
        dataset: SequenceDataset,
        batch_size: int,
        stream: RandomStream,
        shape: tuple[int, ...],
    ) -> None:
        self.dataset = dataset
        self.stream = stream
        self.shape = shape
        lengths = dataset.data.lengths
        whole = -(-lengths // (dataset.data.piece_length or lengths.max()))
        # Cuts that move need one more piece, as the first and the last are not whole.
        self.moves = (whole > 1) & (whole < lengths)
        self.counts = whole + self.moves
        self.n_pieces = int(self.counts.sum())
        self.n_batches = -(-self.n_pieces // batch_size)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Batch]:
        starts, lengths, follows = self._cut()
        pieces = self.dataset.over(starts, lengths)
        dtype, device = self.dataset.rows.dtype, self.dataset.device
        before = None
        for k in range(self.n_batches):
            index = torch.arange(k, self.n_pieces, self.n_batches)
            carried = Carried(
                torch.zeros(len(index), *self.shape, dtype=dtype, device=device)
            )
            if before is not None and before.final is not None:
                goes_on = follows[index].to(device)
                carried.initial[goes_on] = before.final[: len(index)][goes_on]
            inputs, target = pieces.gather(index)
            yield {**inputs, "carried": carried}, target
            before = carried

    def _cut(self) -> tuple[np.ndarray, np.ndarray, Tensor]:
        """Return starts and lengths of all pieces, and which go on from the one before.

        Between two cuts, all pieces of a recording are equally long, up to rounding.
        """
        data, generator = self.dataset.data, self.stream.generator
        order = torch.randperm(len(data), generator=generator).numpy()
        shift = torch.rand(len(data), generator=generator, dtype=torch.float64).numpy()
        shift[~self.moves] = 1.0
        count = self.counts[order]
        which = np.repeat(order, count)
        number = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
        total, left = data.lengths[which], self.counts[which] - 1 - number
        inner = (self.counts - self.moves)[which]
        end = np.floor((number + shift[which]) * total / inner).astype(np.int64)
        end = np.clip(end, number + 1, total - left)  # every piece has a row
        begin = np.where(number == 0, 0, np.append(0, end[:-1]))
        goes_on = torch.from_numpy(number > 0)
        goes_on &= torch.rand(len(which), generator=generator) >= RESTARTS
        return data.starts[which] + begin, end - begin, goes_on
