"""
First forecast: bike rentals one hour and one day ahead
=======================================================

How many bikes will be rented in the next hour, and at the same hour tomorrow? This
example passes a year of hourly rentals with calendar and weather through
:class:`~sklearn_gru.SlidingWindow` to :class:`~sklearn_gru.GRURegressor`. It
cross-validates and tunes the pipeline with scikit-learn, and compares it with cheap
baselines on the same windows. At the end, :class:`~sklearn_gru.GRUClassifier`
identifies nine speakers.
"""

# %%
# Data
# ----
# The rows are hourly, with a time index. The rentals are also a column of X: with a lag
# of one hour or more, the model reads only their past. Calendar and weather are known
# ahead (the weather as a forecast would give it), so the window reads them up to the
# hour itself. Season and month are left out, because in one year of data the test set
# has values of them that the training set never has.

import time
import warnings
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow, datasets
from sklearn_gru.exceptions import LostHistoryWarning

began = time.perf_counter()
df = datasets.load_bike_sharing().frame.drop(columns=["season", "month"])
df["hour_sin"] = np.sin(2 * np.pi * df["hour"] / 24)
df["hour_cos"] = np.cos(2 * np.pi * df["hour"] / 24)
target = df["bikers"]
known = [column for column in df.columns if column != "bikers"]
n_test = 1729
train, test = df.iloc[:-n_test], df.iloc[-n_test:]
y_train, y_test = target.iloc[:-n_test], target.iloc[-n_test:]
print(f"{len(df)} hours of 2011, {len(known)} columns known ahead; test: last {n_test}")

# %%
# Cross-validation and a small search
# -----------------------------------
# The pipeline works like any other. Windows are looked up by time, so the first test
# row of a fold reads the training rows before it. A fifth of the epochs is enough for a
# comparison.


def forecaster(lag, window_size=48, **params):
    """A window and a GRU behind it."""
    window = SlidingWindow(window_size, lag=lag, known_future=known)
    return make_pipeline(window, GRURegressor(random_state=0, **params))


# A fold may end right before an hour that is missing in the data, which causes a
# warning.
warnings.simplefilter("ignore", LostHistoryWarning)
coarse = forecaster(1, max_iter=4, early_stopping=False)
print("\nTimeSeriesSplit, 3 folds, 4 epochs …")
scores = cross_val_score(
    coarse, train, y_train, cv=TimeSeriesSplit(3, test_size=800), n_jobs=2
)
print(f"R2 of the folds: {np.round(scores, 3)}")

grid = {
    "slidingwindow__window_size": [12, 48],
    "gruregressor__hidden_size": [16, 64],
}
print(f"GridSearchCV over {grid} …")
search = GridSearchCV(
    coarse, grid, cv=TimeSeriesSplit(2, test_size=800), n_jobs=2, refit=False
)
search.fit(train.iloc[-4000:], y_train.iloc[-4000:])
for params, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"  R2 {score:.3f}  {params}")
best_window = search.best_params_["slidingwindow__window_size"]
print(f"best: {search.best_params_}")

# %%
# One hour and one day ahead, with baselines
# ------------------------------------------
# The GRU has default parameters and a window of 48 hours. Ridge and gradient boosting
# get the same windows, flattened, with the same known columns.


def flattened(lag, *steps):
    """A tabular estimator on the same windows."""
    window = SlidingWindow(48, lag=lag, known_future=known, flatten=True)
    return make_pipeline(window, *steps)


def models(lag):
    """The contestants that are fitted."""
    ridge = SimpleImputer(), StandardScaler(), RidgeCV(np.logspace(-1, 5, 13))
    boosting = HistGradientBoostingRegressor(random_state=0)
    return {
        "ridge": flattened(lag, *ridge),
        "gradient boosting": flattened(lag, boosting),
        "GRU": forecaster(lag),
    }


def fit_and_predict(name, lag, model):
    """Fit on the training part; seconds and predictions of the test part."""
    start = time.perf_counter()
    model.fit(train, y_train)
    seconds = time.perf_counter() - start
    return name, lag, seconds, np.asarray(model.predict(test))


