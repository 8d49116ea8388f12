"""Recurrent networks on a CPU, trained several times faster than torch does it.

`torch.nn.GRU` spends most of its time between the products: thousands of small
operations, and as many autograd nodes, a step. Here the whole of a training step, from
flat rows to AdamW, is one compiled program (numba, with matrix products written in
LLVM's own language), on parameters in torch's own layout, to the same numbers.

The seam to the rest of the package, all of it plain numpy:

* `available()` says whether the kernels can be used on this machine, `reason()` why
  not. numba is imported by the first call of either, never by importing this package.
* A network is described by a `NetworkSpec`; `supports(network)` returns None,
  or the reason for which the kernels decline it.
* `Trainer(network, params, ...)` runs epochs: `train_epoch(...)` is one call.
* `Predictor(network, params)` packs the weights once and predicts any number of
  sequences: `predict(values, starts, lengths)`.
* `warm_up(network)` compiles ahead: about 6 seconds once per machine and kind of cell,
  0.4 seconds from the cache in each later process (the import of numba included).
* `warm_up_shared(network)` does so for batches that processes share.
* `standardize(values, mean, scale, out)` does what NumPy would, several times as fast;
  `warm_up_standardize()` compiles it ahead.
* `warm_up_layers(network)` does so for `autograd.run_layers`: the same layers as a
  torch function, for other heads.

Sequences are never materialised: sequence i is the rows `starts[i]` to
`starts[i] + lengths[i]` of `values (n_rows, n_inputs)`, and sequences may overlap.

The flat vector of parameters holds, in the order of torch's state_dict,
`weight_ih_l0 (gates H, inputs)`, `weight_hh_l0 (gates H, H)`, `bias_ih_l0`,
`bias_hh_l0`, the same with `_reverse`, the following layers, then the head's weight
`(n_outputs, pooled)` and bias, then the tables of embeddings:
`NetworkSpec.parameters()` lists them.

Results are a function of the batch alone: not of the number of threads, nor, for
predictions and states, of the other sequences in the batch.

>>> supports(NetworkSpec("gru", n_inputs=8, hidden_size=32))
>>> supports(NetworkSpec("gru", n_inputs=8, hidden_size=32, pooling="attention"))
"pooling 'attention' has no kernel"
"""

import functools
import importlib
import os

import numpy as np

from sklearn_gru._engines.numba.support import has_cell, why_unsupported
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._support.ranks import Ranks

__all__ = [
    "Predictor",
    "Trainer",
    "available",
    "has_cell",
    "is_compiled",
    "reason",
    "standardize",
    "supports",
    "vector_unit",
    "warm_up",
    "warm_up_layers",
    "warm_up_shared",
    "warm_up_standardize",
    "why_not_kept",
]

_MANY = 1 << 19  # values: NumPy standardizes fewer in less than a millisecond

OFF = "SKLEARN_GRU_NO_NUMBA"  # set to 1, it turns the kernels off


def available() -> bool:
    """Return whether the kernels can run here; imports numba when first called."""
    return reason() is None


def reason() -> str | None:
    """Return None if the kernels can run here, or why they cannot."""
    if os.environ.get(OFF, "").strip().lower() not in ("", "0", "false", "no", "off"):
        return f"the environment variable {OFF} is set"
    return _import_failure()


@functools.cache
def _import_failure() -> str | None:
    """Return why numba or the compiled modules cannot be imported, or None."""
    try:
        importlib.import_module(".calls", __name__)
    except Exception as error:  # numba fails in many ways on platforms it lacks
        return f"numba cannot be used: {type(error).__name__}: {error}"
    return None


def supports(network: NetworkSpec) -> str | None:
    """Return None if the kernels can train this network, or why they decline it."""
    return why_unsupported(network)


def vector_unit() -> str:
    """Return the name of the vector instructions the kernels are compiled for."""
    return importlib.import_module(".compile.jit", __name__).VECTOR_UNIT.name


def warm_up(network: NetworkSpec) -> None:
    """Compile, or load from disk, all that training this kind of cell needs.

    Programs are shared by all networks of one kind of cell, whatever their sizes.
    """
    params = np.zeros(network.n_parameters, dtype=np.float32)
    sequence = _one_sequence(network)
    _train_once(network, params, sequence)
    Predictor(network, params).predict(*sequence)


