"""Small training sets: halves, the number of epochs, and the weights of both parts."""

import pickle
import threading
import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, LRScheduler

from sklearn_gru import GRUClassifier, GRURegressor, Sequences
from sklearn_gru._estimators import cross_fit
from sklearn_gru._estimators.cross_fit import CrossFit, first_half
from sklearn_gru._model.mixing import squares_weights
from sklearn_gru.callbacks import Checkpoint, TimeLimit
from sklearn_gru.exceptions import InvalidParameterError
from tests.builders import check_same_bits


def waves(n=300, noise=0.5, seed=0):
    """Return windows of a noisy wave that bends, and the next values."""
    rng = np.random.default_rng(seed)
    series = np.sin(np.arange(n + 12) / 3) ** 3 + noise * rng.normal(size=n + 12)
    X = np.lib.stride_tricks.sliding_window_view(series, 12)[:-1, :, None]
    return X.copy(), series[12:]


def model(**params):
    params = {"max_iter": 30, "random_state": 0, **params}
    return GRURegressor(8, **params)


def make_sequences(n, *, repeats=1, order=None, seed=0):
    """Return sequences of three steps, each of them one or several times."""
    rows = np.random.default_rng(seed).normal(size=(3 * n, 2))
    starts = np.repeat(3 * np.arange(n), repeats)
    order = None if order is None else np.repeat(order, repeats)
    return Sequences(rows, starts, np.full(len(starts), 3), order=order)


# -- halves ----------------------------------------------------------------------------


def test_halves_of_one_batch_depend_on_what_sequences_hold():
    """Not on their order, nor on how often they occur."""
    data = make_sequences(40)
    mask = first_half(data, None, 64)
    assert mask.sum() == 20
    shuffled = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(first_half(data[shuffled], None, 64), mask[shuffled])
    repeated = first_half(make_sequences(40, repeats=3), None, 120)
    np.testing.assert_array_equal(repeated, np.repeat(mask, 3))


def test_halves_of_several_batches_are_stretches():
    """Windows that follow each other overlap: one half must not know the other."""
    mask = first_half(make_sequences(200), None, 32)
    assert np.flatnonzero(np.diff(mask)).tolist() == [49, 99, 149]


@pytest.mark.parametrize("weighted", [False, True])
def test_halves_of_times_have_the_same_weight(weighted):
    """Whatever the order of the sequences; repeats count like weights."""
    rng = np.random.default_rng(0)
    order = rng.permutation(100)
    weight = rng.integers(1, 5, 100).astype(float) if weighted else None
    mask = first_half(make_sequences(100, order=order), weight, 64)
    given = np.ones(100) if weight is None else weight
    assert abs(given[mask].sum() / given.sum() - 0.5) < 0.05
    assert np.abs(np.diff(mask[np.argsort(order)].astype(int))).sum() == 3
    if weighted:
        counts = weight.astype(int)
        repeated = make_sequences(100, repeats=counts, order=order)
        expected = np.repeat(mask, counts)
        np.testing.assert_array_equal(first_half(repeated, None, 64), expected)


def test_units_and_dtype_change_no_half():
    """Sequences of one batch are dealt out by their values, the newest step first."""
    about = make_sequences(40)
    rows = about.values.astype(np.float32)
    expected = np.argsort(np.argsort(rows[2::3, 0])) % 2 == 0
    for values in (rows, rows.astype(np.float64), 1000.0 * rows):
        sequences = Sequences(values, about.starts, about.lengths)
        found = first_half(sequences, None, 64)
        np.testing.assert_array_equal(found, expected)


def test_missing_values_have_a_place():
    """NaN is not equal to itself, but sequences that hold it are."""
    rows = np.random.default_rng(0).normal(size=(120, 2))
    rows[::5, 0] = np.nan
    starts = np.tile(3 * np.arange(40), 2)
    sequences = Sequences(rows, starts, np.full(80, 3))
    mask = first_half(sequences, None, 80)
    np.testing.assert_array_equal(mask[:40], mask[40:])


@pytest.mark.parametrize("batch_size", [2, 64])
def test_too_few_have_no_halves(batch_size):
    """Nineteen sequences, or times, say too little."""
    assert first_half(make_sequences(19), None, batch_size) is None
    assert first_half(make_sequences(20), None, batch_size) is not None
    assert first_half(make_sequences(19, repeats=3), None, 64) is None
    for times in (np.arange(100) % 19, np.zeros(100)):
        assert first_half(make_sequences(100, order=times), None, batch_size) is None


