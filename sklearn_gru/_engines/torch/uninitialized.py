"""Layers of ``torch.nn`` whose parameters have no values yet.

A constructor of ``torch.nn`` draws its parameters from the global generator, which fits
must not touch. ``nn.utils.skip_init`` avoids that by way of the meta device, for which
PyTorch imports sympy: 0.15 s of the first fit of a process.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

Layer = TypeVar("Layer", bound=nn.Module)


def uninitialized(kind: Callable[..., Layer], *args: Any, **kwargs: Any) -> Layer:
    """Return a layer on the CPU whose parameters must be set before it is used."""
    undrawn: Any = _undrawn(kind)
    layer = undrawn(*args, **kwargs)
    layer.__class__ = kind
    return layer


@functools.cache
def _undrawn(kind: Any) -> Any:
    """Return a subclass whose constructor leaves the parameters uninitialized."""
    return type(kind.__name__, (kind,), {"reset_parameters": lambda self: None})
