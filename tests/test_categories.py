"""Categories by value: codebooks, what windows carry, what the estimators make of it."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline

from sklearn_gru import (
    GRUClassifier,
    GRURegressor,
    Sequences,
    SlidingWindow,
    datasets,
    to_sequences,
)
from sklearn_gru._encoding.categories import CategoryTable
from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._engines.torch.embedding import embedding_width
from sklearn_gru._engines.torch.module import SequenceModel
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._tables.codebook import (
    Codebook,
)
from sklearn_gru.exceptions import (
    InputError,
    InvalidParameterError,
    LayoutWarning,
    LeakageError,
)
from tests.brute_force import brute_windows, records

WORDS = np.array(["ash", "birch", "cedar", "dogwood", "elm"], dtype=object)


def token_lists(n=40, seed=0):
    """Sequences of 1 to 6 words; the class is whether the first word is early."""
    rng = np.random.default_rng(seed)
    index = [rng.integers(0, len(WORDS), size=rng.integers(1, 7)) for _ in range(n)]
    y = np.array([i[0] < 2 for i in index])
    return index, y


def small(estimator=GRUClassifier, **params):
    """A model that is fitted in a moment."""
    given = {"hidden_size": 4, "max_iter": 3, "random_state": 0, **params}
    return estimator(**given)


def mixed_frame(n=48):
    """Hourly rows: a number, a category and a text column."""
    rng = np.random.default_rng(1)
    index = pd.date_range("2024-01-01", periods=n, freq="h")
    kind = pd.Categorical.from_codes(rng.integers(0, 3, n), ["z", "a", "m"])
    text = WORDS[rng.integers(0, 4, n)]
    return pd.DataFrame({"x": rng.normal(size=n), "kind": kind, "text": text}, index)


def decoded(sequences):
    """The dense array with values in place of codes; None where missing."""
    dense = np.asarray(sequences).astype(object)
    for j, values in enumerate(sequences.categories):
        if values is not None:
            flat = dense[..., j].ravel()
            dense[..., j] = np.reshape(
                [None if np.isnan(c) else values[int(c)] for c in flat],
                dense.shape[:2],
            )
    return dense


# -- the network -----------------------------------------------------------------------


def embedded_model(n_dense=2, tables=((3, 2), (5, 4)), pooling="mean_max"):
    """A network with two tables in float64."""
    spec = NetworkSpec(
        n_inputs=n_dense + sum(width for _, width in tables),
        n_outputs=2,
        cell="gru",
        hidden_size=4,
        num_layers=1,
        bidirectional=True,
        pooling=pooling,
        dropout=0.0,
        embeddings=tables,
    )
    generator = torch.Generator().manual_seed(0)
    stream = RandomStream(1, torch.device("cpu"))
    return SequenceModel(spec, generator, stream).double()


def embedded_batch(n_dense=2, sizes=(3, 5), lengths=(4, 1, 3)):
    """Values with indices last, right-padded with a category."""
    rng = np.random.default_rng(2)
    shape = len(lengths), max(lengths)
    dense = rng.normal(size=(*shape, n_dense))
    index = np.stack([rng.integers(0, n + 1, size=shape) for n in sizes], axis=2)
    return torch.tensor(np.concatenate([dense, index], axis=2)), torch.tensor(lengths)


def test_embedding_is_one_hot_times_table():
    """What the recurrent layers read is the dense part and one-hot @ table, in NumPy."""
    model = embedded_model()
    values, _ = embedded_batch()
    got = model.embedding(values).detach().numpy()
    parts = [values[:, :, :2].numpy()]
    for k, table in enumerate(model.embedding.tables):
        weight = table.weight.detach().numpy()
        one_hot = np.eye(len(weight))[values[:, :, 2 + k].long().numpy()]
        parts.append(one_hot @ weight)
    np.testing.assert_allclose(got, np.concatenate(parts, axis=2), rtol=0, atol=1e-15)


def test_network_reads_embeddings_as_any_input():
    """The whole network equals one without tables on the embedded values."""
    model = embedded_model()
    values, lengths = embedded_batch()
    with torch.no_grad():
        inside = model(values, lengths)
        x = model.embedding(values)
        model.embedding = None
        torch.testing.assert_close(inside, model(x, lengths), rtol=0, atol=0)


def test_embedding_gradient():
    """Finite differences agree for dense values and tables; row 0 has no gradient."""
    model = embedded_model()
    values, lengths = embedded_batch()
    tables = [t.weight for t in model.embedding.tables]
    dense = values[:, :, :2].clone().requires_grad_()
    index = values[:, :, 2:].long()

    def forward(dense, *weights):
        rows = [
            torch.nn.functional.embedding(index[:, :, k], w, padding_idx=0)
            for k, w in enumerate(weights)
        ]
        outputs, last = model.recurrent(torch.cat([dense, *rows], dim=2), lengths)
        mask = torch.arange(values.shape[1]) < lengths[:, None]
        return model.head(model.pooling(outputs, last, mask))

    def body(dense, *rest):  # rows 1 and on are free, row 0 is fixed
        zero = [torch.cat([torch.zeros(1, r.shape[1]).double(), r]) for r in rest]
        return forward(dense, *zero)

    free = [w.detach()[1:].clone().requires_grad_() for w in tables]
    assert torch.autograd.gradcheck(body, (dense, *free))
    model(values, lengths).sum().backward()
    for weight in tables:
        assert weight.grad[0].eq(0).all()
        assert weight.grad[1:].ne(0).any()


def test_embedded_sequence_ignores_its_batch_mates():
    """Alone, cut to its length, a sequence has the output it has in a batch."""
    model = embedded_model()
    values, lengths = embedded_batch()
    with torch.no_grad():
        together = model(values, lengths)
        for k, n in enumerate(lengths):
            alone = model(values[k : k + 1, :n])
            torch.testing.assert_close(alone[0], together[k], rtol=0, atol=1e-12)


def test_width_rule():
    """Fastai's rule, at least 1, at most 128, never falling."""
    assert [embedding_width(n) for n in (0, 1, 2, 10, 100, 10**6)] == [
        1,
        2,
        2,
        6,
        21,
        128,
    ]
    widths = [embedding_width(n) for n in range(3000)]
    assert widths == sorted(widths)


