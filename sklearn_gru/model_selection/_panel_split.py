"""Splitters for panels: :class:`PanelTimeSeriesSplit`.

scikit-learn's TimeSeriesSplit cuts by row number. On a panel sorted by group, that puts
some series entirely in the training set and tests on others in the same weeks. The cut
has to be at a time, the same for all groups. The time is read from X, as windows do.
"""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.model_selection import BaseCrossValidator, TimeSeriesSplit

from sklearn_gru._support.rules import (
    Number,
    OneOf,
    Rule,
    check_parameters,
    positive_integer,
)
from sklearn_gru._tables.keys import keys_of
from sklearn_gru.exceptions import InputError, TimeIndexError

__all__ = ["PanelTimeSeriesSplit"]


class PanelTimeSeriesSplit(BaseCrossValidator):
    """Time series split that cuts all groups of a panel at the same times.

    It splits the distinct times of X as
    :class:`~sklearn.model_selection.TimeSeriesSplit` splits rows: a split trains on all
    rows up to a time and tests on all rows of the times that follow. On a single series
    without repeated times, sorted by time, the splits are exactly those of
    TimeSeriesSplit.

    Parameters
    ----------
    n_splits : int, default=5
        Number of splits, at least 2.
    max_train_size : int, default=None
        Maximum number of distinct times in a training set.
    test_size : int, default=None
        Number of distinct times in a test set. None takes
        ``n_times // (n_splits + 1)``.
    gap : int, default=0
        Number of distinct times left out between training and test set.
    time : str or int, default=None
        Column or index level that is the time; as in
        :class:`~sklearn_gru.SlidingWindow`.
    groups : str, int or list of them, default=None
        Columns or index levels that identify the series. They do not change the cut;
        name them only if the level that is the time is ambiguous otherwise.

    Raises
    ------
    TimeIndexError
        X carries no time, or it cannot be read.
    InputError
        There are too few distinct times.

    See Also
    --------
    sklearn.model_selection.TimeSeriesSplit : The same for a single series.

    Notes
    -----
    `test_size` and `gap` count distinct times, not time steps. A time at which no group
    has a row does not count, and two groups measured at ten past and at twenty past the
    hour have two times per hour. With regular times that the groups share, each
    distinct time is one step.

    A group that begins late, or has a hole, has fewer rows in some sets, or none.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_gru.model_selection import PanelTimeSeriesSplit
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> index = pd.MultiIndex.from_product([["a", "b"], days])
    >>> X = pd.DataFrame({"sales": range(8)}, index=index)
    >>> for train, test in PanelTimeSeriesSplit(n_splits=3).split(X):
    ...     print(train, test)
    [0 4] [1 5]
    [0 1 4 5] [2 6]
    [0 1 2 4 5 6] [3 7]
    """

    # Groups given to split change nothing, so routing them here is harmless.
    __metadata_request__split: ClassVar[dict] = {"groups": True}

    _parameter_rules: ClassVar[dict[str, list[Rule]]] = {
        "n_splits": [positive_integer(2)],
        "max_train_size": [Number(Integral, 1), OneOf((None,))],
        "test_size": [Number(Integral, 1), OneOf((None,))],
        "gap": [positive_integer(0)],
    }

    def __init__(
        self,
        n_splits=5,
        *,
        max_train_size=None,
        test_size=None,
        gap=0,
        time=None,
        groups=None,
    ):
        self.n_splits = n_splits
        self.max_train_size = max_train_size
        self.test_size = test_size
        self.gap = gap
        self.time = time
        self.groups = groups

    def split(self, X, y=None, groups=None):
        """Generate the row numbers of the training and test set of each split.

        Parameters
        ----------
        X : DataFrame, or array-like of shape (n_rows, n_columns) with `time`
            Rows in any order, with their times.
        y : array-like of shape (n_rows,), default=None
            Ignored.
        groups : array-like of shape (n_rows,), default=None
            Ignored: the cut is at the same time for all groups.

        Yields
        ------
        train : ndarray of int
            Rows to train on, in the order of X.
        test : ndarray of int
            Rows to test on, in the order of X.
        """
        check_parameters(self, self._parameter_rules)
        keys = keys_of(X, self.time, self.groups)
        if keys is None or keys.axis.kind == "row":
            raise TimeIndexError(
                "X carries no time to split by. Give X as a DataFrame whose index is "
                "the time, or name the column or index level: "
                "PanelTimeSeriesSplit(time=...)."
            )
        times, rank = np.unique(keys.time, return_inverse=True)
        for train, test in self._split_times(len(times)):
            yield (
                np.flatnonzero((rank >= train[0]) & (rank <= train[-1])),
                np.flatnonzero((rank >= test[0]) & (rank <= test[-1])),
            )

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            The parameter `n_splits`.
        """
        return self.n_splits

    def _split_times(self, n_times: int):
        """Split the distinct times, numbered in order."""
        size = self.test_size or n_times // (self.n_splits + 1)
        if n_times - self.gap - size * self.n_splits < 1 or size < 1:
            raise InputError(
                f"X has {n_times} distinct times, too few for {self.n_splits} splits "
                f"with test sets of {max(size, 1)} times, a gap of {self.gap} and at "
                "least one time to train on. Use fewer splits, a smaller test_size or "
                "a smaller gap."
            )
        splitter = TimeSeriesSplit(
            self.n_splits,
            max_train_size=self.max_train_size,
            test_size=self.test_size,
            gap=self.gap,
        )
        return splitter.split(np.empty((n_times, 1)))
