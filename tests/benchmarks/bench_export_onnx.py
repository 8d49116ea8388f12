"""ONNX: graphs beside predict, option by option.

Largest difference from predict over random sequences of 1 to 24 steps, with missing
cells, steps without any value and empty sequences, 20 000 in all, as a share of the
standard deviation of y plus the answer. 8 features, 32 units. "One" is one sequence of
24 steps, "1000" is a thousand; microseconds of ONNX Runtime on one thread and of
predict, medians in turn. Below, the same for every version of the operators that can be
run, one row at a time with state in and out, and what other exporters say.
"""

import importlib
import warnings

import numpy as np
import onnxruntime

from sklearn_gru import GRUClassifier, GRURegressor
from sklearn_gru.exceptions import ExportError
from sklearn_gru.export import to_onnx
from sklearn_gru.live import Stream
from tests.benchmarks.contest import race
from tests.benchmarks.machine import describe, use_one_thread

HIDDEN, N_FEATURES, N_STEPS, N_FIT = 32, 8, 24, 1200
N_CASES = 20_000
BOTH = {"bidirectional": True, "num_layers": 2}

OPTIONS = {
    "gru": {},
    "gru_reset_before": {"cell": "gru_reset_before"},
    "lstm": {"cell": "lstm"},
    "rnn": {"cell": "rnn"},
    "two layers": {"num_layers": 2},
    "gru, both directions, two layers": BOTH,
    "gru_reset_before, both, two layers": {"cell": "gru_reset_before", **BOTH},
    "lstm, both directions, two layers": {"cell": "lstm", **BOTH},
    "rnn, both directions, two layers": {"cell": "rnn", **BOTH},
    "mean": {"pooling": "mean"},
    "max": {"pooling": "max"},
    "mean_max": {"pooling": "mean_max"},
    "attention": {"pooling": "attention"},
    "last value subtracted": {"normalization": "last"},
    "last value, continued": {"normalization": "last", "target_feature": 0},
    "mean and deviation": {"normalization": "standard"},
    "mean and deviation, continued": {
        "normalization": "standard",
        "target_feature": 0,
    },
    "differences": {"add_differences": True},
    "categories": {"categorical_features": [7]},
    "quantiles": {"loss": "quantile", "quantile": (0.1, 0.5, 0.9)},
    "counts": {"loss": "poisson"},
    "segments of 4": {"segment_length": 4},
    "convolution": {"conv_filters": (16, 32, 16)},
    "three networks": {"n_estimators": 3},
    "a linear part": {"linear_share": 0.5},
    "float64": {"dtype": "float64"},
    "classes": {"kind": GRUClassifier},
}


def make_sequences(n, seed):
    """Return X (n, N_STEPS, N_FEATURES) like that of a plant with failing sensors."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_STEPS, N_FEATURES)).cumsum(axis=1)
    X = X * [1, 10, 0.1, 1, 1, 1, 30, 1] + [0, 1e3, 5, 0, 0, -2, 1e4, 0]
    X[..., 7] = rng.integers(0, 6, size=X.shape[:2])
    X[rng.random(X.shape) < 0.05] = np.nan
    X[rng.random(X.shape[:2]) < 0.05] = np.nan
    length = rng.integers(0, N_STEPS + 1, size=n)
    X[np.arange(N_STEPS) < N_STEPS - length[:, None]] = np.nan
    return X


def make_model(kind=GRURegressor, **params):
    """Return a model that was fitted for some epochs."""
    X = make_sequences(N_FIT, 0)
    y = np.nansum(X[:, -3:, 0], axis=1) + np.nansum(X[:, -1, 2:6], axis=1)
    params = {"hidden_size": HIDDEN, "max_iter": 5, "random_state": 0, **params}
    params.setdefault("dtype", "float32")
    if kind is GRUClassifier:
        return kind(**params).fit(X, np.digitize(y, [-2.0, 2.0]))
    params.setdefault("normalization", None)
    y = np.abs(y).round() if params.get("loss") == "poisson" else y
    return kind(**params).fit(X, y)


def run_one_thread(graph):
    """Return a session of ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def difference(model, session, X):
    """Return the largest difference from predict."""
    if isinstance(model, GRUClassifier):
        probabilities = session.run(["probabilities"], {"X": X})[0]
        return float(np.abs(probabilities - model.predict_proba(X)).max())
    found, expected = session.run(["prediction"], {"X": X})[0], model.predict(X)
    return float((np.abs(found - expected) / (expected.std() + np.abs(expected))).max())


def microseconds(calls, repeats=21, times=30):
    """Return the median time of each call, made several times in turn."""

    def repeated(call):
        return lambda: [call() for _ in range(times)]

    runs = {name: repeated(call) for name, call in calls.items()}
    return [np.median(taken) / times * 1e6 for taken in race(runs, repeats).values()]


