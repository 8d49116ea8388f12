"""What the displays share: axes, colours, legends that cover nothing, heat maps.

Colours are those of Okabe & Ito, which people with any kind of colour vision tell
apart, and viridis, which also survives a black and white print.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BLACK, GREY = "#222222", "#8c8c8c"
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE = "#E69F00", "#56B4E9", "#CC79A7"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, BLACK)
DASHES = ("-", "--", "-.", ":")
ABSENT = "#d9d9d9"  # behind cells without a value


def axes_for(ax: Any, owner: str) -> Any:
    """The axes to draw on: those given, or of a new figure."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{owner}.plot needs matplotlib, which is not installed: "
            "pip install matplotlib (or pip install 'sklearn-gru[plot]')."
        ) from error
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    return ax


def legend_above(ax: Any, limits: tuple[float, float] | None = None) -> Any:
    """A legend at the top of the axes, with room made for it above the data."""
    if limits is None:
        ax.autoscale(axis="y")
    low, high = limits or ax.get_ylim()
    # How much room it takes is known after a layout only.
    for n_columns in (2, 1):
        legend = ax.legend(loc="upper left", ncols=n_columns, frameon=False)
        ax.figure.canvas.figure.draw_without_rendering()
        if legend.get_window_extent().width < ax.bbox.width:
            break
    share = legend.get_window_extent().height / ax.bbox.height + 0.02
    if share < 0.6 and ax.get_yscale() == "linear":
        ax.set_ylim(low, low + (high - low) / (1 - share))
    return legend


def heat_map(ax: Any, values: np.ndarray, edges: np.ndarray, rows: Any, label: str):
    """Cells (n_rows, n_columns) as colours, first row on top; NaN in grey."""
    ax.set_facecolor(ABSENT)
    mesh = ax.pcolormesh(
        edges, np.arange(len(values) + 1) - 0.5, values, cmap="viridis"
    )
    ax.set_ylim(len(values) - 0.5, -0.5)
    # More labels than fit are thinned, not squeezed.
    height = ax.bbox.height / ax.figure.dpi * 72
    every = max(1, int(np.ceil(len(values) * 11 / max(height, 1))))
    at = np.arange(0, len(values), every)
    ax.set_yticks(at, [str(rows[k]) for k in at])
    colorbar = ax.figure.colorbar(mesh, ax=ax, label=label)
    return mesh, colorbar


def count_steps(ax: Any, n_steps: int, noun: str = "step") -> None:
    """An axis of steps counted from the end."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.set_xlim(-n_steps - 0.5, -0.5)
    ax.set_xlabel(f"{noun} (\N{MINUS SIGN}1 is the last)")


def steps_back(n_steps: int) -> np.ndarray:
    """Numbers of the steps, -n_steps … -1."""
    return np.arange(-n_steps, 0)
