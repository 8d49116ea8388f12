"""A stream answers what predict answers for the rows it has seen."""

import functools
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from sklearn_gru import GRUClassifier, GRURegressor
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.numba import engine as numba_engine
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.poolings import POOLINGS
from sklearn_gru.exceptions import InputError, StreamError
from sklearn_gru.live import Stream

N_FEATURES = 3
compiled_only = pytest.mark.skipif(
    not kernels.available(), reason="numba cannot be used here"
)


@pytest.fixture(autouse=True, scope="module")
def small_fits_are_compiled():
    """Let the kernels predict for models of a few sequences too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_engine, "WORTH_COMPILING", 0)
        yield


def make_rows(n, seed=0):
    """Rows with missing cells, and some without any value, the first among them."""
    rng = np.random.default_rng(seed)
    rows = rng.normal([5.0, -200.0, 0.01], [1.0, 30.0, 0.01], size=(n, N_FEATURES))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[0] = np.nan
    rows[rng.random(n) < 0.1] = np.nan
    return rows


@functools.cache
def fitted(kind=GRURegressor, n_outputs=1, **params):
    """A model of a few sequences; its weights are about as they began."""
    X = make_rows(40 * 6, seed=1).reshape(40, 6, N_FEATURES)
    sums = np.nansum(X, axis=1)
    y = sums[:, :n_outputs] if n_outputs > 1 else sums[:, 0]
    if kind is GRUClassifier:
        params = {"bidirectional": False, "pooling": "last", **params}
        y = np.digitize(sums[:, 0], np.quantile(sums[:, 0], [0.3, 0.6]))
    params = {"hidden_size": 5, "max_iter": 1, "random_state": 0, **params}
    return kind(**params).fit(X, y)


def prefixes(model, rows, method="predict"):
    """What the method says of all rows up to each."""
    return getattr(model, method)([rows[: k + 1] for k in range(len(rows))])


def answers(stream, rows, **about):
    return np.array([stream.update(row, **about) for row in rows])


# -- an estimator alone ----------------------------------------------------------------


@compiled_only
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max"])
@pytest.mark.parametrize("cell", [c for c in CELLS if kernels.has_cell(c)])
def test_compiled_states_are_carried_to_the_bit(cell, pooling, layers):
    """Every registered cell with a kernel, every pooling of the kernels."""
    model = fitted(cell=cell, pooling=pooling, num_layers=layers, dtype="float32")
    assert model.engine_ == "numba"
    rows = make_rows(50)
    got = answers(Stream(model), rows)
    np.testing.assert_array_equal(got, prefixes(model, rows))
    assert got[0] == model.predict([rows[:1]])[0]  # no row observed: the mean of y


@compiled_only
@pytest.mark.parametrize("columns", [[1], [0, 2], [0, 1, 2]])
def test_tables_of_categories_are_read_to_the_bit(columns):
    """Among marked and plain columns; missing and unknown categories are zeros."""
    rng = np.random.default_rng(0)

    def coded(n, n_categories):
        rows = make_rows(n, seed=1)
        for j in columns:
            rows[:, j] = np.where(
                np.isnan(rows[:, j]), np.nan, rng.integers(0, n_categories, n)
            )
        return rows

    X = coded(40 * 6, 5).reshape(40, 6, N_FEATURES)
    y = np.nansum(X, axis=(1, 2))
    model = GRURegressor(
        5, max_iter=2, random_state=0, categorical_features=columns, dtype="float32"
    ).fit(X, y)
    assert model.engine_ == "numba"
    rows = coded(50, 7)
    got = answers(Stream(model), rows)
    np.testing.assert_array_equal(got, prefixes(model, rows))
    series, together = rows[:12].reshape(3, 4, N_FEATURES), Stream(model)
    for t in range(4):
        many = together.update_many(series[:, t], keys=["a", "b", "c"])
    np.testing.assert_array_equal(many, model.predict(series))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", CELLS)
def test_states_are_carried_in_double_precision(cell, pooling):
    """NumPy and the equations of the cell, where there is no kernel."""
    model = fitted(cell=cell, pooling=pooling, num_layers=2, dtype="float64")
    rows = make_rows(30)
    got = answers(Stream(model), rows)
    np.testing.assert_allclose(got, prefixes(model, rows), rtol=1e-10)


def test_states_are_carried_without_numba(monkeypatch):
    """A float32 network without kernels agrees to float32."""
    model = fitted(dtype="float32", cell="lstm", pooling="mean_max")
    rows = make_rows(30)
    expected = prefixes(model, rows)
    monkeypatch.setenv(kernels.OFF, "1")
    stream = Stream(model)
    np.testing.assert_allclose(answers(stream, rows), expected, rtol=1e-5)
    many = stream.update_many(rows[:4], keys=["a", "b", "c", "d"])
    np.testing.assert_allclose(many, model.predict(rows[:4, None]), rtol=1e-5)


def test_the_short_way_for_plain_rows_ends_where_it_may_not_go():
    """Before the first value, at infinity, and when the weights have changed."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 9, N_FEATURES))
    model = GRURegressor(5, max_iter=1, linear_share=0, normalization=None)
    y = X.sum(axis=(1, 2))
    stream = Stream(model.fit(X, y))
    nothing = stream.update(np.full(N_FEATURES, np.nan))
    assert nothing == pytest.approx(y.mean())
    for row in X[0]:
        answer = stream.update(row)
    np.testing.assert_allclose(answer, model.predict(X[:1])[0], rtol=1e-5)
    with pytest.raises(InputError, match="infinity"):
        stream.update(np.array([np.inf, 0.0, 0.0]))
    assert stream.predict() == answer
    with pytest.raises(InputError, match="time= was given"):
        stream.update(X[0, 0], time=1)
    model.partial_fit(X, y)
    stream.refresh()
    answers = [stream.update(row) for row in X[0]]
    np.testing.assert_allclose(answers[-1], model.predict(X[:1])[0], rtol=1e-5)
    assert answers[-1] != answer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_many_series_are_one_by_one(cell, dtype):
    """Any number of series, in any order, with rows missing here and there."""
    model = fitted(cell=cell, pooling="mean_max", dtype=dtype)
    rng = np.random.default_rng(0)
    rows = np.stack([make_rows(12, seed) for seed in range(70)])  # (series, time, F)
    together, alone = Stream(model), Stream(model)
    for t in range(12):
        order = rng.permutation(70)[: rng.integers(1, 71)]
        got = together.update_many(rows[order, t], keys=order)
        expected = [alone.update(rows[k, t], key=k) for k in order.tolist()]
        np.testing.assert_allclose(got, expected, rtol=1e-12)
        if dtype == "float32" and kernels.available():
            np.testing.assert_array_equal(got, expected)
    assert len(together) == len(alone)


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
@pytest.mark.parametrize("layers", [1, 2])
def test_many_series_without_missing_values_in_fit(pooling, layers):
    """Blocks of whole rows are read at once, and blocks with missing ones row by row."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 9, N_FEATURES))
    params = {"pooling": pooling, "num_layers": layers, "dtype": "float32"}
    model = GRURegressor(5, max_iter=1, random_state=0, **params)
    model.fit(X, X.sum(axis=(1, 2)))
    X[[3, 30, 31], 2] = np.nan
    X[5, 4, 1] = X[40, 0] = np.nan
    together, alone = Stream(model), Stream(model)
    keys = np.arange(70)
    for t in range(9):
        got = together.update_many(X[:, t], keys=keys)
        expected = [alone.update(row, key=k) for k, row in enumerate(X[:, t])]
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(got, model.predict(X), rtol=1e-5, atol=1e-5)
    X[69, 8, 2] = np.inf
    with pytest.raises(InputError, match="infinity"):
        together.update_many(X[:, 8], keys=keys)
    np.testing.assert_array_equal([together.predict(key=k) for k in keys], got)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("predict", {"n_outputs": 2}),
        ("predict", {"kind": GRUClassifier, "add_differences": False}),
        ("predict_proba", {"kind": GRUClassifier, "add_differences": False}),
        ("predict_log_proba", {"kind": GRUClassifier, "add_differences": False}),
        ("predict", {"loss": "quantile", "quantile": (0.9, 0.1, 0.5)}),
        ("predict_quantiles", {"loss": "quantile", "quantile": (0.9, 0.1, 0.5)}),
        ("predict_interval", {"early_stopping": True, "validation_fraction": 0.5}),
    ],
)
def test_every_method_is_answered(method, params):
    """Several outputs, classes, probabilities, quantiles and intervals."""
    model = fitted(**params, dtype="float32")
    rows = make_rows(12)
    stream = Stream(model, method=method)
    got = answers(stream, rows)
    expected = prefixes(model, rows, method)
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    if kernels.available():
        np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype
    many = stream.update_many(rows[:3], keys=["a", "b", "c"])
    np.testing.assert_array_equal(many, getattr(model, method)(rows[:3, None]))


def test_a_row_may_be_an_array_a_dict_a_series_or_a_frame():
    """Names decide the order where there are any."""
    names = ["load", "temp", "wind"]
    frames = [pd.DataFrame(make_rows(6, k), columns=names) for k in range(20)]
    model = GRURegressor(4, max_iter=1, random_state=0, dtype="float64")
    model.fit(frames, np.arange(20.0))
    frame = pd.DataFrame(make_rows(8), columns=names)
    turned = frame[["wind", "load", "temp"]]
    expected = model.predict([frame[: k + 1] for k in range(len(frame))])
    for rows in (
        frame.to_numpy(),
        frame.to_numpy(dtype=np.float32).astype(float) * 0 + frame.to_numpy(),
        frame.to_numpy().tolist(),
        frame.to_numpy()[:, None],
        turned.to_dict("records"),
        [row for _, row in turned.iterrows()],
        [turned.iloc[[k]] for k in range(len(frame))],
    ):
        stream = Stream(model)
        np.testing.assert_allclose(answers(stream, rows), expected, rtol=1e-12)
    with pytest.raises(InputError, match="The row has no 'wind'"):
        stream.update({"load": 1.0, "temp": 2.0})
    with pytest.raises(InputError, match="has 2 values, but GRURegressor was fitted"):
        stream.update([1.0, 2.0])
    with pytest.raises(
        InputError, match="'load' of the row is 'high', but was numeric"
    ):
        stream.update({"load": "high", "temp": 2.0, "wind": 0.0})
    with pytest.raises(InputError, match="this frame has 2"):
        stream.update(frame[:2])


def test_categories_are_read_by_value():
    """A category that fit has not seen is missing, as in predict."""
    rng = np.random.default_rng(0)

    def frame(n):
        kind = rng.choice(["wet", "dry", "icy"], n)
        return pd.DataFrame({"kind": kind, "temp": rng.normal(size=n)})

    model = GRURegressor(
        4, max_iter=1, categorical_features=["kind"], random_state=0, dtype="float64"
    )
    model.fit([frame(5) for _ in range(20)], rng.normal(size=20))
    rows = frame(10)
    rows.loc[3, "kind"] = "hail"
    rows.loc[4, "kind"] = None
    rows.loc[4, "temp"] = np.nan
    expected = model.predict([rows[: k + 1] for k in range(len(rows))])
    stream = Stream(model)
    got = [stream.update(row) for row in rows.to_dict("records")]
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    with pytest.raises(InputError, match="holds numbers, such as 7"):
        stream.update({"kind": 7, "temp": 0.0})


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"bidirectional": True}, "reads every row again from the newest one"),
        ({"normalization": "standard"}, "normalization='standard' changes all steps"),
        ({"conv_filters": (4,)}, "reads neighboring rows together"),
        ({"segment_length": 2}, "lays segments from the newest row"),
        ({"add_differences": True}, "reads each row beside the one observed before"),
    ],
)
def test_networks_that_no_state_can_follow_are_refused(params, reason):
    """The reason, and what to do about it."""
    with pytest.raises(StreamError, match=reason) as error:
        Stream(fitted(**params))
    assert "Put a SlidingWindow in front" in str(error.value)


def test_what_is_not_a_stream_is_refused():
    """Other models, methods that the model lacks, series that are whole rows."""
    with pytest.raises(StreamError, match="this is a RandomForestRegressor"):
        Stream(RandomForestRegressor())
    with pytest.raises(StreamError, match="expected one of 'predict'"):
        Stream(fitted(), method="predict_proba")
    rows = make_rows(20)
    with pytest.raises(StreamError, match="each of which is a whole series"):
        Stream(GRURegressor(4, max_iter=1).fit(rows[1:], np.arange(19.0)))
    with pytest.raises(InputError, match="reads its rows in the order"):
        Stream(fitted()).update(rows[1], time=3)


def test_forgotten_and_other_series_begin_anew():
    """Series share nothing, and neither do streams."""
    model, rows = fitted(dtype="float32", pooling="max"), make_rows(6)
    stream, other = Stream(model), Stream(model)
    first = answers(stream, rows, key="a")
    answers(stream, rows[::-1], key="b")
    assert list(stream) == ["a", "b"]
    assert len(other) == 0
    stream.forget("a")
    assert "a" not in stream
    np.testing.assert_array_equal(answers(stream, rows, key="c"), first)
    np.testing.assert_array_equal(answers(other, rows), first)
    stream.reset()
    assert len(stream) == 0
    np.testing.assert_array_equal(answers(stream, rows, key="b"), first)
    with pytest.raises(StreamError, match="follows no series 'z'"):
        stream.forget("z")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_snapshot_goes_on_where_it_was_made(dtype, tmp_path):
    """Arrays on the disk, or a pickle; a state of other weights is refused."""
    model, rows = fitted(dtype=dtype, cell="lstm", pooling="mean_max"), make_rows(20)
    whole, part = Stream(model), Stream(model)
    keys = ["a", 7, ("b", 2)]
    for key in keys:
        expected = answers(whole, rows, key=key)
        answers(part, rows[:9], key=key)
    np.savez(tmp_path / "state.npz", **part.state)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        restored = Stream(model, state=dict(state))
    for stream in (restored, pickle.loads(pickle.dumps(part))):
        assert list(stream) == keys
        for key in keys:
            got = answers(stream, rows[9:], key=key)
            np.testing.assert_array_equal(got, expected[9:])
    with pytest.raises(StreamError, match="belongs to another model"):
        Stream(fitted(dtype=dtype, cell="lstm"), state=part.state)
    with pytest.raises(StreamError, match="has format 2"):
        Stream(model, state={**part.state, "format": np.array(2)})
    part.update(rows[1], key=pd.Timestamp("2024-01-01"))
    with pytest.raises(StreamError, match="stores keys as text, numbers or tuples"):
        part.state  # noqa: B018  (reading it is the test)


def test_predict_keeps_nothing():
    """The answer again, or for one more row as if it came next."""
    model, rows = fitted(dtype="float32"), make_rows(12)
    expected = prefixes(model, rows)
    stream = Stream(model)
    with pytest.raises(StreamError, match="has no row yet"):
        stream.predict()
    assert stream.predict(rows[0]) == expected[0]
    assert len(stream) == 0
    for k, row in enumerate(rows):
        assert stream.update(row) == expected[k]
        assert stream.predict() == expected[k]
        assert stream.predict(rows[(k + 1) % 12]) is not None
        assert stream.predict() == expected[k]


def test_warm_rows_are_rows():
    """Warming equals as many updates, and update_many without keys too."""
    model, rows = fitted(dtype="float32", pooling="mean"), make_rows(20)
    expected = prefixes(model, rows)
    stream = Stream(model).warm(rows[:10]).warm(rows[10:15], key="b")
    np.testing.assert_array_equal(stream.update_many(rows[10:]), expected[10:])
    answers(stream, rows[:5], key="c")
    assert stream.predict(key="b") == model.predict([rows[10:15]])[0]


def test_infinity_is_refused_and_nothing_is_appended():
    """As in predict, for one row and for many."""
    model, rows = fitted(dtype="float32"), make_rows(8)
    stream = Stream(model)
    answers(stream, rows[:5])
    bad = np.where(np.arange(N_FEATURES) == 1, np.inf, 1.0)
    with pytest.raises(InputError, match="holds infinity"):
        stream.update(bad)
    with pytest.raises(InputError, match="holds infinity"):
        stream.update_many(np.stack([rows[6], bad]), keys=[None, "b"])
    np.testing.assert_array_equal(answers(stream, rows[5:]), prefixes(model, rows)[5:])


def test_keys_must_differ():
    """A series takes one row per call."""
    stream = Stream(fitted(dtype="float32"))
    with pytest.raises(InputError, match="keys holds 'a' more than once"):
        stream.update_many(make_rows(3), keys=["a", "b", "a"])
    with pytest.raises(InputError, match="3 rows, but 2 keys"):
        stream.update_many(make_rows(3), keys=("a", "b"))


def test_new_weights_are_noticed():
    """Many rows and predict compare the weights; refresh takes them over."""
    X = make_rows(240, seed=1).reshape(40, 6, N_FEATURES)
    model = GRURegressor(4, max_iter=1, random_state=0, dtype="float32")
    model.fit(X, np.arange(40.0))
    stream, rows = Stream(model), make_rows(6)
    answers(stream, rows)
    model.partial_fit(X, np.arange(40.0))
    with pytest.raises(StreamError, match=r"Call stream\.refresh\(\)"):
        stream.update_many(rows, keys=range(6))
    with pytest.raises(StreamError, match=r"Call stream\.refresh\(\)"):
        stream.predict()
    stream.refresh()
    np.testing.assert_array_equal(answers(stream, rows), prefixes(model, rows))


@compiled_only
@pytest.mark.slow
def test_a_million_rows_without_drift():
    """The state after a million rows is that of one sequence of a million steps."""
    model = fitted(dtype="float32", pooling="mean_max", cell="lstm")
    rows = np.tile(make_rows(1000), (1000, 1))
    stream = Stream(model).warm(rows)
    assert stream.predict() == model.predict([rows])[0]
