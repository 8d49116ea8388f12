"""A row at a time: streams against nn.GRU called by hand and against predict.

Window 24, 8 features, 32 units, one thread; medians in turn. The network alone, without
the linear part of the defaults, unless nothing is given. "Array" rows are float64
arrays. The bare kernel has no Python around it but the call. nn.GRU steps by hand, in
inference mode, on a tensor that is ready. Below, what one more row costs the pipeline
without a stream, after 100 and after 100 000 rows were appended.
"""

import itertools
import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRURegressor, SlidingWindow
from sklearn_gru.live import Stream
from tests.benchmarks.bench_export_onnx import step_runner
from tests.benchmarks.contest import race, ratio
from tests.benchmarks.machine import describe, use_one_thread
from tests.benchmarks.ours import ALONE
from tests.benchmarks.rivals import HIDDEN, has_keras, keras_on_jax

WINDOW, N_FEATURES, N_FIT, N_SERIES = 24, 8, 3000, 1000
CALLS, REPEATS = 300, 41
BEHIND = "nn.GRU, one step by hand"


def repeated(call, times):
    """Return a function that makes a call several times."""

    def run():
        for _ in range(times):
            call()

    return run


def print_race(calls, *, times=CALLS, repeats=REPEATS, against=BEHIND):
    """Print microseconds per call, and how many times longer a rival takes."""
    seconds = race(
        {name: repeated(call, times) for name, call in calls.items()}, repeats
    )
    for name, taken in seconds.items():
        line = f"{name:44s} {np.median(taken) / times * 1e6:9.2f} us"
        if against in seconds and name != against:
            line += f"   {against} / this {ratio(seconds[against], taken):6.1f}"
        print(line)


def make_data():
    """Return a regular frame of numbers, one row a minute, and a target."""
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=N_FIT, freq="min")
    columns = [f"x{k}" for k in range(N_FEATURES)]
    frame = pd.DataFrame(rng.normal(size=(N_FIT, N_FEATURES)), index, columns)
    return frame, frame["x0"].to_numpy() + rng.normal(size=N_FIT)


def clock(frame):
    """Return a function that gives the next minute, made beforehand."""
    after = pd.date_range(frame.index[-1], periods=600_000, freq="min")[1:]
    return itertools.chain(after.tolist()).__next__


def stream_of(frame, y, *, before=(), window=None, **params):
    """Return the stream of a pipeline with the network alone, and its clock."""
    window = SlidingWindow(WINDOW) if window is None else window
    params = {**ALONE, "hidden_size": HIDDEN, **params}
    model = GRURegressor(max_iter=1, random_state=0, **params)
    return stream_with(make_pipeline(*before, window, model), frame, y)


def stream_with(model, frame, y):
    """Return the stream of a pipeline, fitted here, with a clock of its own."""
    stream, now = Stream(model.fit(frame, y)), clock(frame)
    stream.update(frame.iloc[0].to_numpy(), time=now())
    return stream, now


def by_hand():
    """Return one step of nn.GRU from a state."""
    layer = torch.nn.GRU(N_FEATURES, HIDDEN, batch_first=True)
    x, state = torch.zeros(1, 1, N_FEATURES), [torch.zeros(1, 1, HIDDEN)]

    def step():
        with torch.inference_mode():
            _, state[0] = layer(x, state[0])

    return step


def keras_step():
    """Return one step of a stateful Keras model, as its guide has it."""
    keras = keras_on_jax()
    row = np.zeros((1, 1, N_FEATURES), dtype=np.float32)
    layers = [
        keras.Input(batch_shape=row.shape),
        keras.layers.GRU(HIDDEN, stateful=True),
        keras.layers.Dense(1),
    ]
    net = keras.Sequential(layers)
    net.compile(loss="mse")
    return lambda: net.predict_on_batch(row)


