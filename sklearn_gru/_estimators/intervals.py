"""Quantiles and prediction intervals of a fitted regressor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_gru._encoding.targets import TrainingData
from sklearn_gru._engines.training import outputs
from sklearn_gru._estimators.conformal import Calibration
from sklearn_gru._estimators.fitted import Fitted, Prediction
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.tasks import QuantileRegression
from sklearn_gru._support.rules import check_value, real
from sklearn_gru.exceptions import InvalidParameterError

NO_ERRORS = (
    "predict_interval goes by the errors on a validation part, but the last training "
    "had none: with early_stopping={!r}, fit holds out sequences if it is True, or "
    "'auto' and there are 1000 of them, and partial_fit never does. Fit with "
    "early_stopping=True, or give fit X_val and y_val."
)


def has_quantiles(estimator: Any) -> bool:
    """Whether a model predicts quantiles: as it was fitted, or is going to be."""
    fitted = getattr(estimator, "_fitted", None)
    if fitted is None and estimator.loss == "quantile":
        return True
    if fitted is not None and isinstance(fitted.task, QuantileRegression):
        return True
    raise AttributeError(
        "predict_quantiles needs a model fitted with loss='quantile' and quantile, "
        f"such as quantile=(0.1, 0.5, 0.9); this one has loss={estimator.loss!r}."
    )


class IntervalsMixin:
    """predict_quantiles and predict_interval of a fitted regressor."""

    early_stopping: Any
    _fitted: Any
    _prediction: Callable[[Any], Prediction]

    @available_if(has_quantiles)
    def predict_quantiles(self, X):
        """Predict all quantiles of `quantile`; only with ``loss="quantile"``.

        Parameters
        ----------
        X : like X of fit
            Sequences.

        Returns
        -------
        quantiles : ndarray of shape (n, q) or (n, n_outputs, q)
            For y of shape (n,) or (n, n_outputs), in the order of `quantile`; they
            cross in no row. A sequence without any observed step gets the quantiles of
            y.
        """
        values, _ = self._prediction(X)
        task = self._fitted.task
        return task.shaped(values[:, :, task.columns])

    def predict_interval(self, X, coverage=0.9):
        """Predict an interval that y falls into with a given probability.

        The prediction, with as much on both sides as the errors on the validation part
        of the last fit ask for (split conformal prediction [1]_), for each output of y
        on its own. With two quantiles or more it is a band of two of them that is
        widened or narrowed in proportion (conformalised quantile regression [2]_,
        [3]_): the first and the last, the second and the last but one, and so on,
        whichever spans a share nearest to `coverage`.

        Parameters
        ----------
        X : like X of fit
            Sequences.
        coverage : float, default=0.9
            Share of y that is to lie inside, above 0 and below 1.

        Returns
        -------
        interval : ndarray of shape (n, 2) or (n, n_outputs, 2)
            Lower and upper ends, for y of shape (n,) or (n, n_outputs).

        Raises
        ------
        InvalidParameterError
            The last fit had no validation part, or one too small for `coverage`.

        Notes
        -----
        The coverage holds on average over rows that could as well have stood in the
        validation part: the latest times, where sequences have times. A series that
        changes after them is covered less, or more. ``ceil(coverage / (1 - coverage))``
        rows are needed there, 19 for 0.95. Weights count; errors are those of the
        weights of the network that were kept. Early stopping has chosen these by the
        same rows, which flatters a little; ``early_stopping=False`` with ``X_val`` and
        ``y_val`` does not. ``fit`` with ``warm_start`` measures anew, ``partial_fit``
        has no validation part and forgets the errors. Sequences without any observed
        step are given errors of their own, those of a constant.

        References
        ----------
        .. [1] Lei et al. (2018). Distribution-Free Predictive Inference for Regression.
           Journal of the American Statistical Association 113(523).
        .. [2] Romano, Patterson & Candès (2019). Conformalized Quantile Regression.
           NeurIPS.
        .. [3] Sesia & Candès (2020). A comparison of some conformal quantile regression
           methods. Stat 9(1).
        """
        check_is_fitted(self)
        rule = real(0, 1, low_open=True, high_open=True)
        check_value("predict_interval", "coverage", coverage, [rule])
        task, calibrations = self._fitted.task, self._fitted.calibrations
        if calibrations is None:
            raise InvalidParameterError(NO_ERRORS.format(self.early_stopping))
        prediction, observed = self._prediction(X)
        band = task.band_for(coverage)
        lower, upper = (end[:, :, band] for end in task.bands(prediction))
        seen, blind = (
            calibration.interval(lower, upper, coverage, band)
            for calibration in calibrations
        )
        interval = np.where(observed[:, None, None], seen, blind)
        interval = interval.astype(prediction.dtype)
        return task.shaped(interval)

    # -- after training ---------------------------------------------------------------

    def _calibrate(
        self,
        fitted: Fitted,
        validation: TrainingData | None,
        encoded: Encoded | None,
        threads: int,
    ) -> Fitted:
        """Measure the errors on the validation part."""
        if validation is None or encoded is None:
            return fitted
        output = outputs(fitted.net, encoded, threads)
        found = fitted.decode(output, validation.sequences)
        task: Any = fitted.task
        y, weights = task.prepare(validation.y), validation.weights
        # Sequences without input are further off, and are as many as there are series.
        blind = task.without_input[None]
        seen, unseen = (
            Calibration.measure(y, task.bands(prediction), weights)
            for prediction in (found, blind)
        )
        return replace(fitted, calibrations=(seen, unseen))
