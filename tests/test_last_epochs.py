"""After early stopping, the last epochs are of all sequences."""

import contextlib
import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, LRScheduler

from sklearn_gru import GRUClassifier, GRURegressor, Sequences
from sklearn_gru._engines import members, training
from sklearn_gru._engines.torch.callbacks import StopTraining
from sklearn_gru._estimators.linear_part import LinearParts
from sklearn_gru.callbacks import Checkpoint, TimeLimit
from sklearn_gru.exceptions import DivergenceError, InvalidParameterError
from tests.builders import Terminal, check_same_bits


def waves(n=300, noise=0.5, seed=0):
    """Return windows of a noisy wave that bends, with times, and the next values."""
    rng = np.random.default_rng(seed)
    series = np.sin(np.arange(n + 12) / 3) ** 3 + noise * rng.normal(size=n + 12)
    X = Sequences(series[:, None], np.arange(n), np.full(n, 12), order=np.arange(n))
    return X, series[12:]


def model(**params):
    params = {"max_iter": 20, "early_stopping": True, "random_state": 0, **params}
    return GRURegressor(8, **params)


def n_last(best):
    """Return the number of last epochs: half of the best, rounded up, and at most 5."""
    return min(5, (best + 1) // 2)


@pytest.fixture
def further(monkeypatch):
    """Number of sequences, number of epochs and network of all last epochs."""
    seen = []

    def spied(net, data, epochs, **options):
        seen.append((len(data), epochs, net))
        training.train_further(net, data, epochs, **options)

    monkeypatch.setattr(members, "train_further", spied)
    return seen


# -- what they are ---------------------------------------------------------------------


def test_networks_learn_from_all_sequences_in_the_end(further):
    """For five epochs, or half as many as were best; no attribute counts them."""
    X, y = waves()
    fitted = model().fit(X, y)
    ((n, epochs, net),) = further
    assert net is fitted.net_
    assert n == 300
    assert epochs == n_last(fitted.best_iteration_)
    assert fitted.n_iter_ == len(fitted.loss_curve_) == len(net.history)
    assert len(fitted.validation_scores_) == fitted.n_iter_ <= 20
    few = model(n_iter_no_change=1, learning_rate=0.1).fit(X, y)
    assert few.best_iteration_ < 5
    assert further[1][1] == n_last(few.best_iteration_) < 3


def test_the_newest_sequences_are_learned():
    """Predictions of them are nearer to what they showed than with a set of its own."""
    X, y = waves()
    y = y + 2.0 * (np.arange(300) >= 270)  # a change that the rest does not know
    known = model(linear_share=0).fit(X[:270], y[:270], X_val=X[270:], y_val=y[270:])
    learned = model(linear_share=0).fit(X, y)
    error = [np.mean((m.predict(X[270:]) - y[270:]) ** 2) for m in (known, learned)]
    assert error[1] < 0.85 * error[0]


def test_the_rate_falls_to_zero(monkeypatch):
    """Every one of the last steps has the schedule of a short fit."""
    X, y = waves()
    rates = []
    original = training.Schedule

    def spied(rate, n_steps):
        rates.append((rate, n_steps))
        return original(rate, n_steps)

    monkeypatch.setattr(training, "Schedule", spied)
    fitted = model(learning_rate=0.02, batch_size=50).fit(X, y)
    n = n_last(fitted.best_iteration_)
    assert rates == [(0.02, 20 * 6), (0.02, n * 6)]


def test_the_linear_part_is_that_of_all_sequences():
    """Its share is still that of the validation set."""
    X, y = waves()
    fitted = model(dtype="float64").fit(X, y)
    share = fitted.linear_share_
    assert 0 < share < 1
    inner = fitted._fitted
    rows = (
        X.values - inner.encoder.standardizer.mean
    ) / inner.encoder.standardizer.scale
    x = np.lib.stride_tricks.sliding_window_view(rows[:, 0], 12)[:300]
    target = inner.task.encode(y[:, None], np.dtype("float64"))[:, 0]
    centered = x - x.mean(axis=0)
    moment = centered.T @ centered / 300
    moment += 0.01 * np.diag(np.diag(moment))
    coef = np.linalg.solve(moment, centered.T @ (target - target.mean()) / 300)
    np.testing.assert_allclose(inner.linear.coef[0], coef, rtol=1e-9)


def test_what_the_newest_sequences_held_is_not_far_outside():
    """The range of the inputs is that of all sequences."""
    X, y = waves()
    values = X.values.copy()
    values[295:] += 1000.0
    X = Sequences(values, X.starts, X.lengths, order=X.order)
    fitted = model(normalization=None).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict(X)


def test_intervals_hold_what_they_promise():
    """They are measured before the last epochs, and are no narrower than needed."""
    X, y = waves(3000)
    fitted = model().fit(X[:2000], y[:2000])
    lower, upper = fitted.predict_interval(X[2000:], coverage=0.8).T
    inside = np.mean((lower <= y[2000:]) & (y[2000:] <= upper))
    assert 0.77 < inside < 0.85


def test_classes(further):
    X, y = waves(1000)
    fitted = GRUClassifier(8, max_iter=20, random_state=0).fit(X, y > 0)
    ((n, epochs, _),) = further
    assert n == 1000
    assert epochs == n_last(fitted.best_iteration_)


# -- one half held out -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "learned"), [(749, None), (750, 375), (999, 499), (1000, 900)]
)
def test_from_750_sequences_on_one_half_is_held_out(further, monkeypatch, n, learned):
    """The second and the last of four stretches are learned first."""
    seen = []

    def spied(net, data, validation, *args, **options):
        seen.append((net, data, validation))
        return training.train(net, data, validation, *args, **options)

    monkeypatch.setattr(members, "train", spied)
    X, y = waves(n)
    fitted = model(early_stopping="auto").fit(X, y)
    ((net, data, validation),) = seen
    if learned is None:
        assert len(data) == n
        assert validation is None
        assert not further
        return
    assert len(data) == pytest.approx(learned, abs=1)
    assert [len(data) + len(validation)] == [m for m, _, _ in further] == [n]
    assert net is fitted.net_
    if n < 1000:
        (jump,) = np.flatnonzero(np.diff(data.starts) > 1)
        assert jump == pytest.approx(n / 4, abs=2)
        assert data.starts[-1] == n - 1
    assert fitted.predict_interval(X[:5], coverage=0.9).shape == (5, 2)


