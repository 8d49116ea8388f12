"""Sequences: an array by behaviour, a description of rows by content."""

import copy
import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.utils import resample

from sklearn_gru import Sequences

NAN = np.nan
deterministic = settings(
    derandomize=True, max_examples=40, deadline=None, database=None
)


def loop_dense(s):
    """The dense array from the definition: absent steps are NaN in front."""
    dense = np.full((len(s.starts), s.n_steps, s.values.shape[1]), NAN, s.values.dtype)
    for k, (start, length) in enumerate(zip(s.starts, s.lengths, strict=True)):
        for step in range(length):
            dense[k, s.n_steps - length + step] = s.values[start + step]
    return dense


def equal(a, b):
    """Same shape, type and cells, NaN equal to NaN."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b, strict=True)


def rows(n, n_features=2, dtype=np.float64):
    """Rows of which no two cells are equal."""
    return np.arange(n * n_features, dtype=dtype).reshape(n, n_features) + 0.5


def ragged(dtype=np.float64):
    """Seven overlapping sequences of 0 to 5 steps with everything that is carried."""
    return Sequences(
        rows(12, 3, dtype),
        starts=[0, 3, 3, 11, 12, 2, 5],
        lengths=[2, 5, 1, 1, 0, 4, 5],
        n_steps=6,
        feature_names=("a", "b", "c"),
        categories=(None, np.array(["x", "y"]), None),
        order=np.array([3, 1, 1, 7, 0, 2, 9]),
        groups=np.array(list("ppqqrst")),
    )


@st.composite
def random_sequences(draw, max_rows=15, max_sequences=8):
    """Any rows, some cells and some whole rows NaN; any starts and lengths."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n = draw(st.integers(1, max_rows))
    values = rng.normal(size=(n, draw(st.integers(1, 3))))
    values[rng.random(values.shape) < 0.2] = NAN
    values[rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.9]))] = NAN
    starts = np.array(draw(st.lists(st.integers(0, n), max_size=max_sequences)), int)
    lengths = np.array([draw(st.integers(0, n - s)) for s in starts], int)
    extra = draw(st.integers(0, 2))
    return Sequences(
        values.astype(draw(st.sampled_from([np.float32, np.float64]))),
        starts,
        lengths,
        n_steps=int(lengths.max(initial=0)) + extra,
        order=np.arange(len(starts)),
        groups=np.arange(len(starts)) % 3,
    )


# -- the array it stands for ---------------------------------------------------------------


@given(random_sequences())
@deterministic
def test_dense_array_equals_the_loop(s):
    """np.asarray gives the last steps last and NaN in front, in the dtype of the rows."""
    equal(s, loop_dense(s))
    assert s.shape == loop_dense(s).shape
    assert len(s) == len(s.starts)


def test_dense_array_by_hand():
    """One case written out: width 3, lengths 1, 3 and 0."""
    s = Sequences([[1.0], [2.0], [3.0]], [2, 0, 1], [1, 3, 0])
    by_hand = [[NAN, NAN, 3], [1, 2, 3], [NAN, NAN, NAN]]
    equal(s, np.array(by_hand)[:, :, None])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_looks_like_an_array(dtype):
    """shape, ndim, dtype, len and iteration are those of the dense array."""
    s = ragged(dtype)
    dense = np.asarray(s)
    assert (s.shape, s.ndim, s.dtype, len(s)) == ((7, 6, 3), 3, np.dtype(dtype), 7)
    assert (dense.shape, dense.dtype) == (s.shape, s.dtype)
    for mine, theirs in zip(s, dense, strict=True):
        equal(mine, theirs)
    assert s.nbytes >= s.values.nbytes


def test_conversion_to_an_array():
    """A dtype is obeyed, the array is the caller's own, no copy is refused."""
    s = ragged()
    assert np.asarray(s, dtype=np.float32).dtype == np.float32
    dense = np.array(s)
    dense[:] = 0
    equal(s, loop_dense(s))
    with pytest.raises(ValueError, match="always a copy"):
        np.array(s, copy=False)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.bool_, np.float16, ">f8"])
def test_other_types_become_float64(dtype):
    """Rows are float32 or float64; every other number becomes float64."""
    s = Sequences(np.ones((4, 2), dtype=dtype), [0], [4])
    assert s.dtype == np.float64
    equal(s, np.ones((1, 4, 2)))


