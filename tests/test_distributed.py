"""Fits that several processes share: with torchrun, with threads that stand for them.

The truth is one process with all rows, to the bit.
"""

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from skorch.callbacks import Callback

from sklearn_gru import GRURegressor, Sequences, SlidingWindow
from sklearn_gru._encoding.all_ranks import joined
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.numba.exchange import branches_of
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._support.ranks import sharing
from sklearn_gru.callbacks import TimeLimit
from sklearn_gru.distributed import data_parallel
from sklearn_gru.distributed._connections import connect
from sklearn_gru.exceptions import DistributedFitError, InputError
from tests.ranks import SMALL, fits

NAMES = [name for name, *_ in fits()]
pytestmark = pytest.mark.filterwarnings("ignore:Each of the . ranks")
TIMEOUT = 20  # seconds until a thread that misses another one gives up


class Hub:
    """Threads that stand for the ranks of a process group."""

    def __init__(self, size):
        self.size = size
        self.slots = [None] * size
        self.barrier = threading.Barrier(size, timeout=TIMEOUT)

    def run(self, work):
        """Return work(rank) of every rank."""

        def as_rank(rank):
            with sharing(Rank(self, rank)):
                try:
                    return work(rank)
                except BaseException:
                    self.barrier.abort()
                    raise

        with ThreadPoolExecutor(self.size) as pool:
            futures = [pool.submit(as_rank, rank) for rank in range(self.size)]
        errors = [f.exception() for f in futures if f.exception() is not None]
        if errors:  # the first cause, not that the others were left waiting
            raise min(errors, key=lambda e: isinstance(e, threading.BrokenBarrierError))
        return [future.result() for future in futures]


class Rank:
    """One of the threads."""

    def __init__(self, hub, rank):
        self.hub, self.rank, self.size = hub, rank, hub.size
        self.exchange_seconds = 0.5e-3

    def gather(self, value, *, patient=False):
        self.hub.slots[self.rank] = value
        self.hub.barrier.wait()
        every = list(self.hub.slots)
        self.hub.barrier.wait()
        return every

    def exchange(self, own, every):
        every[:] = np.stack(self.gather(own.copy()))


# -- connections -----------------------------------------------------------------------


def connected(n, work, timeout=TIMEOUT, ranks=Rank):
    """Return work(rank, connections) of n threads that are connected."""
    hub = Hub(n)

    def connect_and_work(rank):
        connections = connect(ranks(hub, rank), timeout)
        try:
            return work(rank, connections)
        finally:
            if connections is not None:
                connections.close()

    return hub.run(connect_and_work)


@pytest.mark.parametrize("n_ranks", [2, 3, 4, 7])
@pytest.mark.parametrize("size", [1, 5_000, 3_000_000])  # the last: beyond any buffer
def test_connected_ranks_receive_what_each_sends(n_ranks, size):
    def work(rank, connections):
        every = np.zeros((n_ranks, size), dtype=np.uint8)
        for turn in range(3):
            own = np.full(size, 10 * turn + rank, dtype=np.uint8)
            connections.exchange(own, every)
            assert (every == 10 * turn + np.arange(n_ranks)[:, None]).all()

    connected(n_ranks, work)


def test_a_rank_that_ends_or_is_silent_is_an_error():
    own, every = np.zeros(8, dtype=np.uint8), np.zeros((2, 8), dtype=np.uint8)

    def ends(rank, connections):
        if rank == 1:
            connections.exchange(own, every)

    def is_silent(rank, connections):
        if rank == 1:
            with pytest.raises(TimeoutError):
                connections.exchange(own, every)
        time.sleep(0.5)

    with pytest.raises(ConnectionError):
        connected(2, ends)
    connected(2, is_silent, timeout=0.2)


@pytest.mark.parametrize("differs", ["number", "size"])
def test_after_an_error_no_rest_of_a_message_is_taken_for_another(differs):
    """Nor is a message of another step, or of another size."""

    def exchange(connections, size):
        own = np.zeros(size, dtype=np.uint8)
        connections.exchange(own, np.zeros((2, size), dtype=np.uint8))

    def work(rank, connections):
        if differs == "number":
            connections._number += rank
        with pytest.raises(ConnectionError):
            exchange(connections, 8 + 4 * rank * (differs == "size"))
        connections._number = 0
        with pytest.raises(ConnectionError, match="was not completed"):
            exchange(connections, 8)

    connected(2, work)


