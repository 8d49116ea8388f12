"""Outlier detection by the errors of a forecaster: the public detector."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.base import OutlierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_gru._encoding.all_ranks import of_all_ranks
from sklearn_gru._encoding.schema import InputSchema
from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._estimators.forecast_errors import ForecastErrors
from sklearn_gru._estimators.hold_out import held_out, in_time
from sklearn_gru._estimators.newest_steps import (
    Context,
    NewestSteps,
    numeric_channels,
)
from sklearn_gru._estimators.regressor import GRURegressor
from sklearn_gru._support.estimator import Estimator
from sklearn_gru._support.ranks import of_first_rank
from sklearn_gru._support.rules import (
    OneOf,
    Rule,
    Satisfies,
    check_parameters,
    positive_integer,
    real,
)
from sklearn_gru._support.warn import warn
from sklearn_gru.exceptions import (
    CalibrationWarning,
    InputError,
    InvalidParameterError,
)

__all__ = ["GRUOutlierDetector"]

_FALSE_ALARM_RATE = 0.01

# The regressor needs two sequences, and one is held out.
_LEAST = 3

# Rounding depends on how many sequences are scored at once; the threshold is this share
# away from the score that it comes from.
_MARGIN = 1e-6

# With fewer held-out rows than this, the scale is taken from all rows.
_FEW = 20


def default_forecaster() -> GRURegressor:
    """Return the regressor of a detector without one.

    A warm start has no last epochs of the rows that early stopping holds out. With
    them, detection was a little worse: see decision record 25.
    """
    return GRURegressor(
        32,
        normalization=None,
        linear_share=0,
        loss="huber",
        max_iter=30,
        early_stopping=True,
        warm_start=True,
    )


class GRUOutlierDetector(OutlierMixin, Estimator):
    """Detection of outliers in sequences by the errors of a forecaster.

    A regressor learns the newest step of each sequence from the steps before it [1]_.
    The score of a sequence is the error of that forecast in robust standard deviations,
    so behind :class:`~sklearn_gru.SlidingWindow` every row gets a score. A score never
    depends on later rows.

    Parameters
    ----------
    estimator : estimator, default=None
        Regressor of sequences that is fitted to forecast. None is
        ``GRURegressor(32, loss="huber", max_iter=30, early_stopping=True,
        normalization=None, linear_share=0, warm_start=True)``: a network alone, which
        reads levels.
    horizon : int, default=1
        Forecast the newest step from steps that end `horizon` steps earlier. Above 1,
        a fault that grows slowly is not part of the input that it is judged by.
    smoothing : int, default=1
        Number of newest steps whose squared errors are averaged. A sequence of T steps
        is then read as `smoothing` steps to judge and ``T - smoothing`` steps before
        each of them. Anomalies that last are found better with more.
    contamination : "auto" or float, default="auto"
        Share of the training sequences to mark as outliers, above 0 and at most 0.5.
        "auto" takes the threshold from `false_alarm_rate`.
    false_alarm_rate : float, default=0.01
        Share of normal sequences to mark as outliers, above 0 and below 1. The
        threshold is the conformal quantile of the scores of held-out sequences [2]_,
        each with the scale of the others [3]_, so the share holds for later sequences
        that are exchangeable with them. Series that drift have more. It needs
        ``smoothing * (1 / false_alarm_rate - 1)`` held-out sequences; with fewer, fit
        warns, and the threshold is the most abnormal of their scores.
    validation_fraction : float, default=0.2
        Share of the sequences that the regressor does not learn from: the latest ones,
        as in the estimators. The scale of the errors and the threshold come from them.
    random_state : int, RandomState or None, default=None
        Seed of the regressor, and of the held-out sequences if they have no order.

    Attributes
    ----------
    regressor_ : estimator
        The fitted regressor.
    offset_ : float
        Threshold: a score below it is an outlier.
    center_, scale_ : ndarray of shape (n_channels,)
        Median and robust standard deviation of the errors of each channel, forecast
        from the whole context.
    correlation_ : ndarray of shape (n_channels, n_channels)
        Correlation between these errors of two channels.
    n_held_out_ : int
        Number of sequences that the scale and the threshold come from.
    n_features_in_ : int
        Number of columns of a 2-D X; number of features per step otherwise.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Set only if X has feature names.

    See Also
    --------
    SlidingWindow : Turn each row into the sequence of rows that leads to it.
    sklearn.ensemble.IsolationForest : A detector that needs no order.

    Notes
    -----
    The scale of each channel is the median absolute deviation of its held-out errors
    times 1.4826. The errors of several channels are combined by their Mahalanobis
    distance, as in [1]_: an error counts more if those of related channels do not go
    with it. Their correlation is that of the errors within 3 deviations, shrunk as in
    [4]_. A forecast from few steps errs more: scale and correlation are also measured
    for forecasts from the latest 1, 2, 4, ... steps of the held-out sequences, and the
    first rows of a series are judged by these. A channel that is not observed at the
    newest step takes no part in the score; a sequence without anything to judge (its
    first step, or a newest step without any value) gets score 0, the most normal one.

    If the training data hold outliers, the default "huber" loss and the robust scale
    limit their influence; set `contamination` to their share if you know it.

    References
    ----------
    .. [1] Malhotra et al. (2015). Long Short Term Memory Networks for Anomaly Detection
       in Time Series. ESANN.
    .. [2] Laxhammar & Falkman (2010). Conformal prediction for distribution-independent
       anomaly detection in streaming vessel data. StreamKDD.
    .. [3] Vovk (2015). Cross-conformal predictors. Annals of Mathematics and
       Artificial Intelligence 74.
    .. [4] Ledoit & Wolf (2004). A Well-Conditioned Estimator for Large-Dimensional
       Covariance Matrices. Journal of Multivariate Analysis 88.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import GRUOutlierDetector, SlidingWindow
    >>> t = np.arange(1500)
    >>> X = pd.DataFrame({"speed": np.sin(t / 5), "load": np.cos(t / 5)}, index=t)
    >>> X += 0.1 * np.random.default_rng(0).normal(size=X.shape)
    >>> model = make_pipeline(SlidingWindow(20), GRUOutlierDetector(random_state=0))
    >>> model = model.fit(X[:1000])
    >>> X.loc[1200, "load"] += 2                            # a spike
    >>> int(model.predict(X)[1200])
    -1
    >>> residuals = model[-1].residuals(model[0].transform(X))
    >>> X.columns[np.abs(residuals[1200]).argmax()], bool(residuals[1200, 1] > 5)
    ('load', True)
    """

    _parameter_rules: ClassVar[dict[str, list[Rule]]] = {
        "estimator": [
            OneOf((None,)),
            Satisfies(lambda v: hasattr(v, "predict"), "a regressor"),
        ],
        "horizon": [positive_integer()],
        "smoothing": [positive_integer()],
        "contamination": [OneOf(("auto",)), real(0, 0.5, low_open=True)],
        "false_alarm_rate": [real(0, 1, low_open=True, high_open=True)],
        "validation_fraction": [real(0, 1, low_open=True, high_open=True)],
    }

    def __init__(
        self,
        estimator=None,
        *,
        horizon=1,
        smoothing=1,
        contamination="auto",
        false_alarm_rate=_FALSE_ALARM_RATE,
        validation_fraction=0.2,
        random_state=None,
    ):
        self.estimator = estimator
        self.horizon = horizon
        self.smoothing = smoothing
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    @of_all_ranks
    def fit(self, X, y=None):
        """Fit the forecaster, the scale of its errors and the threshold.

        Parameters
        ----------
        X : Sequences, list of arrays or DataFrames, or array-like
            Sequences of at least two steps, as for
            :class:`~sklearn_gru.GRURegressor`; behind a SlidingWindow with ``lag=0``,
            whose newest step is the row itself.
        y : None
            Ignored.

        Returns
        -------
        self : GRUOutlierDetector
            The fitted detector.

        Raises
        ------
        InputError
            If no sequence has two observed steps.
        InvalidParameterError
            If a parameter is outside its range, or both `contamination` and
            `false_alarm_rate` are set.
        """
        self._check_params()
        name = type(self).__name__
        schema, sequences = InputSchema(name).learn(X)
        context = self._context(sequences)
        random = check_random_state(self.random_state)
        numeric = numeric_channels(sequences)
        steps = NewestSteps.of(sequences, context)
        before, target, usable = steps.to_learn(numeric)
        _check_learnable(sequences, numeric, len(before))
        seed = of_first_rank(random.randint(2**31 - 1))
        held = held_out(before, self.validation_fraction, lambda: seed)
        regressor = self._make_regressor(random).fit(before[~held], target[~held])

        enough = held.sum() >= _FEW
        usable[usable] = held if enough else True
        judging = in_time(_of_steps(sequences, usable))
        spread = np.atleast_1d(target.std(axis=0))
        errors = ForecastErrors(regressor, context, numeric)
        histories = errors.by_history(judging)
        errors = errors.measured(histories, spread)
        if self.contamination == "auto":
            smoothing = int(self.smoothing)
            sizes = errors.unseen_sizes(judging, histories, smoothing, spread)
            offset = self._promised(sizes)
        else:
            scores = -errors.sizes(sequences, int(self.smoothing))
            offset = float(np.percentile(scores, 100 * self.contamination))

        self._schema, self._errors, self.regressor_ = schema, errors, regressor
        _, self.center_, self.scale_, self.correlation_ = errors.usual[-1]
        self.offset_ = offset
        self.n_held_out_ = len(judging)
        self.n_features_in_ = schema.n_features
        if schema.feature_names is not None:
            self.feature_names_in_ = schema.feature_names
        return self

    def predict(self, X):
        """Mark outliers.

        Parameters
        ----------
        X : like X of fit
            Sequences.

        Returns
        -------
        marks : ndarray of shape (n,)
            -1 for outliers and 1 for others.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def decision_function(self, X):
        """Return the scores relative to the threshold; outliers are negative.

        Parameters
        ----------
        X : like X of fit
            Sequences.

        Returns
        -------
        scores : ndarray of shape (n,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def score_samples(self, X):
        """Return the score of each sequence, at most 0; lower is more abnormal.

        Parameters
        ----------
        X : like X of fit
            Sequences.

        Returns
        -------
        scores : ndarray of shape (n,)
            Negative root of the mean squared Mahalanobis distance of the residuals per
            observed channel over the newest `smoothing` steps. For one channel, it is
            the root mean square.
        """
        check_is_fitted(self)
        sequences = self._schema.check(X)
        return -self._errors.sizes(sequences, int(self.smoothing))

    def residuals(self, X):
        """Return the signed error of each channel at the newest step.

        Parameters
        ----------
        X : like X of fit
            Sequences.

        Returns
        -------
        residuals : ndarray of shape (n, n_channels)
            Value minus forecast in robust standard deviations, between -50 and 50:
            positive if the channel is higher than expected. NaN where there was nothing
            to judge, and for categorical channels.
        """
        check_is_fitted(self)
        sequences = self._schema.check(X)
        found = np.full((len(sequences), sequences.shape[2]), np.nan)
        found[:, self._errors.channels] = self._errors.of_newest(sequences)
        return found

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    # -- inside -----------------------------------------------------------------------

    def _check_params(self) -> None:
        check_parameters(self, self._parameter_rules)
        if self.contamination != "auto" and self.false_alarm_rate != _FALSE_ALARM_RATE:
            raise InvalidParameterError(
                f"contamination={self.contamination!r} and false_alarm_rate="
                f"{self.false_alarm_rate!r} both set the threshold. Set one of them, "
                "and leave contamination='auto' to promise a false alarm rate."
            )

    def _context(self, sequences: Sequences) -> Context:
        """Return the number of steps before each judged step."""
        n_steps = sequences.shape[1]
        size = n_steps - int(self.smoothing) - int(self.horizon) + 1
        if size >= 1:
            return Context(size, int(self.horizon))
        needed = int(self.smoothing) + int(self.horizon)
        raise InputError(
            f"The sequences have {n_steps} step(s) (n_features={n_steps} of a 2-D X), "
            f"but smoothing={self.smoothing} and horizon={self.horizon} need at least "
            f"{needed}. Use longer sequences, such as SlidingWindow({needed + 23}), or "
            "less smoothing."
        )

    def _make_regressor(self, random: np.random.RandomState):
        given = self.estimator
        made = default_forecaster() if given is None else clone(given)
        seeds = {
            name: random.randint(2**31 - 1)
            for name in sorted(made.get_params())
            if name == "random_state" or name.endswith("__random_state")
        }
        return made.set_params(**seeds)

    def _promised(self, sizes: np.ndarray) -> float:
        """Return the threshold from the sizes (m,) of held-out rows in order of time.

        Smoothed sizes of neighboring rows are nearly one size. Every `smoothing`-th
        has no step in common with the others, so each such subset has a conformal
        threshold, and their mean is taken.
        """
        m, k, rate = len(sizes), int(self.smoothing), self.false_alarm_rate
        if m / k < 1 / rate - 1:
            warn(
                f"false_alarm_rate={rate:g} rests on {m} held-out rows"
                + (f" in {m / k:.0f} stretches" if k > 1 else "")
                + f", but needs at least {k * (1 / rate - 1):.0f}: the true rate may "
                f"be higher, about {1 / (m / k + 1):.2g}. Fit on more rows, raise "
                "validation_fraction, or promise less.",
                CalibrationWarning,
            )
        # A new row counts as one more: "weibull" takes the (m + 1) (1 - rate)-th of m
        # sizes in order, between two of them if need be, or the largest.
        found = [
            np.quantile(sizes[at::k], 1 - rate, method="weibull")
            for at in range(min(k, m))
        ]
        return -float(np.mean(found)) * (1 + _MARGIN)


def _of_steps(sequences: Sequences, mask: np.ndarray) -> Sequences:
    """Return the sequences of a mask over those that have a step."""
    return sequences[np.flatnonzero(sequences.lengths > 0)[mask]]


def _check_learnable(sequences: Sequences, numeric: np.ndarray, n: int) -> None:
    """Raise InputError if there are too few steps to learn from."""
    unseen = np.isnan(sequences.values[:, numeric]).all(axis=0)
    if unseen.any():
        names = sequences.feature_names or range(sequences.shape[2])
        listed = ", ".join(repr(names[j]) for j in numeric[unseen])
        raise InputError(
            f"Feature {listed} has no value in any row of X. Drop it from X."
        )
    if not n:
        raise InputError(
            "No sequence has a newest step with all values and an observed step before "
            "it, so there is nothing to learn a forecast from. Fill missing values "
            "before fit, or drop the features that miss most of them."
        )
    if n < _LEAST:
        raise InputError(
            f"Found {n} sample(s) to learn a forecast from, but at least {_LEAST} are "
            "needed, one of them held out."
        )
