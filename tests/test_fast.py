"""The fast path: chosen by the problem alone, the same numbers, the same tensors."""

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import skorch
import torch
from sklearn.pipeline import make_pipeline

from sklearn_gru import GRUClassifier, GRURegressor, SlidingWindow
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.numba import engine as numba_engine

X = np.random.default_rng(0).normal(size=(1200, 10, 3)).astype(np.float32)
Y = X[:, :, 0].sum(axis=1) + X[:, -1, 1]
LABELS = np.digitize(Y, [-2, 2])
RAGGED = [x[: 1 + i % 10] for i, x in enumerate(X)]
NO_KERNELS = "SKLEARN_GRU_NO_NUMBA"

needs_numba = pytest.mark.skipif(
    not kernels.available(), reason=f"no kernels here: {kernels.reason()}"
)
pytestmark = needs_numba


def pair(kind=GRURegressor, monkeypatch=None, data=(X, Y), fit=None, **params):
    """The same fit by the kernels and by torch."""
    defaults = {"hidden_size": 12, "max_iter": 5, "random_state": 0}
    fast, plain = (kind(**{**defaults, **params}) for _ in range(2))
    fast.fit(*data, **(fit or {}))
    monkeypatch.setenv(NO_KERNELS, "1")
    plain.fit(*data, **(fit or {}))
    monkeypatch.delenv(NO_KERNELS)
    assert fast.engine_ == "numba"
    assert plain.engine_ == "torch"
    return fast, plain


def assert_alike(fast, plain, tol=1e-4):
    np.testing.assert_allclose(fast.loss_curve_, plain.loss_curve_, rtol=tol)
    for a, b in zip(fast.module_.parameters(), plain.module_.parameters(), strict=True):
        scale = b.abs().max().item() + 1e-3
        np.testing.assert_allclose(
            a.detach().numpy() / scale, b.detach().numpy() / scale, atol=50 * tol
        )


