"""RowStore: one pass over frames of any library, then the frame that was written."""

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRURegressor, SlidingWindow, future_frame, make_targets
from sklearn_gru._support.on_disk import is_on_disk
from sklearn_gru._tables import row_store
from sklearn_gru.exceptions import (
    InputError,
    LayoutWarning,
    StoreError,
    TimeIndexError,
)
from sklearn_gru.model_selection import PanelTimeSeriesSplit
from sklearn_gru.store import RowStore
from tests import soaking, tampering

KEYS = {"groups": "shop", "time": "hour", "target": "load"}


def panel(n_groups=4, n=120):
    """One frame per shop: a load, a temperature and a kind of day."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=n, freq="h").as_unit("ns")
    frames = []
    for g in range(n_groups):
        load = np.sin(np.arange(n) / 5 + g) + 0.05 * rng.normal(size=n)
        frames.append(
            pd.DataFrame(
                {
                    "shop": f"shop {g}",
                    "hour": hours,
                    "load": load.astype(np.float32),
                    "temp": rng.normal(size=n).astype(np.float32),
                    "kind": rng.choice(["x", "b", "a"], n),
                }
            )
        )
    return frames


def as_written(frames):
    """The frame that a store of these frames stands for."""
    frame = pd.concat(frames, ignore_index=True).astype({"kind": "category"})
    return frame.set_index(["shop", "hour"])


def in_pieces(frames, size=37, seed=0):
    """The rows of frames, shuffled over others."""
    rows = pd.concat(frames).sample(frac=1, random_state=seed)
    return (rows.iloc[at : at + size] for at in range(0, len(rows), size))


def model(**options):
    return make_pipeline(
        SlidingWindow(6, lag=1, **options),
        GRURegressor(4, max_iter=1, random_state=0),
    )


@pytest.fixture
def store(tmp_path):
    return RowStore.write(panel(), tmp_path / "panel.rows", **KEYS)


# -- writing ------------------------------------------------------------------------


def test_a_store_is_the_frame_that_was_written(store):
    frame = as_written(panel())
    pd.testing.assert_frame_equal(store.to_frame(), frame)
    np.testing.assert_array_equal(store.y, frame["load"])
    assert store.shape == frame.shape
    assert store.columns == ["load", "temp", "kind"]
    assert store.groups == [f"shop {g}" for g in range(4)]
    assert list(store.categories[2]) == ["a", "b", "x"]


def test_groups_may_come_in_pieces_and_in_any_order(tmp_path):
    frames = panel()
    store = RowStore.write(in_pieces(frames), tmp_path / "panel.rows", **KEYS)
    frame = as_written(frames).loc[store.groups]
    found = store.to_frame()
    pd.testing.assert_frame_equal(found.sort_index(), frame.sort_index())
    assert found.index.get_level_values("hour").is_monotonic_increasing is False
    for _, own in found.groupby(level="shop", observed=True):
        assert own.index.get_level_values("hour").is_monotonic_increasing
    np.testing.assert_array_equal(store.y, found["load"])


def test_moments_are_those_of_all_rows(tmp_path):
    frames = panel()
    frames[1].loc[3:50, "temp"] = np.nan
    store = RowStore.write(frames, tmp_path / "panel.rows", **KEYS)
    temp = pd.concat(frames)["temp"].astype(float)
    found = store.moments.loc["temp"]
    assert found["count"] == temp.count()
    np.testing.assert_allclose(found["mean"], temp.mean(), rtol=1e-9)
    np.testing.assert_allclose(found["std"], temp.std(ddof=0), rtol=1e-9)
    assert (found["min"], found["max"]) == (temp.min(), temp.max())


class Batch:
    """What a record batch of pyarrow has, and a partition of dask."""

    def __init__(self, frame, method):
        setattr(self, method, lambda: frame)


@pytest.mark.parametrize("method", ["to_pandas", "compute"])
def test_other_libraries(tmp_path, store, method):
    batches = [Batch(frame, method) for frame in panel()]
    again = RowStore.write(batches, tmp_path / "again.rows", **KEYS)
    pd.testing.assert_frame_equal(again.to_frame(), store.to_frame())


@pytest.mark.parametrize("method", ["to_pandas", "compute", "collect"])
def test_one_frame_of_another_library(tmp_path, method):
    """A table of pyarrow, a frame of dask, a lazy frame of polars."""
    with pytest.raises(InputError, match=r"source is a Batch.*\[frame\]"):
        RowStore.write(Batch(panel()[0], method), tmp_path / "one.rows", **KEYS)


@pytest.mark.parametrize("read", [Decimal, lambda x: x > 0], ids=["Decimal", "bool"])
def test_objects_that_are_numbers(tmp_path, read):
    """Decimals, and booleans some of which are missing, are not categories."""
    frames = [f.assign(temp=[None, *map(read, f["temp"][1:])]) for f in panel()]
    store = RowStore.write(frames, tmp_path / "objects.rows", **KEYS)
    expected = np.concatenate([f["temp"].to_numpy(dtype=float) for f in frames])
    found = store.to_frame()["temp"]
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def arrow_tables():
    """The panel as a table of pyarrow, and as one with dates for times."""
    pa = pytest.importorskip("pyarrow")
    frame = pd.concat(panel(), ignore_index=True)
    days = pd.date_range("2024-01-01", periods=120).date.tolist() * 4
    table = pa.Table.from_pandas(frame, preserve_index=False)
    at = table.schema.get_field_index("hour")
    return table, table.set_column(at, "hour", pa.array(days, pa.date32()))


def test_pyarrow(tmp_path, store):
    table, daily = arrow_tables()
    batches = table.to_batches(max_chunksize=70)
    for source in (batches, iter(batches), table.to_reader(), [table]):
        again = RowStore.write(source, tmp_path / "again.rows", **KEYS)
        pd.testing.assert_frame_equal(again.to_frame(), store.to_frame())
    again = RowStore.write(daily.to_batches(), tmp_path / "daily.rows", **KEYS)
    assert SlidingWindow(3).fit(again).freq_ == pd.Timedelta("1D")
    with pytest.raises(InputError, match="source is a Table"):
        RowStore.write(table, tmp_path / "again.rows", **KEYS)


def test_pandas_over_pyarrow(tmp_path, store):
    pytest.importorskip("pyarrow")
    frames = [f.convert_dtypes(dtype_backend="pyarrow") for f in panel()]
    again = RowStore.write(frames, tmp_path / "again.rows", **KEYS)
    pd.testing.assert_frame_equal(again.to_frame(), store.to_frame())


def test_polars(tmp_path, store):
    pl = pytest.importorskip("polars")
    frames = (
        pl.DataFrame({name: frame[name].to_numpy() for name in frame})
        for frame in (f.astype({"shop": object, "kind": object}) for f in panel())
    )
    again = RowStore.write(frames, tmp_path / "again.rows", **KEYS)
    pd.testing.assert_frame_equal(again.to_frame(), store.to_frame())


def test_dask(tmp_path, store):
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.concat(panel(), ignore_index=True), npartitions=3)
    again = RowStore.write(frame.partitions, tmp_path / "again.rows", **KEYS)
    pd.testing.assert_frame_equal(again.to_frame(), store.to_frame())


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_keys_in_the_index(tmp_path, zone):
    frames = [f.set_index(["shop", "hour"]) for f in panel(2)]
    if zone:
        frames = [f.tz_localize("UTC", level=1).tz_convert(zone, level=1)
                  for f in frames]  # fmt: skip
    store = RowStore.write(frames, tmp_path / "panel.rows", **KEYS)
    expected = pd.concat(frames).astype({"kind": "category"})
    pd.testing.assert_frame_equal(store.to_frame(), expected, check_freq=False)


def test_one_series_and_several_group_columns(tmp_path):
    frame = panel(1)[0]
    single = RowStore.write([frame], tmp_path / "one.rows", time="hour")
    expected = frame.set_index("hour").drop(columns="shop")
    found = single.to_frame().drop(columns="shop").astype({"kind": object})
    np.testing.assert_array_equal(found.index, expected.index)
    assert single.y.shape == (len(frame), 0)
    frames = [f.assign(town=k % 2) for k, f in enumerate(panel())]
    keys = {**KEYS, "groups": ["town", "shop"]}
    several = RowStore.write(frames, tmp_path / "several.rows", **keys)
    assert several.groups[1] == (1, "shop 1")
    assert several.to_frame().index.names == ["town", "shop", "hour"]


# -- models -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"known_future": ["temp"]}, {"add_elapsed": True}], ids=str
)
def test_a_store_gives_the_bits_of_the_frame(store, options):
    frame = as_written(panel())
    cv = PanelTimeSeriesSplit(2)
    found = [
        cross_val_score(model(**options), X, store.y, cv=cv, error_score="raise")
        for X in (store, frame)
    ]
    np.testing.assert_array_equal(*found)
    fitted = model(**options).fit(store, store.y)
    np.testing.assert_array_equal(fitted.predict(store), fitted.predict(frame))
    again = model(**options).fit(frame, store.y)
    np.testing.assert_array_equal(fitted.predict(store), again.predict(store))


def test_holes_are_found_by_time(tmp_path):
    frames = [f.drop(index=[10, 11, 40]) for f in panel()]
    store = RowStore.write(in_pieces(frames), tmp_path / "panel.rows", **KEYS)
    window = SlidingWindow(6, lag=1, freq="h")
    laid = window.fit_transform(store)
    assert is_on_disk(laid.values)
    expected = window.fit_transform(store.to_frame())
    np.testing.assert_array_equal(np.asarray(laid), np.asarray(expected))


def test_rows_are_not_copied(store):
    laid = SlidingWindow(6, lag=1).fit_transform(store)
    assert np.shares_memory(laid.values, store.values())
    assert len(pickle.dumps(store)) < 1000


def test_a_search(store):
    grid = {"slidingwindow__window_size": [3, 6]}
    search = GridSearchCV(model(), grid, cv=PanelTimeSeriesSplit(2))
    scores = search.fit(store, store.y).cv_results_["mean_test_score"]
    frame = as_written(panel())
    expected = search.fit(frame, store.y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(scores, expected)


def test_a_fold_without_a_category(tmp_path):
    """Codes of a store that a fit has not seen are missing, as with frames."""
    frames = panel()
    for frame in frames:
        frame["kind"] = np.where(frame["hour"].dt.day < 4, frame["kind"], "new")
    store = RowStore.write(frames, tmp_path / "panel.rows", **KEYS)
    frame = as_written(frames)
    cv = PanelTimeSeriesSplit(2)
    found = [cross_val_score(model(), X, store.y, cv=cv) for X in (store, frame)]
    np.testing.assert_array_equal(*found)


@pytest.mark.filterwarnings("ignore::sklearn_gru.exceptions.LostHistoryWarning")
def test_a_model_reads_another_store(tmp_path, store):
    """Categories are matched by value, and rows by group and time."""
    frames = [frame[frame["kind"] != "b"] for frame in panel(n=60)]
    other = RowStore.write(frames, tmp_path / "other.rows", **KEYS)
    fitted = model(freq="h").fit(store, store.y)
    found = fitted.predict(other)
    np.testing.assert_array_equal(found, fitted.predict(other.to_frame()))


def test_forecasts_and_targets_read_it_as_a_frame(store):
    frame = store.to_frame()
    pd.testing.assert_frame_equal(future_frame(store, 3), future_frame(frame, 3))
    rows, path = make_targets(store, store["load"], 2)
    expected_rows, expected = make_targets(frame, frame["load"], 2)
    pd.testing.assert_frame_equal(rows.to_frame(), expected_rows)
    pd.testing.assert_frame_equal(path, expected)


# -- selections and pickles ---------------------------------------------------------


@pytest.mark.parametrize(
    "key", [slice(5, 40), slice(3, 90, 7), [9, 2, 2], np.arange(480) % 3 == 0, 7, -1]
)
def test_selections_are_those_of_the_frame(store, key):
    frame = store.to_frame()
    expected = frame.iloc[[key] if isinstance(key, int) else key]
    found = store[key]
    pd.testing.assert_frame_equal(found.to_frame(), expected)
    np.testing.assert_array_equal(found.y, expected["load"])
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(again[1:].to_frame(), expected.iloc[1:])


@pytest.mark.timeout(60)  # NumPy would ask for one item after the other
@pytest.mark.parametrize(
    "estimator",
    [
        GRURegressor(4, max_iter=1),
        Ridge(),
        make_pipeline(StandardScaler(), SlidingWindow(6, lag=1), Ridge()),
    ],
    ids=["sequences", "rows", "scaler"],
)
def test_a_store_is_read_by_windows_alone(store, estimator):
    """Its rows have groups and times, which an array would lose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayoutWarning)
        with pytest.raises(InputError, match=r"[Pp]ut (a )?SlidingWindow in front"):
            estimator.fit(store, store.y)


