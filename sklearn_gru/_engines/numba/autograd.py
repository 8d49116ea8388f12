"""The recurrent layers as a torch function, for heads and losses the kernels lack.

Attention, quantiles, convolution branches or a user's own module take the states from
here and go on in torch; gradients flow back to the layers' weights and to the inputs.
Inputs may be dense (see `dense_sequences`) or flat rows.
"""

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from sklearn_gru._engines.numba.calls import Kernel, Rows
from sklearn_gru._model.spec import NetworkSpec

# Memory of past calls, reused: allocating it anew would cost more than small batches.
_idle: dict[NetworkSpec, list[Kernel]] = {}
_MOST_IDLE = 2


def run_layers(
    network: NetworkSpec,
    weights: list[torch.Tensor],
    values: torch.Tensor,
    starts: np.ndarray,
    lengths: np.ndarray,
    *,
    all_steps: bool = True,
    seed: int = 0,
    training: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the states of the last layer (n, n_steps, width) and its last (n, width).

    Parameters
    ----------
    network : NetworkSpec
        Pooling, outputs and loss are not looked at.
    weights : list of float32 tensors
        In the order of torch.nn.GRU's parameters.
    values, starts, lengths
        Flat rows (n_rows, n_inputs), and the sequences over them.
    all_steps : bool
        If False, only the last states are computed and the others come back empty.
    seed : int
        Of the dropout masks, which `training` turns on.
    """
    rate = network.dropout if training else 0.0
    layers = NetworkSpec(
        network.cell,
        network.n_read,
        network.hidden_size,
        network.num_layers,
        network.bidirectional,
        dropout=rate if network.num_layers > 1 else 0.0,
    )
    # Inside the function autograd is off, and what needs a gradient cannot be asked.
    keep = torch.is_grad_enabled()
    return _RunLayers.apply(
        layers, values, starts, lengths, all_steps, seed, keep, *weights
    )


def dense_sequences(x: torch.Tensor) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Return (values, starts, lengths) of a dense batch (n, n_steps, n_inputs)."""
    n, n_steps, n_inputs = x.shape
    starts = np.arange(n, dtype=np.int64) * n_steps
    values = x.reshape(n * n_steps, n_inputs)
    return values, starts, np.full(n, n_steps, dtype=np.int64)


class _RunLayers(torch.autograd.Function):
    """Forward and backward of all layers; the kernel keeps what backward needs."""

    @staticmethod
    def forward(ctx, network, values, starts, lengths, all_steps, seed, keep, *weights):
        keep = keep and any(ctx.needs_input_grad)
        kernel = _take_kernel(network)
        _pack(kernel, weights)
        rows = Rows(_array(values), starts, lengths)
        last, steps = kernel.run(rows, all_steps=all_steps, keep=keep, seed=seed)
        if keep:
            ctx.set_materialize_grads(False)  # a zero gradient of all states is large
            ctx.kernel, ctx.rows = kernel, rows
            ctx.all_steps, ctx.seed = all_steps, seed
            ctx.shapes = [w.shape for w in weights]
        else:
            _give_back(kernel)
        if steps is None:
            steps = np.zeros((len(starts), 0, last.shape[1]), dtype=np.float32)
        return torch.from_numpy(steps), torch.from_numpy(last)

    @staticmethod
    @once_differentiable
    def backward(ctx, d_steps, d_last):
        if ctx.kernel is None:
            raise RuntimeError("the layers were differentiated twice; run them again")
        kernel, ctx.kernel = ctx.kernel, None
        grads, d_values = kernel.run_backward(
            ctx.rows,
            None if d_last is None else _array(d_last),
            None if d_steps is None or not ctx.all_steps else _array(d_steps),
            inputs=ctx.needs_input_grad[1],
            seed=ctx.seed,
        )
        _give_back(kernel)
        d_inputs = None if d_values is None else torch.from_numpy(d_values)
        d_weights = _split(torch.from_numpy(grads), ctx.shapes)
        return None, d_inputs, None, None, None, None, None, *d_weights


def _array(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as a contiguous float32 array."""
    return tensor.detach().contiguous().numpy()


def _split(flat: torch.Tensor, shapes: list[torch.Size]) -> list[torch.Tensor]:
    """Return views of a flat vector, one for each shape."""
    pieces, at = [], 0
    for shape in shapes:
        end = at + shape.numel()
        pieces.append(flat[at:end].view(shape))
        at = end
    return pieces


def _take_kernel(network: NetworkSpec) -> Kernel:
    """Return memory for a network, of an earlier call if there is any."""
    try:
        return _idle[network].pop()
    except (KeyError, IndexError):
        return Kernel(network, np.zeros(network.n_parameters, dtype=np.float32))


def _give_back(kernel: Kernel) -> None:
    """Keep the memory of a call for the next one."""
    idle = _idle.setdefault(kernel.network, [])
    if len(idle) < _MOST_IDLE:
        idle.append(kernel)


def _pack(kernel: Kernel, weights: tuple[torch.Tensor, ...]) -> None:
    """Pack the layers' weights, from where they lie if they follow each other."""
    at = weights[0].data_ptr()
    for weight in weights:
        if weight.data_ptr() != at or not weight.is_contiguous():
            flat = torch.cat([weight.reshape(-1) for weight in weights])
            kernel.pack_layers(flat.data_ptr())
            return
        at += 4 * weight.numel()
    kernel.pack_layers(weights[0].data_ptr())
