"""A stream of a pipeline answers what the pipeline predicts for its last row."""

import functools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    QuantileTransformer,
    StandardScaler,
)

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.numba import engine as numba_engine
from sklearn_gru._live import windows as open_windows
from sklearn_gru.exceptions import (
    InputError,
    LostHistoryWarning,
    StreamError,
    TimeIndexError,
)
from sklearn_gru.live import Stream
from tests.cases import CASES

# Holes and odd rows are made on purpose; one test is about the warning.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_gru.exceptions.LostHistoryWarning"
)

HOUR = pd.Timedelta(hours=1)
COLUMNS = ["load", "temp", "plan"]
NETWORKS = [
    {},
    {"cell": "lstm", "pooling": "mean_max", "num_layers": 2},
    {"cell": "gru_reset_before", "pooling": "max"},
    {"cell": "rnn", "pooling": "mean"},
    {"pooling": "attention"},
    {"bidirectional": True},
    {"normalization": "last", "target_feature": "load"},
    {"normalization": "standard"},
    {"conv_filters": (3,)},
    {"segment_length": 2},
    {"add_differences": True},
]


@pytest.fixture(autouse=True, scope="module")
def small_fits_are_compiled():
    """Let the kernels predict for models of a few sequences too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_engine, "WORTH_COMPILING", 0)
        yield


def make_frame(n, seed=0, start="2024-01-01", share=0.9):
    """Hourly rows with holes in time and missing cells."""
    rng = np.random.default_rng(seed)
    index = pd.date_range(start, periods=n, freq="h")
    frame = pd.DataFrame(rng.normal(5, 3, size=(n, 3)), index=index, columns=COLUMNS)
    frame = frame.mask(rng.random(frame.shape) < 0.1)
    kept = rng.random(n) < share
    kept[:3] = True
    return frame[kept]


@functools.cache
def fitted(network=0, window=5, lag=0, known=False, dtype="float32", grouped=False):
    """A pipeline fitted on two days."""
    known_future = ["plan"] if known else None
    frame = make_frame(60, seed=1)
    if grouped:
        parts = [make_frame(40 - 9 * k, seed=k).assign(shop=k) for k in range(3)]
        frame = pd.concat(parts)
    model = make_pipeline(
        SlidingWindow(
            window, lag=lag, known_future=known_future, freq="h",
            groups="shop" if grouped else None,
        ),
        GRURegressor(4, max_iter=1, random_state=0, dtype=dtype, **NETWORKS[network]),
    )  # fmt: skip
    y = np.random.default_rng(2).normal(size=len(frame))
    return quietly(model.fit, frame, y)


def quietly(function, *args):
    """Call a function whose warnings about its data are not the matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args)


def check(got, expected, stream):
    """Bits on the compiled engine, rounding elsewhere."""
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
    model = stream.model[-1]
    if kernels.available() and model.engine_ == "numba":
        np.testing.assert_array_equal(got, expected)


# -- the law ---------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    network=st.integers(0, len(NETWORKS) - 1),
    window=st.sampled_from([1, 2, 5, 9]),
    lag=st.sampled_from([0, 0, 1, 3]),
    known=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    share=st.sampled_from([1.0, 0.9, 0.4]),
    gap=st.sampled_from([0, 2, 30]),
    seed=st.integers(0, 100),
    stop=st.integers(0, 20),
)
def test_update_is_the_last_prediction(
    network, window, lag, known, dtype, share, gap, seed, stop
):
    """Rows after the remembered ones, with holes, and a snapshot in the middle."""
    model = fitted(network, window, lag, known, dtype)
    start = pd.Timestamp("2024-01-03 12:00") + gap * HOUR
    rows = make_frame(20, seed, start, share)
    stream, got = Stream(model), []
    for k, (time, row) in enumerate(rows.iterrows()):
        if k == stop:
            stream = Stream(model, state=stream.state)
        got.append(stream.update(row.to_numpy(), time=time))
    expected = quietly(model.predict, rows)
    check(got, expected, stream)
    few = [quietly(model.predict, rows[: k + 1])[-1] for k in (0, len(rows) - 1)]
    check([got[0], got[-1]], few, stream)


