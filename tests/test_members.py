"""Several networks in one fit: each as if alone, and the mean of their predictions."""

import contextlib
import os
import pickle
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from sklearn_gru import GRUClassifier, GRURegressor, SequenceEmbedding, SlidingWindow
from sklearn_gru._engines import members
from sklearn_gru._engines.torch.device import member_seed
from sklearn_gru._support.numbers import mean_of
from sklearn_gru.exceptions import DivergenceError, InvalidParameterError
from sklearn_gru.inspection import (
    AttentionDisplay,
    GateDisplay,
    LossCurveDisplay,
)
from sklearn_gru.live import Stream

X = np.random.default_rng(0).normal(size=(160, 12, 3)).astype(np.float32)
Y = X.sum((1, 2))
LABELS = np.digitize(Y, [-2, 2])
SMALL = {"hidden_size": 8, "max_iter": 6, "random_state": 0, "batch_size": 32}

# Whoever computes, with dropout and early stopping, whose epochs differ by member.
CASES = {
    "numba": {"dtype": "float32", "dropout": 0.2},
    "early": {"early_stopping": True, "n_iter_no_change": 1, "max_iter": 30},
    "attention": {"dtype": "float32", "pooling": "attention"},
    "torch": {"dtype": "float64", "max_iter": 2},
}


@contextlib.contextmanager
def threads(n):
    """Let the process have n threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def several(n=3, kind=GRURegressor, **params):
    return kind(**{**SMALL, "n_estimators": n, **params})


def alone(model, k):
    """The model with one of its networks."""
    copy = pickle.loads(pickle.dumps(model))
    copy._keep(
        replace(copy._fitted, nets=copy._fitted.nets[k : k + 1]), 0.0, fresh=False
    )
    return copy


def weights(model):
    return [p.detach().numpy().copy() for m in model.modules_ for p in m.parameters()]


def assert_equal(a, b):
    assert len(a) == len(b)
    assert all(map(np.array_equal, a, b))


@pytest.mark.parametrize("case", CASES)
def test_a_network_is_that_of_a_fit_of_its_own(case):
    """The first has the bits of one network, the k-th those of any larger number."""
    one, two, three = (several(n, **CASES[case]).fit(X, Y) for n in (1, 2, 3))
    assert_equal(weights(one), weights(three)[: len(weights(one))])
    assert_equal(weights(two), weights(three)[: len(weights(two))])
    assert not np.array_equal(weights(two)[0], weights(two)[len(weights(one))])
    for name in ("loss_curve_", "engine_", "n_features_in_"):
        assert getattr(one, name) == getattr(three, name)
    for name in ("validation_scores_", "best_iteration_"):
        assert getattr(one, name, None) == getattr(three, name, None)
    assert three.n_iter_ == max(len(net.history) for net in three.nets_)
    assert three.n_parameters_ == 3 * one.n_parameters_
    assert three.nets_[0] is three.net_
    assert three.modules_ == tuple(net.module_ for net in three.nets_)
    assert three.module_ is three.modules_[0]
    assert (len(one.nets_), len(one.modules_)) == (1, 1)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.unchecked
def test_the_number_of_threads_changes_no_bit(case, monkeypatch):
    """Members in one thread, two, or more than there are members."""
    seen = []

    def spy(net, *args, threads, **kwargs):
        seen.append(threading.current_thread())
        return train(net, *args, threads=threads, **kwargs)

    train = members.train
    monkeypatch.setattr(members, "train", spy)
    found = {}
    for n in (1, 2, 5):
        with threads(n):
            model = several(3, **CASES[case]).fit(X, Y)
            assert torch.get_num_threads() == n
        found[n] = [*weights(model), model.predict(X), model._fitted.best_epochs]
        in_main = {thread is threading.main_thread() for thread in seen}
        assert (len(seen), in_main) == (3, {n == 1})
        seen.clear()
    assert_equal(found[1], found[2])
    assert_equal(found[1], found[5])


@pytest.mark.parametrize(("case", "made"), [("numba", False), ("torch", True)])
@pytest.mark.unchecked
def test_what_imports_is_made_before_the_threads_begin(case, made, monkeypatch):
    """PyTorch's optimizers import modules that two threads must not load at once."""
    seen = []
    model = several(2, **{**CASES[case], "max_iter": 2})

    def spy(net, *args, **kwargs):
        seen.append(isinstance(net.optimizer_state, torch.optim.Optimizer))
        return train(net, *args, **kwargs)

    train = members.train
    monkeypatch.setattr(members, "train", spy)
    with threads(2):
        model.fit(X, Y)
    assert model.engine_ == case
    assert seen == [made, made]


