"""Predictions of an exported model with NumPy alone: one file, to be copied.

A file of ``sklearn_gru.export.to_portable`` is a zip of arrays (``.npy``) and one text
(``model.json``). Nothing in it is code. This module reads it, checks every name, shape,
length and number, and predicts; it imports NumPy and the standard library, so that it
works where sklearn_gru is not installed. Call ``load_portable("model.gru").predict(X)``
or, for the rows of a table of numbers, ``python gru_portable.py model.gru rows.csv``.

**Shape**: sequences ``(n, n_steps, n_features)`` or a list of arrays of shape
``(n_steps, n_features)``; of a model with a window, also rows ``(n, n_columns)`` of one
series, a time step each.
"""

import copy
import hashlib
import io
import json
import math
import sys
import zipfile
from collections import deque
from pathlib import Path

import numpy as np

FORMAT = 1
CELLS = {
    "gru": ("weight_ih", "weight_hh", "bias_ih", "bias_hh", 3),
    "gru_reset_before": ("weight_ih", "weight_hh", "bias_ih", "bias_hh", 3),
    "lstm": ("weight_ih", "weight_hh", "bias_ih", "bias_hh", 4),
    "rnn": ("weight_ih", "weight_hh", "bias_ih", "bias_hh", 1),
}
POOLINGS = ("last", "mean", "max", "attention", "mean_max")
TASKS = ("regression", "poisson", "quantiles", "classification")
OPERATIONS = ("subtract", "divide", "multiply", "add", "fill")
WEIGHTS = {"float16": "<f2", "float32": "<f4"}
KERNEL_SIZES = (8, 5, 3)  # of convolutions; further ones have the last size

_MOST = 1 << 20  # the largest size that a file may name
_MOST_BYTES = 1 << 30
_MOST_TEXT = 1 << 24
_CELLS_AT_ONCE = 1 << 20  # numbers of inputs in memory at a time
_LARGEST = 1e30  # what the network reads in place of what float32 cannot hold


class PortableError(ValueError):
    """A file that is not a whole portable model, or data that it cannot read."""


# --- the file -------------------------------------------------------------------------


def load_portable(path):
    """Load a model that ``to_portable`` wrote.

    No code in the file is run, and no size in it is trusted.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    model : PortableModel
        Model that predicts with NumPy alone.

    Raises
    ------
    PortableError
        The file is damaged, made by another program, or of a newer format.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise PortableError(f"{path} has {size} bytes; a model has at most 2**30.")
    return PortableModel(*unpack(path.read_bytes(), str(path)))


def unpack(content, name="The file"):
    """Return the description and the arrays of a file, after checking both."""
    members = _members(content, name)
    about = _parse(members.pop("model.json", None), name)
    try:
        check_description(about)
        return about, _arrays(about, members)
    except PortableError as error:
        raise PortableError(f"{name} is not a portable model: {error}") from None


def pack(about, arrays):
    """Return the bytes of a file: a zip whose comment is the SHA-256 of the rest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(about, allow_nan=False, indent=1).encode()
        archive.writestr(zipfile.ZipInfo("model.json"), text)
        for key, (dtype, shape) in expected_arrays(about).items():
            data = np.ascontiguousarray(arrays[key], dtype).reshape(shape).tobytes()
            member = zipfile.ZipInfo(f"{key}.npy")
            archive.writestr(member, npy_header(dtype, shape) + data)
        archive.comment = b"0" * 64
    content = buffer.getvalue()[:-64]
    return content + hashlib.sha256(content).hexdigest().encode()