@settings(max_examples=15, deadline=None)
@given(
    network=st.integers(0, len(NETWORKS) - 1),
    lag=st.sampled_from([0, 2]),
    known=st.booleans(),
    data=st.data(),
)
def test_groups_interleaved_at_random(network, lag, known, data):
    """Every group has its own past, and new groups begin with none."""
    model = fitted(network, lag=lag, known=known, grouped=True)
    starts = ["2024-01-02 16:00", "2024-01-02 07:00", "2024-01-01 22:00", "2024-03-01"]
    parts = [
        make_frame(9, k, start, 0.8).assign(shop=k) for k, start in enumerate(starts)
    ]
    rows = pd.concat(parts)
    order = [k for k, part in enumerate(parts) for _ in range(len(part))]
    order = data.draw(st.permutations(order))
    place = {k: iter(part.iterrows()) for k, part in enumerate(parts)}
    stream, got = Stream(model), {}
    for k in order:
        time, row = next(place[k])
        got[k, time] = stream.update(row[COLUMNS].to_numpy(), key=k, time=time)
    expected = quietly(model.predict, rows)
    keys = zip(rows["shop"], rows.index, strict=True)
    check([got[key] for key in keys], expected, stream)
    assert set(stream) == {0, 1, 2, 3}


@settings(max_examples=25, deadline=None)
@given(
    lag=st.sampled_from([0, 1, 4]),
    known=st.booleans(),
    network=st.sampled_from([0, 1, 6]),
    order=st.permutations(range(12)),
)
def test_late_rows_count(lag, known, network, order):
    """Rows in any order within the reach are rows that partial_fit was given before."""
    model = fitted(network, window=12, lag=lag, known=known)
    rows = make_frame(12, 5, "2024-01-03 12:00", 1.0)
    window = pickle.loads(pickle.dumps(model[0]))
    stream = Stream(model)
    for k in order:
        row = rows.iloc[[k]]
        got = stream.update(row.iloc[0].to_numpy(), time=row.index[0])
        quietly(window.partial_fit, row)
        expected = model[-1].predict(quietly(window.transform, row))[0]
        check(got, expected, stream)


@pytest.mark.parametrize("name", list(CASES))
def test_every_kind_of_time(name):
    """Clock changes, months, business days, periods, integers, irregular, panels."""
    frame, _, options = CASES[name]
    model = make_pipeline(
        SlidingWindow(4, **options),
        GRURegressor(4, max_iter=1, random_state=0, dtype="float64"),
    )
    y = np.random.default_rng(0).normal(size=len(frame))
    if isinstance(frame.index, pd.MultiIndex):
        at = frame.groupby(level=0).cumcount() < 12
    else:
        at = np.arange(len(frame)) < len(frame) // 2
    quietly(model.fit, frame[at], y[at])
    rows = frame[~at]
    got = []
    stream = Stream(model)
    for k in range(len(rows)):
        label = rows.index[k]
        if isinstance(label, tuple):
            got.append(
                stream.update(rows.iloc[k].to_numpy(), key=label[0], time=label[1])
            )
        else:
            got.append(stream.update(rows.iloc[k], None, label))
    expected = quietly(model.predict, rows)
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    other = Stream(model)  # as frames of one row, which hold their keys
    got = [other.update(rows.iloc[[k]]) for k in range(len(rows))]
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    many = quietly(Stream(model).update_many, rows)
    np.testing.assert_allclose(many, expected, rtol=1e-10)


def test_rows_without_time_follow_each_other():
    """Arrays: each row is a step, and nothing is remembered from fit."""
    X = make_frame(60, share=1.0).to_numpy()
    model = make_pipeline(
        SlidingWindow(4, lag=1),
        GRURegressor(4, max_iter=1, random_state=0, dtype="float32"),
    ).fit(X, np.arange(60.0))
    stream = Stream(model)
    got = [stream.update(row) for row in X[:20]]
    check(got, quietly(model.predict, X[:20]), stream)
    check(stream.update_many(X[20:30]), quietly(model.predict, X[:30])[20:], stream)
    with pytest.raises(TimeIndexError, match="no time"):
        stream.update(X[0], time=3)


# -- pipelines of all kinds ------------------------------------------------------------


def hourly_target(frame):
    return np.random.default_rng(3).normal(size=len(frame))


