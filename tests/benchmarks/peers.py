"""The peers as a user would build them, behind one small interface.

Each is given what helps it: skorch a module that casts its input and squeezes its
output, keras a model that reads flat rows (its wrapper refuses others), sktime and aeon
their own layout, sktime ``batch_first=True`` where it is timed. A peer that is not
installed is left out.
"""

from dataclasses import dataclass, field, replace
from importlib.metadata import version

import numpy as np
from torch import nn

import sklearn_gru
from sklearn_gru import GRURegressor
from tests.benchmarks import rivals
from tests.benchmarks.machine import is_installed
from tests.benchmarks.rivals import BATCH, HIDDEN, INPUTS, STEPS


def as_it_is(X):
    """(sequences, steps, features), or already 2-D."""
    return X


def flat(X):
    """One row each, step after step."""
    return X.reshape(len(X), -1)


def channels_first(X):
    """(sequences, features, steps)."""
    return np.ascontiguousarray(X.swapaxes(1, 2))


@dataclass(frozen=True)
class Peer:
    """How to make, fit and ask one estimator."""

    name: str
    make: object  # make(seed=…, default=…) -> estimator, seed only where it has one
    grid: dict = field(default_factory=dict)
    layout: object = as_it_is
    classifies: bool = False
    trainer: object = lambda n: None  # trainer(n) -> fit(epochs) on n windows
    not_asked: frozenset = frozenset()  # what makes no sense for its kind of data

    def with_sequences(self):
        """The peer given (sequences, steps, features) even if it wants flat rows."""
        return replace(self, layout=as_it_is) if self.layout is flat else self

    def fit(self, model, X, y, **kwargs):
        """Return the fitted model."""
        model.fit(X, y, **kwargs)
        return model

    def predict(self, model, X):
        """Return predictions as an array."""
        return np.asarray(model.predict(X))

    def scores(self, model, X):
        """Return what says more than a label: probabilities, or predictions."""
        known = model.predict_proba if self.classifies else model.predict
        return np.asarray(known(X))


def ours():
    """GRURegressor, as it comes."""

    def make(seed=0, default=False):
        few = {} if default else {"hidden_size": 4, "max_iter": 3}
        return GRURegressor(random_state=seed, **few)

    def trainer(n):
        from tests.benchmarks import ours as timed

        X, y = rivals.windows(n)
        return lambda epochs: timed.fit(timed.regressor(epochs), X, y)

    name = f"sklearn-gru {sklearn_gru.__version__}"
    return Peer(name, make, {"hidden_size": [2, 4]}, trainer=trainer)


class Lenient(nn.Module):
    """What a careful user hands to skorch: casts its input, squeezes its output."""

    def __init__(self, hidden=4):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, X):
        x = X.float().reshape(len(X), -1, 1)
        return self.head(self.gru(x)[1][-1]).squeeze(-1)


class FloatLoss(nn.MSELoss):
    """Squared error whatever the type of the target."""

    def forward(self, predicted, y):
        return super().forward(predicted, y.float())


def skorch():
    """NeuralNetRegressor around a careful module."""
    from skorch import NeuralNetRegressor

    def make(default=False):
        few = {} if default else {"verbose": 0, "max_epochs": 3}
        return NeuralNetRegressor(Lenient, criterion=FloatLoss, train_split=None, **few)

    def trainer(n):
        X, y = rivals.windows(n)
        return lambda epochs: rivals.skorch_net(epochs=epochs).fit(X, y[:, None])

    name = f"skorch {version('skorch')}"
    return Peer(name, make, {"module__hidden": [2, 4]}, trainer=trainer)


def keras_model(X, y, units=4):
    """A compiled GRU that reads rows of any width, one feature a step."""
    import keras

    layers = [keras.Input(X.shape[1:])]
    if X.ndim == 2:
        layers.append(keras.layers.Reshape((X.shape[1], 1)))
    outputs = 1 if y.ndim == 1 else y.shape[1]
    layers += [keras.layers.GRU(units), keras.layers.Dense(outputs)]
    net = keras.Sequential(layers)
    net.compile("adam", loss="mse")
    return net


