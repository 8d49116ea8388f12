"""Draw the bar charts of the home page, once for light and once for dark pages.

``python docs/figures/draw_benchmarks.py`` reads what the benchmarks printed into
``docs/performance.md`` and ``docs/accuracy.md`` and writes two charts beside itself:
the time of an epoch, and the accuracy on the tasks of classification. It does not
measure anything.
"""

import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

DOCS = Path(__file__).parent.parent
PALETTES = {
    "light": {
        "ink": "#24292f",
        "grid": "#d0d7de",
        "ours": "#0072b2",
        "rest": "#9aa5b1",
    },
    "dark": {"ink": "#e6edf3", "grid": "#30363d", "ours": "#56b4e9", "rest": "#6e7781"},
}
OPPONENTS = {"raw torch loop": "a loop in PyTorch", "plain skorch": "skorch"}
OURS = ("recommended", "default", "default before")
PEER = "torch.nn.GRU, peers' defaults"


def epoch_seconds():
    """Seconds of an epoch in the steady state, from the windows of `make bench`."""
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    table = page.split("windows, squared error\n")[1].split("\n\n")[0]
    rows = re.findall(r"^(\S.+?)  +[\d.]+ s,.+?  +([\d.]+) s,", table, re.M)
    seconds = {name: float(value) for name, value in rows}
    shown = {label: seconds[name] for name, label in OPPONENTS.items()}
    return shown | {"GRURegressor": seconds["estimator, numba"]}


def accuracies():
    """Per task of classification: a peer, the best baseline, default parameters."""
    page = (DOCS / "accuracy.md").read_text(encoding="utf-8")
    found = {}
    for part in page.split("\n## ")[1:]:
        task, _, table = part.partition("\n")
        if "accuracy %" in table:
            rows = re.findall(r"^\| (.+?) \| ([\d.]+)", table, re.M)
            found[task] = {name: float(value) for name, value in rows}
    return {
        task: _contestants(scores) for task, scores in found.items() if PEER in scores
    }


def _contestants(scores):
    baselines = {
        name: score
        for name, score in scores.items()
        if name not in OURS and not name.startswith("torch.nn")
    }
    return {
        "torch.nn.GRU, a tutorial's settings": scores[PEER],
        "the best baseline that is not a GRU": max(baselines.values()),
        "GRUClassifier()": scores["default"],
    }


def styled(draw, values, size, palette):
    """A figure without paper, in the colors of a page, with what `draw` adds to it."""
    ink, grid = palette["ink"], palette["grid"]
    colors = {"text.color": ink, "axes.edgecolor": grid}
    ticks = {"xtick.color": ink, "ytick.color": ink, "font.size": 12}
    with mpl.rc_context({**colors, **ticks}):
        figure, axis = plt.subplots(figsize=size, layout="constrained")
        axis.spines[["top", "right", "bottom"]].set_visible(False)
        axis.tick_params(length=0)
        axis.set_xticks([])
        draw(axis, values, palette)
    return figure


def draw_speed(axis, seconds, palette):
    """One bar per way to train."""
    fastest = seconds["GRURegressor"]
    for place, (name, value) in enumerate(seconds.items()):
        ours = name == "GRURegressor"
        axis.barh(place, value, 0.62, color=palette["ours" if ours else "rest"])
        words = f"{value:.2f} s" + ("" if ours else f", {value / fastest:.0f} times")
        axis.text(value + 0.02, place, words, va="center")
    axis.set_yticks(range(len(seconds)), seconds)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.45 * max(seconds.values()))
    axis.set_title("Seconds per epoch, one thread", loc="left", fontsize=13)


def draw_accuracy(axis, tasks, palette):
    """Three bars per task, the package's below, as far as its number."""
    shades = {
        "torch.nn.GRU, a tutorial's settings": (palette["rest"], 0.55),
        "the best baseline that is not a GRU": (palette["rest"], 1.0),
        "GRUClassifier()": (palette["ours"], 1.0),
    }
    for place, scores in enumerate(tasks.values()):
        for k, (name, value) in enumerate(scores.items()):
            color, alpha = shades[name]
            height = place + 0.27 * (k - 1)
            label = name if place == 0 else None
            axis.barh(height, value, 0.25, color=color, alpha=alpha, label=label)
            axis.text(value + 1, height, f"{value:.1f}", va="center", fontsize=9.5)
    axis.set_yticks(range(len(tasks)), tasks)
    axis.invert_yaxis()
    axis.set_xlim(0, 112)
    axis.margins(y=0.01)
    axis.set_title("Accuracy on the test part, %", loc="left", fontsize=13)
    axis.figure.legend(loc="outside lower left", frameon=False, fontsize=11)


CHARTS = {
    "speed": (draw_speed, epoch_seconds, (5.4, 2.0)),
    "accuracy": (draw_accuracy, accuracies, (5.4, 7.2)),
}


def main(folder=Path(__file__).parent):
    """Write two charts in two colors into a folder."""
    mpl.rcParams["svg.hashsalt"] = "benchmarks"  # the same file every time
    for chart, (draw, read, size) in CHARTS.items():
        for name, palette in PALETTES.items():
            figure = styled(draw, read(), size, palette)
            path = Path(folder) / f"benchmark_{chart}_{name}.svg"
            figure.savefig(path, transparent=True, metadata={"Date": None})
            plt.close(figure)


if __name__ == "__main__":
    main()
