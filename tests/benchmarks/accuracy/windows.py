"""Windows and targets for the forecasting tasks, as scikit-learn steps.

The baselines and the networks read the same windows through these.
"""

import math
from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone


class Resampled(TransformerMixin, BaseEstimator):
    """Series of any length as flat rows: each channel interpolated to `n_steps`."""

    def __init__(self, n_steps=None):
        self.n_steps = n_steps

    def fit(self, X, y=None):
        """Learn the number of steps: the longest series, at most 128."""
        self.n_steps_ = self.n_steps or min(128, max(len(x) for x in X))
        return self

    def transform(self, X):
        """(n, n_steps * n_channels), step-major."""
        return np.stack([self._resample(np.asarray(x)) for x in X])

    def _resample(self, x):
        at = np.linspace(0, len(x) - 1, self.n_steps_)
        steps = np.arange(len(x))
        return np.stack([np.interp(at, steps, c) for c in x.T], axis=1).ravel()


class Flat(TransformerMixin, BaseEstimator):
    """Windows as flat rows, step-major."""

    def fit(self, X, y=None):
        """Nothing is learned."""
        return self

    def transform(self, X):
        """(n, n_steps * n_channels)."""
        return np.asarray(X).reshape(len(X), -1)


class WithoutTargets(TransformerMixin, BaseEstimator):
    """A transformer that is fitted without y, whatever the shape of y."""

    def __init__(self, transformer):
        self.transformer = transformer

    def fit(self, X, y=None):
        """Fit on X."""
        self.transformer_ = clone(self.transformer).fit(X)
        return self

    def transform(self, X):
        """What the transformer makes of X."""
        return self.transformer_.transform(X)


class AsCube(TransformerMixin, BaseEstimator):
    """Series as (n, channels, steps), the order of aeon; ragged ones interpolated."""

    def fit(self, X, y=None):
        """Nothing but the common length is learned."""
        self.flat_ = Resampled().fit(X)
        return self

    def transform(self, X):
        """The cube, float32."""
        flat = self.flat_.transform(X).astype(np.float32)
        return flat.reshape(len(flat), self.flat_.n_steps_, -1).swapaxes(1, 2)


class WithDifferences(TransformerMixin, BaseEstimator):
    """Series with the slope of each channel as further channels."""

    def fit(self, X, y=None):
        """Nothing is learned."""
        return self

    def transform(self, X):
        """A list of (n_steps, 2 * n_channels)."""
        return [np.hstack([x, np.gradient(x, axis=0)]).astype(np.float32) for x in X]


class LastObserved(RegressorMixin, BaseEstimator):
    """The last observed value of each flat window of one column, or the mean of y."""

    def fit(self, X, y):
        """Keep the mean of y for windows without a value."""
        self.mean_ = np.mean(y)
        return self

    def predict(self, X):
        """One value a window."""
        X = np.asarray(X)
        seen = ~np.isnan(X)
        last = X.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
        values = X[np.arange(len(X)), last]
        return np.where(seen.any(axis=1), values, self.mean_)