def beside_predict(model, session, X, **turns):
    """Return the microseconds of a session and of predict."""
    return microseconds(
        {
            "session": lambda: session.run(None, {"X": X}),
            "predict": lambda: model.predict(X),
        },
        **turns,
    )


def beside_stream(step, stream, row):
    """Return the microseconds of a step and of a stream."""
    return microseconds({"step": step, "stream": lambda: stream.update(row)}, times=300)


def by_option():
    """Print a line per option; return the largest difference of all."""
    each, worst = -(-N_CASES // len(OPTIONS)), 0.0
    head = f"{'option':36s}{'difference':>11s}{'kB':>7s}{'one':>8s}{'predict':>9s}"
    print(f"\n{head}{'1000':>9s}{'predict':>9s}")
    one, many = make_sequences(1, 1), make_sequences(1000, 2)
    one[np.isnan(one)] = 0.0
    for at, (name, params) in enumerate(OPTIONS.items()):
        model = make_model(**params)
        graph = to_onnx(model)
        session = run_one_thread(graph)
        X = make_sequences(each, 100 + at)
        off = difference(model, session, X)
        worst = max(worst, off)
        taken = beside_predict(model, session, one)
        taken += beside_predict(model, session, many, times=1, repeats=15)
        size = len(graph.SerializeToString()) / 1000
        print(f"{name:36s}{off:11.1e}{size:7.1f}", end="")
        print("".join(f"{t:{w}.0f}" for t, w in zip(taken, (8, 9, 9, 9), strict=True)))
    print(f"{each * len(OPTIONS)} sequences, largest difference {worst:.1e}")


def by_opset():
    """Print whether each version of the operators can be run, and the difference."""
    onnx = importlib.import_module("onnx")
    model = make_model(pooling="mean_max", add_differences=True, normalization="last")
    X = make_sequences(2000, 3)
    print(f"\nonnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    for opset in range(18, onnx.defs.onnx_opset_version() + 1):
        try:
            session = run_one_thread(to_onnx(model, opset=opset))
        except ExportError as error:
            print(f"opset {opset}: {str(error).splitlines()[0][:110]}")
            continue
        print(f"opset {opset}: difference {difference(model, session, X):.1e}")


def step_runner(model, n):
    """Return a function that runs one row of n series, and its input."""
    session = run_one_thread(to_onnx(model, step=True))
    inputs = {"row": make_sequences(n, 4)[:, -1]}
    carried = [port.name for port in session.get_inputs()[1:]]
    for port in session.get_inputs()[1:]:
        shape = [n if size == "n" else size for size in port.shape]
        kind = np.int64 if port.name == "count" else np.float32
        inputs[port.name] = np.zeros(shape, dtype=kind)
    names = [output.name for output in session.get_outputs()]

    def step():
        found = dict(zip(names, session.run(None, inputs), strict=True))
        inputs.update((name, found[f"new_{name}"]) for name in carried)
        return found["prediction"]

    return step, inputs["row"]


def by_row():
    """Print what a row costs with a state, beside a stream, and the difference."""
    print("\none row at a time")
    rng = np.random.default_rng(5)
    for name in ("gru", "lstm", "two layers", "mean_max", "attention"):
        model = make_model(**OPTIONS[name])
        stream, worst = Stream(model), 0.0
        step, row = step_runner(model, 1)
        for _ in range(500):
            row[:] = rng.normal(size=row.shape)
            found, expected = step()[0], stream.update(row[0])
            worst = max(worst, abs(found - expected) / (1 + abs(expected)))
        many, _ = step_runner(model, 1000)
        taken = beside_stream(step, stream, row[0].copy())
        taken += microseconds({"1000": many})
        print(
            f"{name:20s} onnxruntime {taken[0]:6.1f} us, Stream.update {taken[1]:5.1f} "
            f"us, onnxruntime of 1000 series {taken[2]:7.0f} us, difference {worst:.1e}"
        )
        assert worst < 1e-4


def others():
    """Print what other exporters of scikit-learn models say to a GRU."""
    print("\nother exporters")
    model = make_model()
    for name, call in (
        ("m2cgen", lambda m: m.export_to_c(model)),
        ("emlearn", lambda m: m.convert(model)),
    ):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            print(f"{name}: not installed ({error})")
            continue
        version = getattr(module, "__version__", "")
        try:
            call(module)
        except Exception as error:
            print(f"{name} {version}: {type(error).__name__}: {error}")
        else:
            print(f"{name} {version}: exported it")


def main():
    """Print all tables."""
    use_one_thread()
    print(describe())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_option()
        by_opset()
        by_row()
        others()


if __name__ == "__main__":
    main()
