"""A progress line that never ends what it reports on.

tqdm draws it: as text in a terminal, as a widget in a notebook. Drawing can fail for
reasons outside of this package, such as another library that redirects the output. The
line is then dropped.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable
from typing import Any


class ProgressLine:
    """One line with a bar, a count and the time left; hidden in logs and pipes.

    Parameters
    ----------
    total : int
        Number of steps to report.
    name : str
        Text in front of the bar.
    unit : str
        Name of one step.
    shown : bool, default=True
        False draws nothing.
    """

    def __init__(self, total: int, name: str, unit: str, *, shown: bool = True) -> None:
        self.bar: Any = None
        if shown and someone_looks():
            with contextlib.suppress(Exception):
                self.bar = open_bar(total, name, unit)

    def step(self, **values: Any) -> None:
        """Advance by one, and show the values behind the bar."""
        self._draw(_advance, values)

    def skip(self, n: int) -> None:
        """Expect `n` steps less."""
        self._draw(_shorten, n)

    def complete(self) -> None:
        """Close the line as complete, although not all steps were needed."""
        self._draw(_fill)
        self.close()

    def close(self) -> None:
        """Close the line in its current state."""
        self._draw(lambda bar: bar.close())
        self.bar = None

    def _draw(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Draw on the bar; after an error, never again."""
        if self.bar is None:
            return
        try:
            action(self.bar, *arguments)
        except Exception:  # whatever it is, the work goes on
            self.bar = None


def _advance(bar: Any, values: dict[str, Any]) -> None:
    bar.set_postfix(values, refresh=False)
    bar.update()


def _shorten(bar: Any, n: int) -> None:
    _set_total(bar, bar.total - n)


def _fill(bar: Any) -> None:
    _set_total(bar, bar.n)


def _set_total(bar: Any, total: int) -> None:
    bar.total = total
    # A notebook widget has its own maximum.
    for child in getattr(getattr(bar, "container", None), "children", ()):
        if hasattr(child, "max"):
            child.max = total


def open_bar(total: int, name: str, unit: str) -> Any:
    """Return a tqdm progress bar, which is a widget in a notebook."""
    with warnings.catch_warnings():
        # In a notebook without widgets, tqdm warns on import and shows text.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    # While scikit-learn's ProgressBar is shown, rich stands in for the output. Text
    # written to it in a notebook comes back to it without end.
    behind = getattr(sys.stderr, "rich_proxied_file", None) if in_notebook() else None
    return tqdm(total=total, desc=name, unit=unit, file=behind)


def in_notebook() -> bool:
    """Return True in a kernel of Jupyter."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def someone_looks() -> bool:
    """Return True in a terminal or a notebook, False in a log or a pipe."""
    if in_notebook():
        return True
    return sys.stderr is not None and sys.stderr.isatty()
