"""The callbacks of scikit-learn 1.9: a fit is a task, and its epochs are subtasks.

``set_callbacks`` and the tree of tasks come from ``sklearn.callback``. scikit-learn
before 1.9 does not have this module: estimators then have no ``set_callbacks``, and a
:class:`FitReport` does nothing. Only this module knows the difference, so that fits are
written the same way for every version.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """A class without callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method unchanged."""
        return method


__all__ = ["CallbackSupportMixin", "FitReport", "is_one_task", "with_callbacks"]


class FitReport:
    """One call of fit, reported to callbacks of the estimator or of those around it.

    Parameters
    ----------
    estimator : estimator
        The estimator to fit; `with_callbacks` decorates its fit.
    X, y, sample_weight : object
        The data given to fit, for callbacks that score.
    max_subtasks : int, default=0
        Maximum number of subtasks.
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
            # Part of the protocol, despite its underscore. Even without callbacks of
            # its own, an estimator belongs to the task tree of the one around it.
            self._context = estimator._init_callback_context(max_subtasks=max_subtasks)
            self._context.call_on_fit_task_begin(**self._about)
        self.is_watched = bool(getattr(estimator, "_skl_callbacks", None))

    def begin_subtask(self, name: str, fitted: Callable[[], dict[str, Any]]) -> Any:
        """Open a subtask; `fitted` returns the fitted attributes if a callback asks."""
        subtask = self._context.subcontext(task_name=name)
        subtask.call_on_fit_task_begin(**self._about, reconstruction_attributes=fitted)
        return subtask

    def end_subtask(self, subtask: Any, fitted: Callable[[], dict[str, Any]]) -> bool:
        """Close a subtask, and tell whether a callback asks to stop."""
        return subtask.call_on_fit_task_end(
            **self._about, reconstruction_attributes=fitted
        )

    def end(self) -> None:
        """Report that the estimator is fitted."""
        if self._context is not None:
            # Callbacks copy the estimator as it is, with no attributes to add.
            self._context.call_on_fit_task_end(
                **self._about, reconstruction_attributes={}
            )


def is_one_task(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate the fit of an estimator that has no subtasks."""

    @with_callbacks
    @functools.wraps(fit)
    def wrapper(self: Any, X: Any, y: Any = None) -> Any:
        task = FitReport(self, X, y)
        result = fit(self, X, y)
        task.end()
        return result

    return wrapper