print("\nFitting ridge, gradient boosting and a GRU, 1 and 24 hours ahead …")
jobs = [(n, lag, m) for lag in (1, 24) for n, m in models(lag).items()]
jobs.sort(key=lambda job: job[0] != "GRU")  # the longest first
done = Parallel(n_jobs=2, return_as="generator_unordered")(
    delayed(fit_and_predict)(*job) for job in jobs
)
predictions, seconds = {}, {}
for name, lag, took, predicted in tqdm(done, total=len(jobs), disable=None):
    predictions[lag, name], seconds[lag, name] = predicted, took
for lag in (1, 24):
    for name, hours in {"last value": lag, "seasonal naive": 24}.items():
        past = target.reindex(test.index - pd.Timedelta(hours=hours))
        filled = past.fillna(y_train.mean()).to_numpy()
        predictions[lag, name], seconds[lag, name] = filled, 0.0

rows = [
    {
        "hours ahead": lag,
        "model": name,
        "R2": r2_score(y_test, predictions[lag, name]),
        "RMSE": root_mean_squared_error(y_test, predictions[lag, name]),
        "fit s": seconds[lag, name],
    }
    for lag in (1, 24)
    for name in ("last value", "seasonal naive", "ridge", "gradient boosting", "GRU")
]
table = pd.DataFrame(rows)
print(table.round({"R2": 3, "RMSE": 1, "fit s": 1}).to_string(index=False))
for lag, part in table.groupby("hours ahead"):
    winner = part.loc[part["R2"].idxmax(), "model"]
    print(f"best {lag} h ahead: {winner}")

# %%
# Two weeks of forecasts
# ----------------------

weeks = test.index[-1] - test.index < pd.Timedelta(days=14)
figure, axes = plt.subplots(2, 1, figsize=(9, 5.5), sharex=True, layout="constrained")
for axis, lag, title in zip(
    axes, (1, 24), ("One hour ahead", "One day ahead"), strict=True
):
    axis.plot(test.index[weeks], y_test[weeks], color="0.6", lw=2.5, label="observed")
    axis.plot(
        test.index[weeks],
        predictions[lag, "GRU"][weeks],
        color="#0072B2",
        lw=1.2,
        label="GRU",
    )
    axis.set(title=title, ylabel="rented bikes")
    axis.grid(alpha=0.3)
handles, labels = axes[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside upper right", frameon=False, ncols=2)
locator = mpl.dates.AutoDateLocator(maxticks=8)
axes[1].xaxis.set_major_locator(locator)
axes[1].xaxis.set_major_formatter(mpl.dates.ConciseDateFormatter(locator))
if mpl.get_backend().lower() == "agg":  # run as a script, not in a notebook
    target_file = Path("demo_output") / "two_weeks.png"
    target_file.parent.mkdir(exist_ok=True)
    figure.savefig(target_file, dpi=120)
    print(f"\nfigure: {target_file}")

# %%
# Speaker recognition
# -------------------
# The utterances have 7 to 29 time steps of 12 coefficients, from nine speakers. Pass
# sequences of different lengths as a list. Logistic regression needs one width, so it
# gets padded sequences.

X, y = datasets.load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_speaker = datasets.load_japanese_vowels(subset="test", return_X_y=True)
print(f"\nJapaneseVowels: {len(X)} utterances to learn from, {len(X_test)} to tell")
gru = GRUClassifier(random_state=0).fit(X, y)


def padded(sequences):
    """One row each, padded with zeros at the end."""
    return np.array([np.pad(s, ((0, 29 - len(s)), (0, 0))).ravel() for s in sequences])


logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
logistic.fit(padded(X), y)
print(f"GRU                 {gru.score(X_test, y_speaker):.3f}")
print(f"logistic regression {logistic.score(padded(X_test), y_speaker):.3f}")
print(f"\n{time.perf_counter() - began:.0f} s in all")