def alone(y):
    """Print what a row costs an estimator alone."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_FIT, WINDOW, N_FEATURES))
    model = GRURegressor(HIDDEN, max_iter=1, random_state=0, **ALONE).fit(X, y)
    stream, row, rows = Stream(model), X[0, 0], X[:N_SERIES, 0].copy()
    keys = tuple(range(N_SERIES))
    stream.update(row)
    step = stream._feed._step
    onnx, _ = step_runner(model, 1)
    print("\nan estimator alone")
    print_race(
        {
            BEHIND: by_hand(),
            "ONNX Runtime, state in and out": onnx,
            "the bare kernel": lambda: step(0, 0),
            "update, array": lambda: stream.update(row),
            "update, array and key": lambda: stream.update(row, 7),
        }
    )
    if has_keras():
        calls = {BEHIND: by_hand(), "Keras, stateful=True": keras_step()}
        print_race(calls, times=30)
    else:
        print(f"{'Keras, stateful=True':44s} not installed here: pip install keras jax")
    print_race({f"update_many, {N_SERIES} series": lambda: stream.update_many(rows, keys)},
               times=3)  # fmt: skip
    default = Stream(GRURegressor(max_iter=1, random_state=0).fit(X, y))
    double = GRURegressor(HIDDEN, max_iter=1, dtype="float64", **ALONE).fit(X, y)
    slow = Stream(double)
    print("\nothers alone")
    print_race(
        {
            BEHIND: by_hand(),
            "GRURegressor(), nothing given": lambda: default.update(row),
            "float64, without kernels": lambda: slow.update(row),
        },
        times=50,
    )


def windowed(frame, y):
    """Print what a row costs a pipeline with a window."""
    stream, now = stream_of(frame, y)
    row = frame.iloc[0].to_numpy()
    cells, series = dict(frame.iloc[0]), frame.iloc[0]
    step = stream._feed._stepper.step
    stream.update(row, "pump", now())
    print(f"\na pipeline with a window of {WINDOW}")
    print_race(
        {
            BEHIND: by_hand(),
            "the bare kernel": lambda: step(0, 0),
            "update, array and time": lambda: stream.update(row, time=now()),
            "update, array, key and time": lambda: stream.update(row, "pump", now()),
            "update, dict and time": lambda: stream.update(cells, time=now()),
            "update, Series and time": lambda: stream.update(series, time=now()),
        }
    )
    kinds = {
        "64 units": {"hidden_size": 64},
        "lstm": {"cell": "lstm"},
        "two layers": {"num_layers": 2},
        "mean and max": {"pooling": "mean_max"},
        "last value subtracted, run again": {
            "normalization": "last",
            "target_feature": "x0",
        },
        "both directions, run again": {"bidirectional": True},
    }
    calls = {BEHIND: by_hand()}
    for name, params in kinds.items():
        calls[name] = one_row(*stream_of(frame, y, **params), row)
    untouched = make_pipeline(SlidingWindow(WINDOW), GRURegressor())
    name = "GRURegressor(), nothing given"
    calls[name] = one_row(*stream_with(untouched, frame, y), row)
    lagged = SlidingWindow(WINDOW, lag=1, known_future="x7")
    calls["lag 1, a column known ahead"] = one_row(
        *stream_of(frame, y, window=lagged), row
    )
    print("\nother pipelines, array and time")
    print_race(calls, times=30)


def one_row(stream, now, row):
    """Return a function that updates a stream with a row."""
    return lambda: stream.update(row, time=now())


def without_stream(frame, y):
    """Print what partial_fit and predict cost as rows are appended."""
    model = GRURegressor(HIDDEN, max_iter=1, **ALONE)
    model = make_pipeline(SlidingWindow(WINDOW), model).fit(frame, y)
    print("\npartial_fit and predict of one row, and rows remembered")
    place = frame.index[-1]
    for n in (100, 100_000):
        index = pd.date_range(place, periods=n + 1, freq="min")[1:]
        many = pd.DataFrame(
            np.resize(frame.to_numpy(), (n, N_FEATURES)), index, frame.columns
        )
        for at in range(0, n, 1000):
            model[0].partial_fit(many.iloc[at : at + 1000])
        now = itertools.count(1).__next__
        place = index[-1]

        def row(place=place, now=now):
            index = [place + now() * pd.Timedelta("1min")]
            return pd.DataFrame(frame.to_numpy()[:1], index, frame.columns)

        def daily(row=row):
            new = row()
            model[0].partial_fit(new)
            model.predict(new)

        print_race({f"after {n} rows": daily}, times=1, repeats=100)
        print(f"{len(model[0]._history.rows.group):4d} rows remembered")
        place = place + 101 * pd.Timedelta("1min")


def main():
    """Print all tables."""
    use_one_thread()
    print(describe())
    frame, y = make_data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone(y)
        windowed(frame, y)
        without_stream(frame, y)


if __name__ == "__main__":
    main()
