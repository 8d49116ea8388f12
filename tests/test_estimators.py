"""GRURegressor and GRUClassifier: training, weights, stopping, state, output."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import skorch
import torch
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from sklearn_gru import GRUClassifier, GRURegressor, Sequences, SlidingWindow
from sklearn_gru._encoding.targets import TrainingData
from sklearn_gru._engines import numba as kernels
from sklearn_gru._estimators.base import auto_batch_size
from sklearn_gru._estimators.hold_out import hold_out
from sklearn_gru.exceptions import LayoutWarning

X = np.random.default_rng(0).normal(size=(60, 6, 2))
Y = X[:, :, 0].sum(axis=1) + 0.5 * X[:, -1, 1]
LABELS = np.where(Y > 0.3, "up", np.where(Y < -1, "down", "flat"))


def regressor(**params):
    defaults = {"hidden_size": 8, "max_iter": 5, "random_state": 0}
    return GRURegressor(**{**defaults, **params})


def classifier(**params):
    defaults = {"hidden_size": 8, "max_iter": 5, "random_state": 0}
    return GRUClassifier(**{**defaults, **params})


# -- the errors that others make ----------------------------------------------------------


@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_horizon_sees_the_newest_step(bidirectional):
    """With pooling "last" each of 6 outputs changes when the newest step changes."""
    rng = np.random.default_rng(1)
    Y6 = rng.normal(size=(60, 6))
    model = regressor(bidirectional=bidirectional).fit(X, Y6)
    changed = X[:1].copy()
    changed[0, -1] += 1
    assert (np.abs(model.predict(changed) - model.predict(X[:1])) > 1e-4).all()


def test_last_of_both_directions_has_read_the_whole_sequence():
    """The backward half of the last state depends on every step, the first too."""
    model = regressor(bidirectional=True).fit(X, Y)
    values = torch.tensor(X[:1], dtype=torch.float64, requires_grad=True)
    _, last = model.module_.recurrent(values, None)
    for half in (last[0, :8], last[0, 8:]):
        (gradient,) = torch.autograd.grad(half.sum(), values, retain_graph=True)
        assert (gradient[0].abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("cell", ["gru", "gru_reset_before", "lstm", "rnn"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention", "mean_max"])
def test_a_prediction_depends_on_its_own_sequence_alone(cell, pooling):
    """Batch mates, their lengths and their order change nothing."""
    ragged = [x[: 1 + i % 6] for i, x in enumerate(X)]
    model = regressor(cell=cell, pooling=pooling, bidirectional=True, max_iter=1)
    model.fit(ragged, Y)
    together = model.predict(ragged)
    alone = np.concatenate([model.predict([x]) for x in ragged[:12]])
    np.testing.assert_allclose(together[:12], alone, rtol=1e-12)
    np.testing.assert_allclose(model.predict(ragged[::-1]), together[::-1], rtol=1e-12)


def test_one_dimensional_y_is_not_broadcast():
    """(n,) and (n, 1) learn the same, and it is the target that is learned."""
    one = regressor(max_iter=60).fit(X, Y)
    two = regressor(max_iter=60).fit(X, Y[:, None])
    assert one.predict(X).shape == (60,)
    assert two.predict(X).shape == (60, 1)
    np.testing.assert_array_equal(one.predict(X), two.predict(X)[:, 0])
    assert one.score(X, Y) > 0.9


def test_recurrence_runs_over_time():
    """A class that shows only in the first half of the series is found."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 120)
    series = rng.normal(size=(120, 20, 1))
    series[:, :8, 0] += 1.5 * labels[:, None]
    model = classifier(max_iter=40).fit(series[:80], labels[:80])
    assert model.score(series[80:], labels[80:]) > 0.9


# -- learning -----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_each_loss_learns_and_is_its_own(loss):
    """Each loss fits the data; an outlier moves squared error most."""
    y = Y.copy()
    y[0] = 200.0
    model = regressor(loss=loss, max_iter=60).fit(X, y)
    error = np.abs(model.predict(X[1:]) - Y[1:]).mean()
    bound = {"squared_error": np.inf, "absolute_error": 1.5, "huber": 2.5}[loss]
    assert error < bound
    assert regressor(loss=loss, max_iter=80).fit(X, Y).score(X, Y) > 0.8