@pytest.mark.parametrize(
    ("before", "folded"),
    [
        ([StandardScaler()], True),
        ([SimpleImputer(), MinMaxScaler()], True),
        ([StandardScaler(with_mean=False), SimpleImputer(strategy="median")], True),
        ([StandardScaler(), None, SimpleImputer(add_indicator=True)], False),
        ([QuantileTransformer(n_quantiles=10)], False),
        ([FunctionTransformer(np.log1p, feature_names_out="one-to-one")], False),
    ],
)
def test_steps_before_the_window(before, folded):
    """Scalers and imputers are folded if they agree; other steps are called."""
    frame = make_frame(60, seed=1).abs()
    model = make_pipeline(
        *before,
        SlidingWindow(5, freq="h"),
        GRURegressor(4, max_iter=1, random_state=0, dtype="float64"),
    ).set_output(transform="pandas")
    quietly(model.fit, frame, hourly_target(frame))
    rows = make_frame(12, 4, "2024-01-03 12:00").abs()
    expected = quietly(model.predict, rows)
    stream = Stream(model)
    assert (stream._feed._intake._calls) is (not folded)
    got = [stream.update(row.to_numpy(), time=time) for time, row in rows.iterrows()]
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    turned = rows[COLUMNS[::-1]]
    for kind in (
        [row for _, row in turned.iterrows()],
        turned.to_dict("records"),
        [rows.iloc[[k]] for k in range(len(rows))],
    ):
        stream = Stream(model)
        together = zip(kind, rows.index, strict=True)
        got = [stream.update(row, time=time) for row, time in together]
        np.testing.assert_allclose(got, expected, rtol=1e-10)
    many = Stream(model).update_many(rows.to_numpy(), times=rows.index)
    np.testing.assert_allclose(many, expected, rtol=1e-10)


def test_a_step_that_disagrees_is_called():
    """A scaler that does more than its arithmetic is not folded."""

    class Rounding(StandardScaler):
        def transform(self, X):
            return super().transform(X).round(1)

    frame = make_frame(60, share=1.0)
    gru = GRURegressor(4, max_iter=1, dtype="float64")
    model = make_pipeline(Rounding(), SlidingWindow(4), gru)
    quietly(model.fit, frame.to_numpy(), hourly_target(frame))
    stream = Stream(model)
    rows = frame.to_numpy()[:8]
    got = [stream.update(row) for row in rows]
    np.testing.assert_allclose(got, quietly(model.predict, rows), rtol=1e-10)


@pytest.mark.parametrize(
    ("after", "method"),
    [
        (GRUClassifier(4, max_iter=1), "predict_proba"),
        (GRURegressor(4, max_iter=1, add_differences=True), "predict"),
        (GRUClassifier(4, max_iter=1, bidirectional=False, pooling="mean"), "predict"),
        (
            GRUClassifier(4, max_iter=1, bidirectional=False, pooling="mean"),
            "predict_proba",
        ),
        (GRURegressor(4, max_iter=1, loss="quantile", quantile=[0.9, 0.1]), "predict"),
        (
            GRURegressor(4, max_iter=1, loss="quantile", quantile=[0.9, 0.1]),
            "predict_quantiles",
        ),
        (GRURegressor(4, max_iter=1, early_stopping=True), "predict_interval"),
    ],
)
def test_every_method_of_the_estimator(after, method):
    """Classes, probabilities, quantiles and intervals of a pipeline."""
    frame = make_frame(120, seed=1)
    y = hourly_target(frame)
    if isinstance(after, GRUClassifier):
        y = np.array(["low", "high", "top"])[np.digitize(y, [-0.5, 0.5])]
    after.set_params(random_state=0, dtype="float64")
    model = make_pipeline(SlidingWindow(5, freq="h"), after)
    quietly(model.fit, frame, y)
    rows = make_frame(10, 4, "2024-01-06")
    stream = Stream(model, method=method)
    got = np.array([stream.update(row, time=time) for time, row in rows.iterrows()])
    windows = quietly(model[0].transform, rows)
    expected = getattr(model[-1], method)(windows)
    if got.dtype.kind == "U":
        np.testing.assert_array_equal(got, expected)
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-8)


