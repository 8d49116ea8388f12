"""Several networks in one fit: made from one seed, trained on the same encoded data.

Networks know nothing of each other, so that the bits of each are those of a fit of its
own. They are trained in threads where the process has some, else one after the other.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import numpy as np

from sklearn_gru._engines.checkpoint import Checkpoint, TimeLimit
from sklearn_gru._engines.choice import choose
from sklearn_gru._engines.numba.compile import checked
from sklearn_gru._engines.numba.engine import NumbaEngine
from sklearn_gru._engines.torch.callbacks import EpochReports, Progress
from sklearn_gru._engines.torch.device import member_seed, torch_threads
from sklearn_gru._engines.torch.net import SequenceNet
from sklearn_gru._engines.training import (
    Best,
    Stopping,
    TrainingParams,
    is_left_alone,
    make_net,
    train,
    train_further,
)
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.streamed import Data
from sklearn_gru._model.tasks import Task
from sklearn_gru._support.interrupts import (
    deferred_interrupts,
    raise_if_stopped,
    stopped_by,
)
from sklearn_gru._support.ranks import current
from sklearn_gru.exceptions import InvalidParameterError

Nets = tuple[SequenceNet, ...]
Result = TypeVar("Result")


def make_nets(
    n: int,
    spec: NetworkSpec,
    task: Task,
    params: TrainingParams,
    *,
    seed: int,
    **options: Any,
) -> Nets:
    """Make `n` nets; the first is that of :func:`make_net` with the same arguments."""
    return tuple(
        make_net(
            spec,
            task,
            params._replace(callbacks=_callbacks_of(params.callbacks, k, n)),
            seed=member_seed(seed, k),
            **options,
        )
        for k in range(n)
    )


def _callbacks_of(callbacks: list[Any], number: int, n: int) -> list[Any]:
    """Return the callbacks of a network: those given for the first, copies for others.

    A callback may count or keep the best of one training.
    """
    return callbacks if number == 0 else [_copied(c, number, n) for c in callbacks]


def can_be_copied(callbacks: list[Any] | None) -> bool:
    """Return whether further networks can have callbacks of their own."""
    try:
        _callbacks_of(list(callbacks or []), 1, 2)
    except InvalidParameterError:
        return False
    return True


def _copied(entry: Any, number: int, n: int) -> Any:
    if isinstance(entry, tuple):
        return entry[0], _copied(entry[1], number, n)
    if isinstance(entry, Checkpoint):
        return entry.of_member(number)
    try:
        return copy.deepcopy(entry)
    except Exception as error:  # whatever its parts raise
        raise InvalidParameterError(
            f"n_estimators={n} gives every network a copy of each callback, but "
            f"{type(entry).__name__} cannot be copied: {error}. Give it a "
            "__deepcopy__, or set n_estimators=1."
        ) from error


def train_all(
    nets: Nets,
    training: Data,
    validation: Data | None,
    epochs: int,
    *,
    scheduled: bool,
    stopping: Stopping | None = None,
    progress: str | None = None,
    watchers: Sequence[EpochReports] | None = None,
    threads: int = 1,
) -> tuple[Best | None, ...]:
    """Train every net as :func:`train` does; return the best epoch of each, or None.

    `watchers` has one reporter per net.
    """
    n = len(nets)
    workers = 1 if watchers else n_workers(nets, threads)
    line = None if progress is None else Progress(progress, epochs, n)
    _share_time(nets, -(-n // workers))

    def run(k: int) -> Best | None:
        at_once = min(workers, n - k)
        return train(
            nets[k],
            training,
            validation,
            epochs,
            scheduled=scheduled,
            stopping=stopping,
            line=line,
            watcher=None if watchers is None else watchers[k],
            threads=max(1, threads // at_once),
        )

    return _with_line(nets, run, workers, line)


def train_all_further(
    nets: Nets,
    data: Data,
    epochs: Sequence[int],
    *,
    progress: str | None = None,
    threads: int = 1,
) -> None:
    """Train every net as :func:`train_further` does, each for a number of epochs."""
    n = len(nets)
    workers = n_workers(nets, threads)
    line = None if progress is None else Progress(progress, max(epochs), n)

    def run(k: int) -> None:
        own = max(1, threads // min(workers, n - k))
        train_further(nets[k], data, epochs[k], line=line, threads=own)

    _with_line(nets, run, workers, line)


def _with_line(
    nets: Nets, run: Callable[[int], Result], workers: int, line: Progress | None
) -> tuple[Result, ...]:
    """Return what runs return, and close their progress line."""
    try:
        return of_each(nets, run, workers, announce=line is not None)
    finally:
        if line is not None:
            line.close()


def of_each(
    nets: Nets, run: Callable[[int], Result], workers: int, *, announce: bool = False
) -> tuple[Result, ...]:
    """Return run(0), run(1), ..., each of which trains one net, `workers` at a time."""
    if workers == 1:
        return tuple(map(run, range(len(nets))))
    for net in nets:
        _prepare(net, announce=announce)
    return _in_threads(run, len(nets), workers)


def _prepare(net: SequenceNet, *, announce: bool) -> None:
    """Do what threads must not: compile, and import.

    Ctrl-C cannot end the first in another thread, and modules that import each other
    are seen half-made by a second thread. An optimizer of PyTorch imports hundreds.
    """
    engine, _ = choose(net.plan(trains=True, announce=announce))
    if not isinstance(engine, NumbaEngine):
        _ = net.optimizer_


def n_workers(nets: Nets, threads: int) -> int:
    """Return how many nets to train at once.

    Callbacks of others than this package may draw or write, and expect the thread that
    called fit. A GPU has one queue, and the checked build one thread. Ranks exchange
    one network after the other.
    """
    if current() is not None:
        return 1
    if not all(map(is_left_alone, nets)):
        return 1
    devices = {net.module_.head.weight.device.type for net in nets}
    if devices != {"cpu"} or checked.ENABLED:
        return 1
    return max(1, min(threads, len(nets)))


def _share_time(nets: Nets, turns: int) -> None:
    """Give every net an equal share of a time limit; `turns` is one after the other."""
    for net in nets:
        for _, callback in net.callbacks_:
            if isinstance(callback, TimeLimit):
                callback.turns = turns


def _in_threads(
    run: Callable[[int], Result], n: int, workers: int
) -> tuple[Result, ...]:
    """Return the results of run(0) to run(n - 1); after an error, none is running."""
    stop = np.zeros(1, dtype=np.int64)

    def work(k: int) -> Result:
        with stopped_by(stop), torch_threads(1):
            raise_if_stopped()
            return run(k)

    futures: list[Future[Result]] = []
    with ThreadPoolExecutor(workers) as pool:
        try:
            with deferred_interrupts():  # the pool would not know of a thread
                futures += [pool.submit(work, k) for k in range(n)]
            left = set(futures)
            while left:
                # Python hears Ctrl-C between two waits.
                done, left = wait(left, timeout=0.1, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        except BaseException:
            with deferred_interrupts():
                stop[0] = 1
                pool.shutdown()
            raise
    return tuple(future.result() for future in futures)
