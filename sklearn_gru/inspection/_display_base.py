"""The base class of the displays."""

from __future__ import annotations

from typing import Any


class Display:
    """A drawing that keeps its axes as ``ax_`` and their figure as ``figure_``."""

    ax_: Any
    figure_: Any

    def _begin(self, ax: Any) -> Any:
        """Return the axes to draw on: `ax`, or those of a new figure."""
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                f"{type(self).__name__}.plot needs matplotlib, which is not installed: "
                "pip install matplotlib (or pip install 'sklearn-gru[plot]')."
            ) from error
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax
