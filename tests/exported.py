"""Models and data of tests and benchmarks about exported models."""

import functools

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow

N_FEATURES = 3

# One case per supported option, by its name in tables.
OPTIONS = {
    "cell gru": {},
    "cell gru_reset_before": {"cell": "gru_reset_before"},
    "cell lstm": {"cell": "lstm"},
    "cell rnn": {"cell": "rnn"},
    "float32 network": {"dtype": "float32"},
    "3 layers": {"num_layers": 3},
    "bidirectional": {"bidirectional": True, "num_layers": 2},
    "lstm bidirectional": {"bidirectional": True, "cell": "lstm"},
    "pooling mean": {"pooling": "mean"},
    "pooling max": {"pooling": "max"},
    "pooling attention": {"pooling": "attention", "num_layers": 2},
    "pooling mean_max": {"pooling": "mean_max", "bidirectional": True},
    "normalization last": {"normalization": "last", "target_feature": 0},
    "normalization standard": {"normalization": "standard", "target_feature": 0},
    "normalization alone": {"normalization": "standard", "dtype": "float32"},
    "differences": {"add_differences": True},
    "differences, normalized": {"add_differences": True, "normalization": "standard"},
    "segments": {"segment_length": 3},
    "segments, normalized": {"segment_length": 5, "normalization": "last"},
    "convolution": {"conv_filters": (4, 5)},
    "convolution, segments": {"conv_filters": (4, 3, 2, 3), "segment_length": 4},
    "3 networks": {"n_estimators": 3},
    "linear part": {"linear_share": 0.4},
    "linear part, normalized": {
        "linear_share": 0.7,
        "normalization": "last",
        "target_feature": 0,
        "add_differences": True,
        "n_estimators": 2,
    },
    "2 outputs": {"n_outputs": 2},
    "quantiles": {"loss": "quantile", "quantile": (0.9, 0.1, 0.4)},
    "quantiles, 2 outputs": {
        "loss": "quantile",
        "quantile": (0.7, 0.2),
        "n_outputs": 2,
    },
    "poisson": {"loss": "poisson", "n_outputs": 2},
    "not standardized": {"standardize": False},
    "classes": {"kind": GRUClassifier},
    "classes, one direction": {
        "kind": GRUClassifier,
        "bidirectional": False,
        "add_differences": False,
    },
    "categories": {"categorical_features": [2]},
    "categories, differences": {"categorical_features": [0], "add_differences": True},
}


def make_rows(n, seed=0):
    """Rows with missing cells, and some without any value."""
    rng = np.random.default_rng(seed)
    rows = rng.normal([5.0, -200.0, 0.01], [1.0, 30.0, 0.01], size=(n, N_FEATURES))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[rng.random(n) < 0.1] = np.nan
    return rows


def make_X(n=40, n_steps=9, seed=0, categorical=()):
    """Sequences of :func:`make_rows`; some features hold the numbers 0, 2, 4 and 6."""
    X = make_rows(n * n_steps, seed).reshape(n, n_steps, N_FEATURES)
    rng = np.random.default_rng(seed)
    for j in categorical:
        X[:, :, j] = 2 * rng.integers(0, 4, size=X.shape[:2])
    return X


def fit(kind=GRURegressor, n_outputs=1, **params):
    """A model of a few sequences; its weights are about as they began."""
    X = make_X(categorical=params.get("categorical_features", ()))
    sums = np.nansum(X, axis=1)
    y = sums[:, :n_outputs] if n_outputs > 1 else sums[:, 0]
    if params.get("loss") == "poisson":
        y = np.abs(y)
    if kind is GRUClassifier:
        y = np.array(["low", "middle", "high"])[np.digitize(sums[:, 0], [35.0, 42.0])]
    params = {"hidden_size": 5, "max_iter": 1, "random_state": 0, **params}
    return kind(**params).fit(X, y)


@functools.cache
def fitted(option):
    """The model of one of the options."""
    return fit(**OPTIONS[option])


@functools.cache
def fitted_pipeline(scaled=False, frame=False, **window):
    """A pipeline with a window on rows, or on hours of a frame."""
    X = make_rows(150, seed=1)
    y = np.random.default_rng(0).normal(size=len(X))
    steps = [StandardScaler(), SimpleImputer()] if scaled else []
    if frame:
        hours = pd.date_range("2024-01-01", periods=len(X), freq="h")
        X = pd.DataFrame(X, columns=["a", "b", "c"], index=hours)
        for step in steps:
            step.set_output(transform="pandas")
    model = GRURegressor(5, max_iter=1, random_state=0)
    window = {"window_size": 6, **window}
    return make_pipeline(*steps, SlidingWindow(**window), model).fit(X, y)


def random_parameters(rng):
    """Parameters of a model, drawn from all supported ones."""
    pick = rng.choice
    params = {
        "hidden_size": int(rng.integers(1, 9)),
        "num_layers": int(rng.integers(1, 4)),
        "cell": str(pick(["gru", "gru_reset_before", "lstm", "rnn"])),
        "bidirectional": bool(pick([True, False])),
        "pooling": str(pick(["last", "mean", "max", "attention", "mean_max"])),
        "normalization": pick([None, None, "last", "standard"]),
        "add_differences": bool(pick([True, False])),
        "dtype": str(pick(["float32", "float64"])),
        "standardize": bool(rng.random() < 0.8),
    }
    if rng.random() < 0.2:
        params["n_estimators"] = 2
    if rng.random() < 0.25:
        params["segment_length"] = int(rng.integers(2, 7))
    if rng.random() < 0.25:
        n_layers = int(rng.integers(1, 5))
        params["conv_filters"] = tuple(rng.integers(1, 6, size=n_layers).tolist())
    if rng.random() < 0.25:
        params["categorical_features"] = [int(rng.integers(0, N_FEATURES))]
    kind = str(pick(["squared_error", "quantile", "poisson", "classes"]))
    if kind == "classes":
        return {"kind": GRUClassifier, **params}
    params["n_outputs"] = int(rng.integers(1, 3))
    params["loss"] = kind
    if kind == "squared_error" and rng.random() < 0.3:
        params["linear_share"] = float(rng.random())
    if kind == "quantile":
        params["quantile"] = tuple(rng.permutation([0.1, 0.35, 0.5, 0.9])[:3].tolist())
    if kind != "poisson" and params["normalization"] and rng.random() < 0.5:
        column = int(rng.integers(0, N_FEATURES))
        if column not in params.get("categorical_features", ()):
            params["target_feature"] = column
    return params


def random_sequences(rng, n, categorical=()):
    """Ragged sequences with missing cells and steps, and empty ones."""
    found = []
    for _ in range(n):
        length = int(rng.integers(0, 25))
        x = make_X(1, length, int(rng.integers(1 << 30)), categorical)[0]
        for j in categorical:  # missing, and some that fit has not seen
            x[rng.random(length) < 0.1, j] = np.nan
            x[rng.random(length) < 0.1, j] = 77.0
        found.append(x)
    return found


def spread(model):
    """The unit of differences: the standard deviation of y in fit, 1 for classes."""
    estimator = model[-1] if hasattr(model, "steps") else model
    fitted = estimator._fitted
    unit = getattr(fitted.task, "scale", np.ones(1)).max()
    return unit if fitted.continuation is None else unit * fitted.continuation.scale


def answers(model, X):
    """What a model says, as one array."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    return model.predict(X)


def difference(model, found, expected):
    """The largest difference, relative to the spread of y plus the answer."""
    if not len(expected):
        return 0.0
    return float((np.abs(found - expected) / (spread(model) + np.abs(expected))).max())