@pytest.mark.parametrize("cell", ["gru", "gru_reset_before", "lstm", "rnn"])
def test_each_cell_learns(cell):
    """Every cell, two layers, both directions, dropout, attention: fits the data."""
    model = regressor(
        cell=cell,
        num_layers=2,
        bidirectional=True,
        pooling="attention",
        dropout=0.1,
        max_iter=60,
    )
    assert model.fit(X, Y).score(X, Y) > 0.8


def test_multi_output_and_scale():
    """Outputs of any scale come back on their scale; a constant one stays constant."""
    Y3 = np.column_stack([Y * 1e6 + 3e7, Y, np.full(60, 5.0)])
    model = regressor(max_iter=80).fit(X, Y3)
    predicted = model.predict(X)
    assert model.n_outputs_ == 3
    assert np.corrcoef(predicted[:, 0], Y3[:, 0])[0, 1] > 0.9
    np.testing.assert_allclose(predicted[:, 2], 5)
    tiny = regressor().fit(X, np.full(60, 1e-9))
    np.testing.assert_array_equal(tiny.predict(X), 1e-9)


def test_class_weight_and_balanced():
    """Weights of classes act like weights of their sequences."""
    weights = {"up": 1.0, "down": 5.0, "flat": 0.5}
    by_class = classifier(class_weight=weights).fit(X, LABELS)
    each = np.array([weights[label] for label in LABELS])
    by_sample = classifier().fit(X, LABELS, sample_weight=each)
    np.testing.assert_allclose(
        by_class.predict_proba(X), by_sample.predict_proba(X), rtol=1e-9
    )
    _, codes, counts = np.unique(LABELS, return_inverse=True, return_counts=True)
    balanced = classifier(class_weight="balanced").fit(X, LABELS)
    by_sample = classifier().fit(X, LABELS, sample_weight=1 / counts[codes])
    np.testing.assert_allclose(
        balanced.predict_proba(X), by_sample.predict_proba(X), rtol=1e-9
    )


def test_class_weight_counts_without_input():
    """A sequence without any step gets the class frequencies of the weighted classes."""
    weights = {"up": 1.0, "down": 5.0, "flat": 0.5}
    model = classifier(class_weight=weights).fit(X, LABELS)
    share = np.array([weights[c] * np.mean(LABELS == c) for c in model.classes_])
    nothing = np.full_like(X[:1], np.nan)
    np.testing.assert_allclose(model.predict_proba(nothing)[0], share / share.sum())


def test_label_smoothing_makes_less_sure():
    """Smoothed targets keep probabilities away from 1."""
    long = {"max_iter": 100, "n_estimators": 1}
    sure = classifier(**long).fit(X, LABELS).predict_proba(X).max(axis=1)
    smooth = classifier(**long, label_smoothing=0.3).fit(X, LABELS)
    assert smooth.predict_proba(X).max(axis=1).mean() < sure.mean() - 0.05


def test_probabilities():
    """Rows sum to 1; the logarithm is that of the probabilities."""
    model = classifier().fit(X, LABELS)
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(p))
    assert (model.predict(X) == model.classes_[p.argmax(axis=1)]).all()


def test_no_standardisation():
    """standardize=False hands X and y to the network as they are."""
    model = regressor(standardize=False, linear_share=0).fit(X, Y)
    values = torch.tensor(X)
    with torch.no_grad():
        expected = model.module_.eval()(values)[:, 0].numpy()
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-12)


# -- missing values -----------------------------------------------------------------------


def test_marks_join_the_input_only_where_fit_saw_missing_cells():
    """One column with missing cells adds one input; later ones elsewhere are the mean."""
    holes = X.copy()
    holes[3, 2, 1] = np.nan
    assert regressor().fit(X, Y).module_.spec.n_inputs == 2
    model = regressor().fit(holes, Y)
    assert model.module_.spec.n_inputs == 3
    other = X[:1].copy()
    other[0, 0, 0] = np.nan
    filled = X[:1].copy()
    filled[0, 0, 0] = model._fitted.encoder.standardizer.mean[0]
    np.testing.assert_allclose(model.predict(other), model.predict(filled), rtol=1e-9)


