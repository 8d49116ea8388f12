"""Metrics of forecasts against their definitions."""

import numpy as np
import pytest
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import cross_val_score

from sklearn_gru import GRURegressor
from sklearn_gru.exceptions import InputError, InvalidParameterError
from sklearn_gru.metrics import mase, smape

Y, P = np.random.default_rng(0).normal(3, 1, (2, 30, 2))
WEIGHTS = np.random.default_rng(1).exponential(size=30)
SERIES = np.random.default_rng(2).normal(size=50)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_smape(weights):
    """Cell by cell; 2 at the worst, 0 where both values are 0."""
    each = np.array(
        [
            [2 * abs(a - b) / (abs(a) + abs(b)) for a, b in zip(*pair, strict=True)]
            for pair in zip(Y, P, strict=True)
        ]
    )
    expected = np.average(each.mean(axis=1), weights=weights)
    np.testing.assert_allclose(smape(Y, P, sample_weight=weights), expected)
    np.testing.assert_allclose(smape(1000 * Y, 1000 * P), smape(Y, P))
    assert smape([0, 1], [0, -1]) == 1.0


@pytest.mark.parametrize("period", [1, 12])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_mase(period, weights):
    """The mean absolute error in units of that of the seasonal naive forecast."""
    naive = np.mean([abs(SERIES[k] - SERIES[k - period]) for k in range(period, 50)])
    expected = mean_absolute_error(Y, P, sample_weight=weights) / naive
    found = mase(Y, P, y_train=SERIES, period=period, sample_weight=weights)
    np.testing.assert_allclose(found, expected)
    both = np.column_stack([SERIES, 10 * SERIES])
    scaled = mase(Y * [1, 10], P * [1, 10], y_train=both, period=period)
    np.testing.assert_allclose(scaled, mase(Y, P, y_train=SERIES, period=period))


def test_what_cannot_be_scaled():
    """Short or periodic training series, and shapes that do not fit."""
    with pytest.raises(InputError, match="more than 12 values, but y_train has 5"):
        mase(Y, P, y_train=SERIES[:5], period=12)
    with pytest.raises(InputError, match="repeats itself exactly every 2 steps"):
        mase(Y, P, y_train=[1, 2] * 5, period=2)
    with pytest.raises(InvalidParameterError, match="is not an integer"):
        mase(Y, P, y_train=SERIES, period=1.5)
    with pytest.raises(InputError, match="3 series for 2 outputs"):
        mase(Y, P, y_train=np.ones((9, 3)).cumsum(axis=0))
    with pytest.raises(InputError, match="2 outputs, but y_pred has 1"):
        smape(Y, P[:, :1])


def test_a_scorer_for_searches():
    """The negative error, as scikit-learn's scorers have it."""
    X = np.random.default_rng(3).normal(size=(40, 4, 1))
    y = 5 + X[:, -1, 0]
    model = GRURegressor(4, max_iter=2, random_state=0)
    scorer = make_scorer(smape, greater_is_better=False)
    scores = cross_val_score(model, X, y, scoring=scorer, cv=2)
    first = GRURegressor(4, max_iter=2, random_state=0).fit(X[20:], y[20:])
    np.testing.assert_allclose(scores[0], -smape(y[:20], first.predict(X[:20])))