def test_flat_windows_and_other_estimators():
    """Anything may follow the window: it is then run again."""
    frame = make_frame(60, seed=1)
    model = make_pipeline(
        SlidingWindow(4, lag=1, freq="h", flatten=True), SimpleImputer(), Ridge()
    )
    quietly(model.fit, frame, hourly_target(frame))
    rows = make_frame(10, 4, "2024-01-03 12:00")
    stream = Stream(model)
    got = [stream.update(row, time=time) for time, row in rows.iterrows()]
    np.testing.assert_allclose(got, quietly(model.predict, rows), rtol=1e-10)
    assert got[-1] == stream.predict()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_categories_and_a_key_that_is_a_feature(dtype):
    """Categories are compared by value; the group of a row may be one."""
    rng = np.random.default_rng(0)

    def frame(n, start, shops, skies=("sun", "rain")):
        when = pd.date_range(start, periods=n, freq="h")
        parts = [
            pd.DataFrame(
                {
                    "when": when,
                    "shop": shop,
                    "sky": rng.choice(skies, n),
                    "temp": rng.normal(size=n),
                }
            )
            for shop in shops
        ]
        return pd.concat(parts, ignore_index=True)

    model = make_pipeline(
        SlidingWindow(
            4,
            lag=1,
            time="when",
            groups="shop",
            categorical_features=["sky", "shop"],
            freq="h",
        ),
        GRURegressor(4, max_iter=1, random_state=0, dtype=dtype),
    )
    past = frame(30, "2024-01-01", ["b", "a"])
    quietly(model.fit, past, rng.normal(size=len(past)))
    rows = frame(8, "2024-01-02 06:00", ["a", "b", "new"], ("rain", "fog", None))
    rows = rows.sort_values("when", kind="stable").reset_index(drop=True)
    expected = quietly(model.predict, rows)
    stream = Stream(model)
    got = [stream.update(row) for row in rows.to_dict("records")]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    stream = Stream(model)
    got = [
        stream.update({"sky": r.sky, "temp": r.temp}, key=r.shop, time=r.when)
        for r in rows.itertuples()
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    stream = Stream(model)
    got = [stream.update(rows.iloc[[k]]) for k in range(len(rows))]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        Stream(model).update_many(rows), expected, rtol=1e-5, atol=1e-6
    )
    again = Stream(model).warm(rows[:12]).update_many(rows[12:])
    np.testing.assert_allclose(again, expected[12:], rtol=1e-5, atol=1e-6)
    with pytest.raises(TimeIndexError, match="such as 'b': pass the group"):
        stream.update({"sky": "sun", "temp": 1.0}, time=rows.when[7])


# -- rows that are not next ------------------------------------------------------------


def test_a_row_of_the_future_is_answered_and_not_kept():
    """A forecast h steps ahead: what is not known yet may be NaN."""
    model = fitted(lag=3, known=True)
    rows = make_frame(20, 7, "2024-01-03 12:00", 1.0)
    stream = Stream(model)
    for k in range(16):
        stream.update(rows.iloc[k].to_numpy(), time=rows.index[k])
        ahead = rows.iloc[k + 3].copy()
        ahead[["load", "temp"]] = np.nan
        got = stream.predict(ahead, time=rows.index[k + 3])
        known = pd.concat([rows.iloc[: k + 1], ahead.to_frame().T])
        expected = quietly(model.predict, known)[-1]
        check(got, expected, stream)
    assert stream.predict() == stream.predict()
    with pytest.raises(StreamError, match="no row yet for key 'other'"):
        stream.predict(key="other")


def test_known_rows_of_the_future_do_not_push_out_the_past():
    """Plans for two days come first, then the hours that they are about."""
    model = fitted(lag=3, known=True)
    rows = make_frame(48, 7, "2024-01-03 12:00", 1.0)
    plans = rows.assign(load=np.nan, temp=np.nan)
    window = pickle.loads(pickle.dumps(model[0]))
    stream = Stream(model).warm(plans)
    quietly(window.partial_fit, plans)
    for k in range(40):
        row = rows.iloc[[k]]
        got = stream.update(row.iloc[0], time=row.index[0])
        expected = model[-1].predict(quietly(window.transform, row))[0]
        quietly(window.partial_fit, row)
        check(got, expected, stream)


def test_rows_that_come_too_late_or_off_the_grid_are_refused():
    """The message says where the series is; nothing is appended."""
    model = fitted(window=5)
    rows = make_frame(12, 7, "2024-01-03 12:00", 1.0)
    stream = Stream(model)
    first = [stream.update(r.to_numpy(), time=t) for t, r in rows[:10].iterrows()]
    with pytest.raises(
        TimeIndexError, match="12:00:00 comes too late: it is more than"
    ):
        stream.update(rows.iloc[0].to_numpy(), time=rows.index[0])
    with pytest.raises(TimeIndexError, match="off the grid"):
        stream.update(rows.iloc[0].to_numpy(), time=rows.index[10] + HOUR / 3)
    with pytest.raises(TimeIndexError, match="naive datetimes"):
        stream.update(rows.iloc[0].to_numpy(), time=rows.index[10].tz_localize("UTC"))
    with pytest.raises(TimeIndexError, match="pass the time of the row"):
        stream.update(rows.iloc[0].to_numpy())
    bad = rows.iloc[10].to_numpy().copy()
    bad[0] = np.inf
    with pytest.raises(InputError, match="holds infinity"):
        stream.update(bad, time=rows.index[10])
    with pytest.raises(InputError, match="holds infinity"):
        stream.update(bad, key="new", time=rows.index[10])
    assert "new" not in stream
    with pytest.raises(InputError, match="1 rows, 2 keys"):
        stream.update_many(rows.to_numpy()[:1], keys=["a", "b"], times=rows.index[:1])
    last = [stream.update(r.to_numpy(), time=t) for t, r in rows[10:].iterrows()]
    check(first + last, quietly(model.predict, rows), stream)


