"""Progress: scikit-learn's callbacks, the line of ``verbose=1``, and silence."""

import contextlib
import copy
import importlib.util
import os
import pickle
import re
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
import skorch
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru._support import progress
from sklearn_gru.exceptions import DivergenceError, InvalidParameterError
from sklearn_gru.text import GRUTranslator
from tests.builders import Terminal

since_1_9 = pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None,
    reason="sklearn.callback is new in scikit-learn 1.9",
)

X = np.random.default_rng(0).normal(size=(60, 5, 2))
Y = X[:, :, 0].sum(axis=1)
# Large enough for the compiled path, which declines small fits.
X_LARGE = np.random.default_rng(1).normal(size=(1200, 10, 2)).astype(np.float32)
Y_LARGE = X_LARGE[:, -3:, 0].sum(axis=1)


def regressor(**params):
    return GRURegressor(6, **{"max_iter": 5, "random_state": 0, **params})


def fast(**params):
    return regressor(**{"early_stopping": False, "dropout": 0.2, **params})


class Keeper:
    """Keeps what each epoch gives, and stops after some epochs."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.seen = []
        self.kept = []

    def setup(self, estimator, context):
        self.seen.append("setup")

    def teardown(self, estimator, context):
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.seen.append(f"begin {context.task_name}")

    def on_fit_task_end(
        self, estimator, context, *, X, y, metadata=None, fitted_estimator=None
    ):
        self.seen.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.kept.append(fitted_estimator)
            self.data = X, y, metadata
            return len(self.kept) == self.stop_at
        return False


@since_1_9
def test_the_tasks_of_a_fit():
    """A fit is a task and every epoch a subtask, with the data as given."""
    keeper, weights = Keeper(), np.ones(60)
    model = regressor(max_iter=2).set_callbacks(keeper)
    model.fit(X, Y, sample_weight=weights)
    epoch = ["begin epoch", "end epoch"]
    assert keeper.seen == ["setup", "begin fit", *epoch, *epoch, "end fit", "teardown"]
    assert keeper.data[0] is X
    assert keeper.data[1] is Y
    assert keeper.data[2] == {"sample_weight": weights}
    assert not [name for name in vars(model) if "callback_" in name]


@since_1_9
@pytest.mark.parametrize("kind", ["torch", "numba"])
def test_what_an_epoch_left_is_what_a_fit_stopped_there_gives(kind):
    """Kept estimators equal fits that were stopped, bit by bit, on every path."""
    data = (X, Y) if kind == "torch" else (X_LARGE, Y_LARGE)
    keeper = Keeper()
    model = fast().set_callbacks(keeper).fit(*data)
    assert model.engine_ == kind or (kind == "numba" and model.engine_ == "torch")
    plain = fast().fit(*data)
    np.testing.assert_array_equal(model.predict(data[0]), plain.predict(data[0]))
    assert model.loss_curve_ == plain.loss_curve_
    for epochs, kept in enumerate(keeper.kept, start=1):
        stopped = fast().set_callbacks(Keeper(stop_at=epochs)).fit(*data)
        assert stopped.n_iter_ == kept.n_iter_ == epochs
        assert kept.loss_curve_ == stopped.loss_curve_
        np.testing.assert_array_equal(kept.predict(data[0]), stopped.predict(data[0]))
    loaded = pickle.loads(pickle.dumps(keeper.kept[1]))
    np.testing.assert_array_equal(
        loaded.predict(data[0]), keeper.kept[1].predict(data[0])
    )


@since_1_9
def test_the_tasks_of_several_networks():
    """Epochs of one network after the other; a kept model has those trained so far."""
    keeper = Keeper()
    model = fast(n_estimators=2, max_iter=3).set_callbacks(keeper).fit(X, Y)
    assert keeper.seen.count("end epoch") == 2 * 3
    found = [[len(net.history) for net in kept.nets_] for kept in keeper.kept]
    assert found == [[1], [2], [3], [3, 1], [3, 2], [3, 3]]
    one = fast(max_iter=3).fit(X, Y)
    np.testing.assert_array_equal(keeper.kept[2].predict(X), one.predict(X))
    np.testing.assert_array_equal(keeper.kept[5].predict(X), model.predict(X))
    kept = keeper.kept[5].set_callbacks().partial_fit(X, Y)
    assert [len(net.history) for net in (*kept.nets_, *model.nets_)] == [4, 4, 3, 3]


@since_1_9
@pytest.mark.parametrize("data", [(X, Y), (X_LARGE, Y_LARGE)], ids=["small", "large"])
def test_a_kept_epoch_can_be_trained_on(data):
    """It has its own weights, optimizer and random numbers; the fit has not moved."""
    keeper = Keeper(stop_at=2)
    model = fast(warm_start=True).set_callbacks(keeper).fit(*data)
    kept = keeper.kept[-1]
    kept.set_callbacks()
    before = model.predict(data[0])
    kept.partial_fit(*data)
    np.testing.assert_array_equal(model.predict(data[0]), before)
    assert not np.array_equal(kept.predict(data[0]), before)
    model.set_callbacks().partial_fit(*data)
    np.testing.assert_allclose(
        kept.predict(data[0]), model.predict(data[0]), rtol=1e-4, atol=1e-4
    )


@since_1_9
def test_stopping_with_validation_keeps_the_best_epoch():
    """A stop is heard after the epoch has been judged by early stopping."""
    best = regressor(early_stopping=True).fit(X, Y)
    assert best.best_iteration_ == 5  # still getting better
    model = regressor(early_stopping=True).set_callbacks(Keeper(stop_at=3)).fit(X, Y)
    assert model.n_iter_ == model.best_iteration_ == 3
    again = regressor(early_stopping=True, max_iter=3)
    assert len(again.set_callbacks(Keeper()).fit(X, Y).validation_scores_) == 3


def test_a_skorch_stop_is_judged_too():
    """An epoch after which a skorch callback stops counts for early stopping."""

    class Stop(skorch.callbacks.Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    model = regressor(early_stopping=True, callbacks=[Stop()]).fit(X, Y)
    assert model.n_iter_ == model.best_iteration_ == 3


@since_1_9
@pytest.mark.parametrize("kind", ["regressor", "classifier"])
def test_scoring_monitor(kind):
    """One score an epoch, of the model at that epoch; the last is that of the fit."""
    rng = np.random.default_rng(1)
    from sklearn.callback import ScoringMonitor

    model, y, scoring = regressor(), Y, "r2"
    if kind == "classifier":
        model = GRUClassifier(6, max_iter=5, linear_share=0, random_state=0)
        y, scoring = np.where(Y > 0, "up", "down"), "accuracy"
    monitor, keeper = ScoringMonitor(scoring=scoring), Keeper()
    weights = rng.random(60)
    model.set_callbacks(monitor, keeper).fit(X, y, sample_weight=weights)
    rows = [r for r in monitor.get_logs().data if r["task_name"] == "epoch"]
    assert [row["task_id"] for row in rows] == [0, 1, 2, 3, 4]
    expected = [kept.score(X, y, weights) for kept in keeper.kept]
    assert [row[scoring] for row in rows] == expected
    assert expected[-1] == model.score(X, y, weights)
    assert len(set(expected)) > 1


@since_1_9
@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_nested_in_a_pipeline_and_a_search(n_jobs, hourly, capfd):
    """Epochs of every fit of the search are scored, and drawn by the progress bar."""
    from sklearn.callback import ProgressBar, ScoringMonitor

    monitor = ScoringMonitor(scoring="r2")
    gru = GRURegressor(4, max_iter=3, random_state=0).set_callbacks(monitor)
    search = GridSearchCV(
        make_pipeline(SlidingWindow(6, lag=1), gru),
        {"gruregressor__hidden_size": [2, 4]},
        cv=2,
        n_jobs=n_jobs,
    )
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(hourly, hourly["load"])
    rows = monitor.get_logs().data
    assert monitor.get_logs().estimator_name == "GridSearchCV"
    shown = capfd.readouterr().out
    assert "Pipeline - fit-final-estimator | GRURegressor - fit" in shown
    assert "fit-transform-slidingwindow | SlidingWindow - fit" in shown
    epochs = [row for row in rows if row["task_name"] == "epoch"]
    refit = [row["r2"] for row in epochs if len(row["task_id_path"]) == 4]
    gru = search.best_estimator_
    windows = gru[0].transform(hourly)
    assert len(epochs) == 5 * 3
    assert len(refit) == 3
    assert refit[-1] == gru[1].score(windows, hourly["load"])


@since_1_9
def test_callbacks_survive_clone_and_pickle():
    """Clones share the callbacks; nothing of a fit stays in them."""
    model = regressor().set_callbacks(Keeper())
    assert clone(model)._skl_callbacks is model._skl_callbacks
    model.fit(X, Y)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert len(copy.deepcopy(model).net_.callbacks_) == len(model.net_.callbacks_)


@since_1_9
def test_partial_fit_tells_nobody():
    """It is one pass, not a fit."""
    keeper = Keeper()
    regressor().set_callbacks(keeper).partial_fit(X, Y)
    assert keeper.seen == []


@since_1_9
def test_the_fast_path_stays():
    """A callback on epochs costs no compiled training step."""
    model = fast(dropout=0.0).fit(X_LARGE, Y_LARGE)
    watched = fast(dropout=0.0).set_callbacks(Keeper()).fit(X_LARGE, Y_LARGE)
    assert watched.engine_ == model.engine_


@since_1_9
def test_teardown_after_a_failed_fit():
    """A fit that fails leaves nothing open; one that is refused never begins."""
    keeper = Keeper()
    diverging = {"learning_rate": 1e30, "clip_norm": None, "dtype": "float32"}
    model = regressor(max_iter=50, **diverging).set_callbacks(keeper)
    with pytest.raises(DivergenceError):
        model.fit(X, Y)
    assert keeper.seen[:3] == ["setup", "begin fit", "begin epoch"]
    assert keeper.seen[-1] == "teardown"
    assert "end fit" not in keeper.seen

    refused = Keeper()
    with pytest.raises(ValueError, match="NaN"):
        regressor().set_callbacks(refused).fit(X, np.full(60, np.nan))
    assert refused.seen == []


class LooksLikeScikitLearns:
    """Another library's callback may follow the protocol too."""

    def on_fit_task_end(self, estimator, context):
        """As in sklearn.callback.FitCallback."""


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([LooksLikeScikitLearns()], "scikit-learn callback: pass it to set_callbacks"),
        (LooksLikeScikitLearns(), "scikit-learn callback: pass it to set_callbacks"),
        (skorch.callbacks.Checkpoint(), r"Pass it in a list: callbacks=\[…\]"),
        ([print], "takes a list of skorch callbacks; got <built-in"),
    ],
)
def test_callbacks_of_another_kind(callbacks, message):
    """The error says where the callback belongs."""
    with pytest.raises(InvalidParameterError, match=message):
        regressor(callbacks=callbacks).fit(X, Y)


