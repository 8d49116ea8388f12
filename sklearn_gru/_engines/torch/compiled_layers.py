"""The engine for networks without full kernels: compiled layers under autograd."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from sklearn_gru._engines.base import Plan
from sklearn_gru._engines.numba.engine import (
    compile_error,
    flatten_parameters,
    layers_decline,
)
from sklearn_gru._engines.torch.pieces import Carried
from sklearn_gru._engines.torch.session import TorchEngine, TorchSession
from sklearn_gru._model.poolings import POOLINGS


class CompiledLayersEngine(TorchEngine):
    """Engine that runs the recurrent layers in kernels and the rest in PyTorch."""

    name = "numba+autograd"
    is_invariant = False

    def declines(self, plan: Plan) -> str | None:
        """Return why the kernels cannot run the layers, or None."""
        reason = layers_decline(plan)
        if reason is None and plan.trains:
            reason = compile_error(plan, whole_step=False)
        return reason

    def open(self, net: Any, plan: Plan, threads: int = 1) -> TorchSession:
        """Open a session that computes with a net."""
        if plan.trains:
            parameters = list(net.module_.parameters())
            flatten_parameters(parameters)  # lets the kernels read layers in place
        layers = CompiledLayers(net.module_.recurrent, trains=plan.trains)
        if decoder := getattr(net.module_, "decoder", None):
            layers.decoder = CompiledLayers(decoder, trains=plan.trains)
        return TorchSession(net, layers)


class CompiledLayers:
    """The recurrent layers of a module, run by the kernels in memory of their own."""

    def __init__(self, recurrent: Any, *, trains: bool = False) -> None:
        from sklearn_gru._engines.numba.autograd import KernelPool

        self.recurrent = recurrent
        self.pool = KernelPool(trains=trains)
        self.decoder: CompiledLayers | None = None

    def __call__(
        self,
        values: Tensor,
        lengths: Tensor | None,
        carried: Carried | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run the layers; omit the states if only the last one is read."""
        from sklearn_gru._engines.numba.autograd import dense_sequences, run_layers

        spec, training = self.recurrent.spec, self.recurrent.training
        dropout = self.recurrent.dropout
        rows, starts, full = dense_sequences(values)
        all_steps = spec.per_step or POOLINGS[spec.pooling].reads_steps
        between = spec.dropout if spec.num_layers > 1 else 0.0
        states, last = run_layers(
            spec,
            list(self.recurrent.parameters()),
            rows,
            starts,
            full if lengths is None else lengths.numpy(),
            all_steps=all_steps,
            seed=dropout.stream.draw() if training and between else 0,
            training=training,
            pool=self.pool,
            carried=carried,
        )
        # The kernels stop at the longest sequence, PyTorch at the end of the padding.
        absent = values.shape[1] - states.shape[1]
        if absent and all_steps:
            states = F.pad(states, (0, 0, 0, absent))
        return states, last
