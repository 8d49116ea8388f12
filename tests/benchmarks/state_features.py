"""Few labels: states of a network that learned without labels, and logistic regression.

``python -m tests.benchmarks.state_features --data folder`` reads ``HAPT6_windows.npz``:
windows of smartphone sensors, six activities, test people who are not in the training
part. A `SequenceEmbedding` learns from all training windows without labels; a logistic
regression on its states sees 20 labels per class, drawn three times. The forecaster
called chosen is the best of `CANDIDATES` in three folds of the training people, which
``--choose`` prints. The recordings of Japanese vowels, five labels per class, follow.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRUClassifier, GRURegressor, SequenceEmbedding
from sklearn_gru.datasets import load_japanese_vowels
from tests.benchmarks.machine import describe, use_one_thread

# Differences from the forecaster of SequenceEmbedding.
CANDIDATES = {
    "default": {},
    "6 epochs": {"max_iter": 6},
    "20 epochs": {"max_iter": 20},
    "128 units": {"hidden_size": 128},
    "2 layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "differences": {"add_differences": True},
    "dropout .2": {"dropout": 0.2},
    "segments of 2": {"segment_length": 2},
    "Huber": {"loss": "huber"},
    "Huber, 3 epochs": {"loss": "huber", "max_iter": 3},
    "random": {"learning_rate": 1e-12, "max_iter": 1},
}
CHOSEN = CANDIDATES["Huber, 3 epochs"]


def read_windows(folder):
    """Return training windows (n, 64, 9), labels and people; the same for the test."""
    file = np.load(folder / "HAPT6_windows.npz")
    parts = []
    for part in ("tr", "te"):
        X = file["X" + part].swapaxes(1, 2)[:, ::2]
        X = np.ascontiguousarray(X, np.float32)
        parts += [X, file["y" + part], file["s" + part]]
    return parts


def draw_labels(y, n_per_class, seed):
    """Return the positions of some sequences of each class."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(y == kind), n_per_class, replace=False)
            for kind in np.unique(y)
        ]
    )


def accuracies(Z, y, Z_test, y_test, n_per_class, draws=3):
    """Return the accuracy of a logistic regression on few labels, for each draw."""
    scores = []
    for seed in range(draws):
        some = draw_labels(y, n_per_class, seed)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        scores.append(model.fit(Z[some], y[some]).score(Z_test, y_test))
    return scores


def summary(X):
    """Mean, deviation, least and largest value of each channel."""
    return np.array([[*x.mean(0), *x.std(0), *x.min(0), *x.max(0)] for x in X])


def forecaster(X, seed, **params):
    """Return the embedding of a network that learned each newest step."""
    network = GRURegressor(
        64,
        pooling="mean_max",
        normalization=None,
        linear_share=0,
        random_state=seed,
        **{"max_iter": 10, **params},
    )
    before = [x[:-1] for x in X]
    network.fit(before, np.array([x[-1] for x in X]))
    return SequenceEmbedding(network, prefit=True).fit(before[:2])


def choose(X, y, people):
    """Print the accuracy of each candidate in folds of the training people."""
    for name, params in CANDIDATES.items():
        scores = []
        for learned, held in GroupKFold(3).split(X, y, people):
            for seed in range(2):
                states = forecaster(X[learned], seed, **params).transform
                parts = states(X[learned]), y[learned], states(X[held]), y[held]
                scores += accuracies(*parts, 20)
        print(f"{name}: {np.mean(scores):.4f}", flush=True)


def ways(X, seeds):
    """Yield each way to make features, with one transformation per seed."""
    began = time.process_time()
    states = [SequenceEmbedding(random_state=k).fit(X).transform for k in range(seeds)]
    spent = (time.process_time() - began) / seeds
    yield f"states of SequenceEmbedding() ({spent:.1f} CPU s per fit)", states
    chosen = [forecaster(X, k, **CHOSEN).transform for k in range(seeds)]
    yield "states of the chosen forecaster", chosen
    random = CANDIDATES["random"]
    untrained = [forecaster(X, k, **random).transform for k in range(seeds)]
    yield "states of a random network", untrained
    yield "summary features", [summary]


def compare(X, y, X_test, y_test, n_per_class, seeds):
    """Print the accuracy on the test part of each kind of features."""
    for name, transforms in ways(X, seeds):
        scores = [
            accuracies(transform(X), y, transform(X_test), y_test, n_per_class)
            for transform in transforms
        ]
        print(f"{name}: {np.mean(scores):.3f} +- {np.std(scores):.3f}", flush=True)
    scores = []
    for seed in range(3):
        some = draw_labels(y, n_per_class, seed)
        model = GRUClassifier(random_state=0).fit([X[k] for k in some], y[some])
        scores.append(model.score(X_test, y_test))
    print(f"GRUClassifier: {np.mean(scores):.3f} +- {np.std(scores):.3f}", flush=True)


def main():
    """Print the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choose", action="store_true")
    options = parser.parse_args()
    use_one_thread()
    print(describe(), flush=True)
    X, y, people, X_test, y_test, _ = read_windows(options.data)
    if options.choose:
        choose(X, y, people)
        return
    print("smartphone sensors, 20 labels per class")
    compare(X, y, X_test, y_test, 20, options.seeds)
    print("Japanese vowels, 5 labels per class")
    vowels = load_japanese_vowels(), load_japanese_vowels(subset="test")
    parts = [part for found in vowels for part in (found.data, found.target)]
    compare(*parts, 5, options.seeds)


if __name__ == "__main__":
    main()
