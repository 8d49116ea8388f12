"""Bad input: what was seen, what was expected, what fixes it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from sklearn_gru import (
    GRUClassifier,
    GRURegressor,
    SlidingWindow,
    future_frame,
    make_targets,
    to_sequences,
)
from sklearn_gru.exceptions import (
    DivergenceError,
    InputError,
    InvalidParameterError,
    LayoutWarning,
    SklearnGRUError,
    TimeIndexError,
)

X3 = np.random.default_rng(0).normal(size=(12, 5, 2))
X2 = np.random.default_rng(1).normal(size=(12, 6))
Y = np.random.default_rng(2).normal(size=12)
HOURS = pd.date_range("2024-01-01", periods=12, freq="h")
FRAME = pd.DataFrame({"load": Y, "temp": X2[:, 0]}, index=HOURS)


def small(**params):
    return GRURegressor(2, max_iter=1, random_state=0, **params)


def spoiled(array, value, at=0):
    out = np.array(array, dtype=float)
    out[(at,) + (0,) * (out.ndim - 1)] = value
    return out


FIT_ERRORS = {
    "NaN in y": (X3, spoiled(Y, np.nan), r"y contains NaN in 1 of 12 rows.*Drop those"),
    "infinity in y": (X3, spoiled(Y, np.inf), r"y contains infinity.*sample_weight 0"),
    "infinity in X": (spoiled(X3, np.inf), Y, r"Input X contains infinity"),
    "infinity in 2-D X": (spoiled(X2, np.inf), Y, r"Input X contains infinity"),
    "strings": (
        np.full((12, 5, 2), "a"),
        Y,
        r"features 0 \('a'\), 1 \('a'\); expected numbers.*categorical_features=\[0, 1\]",
    ),
    "strings in 2-D": (
        np.full((12, 5), "a"),
        Y,
        r"columns 0 \('a'\), 1 .*If each row is a whole series.*features=\[0\]",
    ),
    "no rows": (np.empty((0, 5, 2)), Y[:0], r"0 sample\(s\)"),
    "no rows in 2-D": (np.empty((0, 5)), Y[:0], r"0 sample\(s\)"),
    "no steps": (np.empty((12, 0, 2)), Y, r"0 sample\(s\), step\(s\) or feature\(s\)"),
    "mismatched lengths": (X3, Y[:-1], r"inconsistent numbers of samples: \[12, 11\]"),
    "1-D X": (X2[:, 0], Y, r"got 1D array instead: X has shape \(12,\).*SlidingWindow"),
    "a list of numbers": ([1.0] * 12, Y, r"got 1D array instead: X has shape \(12,\)"),
    "no columns": (FRAME[[]].reset_index(drop=True), Y, r"shape \(12, 0\).*0 feature"),
    "4-D X": (X3[..., None], Y, r"X has 4 dimensions; expected 2 .*, 3 .*or a list"),
    "3-D y": (X3, X3, r"Found array with dim 3"),
    "ragged features": (
        [X3[0], X3[1, :, :1]],
        Y[:2],
        r"Item 1 of X has 1 features, but item 0 has 2",
    ),
    "an item of 3 dimensions": ([X3[:2], X3[:1]], Y[:2], r"Item 0 of X has 3 dim"),
    "text in an item": ([X3[0], np.full((3, 2), "a")], Y[:2], r"Item 1 of X is not nu"),
    "other columns in an item": (
        [FRAME, FRAME.rename(columns={"temp": "tmp"})],
        Y[:2],
        r"Item 1 of X .* missing \['temp'\], not expected \['tmp'\]",
    ),
    "all sequences empty": (
        [np.empty((0, 2))] * 12,
        Y,
        r"None of the 12 sequences has an observed step",
    ),
    "all NaN": (np.full((12, 5, 2), np.nan), Y, r"None of the 12 sequences"),
    "no y": (X3, None, r"requires y to be passed, but the target y is None"),
    "columns are no multiple": (
        X2,
        Y,
        r"6 columns.*not a multiple of features_per_step=4",
    ),
}


@pytest.mark.parametrize("case", FIT_ERRORS)
def test_fit_refuses(case):
    """Data that cannot be learned from is refused with words that help."""
    X, y, message = FIT_ERRORS[case]
    model = small(features_per_step=4 if "multiple" in case else 1)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


PREDICT_ERRORS = {
    "wrong width": (
        X3,
        X3[:, :, :1],
        r"X has 1 features, but GRURegressor is expecting 2",
    ),
    "wrong width in 2-D": (
        X2,
        X2[:, :5],
        r"X has 5 features, but GRURegressor is expe",
    ),
    "2-D after 3-D": (
        X3,
        X2,
        r"X is 2-D, but this GRURegressor was fitted on sequences",
    ),
    "3-D after 2-D": (
        X2,
        X3,
        r"holds sequences, but .* fitted on 2-D rows of 6 columns",
    ),
    "infinity": (X3, spoiled(X3, np.inf), r"Input X contains infinity"),
}


@pytest.mark.parametrize("case", PREDICT_ERRORS)
def test_predict_refuses(case):
    """Data unlike that of fit is refused at predict."""
    seen, given, message = PREDICT_ERRORS[case]
    model = small().fit(seen, Y)
    with pytest.raises(ValueError, match=message):
        model.predict(given)


def test_names_must_match():
    """Sequences with other names, or the same in another order, are refused."""
    step = SlidingWindow(3, lag=1)
    model = small().fit(step.fit_transform(FRAME), Y)
    other = step.fit_transform(FRAME[["temp", "load"]])
    with pytest.raises(InputError, match=r"Seen in fit: load, temp. Now: temp, load"):
        model.predict(other)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(12), "at least one non-zero"),
        (-np.ones(12), "Negative values"),
        (np.ones(11), "one weight per sequence"),
        (np.ones((12, 1)), "must be 1D"),
        (spoiled(np.ones(12), np.nan), "contains NaN"),
    ],
)
def test_weights_are_checked(weights, message):
    """Weights that are no weights are refused."""
    with pytest.raises(ValueError, match=message):
        small().fit(X3, Y, sample_weight=weights)


WINDOW_ERRORS = {
    "differing duplicates": (
        {},
        pd.concat([FRAME, FRAME.iloc[:1] + 1]),
        r"1 rows have the same group and time .* first at 2024-01-01 00:00:00.*groups=",
    ),
    "unknown known_future": (
        {"known_future": "tmp"},
        FRAME,
        r"known_future='tmp': .* Did you mean 'temp'\? Seen: 'load', 'temp'",
    ),
    "unknown groups": (
        {"groups": "shop"},
        FRAME,
        r"groups='shop': X has no such column",
    ),
    "unknown time": ({"time": "when"}, FRAME, r"time='when': X has no such column"),
    "NaT": (
        {},
        FRAME.set_axis(HOURS.where(HOURS != HOURS[3])),
        r"missing \(NaT\) in 1 of 12 rows, first in row 3",
    ),
    "NaN group": (
        {"groups": "shop"},
        FRAME.assign(shop=["a"] * 11 + [None]),
        r"Group key 'shop' is missing \(NaN\) in 1 of 12 rows, first in row 11",
    ),
    "strings as time": (
        {"time": "when"},
        FRAME.assign(when=["2024"] * 12),
        r"Convert it first, for example with pandas.to_datetime",
    ),
    "strings as a feature": (
        {},
        FRAME.assign(city="Rome"),
        r"Column 'city' .* such as 'Rome'. Name it in categorical_features=",
    ),
    "a second time": (
        {},
        FRAME.assign(due=HOURS),
        r"Column 'due' holds times .* pass time='due'",
    ),
    "complex numbers": (
        {},
        FRAME.assign(kind=1j),
        r"Column 'kind' has dtype complex128",
    ),
    "infinity": (
        {},
        FRAME.replace(FRAME.iloc[0, 0], np.inf),
        r"Input X contains infinity",
    ),
    "no rows": ({}, FRAME.iloc[:0], r"0 sample\(s\)"),
    "only keys": ({"time": 0, "groups": 1}, FRAME, r"no column left"),
    "window_size 0": ({"window_size": 0}, FRAME, r"window_size=0 is not allowed"),
    "window_size True": (
        {"window_size": True},
        FRAME,
        r"window_size=True is not allow",
    ),
    "negative lag": ({"lag": -1}, FRAME, r"lag=-1 is not allowed; expected an integer"),
    "negative duration": (
        {"lag": "-2h"},
        FRAME,
        r"lag='-2h' is -2 steps; expected at least 0",
    ),
    "groups of an array without time": (
        {"groups": 0},
        X2,
        r"groups= needs a time: pass time=",
    ),
}


@pytest.mark.parametrize("case", WINDOW_ERRORS)
def test_window_refuses(case):
    """Keys and columns that cannot be read are refused with the way out."""
    params, X, message = WINDOW_ERRORS[case]
    with pytest.raises(ValueError, match=message):
        SlidingWindow(**{"window_size": 3, **params}).fit(X)


def test_window_refuses_what_fit_did_not_see():
    """Off the grid, another kind of time, another zone, an array after a frame."""
    step = SlidingWindow(3).fit(FRAME)
    later = FRAME.set_axis(HOURS + pd.Timedelta("12h30min"))
    with pytest.raises(TimeIndexError, match=r"12 of 12 rows are off the grid.*12:30"):
        step.transform(later)
    with pytest.raises(TimeIndexError, match=r"carry integers .* naive datetimes"):
        step.transform(FRAME.reset_index(drop=True))
    with pytest.raises(TimeIndexError, match=r"datetimes in UTC.*tz_localize"):
        step.transform(FRAME.tz_localize("UTC"))
    with pytest.raises(TimeIndexError, match="X is an array without an index"):
        step.transform(FRAME.to_numpy())
    with pytest.raises(ValueError, match="feature names should match"):
        step.transform(FRAME.rename(columns={"temp": "tmp"}))
    weekend = pd.date_range("2024-01-01", periods=12, freq="D")
    with pytest.raises(TimeIndexError, match=r"2 of 12 rows are off the grid.*01-06"):
        SlidingWindow(3, freq="B").fit(FRAME.set_axis(weekend))


PARAMETERS = {
    "hidden_size": (0, 1.5, "32", None, True),
    "num_layers": (0, 2.0),
    "cell": ("GRU", None, 3),
    "bidirectional": (1, "yes"),
    "pooling": ("avg", None),
    "dropout": (-0.1, 1.0, "0.5"),
    "n_estimators": (0, 1.5, "3", None, True),
    "conv_filters": (64, (), (8, 0), (8.0,)),
    "segment_length": (0, 2.0, "24"),
    "normalization": ("first", True),
    "add_differences": ("yes",),
    "linear_share": (-0.1, 1.5, "half", True),
    "target_feature": (-1, 1.5, True, [0]),
    "features_per_step": (0, 1.5),
    "categorical_features": (3.5, {"a": 1}, [None]),
    "quantile": (0, 1.0, True, "0.5", (), (0.1, 0.1), (0.1, 1.5)),
    "learning_rate": (0, -1.0, "fast", np.nan),
    "weight_decay": (-1,),
    "batch_size": (0, "all", 2.5),
    "max_iter": (0, 1.5),
    "clip_norm": (0, -1, "1"),
    "early_stopping": ("yes", 1),
    "validation_fraction": (0, 1, 1.5),
    "n_iter_no_change": (0,),
    "tol": (-1,),
    "standardize": ("yes",),
    "warm_start": (1,),
    "random_state": ("seed", -1, 1.5),
    "dtype": ("float16", np.float32),
    "device": (0,),
    "callbacks": (["early"], [print]),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_bad_parameters_are_named(name):
    """The message names parameter, value and choice; nothing is checked in __init__."""
    for value in PARAMETERS[name]:
        with pytest.raises(InvalidParameterError, match=name):
            GRURegressor(**{name: value}).fit(X3, Y)
    assert set(PARAMETERS) == set(GRURegressor().get_params()) - {"loss", "verbose"}


def test_a_target_feature_without_normalization_is_refused():
    """Nothing is subtracted that could be added back."""
    model = GRURegressor(target_feature=0, normalization=None)
    with pytest.raises(InvalidParameterError, match="target_feature=0"):
        model.fit(X3, Y)


def test_bad_parameters_of_one_task():
    """Losses, class weights and label smoothing are checked too."""
    labels = Y > 0
    with pytest.raises(InvalidParameterError, match="loss='mse'"):
        GRURegressor(loss="mse").fit(X3, Y)
    with pytest.raises(InvalidParameterError, match="label_smoothing=1"):
        GRUClassifier(label_smoothing=1).fit(X3, labels)
    with pytest.raises(InvalidParameterError, match="class_weight='even'"):
        GRUClassifier(class_weight="even").fit(X3, labels)
    with pytest.raises(InvalidParameterError, match="needs all of y"):
        GRUClassifier(class_weight="balanced").partial_fit(X3, labels)


def test_a_cuda_device_that_is_not_there():
    """Asking for CUDA where there is none says what to use."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(InvalidParameterError, match="no CUDA device here"):
        GRURegressor(device="cuda").fit(X3, Y)