def test_repr():
    """Short, and says how many, how long, how wide, of what and over how much."""
    text = "Sequences({} sequences of {} steps, {} features, {}, over {} rows)"
    assert repr(ragged(np.float32)) == text.format(7, "0 to 6", 3, "float32", 12)
    equal_length = Sequences.from_array(np.zeros((3, 4, 1)))
    assert repr(equal_length) == text.format(3, "4", 1, "float64", 12)
    assert "0 sequences" in repr(ragged()[:0])


@pytest.mark.parametrize(
    ("values", "starts", "lengths", "more"),
    [
        pytest.param(rows(4)[:, 0], [0], [1], {}, id="1-D rows"),
        pytest.param(rows(4)[None], [0], [1], {}, id="3-D rows"),
        pytest.param(rows(4), [0, 1], [1], {}, id="one length too few"),
        pytest.param(rows(4), [[0]], [[1]], {}, id="2-D starts"),
        pytest.param(rows(4), [-1], [1], {}, id="before the first row"),
        pytest.param(rows(4), [3], [2], {}, id="past the last row"),
        pytest.param(rows(4), [5], [0], {}, id="empty, past the end"),
        pytest.param(rows(4), [2], [-1], {}, id="negative length"),
        pytest.param(rows(4), [0], [3], {"n_steps": 2}, id="wider than declared"),
        pytest.param([["a"]], [0], [1], {}, id="text"),
        pytest.param(rows(4), [0], [1], {"feature_names": ("a",)}, id="names"),
        pytest.param(rows(4), [0], [1], {"categories": (None,)}, id="categories"),
        pytest.param(rows(4), [0], [1], {"order": np.arange(2)}, id="order"),
        pytest.param(rows(4), [0], [1], {"groups": np.arange(2)}, id="groups"),
    ],
)
def test_bad_construction(values, starts, lengths, more):
    """What does not fit together is refused where it is made."""
    with pytest.raises(ValueError):
        Sequences(values, starts, lengths, **more)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Sequences)])
