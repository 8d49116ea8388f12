"""Writing of C: one C99 file without dependencies but the C library.

The arithmetic is in ``network.c`` beside this module and the same for every model. The
exporter writes sizes, weights and declarations in front of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_gru._support.files import write_whole
from sklearn_gru.exceptions import InvalidParameterError
from sklearn_gru.export._checked import compare, probes
from sklearn_gru.export._described import Described, describe
from sklearn_gru.export.gru_portable import CELLS, OPERATIONS, POOLINGS, PortableModel

# What rounding of the weights may change; see `compare` for the unit.
_TOLERANCE = {"float32": 1e-4, "int8": 0.1}
_MAX_STEPS = 128
_TASKS = ("regression", "poisson", "quantiles", "classification")


def to_c(
    model: Any,
    path: Any,
    *,
    weights: str = "float32",
    name: str | None = None,
    max_steps: int | None = None,
    X: Any = None,
    tolerance: float | None = None,
) -> float:
    """Write a fitted model as one C99 file, for devices without Python.

    The file needs the C library alone (expf, tanhf, exp, sqrt), allocates nothing and
    declares, for a file called ``pump.c``,

    * ``pump_window(&work, rows, n_rows, out)``: the answer for a whole sequence, or
      for one window of a pipeline as its estimator reads it;
    * ``pump_reset(&state)`` and ``pump_step(&state, row, out)``: the answer after one
      more row, for a pipeline (which keeps the rows of a window) and for networks that
      carry their state.

    To call it from another file, write ``#define PUMP_DECLARATIONS`` before
    ``#include "pump.c"``. `out` holds ``PUMP_N_OUT`` numbers: predictions, quantiles in
    the order of fit, or probabilities in the order of ``classes_``.

    Parameters
    ----------
    model : GRURegressor, GRUClassifier or Pipeline
        Fitted model. A Pipeline ends with SlidingWindow and an estimator; scalers and
        SimpleImputer may stand before the window.
    path : str or path-like
        File to write, such as ``pump.c``.
    weights : {"float32", "int8"}, default="float32"
        Type of the matrices. "int8" has one scale per row, a quarter of the bytes, and
        changes predictions; the file begins with the loss that was measured.
    name : str, default=None
        Prefix of all names. None takes the name of the file.
    max_steps : int, default=None
        Longest sequence that ``_window`` takes, in steps, for which it has memory. None
        is the window of a pipeline, the row of 2-D X, else 128.
    X : array-like, default=None
        Data, as for ``model.predict``, on which the loss is measured too.
    tolerance : float, default=None
        Largest change by the rounding of weights, in units of the standard deviation of
        y plus the answer. None is 1e-4, or 0.1 for "int8".

    Returns
    -------
    difference : float
        Largest change by the rounding of weights, in units of `tolerance`. The C code
        itself differs from NumPy by rounding of float32, about 1e-6.

    Raises
    ------
    ExportError
        A part of the model cannot be described, or rounding changes too much.

    Notes
    -----
    Rows are float64, NaN is a missing cell, and a row of NaN a missing step. Categories
    are given by their position in ``categories_``; others are missing. Compilation with
    ``-ffast-math`` is refused, because it drops NaN.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.export import to_c
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 12, 2))
    >>> model = GRURegressor(8, max_iter=2, random_state=0).fit(X, X.sum(axis=(1, 2)))
    >>> path = Path(tempfile.mkdtemp()) / "pump.c"
    >>> to_c(model, path) < 1e-4
    True
    >>> "void pump_step(" in path.read_text()
    True
    """
    path = Path(path)
    name = path.stem if name is None else name
    if weights not in _TOLERANCE:
        raise InvalidParameterError(
            f"weights={weights!r} is not a type of weights; expected 'float32' or "
            "'int8'."
        )
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise InvalidParameterError(
            f"name={name!r} is not a name in C. Pass name='model', or rename the file."
        )
    described = describe(model)
    rounded = _rounded(described, weights)
    loaded = PortableModel(described.about, rounded)
    difference = compare(
        described,
        lambda method, data: getattr(loaded, method)(data),
        _TOLERANCE[weights] if tolerance is None else tolerance,
        probes(described, X),
    )
    program = _Program(described, weights, max_steps)
    text = _renamed(program.text(), name)
    write_whole(path, (program.comment(difference) + text).encode())
    return difference


def _renamed(text: str, name: str) -> str:
    """Return the text with another prefix than gru."""
    return re.sub(
        r"\b(gru|GRU)_",
        lambda found: (name.upper() if found[1] == "GRU" else name) + "_",
        text,
    )


# -- weights -------------------------------------------------------------------------


def _rounded(described: Described, weights: str) -> dict[str, np.ndarray]:
    """Return the arrays as the C file holds them, in numbers."""
    found = dict(described.arrays)
    if weights == "float32":
        return {k: _single(a) if k.startswith("net") else a for k, a in found.items()}
    for key in [key for key in found if key.endswith(".factor")]:
        conv = key.removesuffix(".factor")
        folded = found[f"{conv}.weight"] * found[key][:, None, None]
        found[f"{conv}.weight"] = _restored(folded)
        found[key] = np.ones_like(found[key])
    for key, array in found.items():
        if key.startswith("net") and array.ndim == 2 and ".embedding" not in key:
            found[key] = _restored(array)
    return found


def _single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32)


def _restored(array: np.ndarray) -> np.ndarray:
    """Return the numbers that are left of an array after quantization."""
    whole, scale = _quantized(array.reshape(len(array), -1))
    return (whole * scale[:, None]).reshape(array.shape)


def _quantized(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers from -127 to 127, and the scale of each row."""
    largest = np.abs(matrix).max(axis=1).astype(np.float32)
    scale = np.where(largest > 0, largest / np.float32(127), np.float32(1))
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


