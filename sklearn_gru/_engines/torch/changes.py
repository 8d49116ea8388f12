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
from sklearn_gru._engines.torch.module import SequenceModel
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
        self.changed_layers = why_changed(module, layers_only=True)
        self.changed = self.changed_layers or why_changed(module)

    def describes(self, module: nn.Module) -> bool:
        """Return True if the module has the same parts, hooks and memory."""
        return module is self.module and self._marks() == self._then

    def _marks(self) -> tuple[list[Any], ...]:
        """Return what differs once something was exchanged; all loops are in C."""
        return (
            list(map(id, chain.from_iterable(map(dict.values, self._contents)))),
            list(map(len, self._sized)),
            list(map(type, self._parts)),
            list(map(torch.Tensor.data_ptr, self.parameters)),
            list(map(_look_up, self._tables)),
        )


def _look_up(table: nn.Embedding) -> tuple[Any, ...]:
    """Return what changes the rows or the gradient of a table while it is read."""
    options = table.max_norm, table.scale_grad_by_freq, table.sparse
    return (table.padding_idx, *options)


def why_changed(module: nn.Module, *, layers_only: bool = False) -> str | None:
    """Return why a network, or its recurrent layers, differ from the spec, or None."""
    if type(module) is not SequenceModel:
        return f"the network is a {type(module).__name__}"
    for name, part in module.named_modules():
        if layers_only and name.partition(".")[0] not in ("recurrent", "dropout"):
            continue
        label, kind = name or "the network", type(part)
        if any(getattr(part, hooks) for hooks in _HOOKS) or any(_GLOBAL_HOOKS):
            return f"{label} has a hook"
        if isinstance(part, nn.Embedding) and _look_up(part) != _PLAIN:
            return f"{label} has other options"
        if "forward" in vars(part) or not _is_expected(name, kind, module.spec):
            return f"{label} was replaced by a {kind.__name__}"
    return _other_parameters(module, layers_only)


def _is_expected(name: str, kind: type, spec: NetworkSpec) -> bool:
    """Return True if a part of this name and type belongs to the network."""
    first, *rest = name.split(".")
    if first == "recurrent":
        layer = CELLS[spec.cell].torch_layer
        one = StepLoop if layer is None else getattr(nn, layer)
        kinds = {0: (Recurrent,), 1: (nn.ModuleList, Dropout), 2: (nn.ModuleList,)}
        return kind in kinds.get(len(rest), (one,))
    if first == "embedding":
        return kind is (Embedding, nn.ModuleList, nn.Embedding)[len(rest)]
    parts: dict[str, type] = {"": SequenceModel, "dropout": Dropout, "head": nn.Linear}
    # The others are of many kinds; no kernel computes them.
    return kind is {**parts, "pooling": Pool}.get(first, kind)


def _other_parameters(module: SequenceModel, layers_only: bool) -> str | None:
    """Return how the parameters differ in number, shape or dtype, or None."""
    n_layers = len(module.recurrent.layers)
    if n_layers != module.spec.num_layers:  # which a changed file may make any number
        return f"it has {n_layers} layers instead of {module.spec.num_layers}"
    expected = list(module.spec.parameters().items())
    if layers_only:
        others = ("pooling", "head", "embedding")
        expected = [e for e in expected if not e[0].startswith(others)]
        found = list(module.recurrent.parameters())
    elif module.spec.conv_filters:
        return None  # no kernel computes all of it
    else:
        found = list(module.parameters())
    if len(found) != len(expected):
        return f"it has {len(found)} parameters instead of {len(expected)}"
    kind = next(module.parameters()).dtype
    for parameter, (name, shape) in zip(found, expected, strict=True):
        if tuple(parameter.shape) != shape:
            return f"{name} has shape {tuple(parameter.shape)} instead of {shape}"
        if parameter.dtype != kind:
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
