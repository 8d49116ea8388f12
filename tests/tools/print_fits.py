"""Fit random configurations and print a digest of weights and predictions per line.

Run it with two versions of the package and compare the lines: a change of structure
changes no bit.

    PYTHONPATH=<version> python tests/tools/print_fits.py 500 > <version>.txt
"""

import hashlib
import os
import sys
import warnings

import numpy as np

from sklearn_gru import GRUClassifier, GRURegressor

CELLS = ("gru", "gru_reset_before", "lstm", "rnn")
POOLINGS = ("last", "mean", "max", "attention", "mean_max")


def choose(rng, *values):
    """One of some values."""
    return values[rng.integers(len(values))]


def make_data(rng, n):
    """Sequences in one of four layouts, some with missing cells or steps."""
    n_steps, n_features = int(rng.integers(2, 14)), int(rng.integers(1, 5))
    if n >= 1000:
        n_steps += 6  # more work than PyTorch is left alone with
    X = rng.normal(size=(n, n_steps, n_features)) * 3 + 10
    if rng.random() < 0.3:
        X[rng.random(X.shape) < 0.1] = np.nan
    if rng.random() < 0.5:
        X = X.astype(np.float32)
    layout = choose(rng, "array", "list", "rows", "array")
    total = np.nan_to_num(X).sum(axis=(1, 2))
    if layout == "list":
        X = [x[: 1 + int(rng.integers(n_steps))] for x in X]
    if layout == "rows":
        X = X.reshape(n, -1)
    return X, total, n_features if layout == "rows" else 1


def configuration(rng):
    """An estimator and what its fit is given."""
    classify = rng.random() < 0.4
    large = rng.random() < 0.4
    n = int(rng.integers(1000, 1300)) if large else int(rng.integers(12, 90))
    X, y, per_step = make_data(rng, n)
    params = {
        "hidden_size": int(rng.integers(1, 20)),
        "num_layers": choose(rng, 1, 1, 2),
        "cell": choose(rng, *CELLS),
        "pooling": choose(rng, *POOLINGS),
        "bidirectional": bool(rng.random() < 0.4),
        "dropout": choose(rng, 0.0, 0.0, 0.3),
        "conv_filters": choose(rng, None, None, None, (4, 3)),
        "segment_length": choose(rng, None, None, 3),
        "normalization": choose(rng, None, None, "last", "standard"),
        "features_per_step": per_step,
        "max_iter": int(rng.integers(6, 9) if large else rng.integers(1, 9)),
        "batch_size": choose(rng, "auto", "auto", 32),
        "early_stopping": choose(rng, "auto", True, False),
        "standardize": bool(rng.random() < 0.8),
        "clip_norm": choose(rng, 1.0, None),
        "random_state": int(rng.integers(1000)),
    }
    weights = rng.exponential(size=n) if rng.random() < 0.3 else None
    if classify:
        params["label_smoothing"] = choose(rng, 0.0, 0.1)
        params["class_weight"] = choose(rng, None, "balanced")
        labels = np.digitize(y, np.quantile(y, [0.3, 0.7]))
        return GRUClassifier(**params), X, labels, weights
    params["loss"] = choose(rng, "squared_error", "absolute_error", "huber", "quantile")
    if params["loss"] == "quantile":
        params["quantile"] = (0.1, 0.5, 0.9)
    if params["normalization"] is not None and rng.random() < 0.5:
        params["target_feature"] = 0
    if rng.random() < 0.3:
        y = np.column_stack([y, -2 * y + 1])
    return GRURegressor(**params), X, y, weights


def digest(model, X):
    """Digest of weights, losses, and what the methods return."""
    found = [p.detach().numpy() for p in model.module_.parameters()]
    found += [np.array(model.loss_curve_), model.predict(X), model.predict(X[:3])]
    if hasattr(model, "predict_proba"):
        found.append(model.predict_proba(X))
    if hasattr(model, "predict_quantiles"):
        found.append(model.predict_quantiles(X))
    sha = hashlib.sha256()
    for array in found:
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


def main(n):
    """Print one line per configuration."""
    warnings.simplefilter("ignore")
    for seed in range(n):
        rng = np.random.default_rng(seed)
        model, X, y, weights = configuration(rng)
        if rng.random() < 0.2:
            os.environ["SKLEARN_GRU_NO_NUMBA"] = "1"
        try:
            model.fit(X, y, sample_weight=weights)
            first = digest(model, X)
            line = f"{model.engine_} {first}"
            if getattr(model, "class_weight", None) is None:
                model.partial_fit(X, y, sample_weight=weights)
                line += f" {digest(model, X)}"
        except Exception as error:
            line = f"{type(error).__name__}"
        os.environ.pop("SKLEARN_GRU_NO_NUMBA", None)
        sys.stdout.write(f"{seed} {type(model).__name__} {line}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
