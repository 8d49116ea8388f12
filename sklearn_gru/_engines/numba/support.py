"""The networks that the kernels accept, and the reasons for which they decline.

Plain Python: no numba, no torch, so that a caller can ask before anything is loaded.
"""

import functools
from importlib.util import find_spec

from sklearn_gru._engines.numba.memory import LOSSES, POOLINGS
from sklearn_gru._model.spec import NetworkSpec


@functools.cache
def has_cell(cell: str) -> bool:
    """Return whether ``cells/<cell>.py`` exists."""
    return find_spec(f"sklearn_gru._engines.numba.cells.{cell}") is not None


def why_unsupported(network: NetworkSpec) -> str | None:
    """Return None, or the reason for which the kernels cannot train this network."""
    if not has_cell(network.cell):
        return f"cell {network.cell!r} has no kernel"
    if network.per_step:
        return "an output at every step has no kernel"
    if network.pooling not in POOLINGS:
        return f"pooling {network.pooling!r} has no kernel"
    if not isinstance(network.loss, str):
        return "a loss that is a function has no kernel"
    if network.loss not in LOSSES:
        return f"loss {network.loss!r} has no kernel"
    if network.loss == "quantile" and not network.loss_parameters:
        return "loss 'quantile' without quantiles has no kernel"
    if network.conv_filters:
        return "a convolution branch has no kernel"
    sizes = (network.n_inputs, network.hidden_size, network.num_layers)
    if min(*sizes, network.n_outputs) < 1:
        return "a size of the network is below 1"
    if not 0.0 <= network.dropout < 1.0:
        return "dropout must be at least 0 and below 1"
    return None
