"""Fits and predictions on a Dask cluster.

Dask holds the partitions, starts a rank on each worker and replaces workers; the ranks
exchange gradients with each other (:mod:`sklearn_gru.distributed._group`).
"""

from __future__ import annotations

import importlib
import time
import uuid
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils import get_tags

from sklearn_gru._windows.finding import find_window
from sklearn_gru.distributed._partitions import (
    check_whole_groups,
    groups_in,
    partitions_of,
)
from sklearn_gru.distributed._rank import Address, Progress, fit_rank, free_address
from sklearn_gru.exceptions import DistributedFitError, InvalidParameterError

_METHODS = ("predict", "predict_proba", "predict_log_proba", "score_samples")
_POLL = 0.1  # seconds between two looks at the workers
_LATE = 5  # seconds until the scheduler hears of a loss that a rank has noticed


def fit_dask(
    model: BaseEstimator,
    frame: Any,
    y: Any = None,
    *,
    client: Any = None,
    n_workers: int | None = None,
    retries: int = 2,
    timeout: float = 45.0,
) -> BaseEstimator:
    """Fit one model on a Dask cluster, a rank on each worker.

    The result is that of ``model.fit`` with the rows of all partitions in one process,
    to the bit, as described for :func:`data_parallel`.

    Parameters
    ----------
    model : estimator
        Estimator of this package, or a Pipeline that ends with one. It is not changed.
    frame : Dask DataFrame or Array, or list of Delayed or Future
        Partitions of rows. Those of a group must lie in one partition; a partition may
        be empty.
    y : str, or Dask Series or Array, or list of Delayed or Future, default=None
        Column of `frame` that holds the target, or partitions like those of `frame`.
        None for a :class:`~sklearn_gru.GRUOutlierDetector`, which needs no target.
    client : distributed.Client, default=None
        Connection to the cluster; None takes the current one.
    n_workers : int, default=None
        Number of ranks, on as many workers; None takes all workers there are now. A
        power of two shares the work evenly.
    retries : int, default=2
        How often to start again after a worker was lost. The fit goes on from the last
        epoch that had ended.
    timeout : float, default=45.0
        Seconds after which a silent rank counts as lost, and how long to wait for
        another worker in the place of a lost one.

    Returns
    -------
    fitted : estimator
        Fitted copy of `model`, which needs neither Dask nor the cluster.

    Raises
    ------
    InputError
        A group lies in several partitions, or the partitions do not fit together.
    DistributedFitError
        Workers were lost more than `retries` times, or were not replaced in time.

    See Also
    --------
    predict_dask : Predict the partitions of a Dask collection.
    data_parallel : What the ranks share; for other launchers.

    Notes
    -----
    Every worker receives all rows: the ranks share the work, not the memory. Workers
    must be processes of their own, as those of ``LocalCluster(processes=True)`` are.
    The random state may be None; retries use the same seed.

    Examples
    --------
    >>> import dask
    >>> import numpy as np
    >>> from distributed import Client, LocalCluster
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.distributed import fit_dask, predict_dask
    >>> X = np.random.default_rng(0).normal(size=(60, 8, 2))
    >>> parts = [dask.delayed(X[:40]), dask.delayed(X[40:])]
    >>> targets = [part.sum(axis=(1, 2)) for part in parts]
    >>> cluster = LocalCluster(  # with n_workers=2 and processes=True, two ranks
    ...     n_workers=1, processes=False, dashboard_address=None
    ... )
    >>> with cluster, Client(cluster) as client:
    ...     model = fit_dask(GRURegressor(8, max_iter=5), parts, targets, client=client)
    ...     predicted = dask.compute(*predict_dask(model, parts))
    >>> [len(part) for part in predicted]
    [40, 20]
    """
    distributed = _import("distributed")
    client = distributed.get_client() if client is None else client
    _check(retries, timeout)
    _check_target(model, y)
    rows = client.compute(partitions_of(frame, "frame"))
    whole = y is None or isinstance(y, str)
    targets = y if whole else client.compute(partitions_of(y, "y"))
    if not whole and len(targets) != len(rows):
        raise InvalidParameterError(
            f"frame has {len(rows)} partitions, but y has {len(targets)}. Make both "
            "from the same collection."
        )
    window = find_window(model)
    if window is not None and window.groups is not None:
        labels = client.gather([client.submit(groups_in, p, window) for p in rows])
        check_whole_groups(labels, one_series=True)
    job = _Job(client, _with_seed(model), rows, targets, timeout)
    size = len(client.nthreads()) if n_workers is None else int(n_workers)
    lost: _LostWorker | None = None
    try:
        for _ in range(retries + 1):
            try:
                return _with_params_of(model, job.run(job.workers(size)))
            except _LostWorker as error:
                lost = error
    finally:
        job.close()
    raise DistributedFitError(
        f"The fit lost workers {retries + 1} times, last: {lost}. Look at the logs of "
        "the workers (memory?), or raise retries."
    ) from lost


