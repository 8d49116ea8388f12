"""The frozen description of a network: all that its modules may know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkSpec:
    """Shape and kind of a network.

    One object crosses the border between estimators and torch, so that no module
    reaches back for a parameter, and a fast path can be offered the whole description
    and decline.

    `n_inputs` is what the first recurrent layer reads. With `embeddings`, a pair of
    number of categories and width each, the last ``len(embeddings)`` columns of the
    values are indices, and their widths are part of `n_inputs`.
    """

    n_inputs: int
    n_outputs: int
    cell: str  # "gru" | "gru_reset_before" | "lstm" | "rnn"
    hidden_size: int
    num_layers: int
    bidirectional: bool
    pooling: str  # "last" | "mean" | "max" | "attention" | "mean_max"
    dropout: float
    embeddings: tuple[tuple[int, int], ...] = ()

    @property
    def state_size(self) -> int:
        """Width of the state of all directions."""
        return self.hidden_size * (2 if self.bidirectional else 1)