def test_a_half_of_its_own_is_no_reason_to_forget_what_the_other_holds():
    """Categories, and what is constant, are those of all sequences."""
    rng = np.random.default_rng(0)
    held = np.arange(800) // 200 % 2 == 0
    code = np.where(held, rng.integers(0, 3, 800), rng.integers(3, 6, 800))
    number, other = np.where(held, rng.normal(size=(2, 800)), 0.0)
    X = np.stack([code, number], axis=1)[:, None]
    fitted = model(categorical_features=[0], early_stopping="auto")
    fitted.fit(X, np.stack([code, other], axis=1))
    inner = fitted._fitted
    assert fitted.categories_[0].tolist() == list(range(6))
    assert inner.encoder.standardizer.scale[1] == pytest.approx(number.std())
    assert inner.task.constant == ()


def test_where_no_half_is_held_out(further):
    """Fits without last epochs, classes, ridge regression alone, and their intervals."""
    X, y = waves(800)
    for params in (
        {"max_iter": 19},
        {"warm_start": True},
        {"linear_share": 1.0},
        {"loss": "quantile", "quantile": (0.1, 0.5, 0.9)},
        {"callbacks": [TimeLimit(1000.0)]},
        {"callbacks": [LRScheduler("StepLR", step_size=1)]},
        {"early_stopping": False},
    ):
        fitted = model(**{"early_stopping": "auto", **params}).fit(X, y)
        assert not hasattr(fitted, "validation_scores_"), params
        with pytest.raises(InvalidParameterError, match="in most fits from 750"):
            fitted.predict_interval(X)
    GRUClassifier(4, max_iter=20).fit(X, y > 0)
    assert not further