def keras():
    """SKLearnRegressor on jax, which is its fastest backend on a CPU."""
    from tests.benchmarks.bench_peers import keras_net

    keras_net()  # chooses the backend before keras is first imported
    from keras.wrappers import SKLearnRegressor

    def make(default=False):
        few = None if default else {"epochs": 2, "verbose": 0}
        return SKLearnRegressor(keras_model, model_kwargs={"units": 4}, fit_kwargs=few)

    def trainer(n):
        X, y = rivals.windows(n)
        net = keras_net()
        return lambda epochs: net.fit(X, y, batch_size=BATCH, epochs=epochs, verbose=0)

    name = f"keras {version('keras')} on jax"
    return Peer(
        name,
        make,
        {"model_kwargs": [{"units": 2}, {"units": 4}]},
        flat,
        trainer=trainer,
    )


def sktime():
    """GRUClassifier; there is no GRU regressor."""
    from sktime.classification.deep_learning.gru import GRUClassifier

    def make(seed=0, default=False):
        few = {} if default else {"hidden_dim": 4, "n_layers": 1, "num_epochs": 3}
        return GRUClassifier(random_state=seed, **few)

    def trainer(n):
        X, y = rivals.windows(n)
        bins = np.digitize(y, np.quantile(y, [0.25, 0.5, 0.75]))
        X = channels_first(X)
        same = {"hidden_dim": HIDDEN, "n_layers": 1, "batch_size": BATCH}

        def fit(epochs):
            GRUClassifier(num_epochs=epochs, batch_first=True, **same).fit(X, bins)

        return fit

    name = f"sktime {version('sktime')} GRUClassifier"
    return Peer(name, make, {"hidden_dim": [2, 4]}, channels_first, True, trainer)


def aeon():
    """RecurrentRegressor with GRU cells, on tensorflow."""
    from aeon.regression.deep_learning import RecurrentRegressor

    def make(seed=0, default=False):
        few = {} if default else {"n_units": 4}
        return RecurrentRegressor(
            rnn_type="gru", n_epochs=3, random_state=seed, verbose=False, **few
        )

    def trainer(n):
        X, y = rivals.windows(n)
        X = channels_first(X)
        same = {"rnn_type": "gru", "n_units": HIDDEN, "batch_size": BATCH}
        return lambda epochs: RecurrentRegressor(n_epochs=epochs, **same).fit(X, y)

    name = f"aeon {version('aeon')} RecurrentRegressor"
    return Peer(name, make, {"n_units": [2, 4]}, channels_first, trainer=trainer)


class Darts(Peer):
    """A forecaster of series: X and y become a target and what goes before it."""

    def fit(self, model, X, y, **kwargs):
        """Fit on one series, the columns of X as past covariates."""
        model.fit(series(y), past_covariates=series(X[:, -1]), **kwargs)
        return model

    def predict(self, model, X):
        """Return the forecasts of all rows that have a window before them."""
        past = series(X[:, -1])
        return model.historical_forecasts(
            series(np.zeros(len(X))), past, retrain=False, verbose=False
        ).values()[:, 0]


def series(values):
    """A darts series of float32 values, numbered."""
    from darts import TimeSeries

    return TimeSeries.from_values(np.asarray(values, dtype=np.float32))


def darts():
    """BlockRNNModel with GRU cells."""
    from darts.models import BlockRNNModel

    def make(seed=0, default=False):
        few = {} if default else {"n_epochs": 3, "hidden_dim": 4}
        return BlockRNNModel(4, 1, model="GRU", random_state=seed, **few)

    def trainer(n):
        X, y = rivals.windows(n + STEPS, n_steps=1)
        target, past = series(y), series(X[:, 0, : INPUTS - 1])
        quietly = {"enable_progress_bar": False, "logger": False, "accelerator": "cpu"}

        def fit(epochs):
            model = BlockRNNModel(
                *(STEPS, 1, 0, "GRU", HIDDEN),
                batch_size=BATCH,
                n_epochs=epochs,
                pl_trainer_kwargs=quietly,
            )
            model.fit(target, past_covariates=past, verbose=False)

        return fit

    name = f"darts {version('darts')} BlockRNNModel"
    of_sequences = {"sequences", "ragged", "alone", "weighted"}
    return Darts(
        *(name, make, {"hidden_dim": [2, 4]}),
        trainer=trainer,
        not_asked=frozenset(of_sequences),
    )


KNOWN = {
    "skorch": skorch,
    "keras": keras,
    "sktime": sktime,
    "aeon": aeon,
    "darts": darts,
}


def peers(*names):
    """Those that are named and installed here, or all that are installed."""
    names = names or KNOWN
    return [KNOWN[name]() for name in names if is_installed(name)]