@functools.cache
def warm_up_shared(network: NetworkSpec) -> None:
    """Compile, or load from disk, what ranks need that share batches."""
    params = np.zeros(network.n_parameters, dtype=np.float32)
    _train_once(network, params, _one_sequence(network), ranks=_OnlyRank())


def _one_sequence(network: NetworkSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows, starts and lengths of a sequence of one step."""
    values = np.zeros((1, network.n_read), dtype=np.float32)
    return values, np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)


def _train_once(network, params, sequence, ranks=None) -> None:
    values, start, length = sequence
    target = np.zeros((1, network.target_width), dtype=np.float32)
    Trainer(network, params).train_epoch(
        values, start, length, target, np.ones(1, dtype=np.float32), order=start,
        batch_size=1, rates=np.zeros(1), ranks=ranks,
    )  # fmt: skip


class _OnlyRank:
    """The single process of a group of one."""

    rank, size = 0, 1

    def exchange(self, own: np.ndarray, every: np.ndarray) -> None:
        """Write the own array to the only row."""
        every[0] = own


def warm_up_layers(network: NetworkSpec) -> None:
    """Compile, or load from disk, what the layers need behind `run_layers`."""
    calls = importlib.import_module(".calls", __name__)
    kernel = calls.Kernel(network, np.zeros(network.n_parameters, dtype=np.float32))
    values = np.zeros((1, network.n_read), dtype=np.float32)
    start, length = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    rows = calls.Rows(values, start, length)
    n_head = network.n_parameters - network.n_outputs * (network.n_pooled + 1)
    kernel.pack_layers(kernel.params[:n_head])
    last, *_ = kernel.run(rows, all_steps=False, keep=True)
    kernel.run_backward(rows, last, None)


def is_compiled(cell: str) -> bool:
    """Return whether the compiled code of a kind of cell lies on the disk."""
    calls = importlib.import_module(".calls", __name__)
    return calls.is_cached(cell)


def why_not_kept() -> str | None:
    """Return None if compiled code can be kept on the disk, or why it cannot."""
    return importlib.import_module(".compile.jit", __name__).why_not_kept()


def standardize(
    values: np.ndarray, mean: np.ndarray, scale: np.ndarray, out: np.ndarray
) -> int:
    """Write (values - mean) / scale as float32; return how many rows are right.

    They are the first ones: none of few rows, for which it is not worth it, none if a
    result is not finite, and none where it does not compile.
    """
    if values.size < _MANY:
        return 0
    if not (values.flags.c_contiguous and out.flags.c_contiguous and available()):
        return 0
    if not _can_standardize(values.dtype.str):
        return 0
    return _standardize(values, mean, scale, out)


def warm_up_standardize() -> None:
    """Compile, or load from disk, the standardization of many rows."""
    for kind in (np.float32, np.float64):
        _can_standardize(np.dtype(kind).str)


@functools.cache
def _can_standardize(dtype: str) -> bool:
    """Compile for rows of a dtype; return whether that is possible."""
    values, ones = np.zeros((1024, 1), dtype), np.ones(1)
    try:
        _standardize(values, ones, ones, np.empty((1024, 1), np.float32))
    except Exception:  # NumPy computes the same
        return False
    return True


def _standardize(*arrays: np.ndarray) -> int:
    calls = importlib.import_module(".calls", __name__)
    return calls.standardize(*arrays)


class Trainer:
    """Train a network's flat parameters, in place, an epoch at a time.

    Parameters
    ----------
    network : NetworkSpec
        What to train; `supports(network)` must be None.
    params : float32 array (n_parameters,)
        Torch's parameters, flat; every step changes them in place, so a torch module
        whose parameters are views of this array sees the change.
    clip_norm : float
        Gradients are scaled to this global norm if theirs is larger; 0: never.
    weight_decay : float
        Of AdamW (decoupled), on every parameter.

    Attributes
    ----------
    grads : float32 array (n_parameters,)
        Gradient of the last batch, before clipping.
    mean, square : float32 arrays (n_parameters,)
        AdamW's moments (`exp_avg` and `exp_avg_sq` of torch); may be set in place.
    step : int
        AdamW steps taken; may be set.
    """

    def __init__(
        self,
        network: NetworkSpec,
        params: np.ndarray,
        *,
        clip_norm: float = 0.0,
        weight_decay: float = 0.0,
    ):
        calls = importlib.import_module(".calls", __name__)
        if not params.flags.writeable:
            raise ValueError("params must be writable: training changes them in place")
        self.network, self.params = network, params
        self.clip_norm, self.weight_decay = clip_norm, weight_decay
        self.grads, self.mean, self.square = (np.zeros_like(params) for _ in range(3))
        self.step = 0
        self._calls = calls
        self._kernel = calls.Kernel(network, params)

    def train_epoch(
        self, values, starts, lengths, targets, weights, *, order, batch_size, rates,
        seeds=None, threads=1, segment_length=1, levels=None, leading=None, ranks=None,
    ) -> np.ndarray:  # fmt: skip
        """Run one AdamW step for every batch of `order`; return the batches' losses.

        The loss of a batch is the mean over its sequences of weight times loss, the
        loss of a sequence the mean over its outputs.

        Parameters
        ----------
        values : float32 (n_rows, n_columns)
            Indices last, one for each table of embeddings.
        starts, lengths : int64 (n,)
            In rows.
        targets : float32 (n, target_width), or integers (n,) for cross-entropy
        weights : float32 (n,)
            Sample weight times class weight.
        order : int64 (n_used,)
            Which sequences, in which order; batches are consecutive pieces of it.
        batch_size : int
        rates : float64 (n_batches,)
            Learning rate of each step.
        seeds : uint64 (n_batches,), optional
            Of the dropout masks.
        threads : int
            At most; used where they pay, and never seen in the result.
        segment_length : int
            Rows read at a time, so that the last segment ends with its sequence; what
            the first one reaches in front of it counts as 0, and must exist.
        levels : pair of float32 (n, n_levels), optional
            Shift and scale of every sequence: of the first columns,
            (values - shift) / scale is read, and 0 where they are NaN.
        leading : int64 (n, n_differences), optional
            Rows of every sequence at which the first columns are read as 0.
        ranks : Ranks, optional
            Processes that take the same steps and share their computation; never seen
            in the result.

        Returns
        -------
        losses : float64 (n_batches,)
        """
        calls, n = self._calls, len(starts)
        rows = calls.Rows(
            values, starts, lengths,
            segment_length=segment_length, levels=levels, leading=leading,
            embeddings=self.network.embeddings,
        )  # fmt: skip
        objective = calls.Objective(
            calls.as_targets(targets, self.network, n),
            calls.checked(weights, np.float32, n, "weights"),
            calls.as_parameters(self.network),
        )
        optimizer = calls.Optimizer(
            self.grads, self.mean, self.square, self.clip_norm, self.weight_decay,
            self.step,
        )  # fmt: skip
        losses = self._kernel.train_epoch(
            rows, objective, optimizer, order, int(batch_size), rates, seeds, threads,
            ranks,
        )  # fmt: skip
        self.step += len(losses)
        return losses

    def worth_ranks(self, n: int, n_steps: int, ranks: Ranks) -> bool:
        """Return whether it pays to share batches of n sequences among processes."""
        return self._kernel.worth_ranks(n, n_steps, ranks)

    def predict(
        self, values, starts, lengths, *,
        threads=1, segment_length=1, levels=None, leading=None,
    ) -> np.ndarray:  # fmt: skip
        """Return the head's output (n, n_outputs) with the parameters as they are."""
        self._kernel.pack()
        rows = self._calls.Rows(
            values, starts, lengths,
            segment_length=segment_length, levels=levels, leading=leading,
            embeddings=self.network.embeddings,
        )  # fmt: skip
        return self._kernel.predict(rows, threads)


class Predictor:
    """Predict with weights that are packed once.

    Parameters
    ----------
    network : NetworkSpec
    params : float32 array (n_parameters,)
        Read at construction only.
    """

    def __init__(self, network: NetworkSpec, params: np.ndarray):
        calls = importlib.import_module(".calls", __name__)
        self.network = network
        self._calls = calls
        self._kernel = calls.Kernel(network, params)
        self._kernel.pack()

    def __reduce__(self):
        """Pickle the arguments only: compiled code and memory belong to a process."""
        return Predictor, (self.network, self._kernel.params)

    def predict(
        self, values, starts, lengths, *,
        threads=1, segment_length=1, levels=None, leading=None,
    ) -> np.ndarray:  # fmt: skip
        """Return the head's output (n, n_outputs) float32 of every sequence."""
        rows = self._calls.Rows(
            values, starts, lengths,
            segment_length=segment_length, levels=levels, leading=leading,
            embeddings=self.network.embeddings,
        )  # fmt: skip
        try:
            return self._kernel.predict(rows, threads)
        finally:
            self._kernel.shrink()  # it lives as long as the model
