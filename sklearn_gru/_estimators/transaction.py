"""A fit as a transaction: it ends whole, or the estimator is what it was before."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from sklearn_gru._engines.torch.state import NetState
from sklearn_gru._support.interrupts import deferred_interrupts


def transaction(*, continues: Callable[[Any], bool]) -> Callable[..., Any]:
    """Decorate a method that fits, to undo what it did to the estimator if it fails.

    `continues` tells from the estimator whether the method trains the networks of an
    earlier fit; one that starts over leaves those networks alone. A generator that
    `random_state` names stays drawn from.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
            attributes = dict(vars(self))
            fitted = attributes.get("_fitted")
            trained = []
            if fitted is not None and continues(self):
                trained = [NetState(net) for net in fitted.nets]
            with ExitStack() as cleanup:
                try:
                    return method(self, *args, **kwargs)
                except BaseException:
                    # A second Ctrl-C waits until everything is back.
                    cleanup.enter_context(deferred_interrupts())
                    self.__dict__ = attributes
                    for state in trained:
                        state.restore()
                    raise

        return fit

    return decorate
