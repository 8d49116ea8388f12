# ruff: noqa: RUF001  (the signs of the picture are meant)
"""Draw the two forms of the GRU cell: ``python draw_gru_cells.py`` writes the SVG.

The picture carries its own light background, so it reads the same on a light page, on a
dark one and where the Markdown is shown without the site.
"""

from pathlib import Path

INK, CARD, GATE, STATE = "#1f2933", "#ffffff", "#fde6c8", "#d6e8f7"
HEIGHT = 330


def text(x, y, words, size=14, weight="normal", anchor="middle"):
    """Words at a point."""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{INK}">{words}</text>'
    )


def wire(*points):
    """A line through points, with an arrow at its end."""
    path = " ".join(f"{x},{y}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-width="1.6" '
        'marker-end="url(#head)"/>'
    )


def box(x, y, first, second="", fill=STATE, width=86):
    """A labelled box around a point."""
    height = 42
    lines = [text(x, y + (-3 if second else 5), first)]
    if second:
        lines.append(text(x, y + 14, second, size=12))
    return "".join(
        [
            f'<rect x="{x - width / 2}" y="{y - height / 2}" width="{width}" '
            f'height="{height}" rx="6" fill="{fill}" stroke="{INK}"/>',
            *lines,
        ]
    )


def node(x, y, sign):
    """A round sign: a product or a sum, number by number."""
    circle = f'<circle cx="{x}" cy="{y}" r="13" fill="{CARD}" stroke="{INK}"/>'
    return circle + text(x, y + 6, sign, size=18)


def panel(top, title, reset_first):
    """One form of the cell."""
    product, matrix = (105, 195) if reset_first else (205, 115)
    inner, outer = sorted((product, matrix))
    edge = {product: 13, matrix: 38}
    parts = [
        text(20, 26, title, size=15, weight="bold", anchor="start"),
        # The state, along the top.
        text(24, 65, "h′", size=16),
        wire((40, 60), (389, 60)),
        wire((417, 60), (446, 60)),
        wire((474, 60), (508, 60)),
        text(520, 65, "h", size=16),
        # The candidate, in the middle.
        wire((55, 60), (55, 140), (inner - edge[inner], 140)),
        wire((inner + edge[inner], 140), (outer - edge[outer], 140)),
        wire((outer + edge[outer], 140), (257, 140)),
        wire((284, 140), (302, 140)),
        wire((388, 140), (446, 140)),
        wire((460, 127), (460, 74)),
        # The gates and the input, below.
        wire((product, 209), (product, 154)),
        wire((460, 209), (460, 154)),
        text(466, 186, "1 − z", anchor="start"),
        # The update gate crosses the candidate's way, with a gap.
        f'<rect x="398" y="134" width="10" height="12" fill="{CARD}"/>',
        wire((417, 219), (403, 219), (403, 74)),
        text(397, 200, "z", anchor="end"),
        text(24, 301, "x", size=16),
        wire((36, 296), (460, 296), (460, 252)),
        wire((product, 296), (product, 252)),
        wire((270, 296), (270, 154)),
        text(262, 270, "W<tspan font-size='10' dy='3'>in</tspan>", anchor="end"),
        box(matrix, 140, "W<tspan font-size='10' dy='3'>hn</tspan>", width=76),
        node(product, 140, "×"),
        node(270, 140, "+"),
        box(345, 140, "tanh: n"),
        node(403, 60, "×"),
        node(460, 140, "×"),
        node(460, 60, "+"),
        box(product, 230, "reset r", "σ of x and h′", GATE),
        box(460, 230, "update z", "σ of x and h′", GATE),
    ]
    return f'<g transform="translate(0 {top})">{"".join(parts)}</g>'


def figure():
    """Both forms, one above the other, to be legible on a phone."""
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{INK}"/>'
        "</marker></defs>"
    )
    size = f"540 {2 * HEIGHT}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="540" '
            f'height="{2 * HEIGHT}" font-family="DejaVu Sans, Arial, sans-serif" '
            'role="img">',
            head,
            f'<rect width="540" height="{2 * HEIGHT}" rx="10" fill="{CARD}"/>',
            panel(0, 'cell="gru": reset after the matrix product', False),
            panel(HEIGHT, 'cell="gru_reset_before": reset before it', True),
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    Path(__file__).with_name("gru_cells.svg").write_text(figure(), encoding="utf-8")
