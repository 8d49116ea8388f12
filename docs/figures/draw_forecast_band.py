"""Draw the forecast of the README, once for light and once for dark pages.

``python docs/figures/draw_forecast_band.py`` fits a model to half a year of rented
bikes, forecasts the weeks after it, each hour the day before, and writes the last five
days as two SVG files beside itself, narrow enough for a phone. It prints how often the
band held.
"""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets

PALETTES = {
    "light": {"ink": "#24292f", "grid": "#d0d7de", "line": "#0072b2"},
    "dark": {"ink": "#e6edf3", "grid": "#30363d", "line": "#56b4e9"},
}
N_TEST, SHOWN = 700, 120


def forecast():
    """What was observed in the test part, the median a day ahead and its interval."""
    df = datasets.load_bike_sharing().frame.iloc[1000:5000].astype(float)
    df["hour_sin"] = np.sin(2 * np.pi * df["hour"] / 24)
    df["hour_cos"] = np.cos(2 * np.pi * df["hour"] / 24)
    known = ["hour_sin", "hour_cos", "workingday", "temp", "weather"]
    X, y = df[["bikers", *known]], df["bikers"]
    model = make_pipeline(
        SlidingWindow(48, lag=24, known_future=known),
        GRURegressor(32, loss="quantile", quantile=(0.1, 0.5, 0.9), random_state=0),
    )
    model.fit(X.iloc[:-N_TEST], y.iloc[:-N_TEST])
    windows = model[0].transform(X.iloc[-N_TEST:])
    interval = model[-1].predict_interval(windows, coverage=0.8)
    return y.iloc[-N_TEST:], model[-1].predict(windows), interval


def draw(observed, median, interval, ink, grid, line):
    """The figure, on nothing: the page is its background."""
    colours = {"text.color": ink, "axes.labelcolor": ink, "axes.edgecolor": grid}
    ticks = {"xtick.color": ink, "ytick.color": ink, "font.size": 12}
    with mpl.rc_context({**colours, **ticks}):
        figure, axis = plt.subplots(figsize=(6.2, 3.4), layout="constrained")
        time = observed.index
        axis.fill_between(
            time, *interval.T, color=line, alpha=0.3, lw=0, label="80 % band"
        )
        axis.plot(time, median, color=line, lw=1.8, label="forecast the day before")
        axis.plot(time, observed, ".", color=ink, ms=5, label="observed")
        locator = mpl.dates.DayLocator()
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(mpl.dates.ConciseDateFormatter(locator))
        axis.set_ylabel("rented bikes per hour")
        axis.grid(color=grid, lw=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.01)
        axis.set_ylim(0)
        handles = axis.get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", frameon=False, ncols=3)
        return figure


def main():
    """Write both files."""
    observed, median, interval = forecast()
    inside = (interval[:, 0] <= observed) & (observed <= interval[:, 1])
    print(f"{inside.mean():.0%} of {N_TEST} hours in the band for 80 %")
    shown = slice(-SHOWN, None)
    mpl.rcParams["svg.hashsalt"] = "forecast"  # the same file every time
    for name, palette in PALETTES.items():
        figure = draw(observed[shown], median[shown], interval[shown], **palette)
        path = Path(__file__).with_name(f"forecast_band_{name}.svg")
        figure.savefig(path, transparent=True, metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
