"""Callbacks for long fits: a checkpoint to go on from, and a time limit."""

from __future__ import annotations

import copy
import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from skorch.callbacks import Callback, LRScheduler

from sklearn_gru._engines.run import Arrays, Run
from sklearn_gru._engines.torch.callbacks import StopTraining
from sklearn_gru._support.files import write_whole
from sklearn_gru._support.warn import warn
from sklearn_gru.exceptions import CheckpointError, InvalidParameterError

_NAME = "checkpoint.npz"
_FORMAT = 1


class Checkpoint(Callback):
    """Save the training of `fit`, so that a killed fit goes on where it was.

    The same call of `fit` with the same data then ends with the same bits as one that
    was never interrupted. A fit that ended returns its result again without training.

    Parameters
    ----------
    path : str or Path
        Folder of the checkpoint, which is made if it does not exist. A copy of this
        callback (scikit-learn clones the estimators of a search and of
        cross-validation) makes a folder inside for each candidate and fold.
    every : float, default=1.0
        Seconds between two checkpoints, at least; 0 saves after every epoch. A
        checkpoint is about three times as large as the parameters of the network.

    Raises
    ------
    CheckpointError
        In fit: the checkpoint belongs to another fit (parameters, X, y, weights,
        validation data or random_state differ), cannot be read, or the folder cannot be
        written to. If writing fails later (the disk is full), fit warns and goes on.

    See Also
    --------
    TimeLimit : Stop after some seconds; with a checkpoint, the next fit goes on.

    Notes
    -----
    The file holds arrays and JSON (NumPy's npz without pickle), so that loading it runs
    no code. It is replaced at once and never half-written. It holds weights, moments
    of AdamW, random streams, history, and the states of the learning-rate schedule and
    of early stopping, but no state of other callbacks. ``random_state`` must be an
    integer. ``partial_fit`` writes no checkpoint. With `n_estimators`, every network
    has its own file: the first in the folder, the others in folders ``member_1``,
    ``member_2`` and so on inside. The epochs of all sequences that follow early
    stopping have a file in a folder ``all_sequences`` inside each of these.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.callbacks import Checkpoint
    >>> X = np.random.default_rng(0).normal(size=(50, 8, 2))
    >>> folder = tempfile.mkdtemp()
    >>> model = GRURegressor(
    ...     8, max_iter=5, random_state=0, callbacks=[Checkpoint(folder)]
    ... )
    >>> first = model.fit(X, X.sum((1, 2))).predict(X)
    >>> again = model.fit(X, X.sum((1, 2))).predict(X)  # read from the folder
    >>> bool((first == again).all())
    True
    """

    def __init__(self, path: str | Path, every: float = 1.0) -> None:
        self.path = path
        self.every = every
        self._is_copy = False
        self._member = 0
        self._is_further = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Checkpoint:
        new = type(self)(copy.deepcopy(self.path, memo), self.every)
        new._is_copy, new._member = True, self._member
        return new

    def __sklearn_clone__(self) -> Checkpoint:
        return copy.deepcopy(self)

    def of_member(self, number: int) -> Checkpoint:
        """Return the checkpoint of a further network of the same fit."""
        new = copy.deepcopy(self)
        new._is_copy, new._member = self._is_copy, number
        return new

    def of_further_epochs(self) -> Checkpoint:
        """Return the checkpoint of the epochs that follow early stopping."""
        new = self.of_member(self._member)
        new._is_further = True
        return new

    def begin(self, run: Run, callbacks: list[tuple[str, Any]]) -> None:
        """Load the state of the run, if there is one, before its first epoch."""
        self._check(callbacks)
        self._fingerprint = run.fingerprint()
        folder = Path(self.path)
        if self._is_copy:
            folder /= "-".join(v[:6] for v in self._fingerprint.values())
        if self._member:
            folder /= f"member_{self._member}"
        if self._is_further:
            folder /= "all_sequences"
        self._file = folder / _NAME
        self._engine: str | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / ".writable", b"")
            (folder / ".writable").unlink(missing_ok=True)
            found = self._file.read_bytes() if self._file.exists() else None
        except OSError as error:
            raise CheckpointError(
                f"Checkpoint cannot write to {folder}: {error}. Choose another path."
            ) from error
        if found is not None:
            self._load(run, found)
        self._saved_at = time.monotonic()

    def opened(self, run: Run) -> None:
        """Refuse to go on with an engine of other rounding than before."""
        if self._engine not in (None, run.net.engine_):
            raise CheckpointError(
                f"The checkpoint {self._file} was trained by the engine "
                f"{self._engine!r}, but here {run.net.engine_!r} is used (see "
                f"{run.net.declined}). Use the same machine and versions, or delete it."
            )

    def save_if_due(self, run: Run) -> None:
        """Write the state of the run, unless the last time was just now."""
        if time.monotonic() - self._saved_at >= self.every:
            self.save(run, is_over=False)

    def save(self, run: Run, *, is_over: bool) -> None:
        """Write the state of the run."""
        run.is_over = is_over
        try:
            write_whole(self._file, _packed(run, self._fingerprint))
        except OSError as error:
            warn(
                f"The checkpoint {self._file} could not be written: {error}. The fit "
                "goes on, but cannot be resumed from here. Free some space.",
                RuntimeWarning,
            )
        self._saved_at = time.monotonic()

    def _check(self, callbacks: list[tuple[str, Any]]) -> None:
        if not isinstance(self.every, (int, float)) or not self.every >= 0:
            raise InvalidParameterError(
                f"Checkpoint: every={self.every!r}; expected seconds, such as 1.0."
            )
        if any(isinstance(c, LRScheduler) for _, c in callbacks):
            raise InvalidParameterError(
                "Checkpoint does not save the state of skorch's LRScheduler. Leave one "
                "of the two out of callbacks=[…]; the schedule of fit is saved."
            )

    def _load(self, run: Run, content: bytes) -> None:
        arrays, plain = _unpacked(content, self._file)
        before = plain["fingerprint"]
        other = [k for k, v in self._fingerprint.items() if before.get(k) != v]
        if other and self._is_further:
            return  # of a fit whose own checkpoint was deleted
        if other:
            raise CheckpointError(
                f"The checkpoint {self._file} belongs to another fit: "
                f"{', '.join(other)} differ. Delete it to start over, or use another "
                "path. (random_state must be an integer to go on.)"
            )
        try:
            run.load(arrays, plain)
        except Exception as error:  # values of other kinds and sizes
            raise CheckpointError(_UNREADABLE.format(self._file, error)) from error
        run.is_over = bool(plain["is_over"])
        self._engine = plain["engine"]