def test_a_few_large_weights_are_no_half():
    """Nor are a few times, however many sequences they have."""
    timed = make_sequences(100, order=np.arange(100))
    assert first_half(timed, np.where(np.arange(100) == 0, 1e4, 1.0), 64) is None
    assert first_half(timed, 0.7 ** np.arange(100.0), 64) is None
    assert first_half(timed, np.where(np.arange(100) < 90, 1e-320, 1.0), 64) is None
    crowded = np.concatenate([np.zeros(400), np.arange(24)])
    assert first_half(make_sequences(424, order=crowded), None, 64) is None


# -- weights ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_no_other_weights_have_less_error(seed):
    """Of all that are not negative and at most 1 together, with some of the network."""
    rng = np.random.default_rng(seed)
    target, weight = rng.normal(size=(50, 2)), rng.exponential(size=50)
    good, bad = rng.uniform(0, 2, 2)
    network = good * target + rng.normal(size=(50, 2))
    linear = bad * target + rng.normal(size=(50, 2)) * rng.uniform(0, 2)

    def error(own, other):
        left = own * network + other * linear - target
        return (weight[:, None] * left**2).sum()

    found = squares_weights(network, linear, target, weight)
    assert found[0] >= 0.01 - 1e-12
    assert found[1] >= 0
    assert sum(found) <= 1 + 1e-12
    for own in np.linspace(0.01, 1, 40):
        for other in np.linspace(0, 1 - own, 40):
            assert error(*found) <= error(own, other) * (1 + 1e-9)


def test_a_linear_part_of_zeros_has_no_weight():
    """The network is drawn toward 0 alone."""
    rng = np.random.default_rng(0)
    target = rng.normal(size=(50, 1))
    own, other = squares_weights(2 * target, 0 * target, target, np.ones(50))
    assert own == pytest.approx(0.5, abs=1e-6)
    assert other == 0


# -- the estimator ---------------------------------------------------------------------


def test_noise_is_not_learned():
    """The error is about that of the mean, where the network alone is far worse."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 10, 2)), rng.normal(size=200)
    alone = model(linear_share=0, early_stopping=False, max_iter=50)
    assert alone.fit(X[:100], y[:100]).score(X[100:], y[100:]) < -0.2
    fitted = model(max_iter=50).fit(X[:100], y[:100])
    assert fitted.score(X[100:], y[100:]) > -0.1
    assert fitted.n_iter_ < 15


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_better_than_all_epochs_of_noisy_windows(seed):
    """And at least level with ridge regression."""
    X, y = waves(900, noise=1.0, seed=seed)
    score = {}
    for name, params in {
        "all": {"early_stopping": False},
        "chosen": {},
        "ridge": {"linear_share": 1.0},
    }.items():
        fitted = model(max_iter=50, **params).fit(X[:200], y[:200])
        score[name] = fitted.score(X[200:], y[200:])
    assert score["chosen"] > score["all"] + 0.02
    assert score["chosen"] > score["ridge"] - 0.02


def test_what_one_knows_the_network_keeps():
    """Without noise, networks of halves are right, and training goes on to the end."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 8, 2))
    y = np.tanh(2 * X[:, -1, 0]) * X[:, -2, 1]
    fitted = model(max_iter=40).fit(X[:300], y[:300])
    assert fitted.linear_share_ < 0.4
    assert fitted.n_iter_ == 40


