"""Elapsed time as a feature of ``to_sequences``, against a loop over rows."""

import numpy as np
import pandas as pd
import pytest

from sklearn_gru import GRUClassifier, to_sequences
from sklearn_gru.exceptions import InputError, InvalidParameterError, TimeIndexError


def events(seed, kind):
    """Irregular rows of several groups, some without any value, in random order."""
    rng = np.random.default_rng(seed)
    n = 60
    hours = rng.choice(1000, size=n, replace=False)
    time = {
        "datetime": pd.Timestamp("2024-03-30", tz="Europe/Berlin")
        + pd.to_timedelta(hours, unit="h"),
        "integer": hours,
        "number": hours / 4,
    }[kind]
    frame = pd.DataFrame({"who": rng.integers(0, 7, n), "when": time})
    frame["a"], frame["b"] = rng.normal(size=(2, n))
    frame.loc[rng.random(n) < 0.3, ["a", "b"]] = np.nan
    frame.loc[rng.random(n) < 0.2, "a"] = np.nan
    return frame


def slow(frame):
    """Both columns from the definition, row by row."""
    rows = []
    for _, part in frame.sort_values("when").groupby("who"):
        when = part["when"].tolist()
        seen = when[0]
        for k, row in enumerate(part.itertuples()):
            rows.append((when[k] - seen, when[k] - when[0]))
            if not (np.isnan(row.a) and np.isnan(row.b)):
                seen = when[k]
    rows = pd.DataFrame(rows)
    if isinstance(rows.iloc[0, 0], pd.Timedelta):
        rows = rows.map(lambda gap: gap / pd.Timedelta("1h"))
    return rows.to_numpy(float)


@pytest.mark.parametrize("kind", ["datetime", "integer", "number"])
@pytest.mark.parametrize("seed", range(5))
def test_elapsed_is_that_of_the_definition(kind, seed):
    """Since the last row with a value, and since the first row of the group."""
    frame = events(seed, kind)
    s = to_sequences(frame, "who", "when", add_elapsed="since_start")
    assert s.feature_names == ("a", "b", "elapsed", "since_start")
    np.testing.assert_allclose(s.values[:, 2:], slow(frame))
    one = to_sequences(frame, "who", "when", add_elapsed=True)
    np.testing.assert_array_equal(one.values, s.values[:, :3])
    np.testing.assert_array_equal(one.groups, s.groups)


def test_a_hole_whose_length_matters_is_learned():
    """Without the column the two classes hold the same rows."""
    rng = np.random.default_rng(0)
    n = 400
    late = rng.integers(0, 2, n)
    step = np.tile(np.arange(6), (n, 1)) + 6 * (late[:, None] * (np.arange(6) > 2))
    frame = pd.DataFrame(
        {"who": np.repeat(np.arange(n), 6), "when": step.ravel()}
    ).assign(v=rng.normal(size=6 * n))
    accuracy = {}
    for add_elapsed in (False, True):
        X = to_sequences(frame, "who", "when", add_elapsed=add_elapsed)
        model = GRUClassifier(8, max_iter=30, random_state=0).fit(X[:300], late[:300])
        accuracy[add_elapsed] = model.score(X[300:], late[300:])
    assert accuracy[False] < 0.65
    assert accuracy[True] == 1


def test_categories_and_float32_stay():
    """The column is numeric and has the dtype of the others."""
    frame = events(0, "integer").astype({"a": "float32", "b": "float32"})
    assert to_sequences(frame, "who", "when", add_elapsed=True).dtype == np.float32
    frame["ward"] = pd.Categorical(["x", "y"] * 30)
    s = to_sequences(frame, "who", "when", add_elapsed=True)
    assert [c is None for c in s.categories] == [True, True, False, True]


def test_bad_input_is_named():
    """What was seen, what was expected."""
    frame = events(0, "integer")
    with pytest.raises(InputError, match="already has a column 'elapsed'"):
        to_sequences(frame.assign(elapsed=1.0), "who", "when", add_elapsed=True)
    with pytest.raises(TimeIndexError, match="add_elapsed needs a time"):
        to_sequences(
            frame.drop(columns="when").set_index(np.array(["r"] * 60)),
            "who",
            add_elapsed=True,
        )
    with pytest.raises(InvalidParameterError, match="add_elapsed='yes'"):
        to_sequences(frame, "who", "when", add_elapsed="yes")
