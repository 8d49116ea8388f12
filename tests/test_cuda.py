"""On a GPU: the numbers of a CPU, and no step that waits for the device."""

import pickle

import numpy as np
import pytest
import torch

from sklearn_gru import GRUClassifier, GRURegressor
from sklearn_gru._engines.torch.net import SequenceNet

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device on this machine"
)

X = np.random.default_rng(0).normal(size=(1200, 10, 3)).astype(np.float32)
Y = X[:, :, 0].sum(axis=1) + X[:, -1, 1]
RAGGED = [x[: 1 + i % 10] for i, x in enumerate(X)]
OPTIONS = [
    {},
    {"cell": "lstm", "bidirectional": True, "pooling": "mean_max"},
    {"pooling": "attention", "num_layers": 2},
    {"normalization": "standard", "segment_length": 3},
    {"conv_filters": (8, 8)},
]


@pytest.mark.parametrize("data", [X, RAGGED], ids=["even", "ragged"])
@pytest.mark.parametrize("params", OPTIONS, ids=lambda p: "-".join(p) or "default")
def test_a_gpu_gives_the_numbers_of_a_cpu(params, data):
    """Losses to 1e-3 over 5 epochs, predictions close; a pickle opens on the CPU."""
    params = {"hidden_size": 12, "max_iter": 5, "random_state": 0, **params}
    there = GRURegressor(**params, device="cuda").fit(data, Y)
    here = GRURegressor(**params, device="cpu").fit(data, Y)
    assert there.engine_ == "torch"
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-3)
    np.testing.assert_allclose(there.predict(data), here.predict(data), atol=2e-2)
    again = pickle.loads(pickle.dumps(there))
    np.testing.assert_allclose(again.predict(data), there.predict(data), atol=1e-4)


def test_the_data_stay_on_the_device_and_no_step_waits(monkeypatch):
    """CUDA refuses, for the length of an epoch, whatever waits for the device."""
    train_step = SequenceNet.train_step
    waited = []

    def watched(self, batch, **kwargs):
        assert batch[0]["values"].is_cuda
        torch.cuda.set_sync_debug_mode("error")
        try:
            return train_step(self, batch, **kwargs)
        except RuntimeError as error:
            waited.append(error)
            raise
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(SequenceNet, "train_step", watched)
    model = GRUClassifier(8, max_iter=3, device="cuda", early_stopping=False)
    model.fit(X, Y > 0)
    assert not waited
    assert model.n_iter_ == 3
