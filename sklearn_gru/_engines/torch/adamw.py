"""The state of AdamW before anyone needs the optimizer itself.

Making an optimizer of ``torch.optim`` imports ``torch._dynamo``, half of the time of
the first fit of a process, and the kernels keep the moments of AdamW themselves. A net
therefore holds an :class:`AdamWState` until PyTorch trains it, a callback reads
``net.optimizer_`` or a user reads ``net_.optimizer_``; :meth:`AdamWState.make` then
returns an optimizer that continues from the same state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

# Of one parameter: "step", "exp_avg" and "exp_avg_sq"; empty before the first step.
Moments = dict[str, Tensor]

_ALWAYS = ("lr", "weight_decay", "fused")  # the options that a net starts with


@dataclass
class AdamWState:
    """Options of AdamW, and the moments of each parameter in the module's order.

    Attributes
    ----------
    options : dict
        Options of ``torch.optim.AdamW``; those that are absent have its defaults.
    moments : list of dict of tensors
        Empty before the first optimizer step.
    """

    options: dict[str, Any]
    moments: list[Moments] = field(default_factory=list)

    def make(self, module: nn.Module) -> AdamW:
        """Return an optimizer of the module's parameters in this state."""
        optimizer = AdamW(module.parameters(), fused=True)
        (group,) = optimizer.state_dict()["param_groups"]
        states = {k: state for k, state in enumerate(self.moments) if state}
        # Loading moves the moments to the device and dtype of the parameters.
        optimizer.load_state_dict(
            {"state": states, "param_groups": [{**group, **self.options}]}
        )
        return optimizer


def read_state(optimizer: Optimizer | AdamWState) -> AdamWState:
    """Return the state of an optimizer that has one group of parameters.

    The options are the same whether the optimizer was made or not.
    """
    if isinstance(optimizer, AdamWState):
        return optimizer
    (group,) = optimizer.param_groups
    defaults = dict(signature(AdamW).parameters)
    del defaults["params"]
    options = {
        name: value
        for name, value in group.items()
        if name in _ALWAYS
        or (name in defaults and value != defaults[name].default)
        or name == "initial_lr"  # of the schedulers of PyTorch
    }
    states = [optimizer.state.get(p, {}) for p in group["params"]]
    return AdamWState(options, [dict(state) for state in states])


def write_moments(optimizer: Optimizer | AdamWState, moments: list[Moments]) -> None:
    """Replace the moments of all parameters."""
    if isinstance(optimizer, AdamWState):
        optimizer.moments = moments
        return
    (group,) = optimizer.param_groups
    for parameter, state in zip(group["params"], moments, strict=True):
        if state:
            optimizer.state[parameter] = state


def write_options(optimizer: Optimizer | AdamWState, options: dict[str, Any]) -> None:
    """Set options of all parameters."""
    if isinstance(optimizer, AdamWState):
        optimizer.options.update(options)
        return
    for group in optimizer.param_groups:
        group.update(options)


def unusual(
    optimizer: Optimizer | AdamWState, parameters: Sequence[Tensor]
) -> str | None:
    """Return how an optimizer differs from AdamW of all parameters, or None."""
    if isinstance(optimizer, AdamWState):
        return None
    if type(optimizer) is not AdamW:
        return f"the optimizer is {type(optimizer).__name__}"
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    if list(map(id, trained)) != list(map(id, parameters)):
        return "the optimizer trains other parameters than the network has"
    if len(optimizer.param_groups) > 1:
        return "the optimizer has several groups of parameters"
    return None


def read_rate(optimizer: Optimizer | AdamWState) -> float:
    """Return the learning rate of the first group of parameters."""
    if isinstance(optimizer, AdamWState):
        return float(optimizer.options["lr"])
    return float(optimizer.param_groups[0]["lr"])


def set_rate(optimizer: Optimizer | AdamWState, rate: float) -> None:
    """Set the learning rate of all parameters."""
    if isinstance(optimizer, AdamWState):
        optimizer.options["lr"] = rate
        return
    for group in optimizer.param_groups:
        group["lr"] = rate
