"""Steppers of a fitted net: compiled where predictions are, else NumPy's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sklearn_gru._engines.choice import choose
from sklearn_gru._engines.numba.engine import NumbaEngine
from sklearn_gru._engines.torch.recurrent import layer_weights
from sklearn_gru._model.linear import LinearPart
from sklearn_gru._model.mixed_stepping import MixedStepper
from sklearn_gru._model.poolings import POOLINGS
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.stepping import (
    JointStepper,
    Network,
    NumpyStepper,
    Scales,
    Stepper,
)


def why_not_stepwise(spec: NetworkSpec) -> str | None:
    """Return why a network cannot go on from a state by one row, or None."""
    if spec.bidirectional:
        return (
            "bidirectional=True reads every row again from the newest one, so a state "
            "cannot be carried"
        )
    if spec.normalization is not None:
        return (
            f"normalization={spec.normalization!r} changes all steps of a sequence "
            "when one is added"
        )
    if spec.differences:
        return "add_differences=True reads each row beside the one observed before it"
    if spec.conv_filters:
        return f"conv_filters={spec.conv_filters} reads neighboring rows together"
    if spec.segment_length > 1:
        return (
            f"segment_length={spec.segment_length} lays segments from the newest row, "
            "so they move with every row"
        )
    if POOLINGS[spec.pooling].n_collected is None:
        return f"pooling={spec.pooling!r} needs all states at once"
    return None


def make_stepper(
    nets: Sequence[Any],
    linear: LinearPart | None,
    scales: Scales,
    read: Callable[[np.ndarray], np.ndarray],
    n_slots: int = 1,
    *,
    rolls: bool = False,
) -> Stepper:
    """Return a stepper of nets, mixed with a linear part; see :func:`stepper_of`."""
    decode = scales.center, scales.unit
    if linear is not None:  # which is mixed with what is not decoded yet
        zero = np.zeros_like(scales.center)
        scales = replace(scales, center=zero, unit=zero + 1)
    each = [stepper_of(net, scales, read, n_slots, rolls=rolls) for net in nets]
    stepper = each[0] if len(each) == 1 else JointStepper(each)
    if linear is None:
        return stepper
    return MixedStepper(stepper, linear, read, decode)


def stepper_of(
    net: Any,
    scales: Scales,
    read: Callable[[np.ndarray], np.ndarray],
    n_slots: int = 1,
    *,
    rolls: bool = False,
) -> Stepper:
    """Return a stepper with the weights that a net has now.

    `read` encodes rows as `predict` does; the compiled stepper does so itself.
    """
    module, plan = net.module_, net.plan(trains=False)
    # Row by row, an output at every step is one of the newest state.
    spec = replace(module.spec, per_step=False)
    engine, _ = choose(replace(plan, spec=spec))
    if isinstance(engine, NumbaEngine):
        steps = importlib.import_module("sklearn_gru._engines.numba.steps")
        flat = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
        return steps.Stepper(spec, flat.numpy(), scales, n_slots, rolls=rolls)
    return NumpyStepper(
        spec,
        network_arrays(module),
        read,
        len(scales.mean),
        (scales.center, scales.unit),
        n_slots,
        rolls=rolls,
    )


def network_arrays(module: Any) -> Network:
    """Return copies of the weights of a module of one direction."""
    tables = [] if module.embedding is None else module.embedding.tables
    return Network(
        [
            {name: _array(p) for name, p in layer_weights(directions[0]).items()}
            for directions in module.recurrent.layers
        ],
        {name: _array(p) for name, p in module.pooling.named_parameters()},
        (_array(module.head.weight), _array(module.head.bias)),
        [_array(table.weight) for table in tables],
    )


def versions_of(nets: Sequence[Any]) -> list[tuple[int, int]]:
    """Return numbers that change when the weights do.

    The fused AdamW of PyTorch changes weights without a new version, so epochs count.
    """
    parameters = [p for net in nets for p in _parameters(net.module_)]
    versions = [(p.data_ptr(), p._version) for p in parameters]
    return [(len(net.history), 0) for net in nets] + versions


def _parameters(module: torch.nn.Module) -> Iterator[torch.nn.Parameter]:
    """Yield the parameters of a module, in a third of the time of its own method."""
    for parameter in module._parameters.values():
        if parameter is not None:
            yield parameter
    for child in module._modules.values():
        if child is not None:
            yield from _parameters(child)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()
