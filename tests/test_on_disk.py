"""Rows in a file: they stay there, and give the same bits as rows in memory."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, Sequences, SlidingWindow
from sklearn_gru._encoding.consecutive import ConsecutiveSequences, sequences_of
from sklearn_gru._engines import ridge
from sklearn_gru._estimators import fitted
from sklearn_gru._model import linear, streamed
from sklearn_gru._support.on_disk import Place, is_on_disk
from sklearn_gru.text import GRUTranscriber

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_gru.exceptions.LostHistoryWarning"
)


def walks(n=2500, n_features=3, *, missing=False, dtype=np.float32):
    """Rows of slow random walks, and a target that a window of them tells."""
    rng = np.random.default_rng(0)
    rows = np.cumsum(rng.normal(size=(n, n_features)), axis=0) * 0.05
    y = rows[:, 0] + np.roll(rows[:, 1], 1)
    if missing:
        rows[rng.random(rows.shape) < 0.02] = np.nan
        rows[100:103] = np.nan
    return rows.astype(dtype), y.astype(dtype)


@pytest.fixture
def in_file(tmp_path):
    """A function that puts an array into a file, and gives it back mapped."""

    def put(array, name="rows.npy"):
        np.save(tmp_path / name, array)
        return np.load(tmp_path / name, mmap_mode="r")

    return put


def ruled(values, n, end, window):
    """Windows by the rule, and the same with arrays."""
    short = ConsecutiveSequences(values, n, end, window)
    described = short.starts, short.lengths
    return short, Sequences(values, *described, n_steps=window, order=short.order)


def same(a, b):
    assert len(a) == len(b)
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    np.testing.assert_array_equal(a.order, b.order)


CASES = [
    (7, 1, 3),
    (7, -5, 3),
    (50, 0, 1),
    (50, -3, 70),
    (7, 40, 10),
    (0, 1, 4),
    (50, 1, 3),
]


@pytest.mark.parametrize("case", CASES)
def test_a_rule_is_its_arrays(case):
    """Windows by a rule do everything that windows with starts and lengths do."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 2))
    values[[0, 1, 20, 21]] = np.nan
    short, long = ruled(values, *case)
    weights = rng.random(len(long))
    some = rng.random(len(long)) < 0.5
    same(short, long)
    assert short._fills_rows() == long._fills_rows()
    same(short[2:5], long[2:5])
    same(short[some], long[some])
    same(short[::3], long[::3])
    same(short[::-1], long[::-1])
    if len(long):
        picked = rng.integers(-len(long), len(long), size=9)
        same(short[picked], long[picked])
        with pytest.raises(IndexError):
            short[[0, len(long)]]
    same(short.within(), long.within())
    same(short.without_gaps(), long.without_gaps())
    same(short.without_gaps(interior=False), long.without_gaps(interior=False))
    same(pickle.loads(pickle.dumps(short)), long)
    np.testing.assert_array_equal(short.coverage(), long.coverage())
    np.testing.assert_array_equal(short.coverage(weights), long.coverage(weights))
    assert repr(short) == repr(long)


@pytest.mark.parametrize("case", CASES)
def test_blocks_are_the_whole(case):
    """Coverage and sequences in blocks are those of one call, to the bit."""
    rng = np.random.default_rng(0)
    short, long = ruled(rng.normal(size=(50, 2)), *case)
    weights = rng.random(len(long))
    mixed = long[rng.permutation(len(long))]
    for given in (short, long, mixed):
        for own in (None, weights):
            whole = given.coverage(own)
            found = np.zeros_like(whole)
            for rows, covered in given.coverage_blocks(own, size=7):
                found[rows] = covered
            np.testing.assert_array_equal(found, whole)
        found = np.full(given.shape, -1.0)
        for index, part in given.row_blocks(7):
            found[index] = np.asarray(part)
        np.testing.assert_array_equal(found, np.asarray(given))
    if len(long):
        same(mixed.compact(), mixed)


def test_a_run_of_positions_stays_a_rule():
    short, _ = ruled(np.ones((50, 1)), 40, 1, 5)
    assert isinstance(short[np.arange(3, 20)], ConsecutiveSequences)
    assert isinstance(short[short.order >= 9], ConsecutiveSequences)
    assert not isinstance(short[[3, 5]], ConsecutiveSequences)
    assert not isinstance(short[::2], ConsecutiveSequences)


def test_windows_in_memory_are_a_rule():
    """Many windows of an array are a rule; other arrays have starts and lengths."""
    rows = walks(5000, 2)[0]
    view = SlidingWindow(4, lag=1).fit_transform(rows)
    short = sequences_of(view)
    assert isinstance(short, ConsecutiveSequences)
    assert np.shares_memory(short.values, view)
    same(short, Sequences.from_array(view))
    for other in (view[:10], view[::2], view[::-1], np.array(view), view[:, :1]):
        found = sequences_of(other)
        assert not isinstance(found, ConsecutiveSequences)
        np.testing.assert_array_equal(np.asarray(found), other)
    narrow = sequences_of(view[..., :1])  # every second cell of its rows
    np.testing.assert_array_equal(np.asarray(narrow), view[..., :1])


