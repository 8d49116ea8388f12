"""The public face of streams: :class:`Stream`."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_gru._estimators.base import BaseGRU
from sklearn_gru._estimators.outliers import GRUOutlierDetector
from sklearn_gru._live.answers import check_method
from sklearn_gru._live.carried import CarriedStates
from sklearn_gru._live.feed import Feed
from sklearn_gru._live.recent import RecentRows
from sklearn_gru._live.windows import OpenWindows
from sklearn_gru.exceptions import StreamError

__all__ = ["Stream"]

_FORMAT = 1


class Stream:
    """Answer each new row as soon as it arrives.

    A stream answers what ``predict`` would answer for the rows that it has seen. For a
    Pipeline with a :class:`~sklearn_gru.SlidingWindow`, ``stream.update(row)`` equals
    ``pipeline.predict(rows_so_far)[-1]``; for an estimator alone, it equals
    ``estimator.predict([rows_so_far])[0]``, of which a tagger answers the last entry.
    The compiled engine gives the same bits, NumPy and a tagger the same numbers up to
    rounding.

    Parameters
    ----------
    model : GRURegressor, GRUClassifier, GRUTagger, GRUOutlierDetector or Pipeline
        Fitted model, which the stream reads and never changes.
    method : str, default="predict"
        Method whose answers are returned: ``"predict"``, ``"predict_proba"``,
        ``"predict_log_proba"``, ``"predict_quantiles"`` or ``"predict_interval"``; of a
        detector also ``"decision_function"`` or ``"score_samples"``.
    state : dict of arrays, default=None
        State of another stream of the same model, to go on from. None starts from the
        rows that the window remembers; an estimator alone starts with no row.

    Attributes
    ----------
    state : dict of arrays
        Everything that the stream remembers, to store it with ``numpy.savez`` and to
        start another stream from. It holds no objects.

    Raises
    ------
    StreamError
        The network reads its rows in a way that no state can be carried through, or
        the model has changed.
    InputError
        A row does not have the features of fit.
    TimeIndexError
        A time cannot be read, is off the grid, or comes too late.

    Notes
    -----
    With an estimator alone, the state of the network is carried from row to row, and a
    row costs the same however many came before it. With a window, the states of all
    windows that hold the newest row are carried together, so that a row costs one
    product of `window_size` rows. Networks that need the whole window at once
    (``bidirectional``, ``normalization``, ``add_differences``, ``conv_filters``,
    ``segment_length``) run the window of each row again. A detector scores the rows
    that its score reaches again, with or without a window.

    A stream is not thread-safe: give each thread its own, or use a lock.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gru import GRURegressor
    >>> from sklearn_gru.live import Stream
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 12, 2))
    >>> model = GRURegressor(8, max_iter=2, random_state=0).fit(X, X.sum(axis=(1, 2)))
    >>> stream = Stream(model)
    >>> answers = [stream.update(row) for row in X[0]]
    >>> np.allclose(answers[-1], model.predict(X[:1])[0])
    True

    Many series at once, one row for each:

    >>> pumps = ("a", "b", "c")
    >>> stream.update_many(X[:3, 0], keys=pumps).shape
    (3,)
    >>> len(stream), "b" in stream
    (4, True)

    A pipeline starts from the rows that its window remembers:

    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_gru import SlidingWindow
    >>> hours = pd.date_range("2024-01-01", periods=120, freq="h")
    >>> frame = pd.DataFrame({"load": rng.normal(size=120)}, index=hours)
    >>> pipeline = make_pipeline(SlidingWindow(24), GRURegressor(8, max_iter=1))
    >>> past, new = frame[:100], frame[100:]
    >>> live = Stream(pipeline.fit(past, past["load"].shift(-1, fill_value=0.0)))
    >>> answers = [live.update(row, time=time) for time, row in new.iterrows()]
    >>> np.allclose(answers, pipeline.predict(new))
    True

    Go on in another process:

    >>> snapshot = stream.state
    >>> again = Stream(model, state=snapshot)
    >>> bool(again.update(X[1, 1], key="b") == stream.update(X[1, 1], key="b"))
    True
    """

    def __init__(
        self,
        model: Any,
        *,
        method: str = "predict",
        state: dict[str, np.ndarray] | None = None,
    ) -> None:
        self.model = model
        self.method = method
        self._feed = _feed_of(model, method)
        self._update = self._feed.update
        if state is not None:
            self._restore(state)

    def update(self, row: Any, key: Hashable = None, time: Any = None) -> Any:
        """Append a row; return the answer for it.

        Parameters
        ----------
        row : array-like of shape (n_features,), dict, Series or DataFrame of one row
            The row, with NaN for a missing value. A dict, Series or frame is read by
            the names of the columns in fit, an array in their order.
        key : hashable, default=None
            Series that the row belongs to. With groups, it is the label of the group,
            a tuple for several key columns; None reads it from the row if the groups
            are columns.
        time : timestamp or number, default=None
            Time of the row, as the index or time column holds it. None reads it from
            the row (a column, the index of a frame, the name of a Series). Without any,
            integer times and rows without times follow one after the other.

        Returns
        -------
        answer : number or ndarray
            The last entry of what `method` of the model returns, in float64: a number,
            or an array if there are several outputs, classes or quantiles.
        """
        return self._update(row, key, time)

    def update_many(self, rows: Any, keys: Any = None, times: Any = None) -> np.ndarray:
        """Append several rows; return the answers for them.

        Parameters
        ----------
        rows : array-like of shape (n, n_features) or DataFrame
            Rows as for :meth:`update`.
        keys : sequence of n labels, default=None
            Series that each row belongs to. An estimator alone takes one row per series
            and looks a tuple that is passed again up once. None appends all rows to one
            series, one after the other, or reads the groups from a frame.
        times : sequence of n times, or one time, default=None
            Time of each row, as for :meth:`update`.

        Returns
        -------
        answers : ndarray of shape (n,) or (n, ...)
            Answers of :meth:`update`.
        """
        return self._feed.update_many(rows, keys, times)

    def predict(self, row: Any = None, key: Hashable = None, time: Any = None) -> Any:
        """Return an answer without appending a row.

        Parameters
        ----------
        row : like row of `update`, default=None
            Row to answer for as if it came next. It is not kept, so that columns which
            are not known yet may be NaN. None answers again for the newest row.
        key : hashable, default=None
            Series, as for :meth:`update`.
        time : timestamp or number, default=None
            Time of the row, as for :meth:`update`.

        Returns
        -------
        answer : number or ndarray
            As for :meth:`update`.
        """
        return self._feed.predict(row, key, time)

    def warm(self, X: Any, key: Hashable = None) -> Stream:
        """Append many rows without answers.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Past rows. A pipeline reads them, with their keys, like X of fit; an
            estimator alone reads one sequence.
        key : hashable, default=None
            Series, if X does not hold it.

        Returns
        -------
        self : Stream
            The stream.
        """
        self._feed.warm(X, key)
        return self

    def forget(self, key: Hashable = None) -> None:
        """Drop all rows of a series; the same key then begins a new one.

        Parameters
        ----------
        key : hashable, default=None
            Series to drop.
        """
        if key not in self:
            raise StreamError(f"The stream follows no series {key!r}.")
        self._feed.forget(key)

    def reset(self) -> None:
        """Go back to the start: the rows that the window remembers, or no row."""
        self._feed.reset()

    def refresh(self) -> None:
        """Take over what changed in the model since the stream was made.

        A pipeline answers with the new weights for the rows seen so far, and takes over
        rows that ``SlidingWindow.partial_fit`` has added. An estimator alone begins all
        series anew, because their states come from the old weights.
        """
        self._feed.refresh()
        self._update = self._feed.update

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Everything that the stream remembers, as a dict of plain arrays."""
        return {"format": np.array(_FORMAT), **self._feed.snapshot()}

    def __len__(self) -> int:
        return len(self._feed.keys())

    def __contains__(self, key: Hashable) -> bool:
        return key in self._feed.keys()  # noqa: SIM118  (not a dict)

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._feed.keys())

    def __repr__(self) -> str:
        n = len(self)
        return f"Stream({type(self.model).__name__}, {n} series)"

    def __reduce__(self) -> Any:
        return _restored, (self.model, self.method, self.state)

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        number = int(state["format"]) if "format" in state else None
        if number != _FORMAT:
            raise StreamError(
                f"This state has format {number}, but this version of sklearn_gru "
                f"reads {_FORMAT}. Make the state with the version that reads it."
            )
        self._feed.restore(state)


def _restored(model: Any, method: str, state: dict[str, np.ndarray]) -> Stream:
    return Stream(model, method=method, state=state)


def _feed_of(model: Any, method: str) -> Feed:
    """Return the series that suit a model."""
    if isinstance(model, BaseGRU) and not model._writes_texts:
        check_is_fitted(model)
        check_method(model, method)
        return CarriedStates(model, method)
    if isinstance(model, GRUOutlierDetector):
        check_is_fitted(model)
        check_method(model, method)
        return RecentRows(model, method)
    if isinstance(model, Pipeline):
        return OpenWindows(model, method)
    raise StreamError(
        "A stream follows a fitted GRURegressor, GRUClassifier, GRUTagger or "
        "GRUOutlierDetector, or a Pipeline with a SlidingWindow, but this is a "
        f"{type(model).__name__}. Of a search, pass best_estimator_."
    )
