"""Stored predictions of a few tiny fits: a change of any number must be meant.

They notice what no other test would: another initialisation, order of random draws,
schedule, default of the optimizer, clipping, or standardisation. Inputs are closed
formulas and every parameter a number depends on is given, so that new defaults do not
matter.

Not covered: whether the numbers are *right* (see test_network, test_estimators);
float32, CUDA, shuffled batches, dropout and early stopping, whose numbers may differ
between machines and versions of PyTorch. The tolerance, 1e-6, leaves room for another
order of summation, not for another algorithm.

When a change is meant, write the files anew, look at the diff, and say in the change
note that fitted models differ::

    python -m tests.test_golden
"""

import json
import pathlib

import numpy as np
import pytest

from sklearn_gru import GRUClassifier, GRURegressor

FOLDER = pathlib.Path(__file__).parent / "golden"
COMMON = {
    "hidden_size": 4,
    "num_layers": 1,
    "bidirectional": False,
    "pooling": "last",
    "dropout": 0.0,
    "normalization": None,
    "add_differences": False,
    "linear_share": 0,
    "learning_rate": 0.05,
    "weight_decay": 0.01,
    "batch_size": 64,
    "max_iter": 10,
    "clip_norm": 0.2,
    "early_stopping": False,
    "standardize": True,
    "random_state": 3,
    "device": "cpu",
    "dtype": "float64",
}
WIDE = {"num_layers": 2, "bidirectional": True}


def data():
    """12 sequences of 1 to 5 steps, some cells missing; weights, targets and labels."""
    k, t, f = np.meshgrid(np.arange(12), np.arange(5), np.arange(2), indexing="ij")
    X = np.sin(1.7 * k + 0.9 * t + 2.3 * f) * (1 + 4 * f) + 0.1 * k
    X[(7 * k + 3 * t + 5 * f) % 11 == 0] = np.nan
    X[k % 5 > t] = np.nan  # shorter sequences: absent steps in front
    weights = 1 + np.arange(12) % 3
    y = np.cos(np.arange(12)) * 20 + 100
    labels = np.array(["a", "b", "c"])[np.arange(12) ** 2 % 7 % 3]
    return X, y, labels, weights


def regression(**params):
    X, y, _, weights = data()
    model = GRURegressor(**{**COMMON, "loss": "squared_error", **params})
    return model.fit(X, y, sample_weight=weights).predict(X)


def two_outputs(**params):
    X, y, _, _ = data()
    model = GRURegressor(**{**COMMON, **params})
    return model.fit(X, np.column_stack([y, y[::-1] ** 2])).predict(X)


def classification(**params):
    X, _, labels, weights = data()
    smoothed = {"label_smoothing": 0.1, "class_weight": "balanced"}
    model = GRUClassifier(**{**COMMON, **smoothed, **params})
    return model.fit(X, labels, sample_weight=weights).predict_proba(X)


CASES = {
    "regressor_gru": lambda: regression(cell="gru"),
    "regressor_gru_reset_before": lambda: regression(cell="gru_reset_before"),
    "regressor_lstm": lambda: regression(cell="lstm"),
    "regressor_rnn": lambda: regression(cell="rnn"),
    "regressor_two_outputs": lambda: two_outputs(
        cell="gru", loss="huber", pooling="mean_max", **WIDE
    ),
    "regressor_options": lambda: two_outputs(
        cell="gru",
        loss="absolute_error",
        conv_filters=(3, 2),
        segment_length=2,
        normalization="standard",
        target_feature=1,
    ),
    "classifier_gru": lambda: classification(cell="gru"),
    "classifier_lstm_attention": lambda: classification(
        cell="lstm", pooling="attention", **WIDE
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_predictions_are_those_stored(name):
    """A tiny float64 fit predicts the stored numbers to 1e-6."""
    stored = json.loads((FOLDER / f"{name}.json").read_text())
    np.testing.assert_allclose(
        CASES[name](), stored["predictions"], rtol=1e-6, atol=1e-6
    )


def test_every_file_has_its_case():
    """No file is left over from a case that is gone."""
    assert {path.stem for path in FOLDER.glob("*.json")} == set(CASES)


def write():
    """Store the predictions of this version."""
    FOLDER.mkdir(exist_ok=True)
    for name, predictions in CASES.items():
        # Ten digits: another order of summation should not show in the diff.
        digits = np.vectorize(lambda value: float(f"{value:.10g}"))
        content = {"predictions": digits(predictions()).tolist()}
        text = json.dumps(content, indent=1) + "\n"
        (FOLDER / f"{name}.json").write_text(text)


if __name__ == "__main__":
    write()