def test_frozen(field):
    """No field can be assigned or deleted."""
    s = ragged()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(s, field, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(s, field)


def test_values_are_read_only():
    """The rows cannot be written through it; the caller's own array still can."""
    mine = rows(4)
    s = Sequences(mine, [0, 1], [4, 3])
    assert np.shares_memory(s.values, mine)
    for values in (s.values, s[1:].values, pickle.loads(pickle.dumps(s)).values):
        with pytest.raises(ValueError, match="read-only"):
            values[0, 0] = 1
    mine[0, 0] = 1


# -- taking over arrays --------------------------------------------------------------------

BASE = rows(40 * 6, 3).reshape(40, 6, 3)
LONG = rows(60, 3)


def windows(width, base=LONG):
    """Overlapping windows as numpy gives them, time in the middle."""
    return sliding_window_view(base, width, axis=0).swapaxes(1, 2)


SHARED = {
    "C order": BASE,
    "C order, float32": BASE.astype(np.float32),
    "first sequences": BASE[:10],
    "every second sequence": BASE[::2],
    "last steps": BASE[:, 2:],
    "some columns": BASE[:, :, 1:],
    "one column": BASE[:, :, 1:2],
    "windows": windows(8),
    "windows, every third": windows(8)[::3],
    "windows side by side": windows(8)[::8],
    "windows of one column": windows(8, LONG[:, :1]),
    "windows, some columns": windows(8)[:, :, :2],
    "windows, last steps": windows(8)[:, 3:],
    "n=1": BASE[:1],
    "n=1 from inside": BASE[7:8],
    "T=1": rows(9, 3).reshape(9, 1, 3),
    "F=1": rows(30, 1).reshape(5, 6, 1),
    "the same sequence again and again": np.broadcast_to(BASE[0], (5, 6, 3)),
}
COPIED = {
    "F order": np.asfortranarray(BASE),
    "channel-major, turned": rows(4 * 12, 1).reshape(4, 3, 4).swapaxes(1, 2),
    "time first, turned": BASE.swapaxes(0, 1),
    "sequences backwards": BASE[::-1],
    "steps backwards": BASE[:, ::-1],
    "columns backwards": BASE[:, :, ::-1],
    "every second column": rows(48, 4).reshape(8, 6, 4)[:, :, ::2],
    "thinned": rows(6000, 3).reshape(1000, 6, 3)[::100],
    "thinned windows": windows(2)[::20],
    "one step repeated": np.broadcast_to(BASE[:, :1], (40, 6, 3)),
    "one cell repeated": np.broadcast_to(BASE[:, :, :1], (40, 6, 3)),
}
EITHER = {
    "all ones": BASE[:1, :1, :1],
    "n=1, F order": np.asfortranarray(BASE[:1]),
    "n=1, steps backwards": BASE[:1, ::-1],
    "n=1, broadcast twice": np.broadcast_to(BASE[0, 0], (1, 6, 3)),
    "T=1 inside": BASE[:, 2:3],
    "T=1 thinned": BASE[::10, 2:3],
    "T=1 backwards": BASE[::-1, 2:3],
    "T=1 broadcast": np.broadcast_to(BASE[0, :1], (7, 1, 3)),
    "n=1, T=1": BASE[3:4, 5:6],
    "F=1, F order": np.asfortranarray(BASE[:, :, :1]),
    "F=1, turned": rows(20, 1).reshape(4, 1, 5).swapaxes(1, 2),
    "F=1, steps backwards": BASE[:, ::-1, 2:],
    "every second step": BASE[:, ::2],
    "every fourth step of an odd number": rows(70, 2).reshape(10, 7, 2)[:, ::4],
    "no sequence": BASE[:0],
    "no step": BASE[:, :0],
    "no feature": BASE[:, :, :0],
    "integers": np.arange(24).reshape(2, 4, 3),
    "integer windows": sliding_window_view(np.arange(20), 4)[:, :, None],
    "half precision, turned": BASE.astype(np.float16).swapaxes(1, 2),
    "other byte order": BASE.astype(">f8"),
    "unaligned": np.zeros((3, 2), np.dtype("u1,f8"))["f1"][:, :, None],
}


@pytest.mark.parametrize("name", [*SHARED, *COPIED, *EITHER])
def test_from_array_keeps_the_content(name):
    """Whatever the strides, the dense array is the one that was given."""
    array = {**SHARED, **COPIED, **EITHER}[name]
    s = Sequences.from_array(array)
    floats = array if s.dtype == array.dtype else array.astype(np.float64)
    assert s.shape == array.shape
    equal(s, floats)
    np.testing.assert_array_equal(s.lengths, array.shape[1])


@pytest.mark.parametrize("name", SHARED)
def test_from_array_takes_over_without_a_copy(name):
    """C order and sliding windows are rows at a fixed stride: the memory is shared."""
    array = SHARED[name]
    values = Sequences.from_array(array).values
    assert np.shares_memory(values, array)
    assert not values.flags.writeable


@pytest.mark.parametrize("name", COPIED)
def test_from_array_copies_other_strides(name):
    """Other strides are copied, and the copy holds no more than the array."""
    array = COPIED[name]
    values = Sequences.from_array(array).values
    assert not np.shares_memory(values, array)
    assert values.size == array.size


def test_windows_have_an_order():
    """Overlapping windows are in row order, and say so; separate sequences are not."""
    np.testing.assert_array_equal(Sequences.from_array(windows(8)).order, range(53))
    assert Sequences.from_array(BASE).order is None
    given = Sequences.from_array(windows(8), order=np.arange(53)[::-1])
    np.testing.assert_array_equal(given.order, np.arange(53)[::-1])


def test_windows_cost_their_rows():
    """A view of 1000 steps a window is held as its rows alone."""
    base = rows(5000, 1)
    s = Sequences.from_array(windows(1000, base))
    assert s.values.nbytes == base.nbytes
    assert s.shape == (4001, 1000, 1)


@given(data=st.data())
@deterministic
def test_from_array_of_any_slice(data):
    """Any slicing, turning and stepping of a 3-D array keeps the content."""
    array = rows(6 * 5 * 2, 4).reshape(6, 5, 8)
    if data.draw(st.booleans()):
        array = windows(5, rows(12, 8))
    array = array.transpose(data.draw(st.permutations([0, 1, 2])))
    array = array[tuple(data.draw(st.slices(size)) for size in array.shape)]
    equal(Sequences.from_array(array), array)


# -- selection -----------------------------------------------------------------------------

ROW_KEYS = {
    "slice": slice(1, 5),
    "slice with a step": slice(None, None, 2),
    "slice backwards": slice(None, None, -1),
    "slice past the end": slice(5, 100),
    "empty slice": slice(3, 3),
    "all": slice(None),
    "ellipsis": Ellipsis,
    "nothing": (),
    "mask": np.array([True, False, True, True, False, False, True]),
    "mask as a list": [True, False, True, True, False, False, True],
    "empty mask": np.zeros(7, dtype=bool),
    "index": np.array([4, 0, 6]),
    "index, repeated": np.array([2, 2, 2, 1]),
    "index, negative": np.array([-1, 0, -7]),
    "index, unsigned": np.array([1, 3], dtype=np.uint8),
    "index as a list": [5, 1],
    "empty index": [],
    "Series": pd.Series([6, 0]),
    "slice and ellipsis": (slice(2, 6), Ellipsis),
    "index and slices": (np.array([3, 1]), slice(None), slice(None)),
    "mask and a slice": (np.arange(7) > 3, slice(None)),
}
CELL_KEYS = {
    "one": 2,
    "one, numpy": np.int64(1),
    "one, negative": -1,
    "one, ellipsis": (3, Ellipsis),
    "one, last steps": (1, slice(-2, None)),
    "one step": (slice(None), -1),
    "one feature": (slice(None), slice(None), 0),
    "one feature by ellipsis": (slice(None), Ellipsis, 1),
    "one cell": (1, 5, 2),
    "steps": (slice(1, 4), slice(-3, None)),
    "steps and features": (slice(0, 3), slice(2, 5), [2, 0]),
    "index, then steps": (np.array([6, 1]), slice(3, None)),
    "index, then feature": (np.array([6, 1]), slice(None), 1),
    "mask, then steps": (np.arange(7) % 2 == 0, slice(None, None, 2)),
    "rows, then indexed features": (slice(None), slice(None), np.array([1, 0])),
    "index, then one step": ([1, 6], 4),
    "index, then one feature": ([1, 6], slice(None), 2),
    "one, then pairs": (2, [0, 5], [1, 2]),
    "one, ellipsis, feature": (5, Ellipsis, 1),
    "rows, then a mask of steps": (slice(2, 4), np.arange(6) > 3),
    "rows, new axis": (slice(2, 4), None),
    "ellipsis, then feature": (Ellipsis, 0),
    "ellipsis, then step and feature": (Ellipsis, -1, 2),
    "pairs of row and step": ([1, 6], [4, 5]),
    "pairs of row and feature": (np.array([1, 6]), slice(None), np.array([0, 2])),
}


@pytest.mark.parametrize("name", ROW_KEYS)
def test_selecting_rows(name):
    """A selection of sequences equals numpy's and is a description over the same rows."""
    s, key = ragged(), ROW_KEYS[name]
    selected = s[key]
    assert isinstance(selected, Sequences)
    assert selected.values is s.values
    assert selected.n_steps == s.n_steps
    equal(selected, np.asarray(s)[key])


@pytest.mark.parametrize("name", ROW_KEYS)
def test_selection_keeps_what_it_carries(name):
    """Names and categories stay; order and groups are selected like the sequences."""
    s, key = ragged(), ROW_KEYS[name]
    selected = s[key]
    assert selected.feature_names == s.feature_names
    assert selected.categories is s.categories
    alone = key[0] if isinstance(key, tuple) and key else key
    np.testing.assert_array_equal(selected.order, s.order[alone])
    np.testing.assert_array_equal(selected.groups, s.groups[alone])


@pytest.mark.parametrize("name", CELL_KEYS)
def test_selecting_steps_and_features(name):
    """Where steps or features are selected too, the result is numpy's array."""
    s, key = ragged(), CELL_KEYS[name]
    equal(s[key], np.asarray(s)[key])


@pytest.mark.parametrize(
    "key", [7, -8, [7], slice(0, 1, 0), np.ones(6, bool), (0, 6), (0, 0, 0, 0), "a"]
)
def test_selecting_what_is_not_there(key):
    """What numpy refuses is refused."""
    s = ragged()
    with pytest.raises((IndexError, ValueError)) as theirs:
        np.asarray(s)[key]
    with pytest.raises(theirs.type):
        s[key]


@given(random_sequences(), st.data())
@deterministic
def test_selecting_from_any_sequences(s, data):
    """Slices, masks and indices of selections equal numpy's, whatever came before."""
    dense = loop_dense(s)
    for _ in range(3):
        n = len(dense)
        key = data.draw(
            st.one_of(
                st.slices(n),
                st.lists(st.booleans(), min_size=n, max_size=n).map(
                    lambda mask: np.array(mask, dtype=bool)
                ),
                st.lists(st.integers(-n, n - 1), max_size=6) if n else st.just([]),
            )
        )
        selected = s[key]
        dense = dense[np.array(key, int) if isinstance(key, list) else key]
        assert selected.values is s.values
        equal(selected, dense)
        s = selected


@pytest.mark.parametrize(
    "groups",
    [list("abc"), ("a", "b", "c"), pd.Index(list("abc")), np.array(list("abc"))],
    ids=lambda g: type(g).__name__,
)
def test_groups_of_any_kind_are_selected(groups):
    """Groups and order may be lists: they are selected as arrays are."""
    s = Sequences(rows(3), [0, 1, 2], [1, 1, 1], order=[0, 7, 4], groups=groups)
    for key in (slice(1, None), np.array([1, 2]), np.array([False, True, True])):
        assert list(s[key].groups) == ["b", "c"]
        assert list(s[key].order) == [7, 4]


# -- pickling ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [slice(None), [5, 1], slice(4, 5), slice(0, 0)])
@pytest.mark.parametrize(
    "copier",
    [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy],
    ids=["pickle", "deepcopy"],
)
def test_pickle_gives_all_of_it_back(key, copier):
    """Content, width, dtype, names, categories, order and groups come back."""
    s = ragged(np.float32)[key]
    back = copier(s)
    equal(back, s)
    assert (back.shape, back.dtype, back.n_steps) == (s.shape, s.dtype, s.n_steps)
    assert back.feature_names == s.feature_names
    np.testing.assert_array_equal(back.categories[1], s.categories[1])
    np.testing.assert_array_equal(back.order, s.order)
    np.testing.assert_array_equal(back.groups, s.groups)
    equal(back[::-1], np.asarray(s)[::-1])


@given(random_sequences())
@deterministic
def test_pickle_of_any_sequences(s):
    """Leaving out rows that no sequence uses moves no cell."""
    back = pickle.loads(pickle.dumps(s))
    equal(back, s)
    assert len(back.values) == np.count_nonzero(s.coverage())


def test_pickle_ships_only_the_rows_needed():
    """Few sequences of many cost their own rows; windows cost theirs once."""
    s = Sequences.from_array(windows(50, rows(20_000, 4)))
    few = s[[10, 12_000, 12_001]]
    needed = (50 + 51) * 4 * 8
    assert len(pickle.dumps(few)) < needed + 2000
    assert len(pickle.dumps(few)) > needed
    every = 20_000 * 4 * 8 + 3 * 8 * len(s)  # rows; starts, lengths and order
    assert len(pickle.dumps(s)) < every + 2000


# -- what the layers above need ------------------------------------------------------------


def loop_coverage(s, weights):
    """How much weight each row has, sequence by sequence and step by step."""
    coverage = np.zeros(len(s.values))
    for start, length, weight in zip(s.starts, s.lengths, weights, strict=True):
        for row in range(start, start + length):
            coverage[row] += weight
    return coverage


@given(random_sequences(), st.integers(0, 1000))
@deterministic
def test_coverage(s, seed):
    """Counts and weights of rows equal those of a loop; unused rows have exactly 0."""
    count = s.coverage()
    np.testing.assert_array_equal(count, loop_coverage(s, np.ones(len(s))))
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 3, size=len(s)) * rng.random(len(s))
    weighted = s.coverage(weights)
    np.testing.assert_allclose(weighted, loop_coverage(s, weights), atol=1e-12)
    assert (weighted[count == 0] == 0).all()