@pytest.mark.parametrize("lag", [0, 1, 4])
@pytest.mark.parametrize("known", [None, [1]])
def test_windows_of_a_file_are_those_of_memory(in_file, lag, known):
    """Steps before the first row are absent, and read as NaN in a dense array."""
    rows, _ = walks(60)
    window = SlidingWindow(6, lag=lag, known_future=known)
    laid = window.fit_transform(in_file(rows))
    assert isinstance(laid, Sequences)
    assert is_on_disk(laid.values)
    np.testing.assert_array_equal(np.asarray(laid), window.fit_transform(rows))


def test_pages_are_not_copied(in_file):
    rows = in_file(walks()[0])
    laid = SlidingWindow(6, lag=1).fit_transform(rows)
    assert np.shares_memory(laid.values, rows)
    assert np.shares_memory(laid[100:900].without_gaps().values, rows)
    assert np.shares_memory(Sequences(rows, [0, 5], [3, 4]).values, rows)


OPTIONS = [
    {},
    {"add_differences": True},
    {"normalization": "standard"},
    {"normalization": "last", "target_feature": 0},
    {"dtype": "float64"},
    {"segment_length": 3},
    {"n_estimators": 2, "early_stopping": False, "dropout": 0.2},
]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_fit_of_a_file_has_the_bits_of_memory(in_file, options, missing):
    rows, y = walks(missing=missing)
    found = []
    for X in (rows, in_file(rows)):
        model = make_pipeline(
            SlidingWindow(6, lag=1),
            GRURegressor(4, max_iter=2, random_state=0, **options),
        )
        found.append(model.fit(X, y).predict(X))
    np.testing.assert_array_equal(*found)


def test_a_classifier_with_weights_has_the_bits_of_memory(in_file):
    rows, y = walks()
    weights = np.random.default_rng(1).random(len(y))
    found = []
    for X in (rows, in_file(rows)):
        windows = SlidingWindow(6, lag=1).fit_transform(X)
        model = GRUClassifier(4, max_iter=2, class_weight="balanced", random_state=0)
        model.fit(windows, y > 0, sample_weight=weights)
        found.append(model.predict_proba(windows))
    np.testing.assert_array_equal(*found)


def in_small_parts(monkeypatch, cells=4000):
    monkeypatch.setattr(streamed, "_CELLS", cells)
    monkeypatch.setattr(streamed, "_RUNS", 8)


def test_predictions_in_parts_are_those_of_one_call(in_file, monkeypatch):
    rows, y = walks()
    model = make_pipeline(
        SlidingWindow(6, lag=1), GRURegressor(4, max_iter=2, random_state=0)
    ).fit(rows, y)
    whole = model.predict(rows)
    in_small_parts(monkeypatch)
    np.testing.assert_array_equal(model.predict(in_file(rows)), whole)


def test_mixed_parts_learn_as_well_as_the_whole(in_file, monkeypatch):
    """Each epoch has every sequence once, and the error is that of a full shuffle."""
    rows, y = walks(4000)
    scores = []
    for X in (rows, in_file(rows)):
        if X is not rows:
            in_small_parts(monkeypatch)
        windows = SlidingWindow(6, lag=1).fit_transform(X)
        model = GRURegressor(8, max_iter=20, linear_share=0, random_state=0)
        scores.append(model.fit(windows, y).score(windows, y))
    assert scores[0] > 0.9
    assert scores[1] > scores[0] - 0.01


def test_an_epoch_in_parts_has_every_sequence_once(in_file, monkeypatch):
    in_small_parts(monkeypatch, 600)
    rows, y = walks(1000)
    windows = SlidingWindow(6).fit_transform(in_file(rows))
    data = streamed.Streamed(windows, lambda part, y, w: _Part(part, y), y)
    rng = np.random.default_rng(0)
    parts = list(data.shuffled(32, rng.permutation))
    sizes = [len(order) for _, order in parts]
    assert len(parts) > 4
    assert all(size % 32 == 0 for size in sizes[:-1])
    seen = np.concatenate([part.target[order] for part, order in parts])
    np.testing.assert_array_equal(np.sort(seen), np.sort(y))
    first = np.flatnonzero(np.isin(y, parts[0][0].target))
    assert np.ptp(first) > 500, "a part is made of runs from everywhere"


class _Part:
    """What a part needs to be, of encoded data."""

    def __init__(self, sequences, target):
        self.rows, self.target = sequences.values, target


def test_a_fit_goes_on_from_a_checkpoint(in_file, tmp_path, monkeypatch):
    """A run over a file that ended is taken up, and ends with the same bits."""
    from sklearn_gru.callbacks import Checkpoint

    in_small_parts(monkeypatch)
    rows, y = walks(1500)
    windows = SlidingWindow(6, lag=1).fit_transform(in_file(rows))

    def fitted(**options):
        model = GRURegressor(4, max_iter=3, random_state=0, **options)
        return model.fit(windows, y).predict(windows)

    path = tmp_path / "fit.ckpt"
    np.testing.assert_array_equal(fitted(callbacks=[Checkpoint(path)]), fitted())


