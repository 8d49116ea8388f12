"""
Custom skorch callbacks
=======================

skorch calls callbacks after every batch and every epoch. This example has two: one
records the norm of the weights, and one ends the fit after a given number of seconds.
"""

# %%
# Two callbacks
# -------------
# A callback overrides the hooks that it needs. ``net`` is the skorch net: its
# ``history`` contains the losses, and ``net.module_`` is the PyTorch module. To stop,
# raise a KeyboardInterrupt, as skorch expects. The fit then ends normally, with the
# weights of the best epoch.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from skorch.callbacks import Callback

from sklearn_gru import GRURegressor, SlidingWindow, datasets


class WeightNorm(Callback):
    """Writes the norm of all weights into the history."""

    def on_epoch_end(self, net, **kwargs):
        """After each epoch."""
        squares = sum(float((p.detach() ** 2).sum()) for p in net.module_.parameters())
        net.history.record("weight_norm", np.sqrt(squares))


class Budget(Callback):
    """Stops after the epoch in which the time ran out."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_begin(self, net, **kwargs):
        """Start the clock."""
        self.until_ = time.perf_counter() + self.seconds

    def on_epoch_end(self, net, **kwargs):
        """Look at the clock."""
        if time.perf_counter() > self.until_:
            raise KeyboardInterrupt


# %%
# Bike rentals, one hour ahead
# ----------------------------

df = datasets.load_bike_sharing().frame[["bikers", "temp", "hum"]].iloc[1000:3000]
X, y = SlidingWindow(24, lag=1).fit_transform(df), df["bikers"].to_numpy()
model = GRURegressor(
    32, max_iter=15, n_iter_no_change=15, callbacks=[WeightNorm()], random_state=0
)
model.fit(X[:1600], y[:1600])
history = pd.DataFrame(
    {
        "train_loss": model.loss_curve_,
        "validation": -np.array(model.validation_scores_),
        "weight_norm": model.net_.history[:, "weight_norm"],
    },
    index=pd.RangeIndex(1, model.n_iter_ + 1, name="epoch"),
)
print(history.iloc[::3].round(3).to_string())
print(f"best epoch {model.best_iteration_}, R2 {model.score(X[1600:], y[1600:]):.3f}")

# %%
# This fit ends after half a second, whatever the value of ``max_iter``:

hasty = GRURegressor(32, max_iter=10_000, n_iter_no_change=10_000, random_state=0)
hasty.set_params(callbacks=[Budget(0.5)]).fit(X[:1600], y[:1600])
print(f"stopped after {hasty.n_iter_} epochs, {hasty.fit_time_:.1f} s of fit in all")
print(f"R2 {hasty.score(X[1600:], y[1600:]):.3f}, of epoch {hasty.best_iteration_}")

# %%

figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
axes[0].plot(history["train_loss"], color="#0072B2", label="training")
axes[0].plot(history["validation"], color="#D55E00", ls="--", label="validation")
axes[0].axvline(model.best_iteration_, color="0.6", lw=1)
axes[0].set(xlabel="epoch", ylabel="loss, best epoch marked")
axes[0].legend(frameon=False)
axes[1].plot(history["weight_norm"], color="#0072B2")
axes[1].set(xlabel="epoch", ylabel="norm of the weights")
plt.show()