def test_empty_sequences_take_no_part_and_get_the_mean():
    """A sequence without an observed step is as if it had weight 0."""
    empty = X.copy()
    empty[:10] = np.nan
    model = regressor().fit(empty, Y)
    np.testing.assert_array_equal(
        model.predict(empty[10:]), regressor().fit(X[10:], Y[10:]).predict(X[10:])
    )
    np.testing.assert_allclose(model.predict(empty[:10]), Y[10:].mean())
    weighted = regressor().fit(empty, Y, sample_weight=np.arange(60.0))
    expected = np.average(Y[10:], weights=np.arange(10.0, 60.0))
    np.testing.assert_allclose(weighted.predict(empty[:1]), expected)
    frequencies = pd.Series(LABELS[10:]).value_counts(normalize=True).sort_index()
    p = classifier().fit(empty, LABELS).predict_proba(empty[:1])[0]
    np.testing.assert_allclose(p, frequencies)


def test_missing_targets_of_weight_zero():
    """A NaN in y is no error where its weight is 0."""
    y, weight = Y.copy(), np.ones(60)
    y[5], weight[5] = np.nan, 0
    keep = weight > 0
    np.testing.assert_allclose(
        regressor().fit(X, y, sample_weight=weight).predict(X),
        regressor().fit(X[keep], y[keep]).predict(X),
        rtol=1e-9,
    )


# -- early stopping -----------------------------------------------------------------------


def test_early_stopping_restores_the_best_epoch():
    """The weights kept are those of the lowest validation loss."""
    noise = np.random.default_rng(0).normal(size=60)
    model = regressor(
        hidden_size=32, max_iter=200, early_stopping=True, n_iter_no_change=15
    ).fit(X, noise)
    scores = np.array(model.validation_scores_)
    assert model.n_iter_ < 200
    assert len(scores) == len(model.loss_curve_) == model.n_iter_
    assert model.best_iteration_ == scores.argmax() + 1
    assert model.best_iteration_ < model.n_iter_
    data = X, noise
    again = regressor(
        hidden_size=32, max_iter=200, early_stopping=True, n_iter_no_change=15
    ).fit(*data)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_validation_data_of_the_user():
    """X_val decides, and its score is what is recorded."""
    rng = np.random.default_rng(1)
    X_val, y_val = rng.normal(size=(30, 6, 2)), rng.normal(size=30)
    weight = np.arange(30.0)
    model = regressor(max_iter=40).fit(
        X, Y, X_val=X_val, y_val=y_val, sample_weight_val=weight
    )
    error = ((model.predict(X_val) - y_val) / Y.std()) ** 2
    assert -max(model.validation_scores_) == pytest.approx(
        np.average(error, weights=weight)
    )
    watched = regressor(max_iter=40, early_stopping=False).fit(
        X, Y, X_val=X_val, y_val=y_val
    )
    assert watched.n_iter_ == len(watched.validation_scores_) == 40
    assert not hasattr(watched, "best_iteration_")


def test_early_stopping_auto_starts_at_1000():
    """Below 1000 sequences all epochs run; from there a part is held out."""
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(1000, 2))
    few = regressor(max_iter=2).fit(flat[:999], flat[:999, 0])
    assert few.n_iter_ == 2
    assert not hasattr(few, "validation_scores_")
    many = regressor(max_iter=2).fit(flat, flat[:, 0])
    assert hasattr(many, "validation_scores_")


def test_the_latest_times_are_held_out():
    """With time the validation part is the newest tenth, one time for the panel."""
    rng = np.random.default_rng(1)
    index = pd.MultiIndex.from_product(
        [["a", "b"], pd.date_range("2024-01-01", periods=50, freq="h")]
    )
    frame = pd.DataFrame({"v": np.arange(100.0)}, index=index)
    windows = SlidingWindow(3).fit_transform(frame.sample(frac=1, random_state=0))
    y = rng.normal(size=100)
    rest, held = hold_out(TrainingData(windows, y, None), 0.1, lambda: 0, None)
    assert len(held.y) == 10
    assert held.sequences.order.min() > rest.sequences.order.max()
    array = SlidingWindow(3).fit_transform(np.arange(100.0)[:, None])
    data = TrainingData(Sequences.from_array(array), y, None)
    _, held = hold_out(data, 0.1, lambda: 0, None)
    np.testing.assert_array_equal(held.y, y[90:])