WITHOUT_CALLBACKS = """
import sys
import sklearn.model_selection, sklearn.pipeline  # which need it themselves, since 1.9
sys.modules["sklearn.callback"] = None
from sklearn_gru._support.sklearn_callbacks import CallbackSupportMixin, FitReport, with_callbacks
assert not hasattr(CallbackSupportMixin, "set_callbacks")
assert with_callbacks(len) is len
task = FitReport(object(), [[1.0]])
assert not task.is_watched
task.end()
"""


@pytest.mark.slow
def test_older_scikit_learn():
    """Without sklearn.callback a fit has nobody to tell."""
    out = subprocess.run(
        [sys.executable, "-c", WITHOUT_CALLBACKS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (out.stdout, out.stderr, out.returncode) == ("", "", 0)


# -- verbose=1 ----------------------------------------------------------------------------


def test_progress_line(monkeypatch):
    """In a terminal verbose=1 shows epoch, loss, validation loss and time left."""
    monkeypatch.setenv("COLUMNS", "120")  # a fast fit has a long rate
    monkeypatch.setenv("LINES", "40")
    with contextlib.redirect_stderr(Terminal()) as terminal:
        regressor(verbose=1, early_stopping=True).fit(X, Y)
    assert "GRURegressor (torch): 100%" in terminal.last
    assert "5/5 [00:0" in terminal.last
    assert "loss=" in terminal.last
    assert "validation=" in terminal.last
    assert terminal.getvalue().count("\n") == 1


def test_progress_line_of_a_fit_that_stops_early():
    """It ends complete, at the epochs there were; those of all sequences follow."""
    model = regressor(verbose=1, max_iter=300, early_stopping=True, n_iter_no_change=1)
    with contextlib.redirect_stderr(Terminal()) as terminal:
        model.fit(X, Y)
    first, second, _ = terminal.getvalue().split("\n")
    assert f"{model.n_iter_}/{model.n_iter_} [" in first.split("\r")[-1]
    assert model.n_iter_ < 300
    assert "GRURegressor, all sequences (" in second.split("\r")[-1]


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_line_of_several_networks(threads):
    """One line counts the epochs of all, without those that were not needed."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    params = {"verbose": 1, "n_estimators": 3, "early_stopping": True}
    try:
        with contextlib.redirect_stderr(Terminal()) as terminal:
            regressor(**params).fit(X, Y)
            whole = terminal.last
        with contextlib.redirect_stderr(Terminal()) as terminal:
            model = regressor(**params, max_iter=300, n_iter_no_change=1).fit(X, Y)
    finally:
        torch.set_num_threads(before)
    assert "15/15 [" in whole
    n = sum(len(net.history) for net in model.nets_)
    first, second, _ = terminal.getvalue().split("\n")
    assert f"{n}/{n} [" in first.split("\r")[-1]
    assert n < 900
    assert "15/15 [" in second.split("\r")[-1]


def test_progress_line_of_a_fit_that_fails():
    """The line ends, so that the error starts on one of its own."""

    class Fail(skorch.callbacks.Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 3:
                raise RuntimeError("mine")

    with contextlib.redirect_stderr(Terminal()) as terminal:
        with pytest.raises(RuntimeError, match="mine"):
            regressor(verbose=1, callbacks=[Fail()]).fit(X, Y)
        assert terminal.getvalue().endswith("\n")
    assert "2/5 [" in terminal.last


def test_a_notebook_is_no_pipe(monkeypatch):
    """Its standard error says it is no terminal, but someone looks."""
    assert not progress.someone_looks()
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert progress.someone_looks()
    shell.config = {"TerminalIPythonApp": {}}
    assert not progress.someone_looks()
    ipython.get_ipython = lambda: None
    assert not progress.someone_looks()


class Broken:
    """A bar that fails where it is told to."""

    n = total = 0

    def __init__(self, at):
        self.at = at

    def __getattr__(self, name):
        def method(*args, **kwargs):
            if name == self.at:
                raise RecursionError("maximum recursion depth exceeded")

        return method


@pytest.mark.parametrize("at", ["open", "set_postfix", "update", "close"])
def test_a_bar_that_fails_does_not_end_the_fit(at, monkeypatch):
    """The line is dropped, and the fit is that without a line."""

    def open_bar(*args):
        if at == "open":
            raise OSError("no output")
        return Broken(at)

    monkeypatch.setattr(progress, "someone_looks", lambda: True)
    monkeypatch.setattr(progress, "open_bar", open_bar)
    fitted = regressor(verbose=1).fit(X, Y)
    np.testing.assert_array_equal(fitted.predict(X), regressor().fit(X, Y).predict(X))


BOTH_BARS = """
import numpy as np
from sklearn.callback import ProgressBar
from sklearn_gru import GRURegressor
X = np.random.default_rng(0).normal(size=(40, 4, 2))
model = GRURegressor(4, max_iter=3, verbose=1).set_callbacks(ProgressBar())
print("epochs", model.fit(X, X[:, 0, 0]).n_iter_)
"""


@pytest.mark.slow
@since_1_9
def test_both_bars_in_a_notebook():
    """Rich stands in for the output there, also without widgets."""
    nbformat, nbclient = (
        pytest.importorskip("nbformat"),
        pytest.importorskip("nbclient"),
    )
    cell = nbformat.v4.new_code_cell(BOTH_BARS)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the kernel
        nbclient.NotebookClient(notebook, timeout=120).execute()
    printed = "".join(str(o.get("text", "")) for o in notebook.cells[0].outputs)
    assert "epochs 3" in printed
    assert len(printed) < 10_000


QUIET = """
import pickle
import numpy as np, pandas as pd
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
import sklearn_gru
from sklearn_gru import *
from sklearn_gru.model_selection import PanelTimeSeriesSplit

hours = pd.date_range("2024-01-01", periods=1500, freq="h")
load = np.sin(np.arange(1500.0))
df = pd.DataFrame({"load": load, "temp": load ** 2}, index=hours)
model = make_pipeline(
    SlidingWindow(6, lag=1), GRURegressor(4, max_iter=8, random_state=0)
)
model.fit(df.iloc[:-50], df["load"].iloc[:-50])
assert model[-1].engine_  # compiled, where it can be
model.predict(df.iloc[-50:]), model.score(df.iloc[-50:], df["load"].iloc[-50:])
model[0].explain(df.iloc[-50:], 0)
model[0].partial_fit(df.iloc[-50:])
model[-1].partial_fit(model[0].transform(df.iloc[-50:]), df["load"].iloc[-50:])
GridSearchCV(
    model, {"gruregressor__hidden_size": [2, 3]}, cv=TimeSeriesSplit(2), n_jobs=2
).fit(df.iloc[:200], df["load"].iloc[:200])
repr(model), model._repr_html_(), pickle.loads(pickle.dumps(model)).predict(df[-9:])
labels = np.where(load > 0, "up", "down")
flat = SlidingWindow(6, lag=1, flatten=True)
classifier = GRUClassifier(4, max_iter=2, features_per_step=2, early_stopping=True)
classifier.fit(flat.fit_transform(df), labels).predict_proba(flat.transform(df))
classifier.partial_fit(flat.transform(df), labels).predict_log_proba(flat.transform(df))
future_frame(df, 3), make_targets(df, df["load"], horizon=3)
to_sequences(df.assign(g=[0, 1] * 750), groups="g")
datasets.load_airline(), datasets.load_bike_sharing(), datasets.load_nyc_weather()
datasets.load_japanese_vowels()
list(PanelTimeSeriesSplit(2).split(df))
"""


@pytest.mark.slow
def test_nothing_is_printed_at_default_verbosity():
    """In a fresh process every public call leaves both streams empty."""
    out = subprocess.run(
        [sys.executable, "-c", QUIET],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    assert (out.stdout, out.stderr, out.returncode) == ("", "", 0)


# -- the representation -------------------------------------------------------------------


def test_html_tells_what_a_fit_was():
    """Parameters, fitted attributes and the page of the documentation."""
    model = regressor().fit(X, Y)
    html = model._repr_html_()
    assert "hidden_size" in html
    assert f'href="{model._get_doc_link()}' in html
    if hasattr(model, "_get_fitted_attr_html"):  # since 1.9
        table = html[html.index("Fitted attributes") :]
        for name in ("n_parameters_", "engine_", "fit_time_"):
            assert name in table
        assert f"{model.n_parameters_}" in table
        assert repr(model.engine_) in table.replace("&#x27;", "'")
    for text in ("<script src", "<link", "@import", "url(http"):
        assert text not in html  # nothing is loaded from elsewhere


def test_html_is_no_larger_than_that_of_scikit_learn():
    """Per parameter and attribute: styles, scripts and tables are all its own."""

    def size(fitted):
        html = fitted._repr_html_()
        rest = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
        return len(rest) / (html.count("<tr") or len(fitted.get_params()))

    theirs = size(MLPRegressor(n_iter_no_change=1, tol=1e9).fit(X[:, 0], Y))
    assert size(regressor().fit(X, Y)) < 1.1 * theirs
    assert size(GRUClassifier(2, max_iter=1).fit(X, Y > 0)) < 1.1 * theirs


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (GRURegressor(), "GRURegressor"),
        (GRUClassifier(), "GRUClassifier"),
        (SlidingWindow(2), "SlidingWindow"),
        (GRUTranslator(), "text.GRUTranslator"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_documentation_link(estimator, name, monkeypatch):
    """It names the page that the API reference makes, of this version."""
    import sklearn_gru

    base = "https://sklearn-gru.readthedocs.io/en"
    page = f"generated/sklearn_gru.{name}.html"
    monkeypatch.setattr(sklearn_gru, "__version__", "1.2.0")
    assert estimator._get_doc_link() == f"{base}/v1.2.0/{page}"
    monkeypatch.setattr(sklearn_gru, "__version__", "1.2.0.dev0")
    assert estimator._get_doc_link() == f"{base}/latest/{page}"
    theirs = type("Mine", (type(estimator),), {"__module__": "theirs"})
    assert theirs(**estimator.get_params())._get_doc_link() == ""


def test_fit_time():
    """Seconds of the fit; warm starts and partial fits add theirs, a new fit does not."""
    model = regressor(warm_start=True).fit(X, Y)
    first = model.fit_time_
    assert 0 < first < 60
    second = model.fit(X, Y).fit_time_
    assert second > first
    assert model.partial_fit(X, Y).fit_time_ > second
    model.fit_time_ = 1e6
    assert model.set_params(warm_start=False).fit(X, Y).fit_time_ < 60
