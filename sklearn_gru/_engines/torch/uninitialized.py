"""Layers of ``torch.nn`` whose parameters have no values yet.

A constructor of ``torch.nn`` draws its parameters from the global generator, which fits
must not touch. On the meta device it draws nothing. ``Module.to_empty`` and
``nn.utils.skip_init`` continue from there, but they call ``torch.empty_like`` on meta
tensors, for which PyTorch imports sympy: 0.15 s of the first fit of a process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


def uninitialized(kind: Callable[..., Layer], *args: Any, **kwargs: Any) -> Layer:
    """Return a layer on the CPU whose parameters must be set before it is used."""
    layer = kind(*args, device="meta", **kwargs)
    for name, parameter in list(layer.named_parameters()):
        # nn.GRU also keeps its parameters in a list, which setattr updates.
        setattr(layer, name, nn.Parameter(torch.empty(parameter.shape)))
    return layer