def test_divergence_is_an_error():
    """A loss that is no longer finite says epoch, learning rate and what to try."""
    model = GRURegressor(
        4,
        learning_rate=1e30,
        clip_norm=None,
        max_iter=50,
        loss="squared_error",
        random_state=0,
        dtype="float32",
    )
    with pytest.raises(
        DivergenceError, match=r"in epoch \d+ with learning_rate=1e\+30"
    ):
        model.fit(X3, Y)


@pytest.mark.parametrize("estimator", [GRURegressor(), GRUClassifier()])
def test_unfitted(estimator):
    """Predict before fit is NotFittedError, also of the window."""
    with pytest.raises(NotFittedError):
        estimator.predict(X3)
    with pytest.raises(NotFittedError):
        SlidingWindow(3).transform(FRAME)


def test_layouts_that_look_like_others_are_said():
    """Channel-major arrays and frames of rows in time get a warning."""
    rng = np.random.default_rng(1)
    with pytest.warns(LayoutWarning, match=r"read as 5 steps of 90 features.*swapaxes"):
        small().fit(rng.normal(size=(12, 5, 90)), Y)
    with pytest.warns(LayoutWarning, match=r"DatetimeIndex.*SlidingWindow"):
        small().fit(FRAME, Y)


def test_classes_must_stay():
    """New classes later, or missing labels, are refused."""
    labels = np.array(["a", "b"] * 6)
    model = GRUClassifier(2, max_iter=1, warm_start=True, random_state=0)
    model.fit(X3, labels)
    with pytest.raises(InputError, match=r"classes \['c'\], but the classes are"):
        model.fit(X3, np.array(["a", "c"] * 6))
    with pytest.raises(InputError, match="NaN or None in 1 of 12"):
        GRUClassifier().fit(X3, np.array(["a", "b"] * 5 + ["a", None], dtype=object))


