"""The estimators as the benchmarks fit them, on the path they ask for."""

import os

from sklearn_gru import GRURegressor
from tests.benchmarks.rivals import BATCH, HIDDEN

OFF = "SKLEARN_GRU_NO_NUMBA"

# What the defaults add to the network, left out: torch's loop trains the network alone.
ALONE = {"normalization": None, "target_feature": None, "linear_share": 0}
CLASSIFIER_ALONE = {"add_differences": False, "linear_share": 0}


def fit(model, X, y, *, kernels=True):
    """Fit with the kernels or without, and see to it that it was so."""
    before = os.environ.get(OFF)
    os.environ[OFF] = "0" if kernels else "1"
    try:
        model.fit(X, y)
        model.predict(X[:1])  # opens the session of later predictions, too
    finally:
        if before is None:
            del os.environ[OFF]
        else:
            os.environ[OFF] = before
    expected = "numba" if kernels else "torch"
    if model.engine_ != expected:
        raise RuntimeError(
            f"the fit ran on {model.engine_}, not {expected}: {model.net_.declined}"
        )
    return model


def regressor(epochs, **params):
    """Return the counterpart of the raw loop: no validation, the same batches."""
    return GRURegressor(
        HIDDEN,
        batch_size=BATCH,
        max_iter=epochs,
        early_stopping=False,
        random_state=0,
        **{**ALONE, **params},
    )
