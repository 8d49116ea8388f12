"""Quantiles and prediction intervals of a fitted regressor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_gru._encoding.targets import TrainingData
from sklearn_gru._estimators.conformal import Calibration
from sklearn_gru._estimators.fitted import Fitted, Prediction
from sklearn_gru._estimators.linear_part import OfNetworks
from sklearn_gru._model.streamed import Data
from sklearn_gru._model.tasks import QuantileRegression
from sklearn_gru._support.rules import check_value, real
from sklearn_gru.exceptions import InvalidParameterError

NO_ERRORS = (
    "predict_interval needs a validation set, and the last fit did not have one. Refit "
    "with early_stopping=True, or pass X_val and y_val to fit. (early_stopping='auto' "
    "holds out data from 1000 sequences on, in most fits from 750; partial_fit never "
    "does.)"
)


def has_quantiles(estimator: Any) -> bool:
    """Return True if a model predicts quantiles, now or once it is fitted."""
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
    """The methods predict_quantiles and predict_interval of a fitted regressor."""

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
            Quantiles for y of shape (n,) or (n, n_outputs), in the order of `quantile`.
            Quantiles never cross. A sequence without any observed step gets the
            quantiles of y.
        """
        values, _ = self._prediction(X)
        task = self._fitted.task
        return task.shaped(values[:, :, task.columns])

    def predict_interval(self, X, coverage=0.9):
        """Predict an interval that y falls into with a given probability.

        The interval extends the prediction by an equal margin on both sides, taken from
        the errors on the validation set of the last fit (split conformal prediction
        [1]_), separately for each output of y. With two or more quantiles, the interval
        is instead a band between two of them, widened or narrowed in proportion
        (conformalized quantile regression [2]_, [3]_). The candidate bands are the
        first and the last quantile, the second and the second-to-last, and so on; the
        one that spans the share nearest to `coverage` is used.

        Parameters
        ----------
        X : like X of fit
            Sequences.
        coverage : float, default=0.9
            Share of y that should lie inside the interval, above 0 and below 1.

        Returns
        -------
        interval : ndarray of shape (n, 2) or (n, n_outputs, 2)
            Lower and upper ends, for y of shape (n,) or (n, n_outputs).

        Raises
        ------
        InvalidParameterError
            If the last fit had no validation set, or one too small for `coverage`.

        Notes
        -----
        The coverage holds on average over rows that are exchangeable with the
        validation set, which is the most recent sequences if they carry times. If a
        series changes after that, its coverage may be lower or higher. The validation
        set needs at least ``ceil(coverage / (1 - coverage))`` rows, 19 for 0.95.
        Validation weights are taken into account.

        With ``loss="poisson"``, errors are those of square roots, whose spread hardly
        depends on the mean: the interval is wider where the prediction is larger, and
        never reaches below 0.

        The errors are those of the weights of the best epoch, before the network learns
        from the validation set, too, in its last epochs. Early stopping chooses the
        best epoch on the same rows, which makes the errors slightly optimistic;
        ``early_stopping=False`` with ``X_val`` and ``y_val`` avoids both.
        ``fit`` with ``warm_start`` measures the errors again; ``partial_fit`` has no
        validation set and discards them. Sequences without any observed step have
        separate errors, those of the constant that is predicted for them.

        References
        ----------
        .. [1] Lei et al. (2018). Distribution-Free Predictive Inference for Regression.
           Journal of the American Statistical Association 113(523).
        .. [2] Romano, Patterson & Candès (2019). Conformalized Quantile Regression.
           NeurIPS.
        .. [3] Sesia & Candès (2020). A comparison of some conformal quantile regression
           methods. Stat 9(1).
        """
        interval, _ = self._interval(X, coverage, "predict_interval")
        return self._fitted.task.shaped(interval)

    # -- the same as columns of predict -----------------------------------------------

    def _predict_several(self, X: Any, coverage: Any, quantiles: bool) -> np.ndarray:
        """Return the prediction between the ends of its interval, or the quantiles."""
        if coverage is not None and quantiles:
            raise InvalidParameterError(
                f"predict: coverage={coverage!r} and quantiles=True ask for different "
                "columns. Pass one of them, and call predict again for the other."
            )
        if quantiles:
            try:
                return self.predict_quantiles(X)
            except AttributeError as error:
                raise InvalidParameterError(
                    f"predict(X, quantiles=True): {error.__cause__ or error}"
                ) from error
        interval, prediction = self._interval(X, coverage, "predict")
        task = self._fitted.task
        point = task.point(prediction)[:, :, None]
        ends = interval[:, :, :1], interval[:, :, 1:]
        return task.shaped(np.concatenate([ends[0], point, ends[1]], axis=2))

    def _interval(
        self, X: Any, coverage: Any, method: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the interval (n, n_outputs, 2), and the prediction it is around."""
        check_is_fitted(self)
        rule = real(0, 1, low_open=True, high_open=True)
        check_value(method, "coverage", coverage, [rule])
        task, calibrations = self._fitted.task, self._fitted.calibrations
        if calibrations is None:
            raise InvalidParameterError(NO_ERRORS)
        prediction, observed = self._prediction(X)
        band = task.band_for(coverage)
        lower, upper = (
            task.stabilized(end[:, :, band]) for end in task.bands(prediction)
        )
        seen, blind = (
            calibration.interval(lower, upper, coverage, band)
            for calibration in calibrations
        )
        interval = task.restored(np.where(observed[:, None, None], seen, blind))
        return interval.astype(prediction.dtype), prediction

    # -- after training ---------------------------------------------------------------

    def _calibrate(
        self,
        fitted: Fitted,
        validation: TrainingData | None,
        encoded: Data | None,
        held_out: OfNetworks,
    ) -> Fitted:
        """Measure the errors on the validation set."""
        if validation is None or encoded is None:
            return fitted
        found = fitted.mean(fitted.mixed(held_out(), encoded), validation.sequences)
        task: Any = fitted.task
        y = task.stabilized(task.prepare(validation.y))
        weights = validation.weights
        # Sequences without input have larger errors; there are about as many of them as
        # there are series.
        blind = task.without_input[None]
        seen, unseen = (
            Calibration.measure(
                y, tuple(map(task.stabilized, task.bands(prediction))), weights
            )
            for prediction in (found, blind)
        )
        return replace(fitted, calibrations=(seen, unseen))