def test_missing_row_stays_zero():
    """Training with weight decay leaves row 0 of each table at zero."""
    index, y = token_lists()
    X = [np.where(i == 0, np.nan, i) for i in index]
    X = [np.column_stack([x, np.ones(len(x))]) for x in X]
    model = small(categorical_features=[0], weight_decay=0.1).fit(X, y)
    (table,) = model.module_.embedding.tables
    assert table.weight[0].eq(0).all()
    assert table.weight[1:].ne(0).all()


# -- codes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["b", None, "a", "b"]),
        pd.Series(["b", None, "a", "b"], dtype="category"),
        pd.Series([2.5, np.nan, -1.0, 2.5]),
        pd.Series([True, None, False, True], dtype=object),
        pd.Series([True, None, False, True], dtype="boolean"),
        pd.Series(pd.to_datetime(["2024-01-02", None, "2024-01-01", "2024-01-02"])),
    ],
    ids=["text", "category", "float", "bool", "boolean", "dates"],
)
def test_codebook_keeps_values(column):
    """Codes stand for the values in order; missing is NaN."""
    codes, book = Codebook().encode(column)
    assert list(codes[[0, 2, 3]]) == [1, 0, 1]
    assert np.isnan(codes[1])
    assert [book.values[int(c)] for c in codes[[0, 2]]] == [column[0], column[2]]


def test_codebook_takes_what_cannot_be_sorted():
    """Tuples, and mixed kinds in the order they stand; lists are refused."""
    _, book = Codebook().encode(pd.Series([(1, "b"), (0, "a")]))
    assert list(book.values) == [(0, "a"), (1, "b")]
    _, book = Codebook().encode(pd.Series(["b", 1], dtype=object))
    assert list(book.values) == ["b", 1]
    with pytest.raises(
        TypeError, match=r"'k' cannot be categories .*a string or a num"
    ):
        Codebook().encode(pd.Series([[1], [2]], name="k"))


def test_too_many_categories(monkeypatch):
    """More than float32 can count is refused, with the number."""
    monkeypatch.setattr("sklearn_gru._tables.codebook.MAX_CATEGORIES", 3)
    X = np.arange(4.0).reshape(4, 1, 1)
    with pytest.raises(InputError, match="Feature 0 has 4 categories; at most 3"):
        small(GRURegressor, categorical_features=[0]).fit(X, X[:, 0, 0])
    with pytest.raises(InputError, match="'s' has 4 categories; at most 3"):
        SlidingWindow(1).fit(pd.DataFrame({"s": pd.Categorical(list("abcd"))}))


def test_table_maps_by_value():
    """Other codes of the same values become the codes of fit; new ones are missing."""
    rows = np.array([[0.0], [1.0], [2.0]])
    fit = Sequences(rows, [0], [3], categories=(np.array(["c", "a", "b"], object),))
    table = CategoryTable.learn(fit, np.array([True]))
    assert list(table.categories[0]) == ["a", "b", "c"]
    np.testing.assert_array_equal(table.encode(fit).values[:, 0], [2, 0, 1])
    other = Sequences(rows, [0], [3], categories=(np.array(["b", "d", "c"], object),))
    found = table.encode(other).values[:, 0]
    np.testing.assert_array_equal(found, [1, np.nan, 2])
    # Nothing is known of the step with "d".
    assert table.encode(other).without_gaps().lengths == [2]


