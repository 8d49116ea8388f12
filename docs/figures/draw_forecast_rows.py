"""Draw the rows that enter one forecast, once for light and once for dark pages.

``python docs/figures/draw_forecast_rows.py`` writes the two SVG files beside it. What
is coloured is asked of :class:`~sklearn_gru.SlidingWindow` and
:func:`~sklearn_gru.make_targets` themselves: every cell of a small frame holds the
number of its row, so the window of the last row says which rows it read.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_gru import SlidingWindow, make_targets

WINDOW, HORIZON, N_ROWS = 6, 4, 12
CELL, LEFT, TOP = 40, 190, 62
PALETTES = {
    "light": {"ink": "#24292f", "faint": "#a8b0b8", "read": "#0072b2", "y": "#d55e00"},
    "dark": {"ink": "#e6edf3", "faint": "#59636e", "read": "#56b4e9", "y": "#e69f00"},
}


def rows_of_the_last_forecast():
    """The rows that each line of the figure colours, by its label."""
    hours = pd.date_range("2024-01-01", periods=N_ROWS, freq="h")
    number = np.arange(float(N_ROWS))
    frame = pd.DataFrame({"bikers": number, "temp": number}, index=hours)
    window = SlidingWindow(WINDOW, lag=HORIZON, known_future="temp")
    bikers, temp = np.asarray(window.fit_transform(frame))[-1].T
    _, Y = make_targets(frame, frame["bikers"], HORIZON)
    return {
        "bikers": ("read", bikers),
        "temp, in known_future": ("read", temp),
        f"y with lag={HORIZON}": ("y", number[-1:]),
        f"y of make_targets(…, {HORIZON})": ("y", Y.to_numpy()[-1]),
    }


def draw(ink, faint, read, y):
    """The figure as the text of an SVG file."""
    colours = {"read": read, "y": y}
    lines = rows_of_the_last_forecast()
    newest = N_ROWS - HORIZON - 1
    bottom = TOP + CELL * len(lines)
    width, height = LEFT + CELL * N_ROWS + 60, bottom + 70
    parts = [_arrow(newest, "newest row read", ink)]
    parts.append(_arrow(N_ROWS - 1, "row of the forecast", ink))
    for at, (label, (kind, rows)) in enumerate(lines.items()):
        middle = TOP + CELL * at + CELL / 2
        parts.append(_text(LEFT - 14, middle + 5, label, ink, "end"))
        for row in range(N_ROWS):
            filled = row in rows
            parts.append(_cell(row, middle, colours[kind] if filled else faint, filled))
    edge = LEFT + CELL * (newest + 1)
    parts.append(
        f'<line x1="{edge}" x2="{edge}" y1="{TOP - 4}" y2="{bottom + 4}" '
        f'stroke="{ink}" stroke-dasharray="4 4"/>'
    )
    for row in range(N_ROWS):
        x = LEFT + CELL * row + CELL / 2
        parts.append(_text(x, bottom + 24, f"{row - newest:d}", ink, "middle"))
    parts.append(_text(LEFT - 14, bottom + 24, "steps after the newest", ink, "end"))
    parts.append(_swatch(LEFT, bottom + 44, read, "in the window", ink))
    parts.append(_swatch(LEFT + 170, bottom + 44, y, "predicted", ink))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="14">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _text(x, y, words, ink, anchor):
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{ink}" text-anchor="{anchor}">{words}</text>'
    )


def _cell(row, middle, colour, filled):
    x = LEFT + CELL * row + 5
    paint = f'fill="{colour}"' if filled else f'fill="none" stroke="{colour}"'
    return (
        f'<rect x="{x}" y="{middle - 13:g}" width="{CELL - 10}" height="26" rx="4" '
        f"{paint}/>"
    )


def _swatch(x, y, colour, words, ink):
    square = f'<rect x="{x}" y="{y}" width="14" height="14" rx="3" fill="{colour}"/>'
    return square + _text(x + 22, y + 12, words, ink, "start")


def _arrow(row, words, ink):
    """A label above a column, with an arrow down to it."""
    x = LEFT + CELL * row + CELL / 2
    return (
        _text(x, 22, words, ink, "middle")
        + f'<path d="M{x:g} 30V{TOP - 8} m-4 -7 l4 7 l4 -7" fill="none" '
        + f'stroke="{ink}"/>'
    )


def main():
    """Write both files."""
    for name, palette in PALETTES.items():
        path = Path(__file__).with_name(f"forecast_rows_{name}.svg")
        path.write_text(draw(**palette), encoding="utf-8")


if __name__ == "__main__":
    main()
