"""The recurrent layers as a torch function, for heads and losses the kernels lack.

Attention, quantiles, convolution branches or a user's own module take the states from
here and go on in torch; gradients flow back to the layers' weights and to the inputs.
Inputs may be dense (see `dense_sequences`) or flat rows.
"""

import functools
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from sklearn_gru._engines.numba.calls import Kernel, Rows
from sklearn_gru._engines.torch.changes import flat_view
from sklearn_gru._model.spec import NetworkSpec

_MOST_IDLE = 2  # kernels; a training loop needs one at a time


class KernelPool:
    """Kernels whose memory is reused by the calls of one session, and freed with it.

    To allocate the memory anew would cost more than a small batch. Between calls, a
    pool that predicts keeps no large workspace; one that trains keeps it until it is
    dropped.
    """

    def __init__(self, *, trains: bool = False):
        self.trains = trains
        self._idle: list[Kernel] = []

    def take(self, network: NetworkSpec) -> Kernel:
        """Return a kernel for a network, of an earlier call if there is one."""
        try:
            kernel = self._idle.pop()
        except IndexError:
            kernel = None
        if kernel is None or kernel.network != network:
            kernel = Kernel(network, np.zeros(network.n_parameters, dtype=np.float32))
        return kernel

    def give_back(self, kernel: Kernel) -> None:
        """Keep the memory of a call for the next one."""
        if not self.trains:
            kernel.shrink()
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(kernel)

    @property
    def nbytes(self) -> int:
        """Number of bytes that idle kernels keep."""
        return sum(kernel.nbytes for kernel in self._idle)


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
    pool: KernelPool | None = None,
    carried: Any = None,
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
    pool : KernelPool, optional
        Memory of earlier calls.
    carried : Carried, optional
        States to begin the forward direction in; gets those at the end. No gradient
        flows through either.
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
    _check_weights(layers, weights)
    pool = pool or KernelPool()
    return _RunLayers.apply(
        layers, pool, values, starts, lengths, all_steps, seed, keep, carried,
        *weights,
    )  # fmt: skip


@functools.lru_cache(maxsize=64)
def _shapes(layers: NetworkSpec) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return names and shapes of the weights of the layers."""
    return tuple(layers.parameters().items())[:-2]  # the last two are the head's


def _check_weights(layers: NetworkSpec, weights: list[torch.Tensor]) -> None:
    """Refuse weights of other shapes or dtypes than compiled code would read."""
    expected = _shapes(layers)
    if len(weights) != len(expected):
        raise ValueError(f"{len(weights)} weights, but the layers have {len(expected)}")
    for weight, (name, shape) in zip(weights, expected, strict=True):
        if tuple(weight.shape) != shape or weight.dtype != torch.float32:
            raise ValueError(
                f"{name} has shape {tuple(weight.shape)} and {weight.dtype}; expected "
                f"{shape} and torch.float32"
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
    def forward(
        ctx, network, pool, values, starts, lengths, all_steps, seed, keep, carried,
        *weights,
    ):  # fmt: skip
        keep = keep and any(ctx.needs_input_grad)
        kernel = pool.take(network)
        _pack(kernel, weights)
        rows = Rows(_array(values), starts, lengths)
        initial = None if carried is None else _array(carried.initial)
        last, steps, final = kernel.run(
            rows, all_steps=all_steps, keep=keep, seed=seed, initial=initial
        )
        if final is not None:
            carried.final = torch.from_numpy(final)
        if keep:
            ctx.set_materialize_grads(False)  # a zero gradient of all states is large
            ctx.kernel, ctx.rows, ctx.pool = kernel, rows, pool
            ctx.all_steps, ctx.seed = all_steps, seed
            ctx.shapes = [w.shape for w in weights]
        else:
            pool.give_back(kernel)
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
            inputs=ctx.needs_input_grad[2],
            seed=ctx.seed,
        )
        ctx.pool.give_back(kernel)
        d_inputs = None if d_values is None else torch.from_numpy(d_values)
        d_weights = _split(torch.from_numpy(grads), ctx.shapes)
        return None, None, d_inputs, None, None, None, None, None, None, *d_weights


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


def _pack(kernel: Kernel, weights: tuple[torch.Tensor, ...]) -> None:
    """Pack the layers' weights, from where they lie if they follow each other."""
    kernel.pack_layers(flat_view(list(weights)).numpy())
