"""
Daily returns of a stock
========================

Can a GRU forecast a stock? Many charts suggest that it can. This example compares a
network with the cheapest forecast, yesterday's price, on four years of daily prices. It
then shows why a plot of prices is misleading, and which property of a stock can be
forecast.
"""

# %%
# Returns, not prices
# -------------------
# Daily closing prices of Google, 2004 to 2008, are included in matplotlib. A price is
# close to the previous one, so any forecast of prices looks good. To be useful, a
# forecast has to predict the change. Weekends and holidays have no rows: ``freq=None``
# uses the rows as time steps, whatever the number of days between them.

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cbook import get_sample_data
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gru import GRURegressor, SlidingWindow

daily = get_sample_data("goog.npz")["price_data"]
price = pd.Series(daily["adj_close"], index=pd.DatetimeIndex(daily["date"]))
X = pd.DataFrame({"return": 100 * np.log(price).diff(), "volume": daily["volume"]})
X["volume"] = np.log(X["volume"])
X["size"] = X["return"].abs()
X = X.iloc[1:]
print(f"{len(X)} trading days from {X.index[0].date()} to {X.index[-1].date()}")
print(f"standard deviation of a day's return: {X['return'].std():.2f} %")

# %%
# Tomorrow's return
# -----------------
# There are four folds of half a year. Each is forecast one day ahead from the 20 days
# before, by models fitted on all days before the fold. The skill is the share by which
# a model reduces the squared error of a random walk, which predicts 0. A skill of 1 is
# perfect, 0 is no better than predicting 0, and a negative skill is worse.

SEEDS = range(3)
folds = list(TimeSeriesSplit(4, test_size=125).split(X))
judged = np.concatenate([test for _, test in folds])


def gru(seed):
    """A window of 20 trading days and a small network."""
    return make_pipeline(
        SlidingWindow(20, lag=1, freq=None),
        GRURegressor(
            16,
            max_iter=15,
            early_stopping=True,
            validation_fraction=0.2,
            dtype="float32",
            random_state=seed,
        ),
    )


def ridge():
    """A linear model on the same windows; those of the first days are incomplete."""
    return make_pipeline(
        SlidingWindow(20, lag=1, freq=None, flatten=True),
        SimpleImputer(),
        StandardScaler(),
        RidgeCV(np.logspace(0, 6, 13)),
    )


def forecast(model, y, X=X):
    """The forecasts of all folds, one below the other."""
    parts = []
    for train, test in folds:
        model.fit(X.iloc[train], y.iloc[train])
        parts.append(pd.Series(model.predict(X.iloc[test]), index=X.index[test]))
    return pd.concat(parts)


def skills(y, forecasts, reference):
    """A line for each forecast: its skill on every fold and on all of them."""
    days = {f"fold {k + 1}": X.index[test] for k, (_, test) in enumerate(folds)}
    days["all"] = X.index[judged]
    lines, base = {}, (y - reference) ** 2
    for name, predicted in forecasts.items():
        error = (y - predicted) ** 2
        lines[name] = {k: 1 - error[d].sum() / base[d].sum() for k, d in days.items()}
    return pd.DataFrame(lines).T


y = X["return"]
returns = {
    "mean of the past": forecast(DummyRegressor(), y),
    "ridge": forecast(ridge(), y),
    **{f"GRU, seed {seed}": forecast(gru(seed), y) for seed in SEEDS},
}
of_returns = skills(y, returns, 0 * y)
print("returns, skill over the random walk")
print(of_returns.round(3).to_string())

# %%
# Over all days, no model beats the random walk. The network, which is the most flexible
# model, has the lowest skill. It is ahead in one half-year and behind in the others.
# That is chance, so a chart of that half-year alone would show only chance.

# %%
# Why a plot of prices is misleading
# ----------------------------------
# A forecast of the return, added to the price of the day before, is a forecast of the
# price. It looks perfect, and its R2 is close to 1. The same is true of the random
# walk: the plot shows yesterday's price, one day late.

before = price.shift(1)
prices = {"random walk": before}
prices["GRU"] = before * np.exp(returns["GRU, seed 0"] / 100)
at = X.index[judged]
for name, predicted in prices.items():
    print(f"{name}: R2 of the price {r2_score(price[at], predicted[at]):.4f}")

figure, axes = plt.subplots(2, 1, figsize=(7, 5), layout="constrained")
for axis, days, title in (
    (axes[0], at, "Two years of forecasts, a day ahead: it looks perfect"),
    (axes[1], at[200:230], "Thirty days of them: the price of yesterday"),
):
    axis.plot(price[days], color="0.6", lw=3, label="price")
    axis.plot(prices["GRU"][days], color="#0072B2", lw=1.3, label="GRU")
    axis.plot(before[days], ":", color="#D55E00", lw=1.8, label="price of yesterday")
    axis.set_title(title, fontsize=10)
    axis.set_ylabel("US dollars")
    locator = mpl.dates.AutoDateLocator(maxticks=8)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mpl.dates.ConciseDateFormatter(locator))
    axis.grid(alpha=0.3)
handles, labels = axes[1].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=3)
plt.show()

# %%
# Predictable: the size of a return, not its sign
# -----------------------------------------------
# Large returns follow large returns. The size of a return, its absolute value, depends
# on its past. The reference here is the mean of the past. Two baselines need no
# network: the mean of the last 20 days, and a linear regression on the sizes of the
# last day, week and month (known as HAR).

size = X["size"]
recent = pd.DataFrame({n: size.rolling(n, min_periods=1).mean() for n in (1, 5, 22)})
recent = recent.shift(1).bfill()
sizes = {
    "mean of 20 days": size.rolling(20, min_periods=1).mean().shift(1),
    "day, week, month": forecast(LinearRegression(), size, recent),
    "ridge": forecast(ridge(), size),
    **{f"GRU, seed {seed}": forecast(gru(seed), size) for seed in SEEDS},
}
of_sizes = skills(size, sizes, forecast(DummyRegressor(), size))
print("sizes of returns, skill over the mean of the past")
print(of_sizes.round(3).to_string())

# %%
# In every half-year, up to a tenth of the squared error can be removed, but the mean of
# 20 days removes as much as the network. The figure has one dot per fold and a bar for
# all days:

figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for axis, table, title in (
    (axes[0], of_returns, "return: skill over 0"),
    (axes[1], of_sizes, "size: skill over the mean"),
):
    rows = np.arange(len(table))
    for fold in table.columns.drop("all"):
        axis.plot(table[fold], rows, "o", color="#0072B2", alpha=0.5, ms=5)
    axis.plot(table["all"], rows, "|", color="#D55E00", ms=16, mew=2.5)
    axis.axvline(0, color="0.4", lw=1)
    axis.set_yticks(rows, table.index)
    axis.invert_yaxis()
    axis.set_title(title, fontsize=10)
    axis.grid(axis="x", alpha=0.3)
plt.show()
