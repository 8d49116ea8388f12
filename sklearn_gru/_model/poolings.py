"""Poolings: from one state per step to one vector per sequence; ``POOLINGS`` by name.

Every pooling is exact for every length: steps behind the end of a sequence take no
part. "last" reads the final state of each direction, which for the backward direction
is the state that has read the whole sequence, not the one at the last step.

To add a pooling, write one class and list it at the end. Where the compiled engine has
no branch for it, the layers stay compiled and PyTorch pools.

**Shape**: states ``(B, T, D)``, last ``(B, D)``, present ``(B, T)`` or None where all
steps are real; result ``(B, n_pooled)``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn_gru._model.arrays import Arrays

Weights = dict[str, Any]


class Pooling:
    """One way to pool states.

    Attributes
    ----------
    name : str
        Name in the registry and value of the parameter `pooling`.
    reads_steps : bool
        False if only the final states are read, so that the others need not be kept.
    weighs_steps : bool
        True if :meth:`step_weights` says how much each step counts.
    """

    name: ClassVar[str]
    reads_steps: ClassVar[bool] = True
    weighs_steps: ClassVar[bool] = False

    def n_pooled(self, size: int) -> int:
        """Return the width of the result for states of width `size`."""
        return size

    def parameters(self, size: int) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of what the pooling learns."""
        return {}

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        """Return the pooled states."""
        raise NotImplementedError(f"{type(self).__name__} defines no pool")

    def step_weights(
        self, weights: Weights, states: Any, present: Any, xp: Arrays
    ) -> Any:
        """Return the weight of each step ``(B, T)``, where steps are weighed."""
        raise NotImplementedError(f"{type(self).__name__} does not weigh steps")


class Last(Pooling):
    """The final state of each direction."""

    name = "last"
    reads_steps = False

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        return last


class Mean(Pooling):
    """The mean over the steps."""

    name = "mean"

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        return masked_mean(states, present, xp)


class Max(Pooling):
    """The maximum over the steps."""

    name = "max"

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        return masked_max(states, present, xp)


class Attention(Pooling):
    """A learned weighted mean: softmax over ``context . tanh(W h + b)``.

    The word attention of Yang et al. (2016), Hierarchical Attention Networks.
    """

    name = "attention"
    weighs_steps = True

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
        """Return the weight of each step, 0 behind the end; rows sum to 1."""
        hidden = xp.tanh(xp.linear(states, weights["project"], weights["project_bias"]))
        score = xp.linear(hidden, weights["context"])[:, :, 0]  # (B, T)
        if present is not None:
            score = xp.where(present, score, -float("inf"))
        return xp.softmax(score)


class MeanMax(Pooling):
    """Mean and maximum side by side."""

    name = "mean_max"

    def n_pooled(self, size: int) -> int:
        return 2 * size

    def pool(
        self, weights: Weights, states: Any, last: Any, present: Any, xp: Arrays
    ) -> Any:
        return xp.join(
            [masked_mean(states, present, xp), masked_max(states, present, xp)]
        )


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
