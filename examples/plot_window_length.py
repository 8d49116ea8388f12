"""
Choice of the window length
===========================

The window should contain the relevant history and no more, because every additional
time step takes training time. The window is a step of a pipeline, so its length is a
parameter like any other, and :class:`~sklearn.model_selection.GridSearchCV` can tune
it.
"""

# %%
# Bike rentals, one hour ahead
# ----------------------------
# The only feature is the series itself, so everything about the day and the hour has to
# come from the window.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets

X = datasets.load_bike_sharing().frame[["bikers"]].iloc[1000:4000]
y = X["bikers"]
train, test = slice(None, 2600), slice(2600, None)

# %%
# Search
# ------
# Rows whose window begins before the first row get a shorter sequence and are kept, so
# all lengths are compared on the same rows. A linear model on the same windows,
# flattened, shows whether the result depends on the model.

sizes = [2, 6, 12, 24, 30, 48]
models = {
    "GRU": make_pipeline(
        SlidingWindow(24, lag=1),
        GRURegressor(24, max_iter=10, early_stopping=False, random_state=0),
    ),
    "linear": make_pipeline(
        SlidingWindow(24, lag=1, flatten=True), SimpleImputer(), LinearRegression()
    ),
}
models["GRU"].set_params(gruregressor__dtype="float32")  # small data would get float64
tables = {}
for name, model in models.items():
    search = GridSearchCV(
        model,
        {"slidingwindow__window_size": sizes},
        cv=TimeSeriesSplit(3, test_size=400),
        scoring="neg_mean_absolute_error",
    )
    search.fit(X.iloc[train], y.iloc[train])
    found = search.cv_results_
    tables[name] = pd.DataFrame(
        {"MAE": -found["mean_test_score"], "std": found["std_test_score"]}, index=sizes
    )
    best = search.best_params_["slidingwindow__window_size"]
    on_test = -search.score(X.iloc[test], y.iloc[test])
    print(f"{name}: best length {best}, MAE on the hours after: {on_test:.1f}")
print(pd.concat(tables, axis=1).round(1).rename_axis("window_size"))

# %%
# The spread over the folds is larger than most differences between lengths. If several
# lengths have similar scores, use the shortest window.

figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
for (name, table), color in zip(tables.items(), ("#0072B2", "#D55E00"), strict=True):
    axis.errorbar(
        sizes, table["MAE"], table["std"], fmt="o-", color=color, capsize=3, label=name
    )
axis.set(xlabel="window_size (hours)", ylabel="mean absolute error", xticks=sizes)
axis.grid(alpha=0.3)
axis.legend(frameon=False)
plt.show()
