"""A stream of a detector answers what the detector says of the rows so far."""

import functools
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUOutlierDetector, GRURegressor, SlidingWindow
from sklearn_gru.exceptions import InputError, StreamError
from sklearn_gru.live import Stream

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_gru.exceptions.LostHistoryWarning",
    "ignore::sklearn_gru.exceptions.CalibrationWarning",
)

METHODS = ["decision_function", "score_samples", "predict"]


def make_frame(n, seed, start=0):
    """Rows of two channels with missing steps, cells and whole rows."""
    rng = np.random.default_rng(seed)
    index = start + np.flatnonzero(rng.random(n) < 0.9)
    waves = np.sin(index[:, None] / 4 + np.arange(2))
    values = waves + 0.1 * rng.normal(size=(len(index), 2))
    values[rng.random(values.shape) < 0.05] = np.nan
    values[len(index) // 2] = np.nan
    return pd.DataFrame(values, columns=["a", "b"], index=index)


def detector(**params):
    base = GRURegressor(4, max_iter=2)
    return GRUOutlierDetector(base, false_alarm_rate=0.1, random_state=0, **params)


@functools.cache
def piped(**params):
    return make_pipeline(SlidingWindow(9, freq=1), detector(**params)).fit(
        make_frame(200, 0)
    )


@functools.cache
def alone(**params):
    values = make_frame(300, 0).to_numpy()
    return detector(**params).fit([values[k : k + 9] for k in range(len(values) - 9)])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "params", [{}, {"smoothing": 4}, {"smoothing": 3, "horizon": 2}], ids=str
)
def test_rows_behind_a_window_are_scored_as_in_one_batch(params, method):
    """Through holes, missing cells and a fault, after the rows that fit saw."""
    model = piped(**params)
    new = make_frame(60, 1, start=200)
    new.iloc[40:44] += 5
    stream = Stream(model, method=method)
    got = [stream.update(row, time=time) for time, row in new.iterrows()]
    expected = getattr(model, method)(new)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)
    assert len(np.unique(expected)) > 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "params", [{}, {"smoothing": 4}, {"smoothing": 3, "horizon": 2}], ids=str
)
def test_a_series_alone_is_scored_as_its_rows_so_far(params, method):
    """Also long after the sequences of fit would have ended."""
    model = alone(**params)
    rows = make_frame(50, 1).to_numpy(copy=True)
    rows[30:34] += 5
    stream = Stream(model, method=method)
    got = [stream.update(row) for row in rows]
    so_far = [rows[: k + 1] for k in range(len(rows))]
    expected = getattr(model, method)(so_far)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)
    assert len(np.unique(expected)) > 1
    again = Stream(model, method=method).update_many(rows)
    np.testing.assert_allclose(again, expected, rtol=1e-6, atol=1e-8)


def test_many_series_do_not_mix():
    """One call for all of them; the rows of each stay its own."""
    model = alone(smoothing=2)
    parts = [make_frame(30, seed).to_numpy()[:20] for seed in (1, 2, 3)]
    stream = Stream(model, method="score_samples")
    for k in range(20):
        got = stream.update_many([part[k] for part in parts], keys=["x", "y", "z"])
    np.testing.assert_allclose(got, model.score_samples(parts), rtol=1e-6)
    stream.forget("y")
    assert list(stream) == ["x", "z"]
    stream.reset()
    assert len(stream) == 0


def test_asking_keeps_nothing_and_warming_answers_nothing():
    """A row that is asked about does not become part of the series."""
    model = alone()
    rows = make_frame(30, 1).to_numpy()
    stream = Stream(model, method="score_samples").warm(rows[:15])
    asked = stream.predict(rows[15])
    assert asked == stream.predict(rows[15]) == stream.update(rows[15])
    assert asked == stream.predict()
    np.testing.assert_allclose(asked, model.score_samples([rows[:16]])[0], rtol=1e-6)


def test_a_state_goes_on_elsewhere():
    """As plain arrays, and in a pickle; also if there is no series yet."""
    model = alone(smoothing=2)
    rows = make_frame(30, 1).to_numpy()
    stream = Stream(model, method="score_samples")
    assert len(Stream(model, state=stream.state)) == 0
    for row in rows[:20]:
        stream.update(row, key="x")
    again = Stream(model, method="score_samples", state=stream.state)
    loaded = pickle.loads(pickle.dumps(stream))
    answer = stream.update(rows[20], key="x")
    assert again.update(rows[20], key="x") == answer
    assert loaded.update(rows[20], key="x") == answer


def test_names_and_categories_are_those_of_fit():
    """Rows by name, with a category, as the list of frames has them."""
    rng = np.random.default_rng(0)
    frame = make_frame(200, 0).assign(mode=lambda f: rng.choice(["on", "off"], len(f)))
    frame["mode"] = frame["mode"].astype("category")
    frame = frame.reset_index(drop=True)
    model = detector().fit([frame[k : k + 9] for k in range(len(frame) - 9)])
    stream = Stream(model, method="score_samples")
    got = [stream.update(row) for row in frame[:20].to_dict("records")]
    expected = model.score_samples([frame[: k + 1] for k in range(20)])
    np.testing.assert_allclose(got, expected, rtol=1e-6)


class Zero(RegressorMixin, BaseEstimator):
    """The forecast that all is 0."""

    def fit(self, X, y):
        """Keep the number of targets."""
        self.n_outputs_ = 1 if np.ndim(y) == 1 else np.shape(y)[1]
        return self

    def predict(self, X):
        """Return zeros."""
        return np.zeros((len(X), self.n_outputs_))


def test_what_cannot_be_streamed_is_said():
    """The reason and the way out; nothing is appended."""
    model = alone()
    stream = Stream(model)
    with pytest.raises(InputError, match="infinity"):
        stream.update([np.inf, 0.0])
    with pytest.raises(InputError, match="time= was given"):
        stream.update([0.0, 0.0], time=3)
    with pytest.raises(InputError, match="fitted with 2 features"):
        stream.update([0.0, 0.0, 0.0])
    with pytest.raises(InputError, match="more than once"):
        stream.update_many(np.zeros((2, 2)), keys=["x", "x"])
    with pytest.raises(InputError, match="2 rows, but 1 keys"):
        stream.update_many(np.zeros((2, 2)), keys=["x"])
    with pytest.raises(StreamError, match="no row yet"):
        stream.predict()
    assert len(stream) == 0
    with pytest.raises(StreamError, match="expected one of 'predict', 'decision_f"):
        Stream(model, method="predict_proba")
    rows = np.random.default_rng(0).normal(size=(60, 5))
    with pytest.raises(StreamError, match="2-D rows"):
        Stream(GRUOutlierDetector(Zero(), false_alarm_rate=0.1).fit(rows))


def test_another_fit_is_noticed():
    """A refresh takes the new threshold and keeps the rows."""
    X = np.random.default_rng(0).normal(size=(80, 6, 2))
    model = GRUOutlierDetector(Zero(), false_alarm_rate=0.1).fit(X)
    stream = Stream(model, method="decision_function")
    stream.update(X[0, 0])
    model.fit(3 * X)
    with pytest.raises(StreamError, match=r"Call stream\.refresh"):
        stream.update(X[0, 1])
    stream.refresh()
    np.testing.assert_allclose(
        stream.update(X[0, 1]), model.decision_function([X[0, :2]])[0]
    )
