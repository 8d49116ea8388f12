"""The tagger: a label for every row, against the equations and the classifier."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import accuracy_score, classification_report
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_gru import (
    GRUClassifier,
    GRUTagger,
    SequenceEmbedding,
    Sequences,
    datasets,
    export,
)
from sklearn_gru._engines.torch import pieces
from sklearn_gru._engines.torch.batches import PADDED, SequenceDataset
from sklearn_gru._engines.torch.compiled_layers import CompiledLayers
from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._engines.torch.pieces import Carried, PieceBatches
from sklearn_gru._engines.torch.recurrent import state_shape
from sklearn_gru._model.encoded import Encoded
from sklearn_gru.callbacks import Checkpoint
from sklearn_gru.exceptions import (
    CheckpointError,
    ExportError,
    InputError,
    InvalidParameterError,
    StreamError,
    TimeIndexError,
)
from sklearn_gru.live import Stream
from tests.builders import make_list
from tests.networks import make_model
from tests.reference_gru import reference_states

LENGTHS = (9, 1, 14, 30, 2, 21)

by_direction = pytest.mark.parametrize("bidirectional", [False, True])
by_cell = pytest.mark.parametrize("cell", ["gru", "gru_reset_before", "lstm", "rnn"])


def make_recordings(seed=0, lengths=LENGTHS):
    """Recordings with missing cells, and whether their running sum is positive."""
    X = make_list(seed, lengths)
    return X, [np.nan_to_num(x[:, 0]).cumsum() > x.shape[0] / 2 for x in X]


def make_frame(X, y, seed=None):
    """The same rows in a frame with keys, shuffled if there is a seed, and labels."""
    frame = pd.DataFrame(np.concatenate(X), columns=["a", "b"])
    frame["who"] = np.repeat([f"r{k}" for k in range(len(X))], [len(x) for x in X])
    frame["when"] = np.concatenate([np.arange(len(x)) for x in X]) * 1.5
    labels = pd.Series(np.concatenate(y), index=frame.index)
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(frame))
        frame, labels = frame.iloc[order], labels.iloc[order]
    return frame, labels


def small(**changes):
    """A tagger that is fitted in a moment, in float64."""
    given = {"hidden_size": 4, "max_iter": 2, "random_state": 0, "dtype": "float64"}
    return GRUTagger(**{**given, **changes})


# -- truth ---------------------------------------------------------------------------------


@by_cell
@by_direction
@pytest.mark.parametrize("num_layers", [1, 2])
def test_equals_the_equations(cell, bidirectional, num_layers):
    """Every row has the softmax of the head of the state at the row."""
    X, y = make_recordings()
    model = small(cell=cell, bidirectional=bidirectional, num_layers=num_layers)
    model.fit(X, y)
    scale = model._fitted.encoder.standardizer
    state = model.module_.state_dict()
    head = state["head.weight"].numpy(), state["head.bias"].numpy()
    for x, found in zip(X, model.predict_proba(X), strict=True):
        read = scale.transform(x, np.dtype("float64"))
        states, _ = reference_states(state, read, cell=cell)
        odds = np.exp(states @ head[0].T + head[1])
        expected = odds / odds.sum(axis=1, keepdims=True)
        assert_allclose(found, expected, rtol=0, atol=1e-12)


@by_cell
def test_row_equals_the_classifier_of_its_past(cell):
    """With the same weights, a causal tagger is the classifier of every prefix."""
    X, y = make_recordings()
    X[3][4:7] = np.nan  # steps that the classifier does not read
    tagger = small(cell=cell, bidirectional=False, hidden_size=6).fit(X, y)
    classifier = GRUClassifier(
        6,
        cell=cell,
        bidirectional=False,
        pooling="last",
        add_differences=False,
        linear_share=0,
        max_iter=1,
        dtype="float64",
    )
    classifier.fit(X, [labels[-1] for labels in y])
    classifier.module_.load_state_dict(tagger.module_.state_dict())
    for x, found in zip(X, tagger.predict_proba(X), strict=True):
        prefixes = [x[: n + 1] for n in range(len(x))]
        assert_allclose(found, classifier.predict_proba(prefixes), rtol=0, atol=1e-12)


@by_direction
def test_batch_mates_and_padding_change_nothing(bidirectional):
    """A recording has the same answers alone and among longer ones."""
    X, y = make_recordings()
    model = small(bidirectional=bidirectional).fit(X, y)
    together = model.predict_proba(X)
    for x, expected in zip(X, together, strict=True):
        assert_allclose(model.predict_proba([x])[0], expected, rtol=0, atol=1e-13)
    backwards = model.predict_proba(X[::-1])[::-1]
    for found, expected in zip(backwards, together, strict=True):
        assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_causal_answers_do_not_see_later_rows():
    """What comes after a row changes nothing; with both directions it does."""
    X, y = make_recordings()
    other = [x.copy() for x in X]
    for x in other:
        x[-1] = 5.0
    causal, both = (small(bidirectional=b).fit(X, y) for b in (False, True))
    same = [
        np.abs(a - b)[:-1].max(initial=0)
        for a, b in zip(
            causal.predict_proba(X), causal.predict_proba(other), strict=True
        )
    ]
    assert max(same) == 0
    found = both.predict_proba([X[3]])[0], both.predict_proba([other[3]])[0]
    assert (found[0] != found[1]).all()


# -- forms of X ----------------------------------------------------------------------------


@by_direction
def test_forms_are_interchangeable(bidirectional):
    """A frame with keys in any order, an array with keys and a list are one thing."""
    X, y = make_recordings()
    frame, labels = make_frame(X, y)
    model = small(bidirectional=bidirectional, max_iter=3)
    expected = np.concatenate(model.fit(X, y).predict_proba(X))
    model.set_params(groups="who", time="when")
    assert_allclose(model.fit(frame, labels).predict_proba(frame), expected, atol=1e-12)
    shuffled, moved = make_frame(X, y, seed=1)
    found = model.fit(shuffled, moved).predict_proba(shuffled)
    in_order = pd.DataFrame(found, index=shuffled.index).sort_index()
    assert_allclose(in_order, expected, atol=1e-12)
    array = frame.assign(who=frame["who"].str[1:].astype(float)).to_numpy(dtype=float)
    model.set_params(groups=2, time=3)
    found = model.fit(array, labels.to_numpy()).predict_proba(array)
    assert_allclose(found, expected, atol=1e-12)
    levels = frame.set_index(["who", "when"])
    levels.index = levels.index.set_levels(np.arange(30), level="when")
    model.set_params(groups=None, time=None)
    found = model.fit(levels, labels.to_numpy()).predict_proba(levels)
    assert_allclose(found, expected, atol=1e-12)


def test_array_is_one_recording():
    """The rows of an array are one recording; a list may follow."""
    X, y = make_recordings()
    model = small().fit(np.concatenate(X), np.concatenate(y))
    whole = np.concatenate(X)
    assert_array_equal(model.predict_proba([whole])[0], model.predict_proba(whole))
    assert model.predict(whole).shape == (len(whole),)
    assert model.n_features_in_ == 2
    assert model.score(whole, np.concatenate(y)) == accuracy_score(
        np.concatenate(y), model.predict(whole)
    )
    found = model.predict(X)
    assert [len(labels) for labels in found] == list(LENGTHS)


def test_columns_are_seen_with_their_keys():
    """`n_features_in_` and the names count what X has."""
    frame, labels = make_frame(*make_recordings())
    model = small(groups="who", time="when").fit(frame, labels)
    assert model.n_features_in_ == 4
    assert list(model.feature_names_in_) == ["a", "b", "who", "when"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "c"}))


def test_categories_of_frames_and_lists():
    """A column of texts is learned; an unknown text is a missing value."""
    rng = np.random.default_rng(0)
    words = rng.choice(["on", "off"], size=80)
    frame = pd.DataFrame({"word": pd.Categorical(words), "who": np.arange(80) // 20})
    labels = np.repeat(words, 1)
    model = small(groups="who", max_iter=60, learning_rate=0.05, hidden_size=8)
    assert model.fit(frame, labels).score(frame, labels) == 1
    assert list(model.categories_[0]) == ["off", "on"]
    unknown = frame.assign(word="new")
    prior = model._fitted.task.prior
    assert_array_equal(model.predict_proba(unknown), np.tile(prior, (80, 1)))
    texts = [[[w] for w in words[k : k + 20]] for k in range(0, 80, 20)]
    model.set_params(groups=None, categorical_features=[0])
    tokens = [[w for (w,) in text] for text in texts]
    y = [np.array(text) for text in tokens]
    assert model.fit(tokens, y).score(tokens, y) == 1


def test_group_key_may_be_a_feature():
    """A key named in categorical_features is read at every row of its group."""
    frame = pd.DataFrame({"x": np.zeros(60), "who": np.repeat(["a", "b", "c"], 20)})
    model = small(
        groups="who",
        categorical_features=["who"],
        max_iter=60,
        learning_rate=0.05,
        bidirectional=False,
    )
    assert model.fit(frame, frame["who"]).score(frame, frame["who"]) == 1


def test_same_row_twice_is_one_row():
    """A bootstrap sample repeats rows; two different rows at one time are refused."""
    frame, labels = make_frame(*make_recordings())
    model = small(groups="who", time="when").fit(frame, labels)
    twice = pd.concat([frame, frame.iloc[3:9]])
    found = model.predict_proba(twice)
    assert_array_equal(found[: len(frame)], model.predict_proba(frame))
    assert_array_equal(found[len(frame) :], found[3:9])
    again = clone(model).fit(twice, pd.concat([labels, labels.iloc[3:9]]))
    assert again.predict(frame).shape == labels.shape
    odd = pd.concat([labels, labels.iloc[3:9]]).to_numpy(copy=True)
    odd[5] = not odd[5]
    with pytest.raises(InputError, match=r"Row 5 of X is given twice, with the labels"):
        clone(model).fit(twice, odd)
    with pytest.raises(TimeIndexError, match="same group and time"):
        model.predict(frame.assign(when=0.0))


# -- labels, weights and holes -------------------------------------------------------------


def test_rows_that_are_not_learned_from_are_context():
    """No label, a weight of zero and any other label there make the same network."""
    X, y = make_recordings()
    rng = np.random.default_rng(0)
    left_out = [rng.random(len(x)) < 0.4 for x in X]
    weights = [np.where(out, 0.0, 1.0) for out in left_out]
    missing = [np.where(out, None, v) for out, v in zip(left_out, y, strict=True)]
    wrong = [v ^ out for v, out in zip(y, left_out, strict=True)]
    models = [
        small().fit(X, y, sample_weight=weights),
        small().fit(X, wrong, sample_weight=weights),
        small().fit(X, missing),
    ]
    first = np.concatenate(models[0].predict_proba(X))
    for model in models[1:]:
        assert_array_equal(np.concatenate(model.predict_proba(X)), first)
    kept = [x[~out] for x, out in zip(X, left_out, strict=True)]
    less = small().fit(kept, [v[~o] for v, o in zip(y, left_out, strict=True)])
    assert np.abs(np.concatenate(less.predict_proba(X)) - first).max() > 1e-4


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0.0, 1.0, np.nan] * 10),
        pd.Series([0, 1, pd.NA] * 10, dtype="Int64"),
        np.array(["no", "yes", None] * 10, dtype=object),
    ],
    ids=["float", "nullable", "text"],
)
def test_missing_labels_of_every_kind(labels):
    """NaN, NA and None are not classes."""
    X = np.random.default_rng(0).normal(size=(30, 2))
    model = small().fit(X, labels)
    assert len(model.classes_) == 2
    assert set(model.predict(X)) <= set(model.classes_)


def test_weights_are_those_of_the_loss():
    """A class that weighs more is predicted more often, as is the weighted class."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 1)), rng.random(200) < 0.3
    few = small(max_iter=20).fit(X, y).predict_proba(X)[:, 1].mean()
    balanced = small(max_iter=20, class_weight="balanced").fit(X, y)
    weight = np.where(y, 1 / y.mean(), 1 / (1 - y.mean()))
    weighted = small(max_iter=20).fit(X, y, sample_weight=weight)
    assert balanced.predict_proba(X)[:, 1].mean() > few + 0.1
    assert_allclose(balanced.predict_proba(X), weighted.predict_proba(X), atol=1e-6)