def test_groups_that_follow_each_other_are_all_held_out():
    """Runs at different dates: the newest tenth of every run, never whole runs."""
    sizes = [40, 60, 25, 1]
    times = np.concatenate([1000 * k + np.arange(n) for k, n in enumerate(sizes)])
    frame = pd.DataFrame({"v": np.arange(126.0), "time": times})
    frame["run"] = np.repeat(["b", "a", "d", "c"], sizes)
    frame = frame.sample(frac=1, random_state=0)
    windows = SlidingWindow(3, time="time", groups="run").fit_transform(frame)
    data = TrainingData(windows, np.arange(126.0), None)
    rest, held = hold_out(data, 0.1, lambda: 0, None)
    for run, n_held in [("b", 4), ("a", 6), ("d", 2), ("c", 0)]:
        (kept,), (later,) = (
            [part.sequences.order[np.asarray(part.sequences.groups) == run]]
            for part in (rest, held)
        )
        assert len(later) == n_held
        assert not n_held or later.min() > kept.max()


def test_a_panel_that_overlaps_is_held_out_at_one_time():
    """Groups that begin late or end early do not change the time of the split."""
    times = np.concatenate([np.arange(100), np.arange(60), np.arange(95, 100)])
    frame = pd.DataFrame({"v": 1.0, "time": times})
    frame["shop"] = np.repeat(["old", "closed", "new"], [100, 60, 5])
    windows = SlidingWindow(3, time="time", groups="shop").fit_transform(frame)
    data = TrainingData(windows, np.arange(165.0), None)
    rest, held = hold_out(data, 0.1, lambda: 0, None)
    assert held.sequences.order.min() > rest.sequences.order.max()


def test_held_out_part_is_stratified_without_time():
    """Each class keeps its share in the validation part."""
    labels = np.repeat([0, 1], [45, 15])
    data = TrainingData(Sequences.from_array(X), labels, None)
    _, held = hold_out(data, 0.2, lambda: 0, labels)
    assert held.y.sum() == 3


# -- state --------------------------------------------------------------------------------


def test_warm_start_goes_on():
    """Two warm fits of 5 epochs: 10 epochs, frozen scale, optimizer state kept."""
    model = regressor(warm_start=True).fit(X, Y)
    mean = model._fitted.encoder.standardizer.mean.copy()
    first = model.loss_curve_[-1]
    steps = model.net_.optimizer_.state_dict()["state"][0]["step"].item()
    model.fit(X + 0.1, Y)
    assert model.n_iter_ == 10
    np.testing.assert_array_equal(model._fitted.encoder.standardizer.mean, mean)
    assert model.net_.optimizer_.state_dict()["state"][0]["step"].item() == 2 * steps
    assert model.loss_curve_[-1] < first
    cold = regressor().fit(X, Y)
    np.testing.assert_array_equal(cold.predict(X), regressor().fit(X, Y).predict(X))


def test_partial_fit():
    """One pass a call at a constant rate; scale, dtype and classes stay."""
    model = regressor(learning_rate=0.01)
    for _ in range(60):
        model.partial_fit(X, Y)
    assert model.n_iter_ == 60
    assert model.net_.optimizer_.param_groups[0]["lr"] == 0.01
    assert model.score(X, Y) > 0.7
    big = np.repeat(X.astype(np.float32), 20, axis=0)
    model.partial_fit(big, np.repeat(Y, 20))
    assert next(model.module_.parameters()).dtype == torch.float64
    one = classifier().partial_fit(X[:5], ["up"] * 5, classes=["up", "down"])
    assert one.classes_.tolist() == ["down", "up"]
    one.partial_fit(X[:5], ["down"] * 5)
    assert one.predict_proba(X).shape == (60, 2)


def test_pickle_goes_on_training_alike():
    """A pickled model predicts and warm-starts to the same bits."""
    model = regressor(warm_start=True, dropout=0.2, batch_size=16).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(
        again.fit(X, Y).predict(X), model.fit(X, Y).predict(X)
    )