def test_the_weights_are_those_of_halves(monkeypatch):
    """The networks saw the other half alone, and the prediction is the weighted sum."""
    X, y = waves()
    seen = []
    train = cross_fit.train

    def spied(net, learned, judged, epochs, **options):
        seen.append((learned.target.copy(), judged.target.copy()))
        return train(net, learned, judged, epochs, **options)

    monkeypatch.setattr(cross_fit, "train", spied)
    fitted = model(dtype="float64").fit(X, y)
    (first, second), (third, fourth) = seen
    np.testing.assert_array_equal(first, fourth)
    np.testing.assert_array_equal(second, third)
    inner = fitted._fitted
    scaled = np.sort(np.concatenate([first, second]).ravel())
    np.testing.assert_allclose(scaled, np.sort((y - y.mean()) / y.std()), rtol=1e-6)
    share = fitted.linear_share_
    same = {"linear_share": 0, "max_iter": fitted.n_iter_, "early_stopping": False}
    network = model(dtype="float64", **same).fit(X, y).predict(X)
    linear = inner.linear.of_flat(
        (X.reshape(300, -1) - inner.encoder.standardizer.mean[0])
        / inner.encoder.standardizer.scale[0]
    )[:, 0]
    expected = (1 - share) * network + share * (linear * y.std() + y.mean())
    np.testing.assert_allclose(fitted.predict(X), expected, rtol=1e-6, atol=1e-6)


def test_repeats_count_like_weights():
    """In halves, epochs, penalty and weights; sequences in any order."""
    X, y = waves(48)
    counts = np.random.default_rng(1).integers(0, 3, 48)
    params = {"dtype": "float64", "batch_size": 1000}
    weighted = model(**params).fit(X, y, sample_weight=counts)
    index = np.random.default_rng(2).permutation(np.repeat(np.arange(48), counts))
    repeated = model(**params).fit(X[index], y[index])
    assert weighted.n_iter_ == repeated.n_iter_
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6)


def test_the_same_bits_again():
    first, several = check_same_bits(model, *waves())
    assert several.n_iter_ == first.n_iter_


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.unchecked
def test_the_number_of_threads_changes_no_bit(dtype, monkeypatch):
    """The halves learn in the thread of fit, or in two of their own."""
    X, y = waves()
    train, before, seen, found = cross_fit.train, torch.get_num_threads(), [], []

    def spied(*arguments, **options):
        seen.append(threading.current_thread() is threading.main_thread())
        return train(*arguments, **options)

    monkeypatch.setattr(cross_fit, "train", spied)
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            fitted = model(dtype=dtype, max_iter=20).fit(X, y)
            found.append((*fitted.predict(X), fitted.n_iter_, fitted.linear_share_))
    finally:
        torch.set_num_threads(before)
    assert seen == [True] * 2 + [False] * 4
    assert found[0] == found[1] == found[2]


def test_random_state_is_drawn_from_as_often_as_before():
    """A fit after this one gets the same seed with and without halves."""
    X, y = waves()
    states = [np.random.RandomState(0) for _ in range(2)]
    model(random_state=states[0]).fit(X, y)
    model(random_state=states[1], early_stopping=False).fit(X, y)
    assert states[0].randint(10**6) == states[1].randint(10**6)


def test_where_nothing_is_halved(monkeypatch):
    """All epochs: few, as asked, with validation data, other schedules, more, classes."""
    X, y = waves()
    large, further = waves(1000)

    def refused(*args, **kwargs):
        raise AssertionError("cross-fitted")

    monkeypatch.setattr(CrossFit, "of", refused)
    with pytest.raises(AssertionError, match="cross-fitted"):
        model().fit(X, y)
    assert model(max_iter=19).fit(X, y).n_iter_ == 19
    model(early_stopping=False).fit(X, y)
    model(early_stopping=True).fit(X, y)
    model().fit(X, y, X_val=X, y_val=y)
    model().fit(large, further)
    scheduled = LRScheduler("StepLR", step_size=1)
    model(callbacks=[scheduled]).fit(X, y)
    model().partial_fit(X, y)
    GRUClassifier(4).fit(X, y > 0)


def test_a_warm_start_goes_on_without_halves():
    """The first fit chooses epochs and weights; a further one trains for all epochs."""
    X, y = waves()
    fitted = model(warm_start=True, max_iter=20).fit(X, y)
    first, share = fitted.n_iter_, fitted.linear_share_
    assert first < 20
    copy = pickle.loads(pickle.dumps(fitted))
    assert fitted.fit(X, y).n_iter_ == first + 20
    assert fitted.linear_share_ == share
    np.testing.assert_array_equal(copy.fit(X, y).predict(X), fitted.predict(X))
    assert fitted.set_params(linear_share=0.5).fit(X, y).linear_share_ == 0.5