# -- windows ---------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [0, 2])
@pytest.mark.parametrize("known_future", [None, ["kind"]])
def test_windows_of_categories_equal_the_definition(lag, known_future):
    """Codes, decoded, stand where the plain loop puts the values."""
    frame = mixed_frame().drop(index=mixed_frame().index[[7, 8, 20]])
    step = SlidingWindow(
        4, lag=lag, known_future=known_future, categorical_features="text"
    )
    got = decoded(step.fit(frame[:30]).transform(frame[30:]))
    numbers = frame.assign(
        kind=frame["kind"].cat.codes.astype(float),
        text=[float(list(WORDS).index(t)) for t in frame["text"]],
    )
    want = brute_windows(
        records(numbers[:30]),
        records(numbers[30:]),
        window=4,
        lag=lag,
        known=known_future or [],
        group="group",
        time="time",
        back=lambda t, k: t - k * pd.Timedelta("1h"),
    )
    names = [None, frame["kind"].cat.categories, WORDS]
    for j in (1, 2):
        flat = want[..., j].ravel()
        values = [None if np.isnan(c) else names[j][int(c)] for c in flat]
        assert got[..., j].ravel().tolist() == values
    np.testing.assert_array_equal(got[..., 0].astype(float), want[..., 0])


def test_windows_compare_categories_by_value():
    """Another order, a smaller set or text in place of a category changes nothing."""
    frame = mixed_frame()
    step = SlidingWindow(3, lag=1, categorical_features="text").fit(frame[:40])
    want = decoded(step.transform(frame[40:]))
    kind = frame["kind"][40:]
    for other in (
        kind.cat.reorder_categories(["m", "z", "a"]),
        kind.cat.remove_unused_categories(),
        kind.astype(str),
    ):
        got = step.transform(frame[40:].assign(kind=other))
        np.testing.assert_array_equal(decoded(got), want)
    assert list(step.categories_[1]) == ["z", "a", "m"]  # the order of the dtype
    assert step.categories_[0] is None


def test_unseen_categories_travel_and_are_not_remembered():
    """Transform carries a new category by value; only partial_fit keeps it."""
    frame = mixed_frame()
    later = frame[40:].assign(text="yew")
    step = SlidingWindow(3, categorical_features="text").fit(frame[:40])
    before = list(step.categories_[2])
    windows = step.transform(later)
    assert decoded(windows)[-1, :, 2].tolist() == ["yew"] * 3
    assert list(step.categories_[2]) == before
    step.partial_fit(later)
    assert list(step.categories_[2]) == [*before, "yew"]
    next_hour = later[-1:].shift(freq="h").assign(text=before[0])
    assert decoded(step.transform(next_hour))[0, :, 2].tolist() == [
        "yew",
        "yew",
        before[0],
    ]


def test_refused_partial_fit_keeps_the_codes():
    """Rows off the grid are refused and leave categories and history as they were."""
    frame = mixed_frame()
    step = SlidingWindow(3, categorical_features="text").fit(frame[:40])
    before = step.categories_
    with pytest.raises(InputError, match="off the grid"):
        step.partial_fit(frame[40:].assign(text="yew").shift(freq="7min"))
    assert step.categories_ is before
    assert step.transform(frame[40:]).categories[2].tolist() == list(before[2])


@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.LostHistoryWarning")
def test_missing_category_is_filled_from_memory():
    """NaN in a new row never overrides a remembered category."""
    frame = mixed_frame()
    step = SlidingWindow(2, categorical_features="text").fit(frame[:40])
    again = frame[39:40].assign(text=None)
    assert decoded(step.transform(again))[0, -1, 2] == frame["text"].iloc[39]


def test_flat_windows_hold_stable_codes():
    """flatten=True gives the codes of fit by name; unseen categories are NaN."""
    frame = mixed_frame()
    step = SlidingWindow(2, lag=1, categorical_features="text", flatten=True)
    step.set_output(transform="pandas").fit(frame[:40])
    later = frame[40:].copy()
    later.loc[later.index[0], "text"] = "yew"
    flat = step.transform(later)
    assert list(flat.columns[:3]) == ["x_lag2", "kind_lag2", "text_lag2"]
    code = {value: k for k, value in enumerate(step.categories_[2])}
    want = [code.get(t, np.nan) for t in frame["text"].shift()[40:]]
    want[1] = np.nan
    np.testing.assert_array_equal(flat["text_lag1"], want)


