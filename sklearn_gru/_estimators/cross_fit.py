"""Cross-fitting: what networks say of sequences that they did not learn from.

A small training set has no sequences to spare for a validation set. So one network
learns from one half of it, and another one from the other half. Each is validated on
the half that it did not see: how long it pays to train, and how much to trust networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._engines.members import n_workers, of_each
from sklearn_gru._engines.torch.net import SequenceNet
from sklearn_gru._engines.training import Stopping, outputs, train
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._support.numbers import stretches
from sklearn_gru._support.ranks import sharing
from sklearn_gru.exceptions import DivergenceError

_FEWEST = 10  # different sequences, or times, in each half

# Windows that overlap know each other: halves of many short stretches would leak.
_STRETCHES = 4


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Two networks that learned from one half of a training set each.

    Attributes
    ----------
    data : Encoded
        The training set.
    is_first : ndarray of shape (n,)
        Mask of the first half.
    network : ndarray of shape (n, n_outputs)
        Outputs for each sequence, of the network that learned from the other half.
    epochs : int
        Number of epochs for a network that learns from all sequences.
    """

    data: Encoded
    is_first: np.ndarray
    network: np.ndarray
    epochs: int

    @classmethod
    def of(
        cls,
        data: Encoded,
        is_first: np.ndarray,
        make_net: Callable[[], SequenceNet],
        epochs: int,
        stopping: Stopping,
        threads: int,
    ) -> CrossFit | None:
        """Train for at most `epochs` epochs; None if a network diverges.

        Every rank of a group trains both networks on its own.
        """
        nets, masks = (make_net(), make_net()), (is_first, ~is_first)
        with sharing(None):
            workers = n_workers(nets, threads)
            own = threads // workers

            def learn(k: int) -> tuple[int, np.ndarray]:
                halves = _halves(data, masks[k])
                return _learned(nets[k], *halves, epochs, stopping, own)

            try:
                found = of_each(nets, learn, workers)
            except DivergenceError:  # that of all sequences may not
                return None
        best, network = zip(*found, strict=True)
        # An epoch of half of the sequences has half of the optimizer steps.
        return cls(data, is_first, _joined(is_first, *network), min(epochs, sum(best)))

    def others(self, predict: Callable[[Encoded, Encoded], np.ndarray]) -> np.ndarray:
        """Return what `predict` says (n, ...) of each half, given the other one."""
        masks = self.is_first, ~self.is_first
        found = [predict(*_halves(self.data, held)) for held in masks]
        return _joined(self.is_first, *found)


def _learned(
    net: SequenceNet,
    learned: Encoded,
    judged: Encoded,
    epochs: int,
    stopping: Stopping,
    threads: int,
) -> tuple[int, np.ndarray]:
    """Train on one half; return the best epoch, and the outputs for the other half."""
    best = train(
        net,
        learned,
        judged,
        epochs,
        scheduled=True,
        stopping=stopping,
        threads=threads,
    )
    assert best is not None
    found = best.outputs
    if found is None:
        found = outputs(net, judged, threads)
    return best.epoch or epochs, found


def first_half(
    sequences: Sequences, weight: np.ndarray | None, batch_size: int
) -> np.ndarray | None:
    """Return the mask (n,) of one half of the sequences, or None if they are too few.

    A half is every second of a few stretches of time or, without times, of the order of
    the sequences. If they are one batch, which has no order, they are dealt out by what
    they hold, so that a weight counts like repeats.
    """
    n, order = len(sequences), sequences.order
    weight = np.ones(n) if weight is None else weight.astype(np.float64)
    if order is not None:
        units = np.unique(order, return_inverse=True)[1]
        mask = stretches(np.bincount(units, weight), _STRETCHES)[units] % 2 == 0
    elif n > batch_size:
        units = np.arange(n)
        mask = stretches(np.ones(n), _STRETCHES) % 2 == 0
    else:
        units = _by_content(sequences)
        mask = units % 2 == 0
    halves = (np.bincount(units[part], weight[part]) for part in (mask, ~mask))
    return mask if all(map(_is_enough, halves)) else None


def _is_enough(weight: np.ndarray) -> bool:
    """Return whether weights of different times or sequences stand for enough of them.

    That is (sum of weights)² / sum of squared weights, the effective sample size (Kish
    1965), so that a few large weights are not taken for a half.
    """
    total = weight.sum()
    return bool(total > 0 and total**2 >= _FEWEST * (weight**2).sum() > 0)


def _by_content(sequences: Sequences) -> np.ndarray:
    """Return a number (n,) per sequence, equal for equal ones, in whatever order.

    Numbers follow the values, the newest step first: neither the dtype nor the units of
    a feature change them.
    """
    values = np.nan_to_num(sequences.values.astype(np.float64), nan=-np.inf)
    ends = sequences.starts + sequences.lengths
    pairs = zip(sequences.starts, ends, strict=True)
    held = [tuple(values[start:end][::-1].ravel().tolist()) for start, end in pairs]
    numbers = {content: k for k, content in enumerate(sorted(set(held)))}
    return np.array([numbers[content] for content in held])


def _halves(data: Encoded, held: np.ndarray) -> tuple[Encoded, Encoded]:
    """Return the sequences outside and inside a mask."""
    return data.select(~held), data.select(held)


def _joined(mask: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return an array (n, ...) from its parts inside and outside a mask."""
    whole = np.empty((len(mask), *inside.shape[1:]), dtype=inside.dtype)
    whole[mask], whole[~mask] = inside, outside
    return whole