@pytest.mark.timeout(60)
def test_rows_of_a_store_end(store):
    assert [len(row) for row in store[:3]] == [1, 1, 1]
    assert store[-1].to_frame().equals(store[len(store) - 1].to_frame())
    with pytest.raises(IndexError):
        store[len(store)]


def test_a_store_needs_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder .*mkdir"):
        RowStore.write(panel(), tmp_path / "none" / "panel.rows", **KEYS)


def test_a_pickle_refuses_another_store(tmp_path, store):
    pickled = pickle.dumps(store)
    RowStore.write(panel(3), store.path, **KEYS)
    with pytest.raises(ValueError, match="changed since this pickle"):
        pickle.loads(pickled)
    store.path.rename(tmp_path / "moved.rows")
    with pytest.raises(ValueError, match="It was moved"):
        pickle.loads(pickled)
    assert len(RowStore.open(tmp_path / "moved.rows")) == 360


# -- what goes wrong ----------------------------------------------------------------


def _cut(content):
    return content[:-1]


def _half(content):
    return content[: len(content) // 2]


def _zeros(content):
    return content[:4096] + bytes(4096) + content[8192:]


def _longer(content):
    return content + b"\n"


def _grown(content):
    return content[:4096] + bytes(64) + content[4096:]


def _renamed(content):
    return content.replace(b'"temp"', b'"tmep"')


@pytest.mark.parametrize("damage", [_cut, _half, _zeros, _longer, _grown, _renamed])
def test_a_damaged_store_is_refused(store, damage):
    store.path.write_bytes(damage(store.path.read_bytes()))
    with pytest.raises(StoreError, match="is damaged or half-copied"):
        RowStore.open(store.path)


def test_damaged_stores_are_refused_or_undamaged():
    """Bytes flipped, cut off and moved, and descriptions that contradict themselves."""
    found = soaking.fuzz_stores(400)
    assert found["refused"] > 300


@pytest.mark.parametrize("part", ["n_rows", "size"])
def test_a_description_that_contradicts_itself_is_refused(store, part):
    """It is what says where in the file numbers lie, and how many."""
    content = store.path.read_bytes()
    about = tampering.about_store(content)
    about[part] += 1
    text = json.dumps(about).encode()
    store.path.write_bytes(tampering.sealed_store(content, text))
    with pytest.raises(StoreError, match="its description contradicts itself"):
        RowStore.open(store.path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(StoreError, match="There is no row store at"):
        RowStore.open(tmp_path / "nothing.rows")
    (tmp_path / "text.rows").write_text("sales\n1\n")
    with pytest.raises(StoreError, match="is not a row store"):
        RowStore.open(tmp_path / "text.rows")


def test_a_failed_write_leaves_the_old_store(store):
    def source():
        yield panel()[0]
        raise OSError("the network is gone")

    before = store.path.read_bytes()
    with pytest.raises(OSError, match="the network is gone"):
        RowStore.write(source(), store.path, **KEYS)
    assert store.path.read_bytes() == before
    assert [p.name for p in store.path.parent.iterdir()] == [store.path.name]


def test_a_killed_write_leaves_the_old_store(store):
    """SIGKILL in the middle of a write: the store under the name is the old one."""
    code = f"""
        import os, signal
        import pandas as pd
        from sklearn_gru.store import RowStore

        def source():
            hours = pd.date_range("2024-01-01", periods=50_000, freq="h")
            yield pd.DataFrame({{"shop": "new", "hour": hours, "load": 1.0}})
            os.kill(os.getpid(), signal.SIGKILL)

        RowStore.write(source(), {str(store.path)!r}, **{KEYS})
    """
    before = store.path.read_bytes()
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(os.listdir(store.path.parent)) > 1, "the write had begun"
    assert store.path.read_bytes() == before
    assert len(RowStore.open(store.path)) == 480
    RowStore.write(panel(2), store.path, **KEYS)
    assert len(os.listdir(store.path.parent)) == 1, "what it left is removed"


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda f: f.assign(load=np.inf), InputError, "'load' holds infinity"),
        (lambda f: f.rename(columns={"temp": "t"}), InputError, "has the columns"),
        (lambda f: f.assign(hour=f["hour"][0]), TimeIndexError, "time of another"),
        (lambda f: f.assign(hour=range(len(f))), TimeIndexError, "carry integers"),
        (lambda f: f.assign(shop=None), TimeIndexError, "is missing"),
        (lambda f: f.assign(shop=f["hour"]), InputError, "texts or numbers"),
        (lambda f: f.drop(columns="load"), InputError, "no such column|has the col"),
    ],
)
def test_frames_that_no_store_holds(tmp_path, change, error, match):
    frames = panel(2)
    with pytest.raises(error, match=match):
        RowStore.write([frames[0], change(frames[1])], tmp_path / "x.rows", **KEYS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", [panel(1)[0], "rows.csv", [3], []])
def test_sources_that_are_not_frames(tmp_path, source):
    with pytest.raises(InputError, match="an iterable of frames"):
        RowStore.write(source, tmp_path / "x.rows", **KEYS)


def test_keys_of_the_store_are_the_keys(store):
    SlidingWindow(6, time="hour", groups=["shop"]).fit(store)
    with pytest.raises(TimeIndexError, match="was written with groups"):
        SlidingWindow(6, groups="temp").fit(store)


def test_only_this_class_is_a_store():
    """Frames know the class by the name of its module."""
    assert RowStore.__module__ == row_store.__name__ == "sklearn_gru._tables.row_store"
