"""Losses that training minimizes, computed per sequence; ``LOSSES`` lists them by name.

A loss compares the outputs of the network with an encoded target. It is stateless;
anything it depends on besides its name (levels of quantiles, label smoothing) is passed
as `parameters`, a tuple of numbers. Its `task` names the class of
:mod:`sklearn_gru._model.tasks` that encodes targets for it and decodes its outputs.

A function of the user takes the place of a name: :func:`find_loss` wraps it.

To add a loss, write one class and list it at the end. If the compiled engine does not
support it, the layers stay compiled and PyTorch computes the loss.

**Shape**: output ``(B, n_outputs)`` and target tensors; result ``(B,)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sklearn_gru.exceptions import InvalidParameterError

Parameters = tuple[float, ...]
LossName = str | Callable[[Any, Any], Any]


class Loss:
    """Base class of the losses.

    Attributes
    ----------
    name : str
        Name in the registry and value of the parameter `loss`.
    task : {"values", "counts", "quantiles", "classes", "texts"}
        Kind of target.
    """

    name: ClassVar[str]
    task: ClassVar[str] = "values"

    def target_width(self, n_outputs: int, parameters: Parameters) -> int:
        """Return the number of target values per sequence."""
        return n_outputs

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        """Return the loss of each sequence, averaged over its outputs."""
        raise NotImplementedError(f"{type(self).__name__} defines no per_sequence")

    def per_text(
        self, output: Any, target: Any, lengths: Any, parameters: Parameters
    ) -> Any:
        """Return the loss of each text, of outputs (B, T, n_outputs) at all steps.

        Targets are codes (B, L), filled with negative numbers; `lengths` (B,) is the
        number of steps of each sequence.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no per_text")


class SquaredError(Loss):
    """Squared error, (target - output)²."""

    name = "squared_error"

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        from torch.nn import functional as F

        return F.mse_loss(output, target, reduction="none").mean(dim=1)


class AbsoluteError(Loss):
    """Absolute error, |target - output|."""

    name = "absolute_error"

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        from torch.nn import functional as F

        return F.l1_loss(output, target, reduction="none").mean(dim=1)


class Huber(Loss):
    """Huber loss: squared up to an error of 1, then linear."""

    name = "huber"

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        from torch.nn import functional as F

        return F.huber_loss(output, target, reduction="none").mean(dim=1)


class Poisson(Loss):
    """Half the Poisson deviance; the output is the logarithm of the mean.

    It is 0 if the mean equals the target, and defined for any target that is not
    negative (McCullagh & Nelder 1989).
    """

    name = "poisson"
    task = "counts"

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        loss = target.xlogy(target) - target - target * output + output.exp()
        return loss.mean(dim=1)


class Quantile(Loss):
    """Pinball loss (Koenker & Bassett 1978); `parameters` are the levels, ascending.

    Each target has one output per level, and these outputs are adjacent.
    """

    name = "quantile"
    task = "quantiles"

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


class TemporalClassification(Loss):
    """Connectionist temporal classification (Graves et al. 2006), per token.

    It is the negative logarithm of the probability of the text, summed over all ways to
    align it with the steps, and divided by the number of tokens. Output 0 is the blank.
    """

    name = "ctc"
    task = "texts"

    def per_text(self, output: Any, target: Any, lengths: Any, parameters: Any) -> Any:
        from torch.nn import functional as F

        sizes = (target >= 0).sum(dim=1)
        loss = F.ctc_loss(
            output.log_softmax(dim=2).transpose(0, 1),
            target.clamp(min=0),
            lengths,
            sizes,
            reduction="none",
            zero_infinity=True,  # rows of unknown categories may leave too few steps
        )
        return loss / sizes.clamp(min=1)


class TokenCrossEntropy(Loss):
    """Cross-entropy of every token of a text; `parameters` is the label smoothing.

    Outputs are those of all tokens, one text after the other.
    """

    name = "token_cross_entropy"
    task = "texts"

    def per_text(self, output: Any, target: Any, lengths: Any, parameters: Any) -> Any:
        """Return the sum over the tokens of each text, over their mean number."""
        from torch.nn import functional as F

        (smoothing,) = parameters or (0.0,)
        real = target >= 0
        loss = F.cross_entropy(
            output, target[real], reduction="none", label_smoothing=smoothing
        )
        sums = output.new_zeros(target.shape).masked_scatter(real, loss).sum(dim=1)
        return sums * (len(target) / len(loss))


class Custom(Loss):
    """A function of the user on tensors.

    It takes output and target ``(B, n_outputs)`` and returns losses of that shape.
    """

    name = "custom"

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function = function

    def per_sequence(self, output: Any, target: Any, parameters: Parameters) -> Any:
        found = self.function(output, target)
        shape = tuple(getattr(found, "shape", ()))
        if shape != tuple(output.shape):
            raise InvalidParameterError(
                f"loss={self.function!r} returned shape {shape} for outputs and "
                f"targets of shape {tuple(output.shape)}. It must return one loss per "
                "sequence and output: remove the mean or sum at its end."
            )
        return found.mean(dim=1)


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        SquaredError(),
        AbsoluteError(),
        Huber(),
        CrossEntropy(),
        Quantile(),
        Poisson(),
        TemporalClassification(),
        TokenCrossEntropy(),
    )
}


def find_loss(loss: LossName) -> Loss:
    """Return the loss of a name in the registry, or of a function of the user."""
    return LOSSES[loss] if isinstance(loss, str) else Custom(loss)


def regression_losses() -> list[str]:
    """Return the names of the losses for real targets."""
    others = "classes", "texts"
    return [name for name, loss in LOSSES.items() if loss.task not in others]
