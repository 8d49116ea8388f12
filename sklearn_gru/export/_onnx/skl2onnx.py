"""Converters for skl2onnx, which exports pipelines with any step that it knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.classifier import GRUClassifier
from sklearn_gru._estimators.regressor import GRURegressor
from sklearn_gru._windows.sliding_window import SlidingWindow
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export._onnx.answers import label_array
from sklearn_gru.export._onnx.graph import Graph, ints
from sklearn_gru.export._onnx.packages import require
from sklearn_gru.export._onnx.whole import from_sequences
from sklearn_gru.export._onnx.windows import windows

__all__ = ["register_skl2onnx"]

_OPSET = 18  # of the operators that a graph is made of

# What skl2onnx.to_onnx may ask of a classifier.
_CLASSIFIER_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
    "raw_scores": [False],
}


def register_skl2onnx() -> None:
    """Register SlidingWindow, GRURegressor and GRUClassifier with skl2onnx.

    ``skl2onnx.to_onnx(pipeline, ...)`` then converts pipelines that also hold steps of
    scikit-learn, and any other step that skl2onnx has a converter for. A second call
    changes nothing.

    Unlike :func:`to_onnx`, skl2onnx does not compare the graph with ``predict``: do so
    before you deploy it. Regressors answer in shape ``(n, n_outputs)``, as all of its
    regressors do.

    Raises
    ------
    ImportError
        skl2onnx is not installed; it is the extra ``sklearn-gru[skl2onnx]``.

    See Also
    --------
    to_onnx : Export an estimator or a pipeline with a window, compared with predict.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRURegressor, SlidingWindow
    >>> from sklearn_gru.export import register_skl2onnx
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> model = make_pipeline(
    ...     PCA(2), SlidingWindow(6), GRURegressor(4, max_iter=1, random_state=0)
    ... ).fit(X, X.sum(axis=1))
    >>> register_skl2onnx()
    >>> from skl2onnx import to_onnx
    >>> graph = to_onnx(model, X, target_opset=18)
    >>> [output.name for output in graph.graph.output]
    ['variable']
    """
    update = require("skl2onnx").update_registered_converter
    update(SlidingWindow, "SklearnGruSlidingWindow", _window_types, _add_window)
    update(GRURegressor, "SklearnGruRegressor", _regressor_types, _add_estimator)
    update(
        GRUClassifier,
        "SklearnGruClassifier",
        _classifier_types,
        _add_estimator,
        options=_CLASSIFIER_OPTIONS,
    )


# -- shapes and types of the outputs ---------------------------------------------------


def _window_types(operator: Any) -> None:
    window, x = operator.raw_operator, operator.inputs[0]
    n_features, size = len(window._columns.names), window._fitted.reach.window
    shape = [size * n_features] if window.flatten else [size, n_features]
    operator.outputs[0].type = type(x.type)([x.type.shape[0], *shape])


def _regressor_types(operator: Any) -> None:
    types = require("skl2onnx.common.data_types")
    n, n_outputs = operator.inputs[0].type.shape[0], operator.raw_operator.n_outputs_
    operator.outputs[0].type = types.DoubleTensorType([n, n_outputs])


def _classifier_types(operator: Any) -> None:
    types = require("skl2onnx.common.data_types")
    n, classes = operator.inputs[0].type.shape[0], operator.raw_operator.classes_
    kinds = {
        "i": types.Int64TensorType,
        "f": types.DoubleTensorType,
        "b": types.BooleanTensorType,
        "O": types.StringTensorType,
    }
    operator.outputs[0].type = kinds[label_array(classes).dtype.kind]([n])
    operator.outputs[1].type = types.DoubleTensorType([n, len(classes)])


# -- graphs ----------------------------------------------------------------------------


def _add_window(scope: Any, operator: Any, container: Any) -> None:
    types, graph = require("skl2onnx.common.data_types"), Graph()
    is_double = isinstance(operator.inputs[0].type, types.DoubleTensorType)
    dtype = np.float64 if is_double else np.float32
    found = windows(graph, operator.raw_operator, "X", dtype)
    _add(graph, [found], scope, operator, container)


def _add_estimator(scope: Any, operator: Any, container: Any) -> None:
    graph, estimator = Graph(), operator.raw_operator
    found = from_sequences(graph, estimator, "X")
    if isinstance(estimator, GRUClassifier):
        values = [found["label"], found["probabilities"]]
    else:
        shape = ints(-1, estimator.n_outputs_)
        values = [graph.op("Reshape", found["prediction"], shape)]
    _add(graph, values, scope, operator, container)


def _add(
    graph: Graph, values: list[str], scope: Any, operator: Any, container: Any
) -> None:
    """Copy a graph into that of skl2onnx, under names that are free there."""
    _check_operator(operator, container)
    for value, output in zip(values, operator.outputs, strict=True):
        graph.output(value, output.full_name)
    names = {"": "", "X": operator.inputs[0].full_name}
    names |= {output.full_name: output.full_name for output in operator.outputs}

    def free(name: str) -> str:
        if name not in names:
            names[name] = scope.get_unique_variable_name(name)
        return names[name]

    text = require("onnx").TensorProto.STRING
    for tensor in graph.constants:
        tensor.name = free(tensor.name)
        if tensor.data_type == text:  # as a tensor, it would be copied as raw bytes
            about = text, list(tensor.dims), list(tensor.string_data)
            container.add_initializer(tensor.name, *about)
        else:
            container.add_initializer(tensor.name, None, None, tensor)
    attribute = require("onnx.helper").get_attribute_value
    for node in graph.nodes:
        container.add_node(
            node.op_type,
            [free(name) for name in node.input],
            [free(name) for name in node.output],
            op_version=_OPSET,
            name=scope.get_unique_operator_name(node.op_type),
            **{a.name: attribute(a) for a in node.attribute},
        )


def _check_operator(operator: Any, container: Any) -> None:
    """Raise ExportError for an old opset, or columns that are apart."""
    name = type(operator.raw_operator).__name__
    if container.target_opset < _OPSET:
        raise ExportError(
            f"target_opset={container.target_opset} is too old for {name}: it needs "
            f"{_OPSET} or newer. Pass target_opset={_OPSET} to skl2onnx.to_onnx."
        )
    if len(operator.inputs) > 1:
        raise ExportError(
            f"{name} reads {len(operator.inputs)} inputs, one per column of a frame, "
            "but its graph reads one matrix. Pass initial_types=[('X', "
            "DoubleTensorType([None, n_columns]))] to skl2onnx.to_onnx."
        )
    if isinstance(operator.raw_operator, BaseGRU):
        operator.raw_operator._check_same_network()