def test_a_hole_after_the_remembered_rows_is_reported_once():
    """As in transform, for the first row of the stream alone."""
    model = fitted()
    rows = make_frame(12, 7, "2024-01-03 12:00", 1.0)
    stream = Stream(model)
    with pytest.warns(LostHistoryWarning, match="comes 4 steps after the rows"):
        stream.update(rows.iloc[4], time=rows.index[4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream.update(rows.iloc[8], time=rows.index[8])
        Stream(model).warm(rows[:4]).update(rows.iloc[4], time=rows.index[4])
        Stream(model).update(rows.iloc[0], time=rows.index[0])


def test_groups_need_a_key():
    """The message names a group; text is no label of numbered groups."""
    stream = Stream(fitted(grouped=True))
    row, time = np.ones(3), pd.Timestamp("2024-01-04")
    with pytest.raises(TimeIndexError, match=r"such as 0: pass the group"):
        stream.update(row, time=time)
    with pytest.raises(TimeIndexError, match="The groups hold text"):
        stream.update(row, key="a", time=time)
    stream.forget(1)
    assert list(stream) == [0, 2]
    stream.reset()
    assert sorted(stream) == [0, 1, 2]


# -- the model changes -----------------------------------------------------------------


def test_refresh_takes_over_weights_and_rows():
    """New weights answer for the rows seen so far."""
    frame = make_frame(60, seed=1)
    model = make_pipeline(
        SlidingWindow(5, freq="h"),
        GRURegressor(4, max_iter=1, random_state=0, dtype="float32"),
    )
    y = hourly_target(frame)
    quietly(model.fit, frame, y)
    rows = make_frame(12, 4, "2024-01-03 12:00")
    stream = Stream(model)
    for time, row in rows[:6].iterrows():
        stream.update(row, time=time)
    model[-1].partial_fit(model[0].transform(frame), y)
    with pytest.raises(StreamError, match=r"Call stream\.refresh\(\)"):
        stream.predict()
    model[0].partial_fit(rows[6:8])  # rows that the stream has not seen
    stream.refresh()
    got = [stream.update(row, time=time) for time, row in rows[8:].iterrows()]
    quietly(model[0].partial_fit, rows)
    check(got, quietly(model.predict, rows)[8:], stream)
    quietly(model[0].set_params(window_size=7).fit, frame)
    with pytest.raises(StreamError, match="make a new Stream"):
        stream.refresh()


def test_what_no_stream_can_follow():
    """Pipelines without a window, with nothing behind it, with other methods."""
    X = np.random.default_rng(0).normal(size=(30, 4, 2))
    alone = make_pipeline(GRURegressor(4, max_iter=1)).fit(X, np.arange(30.0))
    with pytest.raises(StreamError, match="has the steps \\['GRURegressor'\\]"):
        Stream(alone)
    with pytest.raises(StreamError, match="expected one of 'predict'"):
        Stream(fitted(), method="predict_proba")
    state = Stream(fitted()).state
    with pytest.raises(StreamError, match="The state belongs to a window of other"):
        Stream(fitted(window=9), state=state)


def test_long_windows_are_run_again(monkeypatch):
    """Above a number of slots, the answers are the same without a stepper."""
    rows = make_frame(20, 3, "2024-01-03 12:00")
    stream = Stream(fitted())
    monkeypatch.setattr(open_windows, "MOST_SLOTS", 4)
    other = Stream(fitted())
    assert stream._feed._stepper is not None
    assert other._feed._stepper is None
    for time, row in rows.iterrows():
        got = stream.update(row, time=time), other.update(row, time=time)
        assert got[0] == got[1] or not kernels.available()