@pytest.mark.parametrize(
    ("starts", "lengths", "n_kept"),
    [
        ([0, 2, 4], [3, 3, 2], 6),  # overlapping, touching: all rows
        ([0, 3], [3, 3], 6),
        ([3, 0], [3, 3], 6),  # in another order
        ([0, 4], [3, 2], 5),  # a row between them
        ([0, 5, 2], [1, 1, 2], 4),  # the ends are in use, the rows between are not
        ([1], [5], 5),
        ([0], [5], 5),
        ([0, 0], [6, 0], 6),
        ([0], [0], 0),
    ],
)
def test_rows_that_no_sequence_uses_are_dropped(starts, lengths, n_kept):
    s = Sequences(np.arange(12.0).reshape(6, 2), starts, lengths)
    packed = s.without_gaps()
    assert len(packed.values) == n_kept
    np.testing.assert_array_equal(np.asarray(packed), np.asarray(s))


@pytest.mark.parametrize("n_steps", [3, 3000])  # few values, and many
def test_a_step_without_values_is_found_in_few_and_in_many_rows(n_steps):
    values = np.ones((1, n_steps, 2))
    s = Sequences.from_array(values)
    assert s.without_gaps() is s
    values[0, 1] = NAN
    assert Sequences.from_array(values).without_gaps().lengths == n_steps - 1


