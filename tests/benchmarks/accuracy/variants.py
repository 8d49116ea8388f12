"""What the study of the defaults changes, one thing at a time.

``VARIANTS[aspect][name](task, seed)`` is an unfitted model that differs from the
defaults in that one thing, or None where the change makes no sense for the task.
"""

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import Callback, LRScheduler

from tests.benchmarks.accuracy.baselines import ALPHAS
from tests.benchmarks.accuracy.settings import VALUES_ALONE
from tests.benchmarks.accuracy.settings import default as untouched

# What the study varies around: nothing, or the winners of a round before.
AROUND = {}


def default(task, seed, **changes):
    """The defaults with the winners of the round before, and one change."""
    return untouched(task, seed, **(AROUND | changes))


class SeedAverage(BaseEstimator):
    """The mean prediction of a model fitted with several seeds."""

    def __init__(self, model, n_seeds=3, random_state=0):
        self.model = model
        self.n_seeds = n_seeds
        self.random_state = random_state

    def fit(self, X, y):
        """Fit all."""
        names = [p for p in self.model.get_params() if p.endswith("random_state")]
        seeds = self.random_state + 1000 * np.arange(self.n_seeds)
        self.models_ = [
            clone(self.model).set_params(**dict.fromkeys(names, int(s))).fit(X, y)
            for s in seeds
        ]
        return self


class SeedAverageRegressor(RegressorMixin, SeedAverage):
    """Mean of the predictions."""

    def predict(self, X):
        """The mean."""
        return np.mean([m.predict(X) for m in self.models_], axis=0)


class SeedAverageClassifier(ClassifierMixin, SeedAverage):
    """Mean of the probabilities."""

    def predict(self, X):
        """The class with the largest mean probability."""
        p = np.mean([m.predict_proba(X) for m in self.models_], axis=0)
        return self.models_[0].classes_[p.argmax(axis=1)]


class Highway(RegressorMixin, BaseEstimator):
    """Ridge on the flat window in closed form, and a GRU for what it leaves.

    The sum a network with a linear highway around its recurrent branch computes, if
    that branch starts at zero: it begins where ridge ends.
    """

    def __init__(self, model):
        self.model = model

    def fit(self, X, y):
        """Fit ridge, then the model on the residuals."""
        *steps, _ = [step for _, step in self.model.steps]
        self.ridge_ = make_pipeline(
            *[clone(step) for step in steps],
            FunctionTransformer(flat),
            SimpleImputer(keep_empty_features=True),
            StandardScaler(),
            RidgeCV(ALPHAS),
        ).fit(X, y)
        self.residual_ = clone(self.model).fit(X, y - self.ridge_.predict(X))
        return self

    def predict(self, X):
        """The sum."""
        return self.ridge_.predict(X) + self.residual_.predict(X)


def flat(windows):
    """Each window as one row."""
    return np.asarray(windows).reshape(len(windows), -1)


class UpdateBias(Callback):
    """Start with update gates that keep more of the state, or less."""

    def __init__(self, added):
        self.added = added

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Change the initial parameters in place."""
        for name, parameter in net.module_.named_parameters():
            if "bias_ih" in name:
                n = len(parameter) // 3
                with torch.no_grad():
                    parameter[n : 2 * n] += self.added


class ZeroHead(Callback):
    """Start with an output layer of zeros."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Change the initial parameters in place."""
        *_, weight, _ = net.module_.parameters()
        with torch.no_grad():
            weight.zero_()


def _with(**changes):
    """The defaults with some parameters changed."""
    return lambda task, seed: default(task, seed, **changes)


def _regression(**changes):
    return lambda task, seed: (
        None if task.kind == "series" else default(task, seed, **changes)
    )


def _classification(**changes):
    return lambda task, seed: (
        default(task, seed, **changes) if task.kind == "series" else None
    )


def _constant(task, seed):
    flat_rate = LRScheduler(policy="StepLR", step_size=10**6)
    return default(task, seed, callbacks=[flat_rate], learning_rate=0.003)


def _target(function, inverse):
    def make(task, seed):
        if task.kind not in ("frame", "forecast"):
            return None
        return TransformedTargetRegressor(
            default(task, seed), func=function, inverse_func=inverse
        )

    return make


def _averaged(n):
    def make(task, seed):
        kind = SeedAverageClassifier if task.kind == "series" else SeedAverageRegressor
        return kind(default(task, seed), n, random_state=seed)

    return make


def _highway(task, seed):
    return None if task.kind == "series" else Highway(default(task, seed))


RAW = {"normalization": None, "target_feature": None}


def _values(parameter, *values):
    return {f"{parameter}={v}": _with(**{parameter: v}) for v in values}


VARIANTS = {
    "defaults": {"unchanged": _with()},
    "learning rate": _values("learning_rate", 0.001, 0.003, 0.005, 0.03),
    "schedule": {"constant 0.003": _constant},
    "epochs": _values("max_iter", 25, 50, 100, 200, 400),
    "width": _values("hidden_size", 16, 32, 128),
    "layers": _values("num_layers", 2),
    "directions": _values("bidirectional", True, False),
    "pooling": {
        **_values("pooling", "last", "mean", "max", "mean_max", "attention"),
        "both directions, mean_max": _with(bidirectional=True, pooling="mean_max"),
        "both directions, max": _with(bidirectional=True, pooling="max"),
        "both directions, attention": _with(bidirectional=True, pooling="attention"),
    },
    "differences": {
        **_values("add_differences", True, False),
        "no differences, last": _classification(add_differences=False, pooling="last"),
    },
    "levels": {
        "raw values": _regression(**RAW),
        "last value": _regression(normalization="last", target_feature="auto"),
        "mean and deviation": _regression(
            normalization="standard", target_feature="auto"
        ),
    },
    "linear part": {
        "no linear part": _with(linear_share=0),
        "half a linear part": _with(linear_share=0.5),
        "raw values, no linear part": _regression(**RAW, linear_share=0),
        "none of the three": _classification(**VALUES_ALONE),
    },
    "several networks": _values("n_estimators", 1, 3, 5),
    "convolution branch": _values("conv_filters", (64, 128, 64)),
    "segments": _values("segment_length", 2, 4),
    "initialisation": {
        "update gates at 0, not 1": _with(callbacks=[UpdateBias(-1.0)]),
        "update gates at 2": _with(callbacks=[UpdateBias(1.0)]),
        "update gates at 4": _with(callbacks=[UpdateBias(3.0)]),
        "head at zero": _with(callbacks=[ZeroHead()]),
    },
    "weight decay": _values("weight_decay", 0.0, 0.01, 0.1, 1.0),
    "dropout": _values("dropout", 0.1, 0.3),
    "early stopping": {
        **_values("early_stopping", True, False),
        **_values("n_iter_no_change", 3, 10),
    },
    "batch size": _values("batch_size", 16, 32, 64, 128, 256),
    "clipping": _values("clip_norm", None, 0.1, 10.0),
    "loss": {
        "absolute_error": _regression(loss="absolute_error"),
        "huber": _regression(loss="huber"),
        "label_smoothing=0.1": _classification(label_smoothing=0.1),
    },
    "target scaling": {
        "square root of y": _target(np.sqrt, np.square),
        "logarithm of y": _target(np.log1p, np.expm1),
    },
    "averaging": {"3 seeds": _averaged(3), "5 seeds": _averaged(5)},
    "linear highway": {"ridge + GRU of its residual": _highway},
    "cell": _values("cell", "gru_reset_before", "lstm", "rnn"),
}
