"""What a user would write without this package: a torch loop, a plain skorch net.

The loop is the best of its kind: one tensor, index batches, fused AdamW, clipping; for
variable lengths, packed sequences. The data is windows of noise whose target is an
exponentially fading sum of one column, gated by another, plus noise.
"""

import os

import numpy as np
import skorch
import torch
from torch import nn

from tests.benchmarks.machine import is_installed

N, STEPS, INPUTS, HIDDEN, BATCH = 20_000, 24, 8, 32, 64


def windows(n=N, n_steps=STEPS, n_inputs=INPUTS, seed=0):
    """Return X (n, n_steps, n_inputs) and y (n,), both float32."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_steps, n_inputs)).astype(np.float32)
    fading = np.exp(-np.arange(n_steps)[::-1] / 6)
    signal = (X[:, :, 0] * (X[:, :, 1] > 0)) @ fading
    y = signal + 0.3 * rng.normal(size=n)
    return X, y.astype(np.float32)


class Net(nn.Module):
    """A GRU and a linear head, on its last state or on mean and maximum of all."""

    def __init__(
        self,
        hidden=HIDDEN,
        n_inputs=INPUTS,
        n_outputs=1,
        bidirectional=False,
        pooling="last",
    ):
        super().__init__()
        self.pooling = pooling
        self.gru = nn.GRU(
            n_inputs, hidden, batch_first=True, bidirectional=bidirectional
        )
        width = hidden * (2 if bidirectional else 1)
        self.head = nn.Linear(2 * width if pooling == "mean_max" else width, n_outputs)

    def forward(self, x, lengths=None):
        if self.pooling == "last":
            return self.head(self.gru(x)[1][-1])
        packed = nn.utils.rnn.pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.gru(packed)[0], batch_first=True
        )
        n = lengths[:, None]
        alive = (torch.arange(states.shape[1]) < n)[:, :, None]
        largest = states.masked_fill(~alive, -torch.inf).amax(1)
        return self.head(torch.cat([states.sum(1) / n, largest], 1))


def raw_optimizer(net):
    """Return what updates the net in one launch."""
    return torch.optim.AdamW(net.parameters(), lr=0.01, fused=True)


def raw_epoch(net, optimizer, inputs, y, loss_of, batch=BATCH):
    """Train for one epoch; `inputs` are tensors over all sequences."""
    for index in torch.randperm(len(y)).split(batch):
        loss = loss_of(net(*(x[index] for x in inputs)), y[index])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()


def raw_fit(inputs, y, epochs, *, loss_of=nn.functional.mse_loss, **net):
    """Return a net trained by the raw loop; `net` are arguments of `Net`."""
    module = Net(**net)
    optimizer = raw_optimizer(module)
    for _ in range(epochs):
        raw_epoch(module, optimizer, inputs, y, loss_of)
    return module


def raw_predict(net, X, batch=1024):
    """Return the outputs of a net in large batches, without gradients."""
    with torch.inference_mode():
        return torch.cat([net(x) for x in X.split(batch)])


def skorch_net(kind=skorch.NeuralNetRegressor, epochs=1, module=Net, **kwargs):
    """Return a plain skorch net, with its DataLoader and without its printing."""
    return kind(
        module,
        optimizer=torch.optim.AdamW,
        lr=0.01,
        max_epochs=epochs,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        callbacks=[skorch.callbacks.GradientNormClipping(1.0)],
        **kwargs,
    )


def has_keras():
    """Return whether Keras can run on JAX."""
    return is_installed("keras") and is_installed("jax")


def keras_on_jax():
    """Return the module of Keras, set to compute on JAX in one thread."""
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    import keras

    keras.utils.set_random_seed(0)
    return keras