@given(random_sequences())
@deterministic
def test_without_gaps(s):
    """Each sequence keeps its observed steps in order, wherever the others stood."""
    packed = s.without_gaps()
    assert len(packed) == len(s)
    assert packed.n_steps == s.n_steps
    for k in range(len(s)):
        steps = s.values[s.starts[k] : s.starts[k] + s.lengths[k]]
        observed = steps[~np.isnan(steps).all(axis=1)]
        at = packed.starts[k]
        equal(packed.values[at : at + packed.lengths[k]], observed)
    assert packed.observed_rows().all()
    assert (packed.coverage() > 0).all()
    np.testing.assert_array_equal(packed.order, s.order)
    np.testing.assert_array_equal(packed.groups, s.groups)


@given(random_sequences())
@deterministic
def test_without_outer_gaps(s):
    """From the first to the last observed step; gaps between keep their place."""
    cut = s.without_gaps(interior=False)
    assert cut.n_steps == s.n_steps
    for k in range(len(s)):
        steps = s.values[s.starts[k] : s.starts[k] + s.lengths[k]]
        observed = np.flatnonzero(~np.isnan(steps).all(axis=1))
        if len(observed):
            steps = steps[observed[0] : observed[-1] + 1]
        else:
            steps = steps[:0]
        at = cut.starts[k]
        equal(cut.values[at : at + cut.lengths[k]], steps)
    assert (cut.coverage() > 0).all()
    np.testing.assert_array_equal(cut.order, s.order)
    np.testing.assert_array_equal(cut.groups, s.groups)


