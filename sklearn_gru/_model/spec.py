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
    segment_length: int = 1
    conv_filters: tuple[int, ...] = ()  # of the convolution branch; () for none
    # What batches subtract; no module reads it, but whoever gathers rows must.
    normalization: str | None = None  # None | "last" | "standard"

    @property
    def n_read(self) -> int:
        """Numbers that the recurrent layers read at a time."""
        return self.n_inputs * self.segment_length

    @property
    def keeps_gaps(self) -> bool:
        """Whether a step without any value keeps its place among the others."""
        return self.segment_length > 1 or bool(self.conv_filters)

    embeddings: tuple[tuple[int, int], ...] = ()

    @property
    def state_size(self) -> int:
        """Width of the state of all directions."""
        return self.hidden_size * (2 if self.bidirectional else 1)