def test_windows_from_polars():
    """Polars Categorical and Enum are categories too."""
    frame = mixed_frame(12)
    table = pl.DataFrame(
        {
            "t": np.arange(12),
            "x": frame["x"].to_numpy(),
            "c": pl.Series(frame["text"].tolist(), dtype=pl.Categorical),
            "e": pl.Series(frame["kind"].tolist(), dtype=pl.Enum(["z", "a", "m"])),
        }
    )
    windows = SlidingWindow(2, time="t").fit_transform(table)
    assert decoded(windows)[:, -1, 1].tolist() == frame["text"].tolist()
    assert list(windows.categories[2]) == ["z", "a", "m"]


def test_array_with_time_carries_categories():
    """Columns of an array are named by position; a plain array has no place for them."""
    X = np.column_stack([np.arange(6), [5, 7, 5, 9, 7, 5], np.arange(6) / 2])
    windows = SlidingWindow(2, time=0, categorical_features=[1]).fit_transform(X)
    assert list(windows.categories[0]) == [5.0, 7.0, 9.0]
    assert decoded(windows)[-1, :, 0].tolist() == [7.0, 5.0]
    with pytest.raises(InputError, match="name the columns in the estimator"):
        SlidingWindow(2, categorical_features=[1]).fit(X)


def test_rows_without_times_carry_categories():
    """An index that is no time counts rows, and categories still travel."""
    frame = mixed_frame(5).set_axis(list("abcde"))
    windows = SlidingWindow(2).fit_transform(frame[["kind"]])
    assert decoded(windows)[:, -1, 0].tolist() == frame["kind"].tolist()


def test_group_key_as_feature():
    """A key named as category is read at the row's own time: never in doubt."""
    frame = mixed_frame(12).assign(shop=["p", "q"] * 6)
    params = {"lag": 1, "freq": None, "categorical_features": ["shop", "text"]}
    column = SlidingWindow(2, groups="shop", **params).fit_transform(frame)
    levels = frame.set_index("shop", append=True)
    level = SlidingWindow(2, **params).fit_transform(levels)
    assert column.feature_names == level.feature_names == ("x", "kind", "text", "shop")
    np.testing.assert_array_equal(np.asarray(column), np.asarray(level))
    for one, other in zip(column.categories[1:], level.categories[1:], strict=True):
        assert list(one) == list(other)
    assert decoded(column)[:, -1, 3].tolist() == frame["shop"].tolist()
    assert list(column.lengths[:2]) == [1, 1]  # the first row knows at least its shop
    flat = SlidingWindow(2, **params, flatten=True).fit(levels)
    assert flat.get_feature_names_out()[-1] == "shop_lag0"
    assert flat.get_feature_names_out(["x", "kind", "text"])[-1] == "shop_lag0"


def test_to_sequences_carries_categories():
    """A long frame gives codes, and its group key where it is named."""
    events = pd.DataFrame(
        {
            "who": ["b", "a", "b"],
            "when": [2, 1, 1],
            "drug": pd.Categorical(["x", "y", "y"]),
            "ward": ["n", "s", "s"],
        }
    )
    s = to_sequences(events, "who", "when", categorical_features=["ward", "who"])
    assert s.feature_names == ("who", "drug", "ward")
    assert decoded(s)[1].tolist() == [["b", "y", "s"], ["b", "x", "n"]]


@pytest.mark.parametrize(
    ("params", "frame", "message"),
    [
        ({"categorical_features": "txt"}, mixed_frame(), r"Did you mean 'text'\?"),
        ({"categorical_features": [7]}, mixed_frame(), "no such column"),
        ({"categorical_features": [True]}, mixed_frame(), "mask of 1 entries.* has 3"),
        (
            {"time": "t", "categorical_features": "t"},
            mixed_frame().assign(t=range(48)),
            "'t' is both time= and named in categorical_features",
        ),
        (
            {"categorical_features": "when"},
            mixed_frame().rename_axis("when").set_index("text", append=True),
            "index level of times",
        ),
    ],
    ids=["typo", "position", "mask", "time column", "time level"],
)
def test_window_refuses_categories(params, frame, message):
    """Names, positions and masks that fit no column are refused with the way out."""
    if "text" in frame.columns:
        params = {"freq": None, **params}
    with pytest.raises(InputError, match=message):
        SlidingWindow(2, **params).fit(frame)


def test_window_refuses_other_kinds():
    """Numbers where fit saw text would all be new, so they are refused."""
    frame = mixed_frame()
    step = SlidingWindow(2, categorical_features="text").fit(frame)
    with pytest.raises(InputError, match=r"'text' holds numbers, such as 1.* are text"):
        step.transform(frame.assign(text=1))