@given(random_sequences())
@deterministic
def test_without_leading_gaps(s):
    """Each sequence starts at its first observed step; its end and the rows stay."""
    cut = s.without_leading_gaps()
    assert cut.values is s.values
    np.testing.assert_array_equal(cut.starts + cut.lengths, s.starts + s.lengths)
    for k in range(len(s)):
        steps = s.values[s.starts[k] : s.starts[k] + s.lengths[k]]
        gaps = 0
        while gaps < len(steps) and np.isnan(steps[gaps]).all():
            gaps += 1
        assert cut.lengths[k] == len(steps) - gaps
    np.testing.assert_array_equal(cut.groups, s.groups)


def test_observed_rows():
    """A row is observed if any of its cells is."""
    s = Sequences([[NAN, NAN], [NAN, 1], [2, 3]], [0], [3])
    np.testing.assert_array_equal(s.observed_rows(), [False, True, True])


# -- scikit-learn's tools ------------------------------------------------------------------


class LastValue(RegressorMixin, BaseEstimator):
    """Predicts the newest cell, and insists on being given a description."""

    def __init__(self, n_rows=None):
        self.n_rows = n_rows

    def fit(self, X, y):
        """Look at the type."""
        self._check(X)
        self.bias_ = np.mean(y)
        return self

    def predict(self, X):
        """The newest cell of each sequence, and the mean of y."""
        self._check(X)
        return np.asarray(X)[:, -1, 0] + self.bias_

    def _check(self, X):
        if self.n_rows is not None:
            assert isinstance(X, Sequences)
            assert len(X.values) == self.n_rows


def test_train_test_split():
    """Both parts are descriptions over the same rows, aligned with y."""
    s = Sequences.from_array(windows(8))
    y = np.arange(len(s))
    train, test, y_train, y_test = train_test_split(s, y, random_state=0)
    for part, index in ((train, y_train), (test, y_test)):
        assert part.values is s.values
        equal(part, np.asarray(s)[index])
        np.testing.assert_array_equal(part.order, index)
    assert sorted([*y_train, *y_test]) == list(y)


def test_resample():
    """A bootstrap repeats descriptions, not rows."""
    s = Sequences.from_array(windows(8))
    drawn, index = resample(s, np.arange(len(s)), random_state=0)
    assert drawn.values is s.values
    assert len(np.unique(index)) < len(index) == len(s)
    equal(drawn, np.asarray(s)[index])


def test_cross_val_score():
    """Folds are descriptions over all rows, with the scores of the dense array."""
    rng = np.random.default_rng(0)
    series = rng.normal(size=(60, 3))
    s = Sequences.from_array(windows(8, series))
    y = series[7:, 0] + rng.normal(size=len(s))
    mine = cross_val_score(LastValue(n_rows=60), s, y, cv=4, error_score="raise")
    theirs = cross_val_score(LastValue(), np.asarray(s), y, cv=4)
    np.testing.assert_array_equal(mine, theirs)
    assert len(np.unique(mine)) == 4
