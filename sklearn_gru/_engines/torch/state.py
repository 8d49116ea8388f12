"""The state that training changes, which a failed fit brings back.

Everything is restored in place: the net, its modules, parameters and optimizer stay the
same objects, and only what they hold becomes what it was.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sklearn_gru._engines.torch.adamw import AdamWState


class NetState:
    """A copy of all that training may change in a net, to go back to.

    These are the weights, the moments of the optimizer, the random streams, the history
    and the attributes of the net; also modules, parameters and `requires_grad`, which
    callbacks exchange. State inside the callbacks of the user is not part of it.
    """

    def __init__(self, net: Any) -> None:
        self.net = net
        self._vars = dict(vars(net))
        self._n_epochs = len(net.history)
        self._parts = [_Part(part) for part in net.module_.modules()]
        tensors = [*net.module_.parameters(), *net.module_.buffers()]
        self._values = [(t, t.detach().clone(), t.requires_grad) for t in tensors]
        self._optimizer = _OptimizerState(net.optimizer_state)
        self._streams = [(s, s.generator.get_state()) for s in _streams(net)]

    def restore(self) -> None:
        """Bring everything back."""
        net = self.net
        net.__dict__ = dict(self._vars)
        del net.history[self._n_epochs :]
        for part in self._parts:
            part.restore()
        with torch.no_grad():
            for tensor, value, requires_grad in self._values:
                tensor.data.copy_(value)
                tensor.requires_grad_(requires_grad)
                tensor.grad = None
        self._optimizer.restore()
        for stream, state in self._streams:
            stream.generator.set_state(state)


class _OptimizerState:
    """State of an optimizer, or the state it will be made from."""

    def __init__(self, optimizer: Optimizer | AdamWState) -> None:
        self.optimizer = optimizer
        if isinstance(optimizer, AdamWState):
            self.options = dict(optimizer.options)
            self.moments = [_copied(state) for state in optimizer.moments]
        else:
            self.state = {p: _copied(s) for p, s in optimizer.state.items()}
            self.groups = [dict(group) for group in optimizer.param_groups]

    def restore(self) -> None:
        optimizer = self.optimizer
        if isinstance(optimizer, AdamWState):
            optimizer.options, optimizer.moments = self.options, self.moments
            return
        optimizer.state.clear()
        optimizer.state.update(self.state)
        for group, before in zip(optimizer.param_groups, self.groups, strict=False):
            group.clear()
            group.update(before)
        del optimizer.param_groups[len(self.groups) :]


class _Part:
    """One module, and the modules, parameters and buffers it holds."""

    def __init__(self, part: nn.Module) -> None:
        self.part = part
        self.held = [dict(contents) for contents in self._contents()]

    def _contents(self) -> list[dict[str, Any]]:
        part: Any = self.part
        return [part._modules, part._parameters, part._buffers]

    def restore(self) -> None:
        for contents, before in zip(self._contents(), self.held, strict=True):
            if list(map(id, contents.values())) != list(map(id, before.values())):
                contents.clear()
                contents.update(before)


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in state.items()}


def _streams(net: Any) -> list[Any]:
    """Return the sources of randomness of a net."""
    dropout = getattr(net.module_, "dropout", None)
    found = [net.shuffle_stream, getattr(dropout, "stream", None)]
    return [stream for stream in found if stream is not None]