def test_leak_guard_reads_categories():
    """A category equal to y, or y under other names, is refused where it is visible."""
    frame = mixed_frame()
    renamed = frame["kind"].astype(str).map({"z": 3, "a": 1, "m": 2})
    with pytest.raises(LeakageError, match="'kind' equals y"):
        SlidingWindow(2).fit(frame[["kind"]], frame["kind"])
    with pytest.raises(LeakageError, match="'kind' is a renamed copy of y"):
        SlidingWindow(2).fit(frame[["kind"]], renamed)
    SlidingWindow(2, lag=1).fit(frame[["kind"]], frame["kind"])
    SlidingWindow(2).fit(frame[["kind"]], frame["x"])


# -- estimators ------------------------------------------------------------------------


def test_layouts_of_tokens_are_one():
    """Tokens as words, ids, padded arrays, frames or Sequences: one prediction."""
    index, y = token_lists()
    words = [list(WORDS[i]) for i in index]
    ids = [i[:, None] for i in index]
    model = small(categorical_features=[0]).fit(words, y)
    coded = small(categorical_features=[0]).fit(ids, y)
    want = model.predict_proba(words)
    padded = np.full((len(index), 9), None, dtype=object)
    numbers = np.full((len(index), 9, 1), np.nan)
    for k, i in enumerate(index):
        padded[k, 9 - len(i) :] = WORDS[i]
        numbers[k, : len(i), 0] = i
    as_objects = np.empty(len(words), dtype=object)
    as_objects[:] = words
    for X in (
        as_objects,
        pd.Series(words),
        padded[:, :, None],
        [pd.DataFrame({"w": w}) for w in words],
        [pd.DataFrame({"w": pd.Categorical(w, WORDS[::-1])}) for w in words],
    ):
        np.testing.assert_array_equal(model.predict_proba(X), want)
    for X in (ids, numbers, [i.astype(np.float32) for i in index]):
        np.testing.assert_allclose(coded.predict_proba(X), want, rtol=1e-6)
    rows = small(categorical_features=[0]).fit(padded, y)
    np.testing.assert_array_equal(rows.predict_proba(padded), want)
    assert rows.n_features_in_ == 9
    alone = np.concatenate([model.predict_proba([w]) for w in words])
    np.testing.assert_allclose(alone, want, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_tokens_are_learned():
    """The class is in the first word; the order of codes carries no meaning."""
    index, y = token_lists(200)
    X = [list(WORDS[i]) for i in index]
    y = np.array([w[0] in ("ash", "cedar", "elm") for w in X])
    model = GRUClassifier(8, categorical_features=[0], random_state=0).fit(X, y)
    new, _ = token_lists(200, seed=1)
    new = [list(WORDS[i]) for i in new]
    assert model.score(new, [w[0] in ("ash", "cedar", "elm") for w in new]) > 0.97


@pytest.mark.parametrize("unknown", ["yew", None, np.nan])
def test_unknown_is_missing(unknown):
    """A word fit has not seen is as if it were not there, alone or in a sequence."""
    index, y = token_lists()
    X = [list(WORDS[i]) for i in index]
    model = small(categorical_features=[0]).fit(X, y)
    with_unknown = [[unknown, *x[:1], unknown, *x[1:]] for x in X]
    with_unknown = [np.array(x, dtype=object) for x in with_unknown]
    np.testing.assert_array_equal(
        model.predict_proba(with_unknown), model.predict_proba(X)
    )
    nothing = [np.array([unknown, unknown], dtype=object), X[0]]
    nothing = [nothing[0], np.array(nothing[1], dtype=object)]
    np.testing.assert_allclose(
        model.predict_proba(nothing)[0], [1 - y.mean(), y.mean()]
    )


def test_unknown_beside_numbers_is_missing():
    """Beside observed numbers an unknown category is the zero vector, as a missing one."""
    rng = np.random.default_rng(0)
    X = np.dstack([rng.normal(size=(30, 5)), rng.integers(0, 4, size=(30, 5))])
    model = small(GRURegressor, categorical_features=[1]).fit(X, X[:, :, 0].sum(axis=1))
    one, other = X.copy(), X.copy()
    one[:, 2, 1], other[:, 2, 1] = 17, np.nan
    np.testing.assert_array_equal(model.predict(one), model.predict(other))
    assert not np.array_equal(model.predict(one), model.predict(X))


def test_categories_are_never_standardised():
    """Adding a constant to all codes changes no bit; numbers beside are standardised."""
    rng = np.random.default_rng(0)
    X = np.dstack([rng.integers(0, 4, size=(30, 5)), rng.normal(5, 2, size=(30, 5))])
    y = X[:, :, 1].sum(axis=1)
    moved = X + [1000.0, 0.0]
    model = small(GRURegressor, categorical_features=[0]).fit(X, y)
    other = small(GRURegressor, categorical_features=[0]).fit(moved, y)
    np.testing.assert_array_equal(model.predict(X), other.predict(moved))
    scaled = small(GRURegressor, categorical_features=[0]).fit(X * [1, 16], y)
    np.testing.assert_allclose(scaled.predict(X * [1, 16]), model.predict(X), rtol=1e-9)
    assert model.is_categorical_.tolist() == [True, False]
    assert list(model.categories_[0]) == [0, 1, 2, 3]
    assert model.categories_[1] is None


def test_columns_may_stand_anywhere():
    """Numbers, their marks and categories find their way from any position."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5, 3))
    X[3, 2, 0] = X[5, 1, 2] = np.nan
    X[:, :, 1] = rng.integers(0, 3, size=(30, 5))
    X[4, 4, 1] = np.nan
    y = np.nansum(X[:, :, 0], axis=1)
    model = small(GRURegressor, categorical_features=[1]).fit(X, y)
    turned = small(GRURegressor, categorical_features=[2]).fit(X[:, :, [0, 2, 1]], y)
    np.testing.assert_array_equal(model.predict(X), turned.predict(X[:, :, [0, 2, 1]]))
    # two numbers, two marks, one table of width 3
    assert model.module_.spec.n_inputs == 2 + 2 + embedding_width(3)


@pytest.mark.parametrize("order", [["z", "a", "m"], ["m", "a", "z"]])
def test_order_of_categories_changes_no_bit(order):
    """The same values under other codes, fitted or predicted, are the same."""
    frame = mixed_frame()
    model = make_pipeline(SlidingWindow(3, lag=1), small(GRURegressor))
    features = frame[["x", "kind"]]
    want = model.fit(features, frame["x"]).predict(features)
    other = features.assign(kind=features["kind"].cat.reorder_categories(order))
    np.testing.assert_array_equal(model.predict(other), want)
    np.testing.assert_array_equal(model.fit(other, frame["x"]).predict(features), want)


def test_from_dtype_names_and_none():
    """Names, positions and masks say the same; None allows no categories."""
    frame = mixed_frame()
    items = [frame[k : k + 6].reset_index(drop=True) for k in range(0, 48, 6)]
    y = np.arange(8) % 2
    plain = [item.drop(columns="text") for item in items]
    by_dtype = small().fit(plain, y)
    assert by_dtype.is_categorical_.tolist() == [False, True]
    for named in (["kind"], "kind", [1], [-1], [False, True], np.array([False, True])):
        model = small(categorical_features=named).fit(plain, y)
        np.testing.assert_array_equal(
            model.predict_proba(plain), by_dtype.predict_proba(plain)
        )
    assert small().fit([p[["x"]] for p in plain], y).is_categorical_ is None
    with pytest.raises(InputError, match=r"'kind' holds categories, but .*=None"):
        small(categorical_features=None).fit(plain, y)
    with pytest.raises(InputError, match=r"'kind' holds categories.*Name it too"):
        small(categorical_features=["text"]).fit(items, y)
    both = small(categorical_features=["kind", "text"]).fit(items, y)
    assert both.is_categorical_.tolist() == [False, True, True]


def test_frames_of_a_list_agree_by_value():
    """Each frame may list its categories in its own order."""
    frame = mixed_frame()[["x", "kind"]]
    items = [frame[k : k + 6].reset_index(drop=True) for k in range(0, 48, 6)]
    own = [i.assign(kind=i["kind"].cat.remove_unused_categories()) for i in items]
    text = [own[0].assign(kind=own[0]["kind"].astype(str)), *own[1:]]
    y = np.arange(8) % 2
    want = small(categorical_features=["kind"]).fit(items, y).predict_proba(items)
    for other in (own, text):
        got = small(categorical_features=["kind"]).fit(other, y).predict_proba(other)
        np.testing.assert_array_equal(got, want)


def test_rows_of_a_frame_may_be_categories():
    """2-D frames: one set of categories for all steps of a feature."""
    index, y = token_lists(30)
    table = pd.DataFrame([list(WORDS[np.resize(i, 4)]) for i in index])
    table.columns = [f"w{k}" for k in range(4)]
    want = small(categorical_features=[0]).fit(table, y).predict_proba(table)
    dtyped = table.astype("category")
    np.testing.assert_array_equal(small().fit(dtyped, y).predict_proba(dtyped), want)
    named = small(categorical_features=list(table.columns)).fit(table, y)
    np.testing.assert_array_equal(named.predict_proba(table), want)
    assert named.feature_names_in_.tolist() == list(table.columns)
    pairs = pd.concat(
        [table["w0"], table["w1"].str.len(), table["w2"], table["w3"].str.len()], axis=1
    )
    two = small(categorical_features=[0], features_per_step=2).fit(pairs, y)
    assert two.is_categorical_.tolist() == [True, False]
    with pytest.raises(InputError, match="not those of the same feature"):
        small(categorical_features=["w0", "w1"]).fit(table, y)
    with pytest.raises(InputError, match="not all columns of its feature do"):
        small().fit(table.assign(w0=1.0, w1=dtyped["w1"], w2=2, w3=3), y)


def test_flat_codes_into_an_estimator():
    """Flat windows of codes are categories by position within a step."""
    frame = mixed_frame()[["x", "kind"]]
    flat = SlidingWindow(3, flatten=True).fit_transform(frame)
    model = small(GRURegressor, features_per_step=2, categorical_features=[1])
    windows = SlidingWindow(3).fit_transform(frame)
    want = small(GRURegressor).fit(windows, frame["x"]).predict(windows)
    got = model.fit(flat, frame["x"]).predict(flat)
    assert model.categories_[1].tolist() == [0, 1, 2]
    assert got.shape == want.shape


def test_weight_zero_and_held_out_rows_teach_no_category():
    """Categories come from what trains: no zero weight, no validation part."""
    index, y = token_lists(30)
    X = [list(WORDS[i]) for i in index]
    weight = np.ones(31)
    weight[-1] = 0
    model = small(categorical_features=[0]).fit([*X, ["yew"]], [*y, True], weight)
    assert "yew" not in model.categories_[0]
    alone = small(categorical_features=[0]).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), alone.predict_proba(X))
    given = small(categorical_features=[0]).fit(
        X, y, X_val=[["yew", "ash"], ["elm"], ["yew"]], y_val=[True, False, True]
    )
    assert "yew" not in given.categories_[0]
    assert len(given.validation_scores_) == 3


def test_frozen_categories():
    """partial_fit and warm_start keep the categories of the first call."""
    index, y = token_lists(30)
    X = [list(WORDS[i]) for i in index]
    new = [["yew", *x] for x in X]
    model = small(categorical_features=[0]).partial_fit(X, y)
    width = model.n_parameters_
    model.partial_fit(new, y)
    assert model.n_parameters_ == width
    assert list(model.categories_[0]) == list(WORDS)
    same = small(categorical_features=[0]).partial_fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), same.predict_proba(X))
    with pytest.raises(
        InputError, match="None of the 30 sequences holds a number or a category"
    ):
        model.partial_fit([["yew"]] * 30, y)
    warm = small(categorical_features=[0], warm_start=True).fit(X, y).fit(new, y)
    assert list(warm.categories_[0]) == list(WORDS)
    assert warm.n_iter_ == 6


def test_pickle_and_clone():
    """A model comes back with its categories; a clone is unfitted and equal."""
    index, y = token_lists(30)
    X = [list(WORDS[i]) for i in index]
    model = small(categorical_features=[0]).fit(X, y)
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))
    assert clone(model).get_params() == model.get_params()
    step = SlidingWindow(3, categorical_features="text").fit(mixed_frame()[:40])
    again = pickle.loads(pickle.dumps(step)).transform(mixed_frame()[40:])
    np.testing.assert_array_equal(
        decoded(again), decoded(step.transform(mixed_frame()[40:]))
    )


def test_kernels_train_tables_as_torch_does(monkeypatch):
    """The same losses, tables and predictions, to the digits of float32."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, size=(1100, 20, 2)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    y = X[:, -1, 0] > 2
    params = {
        "categorical_features": [0],
        "early_stopping": False,
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "clip_norm": 0.5,
    }
    fast = small(**params).fit(X, y)
    monkeypatch.setenv("SKLEARN_GRU_NO_NUMBA", "1")
    plain = small(**params).fit(X, y)
    assert plain.engine_ == "torch"
    if fast.net_.declined:
        pytest.skip(f"no kernels: {fast.net_.declined}")
    assert fast.engine_ == "numba"
    assert not fast.module_.embedding.tables[0].weight[0].any()
    np.testing.assert_allclose(fast.loss_curve_, plain.loss_curve_, rtol=1e-4)
    for a, b in zip(fast.module_.parameters(), plain.module_.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-3)
    probability = plain.predict_proba(X)
    np.testing.assert_allclose(fast.predict_proba(X), probability, atol=1e-3)


TOKENS = [["a", "b"], ["c"]]
LOADS = [pd.DataFrame({"load": [1.0, 2.0], "temp": [3.0, 4.0]})] * 2


@pytest.mark.parametrize(
    ("params", "X", "message"),
    [
        ({}, TOKENS, r"Item 0 of X is not numeric.*categorical_features=\[0\]"),
        ({}, ["whole text", "another"], "whole texts, such as 'whole text'.*Split"),
        ({}, np.array(["whole text", "x"]), "whole texts"),
        ({"categorical_features": [1]}, TOKENS, r"categorical_features=1: X has no"),
        ({"categorical_features": [0, 0, True]}, TOKENS, "no such column"),
        ({"categorical_features": [True, False]}, TOKENS, "mask of 2 entries.*has 1"),
        ({"categorical_features": ["loaf"]}, LOADS, "Did you mean 'load'"),
        ({"categorical_features": ["load"]}, np.ones((2, 2)), "no such column"),
    ],
    ids=["no name", "list", "array", "range", "bool", "mask", "typo", "no names"],
)
def test_estimator_refuses(params, X, message):
    """What names no feature is refused with the way out, and text without a name too."""
    with pytest.raises(InputError, match=message):
        small(**params).fit(X, [0, 1])


@pytest.mark.parametrize("value", [3.5, {"a": 1}, [["a"]], [None]])
def test_estimator_refuses_other_types(value):
    """Only names, positions, a mask, 'from_dtype' and None are categorical features."""
    with pytest.raises(InvalidParameterError, match="names, positions or a mask"):
        small(categorical_features=value).fit(TOKENS, [0, 1])


def test_predict_refuses_other_kinds():
    """Numbers for words, and categories for numbers, are refused at predict."""
    model = small(categorical_features=[0]).fit(TOKENS, [0, 1])
    with pytest.raises(InputError, match=r"holds numbers, such as 1.0.* are text"):
        model.predict([[[1.0]], [[2.0]]])
    plain = small().fit([[[1.0]], [[2.0]]], [0, 1])
    frames = [pd.DataFrame({"k": pd.Categorical(["a"])})]
    with pytest.raises(InputError, match="holds categories, but was numeric in fit"):
        plain.predict(frames)


def test_fractions_with_many_values_look_numeric():
    """A column of measurements named by mistake warns."""
    X = np.random.default_rng(0).normal(size=(300, 2, 1))
    with pytest.warns(LayoutWarning, match="it looks numeric"):
        small(GRURegressor, categorical_features=[0], max_iter=1).fit(X, X[:, 0, 0])


def test_all_missing_category():
    """A column that is never observed has an empty table and changes nothing."""
    X = np.dstack([np.arange(20.0).reshape(10, 2), np.full((10, 2), np.nan)])
    model = small(GRURegressor, categorical_features=[1]).fit(X, X[:, 1, 0])
    seen = X.copy()
    seen[:, :, 1] = 3
    np.testing.assert_array_equal(model.predict(seen), model.predict(X))


def test_search_over_windows_of_categories():
    """Folds that lack categories work in a search over a pipeline."""
    frame = mixed_frame(120)
    frame["kind"] = frame["kind"].cat.add_categories(["late"])
    frame.loc[frame.index[100:], "kind"] = "late"
    model = make_pipeline(SlidingWindow(3, lag=1), small(GRURegressor))
    search = GridSearchCV(
        model, {"slidingwindow__window_size": [2, 4]}, cv=TimeSeriesSplit(3)
    )
    search.fit(frame[["x", "kind"]], frame["x"])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.slow
def test_airport_as_feature_of_the_weather():
    """The group key joins the input: a target that only the airport tells is learned."""
    X, _ = datasets.load_nyc_weather(return_X_y=True)
    day = X.index.get_level_values("time")
    X = X[(day >= "2013-06-01") & (day < "2013-06-08")]
    origin = X.index.get_level_values("origin")
    noise = np.random.default_rng(0).normal(size=len(X))
    y = np.select([origin == "JFK", origin == "EWR"], [30.0, -10.0], 0.0) + noise
    train = X.index.get_level_values("time") < "2013-06-06"
    scores = {}
    for named in (None, ["origin"]):
        step = SlidingWindow(3, lag=24, categorical_features=named)
        gru = GRURegressor(8, linear_share=0, max_iter=10, random_state=0)
        model = make_pipeline(step, gru).fit(X[train], y[train])
        scores[str(named)] = model.score(X[~train], y[~train])
    assert scores["['origin']"] > 0.8 > scores["None"] + 0.2, scores
    assert list(model[-1].categories_[-1]) == ["EWR", "JFK", "LGA"]
