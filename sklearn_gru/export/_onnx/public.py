"""The public function: :func:`to_onnx`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_gru._support.files import write_whole
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export._onnx.check import check_predicting, check_stepping
from sklearn_gru.export._onnx.graph import Graph
from sklearn_gru.export._onnx.packages import require
from sklearn_gru.export._onnx.source import Source
from sklearn_gru.export._onnx.step import stepping
from sklearn_gru.export._onnx.whole import Port, predicting

__all__ = ["to_onnx"]

_OLDEST_OPSET = 18  # before, reductions take their axes as attributes


def to_onnx(
    model: Any,
    path: str | Path | None = None,
    *,
    step: bool = False,
    opset: int = 18,
    X: Any = None,
    tolerance: float = 1e-4,
) -> Any:
    """Export a fitted model as an ONNX graph, which predicts without this package.

    The graph does all that ``predict`` does: missing cells, steps without any value,
    ragged lengths, standardization, normalization, categories. Before it is returned or
    written, it is run in ONNX Runtime on random data and compared with ``predict``.

    Parameters
    ----------
    model : GRURegressor, GRUClassifier or Pipeline
        Fitted model. A Pipeline ends with a :class:`~sklearn_gru.SlidingWindow` and an
        estimator; scalers and a SimpleImputer may stand in front.
    path : str or path, default=None
        File to write. None writes nothing.
    step : bool, default=False
        Export the model that reads one row at a time, with state in and state out, as a
        :class:`~sklearn_gru.live.Stream` does. Only for networks whose state can be
        carried from row to row.
    opset : int, default=18
        Version of the ONNX operators, 18 or newer.
    X : like X of predict, default=None
        Further data to compare on.
    tolerance : float, default=1e-4
        Largest difference from ``predict`` that is accepted, as a share of the
        standard deviation of y plus the answer (of probabilities: of 1 plus the
        probability). The graph computes in float32.

    Returns
    -------
    onnx_model : onnx.ModelProto
        The graph. Its ``metadata_props`` hold JSON texts: versions, names of features,
        window size and lag, categories, classes, levels of quantiles, and the largest
        difference found.

    Raises
    ------
    ExportError
        A part of the model has no ONNX form, its state cannot be carried, or the graph
        differs from ``predict``; nothing is written then.
    ImportError
        onnx or onnxruntime is not installed; they are the extra ``sklearn-gru[onnx]``.

    See Also
    --------
    register_skl2onnx : Convert pipelines with any step that skl2onnx knows.
    sklearn_gru.live.Stream : One row at a time in Python.

    Notes
    -----
    The input ``X`` is float64, with NaN for a missing value: ``(n, steps, n_features)``
    for an estimator alone, where absent steps are NaN at either end, or
    ``(n, n_features)`` if it was fitted on 2-D rows. Behind a window it is the rows
    ``(rows, n_features)`` of one series, one time step apart, without columns of time
    and groups: keep the series apart, and write a row of NaN where a time has none. The
    first window is whole at row ``window_size + lag - 1``.

    Categories that are numbers stay numbers. Of text, X holds the position in
    ``model.categories_``, and NaN if it is not there.

    Outputs are ``prediction`` and, with several quantiles, ``quantiles``, or ``label``
    and ``probabilities``, in the shapes of ``predict``, ``predict_quantiles`` and
    ``predict_proba``.

    With ``step=True``, the input ``row`` ``(n, n_features)`` holds a row of each of n
    series. Every output ``new_state`` and ``new_count`` (with a linear part also
    ``new_latest``, with a lag ``new_recent``) is the input of the next call, called
    ``state``, ``count``, ``latest`` and ``recent``. They start with 0, and ``recent``
    with NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.export import to_onnx
    >>> X = np.random.default_rng(0).normal(size=(200, 12, 2))
    >>> model = GRURegressor(8, max_iter=1, random_state=0).fit(X, X.sum(axis=(1, 2)))
    >>> graph = to_onnx(model)
    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(graph.SerializeToString())
    >>> (prediction,) = session.run(None, {"X": X})
    >>> np.allclose(prediction, model.predict(X), atol=1e-5)
    True
    """
    _check_opset(opset)
    source = Source.of(model)
    graph, inputs, outputs = (stepping if step else predicting)(source)
    made = assembled(graph, inputs, outputs, opset)
    check = check_stepping if step else check_predicting
    worst = check(source, made, X, tolerance)
    describe(made, {**source.metadata(), "largest_difference": json.dumps(worst)})
    if path is not None:
        write_whole(Path(path), made.SerializeToString())
    return made


def assembled(graph: Graph, inputs: list[Port], outputs: list[Port], opset: int) -> Any:
    """Return a graph with its inputs and outputs as a checked ONNX model."""
    onnx, helper = require("onnx"), require("onnx.helper")

    def info(port: Port) -> Any:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(port.dtype))
        return helper.make_tensor_value_info(port.name, kind, port.shape)

    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "sklearn_gru",
            [info(port) for port in inputs],
            [info(port) for port in outputs],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="sklearn_gru",
    )
    made.ir_version = helper.find_min_ir_version_for(made.opset_import)
    onnx.checker.check_model(made, full_check=True)
    return made


def describe(made: Any, texts: dict[str, str]) -> None:
    """Write metadata into a model."""
    for name, text in texts.items():
        entry = made.metadata_props.add()
        entry.key, entry.value = name, text


def _check_opset(opset: Any) -> None:
    newest = require("onnx.defs").onnx_opset_version()
    if not isinstance(opset, (int, np.integer)) or not _OLDEST_OPSET <= opset <= newest:
        raise ExportError(
            f"opset={opset!r} is not an integer from {_OLDEST_OPSET} to {newest}, the "
            "newest that this version of onnx knows. Pass opset=18."
        )