@pytest.mark.parametrize("cell", ["gru", "gru_reset_before", "lstm", "rnn"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_training_curves_agree(cell, loss, monkeypatch):
    """Five epochs by kernels and by torch: losses to 1e-4, parameters close."""
    assert_alike(*pair(monkeypatch=monkeypatch, cell=cell, loss=loss))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_training_curves_stay_together(cell, monkeypatch):
    """Rounding grows with the steps: to 1e-3 after twenty epochs."""
    fast, plain = pair(
        monkeypatch=monkeypatch, cell=cell, max_iter=20, early_stopping=False
    )
    np.testing.assert_allclose(fast.loss_curve_, plain.loss_curve_, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_classification_of_ragged_sequences_agrees(pooling, bidirectional, monkeypatch):
    """Variable lengths, class and sample weights, label smoothing, two layers."""
    fast, plain = pair(
        GRUClassifier,
        monkeypatch,
        data=(RAGGED, LABELS),
        fit={"sample_weight": np.linspace(0.1, 2, len(X))},
        pooling=pooling,
        bidirectional=bidirectional,
        num_layers=2,
        class_weight="balanced",
        label_smoothing=0.1,
    )
    assert_alike(fast, plain)
    np.testing.assert_allclose(
        fast.predict_proba(RAGGED), plain.predict_proba(RAGGED), atol=1e-3
    )


def test_predictions_of_the_same_module_agree(monkeypatch):
    """One set of parameters, evaluated by kernels and by torch: 1e-5."""
    fast = GRURegressor(12, max_iter=5, random_state=0).fit(X, Y)
    by_kernel = fast.predict(X)
    monkeypatch.setenv(NO_KERNELS, "1")
    np.testing.assert_allclose(by_kernel, fast.predict(X), rtol=1e-5, atol=1e-5)


def test_early_stopping_agrees(monkeypatch):
    """Validation losses and the best epoch are those of torch."""
    fast, plain = pair(monkeypatch=monkeypatch, early_stopping=True, max_iter=15)
    np.testing.assert_allclose(
        fast.validation_scores_, plain.validation_scores_, rtol=1e-3
    )
    assert fast.best_iteration_ == plain.best_iteration_


def test_warm_start_and_partial_fit_agree(monkeypatch):
    """Moments and step count travel through the optimizer both ways."""
    fast, plain = pair(monkeypatch=monkeypatch, warm_start=True)
    fast.fit(X, Y)
    fast.partial_fit(X, Y)
    plain.fit(X, Y)
    plain.partial_fit(X, Y)
    assert_alike(fast, plain, 1e-3)
    steps = [m.net_.optimizer_.state_dict()["state"][0]["step"] for m in (fast, plain)]
    assert steps[0] == steps[1]


class Reader(skorch.callbacks.Callback):
    """Reads the optimizer in every epoch, which makes it."""

    def on_epoch_end(self, net, **kwargs):
        assert net.optimizer_.param_groups[0]["lr"] >= 0


def is_made(model):
    """Return True if the optimizer has been made."""
    return isinstance(model.net_.optimizer_state, torch.optim.Optimizer)


@pytest.mark.parametrize("change", ["read", "pickled", "callback"])
def test_reading_the_optimizer_changes_nothing(change):
    """Further training is the same whether the optimizer was made, and when."""
    params = {"hidden_size": 12, "max_iter": 5, "random_state": 0, "warm_start": True}
    untouched, model = (GRURegressor(**params).fit(X, Y) for _ in range(2))
    if change == "read":
        moments = model.net_.optimizer_.state_dict()["state"]
        assert all(state["exp_avg_sq"].sum() > 0 for state in moments.values())
    elif change == "pickled":
        model = pickle.loads(pickle.dumps(model))
    else:
        model = GRURegressor(**params, callbacks=[Reader()]).fit(X, Y)
    assert is_made(model) == (change != "pickled")
    assert not is_made(untouched)
    np.testing.assert_array_equal(
        model.fit(X, Y).predict(X), untouched.fit(X, Y).predict(X)
    )


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_continues_with_its_moments_in_torch(copied):
    """A rebuilt AdamW takes the steps that the old one would take."""
    params = {"hidden_size": 6, "max_iter": 4, "random_state": 0, "warm_start": True}
    model = GRURegressor(**params, dtype="float64").fit(X[:30], Y[:30])
    assert model.engine_ == "torch"
    copy_of_it = copied(model)
    np.testing.assert_array_equal(
        copy_of_it.fit(X[:30], Y[:30]).predict(X), model.fit(X[:30], Y[:30]).predict(X)
    )


def test_an_optimizer_of_some_parameters_is_left_to_torch():
    """The kernels, which train all parameters, decline; nothing else moves."""
    params = {"hidden_size": 12, "max_iter": 5, "random_state": 0, "warm_start": True}
    model = GRURegressor(**params).fit(X, Y)
    before = [p.clone() for p in model.module_.recurrent.parameters()]
    head = model.module_.head.parameters()
    model.net_.optimizer_ = torch.optim.AdamW(head, lr=0.01)
    model.fit(X, Y)
    assert "other parameters than the network has" in model.net_.declined["numba"]
    for old, new in zip(before, model.module_.recurrent.parameters(), strict=True):
        assert torch.equal(old, new)


def test_the_users_case_is_fast():
    """A float64 frame with a time index through SlidingWindow, all defaults."""
    rng = np.random.default_rng(1)
    index = pd.date_range("2024-01-01", periods=1500, freq="h")
    frame = pd.DataFrame(rng.normal(size=(1500, 3)), index=index, columns=list("abc"))
    model = make_pipeline(SlidingWindow(24, lag=1), GRURegressor(max_iter=2))
    model.fit(frame, frame["a"])
    assert model[-1].engine_ == "numba"
    assert GRUClassifier(max_iter=20).fit(X, LABELS).engine_ == "numba"


@pytest.mark.parametrize(
    ("dtype", "n", "reason"),
    [("float64", 1100, "computes in float64"), ("float32", 30, "a small fit")],
)
def test_what_is_declined_and_why(dtype, n, reason):
    """The reason depends on the description alone."""
    model = GRURegressor(4, max_iter=5, dtype=dtype).fit(X[:n], Y[:n])
    assert model.engine_ == "torch"
    assert reason in model.net_.declined["numba+autograd"]
    assert reason in model.net_.declined["numba"]


LAYERS_ONLY = [
    {"pooling": "attention"},
    {"pooling": "attention", "cell": "lstm", "bidirectional": True, "num_layers": 2},
]


@pytest.mark.parametrize("params", LAYERS_ONLY)
@pytest.mark.parametrize(
    "data", [(X, LABELS), (RAGGED, LABELS)], ids=["even", "ragged"]
)
def test_compiled_layers_under_autograd_agree(params, data, monkeypatch):
    """What has no compiled step trains by compiled layers, to the same numbers."""
    fit = {"hidden_size": 8, "max_iter": 5, "random_state": 0, **params}
    fast, plain = GRUClassifier(**fit).fit(*data), GRUClassifier(**fit)
    monkeypatch.setenv(NO_KERNELS, "1")
    plain.fit(*data)
    monkeypatch.delenv(NO_KERNELS)
    assert (fast.engine_, plain.engine_) == ("numba+autograd", "torch")
    assert fast.net_.declined == {"numba": "pooling 'attention' has no kernel"}
    assert_alike(fast, plain)
    expected = plain.predict_proba(data[0])
    np.testing.assert_allclose(fast.predict_proba(data[0]), expected, atol=1e-3)
    again = pickle.loads(pickle.dumps(fast))
    np.testing.assert_array_equal(again.predict(data[0]), fast.predict(data[0]))


def test_dropout_is_compiled_and_only_in_training():
    """Masks change training from step to step; predictions do not move."""
    params = {"hidden_size": 12, "max_iter": 8, "num_layers": 2, "random_state": 0}
    plain = GRURegressor(**params).fit(X, Y)
    dropped = GRURegressor(**params, dropout=0.5).fit(X, Y)
    assert dropped.engine_ == "numba"
    assert dropped.loss_curve_[0] > plain.loss_curve_[0]
    np.testing.assert_array_equal(dropped.predict(X), dropped.predict(X))
    again = GRURegressor(**params, dropout=0.5).fit(X, Y)
    assert again.loss_curve_ == dropped.loss_curve_
    assert dropped.score(X, Y) > 0.5


def test_the_first_compilation_is_announced(monkeypatch, capfd):
    """At verbose=1 a user learns why the first fit takes seconds, once."""
    monkeypatch.setattr(kernels, "is_compiled", lambda cell: False)
    GRURegressor(4, max_iter=5, verbose=1).fit(X, Y)
    assert "compiles its gru kernels" in capfd.readouterr().err
    GRURegressor(4, max_iter=5).fit(X, Y)
    monkeypatch.undo()
    GRURegressor(4, max_iter=5, verbose=1).fit(X, Y)
    assert "compiles" not in capfd.readouterr().err


def test_without_numba_everything_works(monkeypatch):
    """The environment variable turns the kernels off; torch takes over."""
    monkeypatch.setenv(NO_KERNELS, "1")
    model = GRURegressor(4, max_iter=5, random_state=0).fit(X, Y)
    assert NO_KERNELS in model.net_.declined["numba+autograd"]
    assert np.isfinite(model.predict(X)).all()


def test_a_model_of_the_kernels_opens_without_them(monkeypatch):
    """A pickle predicts and trains on where numba is missing, to 1e-5."""
    model = GRURegressor(12, max_iter=5, random_state=0, warm_start=True).fit(X, Y)
    expected = model.predict(X)
    pickled = pickle.dumps(model)
    monkeypatch.setenv(NO_KERNELS, "1")
    again = pickle.loads(pickled)
    np.testing.assert_allclose(again.predict(X), expected, rtol=1e-5, atol=1e-5)
    assert again.fit(X, Y).n_iter_ == 10


def test_kernels_that_do_not_compile_are_declined(monkeypatch):
    """A failure of numba or LLVM is a reason, not an error."""

    def broken(network):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(kernels, "warm_up", broken)
    numba_engine._compile_error.cache_clear()
    model = GRURegressor(12, max_iter=5, random_state=0).fit(X, Y)
    numba_engine._compile_error.cache_clear()
    assert "no such instruction" in model.net_.declined["numba"]
    assert np.isfinite(model.predict(X)).all()


class Watcher(skorch.callbacks.Callback):
    """Looks at gradients, which the kernels do not show."""

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.norm = sum(float(p.grad.norm()) for _, p in named_parameters)


def test_a_callback_on_batches_makes_training_decline():
    """Autograd trains, the callback sees gradients, the kernels still predict."""
    watcher = Watcher()
    model = GRURegressor(12, max_iter=5, random_state=0, callbacks=[watcher]).fit(X, Y)
    assert watcher.norm > 0
    assert model.engine_ == "numba+autograd"
    plain = GRURegressor(12, max_iter=5, random_state=0).fit(X, Y)
    np.testing.assert_allclose(model.loss_curve_, plain.loss_curve_, rtol=1e-4)


def test_callbacks_on_epochs_see_and_change_the_parameters():
    """Parameters are views: a callback that zeroes the head is obeyed."""

    class Zero(skorch.callbacks.Callback):
        def on_train_end(self, net, **kwargs):
            with torch.no_grad():
                for parameter in net.module_.head.parameters():
                    parameter.zero_()

    params = {"early_stopping": False, "linear_share": 0, "random_state": 0}
    model = GRURegressor(12, max_iter=5, callbacks=[Zero()], **params).fit(X, Y)
    assert model.engine_ == "numba"
    np.testing.assert_allclose(model.predict(X), Y.mean(), rtol=1e-5)


def test_a_rate_of_the_user_is_obeyed():
    """A learning-rate scheduler of skorch steps by epoch."""
    scheduler = skorch.callbacks.LRScheduler(policy="StepLR", step_size=1, gamma=1e-9)
    model = GRURegressor(12, max_iter=5, random_state=0, callbacks=[scheduler])
    model.fit(X, Y)
    assert model.loss_curve_[4] == pytest.approx(model.loss_curve_[3], rel=1e-5)
    assert model.loss_curve_[1] < model.loss_curve_[0]


def test_changed_parameters_are_noticed():
    """Loading a state or changing a weight in place changes the predictions."""
    params = {"max_iter": 5, "early_stopping": False}
    one = GRURegressor(12, random_state=0, **params).fit(X, Y)
    two = GRURegressor(12, random_state=1, **params).fit(X, Y)
    assert (one.predict(X) != two.predict(X)).any()
    two.module_.load_state_dict(one.module_.state_dict())
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


def test_pickles_and_copies():
    """A pickle holds no compiled code, predicts the same bits and trains on."""
    model = GRURegressor(12, max_iter=5, random_state=0, warm_start=True).fit(X, Y)
    model.predict(X)
    again = pickle.loads(pickle.dumps(model))
    deep = copy.deepcopy(model)
    for other in (again, deep):
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
    before = model.predict(X)
    deep.fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), before)
    np.testing.assert_array_equal(again.fit(X, Y).predict(X), deep.predict(X))


def test_predictions_in_threads():
    """Concurrent predictions of one model do not disturb each other."""
    model = GRURegressor(12, max_iter=5, random_state=0).fit(X, Y)
    expected = model.predict(X)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(model.predict, [X] * 16):
            np.testing.assert_array_equal(got, expected)


def test_a_prediction_has_the_same_bits_alone():
    """The kernels give a row the same bits in any company."""
    model = GRURegressor(12, max_iter=5, random_state=0).fit(RAGGED, Y)
    together = model.predict(RAGGED)
    alone = [model.predict([x])[0] for x in RAGGED[:30]]
    np.testing.assert_array_equal(together[:30], np.array(alone))


def test_divergence_is_an_error_here_too():
    """A loss that overflows ends the fit."""
    with pytest.raises(ValueError, match="training diverged"):
        GRURegressor(12, learning_rate=1e30, clip_norm=None, max_iter=50).fit(X, Y)


@pytest.mark.slow
def test_the_module_says_what_this_machine_uses(monkeypatch):
    """Versions, engine, every cell ready; or why not."""
    command = [sys.executable, "-m", "sklearn_gru"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "numba, compiled for" in out
    assert out.count("ready in") == 4
    monkeypatch.setenv(NO_KERNELS, "1")
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert NO_KERNELS in out


def test_several_outputs_may_lie_in_any_order():
    """A frame of outputs, column by column in memory, trains as its copy by rows."""
    several = np.column_stack([Y, -Y, 2 * Y])
    models = [
        GRURegressor(4, max_iter=5, early_stopping=False, random_state=0).fit(X, y)
        for y in (several, np.asfortranarray(several), pd.DataFrame(several).copy())
    ]
    for model in models:
        assert model.engine_ == "numba"
        np.testing.assert_array_equal(model.predict(X[:9]), models[0].predict(X[:9]))


def test_denormal_numbers_are_as_before_after_a_fit():
    """They count as zero while training runs, and in nobody else's arithmetic."""
    tiny = np.float32(1e-38)
    GRURegressor(4, max_iter=5).fit(X, Y)
    assert tiny * np.float32(1e-2) != 0
    GRURegressor(4, max_iter=2).fit(X[:50], Y[:50])
    assert tiny * np.float32(1e-2) != 0
    assert torch.tensor(1e-38) * 1e-2 != 0


def test_compiled_layers_where_no_sequence_of_a_batch_is_whole(monkeypatch):
    """A hole in every sequence leaves padding behind the longest; it is kept."""
    holes = X.copy()
    holes[:, 4] = np.nan
    params = {"conv_filters": (4,), "pooling": "attention", "max_iter": 5}
    fast, plain = (GRURegressor(8, random_state=0, **params) for _ in range(2))
    fast.fit(holes, Y)
    monkeypatch.setenv(NO_KERNELS, "1")
    plain.fit(holes, Y)
    expected = plain.predict(holes)
    monkeypatch.delenv(NO_KERNELS)
    assert (fast.engine_, plain.engine_) == ("numba+autograd", "torch")
    np.testing.assert_allclose(fast.predict(holes), expected, atol=5e-3)