def test_a_warm_start_keeps_the_loss():
    """The network continues with the loss that it has learned."""
    X, y = waves()
    fitted = model(warm_start=True, max_iter=2).fit(X, y)
    fitted.set_params(loss="squared_error").fit(X, y)
    with pytest.raises(InvalidParameterError, match="continue with loss='squared_err"):
        fitted.set_params(loss="absolute_error").fit(X, y)


def test_ridge_regression_alone_needs_no_halves():
    """With a share of 1, the network is not in the output."""
    X, y = waves()
    assert model(linear_share=1.0).fit(X, y).n_iter_ == 30


@pytest.mark.parametrize("on_disk", [False, True])
def test_rows_in_a_file_are_halved_if_they_are_one_part(tmp_path, on_disk, monkeypatch):
    """The bits of rows in memory; larger ones are not read at once."""
    X, y = waves()
    if on_disk:
        np.save(tmp_path / "x.npy", X)
        X = np.load(tmp_path / "x.npy", mmap_mode="r")
    fitted = model().fit(X, y)
    assert fitted.n_iter_ < 30
    expected = model().fit(np.array(X), y).predict(X)
    np.testing.assert_array_equal(fitted.predict(X), expected)
    if on_disk:
        monkeypatch.setattr("sklearn_gru._model.streamed._CELLS", 1000)
        assert model().fit(X, y).n_iter_ == 30


def test_other_losses_choose_the_epochs():
    """Quantiles and counts have no linear part, absolute errors other weights."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 10, 2)), rng.normal(size=100)
    for params in (
        {"loss": "quantile", "quantile": (0.1, 0.9)},
        {"loss": "poisson"},
        {"loss": "absolute_error"},
        {"linear_share": 0},
    ):
        fitted = model(**params).fit(X, np.abs(y))
        assert fitted.n_iter_ < 30
        assert fitted.linear_share_ <= 0.5


def test_times_are_read(monkeypatch):
    """Sequences with times are halved in time, in whatever order they are."""
    X, y = waves()
    halves = []

    def spied(*args):
        halves.append(first_half(*args))
        return halves[-1]

    monkeypatch.setattr("sklearn_gru._estimators.base.first_half", spied)
    shuffled = np.random.default_rng(0).permutation(300)
    starts, rows = 12 * np.arange(300), X.reshape(-1, 1)
    timed = Sequences(rows, starts, np.full(300, 12), order=np.arange(300))
    model(max_iter=20).fit(timed[shuffled], y[shuffled])
    in_time = halves[0][np.argsort(shuffled)]
    assert np.flatnonzero(np.diff(in_time)).tolist() == [74, 149, 224]


def test_a_network_of_a_half_that_diverges_is_no_reason_to_fail(monkeypatch):
    """The fit then trains for all epochs, and its own divergence is an error."""
    from sklearn_gru.exceptions import DivergenceError

    X, y = waves()

    def diverges(*args, **kwargs):
        raise DivergenceError("no number")

    monkeypatch.setattr(cross_fit, "train", diverges)
    fitted = model().fit(X, y)
    assert fitted.n_iter_ == 30
    assert 0 < fitted.linear_share_ <= 0.5


def test_a_killed_fit_goes_on(tmp_path):
    """Both runs choose the same number of epochs, which the checkpoint asks for."""
    X, y = waves()

    class Killed(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 4:
                raise RuntimeError("killed")

    path = tmp_path / "checkpoint"
    expected = model().fit(X, y)
    assert expected.n_iter_ > 4
    with pytest.raises(RuntimeError, match="killed"):
        model(callbacks=[Checkpoint(path), Killed()]).fit(X, y)
    again = model(callbacks=[Checkpoint(path)]).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), expected.predict(X))


def test_time_limits_add_up(tmp_path):
    """The loop of the guide ends where no epoch is left, with the bits of one fit."""
    X, y = waves()
    expected = model(max_iter=200).fit(X, y)
    assert expected.n_iter_ < 200
    limits = [Checkpoint(tmp_path), TimeLimit(0.005)]
    limited, done = model(max_iter=200, callbacks=limits), 0
    while limited.fit(X, y).n_iter_ > done:
        done = limited.n_iter_
    assert done == expected.n_iter_
    np.testing.assert_array_equal(limited.predict(X), expected.predict(X))


def test_it_says_nothing(capsys):
    """No progress line, no announcement, no warning."""
    X, y = waves()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().fit(X, y)
    assert capsys.readouterr() == ("", "")