PREDICTIONS = {
    "regression": (GRURegressor, {}, ["predict"]),
    "counts": (GRURegressor, {"loss": "poisson"}, ["predict"]),
    "level": (
        GRURegressor,
        {"normalization": "last", "target_feature": 0},
        ["predict"],
    ),
    "quantiles": (
        GRURegressor,
        {"loss": "quantile", "quantile": (0.9, 0.1, 0.5)},
        ["predict", "predict_quantiles"],
    ),
    "classes": (GRUClassifier, {}, ["predict_proba"]),
}


@pytest.mark.parametrize("case", PREDICTIONS)
def test_predictions_are_means(case):
    """Of what each network predicts, not of its outputs before the last function."""
    kind, params, methods = PREDICTIONS[case]
    y = LABELS if kind is GRUClassifier else np.abs(Y)
    model = several(3, kind, **params).fit(X, y)
    some = np.concatenate([X[:20], np.full_like(X[:1], np.nan)])  # one without input
    for method in methods:
        each = [getattr(alone(model, k), method)(some) for k in range(3)]
        found = getattr(model, method)(some)
        np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=2e-6)
        assert found.dtype == np.float32
    if kind is GRUClassifier:
        assert_equal(model.predict(some), found.argmax(axis=1))
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_intervals_are_calibrated_on_the_mean():
    """The errors are those of the predictions that the interval is around."""
    model = several(3, max_iter=3).fit(X[:100], Y[:100], X_val=X[100:], y_val=Y[100:])
    errors = np.abs(model.predict(X[100:]) - Y[100:])
    found = model._fitted.calibrations[0].errors[:, 0, 0]
    np.testing.assert_allclose(found, errors, rtol=1e-4, atol=1e-6)
    interval = model.predict_interval(X[100:], coverage=0.8)
    inside = (interval[:, 0] <= Y[100:]) & (Y[100:] <= interval[:, 1])
    assert 0.8 <= inside.mean() <= 0.85
    middle = interval.mean(axis=1)
    np.testing.assert_allclose(middle, model.predict(X[100:]), rtol=1e-4, atol=1e-5)


def test_the_mean_keeps_order_and_does_not_overflow():
    """Of ascending values, and of the largest numbers."""
    rng = np.random.default_rng(0)
    parts = [np.sort(rng.normal(size=(500, 5)).round(2)) for _ in range(7)]
    assert (np.diff(mean_of(parts)) >= 0).all()
    largest = np.full(3, 0.9 * np.finfo(np.float64).max)
    np.testing.assert_allclose(mean_of([largest] * 3), largest)
    assert mean_of([largest]) is largest


def test_seeds_of_members_differ_and_stay():
    """They depend on the first seed and on their number alone."""
    seeds = {(seed, k): member_seed(seed, k) for seed in range(50) for k in range(20)}
    assert len(set(seeds.values())) == len(seeds)
    assert [member_seed(7, 0), member_seed(7, 1)] == [7, seeds[7, 1]]


def test_a_generator_is_drawn_from_as_by_one_network():
    """What follows a fit of several networks is the same."""
    after = []
    for n in (1, 3):
        generator = np.random.RandomState(3)
        several(n, random_state=generator, early_stopping=True, max_iter=1).fit(X, Y)
        after.append(generator.randint(10**6))
    assert after[0] == after[1]


# -- training on -----------------------------------------------------------------------