class TimeLimit(Callback):
    """End training before it has taken some seconds, and keep the network.

    Training ends after the epoch from which one more would take too long, as measured
    by the longest so far; one epoch is always trained. With early stopping, training
    goes back to the best weights as usual, and the epochs of all sequences that follow
    are trained if there is time for all of them.

    Parameters
    ----------
    seconds : float
        Seconds that training may take, without reading the data and compiling. With
        `n_estimators`, they are divided equally among the networks that are trained one
        after the other.

    See Also
    --------
    Checkpoint : With one, the next call of `fit` goes on where the limit ended it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.callbacks import TimeLimit
    >>> X = np.random.default_rng(0).normal(size=(50, 8, 2))
    >>> model = GRURegressor(8, max_iter=10**6, callbacks=[TimeLimit(0.1)])
    >>> model.fit(X, X.sum((1, 2))).n_iter_ < 10**6
    True
    """

    turns = 1  # networks that are trained one after the other

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Start the clock."""
        seconds = self.seconds
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise InvalidParameterError(f"TimeLimit: seconds={seconds!r} is no number.")
        self._end = time.monotonic() + seconds / self.turns
        self._longest = 0.0
        self._left = 0.0
        self.expired_ = False

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Note when the epoch began."""
        self._began = time.monotonic()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Stop if another epoch would end too late."""
        now = time.monotonic()
        self._longest = max(self._longest, now - self._began)
        if now + self._longest > self._end:
            self.expired_ = True
            raise StopTraining

    def on_train_end(
        self, net: Any, X: Any = None, y: Any = None, **kwargs: Any
    ) -> None:
        """Note how much time is left."""
        self._left = self._end - time.monotonic()

    def allows(self, epochs: int) -> bool:
        """Return whether training left the time for some more epochs.

        They count as short if no epoch was measured, as a checkpoint had them all.
        """
        return epochs * self._longest <= self._left

    def of_further_epochs(self) -> TimeLimit:
        """Return the limit of the epochs that follow early stopping."""
        return TimeLimit(max(self._left, 0.0))


class Saver(Callback):
    """Callback after all others, which has checkpoints saved when they have acted."""

    def __init__(self, run: Run, callbacks: list[tuple[str, Any]]) -> None:
        self.run = run
        found = [c for _, c in callbacks]
        self.checkpoints = [c for c in found if isinstance(c, Checkpoint)]
        self.limits = [c for c in found if isinstance(c, TimeLimit)]
        for checkpoint in self.checkpoints:
            checkpoint.begin(run, callbacks)

    def opened(self) -> None:
        """Check the engine that was chosen."""
        for checkpoint in self.checkpoints:
            checkpoint.opened(self.run)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Save what further epochs need."""
        for checkpoint in self.checkpoints:
            checkpoint.save_if_due(self.run)

    def finish(self) -> None:
        """Save the end, from which a later fit returns or, after a limit, goes on."""
        expired = any(limit.expired_ for limit in self.limits)
        for checkpoint in self.checkpoints:
            checkpoint.save(self.run, is_over=not expired)


_UNREADABLE = "The checkpoint {} cannot be read: {!r}. Delete it to start over."


def _packed(run: Run, fingerprint: dict[str, str]) -> bytes:
    """Return the state of a run as the content of an npz file."""
    arrays, plain = run.state()
    about = {
        "format": _FORMAT,
        "fingerprint": fingerprint,
        "engine": run.net.engine_,
        "is_over": run.is_over,
    }
    text = json.dumps({**plain, **about}).encode()
    file = io.BytesIO()
    np.savez(file, about=np.frombuffer(text, dtype=np.uint8), **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _unpacked(content: bytes, path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Return arrays and plain values of a file, which may hold anything."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        plain = json.loads(arrays.pop("about").tobytes())
        if plain["format"] != _FORMAT:
            raise ValueError(f"it has format {plain['format']}, not {_FORMAT}")
        dict(plain["fingerprint"])
    except Exception as error:  # zipfile, tokenize and NumPy raise many kinds
        raise CheckpointError(_UNREADABLE.format(path, error)) from error
    return arrays, plain