def test_warm_start_keeps_the_network():
    """Changing the architecture of a warm start is refused, with the way out."""
    model = small(warm_start=True).fit(X3, Y)
    with pytest.raises(InvalidParameterError, match="Set warm_start=False"):
        model.set_params(hidden_size=3).fit(X3, Y)


def test_validation_data_are_checked():
    """X_val is read like X; y_val alone, or one sequence to split, is refused."""
    with pytest.raises(InputError, match="not given together"):
        small().fit(X3, Y, y_val=Y)
    with pytest.raises(InputError, match="not given together"):
        small().fit(X3, Y, X_val=X3)
    with pytest.raises(ValueError, match="X has 1 features"):
        small().fit(X3, Y, X_val=X3[:, :, :1], y_val=Y)
    with pytest.raises(InputError, match="only 1 sequence"):
        small(early_stopping=True).fit(X3[:1], Y[:1])


def test_errors_lose_nothing():
    """A fitted model survives a failed call."""
    model = small().fit(X3, Y)
    before = model.predict(X3)
    for bad in (X2, spoiled(X3, np.inf), X3[:, :, :1]):
        with pytest.raises(ValueError):
            model.predict(bad)
    np.testing.assert_array_equal(model.predict(X3), before)


def test_every_error_is_a_value_error():
    """Code that catches ValueError, as scikit-learn's does, keeps working."""
    assert issubclass(SklearnGRUError, ValueError)
    with pytest.raises(ValueError):
        make_pipeline(SlidingWindow(3), small()).fit(FRAME, FRAME["load"])


