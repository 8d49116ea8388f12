"""Conversion of a net's torch objects to arrays and plain values, and back.

skorch pickles the modules of a net as objects, and the network under two names. That
ties a file to the classes of torch, and formats that run no code when they open a file
(skops) cannot store it. Instead, a network of this package is stored as its description
and its arrays. A net whose parts a callback has replaced or extended is left to skorch.
"""

from __future__ import annotations

from typing import Any

import torch
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.optim import AdamW
from torch.utils.data import DataLoader

from sklearn_gru._engines.torch.adamw import AdamWState, read_state, unusual
from sklearn_gru._engines.torch.changes import why_changed
from sklearn_gru._engines.torch.module import WeightedLoss
from sklearn_gru._engines.torch.networks import make_module

# Attributes of skorch's nets that hold torch objects.
ATTRIBUTES = ("module", "module_", "criterion", "criterion_", "optimizer_")


def to_archive(net: Any) -> dict[str, Any] | None:
    """Return plain values from which :func:`from_archive` restores the net, or None."""
    if not all(name in vars(net) for name in ATTRIBUTES) or not _is_ours(net):
        return None
    if not _has_classes_of_skorch(net):
        return None
    module, state = net.module_, read_state(net.optimizer_state)
    return {
        "spec": module.spec,
        "stream": module.dropout.stream,
        "arrays": {name: t.numpy() for name, t in module.state_dict().items()},
        "fixed": [n for n, p in module.named_parameters() if not p.requires_grad],
        "moments": [
            {name: t.numpy() for name, t in moments.items()}
            for moments in state.moments
            if moments
        ],
        "group": state.options,
    }


def from_archive(archive: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of the net that :func:`to_archive` converted."""
    n_layers, n_arrays = archive["spec"].num_layers, len(archive["arrays"])
    if n_layers > n_arrays:
        raise ValueError(
            f"The file describes {n_layers} layers, but has only {n_arrays} arrays: it "
            "was changed after it was written. Fit the model again."
        )
    module = make_module(archive["spec"], None, archive["stream"])
    tensors = {name: torch.tensor(array) for name, array in archive["arrays"].items()}
    module.to(tensors["head.weight"].dtype).load_state_dict(tensors)
    for name, parameter in module.named_parameters():
        parameter.requires_grad = name not in archive["fixed"]
    spec = archive["spec"]
    criterion = WeightedLoss(spec.loss, spec.loss_parameters)
    moments = [
        {name: torch.tensor(array) for name, array in state.items()}
        for state in archive["moments"]
    ]
    optimizer = AdamWState(archive["group"], moments)
    values = (module, module, criterion, criterion, optimizer)
    return dict(zip(ATTRIBUTES, values, strict=True))


def _has_classes_of_skorch(net: Any) -> bool:
    """Return True if a new net has the same classes, which are not stored."""
    given = net.optimizer, net.dataset, net.iterator_train, net.iterator_valid
    return given == (AdamW, Dataset, DataLoader, DataLoader)


def _is_ours(net: Any) -> bool:
    """Return True if all parts of a net are as this package made them."""
    module, optimizer = net.module_, net.optimizer_state
    if why_changed(module) is not None or type(net.criterion_) is not WeightedLoss:
        return False
    parameters = list(module.parameters())
    if unusual(optimizer, parameters) is not None:
        return False
    moments = read_state(optimizer).moments
    plain_states = (not any(moments) or all(moments)) and all(
        isinstance(t, Tensor) for state in moments for t in state.values()
    )
    blank = make_module(module.spec, None, module.dropout.stream)
    on_cpu = all(p.device.type == "cpu" for p in parameters)
    return on_cpu and plain_states and _outline(module) == _outline(blank)


def _outline(module: nn.Module) -> list[Any]:
    """Return types and hook counts of all parts, and names and shapes of the state."""
    parts: list[Any] = [
        (name, type(part), len(part._forward_hooks), len(part._forward_pre_hooks))
        for name, part in module.named_modules()
    ]
    return parts + [(name, t.shape) for name, t in module.state_dict().items()]