def test_dtypes():
    """The network's dtype follows the data and its size, the output follows X."""
    assert next(regressor().fit(X, Y).module_.parameters()).dtype == torch.float64
    single = regressor().fit(X.astype(np.float32), Y)
    assert next(single.module_.parameters()).dtype == torch.float32
    assert single.predict(X.astype(np.float32)).dtype == np.float32
    assert single.predict(X).dtype == np.float64
    many = np.zeros((1000, 2))
    model = regressor(max_iter=1).fit(many, many[:, 0])
    assert next(model.module_.parameters()).dtype == torch.float32
    assert model.predict(many).dtype == np.float64
    forced = regressor(max_iter=1, dtype="float64").fit(many, many[:, 0])
    assert next(forced.module_.parameters()).dtype == torch.float64


@pytest.mark.parametrize(
    ("n", "params", "repeats", "dtype"),
    [
        (64, {}, False, torch.float32),
        (64, {}, True, torch.float64),
        (65, {}, True, torch.float32),
        (65, {"batch_size": 65}, True, torch.float64),
        (40, {"batch_size": 39}, True, torch.float32),
        (1000, {"batch_size": 1000}, True, torch.float32),
        (64, {"max_iter": 1}, False, torch.float64),
        (64, {"pooling": "attention"}, False, torch.float64),
        (200, {"pooling": "attention"}, False, torch.float64),
        (1000, {"pooling": "attention", "early_stopping": True}, False, torch.float32),
    ],
)
def test_auto_dtype_is_exact_where_weights_can_be(n, params, repeats, dtype):
    """It is float64 if rows of one batch repeat, or if no kernel takes a small fit."""
    if not kernels.available():
        pytest.skip("needs the kernels")
    X = np.random.default_rng(0).normal(size=(n, 20, 1))
    X[5] = X[4] if repeats else X[5]
    model = regressor(**{"early_stopping": False, **params})
    assert next(model.fit(X, X[:, 0, 0]).module_.parameters()).dtype == dtype


@pytest.mark.parametrize(
    ("weights", "dtype"),
    [(None, torch.float32), ([0, 1], torch.float32), ([1, 2], torch.float64)],
)
def test_auto_dtype_asks_whether_weights_differ(weights, dtype):
    """A weight of 0 drops a sequence, which no rounding tells."""
    if not kernels.available():
        pytest.skip("needs the kernels")
    X = np.random.default_rng(0).normal(size=(60, 20, 1))
    weights = None if weights is None else np.resize(weights, 60)
    model = regressor().fit(X, X[:, 0, 0], sample_weight=weights)
    assert next(model.module_.parameters()).dtype == dtype


def test_weights_equal_repeated_rows_in_one_large_batch():
    """With a batch that holds all rows, also of a few hundred sequences."""
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(100, 4, 2)), rng.integers(0, 4, size=100)
    y, model = X[:, -1, 0], regressor(batch_size=999, max_iter=10)
    weighted = clone(model).fit(X, y, sample_weight=weights).predict(X)
    repeated = clone(model).fit(np.repeat(X, weights, 0), np.repeat(y, weights))
    np.testing.assert_allclose(repeated.predict(X), weighted, rtol=1e-7, atol=1e-7)


def test_large_values_keep_their_digits():
    """A float64 column around 1e9 is standardised before it becomes float32."""
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(1200, 3, 1))
    y = clean.sum(axis=(1, 2))
    model = regressor(max_iter=30, dtype="float32", early_stopping=False)
    shifted = clone(model).fit(clean + 1e9, y + 1e9)
    assert shifted.score(clean + 1e9, y + 1e9) > 0.9


def test_batch_size_rule():
    """All of a small data set, then a power of 2 up to 128."""
    assert [auto_batch_size(n) for n in (1, 64, 65, 1000, 2000, 10**6)] == [
        1,
        64,
        32,
        64,
        128,
        128,
    ]