@by_direction
def test_row_without_values_has_the_answer_before_it(bidirectional):
    """It is not read; in front, both directions answer with the next row."""
    X, y = make_recordings(lengths=(12, 9))
    model = small(bidirectional=bidirectional).fit(X, y)
    x = np.insert(X[0], [0, 0, 5, 12], np.nan, axis=0)
    found = model.predict_proba([x, np.full((3, 2), np.nan)])
    expected = model.predict_proba([X[0]])[0]
    places = [0, 0, *range(5), 4, *range(5, 12), 11]
    answers = expected[places]
    if not bidirectional:
        answers[:2] = model._fitted.task.prior
    assert_allclose(found[0], answers, rtol=0, atol=1e-13)
    assert_array_equal(found[1], np.tile(model._fitted.task.prior, (3, 1)))


def test_unread_rows_are_not_learned_from():
    """A label at a row without any value changes nothing."""
    X, y = make_recordings()
    gaps = [np.insert(x, 0, np.nan, axis=0) for x in X]
    wrong = [np.insert(labels, 0, not labels[0]) for labels in y]
    expected = small().fit(X, y).predict_proba(X)
    found = small().fit(gaps, wrong).predict_proba(gaps)
    for a, b in zip(found, expected, strict=True):
        assert_allclose(a[1:], b, rtol=0, atol=1e-12)