# -- the text ------------------------------------------------------------------------


class _Program:
    """The C file of a described model, with the prefix gru."""

    def __init__(self, described: Described, weights: str, max_steps: Any) -> None:
        self.about, self.arrays = described.about, described.arrays
        self.net: dict[str, Any] = self.about["network"]
        self.weights = weights
        self.tables: list[str] = []  # definitions of arrays
        self.max_steps = self._max_steps(max_steps)

    def _max_steps(self, given: Any) -> int:
        about, window = self.about, self.about["window"]
        if window is not None:
            return int(window["size"])
        if about["per_row"]:
            return int(about["n_columns"] // about["n_features"])
        if given is None:
            return _MAX_STEPS
        if not isinstance(given, (int, np.integer)) or given < 1:
            raise InvalidParameterError(
                f"max_steps={given!r} is not a number of steps; expected at least 1."
            )
        return int(given)

    def text(self) -> str:
        """Return sizes, declarations, tables behind a guard, and the arithmetic."""
        lines = ["#ifndef GRU_H_", "#define GRU_H_"]
        lines += [f"#define GRU_{key} {value}" for key, value in self._sizes().items()]
        lines += [f"typedef {_C_TYPES[self.about['computes']]} gru_real;"]
        lines += [*self._types(), "#endif", "#ifndef GRU_DECLARATIONS"]
        kind = "signed char" if self.weights == "int8" else "float"
        lines += [_MATRIX_TYPES.replace("WEIGHT", kind), *self._data()]
        # What is the same for all models.
        lines += [(Path(__file__).parent / "network.c").read_text()]
        return "\n".join([*lines, "#endif\n"])

    def comment(self, difference: float) -> str:
        """Return what a reader of the file needs to know."""
        about = self.about
        shown = {
            "model": f"{about['made_by']['model']} of sklearn_gru "
            f"{about['made_by']['sklearn_gru']}",
            "weights": f"{self.weights}; rounding changed answers by at most "
            f"{difference:.1e} of the spread of y",
            "columns of a row": about["feature_names"] or about["n_features"],
            "classes": about["classes"],
            "quantiles": about["levels"],
            "categories, by position": about["categories"],
        }
        lines = []
        for key, value in shown.items():
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value)
                # No part of a name may end the comment.
                lines.append(f" * {key}: {text.replace('*/', '* /')}\n")
        return f"/*\n{''.join(lines)} */\n"

    def _sizes(self) -> dict[str, Any]:
        about, net = self.about, self.net
        window = about["window"] or {"size": 0, "lag": 0}
        n_tables, n_numeric = len(net["embeddings"]), about["n_features"]
        n_numeric -= n_tables
        n_encoded = n_numeric * (1 + net["differences"])
        n_encoded += len(about["marked"]) + n_tables
        directions = 2 if net["bidirectional"] else 1
        size = net["hidden_size"] * directions
        lag = window["lag"] if len(window.get("known", ())) < about["n_features"] else 0
        sizes = {
            "N_FEATURES": about["n_features"],
            "N_OUT": about["n_targets"] * len(about["levels"] or [0]),
            "N_OUTPUTS": net["n_outputs"],
            "N_TARGETS": about["n_targets"],
            "LEVELS": len(about["levels"] or [0]),
            "MAX_STEPS": self.max_steps,
            "NETWORKS": about["networks"],
            "HIDDEN": net["hidden_size"],
            "LAYERS": net["num_layers"],
            "DIRECTIONS": directions,
            "STATE": size,
            "BLOCKS": CELLS[net["cell"]][-1],
            "UNITS": net["hidden_size"] * CELLS[net["cell"]][-1],
            "PARTS": 2 if net["cell"] == "lstm" else 1,
            "NUMERIC": n_numeric,
            "MARKED": len(about["marked"]),
            "TABLES": n_tables,
            "DIFFERENCES": int(net["differences"]),
            "N_ENCODED": n_encoded,
            "N_INPUTS": net["n_inputs"],
            "SEGMENT": net["segment_length"],
            "N_READ": net["n_inputs"] * net["segment_length"],
            "CONV": len(net["conv_filters"]),
            "KEEPS_GAPS": int(net["segment_length"] > 1 or bool(net["conv_filters"])),
            "N_POOLED": self.arrays["net0.head.weight"].shape[1],
            "NORMALIZATION": (None, "last", "standard").index(about["normalization"]),
            "CONTINUES": int(about["continuation"] is not None),
            "COLUMN": (about["continuation"] or {"column": 0})["column"],
            "WINDOW": window["size"],
            "LAG": lag,
            "REACH": window["size"] + lag,
            "BEFORE": len(about["before"]),
            "LINEAR": int(about["linear"] is not None),
            "LINEAR_STEPS": (about["linear"] or {"n_steps": 0})["n_steps"],
            "LINEAR_COLUMNS": (about["linear"] or {"n_columns": 0})["n_columns"],
            "STEPWISE": int(self._is_stepwise()),
        }
        if net["conv_filters"]:
            widths = [net["n_inputs"], *net["conv_filters"]]
            sizes["CONV_WIDTH"] = max(widths)
            sizes["PATCH"] = 8 * max(widths)
        for k, cell in enumerate(CELLS):
            own = cell.removeprefix("gru_").upper()
            sizes[f"CELL_{own}"] = k
            if cell == net["cell"]:
                sizes["CELL"] = k
        for kind, names, now in (
            ("POOLING", POOLINGS, net["pooling"]),
            ("TASK", _TASKS, about["task"]),
        ):
            sizes |= {f"{kind}_{name.upper()}": k for k, name in enumerate(names)}
            sizes[kind] = names.index(now)
        sizes["TASK_CLASSES"] = sizes.pop("TASK_CLASSIFICATION")
        return sizes

    def _is_stepwise(self) -> bool:
        about, net = self.about, self.net
        whole = net["bidirectional"] or net["differences"] or net["conv_filters"]
        whole = whole or net["segment_length"] > 1 or about["normalization"]
        return not (whole or about["per_row"] or about["window"])

    def _types(self) -> Iterator[str]:
        yield from _WORK_TYPES.splitlines()
        if self.about["window"] is not None:
            yield from _WINDOW_STATE.splitlines()
        elif self._is_stepwise():
            yield from _CARRIED_STATE.splitlines()
        yield (
            "/* Write the answer of n_rows rows (row by row, GRU_N_FEATURES each); "
            "return the steps read, or -1 if there are more than GRU_MAX_STEPS. */"
        )
        yield (
            "int gru_window(gru_work *work, const double *rows, int n_rows, "
            "double *out);"
        )
        if self.about["window"] is not None or self._is_stepwise():
            yield "/* Begin a series. */"
            yield "void gru_reset(gru_state *state);"
            yield "/* Append a row; write the answer for it. */"
            yield "void gru_step(gru_state *state, const double *row, double *out);"

    def _data(self) -> Iterator[str]:
        """Yield the definitions of all arrays."""
        about, arrays, net = self.about, self.arrays, self.net
        kinds = about["categories"] or [None] * about["n_features"]
        yield _table("int", "categories", [len(kind or ()) for kind in kinds])
        yield _table("double", "mean", arrays["input.mean"])
        yield _table("double", "scale", arrays["input.scale"])
        for key, short in (
            ("unit", "unit"),
            ("mean", "diff_mean"),
            ("scale", "diff_scale"),
        ):
            yield _table("double", short, arrays.get(f"differences.{key}", [0.0]))
        yield _table("int", "marked", about["marked"] or [0])
        yield _table("int", "widths", [w for _, w in net["embeddings"]] or [0])
        yield _table("int", "order", self._order())
        yield _table("double", "empty", self._empty())
        if about["task"] != "classification":
            yield _table("double", "target_scale", arrays["task.scale"])
            if about["task"] != "poisson":
                yield _table("double", "target_center", arrays["task.center"])
        rule = about["continuation"]
        if rule is not None:
            levels = [rule["shift"], rule["scale"], rule["least"]]
            yield _table("double", "continued", levels)
        if about["linear"] is not None:
            yield _table("float", "linear", arrays["linear.coef"].ravel())
            yield _table("float", "intercept", arrays["linear.intercept"])
            share = about["linear"]["share"]
            yield f"static const double gru_share = {share!r};"
        if about["normalization"]:
            yield f"static const double gru_precision = {about['precision']!r};"
        if about["window"] is not None:
            yield from self._window_data()
        if net["conv_filters"]:
            sizes = [
                arrays[f"net0.conv{k}.weight"].shape[2]
                for k in range(len(net["conv_filters"]))
            ]
            yield _table("int", "kernels", sizes)
        networks = [self._network(m) for m in range(about["networks"])]
        yield from self.tables
        yield f"static const gru_network gru_networks[] = {{{', '.join(networks)}}};"

    def _window_data(self) -> Iterator[str]:
        about = self.about
        known = np.isin(np.arange(about["n_features"]), about["window"]["known"])
        yield _table("int", "known", known.astype(int))
        names = [OPERATIONS.index(name) for name in about["before"]]
        yield _table("int", "operations", names or [0])
        vectors = [self.arrays[f"before.{k}"] for k in range(len(names))]
        rows = [f"{{{_numbers('double', v)}}}" for v in vectors] or ["{0}"]
        yield (
            f"static const double gru_before[{len(rows)}][GRU_N_FEATURES] = "
            f"{{{', '.join(rows)}}};"
        )

    def _order(self) -> Any:
        """Return which of the ascending quantiles each answer is."""
        levels = self.about["levels"]
        if levels is None:
            return np.arange(self.net["n_outputs"])
        rank = np.searchsorted(np.sort(levels), levels)
        first = np.arange(self.about["n_targets"])[:, None] * len(levels)
        return (first + rank).ravel()

    def _empty(self) -> np.ndarray:
        return self.arrays["task.empty"].ravel()[self._order()]

    def _network(self, m: int) -> str:
        """Define the weights of a network; return its initializer."""
        net, prefix = self.net, f"net{m}"
        layers = []
        for layer in range(net["num_layers"]):
            own = []
            for d in range(2 if net["bidirectional"] else 1):
                at = f"{prefix}.layer{layer}.{d}"
                pair = [
                    self._matrix(f"{at}.weight_{k}", f"{at}.bias_{k}")
                    for k in ("ih", "hh")
                ]
                own.append(f"{{{', '.join(pair)}}}")
            layers.append(f"{{{', '.join(own)}}}")
        parts = [
            f"{{{', '.join(layers)}}}",
            self._matrix(f"{prefix}.head.weight", f"{prefix}.head.bias"),
        ]
        nothing = "{0, 0, 0, 0, 0}"
        attends = net["pooling"] == "attention"
        project = f"{prefix}.pooling.project"
        parts += [
            self._matrix(project, f"{project}_bias") if attends else nothing,
            self._matrix(f"{prefix}.pooling.context", None) if attends else nothing,
        ]
        conv = [
            self._convolution(f"{prefix}.conv{k}")
            for k in range(len(net["conv_filters"]))
        ]
        parts.append(f"{{{', '.join(conv or [nothing])}}}")
        tables = [
            self._define(
                "float", f"{prefix}.embedding{k}", self.arrays[f"{prefix}.embedding{k}"]
            )
            for k in range(len(net["embeddings"]))
        ]
        parts.append(f"{{{', '.join(tables or ['0'])}}}")
        return f"{{{', '.join(parts)}}}"

    def _matrix(self, weight: str, bias: str | None) -> str:
        """Define a matrix input by input; return its initializer."""
        matrix = self.arrays[weight].astype(np.float32)
        n_out, n_in = matrix.shape
        scale = "0"
        if self.weights == "int8":
            matrix, scales = _quantized(matrix)
            scale = self._define("float", f"{weight}.scale", scales)
        kind = "signed char" if self.weights == "int8" else "float"
        first = self._define(kind, weight, matrix.T)
        second = "0" if bias is None else self._define("float", bias, self.arrays[bias])
        return f"{{{n_in}, {n_out}, {first}, {scale}, {second}}}"

    def _convolution(self, key: str) -> str:
        """Define a convolution as a matrix of patches, the normalization folded in."""
        factor = self.arrays[f"{key}.factor"].astype(np.float64)
        weight = self.arrays[f"{key}.weight"] * factor[:, None, None]
        flat = weight.transpose(0, 2, 1).reshape(len(weight), -1)
        self.arrays = {**self.arrays, f"{key}.folded": flat}
        return self._matrix(f"{key}.folded", f"{key}.shift")

    def _define(self, kind: str, key: str, values: Any) -> str:
        """Define an array; return its name."""
        name = key.replace(".", "_")
        self.tables.append(_table(kind, name, np.ravel(values)))
        return f"gru_{name}"