def lazy():
    return pytest.importorskip("polars").DataFrame({"a": Y}).lazy()


class ArrowLike:
    """A table as pyarrow has it: NumPy would drop its times, or fail."""

    columns = ()

    def to_pandas(self):
        return FRAME


class Loader:
    """A stranger's container of batches."""

    def __len__(self):
        return 3

    def __getitem__(self, k):
        return X3[k], Y[k]


UNREAD = {
    "a file name": (lambda: "a.csv", r"X is a text, .*pd\.read_csv\('a\.csv'\)"),
    "None": (lambda: None, r"X is a NoneType; expected"),
    "a loader": (Loader, r"X is a Loader; expected .*Convert"),
    "a set": (lambda: {1.0, 2.0}, r"X is a set; .*keep the items in a list"),
    "records": (
        lambda: FRAME.to_records(index=False),
        r"records with the fields load, temp; .*X = pd\.DataFrame\(X\)",
    ),
    "a list of dicts": (lambda: [{"a": 1.0}], r"Item 0 of X is a dict.*pd\.DataFrame"),
    "a groupby": (
        lambda: FRAME.groupby("load"),
        r"X is a DataFrameGroupBy.*X = \[frame for _, frame in X\]",
    ),
    "items of a groupby": (
        lambda: list(FRAME.groupby("load")),
        r"tuple of a float and a DataFrame.*X = \[frame for _, frame in X\]",
    ),
    "a frame of another library": (
        lambda: ArrowLike(),
        r"X is a ArrowLike of .*X = X\.to_pandas\(\)",
    ),
    "repeated names": (
        lambda: pd.concat([FRAME, FRAME[["load"]]], axis=1),
        r"several columns called 'load'; .*~X\.columns\.duplicated\(\)",
    ),
    "a lazy frame": (lazy, r"LazyFrame, .*X = X\.collect\(\)"),
    "a generator": (lambda: (row for row in X2), r"X is a generator.*X = list\(X\)"),
    "an iterator": (lambda: map(np.abs, X2), r"X is a map, .*X = list\(X\)"),
    "a dict": (lambda: {"a": Y}, r"X is a dict with the keys 'a'.*pd\.DataFrame\(X\)"),
    "a nested frame": (
        lambda: pd.DataFrame({"dim_0": [pd.Series(row) for row in X2]}),
        r"Column 'dim_0' holds a Series of 6 values.*np\.column_stack",
    ),
    "tuples with static values": (
        lambda: [(x, x[0]) for x in X3],
        r"Item 0 of X is a tuple of arrays of shapes \(5, 2\), \(2,\); .*np\.tile",
    ),
}
READERS = {
    "fit": lambda X: small().fit(X, Y),
    "predict": lambda X: small().fit(X2, Y).predict(X),
    "window": lambda X: SlidingWindow(3).fit(X),
    "future": lambda X: future_frame(X, 2, time=0),
    "targets": lambda X: make_targets(X, Y, 2),
    "sequences": lambda X: to_sequences(X, groups="a"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", UNREAD)
def test_kinds_of_X_that_are_not_read(kind, reader):
    """The kind is named, with the line that makes data of it."""
    make, message = UNREAD[kind]
    with pytest.raises(InputError, match=message):
        READERS[reader](make())


TARGETS = {
    "a name": ("load", r"y='load' is a name; pass the column itself, X\['load'\]"),
    "a dict": (dict(enumerate(Y)), r"y is a dict of 12 items.*list\(y\.values\(\)\)"),
    "a generator": (map(float, Y), r"y is a map, .*y = list\(y\)"),
    "a number": (3.0, r"y is a single value, 3\.0"),
    "ragged": ([[0, 1], [0]] * 6, r"y holds 2 values in item 0 and 1 in item 1"),
}


@pytest.mark.parametrize("model", [small(), GRUClassifier(2, max_iter=1)])
@pytest.mark.parametrize("case", TARGETS)
def test_kinds_of_y_that_are_not_read(case, model):
    y, message = TARGETS[case]
    with pytest.raises(InputError, match=message):
        model.fit(X3, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (HOURS, r"y holds times \(datetime64.*np\.timedelta64\(1, 'h'\)"),
        (pd.Series(HOURS), r"y holds times"),
        (HOURS - HOURS[0], r"y holds times \(timedelta64.*: y / np\.timedelta64"),
        (HOURS.to_period("h"), r"y holds times \(period.*y\.to_timestamp\(\)"),
    ],
)
@pytest.mark.parametrize("use", [small().fit, lambda X, y: make_targets(FRAME, y, 2)])
def test_times_are_no_target(use, y, message):
    """NumPy would read them as nanoseconds."""
    with pytest.raises(InputError, match=message):
        use(X3, y)


def test_times_are_no_feature():
    """In arrays, items of lists and columns, where NumPy would read nanoseconds."""
    dates = X2.astype("datetime64[s]")
    frame = pd.DataFrame({"a": HOURS, "b": HOURS})
    for X in (dates, [dates] * 12, np.stack([dates, dates], axis=2)):
        with pytest.raises(InputError, match=r"holds times \(datetime64\[s\]\)"):
            small().fit(X, Y)
    with pytest.raises(InputError, match="Column 'a' holds times"):
        small().fit(frame, Y)
    ago = FRAME.assign(ago=HOURS - HOURS[0])
    for fit in (SlidingWindow(3).fit, lambda X: small().fit([X] * 12, Y)):
        with pytest.raises(InputError, match=r"'ago' holds durations.*Timedelta\('1h'"):
            fit(ago)
    ago["ago"] = ago["ago"] / pd.Timedelta("1h")  # the line of the message
    SlidingWindow(3).fit(ago)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (spoiled(Y > 0, np.nan), r"NaN or None in 1 of 12 rows, the first at row 0"),
        (pd.array([None, *(Y > 0)[1:]], dtype="boolean"), r"in 1 of 12 rows"),
        (np.array(["a", 1] * 6, dtype=object), r"texts, such as 'a', and int, such as"),
    ],
)
def test_labels_are_whole(labels, message):
    """A missing label, or labels without an order."""
    with pytest.raises(InputError, match=message):
        GRUClassifier(2, max_iter=1).fit(X3, labels)