class Repeated(RegressorMixin, BaseEstimator):
    """The last `period` values of each window, over and over."""

    def __init__(self, period=1):
        self.period = period

    def fit(self, X, y):
        """Keep the horizon."""
        self.shape_ = y.shape[1:]
        return self

    def predict(self, X):
        """(n, horizon), or (n,) for a single step ahead."""
        tail = np.asarray(X)[:, -self.period :, 0]
        horizon = math.prod(self.shape_)
        ahead = np.tile(tail, -(-horizon // self.period))[:, :horizon]
        return ahead.reshape(len(tail), *self.shape_)


class LastSubtracted(RegressorMixin, BaseEstimator):
    """A regressor of windows that sees and predicts differences to the last value.

    It gets flat windows of the last `n_steps`.
    """

    def __init__(self, regressor, n_steps=None):
        self.regressor = regressor
        self.n_steps = n_steps

    def fit(self, X, y):
        """Fit on windows and targets less the last value."""
        windows, last = self._windows(X)
        self.regressor_ = clone(self.regressor).fit(windows, (y.T - last).T)
        return self

    def predict(self, X):
        """Predict the differences and add the last value."""
        windows, last = self._windows(X)
        return (self.regressor_.predict(windows).T + last).T

    def _windows(self, X):
        flat = np.asarray(X)[:, -(self.n_steps or X.shape[1]) :, 0]
        return flat - flat[:, -1:], flat[:, -1]


class StepAsFeature(RegressorMixin, BaseEstimator):
    """One single-output regressor for all steps ahead: which step is a feature.

    It learns from `n_rows` random pairs of a window and a step, and sees the last
    `n_lags` values and the one a season before the step.
    """

    def __init__(self, regressor, n_rows=100_000, n_lags=48, season=24, random_state=0):
        self.regressor = regressor
        self.n_rows = n_rows
        self.n_lags = n_lags
        self.season = season
        self.random_state = random_state

    def fit(self, X, y):
        """Fit on random pairs."""
        rng = np.random.default_rng(self.random_state)
        self.horizon_ = y.shape[1]
        window = rng.integers(0, len(X), self.n_rows)
        step = rng.integers(0, self.horizon_, self.n_rows)
        table = self._table(X, window, step)
        self.regressor_ = clone(self.regressor).fit(table, y[window, step])
        return self

    def predict(self, X):
        """All windows, one step ahead after the other."""
        every = np.arange(len(X))
        steps = (np.full(len(X), step) for step in range(self.horizon_))
        tables = (self._table(X, every, step) for step in steps)
        return np.stack([self.regressor_.predict(t) for t in tables], axis=1)

    def _table(self, X, window, step):
        tail = np.asarray(X)[:, -self.n_lags :, 0][window]
        seasonal = tail[np.arange(len(tail)), step % self.season - self.season]
        return np.column_stack([tail, seasonal, step])


class Recursive(RegressorMixin, BaseEstimator):
    """Forecast far ahead with a regressor of `n_lags` log-differences, step by step.

    X is a frame whose rows to forecast have no value; they follow those of fit.
    """

    def __init__(self, regressor, n_lags=12):
        self.regressor = regressor
        self.n_lags = n_lags

    def fit(self, X, y):
        """Fit one step ahead."""
        self.log_ = np.log(np.asarray(y, float))
        change = np.diff(self.log_)
        lags = np.lib.stride_tricks.sliding_window_view(change, self.n_lags)
        target = change[self.n_lags :]
        self.regressor_ = clone(self.regressor).fit(lags[: len(target)], target)
        return self

    def predict(self, X):
        """As many steps as X has rows."""
        change = list(np.diff(self.log_))
        for _ in range(len(X)):
            lags = np.array(change[-self.n_lags :])[None]
            change.append(float(self.regressor_.predict(lags)[0]))
        return np.exp(self.log_[-1] + np.cumsum(change[-len(X) :]))


class SeasonalNaive(RegressorMixin, BaseEstimator):
    """The last `period` values of y over and over."""

    def __init__(self, period=12):
        self.period = period

    def fit(self, X, y):
        """Keep the last season."""
        self.season_ = np.asarray(y, float)[-self.period :]
        return self

    def predict(self, X):
        """As many steps as X has rows."""
        return np.resize(self.season_, len(X))


class Tail(TransformerMixin, BaseEstimator):
    """The last `n_steps` of each sequence; a description, no copy."""

    def __init__(self, n_steps=96):
        self.n_steps = n_steps

    def fit(self, X, y=None):
        """Nothing is learned."""
        return self

    def transform(self, X):
        """The same sequences, cut in front."""
        lengths = np.minimum(X.lengths, self.n_steps)
        starts = X.starts + X.lengths - lengths
        return replace(X, starts=starts, lengths=lengths, n_steps=self.n_steps)


class AgainstLag(RegressorMixin, BaseEstimator):
    """Growth from growth: a model of one series that is never shown its level.

    The target is the logarithm of y less that of `lag` rows earlier, the input the same
    over one `season`, so that a trend and a season that grow with the series are not
    extrapolated by a network. X is a frame of the series, unknown where it is to be
    forecast: at most `lag` rows that follow those of fit.
    """

    def __init__(self, model, lag=24, season=12):
        self.model = model
        self.lag = lag
        self.season = season

    def fit(self, X, y):
        """Fit on the rows that have such a past."""
        self.log_ = np.log(np.asarray(y, float))
        growth = self.log_[self.lag :] - self.log_[: -self.lag]
        target = np.concatenate([np.zeros(self.lag), growth])
        known = np.arange(len(target)) >= self.lag
        last = self.model.steps[-1][0]
        self.model_ = clone(self.model).fit(
            np.log(X).diff(self.season),
            target,
            **{f"{last}__sample_weight": known.astype(float)},
        )
        return self

    def predict(self, X):
        """Add the growth to the values `lag` rows earlier."""
        past = self.log_[len(self.log_) - self.lag :][: len(X)]
        return np.exp(self.model_.predict(np.log(X)) + past)