def predict_dask(model: BaseEstimator, frame: Any, *, method: str = "predict") -> Any:
    """Predict the partitions of a Dask collection, each on its own.

    Parameters
    ----------
    model : estimator
        Fitted estimator or Pipeline.
    frame : Dask DataFrame or Array, or list of Delayed or Future
        Partitions of rows, as for :func:`fit_dask`; they may be empty.
    method : str, default="predict"
        Method of the model to call: ``"predict"``, ``"predict_proba"``,
        ``"predict_log_proba"`` or ``"score_samples"``.

    Returns
    -------
    predictions : Dask Series, DataFrame or Array, or list of Delayed
        Predictions of each partition, not yet computed, with the index of its rows.
        They are those of one call with all rows, to the bit.

    Raises
    ------
    InputError
        A group, or a series without groups, lies in several partitions.
    InvalidParameterError
        `method` is another one.
    """
    dask = _import("dask")
    parts = partitions_of(frame, "frame")
    window = find_window(model)
    if window is not None:
        delayed = dask.delayed(groups_in)
        check_whole_groups(
            dask.compute(*[delayed(part, window) for part in parts]), one_series=False
        )
    shape = _Answers.of(model, method)
    answer = dask.delayed(_predicted)
    whole = dask.delayed(model)
    answers = [answer(whole, part, method, shape) for part in parts]
    if isinstance(frame, (list, tuple)):
        return answers
    if hasattr(frame, "npartitions") and hasattr(frame, "divisions"):
        return _import("dask.dataframe").from_delayed(
            answers, meta=shape.frame(shape.none())
        )
    array = _import("dask.array")
    return array.concatenate(
        [
            array.from_delayed(
                part, (n, *shape.example.shape[1:]), dtype=shape.example.dtype
            )
            for part, n in zip(answers, frame.chunks[0], strict=True)
        ]
    )


class _Answers(NamedTuple):
    """Answers of a model: those to one row, and the columns if there are several."""

    example: np.ndarray
    columns: list[Any] | None = None

    @classmethod
    def of(cls, model: Any, method: str) -> _Answers:
        classes: Any = getattr(model, "classes_", None)
        if method not in _METHODS:
            raise InvalidParameterError(
                f"method={method!r}; expected one of {', '.join(_METHODS)}."
            )
        if method in ("predict_proba", "predict_log_proba"):
            return cls(np.zeros((1, len(classes))), list(classes))
        if method == "predict" and is_classifier(model):
            return cls(classes[:1])
        last = model.steps[-1][1] if hasattr(model, "steps") else model
        n = getattr(last, "n_outputs_", 1) if method == "predict" else 1
        return cls(np.zeros(1)) if n == 1 else cls(np.zeros((1, n)), list(range(n)))

    def none(self) -> np.ndarray:
        """Return the answers to no rows."""
        return self.example[:0]

    def frame(self, values: np.ndarray, index: Any = None) -> Any:
        """Return answers as a pandas Series, or as a DataFrame."""
        if not len(values):  # pandas tells the type of a column by its values
            found = self.frame(self.example).iloc[:0]
            return found if index is None else found.set_axis(index)
        if self.columns is None:
            return pd.Series(values, index=index)
        return pd.DataFrame(values, index=index, columns=self.columns)


def _predicted(model: Any, part: Any, method: str, answers: _Answers) -> Any:
    """Return the answers of a partition."""
    values = answers.none()
    if len(part):
        found = np.asarray(getattr(model, method)(part))
        values = found.astype(answers.example.dtype, copy=False)
    is_frame = isinstance(part, pd.DataFrame)
    return answers.frame(values, part.index) if is_frame else values


class _LostWorker(Exception):
    """A worker of a fit ended, or no longer answers."""


