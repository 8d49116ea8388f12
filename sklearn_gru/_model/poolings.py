"""Poolings of one state per step into one vector per sequence, listed in ``POOLINGS``.

Every pooling is exact for every length: steps after the end of a sequence are ignored.
"last" reads the final state of each direction. For the backward direction this is the
state that has read the whole sequence, not the state at the last step.

To add a pooling, write one class and list it at the end. If the compiled engine does
not support it, the layers stay compiled and PyTorch computes the pooling.

**Shape**: states ``(B, T, D)``, last ``(B, D)``, present ``(B, T)`` or None if all
steps are real; result ``(B, n_pooled)``.

A pooling that goes on step by step collects tables of the width of a state, with
``n_collected``, ``collect`` and ``pooled``; these run in NumPy.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sklearn_gru._model.arrays import NUMPY, Arrays

Weights = dict[str, Any]
State = tuple[Any, ...]


class Pooling:
    """One way to pool states.

    Attributes
    ----------
    name : str
        Name in the registry and value of the parameter `pooling`.
    reads_steps : bool
        False if only the final states are read; the others are then not kept.
    weighs_steps : bool
        True if :meth:`step_weights` returns the weight of each step.
    n_collected : int or None
        Number of tables that :meth:`collect` goes on with; None if the pooling needs
        all states at once.
    """

    name: ClassVar[str]
    reads_steps: ClassVar[bool] = True
    weighs_steps: ClassVar[bool] = False
    n_collected: ClassVar[int | None] = None

    def n_pooled(self, size: int) -> int:
        """Return the width of the result for states of width `size`."""
        return size

    def parameters(self, size: int) -> dict[str, tuple[int, ...]]:
        """Return the names and shapes of the learned parameters."""
        return {}

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        """Return the pooled states."""
        raise NotImplementedError(f"{type(self).__name__} defines no pool")

    def step_weights(
        self, weights: Weights, states: Any, present: Any, xp: Arrays
    ) -> Any:
        """Return the weight of each step ``(B, T)``, if the pooling weighs steps."""
        raise NotImplementedError(f"{type(self).__name__} does not weigh steps")

    def collect(
        self, weights: Weights, collected: State, state: Any, count: Any
    ) -> State:
        """Return the tables ``(n, D)`` after one more state ``(n, D)``.

        `count` ``(n, 1)`` is the number of states before it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not go on by steps")

    def pooled(self, collected: State, last: Any, count: Any) -> Any:
        """Return the pooled states ``(n, n_pooled)`` of `count` states."""
        raise NotImplementedError(f"{type(self).__name__} does not go on by steps")


class Last(Pooling):
    """Pooling by the final state of each direction."""

    name = "last"
    reads_steps = False
    n_collected = 0

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        return last

    def pooled(self, collected: State, last: Any, count: Any) -> Any:
        return last


class Mean(Pooling):
    """Pooling by the mean over the steps."""

    name = "mean"
    n_collected = 1

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        return masked_mean(states, present, xp)

    def collect(
        self, weights: Weights, collected: State, state: Any, count: Any
    ) -> State:
        return (collected[0] + state,)

    def pooled(self, collected: State, last: Any, count: Any) -> Any:
        return collected[0] / count.astype(last.dtype)


class Max(Pooling):
    """Pooling by the maximum over the steps."""

    name = "max"
    n_collected = 1

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        return masked_max(states, present, xp)

    def collect(
        self, weights: Weights, collected: State, state: Any, count: Any
    ) -> State:
        return (np.where(count == 0, state, np.maximum(collected[0], state)),)

    def pooled(self, collected: State, last: Any, count: Any) -> Any:
        return collected[0]


class Attention(Pooling):
    """Pooling by a learned weighted mean: softmax over ``context . tanh(W h + b)``.

    This is the word attention of Yang et al. (2016), Hierarchical Attention Networks.
    """

    name = "attention"
    weighs_steps = True
    n_collected = 3

    def parameters(self, size: int) -> dict[str, tuple[int, ...]]:
        return {"project": (size, size), "project_bias": (size,), "context": (1, size)}

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        share = self.step_weights(weights, states, present, xp)  # (B, T)
        return (states * share[:, :, None]).sum(1)

    def step_weights(
        self, weights: Weights, states: Any, present: Any, xp: Arrays
    ) -> Any:
        """Return the weight of each step, 0 after the end; rows sum to 1."""
        hidden = xp.tanh(xp.linear(states, weights["project"], weights["project_bias"]))
        score = xp.linear(hidden, weights["context"])[:, :, 0]  # (B, T)
        if present is not None:
            score = xp.where(present, score, -float("inf"))
        return xp.softmax(score)

    def collect(
        self, weights: Weights, collected: State, state: Any, count: Any
    ) -> State:
        """Return largest score, total weight and weighted sum, relative to that score.

        The running softmax is that of Milakov & Gimelshein (2018), Online normalizer
        calculation for softmax.
        """
        linear = NUMPY.linear
        hidden = np.tanh(linear(state, weights["project"], weights["project_bias"]))
        score = linear(hidden, weights["context"])  # (n, 1)
        before, total, weighted = collected
        largest = np.where(count == 0, score, np.maximum(before, score))
        old = np.where(count == 0, 0, np.exp(before - largest))
        new = np.exp(score - largest)
        return largest, total * old + new, weighted * old + new * state

    def pooled(self, collected: State, last: Any, count: Any) -> Any:
        return collected[2] / collected[1]


class MeanMax(Pooling):
    """Pooling by the mean and the maximum, side by side."""

    name = "mean_max"
    n_collected = 2

    def n_pooled(self, size: int) -> int:
        return 2 * size

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        return xp.join(
            [masked_mean(states, present, xp), masked_max(states, present, xp)]
        )

    def collect(
        self, weights: Weights, collected: State, state: Any, count: Any
    ) -> State:
        mean = POOLINGS["mean"].collect(weights, collected[:1], state, count)
        return mean + POOLINGS["max"].collect(weights, collected[1:], state, count)

    def pooled(self, collected: State, last: Any, count: Any) -> Any:
        mean = POOLINGS["mean"].pooled(collected[:1], last, count)
        return np.concatenate([mean, collected[1]], axis=1)


def masked_mean(states: Any, present: Any, xp: Arrays) -> Any:
    """Return the mean over the real steps; ``(B, D)``."""
    if present is None:
        return xp.mean(states, 1)
    real = xp.cast(present, states)
    return xp.einsum("btd,bt->bd", states, real) / real.sum(1)[:, None]


def masked_max(states: Any, present: Any, xp: Arrays) -> Any:
    """Return the maximum over the real steps; ``(B, D)``."""
    if present is not None:
        states = xp.where(present[:, :, None], states, -float("inf"))
    return xp.amax(states, 1)


POOLINGS: dict[str, Pooling] = {
    pooling.name: pooling for pooling in (Last(), Mean(), Max(), Attention(), MeanMax())
}