def test_continued_training_trains_all():
    """As warm starts and passes of one network do for the first."""
    model, one = (several(n, warm_start=True, max_iter=2) for n in (2, 1))
    for kept in (model, one):
        kept.fit(X, Y).fit(X, Y).partial_fit(X, Y)
    assert_equal(weights(one), weights(model)[: len(weights(one))])
    assert [len(net.history) for net in model.nets_] == [5, 5]
    assert model.n_iter_ == 5


def test_another_number_of_networks_is_refused():
    """With the number there is; nothing changes."""
    model = several(2, warm_start=True, max_iter=1).fit(X, Y)
    before = weights(model)
    model.set_params(n_estimators=3)
    for fit in (model.fit, model.partial_fit):
        with pytest.raises(InvalidParameterError, match=r"2 network.*n_estimators=2"):
            fit(X, Y)
    assert_equal(before, weights(model))
    assert len(model.set_params(warm_start=False).fit(X, Y).nets_) == 3


def test_pickles_hold_all():
    """They predict alike, go on alike, and their attributes belong together."""
    model = several(3, kind=GRUClassifier).fit(X, LABELS)
    copy = pickle.loads(pickle.dumps(model))
    assert_equal(copy.predict_proba(X), model.predict_proba(X))
    assert copy.nets_[0] is copy.net_
    assert copy.modules_ == tuple(net.module_ for net in copy.nets_)
    for kept in (copy, model):
        kept.partial_fit(X, LABELS)
    assert_equal(weights(copy), weights(model))


def test_weights_of_a_member_can_be_loaded_but_not_exchanged():
    """A prediction always comes from the networks that the attributes show."""
    model = several(2).fit(X, Y)
    before = model.predict(X)
    model.modules_[1].load_state_dict(model.module_.state_dict())
    assert not np.array_equal(model.predict(X), before)
    np.testing.assert_allclose(model.predict(X), alone(model, 0).predict(X))
    model.modules_ = model.modules_[:1]
    with pytest.raises(InvalidParameterError, match="modules_ was assigned"):
        model.predict(X)


# -- errors and interrupts -------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2])
def test_divergence_of_one_ends_all(n):
    """In threads too; nothing is fitted."""
    model = several(3, learning_rate=1e30, clip_norm=None, max_iter=50)
    with threads(n), pytest.raises(DivergenceError):
        model.fit(X, Y)
    with pytest.raises(NotFittedError):
        model.predict(X)


class Fail(Callback):
    """Fails in the third fit that begins, after others have ended."""

    begun = 0

    def on_train_begin(self, net, **kwargs):
        Fail.begun += 1
        if Fail.begun == 3:
            raise RuntimeError("the third")


def test_an_error_takes_back_what_earlier_members_learned():
    """A warm start that fails in its third network changes none of them."""
    model = several(3, warm_start=True, max_iter=2).fit(X, Y)
    before, predicted = weights(model), model.predict(X)
    for net in model.nets_:
        net.callbacks_.append(("fail", Fail()))
    with pytest.raises(RuntimeError, match="the third"):
        model.fit(X, Y)
    assert_equal(before, weights(model))
    assert [len(net.history) for net in model.nets_] == [2, 2, 2]
    assert_equal(predicted, model.predict(X))


@pytest.mark.skipif(os.name == "nt", reason="needs os.kill with SIGINT")
@pytest.mark.parametrize("case", ["numba", "torch"])
def test_ctrl_c_ends_all_threads(case):
    """Soon; the old model is back, and no thread trains on."""
    model = several(3, **CASES[case]).fit(X, Y)
    model.set_params(warm_start=True, max_iter=100_000)
    before, predicted, n_threads = weights(model), model.predict(X), 0
    for delay in (0.05, 0.4):
        sent = []

        def press(sent=sent):
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(delay, press)
        timer.daemon = True
        n_threads = threading.active_count()
        timer.start()
        with threads(2), pytest.raises(KeyboardInterrupt):
            model.fit(X, Y)
        assert time.perf_counter() - sent[0] < 4.0  # a second, on cores of its own
        timer.join()
        assert threading.active_count() == n_threads
        assert_equal(before, weights(model))
        assert_equal(predicted, model.predict(X))


# -- callbacks -------------------------------------------------------------------------


