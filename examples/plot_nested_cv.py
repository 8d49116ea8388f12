"""
Nested cross-validation of a search
===================================

The best score of a search is a maximum over candidates and therefore optimistic. A
search is itself an estimator. Cross-validate it as a whole to evaluate it on months
that did not influence any choice.
"""

# %%
# Twelve years of passengers
# --------------------------
# The series has 144 months, on a log scale because its variation grows with its level.
# It exceeds the range of the training data, so each window is normalized by its last
# value.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_validate
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, datasets

X, y = datasets.load_airline(return_X_y=True)
X, y = np.log(X), np.log(y)

# %%
# A search inside a cross-validation
# ----------------------------------
# The outer folds are the last four years, one at a time. For each, the search splits
# only the months before that year.

model = make_pipeline(
    SlidingWindow(12, lag=1),
    GRURegressor(
        8,
        max_iter=30,
        normalization="last",
        target_feature=0,
        dtype="float32",
        random_state=0,
    ),
)
grid = {
    "slidingwindow__window_size": [6, 13, 25],
    "gruregressor__learning_rate": [0.01, 0.03],
}
score = "neg_root_mean_squared_error"
search = GridSearchCV(model, grid, cv=TimeSeriesSplit(2, test_size=12), scoring=score)
outer = cross_validate(
    search,
    X,
    y,
    cv=TimeSeriesSplit(4, test_size=12),
    scoring=score,
    return_estimator=True,
    return_indices=True,
)

# %%
# The table shows the best score of the search, the score in the next year, and the
# score of the same month one year before as a reference. Errors of the logarithm are
# relative errors: 0.05 is 5 %.

rows = {}
for found, error, test in zip(
    outer["estimator"], -outer["test_score"], outer["indices"]["test"], strict=True
):
    yearly = y.iloc[test].to_numpy() - y.shift(12).iloc[test].to_numpy()
    rows[y.index[test[0]].year] = {
        "search": -found.best_score_,
        "year after": error,
        "month a year before": np.sqrt(np.mean(yearly**2)),
        **{name.split("__")[1]: value for name, value in found.best_params_.items()},
    }
table = pd.DataFrame(rows).T.rename_axis("RMSE of log")
print(table.round(3).to_string())
columns = ["search", "year after", "month a year before"]
print(table[columns].mean().round(3).to_dict())

# %%
# On average, the best score of this search, which has few candidates, was close to the
# score in the next year. In single years it was not, and in one of them, the same month
# one year before was better.

# %%

axis = table[columns].plot(
    style=["o--", "s-", "^:"], color=["#E69F00", "#0072B2", "0.5"], figsize=(6.5, 3.4)
)
axis.set(xlabel="year judged", ylabel="RMSE of the logarithm", xticks=table.index)
axis.set_ylim(0)
axis.grid(alpha=0.3)
axis.legend(["promised by the search", "the year after", "month a year before"])
axis.figure.set_layout_engine("constrained")
plt.show()
