"""The frozen description of a network that the kernels accept, and who they decline.

Plain Python: no numba, no torch, so that a caller can ask before anything is loaded.
"""

from typing import NamedTuple

import numpy as np

from sklearn_gru._engines.numba.memory import CELLS, LOSSES, POOLINGS


class Network(NamedTuple):
    """A recurrent network with a pooled state and a linear head.

    The words and the mathematics are those of torch.nn.GRU, LSTM and RNN; `pooling`
    turns the states of the last layer into one vector, and `loss` is what
    `train_epoch` minimises.

    >>> Network("gru", n_inputs=8, hidden_size=32).n_parameters
    4065
    """

    cell: str  # "gru" | "gru_reset_before" | "lstm" | "rnn"
    n_inputs: int
    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False
    pooling: str = "last"  # "last" | "mean" | "max" | "mean_max"
    n_outputs: int = 1
    loss: str = "squared_error"  # one of LOSSES
    dropout: float = 0.0  # after every layer but the last, and before the head
    label_smoothing: float = 0.0  # of the cross-entropy
    quantiles: tuple[float, ...] = ()  # of "quantile": one output each, per target
    dtype: str = "float32"

    @property
    def target_width(self) -> int:
        """Numbers in the target of a sequence: values, or one class index."""
        if self.loss == "cross_entropy":
            return 1
        return self.n_outputs // max(1, len(self.quantiles))

    @property
    def n_parameters(self) -> int:
        """Length of the flat vector of parameters."""
        return sum(int(np.prod(shape)) for _, shape in self.parameter_shapes)

    @property
    def parameter_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the parameters, in the order of the flat vector.

        >>> for name, shape in Network("gru", 8, 32).parameter_shapes:
        ...     print(name, shape)
        weight_ih_l0 (96, 8)
        weight_hh_l0 (96, 32)
        bias_ih_l0 (96,)
        bias_hh_l0 (96,)
        head.weight (1, 32)
        head.bias (1,)
        """
        units = CELLS[self.cell].gates * self.hidden_size
        width = (2 if self.bidirectional else 1) * self.hidden_size
        shapes: list[tuple[str, tuple[int, ...]]] = []
        for layer in range(self.num_layers):
            inputs = self.n_inputs if layer == 0 else width
            for suffix in ("", "_reverse") if self.bidirectional else ("",):
                shapes += [
                    (f"weight_ih_l{layer}{suffix}", (units, inputs)),
                    (f"weight_hh_l{layer}{suffix}", (units, self.hidden_size)),
                    (f"bias_ih_l{layer}{suffix}", (units,)),
                    (f"bias_hh_l{layer}{suffix}", (units,)),
                ]
        pooled = 2 * width if self.pooling == "mean_max" else width
        shapes.append(("head.weight", (self.n_outputs, pooled)))
        shapes.append(("head.bias", (self.n_outputs,)))
        return shapes


def why_unsupported(network: Network) -> str | None:
    """Return None, or the reason for which the kernels cannot train this network."""
    if network.cell not in CELLS:
        return f"cell {network.cell!r} has no kernel"
    if network.pooling not in POOLINGS:
        return f"pooling {network.pooling!r} has no kernel"
    if network.loss not in LOSSES:
        return f"loss {network.loss!r} has no kernel"
    if network.loss == "quantile" and not network.quantiles:
        return "loss 'quantile' without quantiles has no kernel"
    if network.dtype != "float32":
        return f"kernels compute in float32, not {network.dtype}"
    sizes = (network.n_inputs, network.hidden_size, network.num_layers)
    if min(*sizes, network.n_outputs) < 1:
        return "a size of the network is below 1"
    if not 0.0 <= network.dropout < 1.0:
        return "dropout must be at least 0 and below 1"
    return None