class _Job:
    """Fit of a model by ranks on the workers of a cluster, until it succeeds."""

    def __init__(
        self, client: Any, model: Any, rows: list[Any], targets: Any, timeout: float
    ) -> None:
        self.client = client
        self.model = model
        self.rows = rows
        self.targets = targets
        self.timeout = timeout
        self.progress = Progress(f"sklearn_gru-{uuid.uuid4().hex}")
        self.progress.begin(client)

    def workers(self, size: int) -> list[str]:
        """Return the addresses of as many workers, which may still have to come."""
        end = time.monotonic() + self.timeout
        while len(found := sorted(self.client.nthreads())) < size:
            if time.monotonic() > end:
                raise DistributedFitError(
                    f"{len(found)} of {size} workers are left, and none came within "
                    f"{self.timeout:g} seconds. Start workers, and call fit_dask again."
                )
            time.sleep(_POLL)
        return found[:size]

    def run(self, workers: list[str]) -> Any:
        """Return the model that the first rank has fitted, or raise _LostWorker."""
        try:
            address = self._address(workers)
        except OSError as error:
            raise _LostWorker(f"{workers[0]} ({error})") from error
        files = self.progress.files(self.client)
        futures = [
            self.client.submit(
                fit_rank,
                self.model,
                self.rows,
                self.targets,
                Address(*address, rank, len(workers)),
                self.timeout,
                self.progress,
                files,
                workers=[worker],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
            for rank, worker in enumerate(workers)
        ]
        try:
            self._wait(futures, workers)
            return futures[0].result()
        finally:
            self.client.cancel(futures, force=True)

    def _address(self, workers: list[str]) -> tuple[str, int]:
        """Return host and port where ranks can meet, on the first worker."""
        found = self.client.run(free_address, workers=workers)
        if len({process for _, _, process in found.values()}) < len(workers):
            raise InvalidParameterError(
                "Several workers are threads of one process, which can hold one rank. "
                "Use LocalCluster(processes=True)."
            )
        host, port, _ = found[workers[0]]
        return host, port

    def _wait(self, futures: list[Any], workers: list[str]) -> None:
        """Wait until all ranks have ended; raise the error of one that failed."""
        while not all(future.status == "finished" for future in futures):
            self._check_alive(workers)
            for future in futures:
                if future.status == "error":
                    self._raise(future.exception(), workers)
            time.sleep(_POLL)

    def _raise(self, error: BaseException, workers: list[str]) -> None:
        """Raise what a rank has raised, or _LostWorker if it missed another rank."""
        if isinstance(error, DistributedFitError):
            end = time.monotonic() + _LATE
            while time.monotonic() < end:
                self._check_alive(workers)
                time.sleep(_POLL)
        raise error

    def _check_alive(self, workers: list[str]) -> None:
        """Raise _LostWorker if the scheduler misses a worker."""
        lost = set(workers) - set(self.client.nthreads())
        if lost:
            raise _LostWorker(", ".join(sorted(lost)))

    def close(self) -> None:
        """Forget what ranks have told."""
        self.progress.forget(self.client)


def _with_seed(model: BaseEstimator) -> BaseEstimator:
    """Return a copy whose random states are the same in every attempt."""
    copy = clone(model)
    params = copy.get_params()
    random = np.random.default_rng()
    seeds = {
        name: int(random.integers(2**31 - 1))
        for name, value in params.items()
        if value is None and name.rpartition("__")[2] == "random_state"
    }
    return copy.set_params(**seeds)


def _with_params_of(model: BaseEstimator, fitted: BaseEstimator) -> BaseEstimator:
    """Return a fitted model with the parameters that another one has."""
    changed = ("random_state", "callbacks")
    params = {
        name: value
        for name, value in model.get_params().items()
        if name.rpartition("__")[2] in changed
    }
    return fitted.set_params(**params)


def _check(retries: int, timeout: float) -> None:
    if not isinstance(retries, int) or retries < 0:
        raise InvalidParameterError(f"retries={retries!r}; expected an integer >= 0.")
    if not timeout > 0:
        raise InvalidParameterError(f"timeout={timeout!r}; expected seconds > 0.")


def _check_target(model: BaseEstimator, y: Any) -> None:
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    if y is None and get_tags(last).target_tags.required:
        raise InvalidParameterError(
            f"y is None, but {type(last).__name__} needs a target. Pass the name of "
            "its column, or its partitions."
        )


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is needed: {error}. Install it: pip install 'sklearn-gru[dask]'."
        ) from error
