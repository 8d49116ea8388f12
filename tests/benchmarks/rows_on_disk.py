"""Rows in a file of 4 GB against rows in memory: memory, accuracy and time.

``python -m tests.benchmarks.rows_on_disk [rows]`` writes the file into the folder for
temporary files and deletes it at the end. Seconds are those of the processor, in turns.
"""

import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow
from sklearn_gru._engines.numba import warm_up
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru.store import RowStore
from tests.benchmarks.machine import describe

N_FEATURES = 16
N_LEARNED = 1_250_000  # windows of one epoch
N_JUDGED = 100_000
TILE = 1 << 20


class PrivateMemory:
    """Peak of the memory of this process that no file stands behind, in megabytes."""

    def __enter__(self):
        self.before = self.peak = _anonymous()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._ends.wait(0.02):
            self.peak = max(self.peak, _anonymous())

    def __exit__(self, *error):
        self._ends.set()
        self._thread.join()

    @property
    def grown(self):
        """How far the peak is above the memory at the start."""
        return self.peak - self.before


def _anonymous():
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell the memory of a process")


def tile(n=TILE):
    """Rows whose first feature a window of them tells, but for noise."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, N_FEATURES), dtype=np.float32)
    mixed = np.tanh(rows[:, 1]) * rows[:, 2]
    rows[2:, 0] = mixed[1:-1] + 0.5 * mixed[:-2] + 0.3 * rows[2:, 0]
    return rows


def write_rows(path, n):
    """Write rows of float32 into a file of numpy."""
    rows, given = np.lib.format.open_memmap(path, "w+", "<f4", (n, N_FEATURES)), tile()
    for at in range(0, n, TILE):
        part = rows[at : at + TILE]
        part[:] = np.roll(given, at // TILE, axis=0)[: len(part)]
    rows.flush()


def model():
    """Return a model of one epoch, without the linear part."""
    return GRURegressor(32, max_iter=1, batch_size=512, linear_share=0, random_state=0)


def memory_of_a_fit(rows):
    """Print what the windows and a fit of a part of them take, from imports on."""
    with PrivateMemory() as memory:
        began = time.perf_counter()
        windows = SlidingWindow(24, lag=1).fit_transform(rows)
        print(f"{windows}")
        print(
            f"windows: {time.perf_counter() - began:.1f} s, "
            f"{memory.grown:.0f} MB of private memory"
        )
    with PrivateMemory() as memory:
        warm_up(NetworkSpec("gru", n_inputs=1, hidden_size=1))
    compiled = memory.grown
    y = np.array(rows[:N_LEARNED, 0])
    with PrivateMemory() as memory:
        model().fit(windows[: len(y)], y)
    print(
        f"fit of {len(y)} of them: {memory.grown:.0f} MB, and {compiled:.0f} MB for "
        "the compiled kernels"
    )


def beside_memory(rows, repeats=3):
    """Print R2 and processor seconds of fits of the same windows, in turns."""
    given = np.array(rows[: N_LEARNED + N_JUDGED])
    y = given[:, 0]
    seconds = {"file": [], "memory": []}
    for _ in range(repeats):
        for name, X in (("file", rows[: len(y)]), ("memory", given)):
            windows = SlidingWindow(24, lag=1).fit_transform(X)
            began = time.process_time()
            found = model().fit(windows[:N_LEARNED], y[:N_LEARNED])
            seconds[name].append(time.process_time() - began)
            if len(seconds[name]) == 1:
                r2 = found.score(windows[N_LEARNED:], y[N_LEARNED:])
                print(f"R2 from {name}: {r2:.4f}")
    ratio = np.median(np.divide(seconds["file"], seconds["memory"]))
    for name, taken in seconds.items():
        print(f"one epoch from {name}: {np.median(taken):.2f} s of the processor")
    print(f"file / memory: {ratio:.2f}")


def predictions_in_parts(folder, n_groups=1000, n=2000):
    """Print rows per second of a panel, in one call and by groups of a store."""
    hours = pd.date_range("2024-01-01", periods=n, freq="h")
    rng = np.random.default_rng(0)

    def groups():
        for g in range(n_groups):
            load = np.sin(np.arange(n) / 7 + g) + 0.1 * rng.normal(size=n)
            frame = pd.DataFrame({"shop": g, "hour": hours, "load": load})
            yield frame.astype({"load": np.float32})

    keys = {"groups": "shop", "time": "hour", "target": "load"}
    began = time.process_time()
    store = RowStore.write(groups(), folder / "panel.rows", **keys)
    print(f"{store}: written in {time.process_time() - began:.1f} s")
    learned = store[np.arange(len(store)) % n < 200]
    pipeline = make_pipeline(
        SlidingWindow(24, lag=1), GRURegressor(32, max_iter=1, random_state=0)
    ).fit(learned, learned.y)
    frame = store.to_frame()
    calls = {
        "one call, frame": lambda: pipeline.predict(frame),
        "one call, store": lambda: pipeline.predict(store),
        "8 partitions": lambda: np.concatenate(
            [pipeline.predict(store[part]) for part in _parts(len(store), n, 8)]
        ),
    }
    whole = None
    for name, call in calls.items():
        began = time.process_time()
        found = call()
        rate = len(found) / (time.process_time() - began)
        whole = found if whole is None else whole
        same = "equal to the bit" if np.array_equal(found, whole) else "NOT EQUAL"
        print(
            f"{name:16s}: {rate / 1000:.0f} thousand rows per second and core, {same}"
        )


def _parts(n_rows, n, count):
    """Return slices of whole groups."""
    ends = (np.linspace(0, n_rows // n, count + 1).astype(int) * n).tolist()
    return [slice(a, b) for a, b in pairwise(ends)]


def main():
    """Print all of it for a file of 4 GB."""
    n = int(float(sys.argv[1])) if len(sys.argv) > 1 else 62_500_000
    print(describe())
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.npy"
        write_rows(path, n)
        rows = np.load(path, mmap_mode="r")
        print(f"file of {rows.nbytes / 1e9:.1f} GB", flush=True)
        memory_of_a_fit(rows)
        sys.stdout.flush()
        beside_memory(rows)
        sys.stdout.flush()
        predictions_in_parts(Path(name))


if __name__ == "__main__":
    main()
