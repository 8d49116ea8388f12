"""An ONNX graph that grows by one operator at a time.

Values are the names of tensors, arrays are constants, and None is an input that is left
out:

>>> import numpy as np
>>> from sklearn_gru.export._onnx.graph import Graph
>>> graph = Graph()
>>> double = graph.op("Mul", "x", np.float32(2))
>>> [node.op_type for node in graph.nodes]
['Mul']
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sklearn_gru.export._onnx.packages import require

Input = str | np.ndarray | np.generic | None


class Graph:
    """Operators and constants of a graph under construction.

    Attributes
    ----------
    nodes : list of NodeProto
        Operators, each after those that it reads.
    constants : list of TensorProto
        Arrays that they read.
    """

    def __init__(self) -> None:
        self._helper = require("onnx.helper")
        self._types = require("onnx").TensorProto
        self._from_array = require("onnx.numpy_helper").from_array
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[Any, str] = {}

    def op(self, kind: str, *inputs: Input, **attributes: Any) -> str:
        """Append an operator; return its only output."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, n: int, *inputs: Input, **attributes: Any) -> list[str]:
        """Append an operator; return the first n of its outputs."""
        outputs = [f"{kind}_{len(self.nodes)}_{k}" for k in range(n)]
        names = [self._name(value) for value in inputs]
        self.nodes.append(self._helper.make_node(kind, names, outputs, **attributes))
        return outputs

    def cast(self, value: Input, dtype: Any) -> str:
        """Append a conversion to a NumPy dtype."""
        to = self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.op("Cast", value, to=to)

    def is_nan(self, value: Input) -> str:
        """Append a mask of what is NaN."""
        return self.op("IsNaN", value)

    def filled(self, value: Input, otherwise: Any, dtype: Any = np.float64) -> str:
        """Append the values with NaN replaced."""
        return self.op(
            "Where", self.is_nan(value), np.dtype(dtype).type(otherwise), value
        )

    def size(self, value: Input, axis: int) -> str:
        """Append the length (1,) of an axis."""
        return self.op("Shape", value, start=axis, end=axis + 1)

    def steps(self, size: str) -> str:
        """Append the numbers 0 to size - 1, in int64."""
        end = self.op("Squeeze", size)
        return self.op("Range", np.int64(0), end, np.int64(1))

    def output(self, value: str, name: str) -> None:
        """Give a value a name that users see."""
        self.nodes.append(self._helper.make_node("Identity", [value], [name]))

    def _name(self, value: Input) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        array = np.asarray(value)
        key: Any
        if array.dtype.kind in "OU":
            array = array.astype(object)
            key = (array.shape, tuple(array.ravel()))
        else:
            array = np.ascontiguousarray(array).reshape(array.shape)
            key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = f"constant_{len(self._known)}"
            self.constants.append(self._from_array(array, self._known[key]))
        return self._known[key]


def ints(*values: int) -> np.ndarray:
    """Return integers as operators expect axes and shapes."""
    return np.array(values, dtype=np.int64)