def npy_header(dtype, shape):
    """Return the bytes before the data of an array in NumPy's format 1.0."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def _members(content, name):
    """Return the bytes of each member of a zip that was not changed."""
    body, digest = content[:-64], content[-64:]
    if content[:4] != b"PK\x03\x04":
        raise PortableError(
            f"{name} is not a portable model: expected a zip. Write one with "
            "sklearn_gru.export.to_portable."
        )
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise PortableError(
            f"{name} is damaged: its checksum is another. Copy it again in binary mode."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            stored = all(
                info.compress_type == zipfile.ZIP_STORED
                and info.file_size == info.compress_size
                for info in infos
            )
            total = sum(info.file_size for info in infos)
            if len(set(names)) < len(names) or not stored or total > len(content):
                raise PortableError(
                    f"{name} is not a portable model: members are stored once, and "
                    "not compressed."
                )
            return {info.filename: archive.read(info) for info in infos}
    except PortableError:
        raise
    except Exception as error:  # zipfile raises many kinds
        raise PortableError(f"{name} is not a readable zip: {error}") from error


def _parse(text, name):
    """Return the description in a JSON text."""
    if text is None or len(text) > _MOST_TEXT:
        raise PortableError(f"{name} is not a portable model: no model.json to read.")

    def refuse(value):
        raise PortableError(f"{name}: {value} is not a number of JSON.")

    def unique(pairs):
        if len(dict(pairs)) < len(pairs):
            raise PortableError(f"{name}: model.json names something twice.")
        return dict(pairs)

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except PortableError:
        raise
    except (ValueError, RecursionError) as error:
        raise PortableError(f"{name}: model.json cannot be read: {error}") from None


def _arrays(about, members):
    """Return the arrays, whose names and bytes follow from the description."""
    expected = expected_arrays(about)
    missing = {f"{key}.npy" for key in expected} ^ set(members)
    if missing:
        raise PortableError(f"arrays missing or unknown: {sorted(missing)[:5]}.")
    found = {}
    for key, (dtype, shape) in expected.items():
        content, header = members[f"{key}.npy"], npy_header(dtype, shape)
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        if not content.startswith(header) or len(content) != len(header) + n_bytes:
            raise PortableError(f"{key}.npy is not {dtype} of shape {shape}.")
        array = np.frombuffer(content, dtype, offset=len(header)).reshape(shape)
        if not np.isfinite(array).all():
            raise PortableError(f"{key}.npy holds NaN or infinity.")
        found[key] = array
    for key in ("input.scale", "differences.unit", "differences.scale", "task.scale"):
        if key in found and not (found[key] > 0).all():
            raise PortableError(f"{key}.npy holds a scale that is not above 0.")
    return found


def expected_arrays(about):
    """Return dtype and shape of every array of a description, by name."""
    net, weights = about["network"], WEIGHTS[about["weights"]]
    n, hidden, precise = about["n_features"], net["hidden_size"], "<f8"
    shapes = {"input.mean": (precise, (n,)), "input.scale": (precise, (n,))}
    if net["differences"]:
        n_numeric = n - len(embedded(about))
        for key in ("unit", "mean", "scale"):
            shapes[f"differences.{key}"] = precise, (n_numeric,)
    for k in range(len(about["before"])):
        shapes[f"before.{k}"] = precise, (n,)
    empty = (about["n_targets"],)
    if about["task"] == "quantiles":
        empty += (len(about["levels"]),)
    shapes["task.empty"] = precise, empty
    if about["task"] != "classification":
        shapes["task.center"] = precise, (about["n_targets"],)
        shapes["task.scale"] = precise, (about["n_targets"],)
    if about["linear"] is not None:
        width = about["linear"]["n_steps"] * about["linear"]["n_columns"]
        shapes["linear.coef"] = "<f4", (net["n_outputs"], width)
        shapes["linear.intercept"] = "<f4", (net["n_outputs"],)
    for m in range(about["networks"]):
        for key, shape in _network_shapes(net, hidden).items():
            shapes[f"net{m}.{key}"] = weights, shape
    return shapes


def _network_shapes(net, hidden):
    """Return the shapes of the weights of one network."""
    directions = 2 if net["bidirectional"] else 1
    size, blocks = hidden * directions, CELLS[net["cell"]][-1] * hidden
    shapes = {}
    for layer in range(net["num_layers"]):
        read = size if layer else net["n_inputs"] * net["segment_length"]
        for d in range(directions):
            at = f"layer{layer}.{d}"
            shapes[f"{at}.weight_ih"] = (blocks, read)
            shapes[f"{at}.weight_hh"] = (blocks, hidden)
            shapes[f"{at}.bias_ih"] = shapes[f"{at}.bias_hh"] = (blocks,)
    if net["pooling"] == "attention":
        shapes["pooling.project"] = (size, size)
        shapes["pooling.project_bias"] = (size,)
        shapes["pooling.context"] = (1, size)
    pooled = 2 * size if net["pooling"] == "mean_max" else size
    before = net["n_inputs"]
    for k, width in enumerate(net["conv_filters"]):
        shapes[f"conv{k}.weight"] = (width, before, KERNEL_SIZES[min(k, 2)])
        shapes[f"conv{k}.factor"] = shapes[f"conv{k}.shift"] = (width,)
        before = width
    pooled += before if net["conv_filters"] else 0
    shapes["head.weight"] = (net["n_outputs"], pooled)
    shapes["head.bias"] = (net["n_outputs"],)
    for k, (n_categories, width) in enumerate(net["embeddings"]):
        shapes[f"embedding{k}"] = (n_categories + 1, width)
    return shapes


def embedded(about):
    """Return the positions of the categorical features."""
    kinds = about["categories"] or []
    return [j for j, values in enumerate(kinds) if values is not None]


# --- the description, checked ---------------------------------------------------------


def check_description(about):
    """Raise PortableError unless a description is complete and consistent."""
    if not isinstance(about, dict) or type(about.get("format")) is not int:
        raise PortableError("model.json does not say its format.")
    if about["format"] != FORMAT:
        raise PortableError(
            f"it is of format {about['format']}, and this reader knows {FORMAT}. Copy "
            "gru_portable.py from the sklearn_gru that wrote it."
        )
    _check_keys(about, _DESCRIPTION, "")
    _check_keys(about["network"], _NETWORK, "network.")
    n, net = about["n_features"], about["network"]
    _check_categories(about, n, net)
    _check_names(about, n)
    _check_places(about["marked"], n, "marked")
    _need(not set(about["marked"]) & set(embedded(about)), "marked")
    _check_widths(about, n, net)
    _check_task(about, net)
    if about["continuation"] is not None:
        _check_keys(about["continuation"], _CONTINUATION, "continuation.")
        _need(about["normalization"] is not None, "continuation")
        column = about["continuation"]["column"]
        _need(column < n and column not in embedded(about), "continuation.column")
    if about["linear"] is not None:
        _check_keys(about["linear"], _LINEAR, "linear.")
        _need(about["linear"]["n_columns"] <= net["n_inputs"], "linear.n_columns")
    if about["window"] is not None:
        _check_keys(about["window"], _WINDOW, "window.")
        _check_places(about["window"]["known"], n, "window.known")
        _need(not about["per_row"], "per_row")
    _need(all(op in OPERATIONS for op in about["before"]), "before")
    _need(not about["before"] or about["window"] is not None, "before")


def _is_size(value):
    return type(value) is int and 1 <= value <= _MOST


def _is_index(value):
    return type(value) is int and 0 <= value <= _MOST


def _is_flag(value):
    return type(value) is bool


def _is_number(value):
    return type(value) in (int, float) and abs(value) < 1e300


def _is_list(value):
    return isinstance(value, list) and len(value) <= _MOST


def _one_of(*values):
    return lambda value: (
        any(value is v or value == v for v in values)
        and (value is None or isinstance(value, str))
    )


def _or_none(rule):
    return lambda value: value is None or rule(value)


def _is_label(value):
    return type(value) in (str, int, float, bool)


def _is_dict(value):
    return isinstance(value, dict)


_DESCRIPTION = {
    "format": _is_size,
    "made_by": _is_dict,
    "task": _one_of(*TASKS),
    "computes": _one_of("float32", "float64"),
    "weights": _one_of(*WEIGHTS),
    "networks": _is_size,
    "network": _is_dict,
    "n_features": _is_size,
    "feature_names": _or_none(_is_list),
    "per_row": _is_flag,
    "n_columns": _is_size,
    "marked": _is_list,
    "categories": _or_none(_is_list),
    "normalization": _one_of(None, "last", "standard"),
    "precision": lambda value: _is_number(value) and 0 <= value < 1,
    "continuation": _or_none(_is_dict),
    "linear": _or_none(_is_dict),
    "n_targets": _is_size,
    "single": _is_flag,
    "levels": _or_none(_is_list),
    "classes": _or_none(_is_list),
    "window": _or_none(_is_dict),
    "before": _is_list,
    "reads_keys": _is_flag,
}
_NETWORK = {
    "cell": _one_of(*CELLS),
    "n_inputs": _is_size,
    "hidden_size": _is_size,
    "num_layers": _is_size,
    "bidirectional": _is_flag,
    "pooling": _one_of(*POOLINGS),
    "n_outputs": _is_size,
    "segment_length": _is_size,
    "conv_filters": lambda v: _is_list(v) and all(map(_is_size, v)),
    "embeddings": lambda v: (
        _is_list(v)
        and all(_is_list(p) and len(p) == 2 and all(map(_is_size, p)) for p in v)
    ),
    "differences": _is_flag,
}
_CONTINUATION = {
    "column": _is_index,
    "shift": _is_number,
    "scale": lambda value: _is_number(value) and value > 0,
    "least": lambda value: _is_number(value) and value > 0,
}
_LINEAR = {
    "n_steps": _is_size,
    "n_columns": _is_size,
    "share": lambda value: _is_number(value) and 0 <= value <= 1,
}
_WINDOW = {"size": _is_size, "lag": _is_index, "known": _is_list}


def _need(condition, key):
    if not condition:
        raise PortableError(f"{key} in model.json does not fit the rest.")


def _check_keys(part, rules, where):
    """Check that a part has exactly the keys of the rules, each with a right value."""
    if set(part) != set(rules):
        wrong = sorted(map(str, set(part) ^ set(rules)))
        raise PortableError(f"keys missing or unknown: {where}{wrong[0][:40]}.")
    for key, rule in rules.items():
        if not rule(part[key]):
            shown = str(part[key])[:40]
            raise PortableError(f"{where}{key} is {shown!r}, which it may not be.")


def _check_places(places, n, key):
    """Check an ascending list of positions below n."""
    _need(all(_is_index(j) and j < n for j in places), key)
    _need(sorted(set(places)) == places, key)


def _check_categories(about, n, net):
    kinds = about["categories"]
    _need(kinds is None or len(kinds) == n, "categories")
    found = [values for values in kinds or [] if values is not None]
    _need(all(_is_list(values) and values for values in found), "categories")
    _need(all(_is_label(v) for values in found for v in values), "categories")
    _need(all(len(set(values)) == len(values) for values in found), "categories")
    sizes = [size for size, _ in net["embeddings"]]
    _need([len(values) for values in found] == sizes, "categories")


def _check_names(about, n):
    names = about["feature_names"]
    if names is not None:
        _need(all(isinstance(name, str) for name in names), "feature_names")
        _need(len(names) in (n, about["n_columns"]), "feature_names")
    if about["per_row"]:
        _need(about["n_columns"] % n == 0, "n_columns")
    else:
        _need(about["n_columns"] == n, "n_columns")


def _check_widths(about, n, net):
    """Check that the network reads what the features make."""
    n_numeric = n - len(net["embeddings"])
    width = n_numeric + len(about["marked"])
    width += n_numeric if net["differences"] else 0
    width += sum(width for _, width in net["embeddings"])
    _need(net["n_inputs"] == width, "network.n_inputs")
    _need(net["num_layers"] <= 64 and about["networks"] <= 1024, "network.num_layers")
    _need(not net["differences"] or n_numeric, "network.differences")


def _check_task(about, net):
    levels, classes, n = about["levels"], about["classes"], about["n_targets"]
    _need((levels is not None) == (about["task"] == "quantiles"), "levels")
    _need((classes is not None) == (about["task"] == "classification"), "classes")
    n_outputs = n
    if levels is not None:
        _need(levels and all(_is_number(v) and 0 < v < 1 for v in levels), "levels")
        _need(len(set(levels)) == len(levels), "levels")
        n_outputs = n * len(levels)
    if classes is not None:
        _need(len(classes) == n and all(map(_is_label, classes)), "classes")
        _need(about["continuation"] is None and not about["single"], "continuation")
    _need(net["n_outputs"] == n_outputs, "network.n_outputs")
    _need(not about["single"] or n == 1, "single")


# --- the model ------------------------------------------------------------------------


class PortableModel:
    """A model that predicts with NumPy alone; see :func:`load_portable`.

    Times and group keys stay with you: rows are numbers in the order of time, one row
    per time step and one series at a time. A missing step is a row of NaN.

    Attributes
    ----------
    about : dict
        What the file says: task, network, window, versions.
    feature_names : list of str or None
        Names of the columns of X, in their order.
    classes_ : ndarray, of a classifier
        Class labels.
    """

    def __init__(self, about, arrays):
        self.about = about
        self.feature_names = about["feature_names"]
        self._dtype = np.dtype(about["computes"])
        self._arrays = arrays
        self._encoder = _Encoder(about, arrays, self._dtype)
        self._networks = [
            _Network(about["network"], arrays, f"net{m}.", self._dtype)
            for m in range(about["networks"])
        ]
        if about["classes"] is not None:
            self.classes_ = _labels(about["classes"])
        self.reset()

    def __repr__(self):
        net = self.about["network"]
        return (
            f"PortableModel({self.about['task']}, {net['cell']} of "
            f"{net['hidden_size']} units, {self.about['n_features']} features)"
        )

    def predict(self, X):
        """Predict the target of each sequence, or of each row with a window.

        Parameters
        ----------
        X : array-like
            Sequences of shape (n, n_steps, n_features), a list of arrays of shape
            (n_steps, n_features), or, for a model with a window, rows of one series
            (n, n_columns) in the order of time. NaN marks a missing cell. Categories
            are given by value (an array of objects), as in fit.

        Returns
        -------
        y : ndarray of shape (n,) or (n, n_outputs)
            Predictions in float64, or labels.
        """
        found = self._decoded(X)
        if self.about["task"] == "classification":
            return self.classes_[found.argmax(axis=1)]
        if self.about["task"] == "quantiles":
            levels = np.sort(self.about["levels"])
            found = found[:, :, np.abs(levels - 0.5).round(9).argmin()]
        return self._shaped(found)

    def predict_proba(self, X):
        """Predict the probability (n, n_classes) of each class, as ``classes_``."""
        if self.about["task"] != "classification":
            raise PortableError(
                f"This model is a {self.about['task']}; only classifiers predict "
                "probabilities. Call predict."
            )
        return self._decoded(X)

    def predict_quantiles(self, X):
        """Predict the quantiles (n, q) or (n, n_outputs, q), in the order of fit."""
        if self.about["task"] != "quantiles":
            raise PortableError(
                f"This model is a {self.about['task']} without quantiles. Fit with "
                "quantiles= and export again."
            )
        given = np.asarray(self.about["levels"])
        found = self._decoded(X)[:, :, np.searchsorted(np.sort(given), given)]
        return self._shaped(found)

    def update(self, row, method="predict"):
        """Append one row to the series; return the answer for it.

        The answer is that of `method` for all rows seen since the model was loaded or
        :meth:`reset`. With a window, the last rows are run again; else the state of
        the network is carried from row to row, which takes as long however many rows
        came before.

        Parameters
        ----------
        row : array-like of shape (n_columns,)
            The next time step; NaN marks a missing cell.
        method : {"predict", "predict_proba", "predict_quantiles"}
            What to answer with.
        """
        if method not in ("predict", "predict_proba", "predict_quantiles"):
            raise PortableError(f"method={method!r} is not a method that answers.")
        row = self._rows(np.asarray(row)[None])
        if self.about["window"] is not None:
            self._recent.append(row[0])
            windows = self._windows(np.array(self._recent))
            return getattr(self, method)(_Read(windows[-1:]))[0]
        self._check_stepwise()
        if not np.isnan(row).all():
            x = self._encoder.rows(row)
            self._latest.append(x[0])
            for k, network in enumerate(self._networks):
                self._states[k] = network.advance(x, self._states[k])
        return getattr(self, method)(_Carried(self._states, self._latest))[0]

    def reset(self):
        """Forget the rows of :meth:`update`; return the model."""
        window = self.about["window"]
        reach = 1 if window is None else window["size"] + window["lag"]
        self._recent = deque(maxlen=reach)
        self._states = [None] * len(self._networks)
        part = self.about["linear"]
        self._latest = deque(maxlen=0 if part is None else part["n_steps"])
        return self

    def new_series(self):
        """Return a model with the same weights that has seen no row."""
        return copy.copy(self).reset()

    # -- inside ------------------------------------------------------------------------

    def _decoded(self, X):
        """Return decoded predictions (n, n_targets[, q]), the mean of the networks."""
        empty = self._arrays["task.empty"]
        if isinstance(X, _Carried):
            if X.states[0] is None:
                return empty[None].copy()
            outputs = [
                network.answer(state)
                for network, state in zip(self._networks, X.states, strict=True)
            ]
            flat = self._flat_rows(X.latest)
            mixed = [self._mixed(output, flat) for output in outputs]
            return np.mean([self._decode(output) for output in mixed], axis=0)
        sequences = X.sequences if isinstance(X, _Read) else self._sequences(X)
        values = np.empty((len(sequences), *empty.shape))
        values[:] = empty
        for at, batch in self._encoder.batches(sequences):
            found, flat = [], self._flat(batch)
            for network in self._networks:
                y = self._decode(self._mixed(network.run(batch), flat))
                found.append(self._continued(y, batch.levels))
            values[at] = np.mean(found, axis=0)
        return values

    def _flat(self, batch):
        """Return the latest steps of each sequence (B, n_steps * n_columns)."""
        part = self.about["linear"]
        if part is None:
            return None
        n_steps, n_columns = part["n_steps"], part["n_columns"]
        at = batch.lengths[:, None] - n_steps + np.arange(n_steps)
        latest = batch.x[np.arange(len(at))[:, None], np.maximum(at, 0), :n_columns]
        latest = np.where(at[:, :, None] < 0, 0.0, latest.astype(np.float64))
        return latest.reshape(len(at), -1)

    def _flat_rows(self, rows):
        """Return the latest encoded rows of one series as :meth:`_flat` does."""
        part = self.about["linear"]
        if part is None:
            return None
        found = np.zeros((part["n_steps"], part["n_columns"]))
        found[len(found) - len(rows) :] = [row[: part["n_columns"]] for row in rows]
        return found.reshape(1, -1)

    def _mixed(self, output, flat):
        """Return outputs (B, n_outputs), mixed with those of the linear part."""
        part = self.about["linear"]
        if part is None:
            return output
        linear = flat @ self._arrays["linear.coef"].T.astype(np.float64)
        linear += self._arrays["linear.intercept"]
        return (1.0 - part["share"]) * output + part["share"] * linear

    def _decode(self, output):
        """Return outputs (n, n_outputs) on the scale of y."""
        output, task = output.astype(np.float64), self.about["task"]
        if task == "classification":
            odds = np.exp(output - output.max(axis=1, keepdims=True))
            return odds / odds.sum(axis=1, keepdims=True)
        center, scale = self._arrays["task.center"], self._arrays["task.scale"]
        if task == "poisson":
            return np.exp(output) * scale
        if task == "quantiles":
            output = output.reshape(len(output), len(center), -1)
            return np.sort(output) * scale[:, None] + center[:, None]
        return output * scale + center

    def _continued(self, y, levels):
        """Return predictions on top of the channel that y continues."""
        rule = self.about["continuation"]
        if rule is None:
            return y
        shift, scale = (level[:, rule["column"]] for level in levels)
        shift = np.where(np.isnan(shift), rule["shift"], shift)
        scale = np.where(np.isnan(scale), rule["scale"], scale)
        scale = np.maximum(scale, rule["least"])
        shape = (-1,) + (1,) * (y.ndim - 1)
        return y * scale.reshape(shape) + shift.reshape(shape)

    def _shaped(self, y):
        return y[:, 0] if self.about["single"] else y

    def _sequences(self, X):
        """Return a list or view of sequences (n_steps, n_features) of numbers."""
        about = self.about
        if isinstance(X, (list, tuple)) and X and np.ndim(X[0]) == 2:
            return [self._values(np.asarray(x), about["n_features"]) for x in X]
        X = np.asarray(X)
        if about["per_row"]:
            values = self._values(X, about["n_columns"])
            return values.reshape(len(values), -1, about["n_features"])
        if X.ndim == 3:
            values = self._values(X.reshape(-1, X.shape[2]), about["n_features"])
            return values.reshape(X.shape)
        if about["window"] is None:
            raise PortableError(
                f"X has shape {X.shape}; expected sequences (n, n_steps, "
                f"{about['n_features']}). Pass one sequence x as x[None]."
            )
        return self._windows(self._rows(X))

    def _rows(self, X):
        """Return rows (n, n_columns) after the steps before the window."""
        rows = self._values(X, self.about["n_columns"])
        for k, name in enumerate(self.about["before"]):
            vector = self._arrays[f"before.{k}"]
            if name == "fill":
                rows = np.where(np.isnan(rows), vector, rows)
            else:
                rows = getattr(np, name)(rows, vector)
        return rows

    def _values(self, X, width):
        """Return X (n, width) as float64, categories by their codes in the file."""
        if X.ndim != 2 or X.shape[1] != width:
            names = f": {self.feature_names}" if self.feature_names else ""
            raise PortableError(
                f"X has shape {X.shape}; expected {width} columns{names}."
            )
        places = embedded(self.about)
        if places and not self.about["per_row"]:
            X = self._encoder.coded(X)
        try:
            values = X.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise PortableError(f"X holds what is not a number: {error}") from None
        if self.about["per_row"] and places:
            shape, n = values.shape, self.about["n_features"]
            values = self._encoder.coded(values.reshape(-1, n)).reshape(shape)
        if np.isinf(values).any():
            raise PortableError("X holds infinity; mark missing cells by NaN.")
        return values

    def _windows(self, rows):
        """Return the window (n, size, n_features) of each row, as SlidingWindow."""
        about = self.about["window"]
        n, width = rows.shape
        size, lag = min(about["size"], n + about["lag"]), about["lag"]
        known = np.isin(np.arange(width), about["known"])
        cells = np.full((n + size - 1, width), np.nan)
        cells[size - 1 :, known] = rows[:, known]
        cells[size - 1 + lag :, ~known] = rows[: max(n - lag, 0), ~known]
        windows = np.lib.stride_tricks.sliding_window_view(cells, size, axis=0)
        return windows.transpose(0, 2, 1)

    def _check_stepwise(self):
        """Refuse rows one at a time for networks that read the whole sequence."""
        about, net = self.about, self.about["network"]
        reasons = {
            "bidirectional=True": net["bidirectional"],
            f"normalization={about['normalization']!r}": about["normalization"],
            "add_differences=True": net["differences"],
            "conv_filters": net["conv_filters"],
            "segment_length": net["segment_length"] > 1,
            "2-D rows as series": about["per_row"],
        }
        for name, holds in reasons.items():
            if holds:
                raise PortableError(
                    f"{name} reads the whole sequence for every new row, so there is "
                    "no state to carry. Call predict, or export a pipeline with a "
                    "SlidingWindow."
                )


class _Read:
    """Sequences that have been read."""

    def __init__(self, sequences):
        self.sequences = sequences


class _Carried:
    """States of the networks after the rows so far, and the latest of these rows."""

    def __init__(self, states, latest):
        self.states = states
        self.latest = latest


def _labels(values):
    """Return labels as an array of their own type."""
    found = np.array(values)
    if found.dtype.kind not in "iufbU" or found.tolist() != list(values):
        found = np.empty(len(values), dtype=object)
        found[:] = values
    return found


# --- from sequences to the numbers that the network reads -----------------------------


class _Batch:
    """Encoded sequences of one block, right-padded, the longest first."""

    def __init__(self, x, lengths, observed, levels):
        self.x = x  # (B, T, n_columns)
        self.lengths = lengths  # (B,) steps
        self.observed = observed  # (B, T) steps with a value; None if not needed
        self.levels = levels  # shift and scale (B, n_features) in units of X, or None


class _Encoder:
    """Encoder of sequences as in fit: scaled cells, marks, categories."""

    def __init__(self, about, arrays, dtype):
        net = about["network"]
        self.dtype = dtype
        self.mean, self.scale = arrays["input.mean"], arrays["input.scale"]
        self.embedded = np.array(embedded(about), dtype=int)
        self.numeric = np.setdiff1d(np.arange(len(self.mean)), self.embedded)
        self.marked = np.array(about["marked"], dtype=int)
        self.normalization, self.precision = about["normalization"], about["precision"]
        self.segment = net["segment_length"]
        self.convolves = bool(net["conv_filters"])
        self.differences = None
        if net["differences"]:
            self.differences = [
                arrays[f"differences.{key}"] for key in ("unit", "mean", "scale")
            ]
        self.n_columns = len(self.mean) + len(self.marked)
        self.n_columns += len(self.numeric) if net["differences"] else 0
        self.books = [
            None if values is None else {value: k for k, value in enumerate(values)}
            for values in about["categories"] or []
        ]

    def coded(self, X):
        """Return rows with codes in place of categories; NaN for an unknown one."""
        out = np.array(X, dtype=object)
        for j in self.embedded:
            book = self.books[j]
            texts = isinstance(next(iter(book)), str)
            if texts and X.dtype.kind in "iuf" and not np.isnan(X[:, j]).all():
                raise PortableError(
                    f"Feature {j} holds text categories such as {next(iter(book))!r}. "
                    "Pass an array of objects: np.array(rows, dtype=object)."
                )
            out[:, j] = [self._code(book, value) for value in X[:, j].tolist()]
        return out.astype(np.float64)

    @staticmethod
    def _code(book, value):
        try:
            return book.get(value, np.nan)
        except TypeError:
            raise PortableError(f"{value!r} is not a category.") from None

    def batches(self, sequences):
        """Yield positions and encoded batches of the sequences with input."""
        keeps_gaps = self.segment > 1 or self.convolves
        dense = isinstance(sequences, np.ndarray)
        most = sequences.shape[1] if dense else max(map(len, sequences), default=1)
        size = max(1, _CELLS_AT_ONCE // max(1, most * self.n_columns))
        for at in range(0, len(sequences), size):
            parts = [_condensed(x, keeps_gaps) for x in sequences[at : at + size]]
            lengths = np.array([len(x) for x in parts], dtype=int)
            order = np.argsort(-lengths, kind="stable")
            order = order[lengths[order] > 0]
            if len(order):
                yield at + order, self._batch([parts[k] for k in order], lengths[order])

    def _batch(self, parts, lengths):
        longest, n = int(lengths[0]), len(self.mean)
        cells = np.full((len(parts), longest, n), np.nan)
        for k, part in enumerate(parts):
            cells[k, : len(part)] = part
        levels = None if self.normalization is None else self._levels(cells)
        x = self.rows(cells.reshape(-1, n), keep_missing=levels is not None)
        x = x.reshape(len(parts), longest, -1)
        n_before = 0 if self.differences is None else len(self.numeric)
        x = np.concatenate([self._differences(cells, levels), x], axis=2)
        if levels is not None:
            self._normalize(x, n_before, levels)
        observed = ~np.isnan(cells).all(axis=2) if self.convolves else None
        inside = np.arange(longest) < lengths[:, None]
        x[~inside] = 0.0
        return _Batch(x, lengths, observed, levels)

    def rows(self, values, keep_missing=False):
        """Return rows (n, n_columns) of scaled cells, marks and table indices."""
        scaled = (values - self.mean) / self.scale
        missing = np.isnan(scaled)
        indices = np.where(missing, 0.0, scaled)[:, self.embedded]
        if not keep_missing:
            scaled = np.where(missing, 0.0, scaled)
        scaled = scaled[:, self.numeric]
        if self.dtype == np.float32:
            too_large = np.abs(scaled) > np.finfo(np.float32).max
            scaled = np.where(too_large, np.sign(scaled) * _LARGEST, scaled)
        parts = [scaled, missing[:, self.marked], indices]
        return np.concatenate([part.astype(self.dtype) for part in parts], axis=1)

    def _levels(self, cells):
        """Return shift and scale (B, n_features) in units of X; NaN where none."""
        seen = ~np.isnan(cells)
        if self.normalization == "last":
            place = np.where(seen, np.arange(cells.shape[1])[:, None], -1).max(axis=1)
            at = np.maximum(place, 0)[:, None]
            shift = np.take_along_axis(cells, at, axis=1)[:, 0]
            return shift, np.where(np.isnan(shift), np.nan, 1.0)
        count = seen.sum(axis=1).astype(np.float64)
        count[count == 0] = np.nan
        mean = np.where(seen, cells, 0.0).sum(axis=1) / count
        off = np.where(seen, cells - mean[:, None], 0.0)
        deviation = np.sqrt((off**2).sum(axis=1) / count)
        rounding = 10 * np.maximum(
            self.precision * np.abs(mean - self.mean),
            np.finfo(np.float64).eps * np.abs(mean),
        )
        return mean, np.where(deviation > rounding, deviation, np.nan)

    def _own_levels(self, levels):
        """Return levels (B, n_numeric) in units of scaled cells."""
        shift = ((levels[0] - self.mean) / self.scale)[:, self.numeric]
        own = np.ones_like(shift)
        if self.normalization == "standard":
            own = (levels[1] / self.scale)[:, self.numeric]
        shift, own = np.nan_to_num(shift, nan=0.0), np.nan_to_num(own, nan=1.0)
        return shift.astype(self.dtype), own.astype(self.dtype)

    def _differences(self, cells, levels):
        """Return differences (B, T, n_numeric) from the value observed before."""
        if self.differences is None:
            return np.empty((*cells.shape[:2], 0), dtype=self.dtype)
        values = cells[:, :, self.numeric]
        unit, mean, scale = self.differences
        place = np.where(~np.isnan(values), np.arange(values.shape[1])[:, None], -1)
        latest = np.maximum.accumulate(place, axis=1)
        before = np.full_like(latest, -1)
        before[:, 1:] = latest[:, :-1]
        front = np.take_along_axis(values, np.maximum(before, 0), axis=1)
        found = np.where(before >= 0, values - front, np.nan) / unit
        if levels is None:
            found = (found - mean) / scale
        else:
            own = self._own_levels(levels)[1].astype(np.float64)[:, None]
            shifts = (mean * own).astype(self.dtype)
            scales = (scale * own).astype(self.dtype)
            found = (found.astype(self.dtype) - shifts) / scales
        return np.nan_to_num(found, nan=0.0).astype(self.dtype)

    def _normalize(self, x, n_before, levels):
        """Apply the level of each sequence to its scaled cells; missing ones are 0."""
        shift, own = self._own_levels(levels)
        cells = x[:, :, n_before : n_before + shift.shape[1]]
        cells -= shift[:, None]
        cells /= own[:, None]
        np.nan_to_num(cells, copy=False, nan=0.0)


def _condensed(sequence, keeps_gaps):
    """Return a sequence without steps that hold no value; interior ones may stay."""
    observed = ~np.isnan(sequence).all(axis=1)
    if not keeps_gaps:
        return sequence[observed]
    at = np.flatnonzero(observed)
    return sequence[at[0] : at[-1] + 1] if len(at) else sequence[:0]


# --- the network ----------------------------------------------------------------------


def _sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


class _Network:
    """The recurrent layers, the pooling, the convolutions and the head."""

    def __init__(self, about, arrays, prefix, dtype):
        self.about, self.dtype = about, dtype
        cut = len(prefix)
        self.w = {
            name[cut:]: array.astype(dtype)
            for name, array in arrays.items()
            if name.startswith(prefix)
        }
        self.n_directions = 2 if about["bidirectional"] else 1
        self.hidden = about["hidden_size"]
        self.step = getattr(self, f"_{about['cell']}")
        self.n_parts = 2 if about["cell"] == "lstm" else 1

    def run(self, batch):
        """Return the outputs (B, n_outputs) of a batch."""
        x = self._embedded(batch.x)
        lengths, segment = batch.lengths, self.about["segment_length"]
        found = [] if batch.observed is None else [self._convolved(x, batch.observed)]
        if segment > 1:
            x, lengths = _segments(x, lengths, segment)
        elif batch.observed is not None:
            x, lengths = _observed_first(x, batch.observed)
        order = np.argsort(-lengths, kind="stable")
        states, last = self._layers(x[order], lengths[order])
        back = np.argsort(order)
        pooled = self._pooled(states, last, lengths[order])[back]
        return self._head(np.concatenate([pooled, *found], axis=1))

    def advance(self, x, state):
        """Return the state after one encoded row (1, n_columns); None begins."""
        x = self._embedded(x[None])[0]
        layers, pooled = ([None] * self.about["num_layers"], None)
        if state is not None:
            layers, pooled = list(state[0]), state[1]
        for k, own in enumerate(layers):
            if own is None:
                own = self._zeros(1)
            w = self._weights(k, 0)
            layers[k] = self.step(w, x @ w[0].T + w[2], own)
            x = layers[k][0]
        return layers, self._collected(pooled, x)

    def answer(self, state):
        """Return the outputs (1, n_outputs) after the rows of a state."""
        layers, (count, total, largest, score) = state
        last = layers[-1][0]
        pooled = {
            "last": lambda: last,
            "mean": lambda: total / count,
            "max": lambda: largest,
            "mean_max": lambda: np.concatenate([total / count, largest], axis=1),
            "attention": lambda: total / score[1],
        }[self.about["pooling"]]()
        return self._head(pooled.astype(self.dtype))

    def _collected(self, before, state):
        """Return count, sum, maximum and running softmax after one more state."""
        attends = self.about["pooling"] == "attention"
        score = self._scores(state) if attends else state[:, :1]
        if before is None:
            return 1, state, state, (score, np.ones_like(score))
        count, total, largest, (top, weight) = before
        largest = np.maximum(largest, state)
        if not attends:
            return count + 1, total + state, largest, (top, weight)
        above = np.maximum(top, score)
        old, new = np.exp(top - above), np.exp(score - above)
        total, weight = total * old + new * state, weight * old + new
        return count + 1, total, largest, (above, weight)

    def _zeros(self, n):
        return tuple(
            np.zeros((n, self.hidden), self.dtype) for _ in range(self.n_parts)
        )

    def _weights(self, layer, direction):
        names = CELLS[self.about["cell"]][:4]
        return [self.w[f"layer{layer}.{direction}.{name}"] for name in names]

    def _layers(self, x, lengths):
        """Return states (B, T, D) and final states (B, D); the longest come first."""
        last = []
        for layer in range(self.about["num_layers"]):
            outputs, last = [], []
            for d in range(self.n_directions):
                read = _turned(x, lengths) if d else x
                states, final = self._run(self._weights(layer, d), read, lengths)
                outputs.append(_turned(states, lengths) if d else states)
                last.append(final)
            x = np.concatenate(outputs, axis=2)
        return x, np.concatenate(last, axis=1)

    def _run(self, w, x, lengths):
        """Run one layer in one direction; a sequence that has ended keeps its state."""
        inputs = x @ w[0].T + w[2]
        state = self._zeros(len(x))
        outputs = np.zeros((len(x), x.shape[1], self.hidden), self.dtype)
        for t in range(x.shape[1]):
            n = int(np.searchsorted(-lengths, -t))  # sequences longer than t
            after = self.step(w, inputs[:n, t], tuple(part[:n] for part in state))
            for part, new in zip(state, after, strict=True):
                part[:n] = new
            outputs[:n, t] = after[0]
        return outputs, state[0]

    @staticmethod
    def _gru(w, inputs, state):
        (h,), two = state, 2 * state[0].shape[1]
        sums = h @ w[1].T + w[3]
        gates = _sigmoid(inputs[:, :two] + sums[:, :two])
        r, z = gates[:, : two // 2], gates[:, two // 2 :]
        n = np.tanh(inputs[:, two:] + r * sums[:, two:])
        return ((1 - z) * n + z * h,)

    @staticmethod
    def _gru_reset_before(w, inputs, state):
        (h,), two = state, 2 * state[0].shape[1]
        gates = _sigmoid(inputs[:, :two] + h @ w[1][:two].T + w[3][:two])
        r, z = gates[:, : two // 2], gates[:, two // 2 :]
        n = np.tanh(inputs[:, two:] + (r * h) @ w[1][two:].T + w[3][two:])
        return ((1 - z) * n + z * h,)

    @staticmethod
    def _lstm(w, inputs, state):
        h, c = state
        i, f, g, o = np.split(inputs + h @ w[1].T + w[3], 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c

    @staticmethod
    def _rnn(w, inputs, state):
        return (np.tanh(inputs + state[0] @ w[1].T + w[3]),)

    def _scores(self, states):
        hidden = states @ self.w["pooling.project"].T + self.w["pooling.project_bias"]
        return np.tanh(hidden) @ self.w["pooling.context"].T

    def _pooled(self, states, last, lengths):
        """Return the pooled states (B, n_pooled)."""
        kind = self.about["pooling"]
        if kind == "last":
            return last
        inside = (np.arange(states.shape[1]) < lengths[:, None])[:, :, None]
        if kind == "attention":
            score = np.where(inside, self._scores(states), -np.inf)
            share = np.exp(score - score.max(axis=1, keepdims=True))
            return (states * (share / share.sum(axis=1, keepdims=True))).sum(axis=1)
        count = lengths[:, None].astype(self.dtype)
        mean = np.where(inside, states, 0).sum(axis=1) / count
        largest = np.where(inside, states, -np.inf).max(axis=1).astype(self.dtype)
        parts = {"mean": [mean], "max": [largest], "mean_max": [mean, largest]}[kind]
        return np.concatenate(parts, axis=1)

    def _embedded(self, x):
        """Return x (B, T, n_inputs), the indices replaced by their vectors."""
        n_tables = len(self.about["embeddings"])
        if not n_tables:
            return x
        n_dense = x.shape[2] - n_tables
        index = x[:, :, n_dense:].astype(int)
        vectors = [self.w[f"embedding{k}"][index[:, :, k]] for k in range(n_tables)]
        return np.concatenate([x[:, :, :n_dense], *vectors], axis=2)

    def _convolved(self, x, observed):
        """Return the mean (B, filters) of the convolutions over observed steps."""
        real = observed[:, :, None]
        for k in range(len(self.about["conv_filters"])):
            w = self.w[f"conv{k}.weight"]  # (C, before, K)
            around = w.shape[2] - 1
            pads = (0, 0), (around // 2, around - around // 2), (0, 0)
            read = np.pad(np.where(real, x, 0), pads)
            views = np.lib.stride_tricks.sliding_window_view(read, w.shape[2], axis=1)
            x = np.tensordot(views, w, axes=([2, 3], [1, 2]))
            x = np.maximum(x * self.w[f"conv{k}.factor"] + self.w[f"conv{k}.shift"], 0)
        count = observed.sum(axis=1)[:, None].astype(self.dtype)
        return np.where(real, x, 0).sum(axis=1) / count

    def _head(self, pooled):
        return pooled @ self.w["head.weight"].T + self.w["head.bias"]


def _turned(x, lengths):
    """Return each sequence reversed within its own length."""
    step = np.arange(x.shape[1])
    mirrored = lengths[:, None] - 1 - step
    at = np.where(mirrored >= 0, mirrored, step)
    return np.take_along_axis(x, at[:, :, None], axis=1)


def _segments(x, lengths, k):
    """Return sequences of k steps side by side, zeros before the first step."""
    counts = -(-lengths // k)
    width, longest = x.shape[2], int(counts.max())
    out = np.zeros((len(x), longest * k, width), x.dtype)
    for i, (n, count) in enumerate(zip(lengths, counts, strict=True)):
        out[i, count * k - n : count * k] = x[i, :n]
    return out.reshape(len(x), longest, k * width), counts


def _observed_first(x, observed):
    """Return sequences with their observed steps first, and their counts."""
    order = np.argsort(~observed, axis=1, kind="stable")
    return np.take_along_axis(x, order[:, :, None], axis=1), observed.sum(axis=1)


def main(arguments):
    """Print the predictions for the rows of a text file of numbers."""
    if len(arguments) != 2:
        raise SystemExit("python gru_portable.py model.gru rows.csv")
    model = load_portable(arguments[0])
    with open(arguments[1]) as file:
        skipped = int(any(c.isalpha() for c in file.readline().replace("nan", "")))
    rows = np.genfromtxt(arguments[1], delimiter=",", skip_header=skipped, ndmin=2)
    one_series = model.about["window"] is None and not model.about["per_row"]
    np.savetxt(sys.stdout, model.predict(rows[None] if one_series else rows), fmt="%s")


if __name__ == "__main__":
    main(sys.argv[1:])