def test_a_warm_start_keeps_the_weights_of_the_first_fit():
    """Those that the half chose, where the next fit holds out nothing."""
    X, y = waves(800)
    fitted = model(early_stopping="auto").fit(X, y)
    share = fitted.linear_share_
    fitted.set_params(warm_start=True, max_iter=2).fit(X, y)
    assert fitted.linear_share_ == share


# -- when there are none ---------------------------------------------------------------


def test_a_validation_set_that_is_given_stays_unknown(further):
    X, y = waves()
    model().fit(X, y, X_val=X[200:], y_val=y[200:])
    assert not further


def test_where_there_are_none(further):
    """Quick fits, all epochs, warm starts, other schedules, limits of time."""
    X, y = waves()
    for params in (
        {"max_iter": 19},
        {"early_stopping": False},
        {"loss": "quantile", "quantile": (0.1, 0.5, 0.9)},
        {"early_stopping": "auto"},  # of 300 sequences, which holds out nothing
        {"warm_start": True},
        {"callbacks": [LRScheduler("StepLR", step_size=1)]},
        {"callbacks": [TimeLimit(1e-9)]},
    ):
        model(**params).fit(X, y)
        assert not further, params
    model().partial_fit(X, y)
    assert not further


@pytest.mark.parametrize("error", [KeyboardInterrupt, StopTraining])
def test_a_callback_that_ends_training_leaves_them(further, error):
    """They bring the network of a few epochs to rest, too."""
    X, y = waves()

    class Ending(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise error

    fitted = model(callbacks=[Ending()]).fit(X, y)
    assert fitted.n_iter_ == 3
    ((n, epochs, _),) = further
    assert (n, epochs) == (300, n_last(fitted.best_iteration_))


def test_a_time_limit_holds_for_them_too(monkeypatch, further):
    """They need the time of as many epochs as were measured."""
    X, y = waves()
    limit = TimeLimit(1000.0)
    model(callbacks=[limit]).fit(X, y)
    assert len(further) == 1
    monkeypatch.setattr(TimeLimit, "allows", lambda self, epochs: epochs == 0)
    model(callbacks=[limit]).fit(X, y)
    assert len(further) == 1


def test_a_limit_that_ends_them_leaves_the_best_weights(monkeypatch):
    """The next call goes on with them, if there is a checkpoint."""
    X, y = waves()
    params = {"linear_share": 0, "batch_size": 32, "learning_rate": 0.003}
    asked = []

    def spied(net, data, epochs, **options):
        asked.append(epochs)
        training.train_further(net, data, epochs, **options)

    monkeypatch.setattr(members, "train_further", lambda *args, **options: None)
    best = model(**params).fit(X, y).predict(X)
    monkeypatch.setattr(members, "train_further", spied)
    monkeypatch.setattr(TimeLimit, "allows", lambda self, epochs: True)
    monkeypatch.setattr(TimeLimit, "of_further_epochs", lambda self: TimeLimit(1e-9))
    fitted = model(callbacks=[TimeLimit(1000.0)], **params).fit(X, y)
    assert asked[0] > 1  # a limit leaves time for one
    np.testing.assert_array_equal(fitted.predict(X), best)


def test_the_time_left_is_what_a_limit_has_left():
    limit = TimeLimit(100.0)
    limit.on_train_begin(None)
    limit._longest = 10.0
    assert not limit.allows(1)  # training has not ended
    limit.on_train_end(None)
    assert limit.allows(9)
    assert not limit.allows(10)


# -- what must hold for them, too ------------------------------------------------------


def test_divergence_loses_nothing(monkeypatch):
    """The network keeps the weights that early stopping found best."""
    X, y = waves()
    train, n_runs = training.train, []

    def diverges(net, *args, **options):
        n_runs.append(net)
        ended = train(net, *args, **options)
        if len(n_runs) == 2:
            raise DivergenceError("no number")
        return ended

    monkeypatch.setattr(training, "train", diverges)
    monkeypatch.setattr(members, "train", diverges)
    fitted = model(linear_share=0).fit(X, y)
    assert len(n_runs) == 2
    monkeypatch.undo()
    monkeypatch.setattr(members, "train_further", lambda *args, **options: None)
    expected = model(linear_share=0).fit(X, y)
    np.testing.assert_array_equal(fitted.predict(X), expected.predict(X))
    assert fitted.n_iter_ == expected.n_iter_


def test_the_same_bits_again():
    check_same_bits(model, *waves())


@pytest.mark.unchecked
def test_the_number_of_threads_changes_no_bit():
    X, y = waves()
    before, found = torch.get_num_threads(), []
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            found.append(model(n_estimators=3, dtype="float32").fit(X, y).predict(X))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_rows_in_a_file_have_the_bits_of_rows_in_memory(tmp_path):
    X, y = waves()
    rows = np.asarray(X)
    np.save(tmp_path / "x.npy", rows)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = model().fit(mapped, y).predict(rows)
    np.testing.assert_array_equal(found, model().fit(rows, y).predict(rows))


def test_they_have_a_progress_line():
    """It ends complete, with as many epochs as all networks had."""
    X, y = waves()
    with contextlib.redirect_stderr(Terminal()) as terminal:
        fitted = model(verbose=1, n_estimators=2).fit(X, y)
    n = sum(map(n_last, fitted._fitted.best_epochs))
    assert "GRURegressor, all sequences" in terminal.last
    assert f"{n}/{n} [" in terminal.last
    assert terminal.getvalue().count("\n") == 2


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_a_fit_that_was_killed_in_them_goes_on(tmp_path, monkeypatch, n_estimators):
    """To the same bits; a fit that ended trains nothing again."""
    X, y = waves()
    params = {"n_estimators": n_estimators, "batch_size": 32, "learning_rate": 0.003}
    expected = model(**params).fit(X, y).predict(X)
    params["callbacks"] = [Checkpoint(tmp_path / "checkpoint", every=0)]
    save, saved = Checkpoint.save_if_due, []

    def killed(self, run):
        save(self, run)
        saved.append(self._is_further)
        if saved.count(True) == 2:
            raise RuntimeError("killed")

    monkeypatch.setattr(Checkpoint, "save_if_due", killed)
    with pytest.raises(RuntimeError, match="killed"):
        model(**params).fit(X, y)
    assert saved.count(True) == 2
    monkeypatch.setattr(Checkpoint, "save_if_due", save)
    np.testing.assert_array_equal(model(**params).fit(X, y).predict(X), expected)

    def refused(self, run):
        raise AssertionError("trained again")

    monkeypatch.setattr(Checkpoint, "save_if_due", refused)
    np.testing.assert_array_equal(model(**params).fit(X, y).predict(X), expected)


def test_a_checkpoint_that_was_deleted_leaves_nothing_that_fails(tmp_path):
    """The last epochs of another fit are no reason to refuse this one."""
    X, y = waves()
    path = tmp_path / "checkpoint"
    model(callbacks=[Checkpoint(path)]).fit(X, y)
    (path / "checkpoint.npz").unlink()
    other = model(callbacks=[Checkpoint(path)], random_state=1).fit(X, y)
    expected = model(random_state=1).fit(X, y)
    np.testing.assert_array_equal(other.predict(X), expected.predict(X))


def test_a_share_of_zero_needs_no_ridge_regression(monkeypatch):
    X, y = waves()

    def refused(*args):
        raise AssertionError("fitted")

    monkeypatch.setattr(LinearParts, "_ridge_of", refused)
    model(linear_share=0).fit(X, y)
