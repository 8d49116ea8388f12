"""Losses that training minimizes, computed per sequence; ``LOSSES`` lists them by name.

A loss compares the outputs of the network with an encoded target. It is stateless;
anything it depends on besides its name (levels of quantiles, label smoothing) is passed
as `parameters`, a tuple of numbers. Its `task` names the class of
:mod:`sklearn_gru._model.tasks` that encodes targets for it and decodes its outputs.

To add a loss, write one class and list it at the end. If the compiled engine does not
support it, the layers stay compiled and PyTorch computes the loss.

**Shape**: output ``(B, n_outputs)`` and target tensors; result ``(B,)``.
"""

from __future__ import annotations

from typing import Any, ClassVar

Parameters = tuple[float, ...]


class Loss:
    """Base class of the losses.

    Attributes
    ----------
    name : str
        Name in the registry and value of the parameter `loss`.
    task : {"values", "quantiles", "classes"}
        Kind of target.
    degree : int
        Power of the scale of target and outputs by which the loss grows.
    """

    name: ClassVar[str]
    task: ClassVar[str] = "values"
    degree: ClassVar[int] = 2

    def target_width(self, n_outputs: int, parameters: Parameters) -> int:
        """Return the number of target values per sequence."""
        return n_outputs

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        """Return the loss of each sequence, averaged over its outputs."""
        raise NotImplementedError(f"{type(self).__name__} defines no per_sequence")


class SquaredError(Loss):
    """Squared error, (target - output)²."""

    name = "squared_error"

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        from torch.nn import functional as F

        return F.mse_loss(output, target, reduction="none").mean(dim=1)


class AbsoluteError(Loss):
    """Absolute error, |target - output|."""

    name = "absolute_error"
    degree = 1

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        from torch.nn import functional as F

        return F.l1_loss(output, target, reduction="none").mean(dim=1)


class Huber(Loss):
    """Huber loss: squared up to an error of 1, then linear.

    Its `degree` is that of the quadratic part.
    """

    name = "huber"

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        from torch.nn import functional as F

        return F.huber_loss(output, target, reduction="none").mean(dim=1)


class Quantile(Loss):
    """Pinball loss (Koenker & Bassett 1978); `parameters` are the levels, ascending.

    Each target has one output per level, and these outputs are adjacent.
    """

    name = "quantile"
    task = "quantiles"
    degree = 1

    def target_width(self, n_outputs: int, parameters: Parameters) -> int:
        return n_outputs // max(1, len(parameters))

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        from torch.nn import functional as F

        levels = output.new_tensor(parameters)
        error = target[:, :, None] - output.reshape(*target.shape, -1)  # (B, n, q)
        loss = levels * F.relu(error) + (1 - levels) * F.relu(-error)
        return loss.mean(dim=(1, 2))


class CrossEntropy(Loss):
    """Cross-entropy of one class per sequence; `parameters` is the label smoothing."""

    name = "cross_entropy"
    task = "classes"

    def target_width(self, n_outputs: int, parameters: Parameters) -> int:
        return 1

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        from torch.nn import functional as F

        (smoothing,) = parameters or (0.0,)
        return F.cross_entropy(
            output, target, reduction="none", label_smoothing=smoothing
        )


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (SquaredError(), AbsoluteError(), Huber(), CrossEntropy(), Quantile())
}


def regression_losses() -> list[str]:
    """Return the names of the losses for real targets."""
    return [name for name, loss in LOSSES.items() if loss.task != "classes"]
