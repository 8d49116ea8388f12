"""ETTh1, 96 hours ahead, in 25 lines: the recipe of the user guide."""

import pandas as pd
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow, make_targets


def forecast(path, first, stop, seed=0):
    """True and predicted paths (n, 96) that lie in the rows [first, stop)."""
    wide = pd.read_csv(path, index_col="date", parse_dates=True).astype("float32")
    wide = (wide - wide[:8640].mean()) / wide[:8640].std(ddof=0)
    wide = wide[:stop].rename_axis(columns="channel")
    panel = wide.stack(future_stack=True).to_frame("value")
    X, Y = make_targets(panel, panel["value"], horizon=96)
    gru = GRURegressor(
        segment_length=24, normalization="last", target_feature="value",
        loss="absolute_error", learning_rate=5e-3, batch_size=448, dropout=0.1,
        max_iter=4, early_stopping=False, random_state=seed,
    )  # fmt: skip
    model = make_pipeline(SlidingWindow(window_size=720, lag=96), gru)
    hours = X.index.get_level_values("date")
    train, later = hours < wide.index[8640], hours >= wide.index[8640]
    model.fit(X[train], Y[train])
    scored = hours[later] >= wide.index[first + 95]
    return Y[later][scored], model.predict(X[later])[scored]