def test_strangers_are_not_let_in():
    class Visited(Rank):
        """Rank whose places become known to a stranger before the others connect."""

        def gather(self, value, *, patient=False):
            every = super().gather(value)
            if self.rank == 1 and hasattr(value, "port"):
                for content in (b"", bytes(20), b"GET / HTTP/1.1\r\n\r\n"):
                    with socket.create_connection(("127.0.0.1", every[0].port)) as link:
                        link.sendall(content)
            return every

    def work(rank, connections):
        every = np.zeros((2, 1), dtype=np.uint8)
        connections.exchange(np.array([rank + 5], dtype=np.uint8), every)
        return every.ravel().tolist()

    assert connected(2, work, ranks=Visited) == [[5, 6], [5, 6]]


def test_a_rank_that_cannot_listen_leaves_all_to_the_process_group(monkeypatch):
    create, failed = socket.create_server, []

    def fails_once(*arguments, **options):
        if not failed:
            failed.append(True)
            raise OSError(24, "Too many open files")
        return create(*arguments, **options)

    monkeypatch.setattr(socket, "create_server", fails_once)
    found = connected(3, lambda rank, connections: connections)
    assert found == [None, None, None]


@pytest.mark.parametrize("change", [{"machine": "another"}, {"port": 1}])
def test_ranks_that_cannot_reach_each_other_use_the_process_group(change, monkeypatch):
    monkeypatch.setattr("sklearn_gru.distributed._connections._PATIENCE", 0.3)

    class Elsewhere(Rank):
        """Rank that says of itself that it is somewhere else."""

        def gather(self, value, *, patient=False):
            if self.rank == 0 and hasattr(value, "port"):
                value = value._replace(**change)
            return super().gather(value)

    found = connected(2, lambda rank, connections: connections, ranks=Elsewhere)
    assert found == [None, None]


def test_ranks_on_several_machines_need_larger_steps():
    network = NetworkSpec("gru", n_inputs=8, hidden_size=32)
    params = np.zeros(network.n_parameters, dtype=np.float32)
    trainer = kernels.Trainer(network, params)

    def shares(n, seconds):
        ranks = SimpleNamespace(size=2, exchange_seconds=seconds)
        return trainer.worth_ranks(n, 24, ranks)

    found = [shares(n, 0.5e-3) for n in (512, 1024)]
    assert found == [False, True]
    found = [shares(n, 0.1e-3) for n in (64, 256)]
    assert found == [False, True]