# -- pickles ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rule", "arrays"])
def test_a_pickle_carries_the_path(in_file, kind):
    rows, _ = walks(20_000)
    laid = SlidingWindow(6, lag=1).fit_transform(in_file(rows))
    if kind == "arrays":
        laid = laid[[5, 900, 7]]
    pickled = pickle.dumps(laid)
    assert len(pickled) < 2000 < rows.nbytes
    again = pickle.loads(pickled)
    assert is_on_disk(again.values)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(laid))


def test_a_pickle_refuses_another_file(in_file, tmp_path):
    rows, _ = walks(200)
    pickled = pickle.dumps(SlidingWindow(6).fit_transform(in_file(rows)))
    np.save(tmp_path / "rows.npy", rows[:-1])
    with pytest.raises(ValueError, match="was changed since"):
        pickle.loads(pickled)
    (tmp_path / "rows.npy").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        pickle.loads(pickled)


def test_a_pickle_of_rows_without_a_path_has_the_rows(in_file):
    rows, _ = walks(200)
    window = SlidingWindow(6, lag=2, known_future=[0])
    laid = window.fit_transform(in_file(rows))  # cells in a file without a name
    assert is_on_disk(laid.values)
    assert Place.of(laid.values) is None
    again = pickle.loads(pickle.dumps(laid))
    np.testing.assert_array_equal(np.asarray(again), np.asarray(laid))


def test_arrays_that_joblib_maps_count_as_memory(tmp_path):
    """A search must not depend on the number of its workers."""
    rows, _ = walks(400)
    folder = tmp_path / "joblib_memmapping_folder_1_2_3"
    folder.mkdir()
    joblib.dump(rows, folder / "rows.pkl")
    mapped = joblib.load(folder / "rows.pkl", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    assert not is_on_disk(mapped)
    assert isinstance(SlidingWindow(6).fit_transform(mapped), np.ndarray)


def test_a_search_over_a_file(in_file):
    rows = np.random.default_rng(0).normal(size=(800, 3)).astype(np.float32)
    y = np.roll(rows[:, 0], 1)
    model = make_pipeline(
        SlidingWindow(6, lag=1), GRURegressor(4, max_iter=1, random_state=0)
    )
    grid = {"slidingwindow__window_size": [3, 6]}
    found = [
        GridSearchCV(model, grid, cv=TimeSeriesSplit(2)).fit(X, y)
        for X in (rows, in_file(rows))
    ]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    np.testing.assert_array_equal(*scores)


def test_a_transcriber_reads_frames_of_a_file(tmp_path):
    """Its targets are texts, so the frames are encoded as a whole."""
    rng = np.random.default_rng(0)
    rows = np.lib.format.open_memmap(
        tmp_path / "frames.npy", "w+", np.float32, (240, 2)
    )
    rows[:] = rng.normal(size=rows.shape)
    starts, lengths = np.arange(0, 240, 12), np.full(20, 12)
    y = ["ab", "ba"] * 10
    found = []
    for values in (rows, np.array(rows)):
        X = Sequences(values, starts, lengths)
        model = GRUTranscriber(4, max_iter=2, dtype="float32", random_state=0)
        found.append([*model.fit(X, y).loss_curve_, *model.frame_log_proba(X)[0][3]])
    assert found[0] == found[1]


@pytest.mark.parametrize("linear_share", [0, "auto"])
def test_large_fits_in_memory_go_the_way_of_files(in_file, monkeypatch, linear_share):
    """Beyond a number of sequences, memory too is encoded part by part."""
    for module in (streamed, fitted, linear, ridge):
        monkeypatch.setattr(module, "MOST", 1000)
    rows, y = walks()
    model = GRURegressor(
        2, max_iter=2, batch_size=64, linear_share=linear_share, random_state=0
    )
    made = []
    first = streamed.Streamed.shuffled
    monkeypatch.setattr(
        streamed.Streamed,
        "shuffled",
        lambda self, *given: made.append(self) or first(self, *given),
    )
    found = [
        make_pipeline(SlidingWindow(6, lag=1), model).fit(X, y).predict(rows[-50:])
        for X in (rows, in_file(rows))
    ]
    assert len(made) == 4
    np.testing.assert_array_equal(*found)


def test_one_batch_of_many_parts_is_one_part(tmp_path, monkeypatch):
    """A batch that holds all sequences of a file is read at once."""
    monkeypatch.setattr("sklearn_gru._model.streamed._CELLS", 1000)
    X = np.random.default_rng(0).normal(size=(200, 12, 2)).astype(np.float32)
    y = X[:, -1, 0] * X[:, -2, 1]
    np.save(tmp_path / "x.npy", X)
    rows = np.load(tmp_path / "x.npy", mmap_mode="r")
    params = {"max_iter": 3, "batch_size": 200, "random_state": 0}
    found = GRURegressor(4, **params).fit(rows, y).predict(X)
    np.testing.assert_array_equal(found, GRURegressor(4, **params).fit(X, y).predict(X))
