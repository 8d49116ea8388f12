"""scikit-learn's own callbacks (1.9): a fit is a task, its epochs are subtasks.

``set_callbacks`` and the tree of tasks come from ``sklearn.callback``. Before
scikit-learn 1.9 there is no such module: estimators then have no ``set_callbacks``, and
a :class:`FitReport` is silent. Everything said about it is said here, so that fits read
the same on every version.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing to tear down."""
        return method


__all__ = ["CallbackSupportMixin", "FitReport", "is_one_task", "with_callbacks"]


class FitReport:
    """One call of fit, told to the callbacks set on the estimator or around it.

    Parameters
    ----------
    estimator : estimator
        What is fitted; its fit is decorated by `with_callbacks`.
    X, y, sample_weight : object
        The data as given, which callbacks may score on.
    max_subtasks : int, default=0
        How many subtasks there can be at most.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        max_subtasks: int = 0,
    ) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._about = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._context: Any = None
        if hasattr(estimator, "_init_callback_context"):
            # Part of the protocol in spite of its underscore: also without callbacks
            # of its own the estimator takes its place in the tree of what is around it.
            self._context = estimator._init_callback_context(max_subtasks=max_subtasks)
            self._context.call_on_fit_task_begin(**self._about)
        self.is_watched = bool(getattr(estimator, "_skl_callbacks", None))

    def begin_subtask(self, name: str, fitted: Callable[[], dict[str, Any]]) -> Any:
        """Open a subtask; `fitted` makes the fitted attributes, for who asks."""
        subtask = self._context.subcontext(task_name=name)
        subtask.call_on_fit_task_begin(**self._about, reconstruction_attributes=fitted)
        return subtask

    def end_subtask(self, subtask: Any, fitted: Callable[[], dict[str, Any]]) -> bool:
        """Close a subtask; whether a callback asks to stop after it."""
        return subtask.call_on_fit_task_end(
            **self._about, reconstruction_attributes=fitted
        )

    def end(self) -> None:
        """The estimator is fitted."""
        if self._context is not None:
            # A copy of the estimator as it is: nothing to add.
            self._context.call_on_fit_task_end(
                **self._about, reconstruction_attributes={}
            )


def is_one_task(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate the fit of an estimator that has no subtasks."""

    @with_callbacks
    @functools.wraps(fit)
    def told(self: Any, X: Any, y: Any = None) -> Any:
        task = FitReport(self, X, y)
        result = fit(self, X, y)
        task.end()
        return result

    return told
