"""Models that are kept as files, to be loaded by later versions, and what they read.

``python -m tests.tools.save_models`` writes them. Inputs are closed formulas, so that
later versions make the same ones.
"""

import inspect
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_gru
from sklearn_gru import (
    GRUClassifier,
    GRUOutlierDetector,
    GRURegressor,
    GRUTagger,
    SequenceEmbedding,
    SlidingWindow,
)
from sklearn_gru.text import GRUTranscriber, GRUTranslator

FOLDER = Path(__file__).parent / "saved"
TINY = {"max_iter": 3, "random_state": 0, "device": "cpu"}
WRITES = {**TINY, "max_iter": 40, "learning_rate": 0.03}


def make_rows(n=80):
    """A frame of hours with one hour missing and a few empty cells."""
    k = np.arange(n)
    hours = pd.date_range("2024-03-01", periods=n, freq="h").delete(40)
    load = 10 + 3 * np.sin(k * 2 * np.pi / 24) + np.cos(0.7 * k)
    frame = pd.DataFrame({"load": load, "temp": np.where(k % 17, np.sin(k), np.nan)})
    return frame.drop(index=40).set_index(hours.rename("time"))


def make_sequences(n=24):
    """Sequences of 3 to 7 steps of two features, some values missing."""
    k, t, f = np.meshgrid(np.arange(n), np.arange(7), np.arange(2), indexing="ij")
    X = np.sin(1.7 * k + 0.9 * t + 2.3 * f) * (1 + 4 * f)
    X[(7 * k + 3 * t + 5 * f) % 13 == 0] = np.nan
    return [x[: 3 + j % 5] for j, x in enumerate(X)]


def make_texts(n=24):
    """Pairs of texts: digits, and the same in letters."""
    digits = [f"{j * j % 97}" for j in range(n)]
    return digits, ["".join("abcdefghij"[int(d)] for d in text) for text in digits]


# Each case returns a model, what it learns from, a method, and what that reads.


def regressor():
    """A pipeline with a scaler and a window, and its next rows."""
    rows = make_rows()
    window = SlidingWindow(6, lag=1, known_future="temp")
    scaler = StandardScaler().set_output(transform="pandas")
    model = make_pipeline(scaler, window, GRURegressor(4, **TINY))
    return model, (rows[:60], rows["load"][:60]), "predict", rows[60:]


def panel():
    """A pipeline that knows two series by their group and time."""
    rows = make_rows().reset_index()
    other = rows.assign(shop="b", load=2 * rows["load"])
    both = pd.concat([rows.assign(shop="a"), other], ignore_index=True)
    window = SlidingWindow(6, lag=2, groups="shop", time="time")
    model = make_pipeline(window, GRURegressor(4, **TINY))
    past = both["time"] < "2024-03-03 12:00"
    return model, (both[past], both["load"][past]), "predict", both[~past]


def classifier():
    """A classifier of text labels."""
    X = make_sequences()
    labels = np.array(["high", "low", "mid"])[np.arange(len(X)) % 3]
    model = GRUClassifier(4, pooling="attention", **TINY)
    return model, (X, labels), "predict_proba", X


def tagger():
    """A tagger of the rows of a recording."""
    rows = make_rows()[["load"]]
    return GRUTagger(4, **TINY), (rows, rows["load"] > 10), "predict_proba", rows


def detector():
    """A detector of unusual rows."""
    rows = make_rows()[["load"]]
    model = make_pipeline(
        SlidingWindow(6),
        GRUOutlierDetector(GRURegressor(4, **TINY), false_alarm_rate=0.05),
    )
    return model, (rows,), "score_samples", rows


def embedding():
    """Features from the state of a network."""
    X = make_sequences()
    model = SequenceEmbedding(GRURegressor(4, **TINY))
    return model, (X, [float(len(x)) for x in X]), "transform", X


def transcriber():
    """Texts from frames."""
    X = make_sequences()
    texts = ["ab"[j % 2] * (1 + j % 2) for j in range(len(X))]
    return GRUTranscriber(4, **WRITES), (X, texts), "predict", X


def translator():
    """Texts from texts."""
    X, texts = make_texts()
    return GRUTranslator(8, 4, **WRITES), (X, texts), "predict", X


CASES = (
    regressor,
    panel,
    classifier,
    tagger,
    detector,
    embedding,
    transcriber,
    translator,
)


def answers(model, method, X):
    """What a model answers, as an array without objects."""
    found = np.asarray(getattr(model, method)(X))
    return found.astype(str) if found.dtype == object else found


def exported():
    """Every public object by its name, ``module.name`` if it is in a submodule."""
    found = {}
    for name in sklearn_gru.__all__:
        thing = getattr(sklearn_gru, name)
        if isinstance(thing, ModuleType):
            found |= {f"{name}.{part}": getattr(thing, part) for part in thing.__all__}
        else:
            found[name] = thing
    return found


def parameters(function):
    """Names of the parameters of a function, in order."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def interface():
    """Parameters of each public function, class and method."""
    found = {}
    for name, thing in exported().items():
        if inspect.isfunction(thing):
            found[name] = parameters(thing)
        elif inspect.isclass(thing):
            is_error = issubclass(thing, Exception)
            found[name] = [] if is_error else parameters(thing)
            for method, function in inspect.getmembers(thing, inspect.isfunction):
                if not method.startswith("_") and not is_error:
                    found[f"{name}.{method}"] = parameters(function)
    return found
