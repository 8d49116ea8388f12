"""Ranks of a group of torch.distributed, which share the fits of a block of code."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from sklearn_gru._encoding.all_ranks import gathered
from sklearn_gru._support.ranks import sharing
from sklearn_gru.distributed._connections import Connections, connect
from sklearn_gru.exceptions import DistributedFitError, InvalidParameterError

_PATIENCE = datetime.timedelta(minutes=30)  # for data to be read and code compiled


@contextmanager
def data_parallel(*, timeout: float = 60.0) -> Iterator[DataParallel]:
    """Share the fits inside the ``with`` block among the ranks of a process group.

    Every rank runs the same code and gives `fit` its own rows. One model is trained on
    the rows of all ranks, in the order of the ranks, and every rank returns the same
    one: that of a single process with all rows, to the bit.

    Parameters
    ----------
    timeout : float, default=60.0
        Seconds after which a rank gives up the others in training.

    Yields
    ------
    group : DataParallel
        The ranks; ``group.gather`` returns the rows of all of them.

    Raises
    ------
    DistributedFitError
        No process group is initialized; or, in a fit: a rank ended or was silent for
        `timeout` seconds, or ranks fit other estimators or data.

    Warns
    -----
    UserWarning
        In a fit, if a step of the optimizer is too small to share. Every rank then
        trains the whole network.

    See Also
    --------
    fit_dask : Start the ranks on a Dask cluster.

    Notes
    -----
    **What is shared.** The batch is the one that `batch_size` says, whatever the number
    of ranks. It is cut into blocks of 32 sequences; each rank computes the gradients of
    some blocks and adds them in a fixed binary tree, and the ranks exchange these sums.
    A number of ranks that is a power of two shares the blocks evenly. Ranks on one
    machine exchange through sockets, others through gloo. A step is shared if each rank
    computes for 0.2 ms or, between machines, for 1 ms: with 32 units, 24 steps and 8
    columns, a batch of 256 or 1024. The validation loss is shared, too. Everything else
    (moments, categories, the linear part, early stopping) is computed by every rank
    from the same rows.

    **What is not shared.** Every rank receives all rows. Write rows larger than memory
    to one :class:`~sklearn_gru.store.RowStore`, and open it on every rank: a `fit` that
    is given the same rows on every rank uses them as they are.

    **Pipelines.** SlidingWindow and the estimators see the rows of all ranks. Any other
    step that learns, such as a scaler, sees those of its rank alone; gather first:
    ``X, y = group.gather(X, y)``.

    The machines need the same processor and the same versions, or they round
    differently, which ends in an error.

    Examples
    --------
    A script for ``torchrun --nproc-per-node=2 script.py``; here with one process:

    >>> import numpy as np
    >>> import torch.distributed as dist
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.distributed import data_parallel
    >>> dist.init_process_group(  # torchrun needs no store, rank and size
    ...     "gloo", store=dist.HashStore(), rank=0, world_size=1
    ... )
    >>> rank = dist.get_rank()
    >>> X = np.random.default_rng(rank).normal(size=(50, 8, 2))  # the rows of this rank
    >>> y = X.sum((1, 2))
    >>> with data_parallel():
    ...     model = GRURegressor(8, max_iter=5, random_state=0).fit(X, y)
    >>> model.predict(X).shape
    (50,)
    >>> dist.destroy_process_group()
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise DistributedFitError(
            "data_parallel needs a process group. Call "
            "torch.distributed.init_process_group('gloo') first, in a script that is "
            "started by torchrun --nproc-per-node=2 script.py."
        )
    if not timeout > 0:
        raise InvalidParameterError(
            f"timeout={timeout!r}; expected seconds, such as 60.0."
        )
    ranks = GroupRanks(timeout)
    try:
        # One rank has nothing to share, and pays nothing.
        with sharing(ranks if ranks.size > 1 else None):
            yield DataParallel(ranks)
    finally:
        ranks.close()


class DataParallel:
    """The ranks of a :func:`data_parallel` block.

    Attributes
    ----------
    rank : int
        Number of this process, from 0.
    size : int
        Number of processes.
    """

    def __init__(self, ranks: GroupRanks) -> None:
        self._ranks = ranks
        self.rank = ranks.rank
        self.size = ranks.size

    def gather(self, *rows: Any) -> Any:
        """Return the rows of all ranks, one after the other.

        Parameters
        ----------
        *rows : DataFrame, Series, ndarray, list or Sequences
            X, or X and y; each of the same type and with the same columns on every
            rank. A rank may have no rows.

        Returns
        -------
        rows : object or tuple of objects
            What was given, with the rows of all ranks; the same on every rank.

        Raises
        ------
        InputError
            The rows of the ranks do not fit together, or lie in a file.
        """
        if self.size == 1:
            found = rows
        else:
            found = tuple(gathered(self._ranks, value) for value in rows)
        return found[0] if len(found) == 1 else found


class GroupRanks:
    """The ranks of a process group, as fits share them."""

    def __init__(self, timeout: float) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self.timeout = timeout
        # Arrays lie in memory, so gloo serves whatever the backend of the caller.
        seconds = datetime.timedelta(seconds=timeout)
        self._steps = dist.new_group(backend="gloo", timeout=seconds)
        self._data = dist.new_group(backend="gloo", timeout=max(_PATIENCE, seconds))
        self._connections: Connections | None = None
        try:
            if self.size > 1:
                self._connections = connect(self, timeout)
        except BaseException:
            self.close()
            raise

    @property
    def exchange_seconds(self) -> float:
        """Typical time of an exchange, the same on every rank."""
        return 0.5e-3 if self._connections is None else 0.1e-3

    def gather(self, value: Any, *, patient: bool = False) -> list[Any]:
        """Return the values of all ranks, in their order."""
        every: list[Any] = [None] * self.size
        group = self._data if patient else self._steps
        self._call(dist.all_gather_object, every, value, group=group)
        return every

    def exchange(self, own: np.ndarray, every: np.ndarray) -> None:
        """Write the arrays (k,) of all ranks to `every` (size, k)."""
        if self._connections is not None:
            self._call(self._connections.exchange, own, every)
        else:
            parts = list(torch.from_numpy(every).unbind(0))
            self._call(dist.all_gather, parts, torch.from_numpy(own), group=self._steps)

    def _call(self, collective: Callable[..., Any], *args: Any, **options: Any) -> None:
        try:
            collective(*args, **options)
        except (OSError, RuntimeError) as error:  # gloo has no type of its own
            raise DistributedFitError(
                f"Rank {self.rank} of {self.size} lost the others: another process "
                f"ended, or was silent for {self.timeout:g} seconds ({error}). Start "
                "all ranks again; with callbacks=[Checkpoint(folder)] they go on from "
                "the last epoch."
            ) from error

    def disconnect(self) -> None:
        """Exchange through gloo from now on."""
        if self._connections is not None:
            self._connections.close()
            self._connections = None

    def close(self) -> None:
        """End the connections and leave the groups."""
        self.disconnect()
        for group in (self._steps, self._data):
            if dist.is_initialized():
                dist.destroy_process_group(group)