def test_infinity_is_located():
    with pytest.raises(InputError, match=r"column 'temp' of row 4\..*X\.replace"):
        SlidingWindow(3).fit(FRAME.assign(temp=spoiled(X2[:, 0], np.inf, at=4)))


def test_weights_are_numbers():
    with pytest.raises(InputError, match=r"sample_weight is not numeric.*one number"):
        small().fit(X3, Y, sample_weight=["a"] * 12)


def test_the_line_for_nested_frames_works():
    nested = pd.DataFrame({k: [pd.Series(x[:, k]) for x in X3] for k in range(2)})
    X = [np.column_stack(list(row)) for row in nested.to_numpy()]
    np.testing.assert_array_equal(
        small().fit(X, Y).predict(X), small().fit(X3, Y).predict(X3)
    )


def test_the_line_for_tuples_works():
    """Static values become features that stay the same at every step."""
    pairs = [(x, row[:3]) for x, row in zip(X3, X2, strict=True)]
    X = [
        np.hstack([steps, np.tile(static, (len(steps), 1))]) for steps, static in pairs
    ]
    assert small().fit(X, Y).n_features_in_ == 5


def test_sequences_with_a_table_beside_them():
    table = X2[:, :3]
    with pytest.raises(InputError, match=r"shape \(12, 5, 2\) and a table of shape"):
        small().fit((X3, table), Y)
    repeated = np.repeat(table[:, None], X3.shape[1], axis=1)
    X = np.concatenate([X3, repeated], axis=2)  # the line of the message
    assert small().fit(X, Y).n_features_in_ == 5


