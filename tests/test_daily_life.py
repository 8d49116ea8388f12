"""A model in use: new rows every day, a refit every week."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow
from sklearn_gru.exceptions import LostHistoryWarning

DAY = 24


@pytest.fixture
def setting(bikes):
    """A month to learn from, and a model."""
    frame, y, known = bikes
    window = SlidingWindow(48, lag=DAY, known_future=known)
    gru = GRURegressor(8, max_iter=5, warm_start=True, random_state=0)
    return frame.iloc[2000:3000], y.iloc[2000:3000], make_pipeline(window, gru)


def test_the_next_day_after_new_rows(setting):
    """Fit to day d, append d+1, predict d+2: as with the history given whole."""
    X, y, model = setting
    days = X.index.floor("D")
    d1, d2 = days.unique()[30:32]
    until, tomorrow, after = X[days < d1], X[days == d1], X[days == d2]
    model.fit(until, y[until.index])
    model[0].partial_fit(tomorrow)
    forecast = after.assign(bikers=np.nan)  # not known yet
    got = model.predict(forecast)

    whole = clone(model[0]).fit(X[days < d2])
    expected = model[-1].predict(whole.transform(forecast))
    np.testing.assert_array_equal(got, expected)
    without = clone(model[0]).fit(until)
    with pytest.warns(LostHistoryWarning):
        short = model[-1].predict(without.transform(forecast))
    assert (got != short).any()


@pytest.mark.slow
def test_the_weekly_refit(setting):
    """A warm-started fit goes on from the weights of the week before."""
    X, y, model = setting
    week = 7 * DAY
    model.fit(X.iloc[: 4 * week], y.iloc[: 4 * week])
    before = model[-1].loss_curve_[-1]
    model.fit(X.iloc[week : 5 * week], y.iloc[week : 5 * week])
    assert model[-1].n_iter_ == 10
    assert model[-1].loss_curve_[-1] < before
    late = model.predict(X.iloc[5 * week : 5 * week + DAY])
    assert np.isfinite(late).all()