def test_fitted_attributes():
    """Everything the documentation promises is there."""
    model = regressor().fit(X, Y)
    assert isinstance(model.net_, skorch.NeuralNet)
    assert model.module_ is model.net_.module_
    assert model.n_parameters_ == 3 * 8 * (2 + 8 + 2) + 9
    assert len(model.net_.history) == model.n_iter_ == 5
    assert model.n_features_in_ == 2
    frame = pd.DataFrame(X[:, :, 0], columns=list("abcdef"))
    with pytest.warns(LayoutWarning, match="each row as a whole series"):
        assert regressor().fit(frame, Y).feature_names_in_.tolist() == list("abcdef")
    windows = SlidingWindow(2).fit_transform(frame)
    named = regressor().fit(windows, Y)
    assert named.feature_names_in_.tolist() == list("abcdef")
    assert named.fit(X, Y).n_features_in_ == 2
    assert not hasattr(named, "feature_names_in_")


@pytest.mark.slow
def test_learning_beats_a_linear_model_on_a_product():
    """Something a linear model cannot do: the product of two steps."""
    rng = np.random.default_rng(0)
    series = rng.normal(size=(600, 4, 1))
    y = series[:, 0, 0] * series[:, 3, 0]
    model = GRURegressor(32, max_iter=150, random_state=0).fit(series[:500], y[:500])
    linear = LinearRegression().fit(series[:500, :, 0], y[:500])
    assert model.score(series[500:], y[500:]) > 0.8
    assert linear.score(series[500:, :, 0], y[500:]) < 0.1


# -- skorch -------------------------------------------------------------------------------


class Recorder(skorch.callbacks.Callback):
    """Counts hooks and can stop the training."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.batches = 0
        self.gradients = 0

    def on_batch_end(self, net, training=None, **kwargs):
        self.batches += bool(training)

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.gradients += sum(p.grad is not None for _, p in named_parameters) > 0

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.stop_at:
            raise KeyboardInterrupt


def test_skorch_callbacks():
    """Callbacks see batches, gradients and epochs, and may stop the fit."""
    recorder = Recorder(stop_at=3)
    model = regressor(callbacks=[("mine", recorder)], batch_size=20).fit(X, Y)
    assert model.n_iter_ == 3
    assert recorder.batches == recorder.gradients == 9
    assert len(model.net_.history[0]["batches"]) == 3
    quiet = regressor(batch_size=20, max_iter=3).fit(X, Y)
    assert quiet.n_iter_ == 3


def test_scoring_callbacks_of_skorch_are_refused():
    """They need skorch's own data sets; the message says what to use."""
    scoring = skorch.callbacks.EpochScoring("r2", lower_is_better=False)
    with pytest.raises(ValueError, match=r"EpochScoring needs skorch's own.*X_val"):
        regressor(callbacks=[scoring]).fit(X, Y)


def test_a_callback_that_only_watches_changes_no_bit():
    """With and without a recorder the predictions are the same."""
    plain = regressor(batch_size=20).fit(X, Y)
    watched = regressor(batch_size=20, callbacks=[Recorder()]).fit(X, Y)
    np.testing.assert_array_equal(plain.predict(X), watched.predict(X))


def test_a_learning_rate_scheduler_takes_over():
    """With a scheduler of the user's own, ours stays out."""
    scheduler = skorch.callbacks.LRScheduler(policy="StepLR", step_size=2, gamma=0.1)
    model = regressor(callbacks=[scheduler], max_iter=5).fit(X, Y)
    assert model.net_.history[:, "event_lr"] == pytest.approx(
        [0.01, 0.01, 0.001, 0.001, 0.0001]
    )


def test_a_real_interrupt_is_not_swallowed():
    """Ctrl-C during a batch ends fit with KeyboardInterrupt."""

    class Interrupted(torch.nn.Module):
        def forward(self, *args):
            raise KeyboardInterrupt

    model = regressor(warm_start=True).fit(X, Y)
    model.net_.criterion_ = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)


def test_quiet_by_default_and_one_line_when_asked(capsys):
    """Nothing is printed at verbose=0; in a pipe not at verbose=1 either."""
    regressor().fit(X, Y).predict(X)
    regressor(verbose=1).fit(X, Y)
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "")


def test_no_warning_in_a_plain_fit():
    """An ordinary fit and predict warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier().fit(X, LABELS).predict(X)