def test_several_labels_per_sequence():
    labels = (X2[:, :3] > 0).astype(int)
    model = GRUClassifier(2, max_iter=1, random_state=0)
    with pytest.raises(
        InputError, match=r"y has shape \(12, 3\).*MultiOutputClassifier"
    ):
        model.fit(X3, labels)
    assert MultiOutputClassifier(model).fit(X3, labels).predict(X3).shape == (12, 3)


@pytest.mark.parametrize(
    "read", [SlidingWindow(3).fit, lambda X: small().fit([X], Y[:1])]
)
def test_all_columns_of_text_are_named(read):
    frame = FRAME.assign(state="on", kind="b")
    with pytest.raises(
        InputError, match=r"'state' \('on'\), 'kind' \('b'\)\. Name them"
    ):
        read(frame)
    with pytest.raises(InputError, match=r"Column 'kind' .*'b'\. Name it"):
        read(frame.drop(columns="state"))


def test_rows_of_features_are_not_series():
    """Columns of other names are features; numbered ones are steps."""
    frame = FRAME.reset_index(drop=True)
    for X in (frame, frame[["load"]]):
        with pytest.warns(
            LayoutWarning, match=r"columns 'load'.*SlidingWindow.*to_numpy"
        ):
            small().fit(X, Y)
    for names in (
        range(6),
        [f"t{k}" for k in range(6)],
        pd.date_range("2024", periods=6),
    ):
        small().fit(pd.DataFrame(X2, columns=names), Y)
    small(features_per_step=2).fit(frame, Y)


