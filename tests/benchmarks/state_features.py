"""Few labels: states of a network that learned without labels, and logistic regression.

``python -m tests.benchmarks.state_features --data folder`` reads ``HAPT6_windows.npz``:
windows of smartphone sensors, six activities, test people who are not in the training
part. A `SequenceEmbedding` learns from all training windows without labels; a logistic
regression on its states sees 20 labels per class, drawn three times.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRUClassifier, GRURegressor, SequenceEmbedding
from tests.benchmarks.machine import describe, use_one_thread


def read_windows(folder):
    """Return training windows (n, 64, 9), their labels, and the same for the test."""
    file = np.load(folder / "HAPT6_windows.npz")
    parts = (np.ascontiguousarray(file[k].swapaxes(1, 2)[:, ::2], np.float32)
             for k in ("Xtr", "Xte"))  # fmt: skip
    X, X_test = parts
    return X, file["ytr"], X_test, file["yte"]


def draw_labels(y, n_per_class, seed):
    """Return the positions of some sequences of each class."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(y == kind), n_per_class, replace=False)
            for kind in np.unique(y)
        ]
    )


def summary(X):
    """Mean, deviation, least and largest value of each channel."""
    return np.hstack([X.mean(1), X.std(1), X.min(1), X.max(1)])


def untrained(X):
    """Return an embedding whose network has not learned anything."""
    network = GRURegressor(
        64,
        pooling="mean_max",
        normalization=None,
        linear_share=0,
        max_iter=1,
        learning_rate=1e-12,
        random_state=0,
    )
    return SequenceEmbedding(network).fit(X[:64], X[:64, -1, 0])


def features(X, X_test, seeds):
    """Return each kind of features, for both parts."""
    began = time.process_time()
    ways = {
        f"states of SequenceEmbedding, seed {seed}": SequenceEmbedding(
            random_state=seed
        )
        .fit(X)
        .transform
        for seed in range(seeds)
    }
    spent = (time.process_time() - began) / seeds
    print(f"SequenceEmbedding: {spent:.1f} CPU s per fit", flush=True)
    ways["summary features"] = summary
    ways["states of a random network"] = untrained(X).transform
    return {name: (way(X), way(X_test)) for name, way in ways.items()}


def main():
    """Print the accuracy on the test people."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    use_one_thread()
    print(describe(), flush=True)
    X, y, X_test, y_test = read_windows(options.data)
    draws = [draw_labels(y, options.labels, seed) for seed in range(options.draws)]
    print(f"{options.labels} labels per class, {options.draws} draws:")
    for name, (Z, Z_test) in features(X, X_test, options.seeds).items():
        scores = []
        for some in draws:
            linear = LogisticRegression(max_iter=1000)
            model = make_pipeline(StandardScaler(), linear).fit(Z[some], y[some])
            scores.append(model.score(Z_test, y_test))
        print(f"{name}: {np.mean(scores):.3f} +- {np.std(scores):.3f}", flush=True)
    scores = [
        GRUClassifier(random_state=0).fit(X[some], y[some]).score(X_test, y_test)
        for some in draws
    ]
    print(f"GRUClassifier: {np.mean(scores):.3f} +- {np.std(scores):.3f}")


if __name__ == "__main__":
    main()
