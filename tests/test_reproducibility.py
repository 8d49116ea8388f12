"""Same random_state, same bits; and nothing of the process is changed."""

import hashlib
import pickle
import random
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch

from sklearn_gru import GRUClassifier, GRURegressor

X = np.random.default_rng(0).normal(size=(200, 8, 3)).astype(np.float32)
Y = X.sum(axis=(1, 2))
LABELS = Y > 0

MODELS = {
    "regressor": GRURegressor(
        12,
        num_layers=2,
        dropout=0.2,
        batch_size=32,
        max_iter=4,
        early_stopping=True,
        random_state=7,
    ),
    "classifier": GRUClassifier(
        12,
        bidirectional=True,
        pooling="attention",
        batch_size=32,
        max_iter=3,
        random_state=7,
    ),
}


def fitted_digest(name):
    """Fit a model and hash its predictions."""
    model = MODELS[name]
    target = Y if name == "regressor" else LABELS
    out = type(model)(**model.get_params()).fit(X, target)
    predicted = out.predict(X) if name == "regressor" else out.predict_proba(X)
    return hashlib.sha256(predicted.tobytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_same_bits_everywhere(name):
    """Two processes, joblib's processes and threads: one result."""
    here = fitted_digest(name)
    code = f"from tests.test_reproducibility import *; print(fitted_digest({name!r}))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == here
    for backend in ("loky", "threading"):
        for n_jobs in (1, 2):
            parallel = joblib.Parallel(n_jobs=n_jobs, backend=backend)
            digests = parallel(joblib.delayed(fitted_digest)(name) for _ in range(4))
            assert set(digests) == {here}, (backend, n_jobs)


def test_same_bits_with_any_number_of_threads():
    """The number of torch threads of the process does not matter."""
    before = torch.get_num_threads()
    digests = set()
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            digests.add(fitted_digest("regressor"))
    finally:
        torch.set_num_threads(before)
    assert len(digests) == 1


def test_pickle_keeps_the_bits():
    """Before and after pickling the predictions are the same bits."""
    model = MODELS["classifier"].fit(X, LABELS)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def numpy_key():
    """State of numpy's global generator, which scikit-learn users seed."""
    return np.random.get_state(legacy=False)["state"]["key"]  # noqa: NPY002


def test_global_state_is_left_alone():
    """No fit or predict moves a global generator or the number of threads."""
    before = (
        torch.random.get_rng_state(),
        numpy_key(),
        random.getstate(),
        torch.get_num_threads(),
    )
    MODELS["regressor"].fit(X, Y).predict(X)
    GRUClassifier(4, max_iter=1, random_state=np.random.RandomState(0)).fit(X, LABELS)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (numpy_key() == before[1]).all()
    assert random.getstate() == before[2]
    assert torch.get_num_threads() == before[3]


def test_other_seeds_give_other_models():
    """The seed matters, as does a RandomState that moves on."""
    one = GRURegressor(4, max_iter=1, random_state=0).fit(X, Y).predict(X)
    two = GRURegressor(4, max_iter=1, random_state=1).fit(X, Y).predict(X)
    assert (one != two).any()
    state = np.random.RandomState(0)
    three = GRURegressor(4, max_iter=1, random_state=state)
    assert (three.fit(X, Y).predict(X) != three.fit(X, Y).predict(X)).any()


def test_threads_are_restored_after_an_error():
    """A failed fit gives the threads back too."""
    before = torch.get_num_threads()
    with pytest.raises(ValueError):
        GRURegressor(
            learning_rate=1e30, clip_norm=None, max_iter=50, random_state=0
        ).fit(X, Y)
    assert torch.get_num_threads() == before


def test_concurrent_fits_restore_the_threads():
    """Fits that overlap in threads leave the process as it was."""
    before = torch.get_num_threads()
    joblib.Parallel(n_jobs=3, backend="threading")(
        joblib.delayed(fitted_digest)("regressor") for _ in range(6)
    )
    assert torch.get_num_threads() == before
