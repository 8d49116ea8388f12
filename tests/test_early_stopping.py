"""The best epoch: what is kept of it, and what is computed only once."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_gru import GRURegressor
from sklearn_gru._engines import training
from sklearn_gru._estimators import cross_fit, fitted
from sklearn_gru.callbacks import Checkpoint


def windows(n):
    """Return windows of a noisy wave, and the next values."""
    noise = np.random.default_rng(0).normal(size=n + 12)
    series = np.sin(np.arange(n + 12) / 3) + 0.3 * noise
    X = np.lib.stride_tricks.sliding_window_view(series, 12)[:-1, :, None]
    return X.astype(np.float32), series[12:]


def model(**params):
    settings = {"max_iter": 20, "random_state": 0, "dtype": "float32"}
    return GRURegressor(8, **{**settings, **params})


class Watch(Callback):
    """Does nothing, but nobody knows."""

    def on_epoch_end(self, net, **kwargs):
        pass


class Silence(Callback):
    """Makes the network constant after its last epoch."""

    def on_train_end(self, net, **kwargs):
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.zero_()


@pytest.fixture
def counted(monkeypatch):
    """Names of the modules that computed outputs."""
    seen = []
    for module in (fitted, cross_fit):

        def outputs(*args, original=module.outputs, name=module.__name__):
            seen.append(name.rpartition(".")[2])
            return original(*args)

        monkeypatch.setattr(module, "outputs", outputs)
    return seen


@pytest.mark.parametrize(
    ("n", "params", "again"),
    [
        (1200, {}, ["fitted"]),
        (1200, {"n_estimators": 3}, ["fitted"] * 3),
        (400, {}, []),  # networks of halves have no callbacks of others
        (1200, {"dtype": "float64"}, None),  # trained by torch, in other batches
    ],
    ids=str,
)
def test_outputs_of_the_best_epoch_are_computed_once(counted, n, params, again):
    """A callback of others may have changed the network since; the bits are the same."""
    X, y = windows(n)
    known = model(**params).fit(X, y)
    assert (counted == []) == (again is not None)
    counted.clear()
    watched = model(**params, callbacks=[Watch()]).fit(X, y)
    assert again is None or counted == again
    assert watched.linear_share_ == known.linear_share_
    np.testing.assert_array_equal(watched.predict(X), known.predict(X))
    if n >= 1000:  # with intervals
        ends = (m.predict_interval(X, coverage=0.8) for m in (watched, known))
        np.testing.assert_array_equal(*ends)


def test_a_callback_that_changes_the_network_in_the_end():
    """The share and the intervals are those of the network as it is."""
    X, y = windows(1200)
    trained = model(early_stopping=True, max_iter=10).fit(X, y)
    silenced = model(early_stopping=True, max_iter=10, callbacks=[Silence()]).fit(X, y)
    assert silenced.linear_share_ > max(0.9, trained.linear_share_)


@pytest.fixture
def kept(monkeypatch):
    """Best epoch of each run, and whether its state was kept."""
    seen = []

    class Spied(training.EarlyStopping):
        def restore(self, net):
            seen.append((self.best_epoch, bool(self.best_state)))
            super().restore(net)

    monkeypatch.setattr(training, "EarlyStopping", Spied)
    return seen


def test_further_epochs_return_to_the_best_of_them(kept):
    """An epoch is the last by its number among all that the network was trained for."""
    X, y = windows(1200)
    held = {"X_val": X[:300], "y_val": y[:300]}
    fitted = model(max_iter=3, warm_start=True).fit(X[300:], y[300:], **held)
    assert kept == [(3, False)]
    # The more it learns the opposite, the worse it is: the first epoch is the best.
    fitted.set_params(max_iter=4).fit(X[300:], -y[300:], **held)
    assert len(fitted.validation_scores_) == 7
    assert kept[1] == (4, True) == (fitted.best_iteration_, True)


@pytest.mark.parametrize("kill", [1, 2])
def test_the_last_epoch_may_be_the_best(tmp_path, kill):
    """There is nothing to return to, also for a fit that was killed and goes on."""

    class Killed(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == kill:
                raise RuntimeError("killed")

    X, y = windows(1200)
    expected = model(max_iter=3).fit(X, y)
    assert expected.best_iteration_ == expected.n_iter_ == 3
    checkpoint = Checkpoint(tmp_path, every=0)
    with pytest.raises(RuntimeError, match="killed"):
        model(max_iter=3, callbacks=[checkpoint, Killed()]).fit(X, y)
    for _ in range(2):  # goes on, then reads what is over
        again = model(max_iter=3, callbacks=[checkpoint]).fit(X, y)
        assert again.best_iteration_ == 3
        np.testing.assert_array_equal(again.predict(X), expected.predict(X))
