"""Changes that a user or a callback made to a network, which compiled code must obey.

PyTorch runs whatever modules, hooks and parameters there are. Compiled code computes
what the :class:`NetworkSpec` says, so it declines a network with anything else in it.
Whether something was exchanged is asked before each prediction and each epoch, in a few
microseconds, by comparing identities; only then are all parts looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as _torch_modules

from sklearn_gru._engines.torch.embedding import Embedding
from sklearn_gru._engines.torch.networks import NETWORKS
from sklearn_gru._engines.torch.pooling import Pool
from sklearn_gru._engines.torch.recurrent import Dropout, Recurrent, StepLoop
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.spec import NetworkSpec

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_LAYERS = "recurrent", "decoder", "dropout"
_PLAIN = 0, None, False, False  # of a table, see `_look_up`
_GLOBAL_HOOKS = [getattr(_torch_modules, f"_global{name}") for name in _HOOKS]


class Outline:
    """The parts and parameters of a module at one moment.

    Attributes
    ----------
    parameters : list of Parameter
        All parameters, in the order of ``module.parameters()``.
    changed, changed_layers : str or None
        Reason why the network, or its recurrent layers, are not what the spec says.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.parameters = list(module.parameters())
        self._parts: list[Any] = list(module.modules())
        self._contents = [
            contents
            for part in self._parts
            for contents in (part._modules, part._parameters, part._buffers)
        ]
        hooks = [getattr(part, name) for part in self._parts for name in _HOOKS]
        # A new attribute may be a patched `forward`.
        self._sized = [*map(vars, self._parts), *hooks, *_GLOBAL_HOOKS]
        # To hold the contents keeps their identities unique.
        self._held = [value for c in self._contents for value in c.values()]
        self._tables = [part for part in self._parts if isinstance(part, nn.Embedding)]
        self._then = self._marks()
        self.changed = why_changed(module)
        self.changed_layers = None
        if self.changed is not None:
            self.changed_layers = why_changed(module, layers_only=True)

    def describes(self, module: nn.Module) -> bool:
        """Return True if the module has the same parts, hooks and memory."""
        return module is self.module and self._marks() == self._then

    def follow(self) -> None:
        """Describe the same parts, whose parameters were moved to other memory."""
        now = self._marks()
        if now[:-1] == self._then[:-1]:
            self._then = now

    def _marks(self) -> tuple[list[Any], ...]:
        """Return what differs once something was exchanged; all loops are in C."""
        return (
            list(map(id, chain.from_iterable(map(dict.values, self._contents)))),
            list(map(len, self._sized)),
            list(map(type, self._parts)),
            list(map(_look_up, self._tables)),
            list(map(torch.Tensor.data_ptr, self.parameters)),
        )


def _look_up(table: nn.Embedding) -> tuple[Any, ...]:
    """Return what changes the rows or the gradient of a table while it is read."""
    options = table.max_norm, table.scale_grad_by_freq, table.sparse
    return (table.padding_idx, *options)


def why_changed(module: nn.Module, *, layers_only: bool = False) -> str | None:
    """Return why a network, or its recurrent layers, differ from the spec, or None."""
    if type(module) not in NETWORKS:
        return f"the network is a {type(module).__name__}"
    spec: Any = module.spec
    for name, part in module.named_modules():
        if layers_only and name.partition(".")[0] not in _LAYERS:
            continue
        label, kind = name or "the network", type(part)
        if any(getattr(part, hooks) for hooks in _HOOKS) or any(_GLOBAL_HOOKS):
            return f"{label} has a hook"
        if isinstance(part, nn.Embedding) and _look_up(part) != _PLAIN:
            return f"{label} has other options"
        if "forward" in vars(part) or not _is_expected(name, kind, spec):
            return f"{label} was replaced by a {kind.__name__}"
    return _other_parameters(module, layers_only)


def _is_expected(name: str, kind: type, spec: NetworkSpec) -> bool:
    """Return True if a part of this name and type belongs to the network."""
    first, *rest = name.split(".")
    if first in ("recurrent", "decoder"):
        layer = CELLS[spec.cell].torch_layer
        one = StepLoop if layer is None else getattr(nn, layer)
        kinds = {0: (Recurrent,), 1: (nn.ModuleList, Dropout), 2: (nn.ModuleList,)}
        return kind in kinds.get(len(rest), (one,))
    if first == "embedding":
        return kind is (Embedding, nn.ModuleList, nn.Embedding)[len(rest)]
    if not first:
        return kind in NETWORKS
    parts: dict[str, type] = {"dropout": Dropout, "head": nn.Linear, "pooling": Pool}
    # The others are of many kinds; no kernel computes them.
    return kind is parts.get(first, kind)


def _other_parameters(module: Any, layers_only: bool) -> str | None:
    """Return how the parameters differ in number, shape or dtype, or None."""
    decoder = getattr(module, "decoder", None)
    if decoder is not None:
        return _other_layers(module.recurrent) or _other_layers(decoder)
    if layers_only or module.spec.conv_filters:  # no kernel computes all of it
        return _other_layers(module.recurrent)
    if reason := _other_number(module.recurrent):
        return reason
    return _other_shapes(list(module.parameters()), module.spec.parameters())


def _other_layers(recurrent: Any) -> str | None:
    """Return how the parameters of recurrent layers differ, or None."""
    if reason := _other_number(recurrent):
        return reason
    others = ("pooling", "head", "embedding")
    expected = recurrent.spec.parameters().items()
    shapes = {name: shape for name, shape in expected if not name.startswith(others)}
    return _other_shapes(list(recurrent.parameters()), shapes)


def _other_number(recurrent: Any) -> str | None:
    """Return how many layers there are, which a changed file may make any number."""
    found, expected = len(recurrent.layers), recurrent.spec.num_layers
    return None if found == expected else f"it has {found} layers instead of {expected}"


def _other_shapes(
    found: list[nn.Parameter], expected: dict[str, tuple[int, ...]]
) -> str | None:
    """Return how parameters differ from names and shapes, or None."""
    if len(found) != len(expected):
        return f"it has {len(found)} parameters instead of {len(expected)}"
    for parameter, (name, shape) in zip(found, expected.items(), strict=True):
        if tuple(parameter.shape) != shape:
            return f"{name} has shape {tuple(parameter.shape)} instead of {shape}"
        if parameter.dtype != found[0].dtype:
            return f"{name} has another dtype than the other parameters"
    return None


def flat_view(parameters: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return parameters as one vector: a view if they follow each other in memory."""
    first = parameters[0].detach()
    at, memory = first.data_ptr(), first.untyped_storage().data_ptr()
    for parameter in parameters:
        inside = parameter.untyped_storage().data_ptr() == memory
        if not inside or parameter.data_ptr() != at or not parameter.is_contiguous():
            return torch.cat([p.detach().reshape(-1) for p in parameters])
        at += parameter.element_size() * parameter.numel()
    return first.as_strided((sum(p.numel() for p in parameters),), (1,))