def _table(kind: str, name: str, values: Any) -> str:
    return f"static const {kind} gru_{name}[] = {{{_numbers(kind, values)}}};"


def _numbers(kind: str, values: Any) -> str:
    """Return numbers as C reads them, with all their digits."""
    if kind == "double":
        return ", ".join(repr(float(value)) for value in values)
    if kind == "float":
        return ", ".join(f"{float(v):.9e}f" for v in np.asarray(values, np.float32))
    return ", ".join(str(int(value)) for value in values)


_C_TYPES = {"float32": "float", "float64": "double"}

_MATRIX_TYPES = """\
typedef WEIGHT gru_weight;
typedef struct {
  int n_in, n_out;
  const gru_weight *w;
  const float *scale, *bias;
} gru_matrix;
typedef struct { gru_matrix ih, hh; } gru_layer;
typedef struct {
  gru_layer layers[GRU_LAYERS][GRU_DIRECTIONS];
  gru_matrix head, project, context, conv[GRU_CONV ? GRU_CONV : 1];
  const float *tables[GRU_TABLES ? GRU_TABLES : 1];
} gru_network;
"""

_WORK_TYPES = """\
/* Memory of gru_window; it need not be kept between calls. */
typedef struct {
  int at[GRU_MAX_STEPS];
  unsigned char observed[GRU_MAX_STEPS];
  gru_real x[GRU_MAX_STEPS][GRU_N_ENCODED];
  float states[2][GRU_MAX_STEPS][GRU_STATE];
#if GRU_CONV
  float wide[2][GRU_MAX_STEPS][GRU_CONV_WIDTH];
#endif
} gru_work;
/* Running pooling of states: count, sum, maximum, and softmax of scores. */
typedef struct {
  long count;
  float total[GRU_STATE], largest[GRU_STATE], top, weight;
} gru_pool;
"""

_WINDOW_STATE = """\
/* The recent rows of a series. */
typedef struct {
  int n_rows;
  double recent[GRU_REACH][GRU_N_FEATURES], window[GRU_WINDOW][GRU_N_FEATURES];
  gru_work work;
} gru_state;
"""

_CARRIED_STATE = """\
/* The state of a series. */
typedef struct {
  long count;
  float h[GRU_NETWORKS][GRU_LAYERS][GRU_HIDDEN * GRU_PARTS];
  gru_pool pool[GRU_NETWORKS];
#if GRU_LINEAR
  gru_real latest[GRU_LINEAR_STEPS][GRU_N_ENCODED]; /* oldest first */
#endif
} gru_state;
"""
