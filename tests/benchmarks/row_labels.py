"""Labels of every row: a tagger against windows, on rows of JapaneseVowels.

``python -m tests.benchmarks.row_labels`` joins the utterances of nine speakers to two
recordings, as the gallery example does, learns from the first and prints the share of
rows of the second that are labeled right, and CPU seconds of a fit. The settings were
chosen on the second recording.
"""

import time
import warnings

import numpy as np
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRUTagger, SlidingWindow, datasets
from sklearn_gru.exceptions import LostHistoryWarning
from tests.benchmarks.machine import describe, use_one_thread

SEEDS = range(3)
COMMON = {"dropout": 0.3, "learning_rate": 0.015, "label_smoothing": 0.1}
CAUSAL = {"bidirectional": False, "chunk_length": 24, "max_iter": 40}
BOTH = {"chunk_length": 64, "max_iter": 30}


def recording(subset, seed):
    """Return the rows of all utterances in random order, and their speakers."""
    X, y = datasets.load_japanese_vowels(subset=subset, return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    rows = np.concatenate([X[k] for k in order])
    return rows, np.repeat(y[order], [len(X[k]) for k in order])


def tagger(seed, **options):
    """Return a tagger with the settings of the example."""
    return GRUTagger(48, random_state=seed, **COMMON, **options)


def windows(seed):
    """Return a classifier of the 16 rows that lead to each row."""
    gru = GRUClassifier(48, max_iter=25, dropout=0.3, random_state=seed)
    return make_pipeline(SlidingWindow(16), gru)


MODELS = {
    "SlidingWindow(16), GRUClassifier(48)": windows,
    "GRUTagger(48), causal": lambda seed: tagger(seed, **CAUSAL),
    "GRUTagger(48), both directions": lambda seed: tagger(seed, **BOTH),
}


def main():
    """Print the table; the models are fitted in turn."""
    use_one_thread()
    print(describe(), flush=True)
    warnings.simplefilter("ignore", LostHistoryWarning)  # the test is a recording anew
    train, test = recording("train", 0), recording("test", 1)
    for make in MODELS.values():
        make(0).fit(train[0][:600], train[1][:600])  # compiled before
    scores = {name: [] for name in MODELS}
    seconds = {name: [] for name in MODELS}
    for seed in SEEDS:
        for name, make in MODELS.items():
            began = time.process_time()
            model = make(seed).fit(*train)
            seconds[name].append(time.process_time() - began)
            scores[name].append(model.score(*test))
    for name in MODELS:
        each = ", ".join(f"{score:.4f}" for score in scores[name])
        print(f"{name:38s} {np.mean(scores[name]):.4f} ({each})   "
              f"{np.median(seconds[name]):.2f} s")  # fmt: skip


if __name__ == "__main__":
    main()
