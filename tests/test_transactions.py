"""A fit ends whole, or the estimator is what it was before."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from sklearn_gru import GRUClassifier, GRURegressor
from sklearn_gru._engines.numba import calls, threads
from sklearn_gru._support.interrupts import Interrupts, deferred_interrupts
from sklearn_gru.exceptions import DivergenceError

unix_only = pytest.mark.skipif(os.name == "nt", reason="needs os.kill with SIGINT")


def make_data(n=300):
    X = np.random.default_rng(0).normal(size=(n, 12, 3)).astype(np.float32)
    return X, X.sum((1, 2))


class Raise(Callback):
    """Raises in an epoch, after it has changed what it can reach."""

    def __init__(self, error, hook="on_epoch_end", epoch=2):
        self.error, self.hook, self.epoch, self.seen = error, hook, epoch, 0

    def _go(self, net, hook):
        self.seen += hook == self.hook
        if hook == self.hook and self.seen == self.epoch:
            net.module_.head = torch.nn.Linear(1, 1)
            net.optimizer_.param_groups[0]["lr"] = 17.0
            for p in net.module_.recurrent.parameters():
                p.requires_grad = False
            raise self.error

    def on_epoch_begin(self, net, **kwargs):
        self._go(net, "on_epoch_begin")

    def on_epoch_end(self, net, **kwargs):
        self._go(net, "on_epoch_end")

    def on_train_end(self, net, **kwargs):
        self._go(net, "on_train_end")


def make(engine="numba", **params):
    settings = {"hidden_size": 8, "random_state": 0, "dropout": 0.2}
    if engine == "numba":
        settings |= {"dtype": "float32", "max_iter": 20}  # less is not compiled
    else:
        settings |= {"dtype": "float64", "max_iter": 3, "batch_size": 150}
    return GRURegressor(**{**settings, **params})


def everything(model, X):
    """Return all that a fit leaves behind, as something that can be compared."""
    net = model.net_
    moments = [
        {k: torch.as_tensor(v).clone() for k, v in net.optimizer_.state[p].items()}
        for p in net.module_.parameters()
    ]
    groups = [
        {**group, "params": list(map(id, group["params"]))}
        for group in net.optimizer_.param_groups
    ]
    caches = ("prediction_", "outline_", "history_")
    return {
        "predictions": model.predict(X),
        "interval": model._fitted.calibrations,
        "attributes": {k: v for k, v in vars(model).items() if k != "callbacks"},
        "weights": {k: v.clone() for k, v in net.module_.state_dict().items()},
        "frozen": [p.requires_grad for p in net.module_.parameters()],
        "moments": moments,
        "groups": groups,
        "streams": [
            s.generator.get_state()
            for s in (net.shuffle_stream, net.module_.dropout.stream)
        ],
        "history": list(net.history),
        "net": {k: v for k, v in vars(net).items() if k not in caches},
    }


def assert_same(a, b):
    assert a.keys() == b.keys()
    assert np.array_equal(a["predictions"], b["predictions"])
    for name in ("interval", "frozen", "groups", "history"):
        assert a[name] == b[name], name
    for name in ("attributes", "net"):
        assert a[name].keys() == b[name].keys(), name
        assert all(a[name][k] is b[name][k] for k in a[name]), name
    assert all(torch.equal(a["weights"][k], b["weights"][k]) for k in a["weights"])
    assert all(map(torch.equal, a["streams"], b["streams"]))
    for one, other in zip(a["moments"], b["moments"], strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[k], other[k]) for k in one)


ERRORS = [RuntimeError("injected"), MemoryError(), DivergenceError("injected")]


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("method", ["fit", "warm_start", "partial_fit"])
def test_a_failed_fit_leaves_the_old_model(engine, error, method):
    """Weights, moments, streams, history, network and attributes are those before."""
    X, y = make_data()
    model = make(engine, early_stopping=True).fit(X, y)
    assert model.engine_ == engine
    if method == "warm_start":
        model.set_params(warm_start=True)
    callback = Raise(error, epoch=1 if method == "partial_fit" else 2)
    model.net_.callbacks_.append(("raise", callback))
    if method == "fit":
        model.set_params(callbacks=[callback])
    before = everything(model, X)
    fit = model.partial_fit if method == "partial_fit" else model.fit
    with pytest.raises(type(error)):
        fit(X, y)
    assert_same(before, everything(model, X))
    model.net_.callbacks_.pop()
    model.set_params(callbacks=None)
    fit(X, y)  # and it goes on from there
    again = make(engine, early_stopping=True).fit(X, y)
    if method == "warm_start":
        again.set_params(warm_start=True)
    (again.partial_fit if method == "partial_fit" else again.fit)(X, y)
    assert np.array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end", "on_train_end"])
def test_a_first_fit_that_fails_leaves_it_unfitted(hook):
    """Whatever the callback was called for."""
    X, y = make_data()
    model = make(callbacks=[Raise(RuntimeError("injected"), hook, epoch=1)])
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="injected"):
        model.fit(X, y)
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


@pytest.mark.parametrize("warm_start", [False, True])
def test_divergence_leaves_the_old_model(warm_start):
    """Neither NaN nor the first class for every row is ever predicted."""
    X, y = make_data()
    model = GRUClassifier(8, max_iter=5, random_state=0, warm_start=warm_start)
    model.fit(X, y > 0)
    before = model.predict_proba(X)
    model.set_params(learning_rate=1e300, clip_norm=None)
    with pytest.raises(DivergenceError):
        model.fit(X, y > 0)
    assert np.array_equal(model.predict_proba(X), before)
    fresh = clone(model)
    with pytest.raises(DivergenceError):
        fresh.fit(X, y > 0)
    with pytest.raises(NotFittedError):
        fresh.predict(X)


def test_refused_data_leave_the_old_model():
    """Another width, or a missing target; `n_features_in_` stays too."""
    X, y = make_data()
    model = make().fit(X, y)
    before = everything(model, X)
    holed = np.where(np.arange(len(y)) == 3, np.nan, y)
    for bad in ((X[:, :, :2], holed), (X, holed), (X, y[:-1])):
        with pytest.raises(ValueError):
            model.fit(*bad)
        assert_same(before, everything(model, X))


@pytest.mark.parametrize("warm_start", [False, True])
def test_memory_that_runs_out_in_training_leaves_the_old_model(monkeypatch, warm_start):
    """An allocation of the kernels fails in the middle of a fit."""
    X, y = make_data()
    model = make(warm_start=warm_start).fit(X, y)
    before = everything(model, X)

    def fail(n):
        raise MemoryError("injected")

    with monkeypatch.context() as patch:
        patch.setattr(calls, "aligned_floats", fail)
        with pytest.raises(MemoryError):
            model.fit(X, y)
    assert_same(before, everything(model, X))


# --- Ctrl-C --------------------------------------------------------------------------


def press_ctrl_c(delay):
    """Send SIGINT after a while, and return the list of the moment it was sent."""
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(delay, send)
    timer.daemon = True
    timer.start()
    return timer, sent


@unix_only
@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_ctrl_c_leaves_the_old_model(engine):
    """At any moment of a warm start; nothing of the interrupted epochs remains."""
    X, y = make_data()
    model = make(engine, max_iter=2, early_stopping=True).fit(X, y)
    model.set_params(warm_start=True, max_iter=100_000, n_iter_no_change=10**6)
    before = everything(model, X)
    for delay in (0.05, 0.3):
        press_ctrl_c(delay)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        assert_same(before, everything(model, X))


@unix_only
@pytest.mark.slow
@pytest.mark.unchecked
def test_ctrl_c_is_heard_within_a_second_at_any_width():
    """One step of the optimizer would take longer than that here."""
    X = np.zeros((256, 1500, 3), dtype=np.float32) + np.arange(256)[:, None, None]
    model = make(hidden_size=256, dropout=0.0, batch_size=256, max_iter=3)
    # Compiling cannot be interrupted: first the programs of several threads.
    few = X[:64, :200]
    make(hidden_size=256, dropout=0.0, max_iter=5).fit(few, few[:, 0, 0])
    _, sent = press_ctrl_c(1.5)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, X[:, 0, 0])
    assert time.perf_counter() - sent[0] < 1.0  # a step here takes many seconds
    assert not model.__sklearn_is_fitted__()


def test_threads_that_share_batches_end_between_two(monkeypatch):
    """Each of hundreds of batches would take some milliseconds to do nothing."""
    flag, shared = np.zeros(1, dtype=np.int64), []

    def run(team, program, arguments):
        shared.append(len(arguments))
        flag[0] = 1

    monkeypatch.setattr(calls, "stop_flag", lambda own: flag)
    monkeypatch.setattr(threads, "for_training", lambda *_: 2)
    monkeypatch.setattr(threads.Team, "run", run)
    X, y = make_data()
    make(batch_size=10, max_iter=1).fit(X, y)
    assert shared == [2]


@unix_only
def test_ctrl_c_in_a_callback_is_no_request_to_stop():
    """Skorch's callbacks raise KeyboardInterrupt to stop; the user's is raised again."""

    class Press(Callback):
        def on_epoch_end(self, net, **kwargs):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)

    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    X, y = make_data(60)
    pressed = make(callbacks=[Press()])
    with pytest.raises(KeyboardInterrupt):
        pressed.fit(X, y)
    assert not pressed.__sklearn_is_fitted__()
    assert make(callbacks=[Stop()]).fit(X, y).n_iter_ == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@unix_only
def test_interrupts_can_be_heard_and_put_off():
    """Both restore the handler that was there."""
    done = []

    def press():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        done.append("whole")

    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        press()
    assert done == ["whole"]
    with Interrupts() as interrupts:
        assert not interrupts.heard
        with pytest.raises(KeyboardInterrupt):
            press()
        assert interrupts.heard
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
