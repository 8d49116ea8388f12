"""Metrics of forecasts that scikit-learn lacks, with the conventions of its metrics.

Pass them to ``sklearn.metrics.make_scorer(..., greater_is_better=False)`` for a search.
scikit-learn has the others: ``mean_pinball_loss``, ``root_mean_squared_log_error``,
``mean_absolute_percentage_error``.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length

from sklearn_gru._encoding.targets import check_sample_weight
from sklearn_gru.exceptions import InputError, InvalidParameterError

__all__ = ["mase", "smape"]


def mase(y_true, y_pred, *, y_train, period=1, sample_weight=None):
    """Return the mean absolute scaled error of a forecast.

    It is the mean absolute error divided by that of a naive forecast on the training
    series, which repeats the value `period` steps earlier [1]_. It has no unit, so it
    can be averaged over series of different size; below 1, the forecast is better than
    the naive one was in the training series.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        True values.
    y_pred : array-like of shape (n,) or (n, n_outputs)
        Forecast.
    y_train : array-like of shape (n_train,) or (n_train, n_series)
        Training series, in order of time and without gaps: one for all outputs (the
        horizons of a forecast), or one per output.
    period : int, default=1
        Number of steps in a season; 1 compares with the value before.
    sample_weight : array-like of shape (n,), default=None
        Weight of each row.

    Returns
    -------
    loss : float
        Mean over rows and outputs, at least 0; the best value is 0.

    Raises
    ------
    InvalidParameterError
        If `period` is not a positive integer.
    InputError
        If `y_train` has no more than `period` values, or repeats itself exactly with
        this period, so that there is nothing to divide by.

    References
    ----------
    .. [1] Hyndman & Koehler (2006). Another look at measures of forecast accuracy.
       International Journal of Forecasting 22(4).

    Examples
    --------
    >>> from sklearn_gru.metrics import mase
    >>> mase([5.0, 6.0], [5.0, 7.0], y_train=[1.0, 2.0, 3.0, 4.0])
    0.5
    """
    y_true, y_pred, weights = _checked(y_true, y_pred, sample_weight)
    series = _as_table(y_train, "y_train")
    if isinstance(period, bool) or not isinstance(period, (int, np.integer)):
        raise InvalidParameterError(f"mase: period={period!r} is not an integer.")
    if not 0 < period < len(series):
        raise InputError(
            f"mase: period={period} needs a training series of more than "
            f"{max(1, period)} values, but y_train has {len(series)}."
        )
    if series.shape[1] not in (1, y_true.shape[1]):
        raise InputError(
            f"y_train has {series.shape[1]} series for {y_true.shape[1]} outputs. Pass "
            "one series, or one per output."
        )
    naive = np.abs(series[period:] - series[:-period]).mean(axis=0)
    if not naive.all():
        raise InputError(
            f"y_train repeats itself exactly every {period} steps, so the error of the "
            "naive forecast is 0. Choose another period."
        )
    return _mean(np.abs(y_true - y_pred) / naive, weights)


def smape(y_true, y_pred, *, sample_weight=None):
    """Return the symmetric mean absolute percentage error.

    It is the mean of ``2 |y - p| / (|y| + |p|)`` [1]_, and 0 where both are 0.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, n_outputs)
        True values.
    y_pred : array-like of shape (n,) or (n, n_outputs)
        Forecast.
    sample_weight : array-like of shape (n,), default=None
        Weight of each row.

    Returns
    -------
    loss : float
        Mean over rows and outputs, between 0 (best) and 2. As in scikit-learn, it is
        not multiplied by 100.

    References
    ----------
    .. [1] Makridakis (1993). Accuracy measures: theoretical and practical concerns.
       International Journal of Forecasting 9(4).

    Examples
    --------
    >>> from sklearn_gru.metrics import smape
    >>> smape([100.0, 0.0], [300.0, 0.0])
    0.5
    """
    y_true, y_pred, weights = _checked(y_true, y_pred, sample_weight)
    size = np.abs(y_true) + np.abs(y_pred)
    error = 2 * np.abs(y_true - y_pred)
    return _mean(
        np.divide(error, size, out=np.zeros_like(size), where=size > 0), weights
    )


def _checked(y_true, y_pred, sample_weight):
    """Return both as float64 (n, n_outputs), and the weights."""
    y_true, y_pred = _as_table(y_true, "y_true"), _as_table(y_pred, "y_pred")
    check_consistent_length(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise InputError(
            f"y_true has {y_true.shape[1]} outputs, but y_pred has {y_pred.shape[1]}."
        )
    return y_true, y_pred, check_sample_weight(sample_weight, len(y_true))


def _as_table(y, name):
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name=name)
    return y.reshape(len(y), -1)


def _mean(loss, weights):
    return float(np.average(loss, axis=0, weights=weights).mean())
