"""Writing of portable models: a zip of arrays and one text, read by NumPy alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sklearn_gru._support.files import write_whole
from sklearn_gru.exceptions import ExportError, InvalidParameterError
from sklearn_gru.export import gru_portable
from sklearn_gru.export._checked import compare, probes
from sklearn_gru.export._described import describe

# What rounding of the weights may change; see `compare` for the unit.
_TOLERANCE = {"float32": 1e-4, "float16": 3e-2}


def to_portable(
    model: Any,
    path: Any,
    *,
    dtype: str = "float32",
    X: Any = None,
    tolerance: float | None = None,
    reader: bool = False,
) -> float:
    """Write a fitted model to one file that NumPy alone can predict from.

    The file holds arrays and one JSON text, no pickle: loading it runs no code. Before
    it is written, its answers are compared with those of `model` on random data
    (missing cells, missing steps, ragged lengths) and on X.

    Parameters
    ----------
    model : GRURegressor, GRUClassifier or Pipeline
        Fitted model. A Pipeline ends with SlidingWindow and an estimator; scalers and
        SimpleImputer may stand before the window.
    path : str or path-like
        File to write. It is there whole, or not at all.
    dtype : {"float32", "float16"}, default="float32"
        Type of the stored weights. "float16" halves the file; predictions then differ
        by about 1e-3 of the spread of y.
    X : array-like, default=None
        Data, as for ``model.predict``, on which answers are compared too. Rows with
        times or groups cannot be compared: pass None.
    tolerance : float, default=None
        Largest difference, in units of the standard deviation of y plus the answer
        (probabilities: absolute). None is 1e-4, or 0.03 for "float16".
    reader : bool, default=False
        Also copy the reader ``gru_portable.py`` into the folder of `path`.

    Returns
    -------
    difference : float
        Largest difference found, in units of `tolerance`.

    Raises
    ------
    ExportError
        A part of the model has no portable form, or the answers differ; nothing is
        written.

    See Also
    --------
    load_portable : Load the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.export import load_portable, to_portable
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 12, 2))
    >>> model = GRURegressor(8, max_iter=2, random_state=0).fit(X, X.sum(axis=(1, 2)))
    >>> path = Path(tempfile.mkdtemp()) / "model.gru"
    >>> to_portable(model, path) < 1e-4
    True
    >>> portable = load_portable(path)
    >>> np.allclose(portable.predict(X), model.predict(X), atol=1e-4)
    True
    >>> answers = [portable.update(row) for row in X[0]]
    >>> np.allclose(answers[-1], model.predict(X[:1])[0], atol=1e-4)
    True
    """
    if dtype not in _TOLERANCE:
        raise InvalidParameterError(
            f"dtype={dtype!r} is not a type of stored weights; expected 'float32' or "
            "'float16'."
        )
    described = describe(model)
    about = described.about | {"weights": dtype}
    try:
        content = gru_portable.pack(about, described.arrays)
        loaded = gru_portable.PortableModel(*gru_portable.unpack(content))
    except gru_portable.PortableError as error:  # weights that are not finite
        raise ExportError(f"The model cannot be written: {error}") from error
    difference = compare(
        described,
        lambda method, data: getattr(loaded, method)(data),
        _TOLERANCE[dtype] if tolerance is None else tolerance,
        probes(described, X),
    )
    path = Path(path)
    write_whole(path, content)
    if reader:
        shutil.copy(gru_portable.__file__, path.parent / "gru_portable.py")
    return difference
