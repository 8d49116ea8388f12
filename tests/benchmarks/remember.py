"""How long a cell remembers: one fit of a memory task, and the step size it is given.

Every cell gets the same choice. The learning rate is the first of three that solves a
task of its own (other data than those of the seeds), judged on the part held out, or
else the one with the lowest loss there; beyond 200 steps it is that of 200, because a
fit takes minutes. Training stops as soon as the part held out is solved.
"""

import json
import time

import numpy as np
from skorch.callbacks import Callback

from sklearn_gru import GRUClassifier, GRURegressor
from tests.benchmarks.accuracy.memory_tasks import adding, copying

CELLS = ("gru", "lstm", "rnn")
RATES = (0.01, 0.003, 0.001)
CHOSEN_UP_TO = 200  # steps; beyond, the rate chosen there
CHOICE = 100  # seed of the data that a rate is chosen on
N_TRAIN, N_TEST = 8000, 1000
# One way: a cell that also reads backwards meets the early cue last. Patience never
# ends: a cell may learn nothing for epochs and then find the cue.
TRAINING = {
    "batch_size": 64,
    "max_iter": 20,
    "early_stopping": True,
    "n_iter_no_change": 20,
    "bidirectional": False,
    "warm_start": True,  # no epochs after that, of the part held out too
}
# Losses on the part held out, well below what counts as solved: a fifth of an MSE of
# .01 (y is standardised, its variance is 1/6), and 98 % sure of the symbol.
ENOUGH = {"adding": 0.012, "copying": 0.02}


class Enough(Callback):
    """End training once the loss on the part held out is small enough."""

    def __init__(self, loss):
        self.loss = loss

    def on_epoch_end(self, net, **kwargs):
        """Look at the epoch that has ended."""
        if net.history[-1, "valid_loss"] < self.loss:
            raise KeyboardInterrupt


class Clock(Callback):
    """CPU seconds of each epoch: no reading of data, no compilation, no windows."""

    def on_train_begin(self, net, **kwargs):
        """Start a list."""
        self.seconds = []

    def on_epoch_begin(self, net, **kwargs):
        """Look at the clock."""
        self.start = time.process_time()

    def on_epoch_end(self, net, **kwargs):
        """Look again."""
        self.seconds.append(time.process_time() - self.start)


def fitted(problem, cell, n_steps, seed, learning_rate, **changes):
    """The model, and the sequences it has not seen."""
    make = adding if problem == "adding" else copying
    X, y = make(N_TRAIN + N_TEST, n_steps, np.random.default_rng(seed))
    kind = GRURegressor if problem == "adding" else GRUClassifier
    model = kind(
        cell=cell,
        learning_rate=learning_rate,
        random_state=seed,
        **({"callbacks": [Enough(ENOUGH[problem])]} | TRAINING | changes),
    )
    model.fit(X[:N_TRAIN], y[:N_TRAIN])
    return model, X[N_TRAIN:], y[N_TRAIN:]


def trial(problem, cell, n_steps, learning_rate):
    """Lowest loss on the part held out: what a rate is chosen by."""
    model, *_ = fitted(problem, cell, n_steps, CHOICE, learning_rate)
    return {
        "loss": -float(max(model.validation_scores_)),
        "epochs": model.n_iter_,
    }


def remember(problem, cell, n_steps, seed, learning_rate, epochs):
    """Fit one cell on one memory task; error and size."""
    longest = {"max_iter": epochs, "n_iter_no_change": epochs}
    model, X, y = fitted(problem, cell, n_steps, seed, learning_rate, **longest)
    predicted = model.predict(X)
    if problem == "adding":
        score = float(np.mean((predicted - y) ** 2))
    else:
        score = float(100 * np.mean(predicted == y))
    return {
        "score": score,
        "epochs": model.n_iter_,
        "parameters": model.n_parameters_,
        "learning_rate": learning_rate,
    }


def pace(cell, n_steps):
    """CPU seconds an epoch of the adding problem: the shorter of two after a first."""
    few = {"max_iter": 3, "callbacks": [Clock()]}
    model, *_ = fitted("adding", cell, n_steps, 0, RATES[0], **few)
    return {"epoch": min(model.callbacks[0].seconds[1:])}


class Results:
    """Fits as files in a folder, so that a run goes on where it was interrupted."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def stored(self, name, measure, *args):
        """The result from its file, or measured now."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(measure(*args) | {"training": TRAINING}))
        return json.loads(path.read_text())

    def rate(self, problem, cell, n_steps):
        """The learning rate of a cell at a length."""
        n_steps = min(n_steps, CHOSEN_UP_TO)
        losses = {}
        for rate in RATES:
            name = f"choice-{problem}-{cell}-{n_steps}-{rate}"
            found = self.stored(name, trial, problem, cell, n_steps, rate)
            losses[rate] = found["loss"]
            if found["loss"] < ENOUGH[problem]:
                break
        return min(losses, key=losses.get)

    def has(self, name):
        """Whether a result is stored."""
        return (self.folder / f"{name}.json").exists()

    def seed(self, problem, cell, n_steps, seed, epochs=TRAINING["max_iter"]):
        """One point of the curves."""
        rate = self.rate(problem, cell, n_steps)
        name = f"{problem}-{cell}-{n_steps}-{seed}"
        if epochs != TRAINING["max_iter"]:
            name += f"-{epochs}"
        return self.stored(name, remember, problem, cell, n_steps, seed, rate, epochs)