# -- training ------------------------------------------------------------------------------


def test_same_seed_same_bits():
    """Two fits agree to the bit, and another seed does not."""
    X, y = make_recordings()
    first, again, other = (
        np.concatenate(
            small(dropout=0.3, chunk_length=8, batch_size=3, random_state=seed)
            .fit(X, y)
            .predict_proba(X)
        )
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert (first != other).any()


def test_compiled_layers_agree_with_torch():
    """The kernels train the same network, to the rounding of float32."""
    X, y = make_recordings(lengths=[60] * 8 + [25])
    kernels = small(dtype="float32", max_iter=6, chunk_length=20).fit(X, y)
    assert kernels.engine_ == "numba+autograd"
    plain = small(dtype="float64", max_iter=6, chunk_length=20).fit(X, y)
    assert plain.engine_ == "torch"
    found, expected = (np.concatenate(m.predict_proba(X)) for m in (kernels, plain))
    assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_early_stopping_holds_out_recordings_or_the_last_rows():
    """Whole recordings where there are several; the end of the only one."""
    X, y = make_recordings()
    model = small(early_stopping=True, max_iter=30, n_iter_no_change=2).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_
    assert 1 <= model.best_iteration_ <= model.n_iter_
    one = small(early_stopping=True, max_iter=3)
    one.fit(np.concatenate(X), np.concatenate(y))
    assert len(one.validation_scores_) == 3
    given = small(early_stopping=True, max_iter=3).fit(X, y, X_val=X[:2], y_val=y[:2])
    loss = -given.validation_scores_[given.best_iteration_ - 1]
    p = np.concatenate(given.predict_proba(X[:2]))
    truth = np.concatenate(y[:2]).astype(int)
    assert loss == pytest.approx(-np.log(p[np.arange(len(p)), truth]).mean())


def test_warm_start_and_partial_fit_go_on():
    """They keep classes and scales, and count their epochs."""
    X, y = make_recordings()
    model = small(warm_start=True).fit(X, y)
    before = np.concatenate(model.predict_proba(X))
    assert model.fit(X, y).n_iter_ == 4
    assert (np.concatenate(model.predict_proba(X)) != before).any()
    with pytest.raises(InputError, match="y holds classes"):
        model.fit(X, [np.full(len(x), 3) for x in X])
    part = small().partial_fit(X[:2], y[:2], classes=[False, True])
    assert part.partial_fit(X[2:], y[2:]).n_iter_ == 2


def test_pickle_keeps_the_answers():
    """A copy predicts the same bits and can be trained on."""
    X, y = make_recordings()
    model = small(warm_start=True, groups=None).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    for a, b in zip(copied.predict_proba(X), model.predict_proba(X), strict=True):
        assert_array_equal(a, b)
    copied.fit(X, y)
    model.fit(X, y)
    for a, b in zip(copied.predict_proba(X), model.predict_proba(X), strict=True):
        assert_array_equal(a, b)


class Kill(Callback):
    """Ends a fit at an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("killed")


def test_killed_fit_goes_on_to_the_same_bits(tmp_path):
    """The cuts and the order of a later epoch are those of the whole fit."""
    X, y = make_recordings(lengths=[60] * 8 + [25])
    options = {"max_iter": 6, "chunk_length": 20, "batch_size": 5, "dropout": 0.2}
    options["dtype"] = "float32"
    expected = small(**options).fit(X, y)
    saved = Checkpoint(tmp_path, every=0)
    with pytest.raises(RuntimeError, match="killed"):
        small(**options, callbacks=[saved, Kill(3)]).fit(X, y)
    resumed = small(**options, callbacks=[Checkpoint(tmp_path, every=0)]).fit(X, y)
    assert resumed.loss_curve_ == expected.loss_curve_
    for a, b in zip(resumed.predict_proba(X), expected.predict_proba(X), strict=True):
        assert_array_equal(a, b)
    other = small(**{**options, "chunk_length": 30}, callbacks=[saved])
    with pytest.raises(CheckpointError, match="parameters"):
        other.fit(X, y)


def test_failed_refit_leaves_the_model():
    """An error in an epoch of a warm start undoes what it did."""
    X, y = make_recordings()
    model = small(warm_start=True, callbacks=[Kill(3)]).fit(X, y)
    before = np.concatenate(model.predict_proba(X))
    with pytest.raises(RuntimeError, match="killed"):
        model.fit(X, y)
    assert_array_equal(np.concatenate(model.predict_proba(X)), before)
    assert model.n_iter_ == 2


def test_several_networks_are_averaged():
    """The answer is the mean of the probabilities of the members."""
    X, y = make_recordings()
    model = small(n_estimators=2).fit(X, y)
    both = np.concatenate(model.predict_proba(X))
    first = np.concatenate(small().fit(X, y).predict_proba(X))
    assert len(model.nets_) == 2
    assert (both != first).any()


# -- streams and exports -------------------------------------------------------------------


@by_cell
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_stream_answers_as_the_batch_does(cell, dtype):
    """Row by row, each answer is that of predict, with gaps and before any value."""
    X, y = make_recordings(lengths=[40] * 8)
    model = small(
        cell=cell, dtype=dtype, bidirectional=False, num_layers=2, max_iter=10
    ).fit(X, y)
    assert (model.engine_ == "torch") == (dtype == "float64")
    rows = np.insert(X[0], [0, 7], np.nan, axis=0)
    for method in ("predict_proba", "predict"):
        stream = Stream(model, method=method)
        found = [stream.update(row, key="a") for row in rows]
        expected = getattr(model, method)([rows])[0]
        if method == "predict":
            assert_array_equal(found, expected)
        else:
            tolerance = 1e-12 if dtype == "float64" else 1e-5
            assert_allclose(found, expected, rtol=0, atol=tolerance)
    many = Stream(model, method="predict_proba").update_many(rows)
    assert_allclose(many, model.predict_proba([rows])[0], rtol=0, atol=1e-5)


def test_stream_of_a_panel_reads_features_by_name():
    """The keys of a frame are not features; a group is a key of the stream."""
    frame, labels = make_frame(*make_recordings())
    model = small(groups="who", time="when", bidirectional=False).fit(frame, labels)
    stream = Stream(model, method="predict_proba")
    rows = frame.sort_values("when")
    found = [
        stream.update(row[["a", "b"]].astype(float), key=row["who"])
        for _, row in rows.iterrows()
    ]
    assert_allclose(found, model.predict_proba(rows), rtol=0, atol=1e-12)


def test_what_a_tagger_is_not_for():
    """Both directions have no stream; graphs and embeddings read one answer."""
    X, y = make_recordings()
    model = small().fit(X, y)
    with pytest.raises(StreamError, match="Fit with bidirectional=False"):
        Stream(model)
    with pytest.raises(ExportError, match="A GRUTagger answers every row"):
        export.to_onnx(model, "never.onnx")
    with pytest.raises(ExportError, match="A GRUTagger cannot be exported"):
        export.to_c(model, "never.c")
    with pytest.raises(InvalidParameterError, match="a GRURegressor or GRUClassifier"):
        SequenceEmbedding(model).fit(X)


# -- inside scikit-learn -------------------------------------------------------------------


def test_inside_scikit_learn():
    """Rows split by recording, searches, scorers and reports work as they are."""
    X, y = make_recordings(lengths=[12] * 9)
    frame, labels = make_frame(X, y, seed=2)
    model = small(groups="who", time="when", max_iter=5)
    folds, who = GroupKFold(3), frame["who"]
    predicted = cross_val_predict(model, frame, labels, groups=who, cv=folds)
    assert predicted.shape == labels.shape
    assert "accuracy" in classification_report(labels, predicted)
    p = cross_val_predict(
        model, frame, labels, groups=who, cv=folds, method="predict_proba"
    )
    assert_allclose(p.sum(axis=1), 1)
    scores = cross_val_score(
        model, frame, labels, groups=who, cv=folds, scoring="f1_macro"
    )
    assert scores.shape == (3,)
    search = GridSearchCV(model, {"hidden_size": [2, 4]}, cv=folds)
    assert search.fit(frame, labels, groups=who).predict(frame).shape == labels.shape
    array = np.concatenate(X)
    pipeline = make_pipeline(StandardScaler(), small()).fit(array, np.concatenate(y))
    assert pipeline.predict(array).shape == (len(array),)


# -- bad input -----------------------------------------------------------------------------


def bad_cases():
    """Arguments of fit and what the error says."""
    X, y = make_recordings(lengths=(4, 5))
    rows, labels = np.concatenate(X), np.concatenate(y)
    return {
        "three dimensions": (np.zeros((2, 3, 2)), np.zeros((2, 3)), "list of recordi"),
        "sequences": (Sequences(rows, [0], [9]), labels, "Leave out the SlidingWindow"),
        "too few labels": (rows, labels[:-1], "inconsistent numbers of samples"),
        "two labels": (rows, np.zeros((9, 2)), "one label per row"),
        "flat labels": (X, labels, "a list of 2 recordings, but y holds single values"),
        "other number": (X, y[:1], "but y holds 1 arrays"),
        "other length": (X, [y[0], y[1][:2]], "Item 1 of y has 2 values, but item 1"),
        "no label": (rows, np.full(9, np.nan), "No row of X has a label"),
        "infinite label": (rows, np.full(9, np.inf), "contains infinity"),
        "real labels": (rows, np.linspace(0, 1, 9), "Unknown label type"),
        "missing y": (rows, None, "requires y to be passed"),
        "infinite X": (np.where(rows > 9, rows, np.inf), labels, "infinity"),
    }


@pytest.mark.parametrize("case", bad_cases())
def test_bad_input_is_named(case):
    """The message says what was seen and what to pass."""
    X, y, message = bad_cases()[case]
    with pytest.raises(ValueError, match=message):
        small().fit(X, y)


def test_more_bad_input_is_named():
    """Keys, weights, validation sets and methods that do not fit."""
    X, y = make_recordings(lengths=(4, 5))
    frame, labels = make_frame(X, y)
    with pytest.raises(InputError, match=r"groups= and time= name columns"):
        small(groups="who").fit(X, y)
    with pytest.raises(TimeIndexError, match="'whom'"):
        small(groups="whom").fit(frame, labels)
    with pytest.raises(TimeIndexError, match="groups= needs a time"):
        small(groups=0).fit(frame[["a", "b"]].to_numpy(), labels)
    with pytest.raises(InputError, match="Item 0 of sample_weight has 5 values"):
        small().fit(X, y, sample_weight=[np.ones(5), np.ones(5)])
    with pytest.raises(InputError, match="y holds classes"):
        small().fit(X, y, X_val=X, y_val=[np.full(len(x), 7) for x in X])
    with pytest.raises(InputError, match="not given together"):
        small().fit(X, y, X_val=X)
    with pytest.raises(InputError, match="No row of X has a label"):
        small().fit(X, y, X_val=X, y_val=[np.full(len(x), np.nan) for x in X])
    with pytest.raises(InvalidParameterError, match="chunk_length"):
        small(chunk_length=0).fit(X, y)
    with pytest.raises(InvalidParameterError, match="balanced"):
        small(class_weight="balanced").partial_fit(X, y)
    dated = frame.set_index(pd.date_range("2024-01-01", periods=9, freq="h"))
    model = small().fit(dated[["a", "b"]], labels.to_numpy())
    with pytest.raises(TimeIndexError, match="X has no time"):
        model.predict(dated[["a", "b"]].set_axis(list("abcdefghi")))
    with pytest.raises(ValueError, match="expecting 2 features"):
        small().fit(X, y).predict([np.zeros((3, 5))])
    assert not hasattr(model, "attention_weights")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("least", "options"),
    [
        (0.93, {"bidirectional": False, "chunk_length": 24, "max_iter": 40}),
        (0.97, {"bidirectional": True, "chunk_length": 64, "max_iter": 30}),
    ],
    ids=["causal", "both"],
)
def test_speakers_by_row(least, options):
    """Rows of a recording of nine speakers, mean of three seeds; windows reach .915."""

    def joined(subset, seed):
        X, y = datasets.load_japanese_vowels(subset=subset, return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(X))
        labels = np.repeat(y[order], [len(X[k]) for k in order])
        return np.concatenate([X[k] for k in order]), labels

    X, y = joined("train", 0)
    common = {"dropout": 0.3, "learning_rate": 0.015, "label_smoothing": 0.1}
    scores = [
        GRUTagger(48, random_state=seed, **common, **options)
        .fit(X, y)
        .score(*joined("test", 1))
        for seed in range(3)
    ]
    assert np.mean(scores) >= least


# -- pieces --------------------------------------------------------------------------------


def latch(n=40, length=60, seed=0):
    """Recordings whose first row alone tells the label of all rows."""
    rng = np.random.default_rng(seed)
    X = [0.3 * rng.normal(size=(length, 1)) for _ in range(n)]
    for x in X:
        x[0] = rng.choice([-2.0, 2.0])
    return X, [np.full(length, x[0, 0] > 0) for x in X]


def test_state_is_carried_from_piece_to_piece(monkeypatch):
    """Later pieces know what only the first one could see, unless all begin anew."""
    X, y = latch()
    model = GRUTagger(
        8,
        bidirectional=False,
        chunk_length=10,
        batch_size=40,
        max_iter=40,
        learning_rate=0.02,
        random_state=0,
    )
    loss = {}
    for share in (0.0, pieces.RESTARTS, 1.0):
        monkeypatch.setattr(pieces, "RESTARTS", share)
        loss[share] = model.fit(X, y).loss_curve_[-1]
    # Of seven pieces, the six that see nothing cost log(2) each.
    assert loss[0.0] < 0.1
    assert loss[0.0] < loss[0.5] < loss[1.0]
    assert loss[1.0] == pytest.approx(6 / 7 * np.log(2), abs=0.15)
    assert model.score(*latch(seed=1)) > 0.9


@pytest.mark.parametrize("length", [1, 2, 7, 30, 64, None])
def test_pieces_hold_every_row_once(length):
    """Whatever the cuts, no row is lost, and no piece is empty or too long."""
    lengths = np.array([64, 1, 2, 30, 7, 65])
    starts = np.cumsum(lengths) - lengths
    n = lengths.sum()
    data = Encoded(
        np.arange(n, dtype=np.float32)[:, None],
        starts,
        lengths,
        target=np.arange(n),
        by_row=True,
        piece_length=length,
    )
    dataset = SequenceDataset(data, torch.device("cpu"))
    stream = RandomStream(0, torch.device("cpu"))
    all_pieces = PieceBatches(dataset, 4, stream, (1, 1, 2))
    seen = []
    for _ in range(3):
        found, sizes = [], []
        for inputs, (target, _) in all_pieces:
            real = target != PADDED
            assert_array_equal(inputs["values"][..., 0][real], target[real])
            found.append(target[real])
            sizes += real.sum(axis=1).tolist()
            inputs["carried"].final = inputs["carried"].initial
        assert_array_equal(np.sort(torch.cat(found)), np.arange(n))
        assert min(sizes) > 0
        assert max(sizes) <= (length or 65)
        assert len(sizes) == all_pieces.n_pieces
        seen.append(torch.cat(found).tolist())
    assert seen[0] != seen[1]


@by_cell
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("compiled", [False, True])
def test_pieces_in_a_row_are_the_whole(cell, num_layers, compiled):
    """Carried states continue every layer as if nothing had been cut."""
    model = make_model(
        cell=cell, num_layers=num_layers, hidden_size=5, per_step=True
    ).eval()
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(20, 12, 3, generator=generator)
    lengths = torch.randint(5, 13, (20,), generator=generator)
    layers = CompiledLayers(model.recurrent, trains=True) if compiled else None
    whole = model(values, lengths, layers=layers)
    first = Carried(torch.zeros(20, *state_shape(model.spec)))
    begin = model(values[:, :4], None, carried=first, layers=layers)
    second = Carried(first.final)
    rest = model(values[:, 4:], lengths - 4, carried=second, layers=layers)
    real = torch.arange(12) < lengths[:, None]
    found = torch.cat([begin, rest], dim=1)
    assert_allclose(found[real].detach(), whole[real].detach(), rtol=0, atol=2e-6)
    ends = torch.stack([values[k, n - 1] for k, n in enumerate(lengths)])[:, None]
    shorter = Carried(torch.zeros(20, *state_shape(model.spec)))
    model(values, lengths - 1, carried=shorter, layers=layers)
    last = model(ends, None, carried=Carried(shorter.final), layers=layers)
    at = whole[torch.arange(20), lengths - 1]
    assert_allclose(last[:, 0].detach(), at.detach(), rtol=0, atol=2e-6)


@by_cell
@by_direction
def test_kernels_carry_states_as_torch_does(cell, bidirectional):
    """Outputs, states at the end and all gradients agree."""
    model = make_model(
        cell=cell, bidirectional=bidirectional, num_layers=2, per_step=True
    )
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(37, 7, 3, generator=generator)
    lengths = torch.randint(1, 8, (37,), generator=generator)
    initial = torch.randn(37, *state_shape(model.spec), generator=generator)
    real = torch.arange(7) < lengths[:, None]
    found = []
    for layers in (None, CompiledLayers(model.recurrent, trains=True)):
        carried = Carried(initial.clone())
        model.zero_grad()
        output = model(values, lengths, carried=carried, layers=layers)[real]
        (output**2).mean().backward()
        gradients = [p.grad.clone() for p in model.parameters()]
        found.append([output.detach(), carried.final, *gradients])
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=2e-6)
