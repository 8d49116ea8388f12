"""The description of a network: everything that an engine may know about it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.losses import LossName, find_loss
from sklearn_gru._model.poolings import POOLINGS


@dataclass(frozen=True)
class NetworkSpec:
    """Shape and kind of a network, in names and numbers.

    Estimators, PyTorch and compiled code exchange only this object, so that no part
    needs to ask another for a parameter, and an engine sees the whole description
    before it accepts or declines it. Names are those of the registries; a loss may also
    be a function.

    `n_inputs` is the number of values per step that the first recurrent layer reads.
    `embeddings` are pairs (number of categories, width). With them, the last
    ``len(embeddings)`` columns of the values are indices, and the widths are part of
    `n_inputs`.

    >>> spec = NetworkSpec("gru", n_inputs=8, hidden_size=32)
    >>> for name, shape in spec.parameters().items():
    ...     print(name, shape)
    weight_ih_l0 (96, 8)
    weight_hh_l0 (96, 32)
    bias_ih_l0 (96,)
    bias_hh_l0 (96,)
    head.weight (1, 32)
    head.bias (1,)
    >>> spec.n_parameters
    4065
    """

    cell: str
    n_inputs: int
    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False
    pooling: str = "last"
    n_outputs: int = 1
    loss: LossName = "squared_error"
    dropout: float = 0.0  # after every layer except the last, and before the head
    loss_parameters: tuple[float, ...] = ()  # levels of quantiles, label smoothing
    segment_length: int = 1
    conv_filters: tuple[int, ...] = ()  # of the convolution branch; () for none
    normalization: str | None = None  # levels that batches remove while they gather
    embeddings: tuple[tuple[int, int], ...] = ()
    differences: bool = False  # of numeric channels; they are part of `n_inputs`
    per_step: bool = False  # outputs at every step from its state, without pooling

    @property
    def n_read(self) -> int:
        """Number of values that the recurrent layers read at a time."""
        return self.n_inputs * self.segment_length

    @property
    def n_columns(self) -> int:
        """Number of columns of the values, of which embeddings read one each."""
        widths = sum(width for _, width in self.embeddings)
        return self.n_inputs - widths + len(self.embeddings)

    @property
    def n_directions(self) -> int:
        """Number of directions in which the steps are read, 1 or 2."""
        return 2 if self.bidirectional else 1

    @property
    def state_size(self) -> int:
        """Width of the state of all directions."""
        return self.hidden_size * self.n_directions

    @property
    def n_pooled(self) -> int:
        """Width of the pooled state, without the convolution branch."""
        return POOLINGS[self.pooling].n_pooled(self.state_size)

    @property
    def target_width(self) -> int:
        """Number of target values per sequence; 1 for a class index."""
        return find_loss(self.loss).target_width(self.n_outputs, self.loss_parameters)

    @property
    def keeps_gaps(self) -> bool:
        """Flag that a step without any value keeps its place among the others."""
        return self.segment_length > 1 or bool(self.conv_filters)

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the parameters of layers, pooling, head, tables.

        They are in the order of the flat vector that engines train; the tables of
        embeddings are last. Parameters of the convolution branch are not included,
        because only PyTorch computes those.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            n_inputs = self.state_size if layer else self.n_read
            for suffix in ("", "_reverse")[: self.n_directions]:
                found = CELLS[self.cell].parameters(n_inputs, self.hidden_size)
                for name, shape in found.items():
                    shapes[f"{name}_l{layer}{suffix}"] = shape
        for name, shape in POOLINGS[self.pooling].parameters(self.state_size).items():
            shapes[f"pooling.{name}"] = shape
        shapes["head.weight"] = (self.n_outputs, self.n_pooled)
        shapes["head.bias"] = (self.n_outputs,)
        for k, (n_categories, width) in enumerate(self.embeddings):
            shapes[f"embedding.tables.{k}.weight"] = (n_categories + 1, width)
        return shapes

    @property
    def n_parameters(self) -> int:
        """Length of the flat vector of :meth:`parameters`."""
        return sum(prod(shape) for shape in self.parameters().values())