def test_smooth_features_are_probably_steps():
    """Twice as many features as steps: by how alike neighbors are."""
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(12, 6, 20)).cumsum(axis=2) + 9 * rng.normal(
        size=(1, 6, 1)
    )
    with pytest.warns(LayoutWarning, match=r"6 steps of 20 features.*swapaxes"):
        small().fit(smooth, Y)
    small().fit(smooth.swapaxes(1, 2), Y)
    small().fit(rng.normal(size=(12, 6, 20)), Y)
    with pytest.warns(LayoutWarning, match="swapaxes"):
        small().fit(rng.normal(size=(12, 6, 40)), Y)


TABLE = np.array([[k, "xyz"[k % 3], 2.0 * k, "y"] for k in range(12)], dtype=object)
SEEN = r"texts in the columns 1 \(b?'x'\), 3 \(b?'y'\); expected numbers"


@pytest.mark.parametrize("rows", [TABLE, TABLE.tolist(), TABLE.astype("S")])
def test_texts_in_an_array_are_named_by_position(rows):
    """All columns at once, with what mends it; texts of numbers are numbers."""
    remedy = r"SlidingWindow\(.*categorical_features=\[1, 3\]\)"
    with pytest.raises(InputError, match=f"{SEEN}.*{remedy}"):
        SlidingWindow(3, lag=1).fit(rows)
    with pytest.raises(InputError, match=rf"{SEEN}.*{remedy}.*=\[0\]"):
        small().fit(rows, Y)
    numeric = SlidingWindow(3, lag=1).fit(np.ones((12, 4)))
    with pytest.raises(InputError, match=SEEN):
        numeric.transform(rows)
    digits = np.array([["1", "2.5"]] * 12, dtype=object)
    assert SlidingWindow(3, lag=1).fit_transform(digits).shape == (12, 3, 2)


def test_the_lines_for_texts_work():
    """Those that the errors above name."""
    window = SlidingWindow(3, lag=1, categorical_features=[1, 3])
    model = make_pipeline(window, small()).fit(pd.DataFrame(TABLE), Y)
    assert np.isfinite(model.predict(pd.DataFrame(TABLE))).all()
    tokens = np.full((12, 5), "a")
    assert small(categorical_features=[0]).fit(tokens, Y).predict(tokens).shape == (12,)
    steps = np.full((12, 5, 2), "a")
    assert small(categorical_features=[0, 1]).fit(steps, Y).predict(steps).shape == (
        12,
    )


@pytest.mark.parametrize("n", [12, 400, 120_000])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_found_beside_missing_values(n, value):
    """In few values, in some, and in so many that scikit-learn looks for it."""
    X = np.zeros((n, 5, 2))
    X[3, 1, 0] = np.nan
    X[-2, 4, 1] = value
    with pytest.raises(ValueError, match="Input X contains infinity"):
        small().fit(X, np.zeros(n))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "Float64"])
def test_a_series_is_the_same_target_as_its_array(dtype):
    """Of any dtype, and a missing value in it is an error."""
    y = pd.Series(np.arange(12.0), index=HOURS).astype(dtype)
    expected = small().fit(X3, y.to_numpy(float)).predict(X3)
    np.testing.assert_array_equal(small().fit(X3, y).predict(X3), expected)
    if dtype != "int64":
        y.iloc[4] = None
        with pytest.raises(ValueError, match="NaN"):
            small().fit(X3, y)