# -- the tree --------------------------------------------------------------------------


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("n_blocks", [1, 2, 3, 5, 8, 31, 32])
def test_branches_hold_every_block_once_and_start_at_multiples_of_their_width(
    n_blocks, n_ranks
):
    width, each = branches_of(n_blocks, n_ranks)
    branches = list(itertools.chain(*each))
    held = [block for begin, end in branches for block in range(begin, end)]
    assert len(each) == n_ranks
    assert held == list(range(n_blocks))
    assert width & (width - 1) == 0
    assert all(begin % width == 0 for begin, _ in branches)


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("batch_size", [320, 128, 97])
def test_ranks_take_the_steps_of_one_process_to_the_bit(n_ranks, batch_size):
    network = NetworkSpec("gru", n_inputs=4, hidden_size=12, dropout=0.2)
    rng = np.random.default_rng(0)
    n, width = 320, network.target_width
    start = rng.normal(size=network.n_parameters).astype(np.float32) / 3
    rows = rng.normal(size=(n + 9, 4)).astype(np.float32)
    target = rng.normal(size=(n, width)).astype(np.float32)
    n_batches = -(-n // batch_size)

    def train(ranks=None):
        params = start.copy()
        trainer = kernels.Trainer(network, params, clip_norm=1.0)
        losses = trainer.train_epoch(
            rows, np.arange(n), rng.permuted(np.arange(n) % 10) * 0 + np.arange(n) % 10,
            target, np.ones(n, dtype=np.float32), order=np.arange(n)[::-1].copy(),
            batch_size=batch_size, rates=np.full(n_batches, 1e-2),
            seeds=np.arange(n_batches, dtype=np.uint64), ranks=ranks,
        )  # fmt: skip
        return np.concatenate([params, losses])

    alone = train()
    hub = Hub(n_ranks)
    assert np.isfinite(alone).all()
    for found in hub.run(lambda rank: train(Rank(hub, rank))):
        assert np.array_equal(found, alone)


@pytest.mark.filterwarnings("ignore:Each of the 2 ranks")
def test_all_ranks_have_the_last_epochs_or_none(monkeypatch):
    """The clocks of their time limits differ, but the first one decides."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8, 1))
    y = X[:, -1, 0] + rng.normal(size=300)
    rank_of_thread = threading.local()
    monkeypatch.setattr(
        TimeLimit, "allows", lambda self, epochs: rank_of_thread.number == 0
    )

    def fit(number):
        rank_of_thread.number = number
        params = {"max_iter": 20, "early_stopping": True, "random_state": 0}
        model = GRURegressor(8, callbacks=[TimeLimit(1000.0)], **params)
        return model.fit(X, y).predict(X)

    first, second = Hub(2).run(fit)
    np.testing.assert_array_equal(first, second)


# -- torchrun --------------------------------------------------------------------------


def start(*arguments, **environment):
    """Run Python with arguments; an error if it fails."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]


TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Predictions of a single process, and of two that torchrun starts."""
    path = tmp_path_factory.mktemp("ranks") / "found.npz"
    start("-m", "tests.ranks", path)
    start(*TWO, "-m", "tests.ranks", path, "always")
    return [np.load(p) for p in (path, f"{path}.0.npz", f"{path}.1.npz")]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_train_the_model_of_one(answers, name):
    alone, first, second = (file[name] for file in answers)
    assert np.array_equal(first, alone)
    assert np.array_equal(second, alone)


def test_ranks_on_several_machines_train_it_too(answers, tmp_path):
    """They exchange through the process group."""
    path = tmp_path / "gloo"
    start(*TWO, "-m", "tests.ranks", path, "gloo")
    for rank in range(2):
        found = np.load(f"{path}.{rank}.npz")["gru"]
        assert np.array_equal(found, answers[0]["gru"])


def test_torchrun_starts_a_killed_fit_again(answers, tmp_path):
    """With a checkpoint, it goes on, and ends with the bits of one process."""
    path = tmp_path / "killed"
    # else the new processes read addresses of the ones before (pytorch issue 135712)
    own_store = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    start(*TWO, "--max-restarts=1", "-m", "tests.ranks", path, "killed", **own_store)
    assert (tmp_path / "killed.ended").exists()
    for rank in range(2):
        found = np.load(f"{path}.{rank}.npz")["gru"]
        assert np.array_equal(found, answers[0]["gru"])


def test_without_a_process_group_the_message_says_how_to_start_one():
    with pytest.raises(DistributedFitError, match=r"torchrun --nproc-per-node=2"):
        data_parallel().__enter__()


# -- what ranks are given --------------------------------------------------------------


def sequences(n=40, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 6, 2)).astype(np.float32)
    return X, X[:, :, 0].sum(axis=1)


def halves(*arrays):
    """Return the rows of each of two ranks, the second with fewer of them."""
    return [tuple(a[:25] for a in arrays), tuple(a[25:] for a in arrays)]


def fit(X, y, **params):
    return GRURegressor(**{**SMALL, **params}).fit(X, y)


@pytest.mark.parametrize("kind", ["own rows", "same rows", "same X, own y"])
def test_rows_are_gathered_unless_every_rank_has_them(kind):
    X, y = sequences()
    parts = halves(X, y)
    given = {
        "own rows": lambda rank: parts[rank],
        "same rows": lambda rank: (X.copy(), y.copy()),
        "same X, own y": lambda rank: (X, parts[rank][1]),
    }[kind]
    alone = fit(X, y).predict(X)
    for model in Hub(2).run(lambda rank: fit(*given(rank))):
        assert np.array_equal(model.predict(X), alone)


def test_a_rank_may_have_no_rows():
    X, y = sequences()
    models = Hub(2).run(lambda rank: fit(X[: 40 * rank], y[: 40 * rank]))
    assert np.array_equal(models[0].predict(X), fit(X, y).predict(X))


def test_a_step_too_small_to_share_is_said():
    X, y = sequences(400)
    with pytest.warns(
        UserWarning, match="trains the whole network by itself: a step of"
    ):
        Hub(2).run(lambda rank: fit(X, y))
    with pytest.warns(UserWarning, match="the engine 'torch' does not share a step"):
        Hub(2).run(lambda rank: fit(X, y, dtype="float64"))


def test_the_random_seed_is_that_of_the_first_rank():
    X, y = sequences()
    first, second = Hub(2).run(lambda rank: fit(X, y, random_state=None))
    assert np.array_equal(first.predict(X), second.predict(X))


def test_other_parameters_on_a_rank_are_refused():
    X, y = sequences()
    with pytest.raises(
        DistributedFitError, match="Rank 1 differs from rank 0 in: param"
    ):
        Hub(2).run(lambda rank: fit(X, y, max_iter=3 + rank))


def test_weights_that_differ_are_refused():
    X, y = sequences()

    class Shake(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.module_.head.weight.data += 1e-3

    with pytest.raises(DistributedFitError, match="weights of the 2 ranks differ"):
        Hub(2).run(lambda rank: fit(X, y, callbacks=[Shake()] if rank else []))


def test_a_limit_that_one_rank_reaches_ends_the_fit_of_all():
    X, y = sequences()

    def work(rank):
        limit = TimeLimit(1e-9 if rank else 1e9)
        return fit(X, y, max_iter=50, callbacks=[limit]).n_iter_

    assert Hub(2).run(work) == [1, 1]


def test_what_only_some_ranks_give_is_refused():
    X, y = sequences()
    weights = np.ones(40)
    with pytest.raises(
        InputError, match="sample_weight was given to fit on 1 of 2 ranks"
    ):
        Hub(2).run(
            lambda rank: GRURegressor(**SMALL).fit(X, y, weights if rank else None)
        )


def test_rows_of_other_types_or_columns_are_refused():
    X, y = sequences()
    with pytest.raises(
        InputError, match="differs in type between ranks: list, ndarray"
    ):
        Hub(2).run(lambda rank: fit(list(X) if rank else X, y + rank))
    with pytest.raises(InputError, match="rows of X on 2 ranks do not fit together"):
        Hub(2).run(lambda rank: fit(X[:, :, : 1 + rank], y + rank))


def test_rows_in_files_are_not_gathered(tmp_path):
    X, y = sequences()
    paths = [tmp_path / "a.npy", tmp_path / "b.npy"]
    for path, rows in zip(paths, (X[:20], X[20:]), strict=True):
        np.save(path, rows.reshape(-1, 2))

    def work(rank):
        rows = np.load(paths[rank], mmap_mode="r")
        windows = Sequences(rows, np.arange(0, 120, 6), np.full(20, 6))
        return fit(windows, y[:20] + rank)

    with pytest.raises(InputError, match=r"Write all rows into one store"):
        Hub(2).run(work)


def test_a_window_without_groups_reaches_into_the_rows_of_the_rank_before():
    rows = np.random.default_rng(0).normal(size=(90, 2))
    windows = Hub(2).run(
        lambda rank: SlidingWindow(5).fit_transform(rows[45 * rank : 45 * rank + 45])
    )
    expected = np.asarray(SlidingWindow(5).fit_transform(rows))
    assert np.array_equal(np.asarray(windows[1]), expected, equal_nan=True)


# -- parts of rows as one --------------------------------------------------------------

FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0], "kind": pd.Categorical(["a", "b", "a"])})


@pytest.mark.parametrize(
    "whole",
    [
        np.arange(6.0).reshape(3, 2),
        [np.ones((2, 1)), np.ones((3, 1)), np.ones((1, 1))],
        FRAME,
        FRAME["kind"],
        pl.DataFrame({"x": [1.0, 2.0, 3.0], "kind": ["a", "b", "a"]}),
        Sequences(
            np.arange(8.0).reshape(4, 2), [0, 1, 2], [1, 2, 2], groups=list("aab")
        ),
    ],
    ids=lambda whole: type(whole).__name__,
)
def test_parts_joined_are_the_whole(whole):
    found = joined([whole[:1], whole[1:1], whole[1:]])
    assert type(found) is type(whole)
    if isinstance(whole, list):
        assert all(map(np.array_equal, found, whole))
    elif isinstance(whole, Sequences):
        assert np.array_equal(np.asarray(found), np.asarray(whole), equal_nan=True)
        assert list(found.groups) == list(whole.groups)
    else:
        equal = found == whole
        assert np.asarray(equal).all()


def test_categories_that_only_one_part_has_are_kept():
    parts = [FRAME[:1], FRAME[1:].assign(kind=pd.Categorical(["c", "a"]))]
    assert list(joined(parts)["kind"].cat.categories) == ["a", "b", "c"]