class Count(Callback):
    """Counts epochs, and tells the thread."""

    def __init__(self):
        self.epochs, self.threads = 0, set()

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1
        self.threads.add(threading.current_thread() is threading.main_thread())


def test_every_network_has_its_own_callbacks():
    """The given one belongs to the first; all are called where fit was."""
    given = Count()
    with threads(2):
        model = several(2, callbacks=[("count", given)], max_iter=4).fit(X, Y)
    first, second = (dict(net.callbacks_)["count"] for net in model.nets_)
    assert first is given
    assert second is not given
    assert (first.epochs, second.epochs) == (4, 4)
    assert first.threads == second.threads == {True}


def test_callbacks_that_cannot_be_copied():
    """The message names the callback."""
    callback = Count()
    callback.lock = threading.Lock()
    with pytest.raises(InvalidParameterError, match="Count cannot be copied"):
        several(2, callbacks=[callback]).fit(X, Y)
    several(1, callbacks=[callback], max_iter=1).fit(X, Y)


# -- streams and inspection ------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kind", "method", "params"),
    [
        (GRURegressor, "predict", {}),
        (GRURegressor, "predict", {"loss": "poisson"}),
        (
            GRURegressor,
            "predict_quantiles",
            {"loss": "quantile", "quantile": (0.1, 0.9)},
        ),
        (
            GRUClassifier,
            "predict_proba",
            {"bidirectional": False, "add_differences": False},
        ),
    ],
)
def test_streams_carry_all(kind, method, params, dtype):
    """An answer is that of predict; asking, storing and going on change nothing."""
    y = LABELS if kind is GRUClassifier else np.abs(Y)
    model = several(3, kind, dtype=dtype, max_iter=3, **params).fit(X, y)
    rows = X[0].astype(np.float64)
    rows[[0, 4]] = np.nan
    expected = getattr(model, method)([rows[: k + 1] for k in range(len(rows))])
    stream = Stream(model, method=method)
    for k, row in enumerate(rows):
        asked, found = stream.predict(row), stream.update(row)
        if dtype == "float32":
            np.testing.assert_array_equal(found, expected[k])
        np.testing.assert_allclose(found, expected[k], rtol=1e-9)
        np.testing.assert_array_equal(asked, found)
        stream = pickle.loads(pickle.dumps(stream))
    many = stream.update_many(X[:5, 0].astype(np.float64), keys=range(5))
    np.testing.assert_allclose(
        many, getattr(model, method)(list(X[:5, :1].astype(np.float64))), rtol=1e-9
    )


def test_streams_of_windows_carry_all():
    """All open windows of all networks; weights of any of them count."""
    hours = pd.date_range("2024-01-01", periods=200, freq="h")
    t = np.arange(200.0)
    frame = pd.DataFrame({"load": np.sin(t)}, index=hours)
    gru = several(2, max_iter=2, dtype="float32")
    model = make_pipeline(SlidingWindow(6), gru).fit(frame[:180], np.cos(t[:180]))
    stream = Stream(model)
    found = [stream.update(row, time=time) for time, row in frame[180:].iterrows()]
    assert_equal(found, model.predict(frame[180:]))
    with torch.no_grad():
        model[-1].modules_[1].head.bias.add_(1.0)
    stream.refresh()
    last = stream.predict()
    assert last == pytest.approx(model.predict(frame)[-1])
    assert last != found[-1]


