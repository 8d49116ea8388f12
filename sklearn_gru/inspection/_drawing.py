"""Axes, colors, legends and heat maps for the displays.

The colors are those of Okabe & Ito, which people with any kind of color vision can
distinguish, and viridis, which also works in black and white print.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BLACK, GRAY = "#222222", "#8c8c8c"
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE = "#E69F00", "#56B4E9", "#CC79A7"
COLORS = (BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, BLACK)
DASHES = ("-", "--", "-.", ":")
ABSENT = "#d9d9d9"  # of cells without a value


def legend_above(ax: Any, limits: tuple[float, float] | None = None) -> Any:
    """Add a legend at the top of the axes, and make room for it above the data."""
    if limits is None:
        ax.autoscale(axis="y")
    low, high = limits or ax.get_ylim()
    # The room that it takes is known only after a layout.
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
    """Draw cells (n_rows, n_columns) as colors, first row on top, NaN in gray."""
    ax.set_facecolor(ABSENT)
    mesh = ax.pcolormesh(
        edges, np.arange(len(values) + 1) - 0.5, values, cmap="viridis"
    )
    ax.set_ylim(len(values) - 0.5, -0.5)
    # If there are more labels than fit, only every so many are drawn.
    height = ax.bbox.height / ax.figure.dpi * 72
    every = max(1, int(np.ceil(len(values) * 11 / max(height, 1))))
    at = np.arange(0, len(values), every)
    ax.set_yticks(at, [str(rows[k]) for k in at])
    colorbar = ax.figure.colorbar(mesh, ax=ax, label=label)
    return mesh, colorbar


def count_steps(ax: Any, n_steps: int, noun: str = "step") -> None:
    """Set up an axis of time steps counted from the end."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.set_xlim(-n_steps - 0.5, -0.5)
    ax.set_xlabel(f"{noun} (\N{MINUS SIGN}1 is the last)")


def steps_back(n_steps: int) -> np.ndarray:
    """Return the numbers of the time steps, -n_steps … -1."""
    return np.arange(-n_steps, 0)
