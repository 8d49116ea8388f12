"""The array functions of :mod:`sklearn_gru._model.arrays` for tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from sklearn_gru._model.arrays import Arrays


class TorchArrays:
    """The functions of PyTorch, which act on the last axis unless `axis` is given."""

    sigmoid: Any = staticmethod(torch.sigmoid)
    tanh: Any = staticmethod(torch.tanh)
    linear: Any = staticmethod(F.linear)
    einsum: Any = staticmethod(torch.einsum)
    where: Any = staticmethod(torch.where)

    @staticmethod
    def softmax(x: Any) -> Any:
        """Return exp(x), divided by its sum."""
        return torch.softmax(x, dim=-1)

    @staticmethod
    def split(x: Any, n: int) -> Any:
        """Return n equal parts."""
        return x.chunk(n, dim=-1)

    @staticmethod
    def join(parts: Any) -> Any:
        """Return the parts side by side."""
        return torch.cat(tuple(parts), dim=-1)

    @staticmethod
    def stack(parts: Any, axis: int) -> Any:
        """Return the parts along a new axis."""
        return torch.stack(tuple(parts), dim=axis)

    @staticmethod
    def unstack(x: Any, axis: int) -> Any:
        """Return the slices along an axis."""
        return x.unbind(dim=axis)

    @staticmethod
    def zeros(like: Any, *shape: int) -> Any:
        """Return zeros of the dtype and on the device of `like`."""
        return like.new_zeros(shape)

    @staticmethod
    def mean(x: Any, axis: int) -> Any:
        """Return the mean along an axis."""
        return x.mean(dim=axis)

    @staticmethod
    def amax(x: Any, axis: int) -> Any:
        """Return the maximum along an axis."""
        return x.amax(dim=axis)

    @staticmethod
    def cast(x: Any, like: Any) -> Any:
        """Return x in the dtype of `like`."""
        return x.to(like.dtype)


TORCH: Arrays = TorchArrays()