def test_inspection_looks_into_one():
    """The first by default; `member` names another, and one that is not there fails."""
    model = several(2, pooling="attention", max_iter=2).fit(X, Y)
    for k in range(2):
        single = alone(model, k)
        for method in ("attention_weights", "gate_activations"):
            found = getattr(model, method)(X[:4], member=k)
            expected = getattr(single, method)(X[:4])
            first = getattr(model, method)(X[:4])
            if method == "gate_activations":
                found, expected, first = (
                    a.update_gate for a in (found, expected, first)
                )
            np.testing.assert_array_equal(found, expected)
            assert np.array_equal(found, first) == (k == 0)
        display = LossCurveDisplay.from_estimator(model, member=k)
        assert display.loss.tolist() == single.loss_curve_
        shown = AttentionDisplay.from_estimator(model, X[:4], member=k)
        np.testing.assert_array_equal(shown.weights, single.attention_weights(X[:4]))
        gates = GateDisplay.from_estimator(model, X[:4], member=k).gates["update"]
        expected = single.gate_activations(X[:1]).update_gate[0, :, 0, 0]
        np.testing.assert_array_equal(gates, expected)
    for bad in (2, -1, "first"):
        with pytest.raises(InvalidParameterError, match="member="):
            model.attention_weights(X[:4], member=bad)
    with pytest.raises(InvalidParameterError, match=r"member=2 .* 2 network"):
        LossCurveDisplay.from_estimator(model, member=2)


def test_an_embedding_is_that_of_the_first():
    """States of several networks have no common axes."""
    found = SequenceEmbedding(several(2)).fit(X, Y).transform(X)
    expected = SequenceEmbedding(several(1)).fit(X, Y).transform(X)
    np.testing.assert_array_equal(found, expected)


# -- as many as "auto" chooses ---------------------------------------------------------


def automatic(n=100, **params):
    """Return the number of networks of a classifier that n sequences train."""
    params = {"hidden_size": 2, "max_iter": 20, "random_state": 0} | params
    model = GRUClassifier(**params).fit(
        X[np.arange(n) % 160], LABELS[np.arange(n) % 160]
    )
    return len(model.nets_)


def test_few_sequences_to_classify_train_three_networks():
    """From 200 on it is one, and whatever number is given counts."""
    assert automatic(199) == 3
    assert automatic(200) == 1
    assert automatic(100, n_estimators=1) == 1
    assert automatic(100, n_estimators=2) == 2


def test_a_quick_fit_or_one_to_go_on_from_trains_one_network():
    """Fewer than 20 epochs, a warm start, and a pass of partial_fit."""
    assert automatic(max_iter=19) == 1
    assert automatic(warm_start=True) == 1
    model = GRUClassifier(2, random_state=0).partial_fit(X[:100], LABELS[:100])
    assert len(model.nets_) == 1


class Locked(Callback):
    """A callback that cannot be copied."""

    def __init__(self):
        self.lock = threading.Lock()


def test_a_callback_that_cannot_be_copied_leaves_one_network():
    """What was fitted without `n_estimators` still is."""
    assert automatic(callbacks=[Locked()]) == 1
    with pytest.raises(InvalidParameterError, match="cannot be copied"):
        automatic(callbacks=[Locked()], n_estimators=3)


def test_an_embedding_trains_the_network_that_it_looks_at():
    """Further ones would be for nothing."""
    inner = GRUClassifier(4, max_iter=20, random_state=0)
    found = SequenceEmbedding(inner).fit(X[:100], LABELS[:100])
    assert len(found.estimator_.nets_) == 1
    assert inner.n_estimators == "auto"


def test_auto_is_one_network_of_a_regressor():
    """Means of several gained little there."""
    model = GRURegressor(2, n_estimators="auto", max_iter=20, random_state=0)
    assert len(model.fit(X, Y).nets_) == 1


def test_auto_is_the_fit_of_three():
    """The same networks to the bit, with as many epochs for callbacks to hear of."""
    few = {"hidden_size": 4, "max_iter": 20, "random_state": 0}
    chosen = GRUClassifier(**few).fit(X, LABELS)
    given = GRUClassifier(**few, n_estimators=3).fit(X, LABELS)
    assert np.array_equal(chosen.predict_proba(X), given.predict_proba(X))


def test_auto_goes_on_with_the_networks_there_are():
    """However many sequences a later fit has."""
    model = GRUClassifier(4, max_iter=20, random_state=0).fit(X, LABELS)
    model.set_params(warm_start=True, max_iter=1).fit(X[:40], LABELS[:40])
    model.partial_fit(X, LABELS)
    assert len(model.nets_) == 3
    with pytest.raises(InvalidParameterError, match="Set n_estimators=3"):
        model.set_params(n_estimators=1).fit(X, LABELS)
