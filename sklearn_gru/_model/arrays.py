"""The array functions used by the equations, and their NumPy version.

A cell or a pooling is one set of equations. It receives `xp`, the functions below for
one array library, so that the same code runs on arrays and on tensors. The PyTorch
version is in :mod:`sklearn_gru._engines.torch.arrays`.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Arrays(Protocol):
    """Functions of one array library, which act on the last axis or on `axis`."""

    def sigmoid(self, x: Any) -> Any: ...
    def tanh(self, x: Any) -> Any: ...
    def softmax(self, x: Any) -> Any: ...
    def linear(self, x: Any, weight: Any, bias: Any = None) -> Any: ...
    def split(self, x: Any, n: int) -> Any: ...
    def join(self, parts: Any) -> Any: ...
    def stack(self, parts: Any, axis: int) -> Any: ...
    def unstack(self, x: Any, axis: int) -> Any: ...
    def zeros(self, like: Any, *shape: int) -> Any: ...
    def mean(self, x: Any, axis: int) -> Any: ...
    def amax(self, x: Any, axis: int) -> Any: ...
    def einsum(self, rule: str, *parts: Any) -> Any: ...
    def where(self, condition: Any, x: Any, otherwise: Any) -> Any: ...
    def cast(self, x: Any, like: Any) -> Any: ...


class NumpyArrays:
    """The functions of NumPy."""

    tanh: Any = staticmethod(np.tanh)
    stack: Any = staticmethod(np.stack)
    mean: Any = staticmethod(np.mean)
    amax: Any = staticmethod(np.amax)
    einsum: Any = staticmethod(np.einsum)
    where: Any = staticmethod(np.where)

    @staticmethod
    def sigmoid(x: Any) -> Any:
        """Return 1 / (1 + exp(-x)), computed with tanh, which never overflows."""
        return 0.5 * (1.0 + np.tanh(0.5 * x))

    @staticmethod
    def softmax(x: Any) -> Any:
        """Return exp(x), divided by its sum."""
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    @staticmethod
    def linear(x: Any, weight: Any, bias: Any = None) -> Any:
        """Return ``x W' + b``."""
        product = x @ weight.T
        return product if bias is None else product + bias

    @staticmethod
    def split(x: Any, n: int) -> Any:
        """Return n equal parts; np.split takes as long as a small product."""
        width = x.shape[-1] // n
        return [x[..., k * width : (k + 1) * width] for k in range(n)]

    @staticmethod
    def join(parts: Any) -> Any:
        """Return the parts side by side."""
        return np.concatenate(parts, axis=-1)

    @staticmethod
    def unstack(x: Any, axis: int) -> Any:
        """Return the slices along an axis."""
        return list(np.moveaxis(x, axis, 0))

    @staticmethod
    def zeros(like: Any, *shape: int) -> Any:
        """Return zeros of the dtype of `like`."""
        return np.zeros(shape, dtype=like.dtype)

    @staticmethod
    def cast(x: Any, like: Any) -> Any:
        """Return x in the dtype of `like`."""
        return x.astype(like.dtype)


NUMPY: Arrays = NumpyArrays()
