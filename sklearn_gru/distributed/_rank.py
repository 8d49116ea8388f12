"""One rank of a fit on a Dask cluster: what runs on a worker."""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse

import torch.distributed as dist
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback

from sklearn_gru._encoding.all_ranks import joined
from sklearn_gru._engines.checkpoint import Checkpoint
from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.outliers import GRUOutlierDetector, default_forecaster
from sklearn_gru.distributed._group import data_parallel
from sklearn_gru.exceptions import DistributedFitError, InputError

Files = dict[str, bytes]


class Address(NamedTuple):
    """Place where ranks meet, and the number of this one."""

    host: str
    port: int
    rank: int
    size: int


def free_address(dask_worker: Any) -> tuple[str, int, Any]:
    """Return host and a free port of this worker, and what tells its process."""
    host = urlparse(dask_worker.address).hostname or "127.0.0.1"
    with socket.socket() as found:
        found.bind(("", 0))
        return host, found.getsockname()[1], (socket.gethostname(), os.getpid())


class Progress(NamedTuple):
    """Checkpoints of a fit, kept by the scheduler under a name."""

    name: str

    def _variable(self, client: Any) -> Any:
        from distributed import Variable

        return Variable(self.name, client=client)

    def files(self, client: Any) -> Files:
        """Return the files of the last epoch that had ended, or none."""
        return self._variable(client).get()

    def begin(self, client: Any) -> None:
        """Keep no files so far."""
        self._variable(client).set({})

    def tell(self, files: Files) -> None:
        """Keep files in the place of those before."""
        from distributed import get_client

        self._variable(get_client()).set(files)

    def forget(self, client: Any) -> None:
        """Remove what was kept."""
        with contextlib.suppress(Exception):  # a cluster that is gone has forgotten
            self._variable(client).delete()


class _Tell(Callback):
    """Callback that sends the checkpoints on after each epoch."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress

    def __deepcopy__(self, memo: dict[int, Any]) -> _Tell:
        return self

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Send what was saved at the end of the epoch before."""
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        if found:
            names = (str(path.relative_to(self.folder)) for path in found)
            contents = (path.read_bytes() for path in found)
            self.progress.tell(dict(zip(names, contents, strict=True)))


def fit_rank(
    model: Any,
    rows: list[Any],
    targets: Any,
    address: Address,
    timeout: float,
    progress: Progress,
    files: Files,
) -> Any:
    """Fit with the other ranks; return the model on the first of them, else None."""
    X = joined(rows, "frame")
    if isinstance(targets, str):
        y = _column(X, targets)
        X = X.drop(columns=targets)
    elif targets is None:
        y = None
    else:
        _check_sizes(rows, targets)
        y = joined(targets, "y")
    if len(X) == 0:
        raise InputError("All partitions of frame are empty. Give some rows.")
    with tempfile.TemporaryDirectory() as name, _joined_group(address, timeout):
        folder = Path(name)
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        own = [Checkpoint(folder, every=0)]
        if address.rank == 0:
            own.append(_Tell(folder, progress))
        forecasters = _add_callbacks(model, own)
        with data_parallel(timeout=timeout):
            model.fit(X, y)
        model.set_params(**dict.fromkeys(forecasters))
        for estimator in _fitted_in(model):
            _remove_callbacks(estimator, folder)
    return model if address.rank == 0 else None


@contextlib.contextmanager
def _joined_group(address: Address, timeout: float) -> Any:
    """Be one rank of a process group."""
    patience = datetime.timedelta(seconds=timeout)
    host, port, rank, size = address
    if dist.is_initialized():
        raise DistributedFitError(
            "This worker still runs a rank of another fit. Wait for its end, or "
            "restart the worker."
        )
    try:
        store = dist.TCPStore(host, port, size, rank == 0, timeout=patience)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
    except (RuntimeError, TimeoutError) as error:
        raise DistributedFitError(
            f"Rank {rank} of {size} did not meet the others at {host}:{port}: {error}"
        ) from error
    try:
        yield
    finally:
        dist.destroy_process_group()


def _add_callbacks(model: Any, callbacks: list[Any]) -> list[str]:
    """Add callbacks to the estimators of this package in a model.

    A detector without a forecaster makes one in fit, which could not have them: it is
    given the same one. The names of the parameters that were None are returned.
    """
    forecasters = [
        f"{prefix}estimator"
        for prefix, owner in _owners(model)
        if isinstance(owner, GRUOutlierDetector) and owner.estimator is None
    ]
    model.set_params(**{name: default_forecaster() for name in forecasters})
    params = model.get_params()
    for prefix, owner in _owners(model):
        if isinstance(owner, BaseGRU):
            given = params[f"{prefix}callbacks"]
            model.set_params(**{f"{prefix}callbacks": [*(given or []), *callbacks]})
    return forecasters


def _owners(model: Any) -> list[tuple[str, Any]]:
    """Return a model and what it holds, each with the prefix of its parameters."""
    held = model.get_params().items()
    return [("", model), *((f"{name}__", value) for name, value in held)]


def _fitted_in(model: Any) -> Iterator[BaseGRU]:
    """Yield the fitted estimators of this package in a model, whatever holds them."""
    if isinstance(model, BaseGRU):
        if hasattr(model, "nets_"):
            yield model
    elif isinstance(model, BaseEstimator):
        for value in vars(model).values():
            yield from _fitted_in(value)
    elif isinstance(model, (list, tuple)):
        for value in model:
            yield from _fitted_in(value)


def _remove_callbacks(estimator: BaseGRU, folder: Path) -> None:
    """Remove what was added, also from the nets, which keep the callbacks of their fit.

    :func:`fit_dask` restores the parameters of the model; copies in fitted attributes,
    as a detector holds one, are restored here.
    """

    def is_own(entry: Any) -> bool:
        callback = entry[1] if isinstance(entry, tuple) else entry
        saves_here = isinstance(callback, Checkpoint) and callback.path == folder
        return saves_here or isinstance(callback, _Tell)

    left = [entry for entry in estimator.callbacks or [] if not is_own(entry)]
    estimator.callbacks = left or None
    for net in estimator.nets_:
        net.callbacks = [entry for entry in net.callbacks if not is_own(entry)]
        net.callbacks_ = [entry for entry in net.callbacks_ if not is_own(entry)]


def _column(X: Any, name: str) -> Any:
    if name not in getattr(X, "columns", ()):
        raise InputError(
            f"frame has no column {name!r} to take y from; it has "
            f"{list(getattr(X, 'columns', []))}."
        )
    return X[name]


def _check_sizes(rows: list[Any], targets: list[Any]) -> None:
    for number, (part, target) in enumerate(zip(rows, targets, strict=True)):
        if len(part) != len(target):
            raise InputError(
                f"Partition {number} has {len(part)} rows in frame and {len(target)} "
                "in y. Make both from the same collection."
            )
