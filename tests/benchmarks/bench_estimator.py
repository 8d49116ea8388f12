"""One epoch of the estimator against what a user would write with torch or skorch.

20 000 windows of 24 steps x 8 features, 32 units, batches of 64, AdamW, clipping,
squared error, one thread; a fit of two epochs each, interleaved in one process.
"""

import os
import time

import numpy as np
import skorch
import torch
from torch import nn

from sklearn_gru import GRURegressor
from tests.benchmarks.machine import describe

N, T, F, H, BATCH, EPOCHS, REPEATS = 20_000, 24, 8, 32, 64, 2, 5


class Net(nn.Module):
    """A GRU and a linear head on its last state."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(F, H, batch_first=True)
        self.head = nn.Linear(H, 1)

    def forward(self, x):
        return self.head(self.gru(x)[1][-1])


def _raw(X, y):
    """The best loop a user would write: index batches, fused AdamW."""
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, fused=True)
    for _ in range(EPOCHS):
        order = torch.randperm(N)
        for at in range(0, N, BATCH):
            index = order[at : at + BATCH]
            loss = nn.functional.mse_loss(net(X[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()


def _skorch(X, y):
    """Plain skorch with its DataLoader."""
    skorch.NeuralNetRegressor(
        Net,
        optimizer=torch.optim.AdamW,
        lr=0.01,
        max_epochs=EPOCHS,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        callbacks=[skorch.callbacks.GradientNormClipping(1.0)],
    ).fit(X, y)


def _estimator(X, y, kernels):
    os.environ["SKLEARN_GRU_NO_NUMBA"] = "0" if kernels else "1"
    model = GRURegressor(
        H, batch_size=BATCH, max_iter=EPOCHS, early_stopping=False, random_state=0
    ).fit(X, y)
    assert model.engine_ == ("numba" if kernels else "torch")


def main():
    """Print medians and their ratios to the raw loop."""
    torch.set_num_threads(1)
    print(describe())
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, T, F)).astype(np.float32)
    y = X.sum(axis=(1, 2))
    tensors = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    runs = {
        "raw torch loop": lambda: _raw(*tensors),
        "plain skorch": lambda: _skorch(X, y[:, None]),
        "GRURegressor, torch": lambda: _estimator(X, y, kernels=False),
        "GRURegressor, numba": lambda: _estimator(X, y, kernels=True),
    }
    _estimator(X, y, kernels=True)  # compile
    seconds = {name: [] for name in runs}
    for _ in range(REPEATS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - start) / EPOCHS)
    raw = np.median(seconds["raw torch loop"])
    for name, taken in seconds.items():
        epoch = np.median(taken)
        print(
            f"{name:22s} {epoch:6.2f} s an epoch, raw loop / this = {raw / epoch:5.2f}"
        )


if __name__ == "__main__":
    main()
