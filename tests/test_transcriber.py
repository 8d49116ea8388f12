"""The transcriber: texts against sums over all paths, and the contract of the others."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sklearn_gru import SequenceEmbedding, Sequences, export
from sklearn_gru._engines.torch.batches import BatchesByLength, SequenceDataset
from sklearn_gru._engines.torch.compiled_layers import CompiledLayers
from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._estimators.text_scores import edit_distance, token_error_rate
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.losses import LOSSES
from sklearn_gru._model.transcription import beam_search, best_path, frames_needed
from sklearn_gru.callbacks import Checkpoint
from sklearn_gru.exceptions import (
    ExportError,
    InputError,
    InvalidParameterError,
    StreamError,
)
from sklearn_gru.live import Stream
from sklearn_gru.text import GRUTranscriber
from tests.contract_cases import run_checks
from tests.reference_ctc import collapsed, distance, text_probabilities
from tests.reference_gru import reference_states


def pulses(word, rng):
    """Frames of a word: a pulse per letter, as high as its place in the alphabet."""
    parts = [np.zeros(rng.integers(1, 4))]
    for letter in word:
        height = np.full(rng.integers(2, 6), 1.0 + "abc".index(letter))
        parts += [height, np.zeros(rng.integers(1, 4))]
    x = np.concatenate(parts)
    return np.c_[x, np.ones_like(x)] + 0.1 * rng.normal(size=(len(x), 2))


def make_words(seed=0, n=40, most=5):
    """Words of at most some letters and their frames."""
    rng = np.random.default_rng(seed)
    y = ["".join(rng.choice(list("abc"), rng.integers(0, most))) for _ in range(n)]
    return [pulses(word, rng) for word in y], y


def small(**changes):
    """A transcriber that is fitted in a moment, in float64."""
    given = {"hidden_size": 4, "max_iter": 2, "batch_size": 20, "random_state": 0}
    given["dtype"] = "float64"
    return GRUTranscriber(**{**given, **changes})


def probabilities(rng, n_frames, n_outputs):
    """Random distributions, some of them sharp."""
    logits = rng.normal(size=(n_frames, n_outputs)) * rng.choice([0.5, 2.0])
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


# -- truth ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_frames", [1, 2, 3, 5, 6])
def test_loss_is_the_sum_over_all_paths(n_frames):
    """Of every text, with a batch mate of another length beside it."""
    rng = np.random.default_rng(n_frames)
    p = probabilities(rng, n_frames, 3)
    texts = {t: q for t, q in text_probabilities(p).items() if frames_fit(t, n_frames)}
    assert () in texts
    output = torch.zeros(2, 8, 3, dtype=torch.float64)
    output[0, :n_frames] = torch.from_numpy(np.log(p) + 5)  # outputs are not normalized
    for text, expected in texts.items():
        target = torch.full((2, 7), -1)
        target[0, : len(text)] = torch.tensor(text)
        target[1, :2] = torch.tensor([1, 2])
        loss = LOSSES["ctc"].per_text(output, target, torch.tensor([n_frames, 8]), ())
        assert loss[0].item() == pytest.approx(-np.log(expected) / max(1, len(text)))


def frames_fit(text, n_frames):
    """Whether a text has a path of that many frames, as the definition counts them."""
    return frames_needed(text) <= n_frames


@pytest.mark.parametrize("text", [(), (1,), (1, 1), (1, 2, 2, 2), (1, 2, 1), "aabb"])
def test_frames_needed_is_the_shortest_path(text):
    """One frame less has no path of the text, and that many have one."""
    codes = tuple("ab".index(t) + 1 if isinstance(t, str) else t for t in text)
    needed = frames_needed(text)
    uniform = np.full((needed, 3), 1 / 3)
    assert text_probabilities(uniform).get(codes, 0) > 0
    if needed:
        assert codes not in text_probabilities(uniform[1:])


@pytest.mark.parametrize("seed", range(20))
def test_decoders_against_all_paths(seed):
    """A wide beam finds the most probable text, the other the text of the best path."""
    rng = np.random.default_rng(seed)
    p = probabilities(rng, rng.integers(1, 7), rng.integers(2, 5))
    texts = text_probabilities(p)
    best = max(texts, key=texts.get)
    assert tuple(beam_search(np.log(p), 5000)) == best
    assert tuple(best_path(np.log(p))) == collapsed(p.argmax(axis=1).tolist())
    narrow = tuple(beam_search(np.log(p), 2))
    assert texts[narrow] <= texts[best]


def test_beam_adds_up_paths():
    """The best path says nothing, but most of the probability says a."""
    p = np.array([[0.6, 0.4], [0.6, 0.4]])
    assert best_path(np.log(p)) == []
    assert beam_search(np.log(p), 1) == []
    assert beam_search(np.log(p), 2) == [1]


def test_no_frames_are_the_empty_text():
    """Neither decoder needs a frame."""
    nothing = np.empty((0, 4))
    assert best_path(nothing) == beam_search(nothing, 3) == []


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_equals_the_equations(cell, bidirectional):
    """Every frame has the log-softmax of the head of its state."""
    X, y = make_words()
    model = small(cell=cell, bidirectional=bidirectional, num_layers=2).fit(X, y)
    scale = model._fitted.encoder.standardizer
    state = model.module_.state_dict()
    head = state["head.weight"].numpy(), state["head.bias"].numpy()
    for x, found in zip(X, model._fitted.frames(X), strict=True):
        read = scale.transform(x, np.dtype("float64"))
        states, _ = reference_states(state, read, cell=cell)
        odds = np.exp(states @ head[0].T + head[1])
        expected = np.log(odds / odds.sum(axis=1, keepdims=True))
        assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_loss_curve_is_the_loss_of_the_equations():
    """The first epoch, at a learning rate of about 0, is the mean loss per token."""
    X, y = make_words(n=12, most=3)
    X = [x[:5] for x in X]
    y = [word if len(word) < 2 else word[:1] for word in y]
    model = small(learning_rate=1e-12, max_iter=1, batch_size=12).fit(X, y)
    code = {token: k + 1 for k, token in enumerate(model.alphabet_)}
    losses = []
    for word, log_p in zip(y, model._fitted.frames(X), strict=True):
        p = text_probabilities(np.exp(log_p))[tuple(code[token] for token in word)]
        losses.append(-np.log(p) / max(1, len(word)))
    assert model.loss_curve_ == pytest.approx([np.mean(losses)], rel=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_edit_distance_against_its_recursion(seed):
    """Of random texts, the empty one too."""
    rng = np.random.default_rng(seed)
    a, b = (tuple(rng.integers(0, 3, rng.integers(0, 6)).tolist()) for _ in range(2))
    assert edit_distance(a, b) == distance(a, b)


def test_token_error_rate():
    """Edits over tokens; a weight of 2 is the text twice; nothing to say is no error."""
    assert token_error_rate(["abc", "d"], ["abx", "d"]) == 1 / 4
    weighted = token_error_rate(["abc", "d"], ["abx", "d"], np.array([2.0, 1.0]))
    assert weighted == token_error_rate(["abc", "abc", "d"], ["abx", "abx", "d"])
    assert token_error_rate([[], ["x"]], [["x", "y"], ["x"]]) == 2 / 3
    assert token_error_rate(["", ""], ["", ""]) == 0
    assert token_error_rate(["ab", ""], ["", ""]) == 2


# -- learning ------------------------------------------------------------------------------


@pytest.mark.slow
def test_learns_words():
    """New words are read, by both decoders, and repeated letters are told apart."""
    X, y = make_words(n=400)
    model = GRUTranscriber(16, max_iter=30, random_state=0).fit(X, y)
    X_new, y_new = make_words(seed=1, n=100)
    assert model.score(X_new, y_new) > 0.99
    assert model.set_params(beam_width=4).score(X_new, y_new) > 0.99
    rng = np.random.default_rng(2)
    assert model.predict([pulses(w, rng) for w in ("aabb", "ccc")]).tolist() == [
        "aabb",
        "ccc",
    ]


def test_tokens_of_lists_come_back_as_lists():
    """Words or numbers, in the form of y, with one alphabet."""
    X, words = make_words()
    y = [[10 * "abc".index(letter) for letter in word] for word in words]
    model = small(max_iter=5, learning_rate=0.05).fit(X, y)
    assert model.alphabet_.tolist() == [0, 10, 20]
    found = model.predict(X)
    assert isinstance(found, list)
    assert all(isinstance(text, list) for text in found)
    arrays = [np.array(text, dtype=int) for text in y]
    assert clone(model).fit(X, arrays).predict(X) == found
    strings = small(max_iter=5, learning_rate=0.05).fit(X, words).predict(X)
    assert ["".join("abc"[token // 10] for token in text) for text in found] == list(
        strings
    )


def test_compiled_layers_learn_what_pytorch_learns():
    """The loss and the distributions agree up to rounding."""
    X, y = make_words(n=60)
    options = {"dtype": "float32", "max_iter": 40, "dropout": 0.0, "num_layers": 2}
    model = small(**options).fit(X, y)
    if model.engine_ == "torch":
        pytest.skip(f"the layers are not compiled here: {model.net_.declined}")
    module = model.module_.eval()
    values = torch.randn(3, 9, 2, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([9, 4, 1])
    plain = module(values, lengths)
    compiled = module(values, lengths, layers=CompiledLayers(module.recurrent))
    for k, n in enumerate(lengths):
        assert_allclose(
            compiled[k, :n].detach(), plain[k, :n].detach(), rtol=0, atol=1e-5
        )


# -- properties ----------------------------------------------------------------------------


def test_batch_mates_padding_and_order_change_nothing():
    """The distributions of a sequence are its own."""
    X, y = make_words()
    model = small(max_iter=10, learning_rate=0.05).fit(X, y)
    whole = model._fitted.frames(X)
    order = np.random.default_rng(3).permutation(len(X))
    for k, found in zip(
        order, model._fitted.frames([X[k] for k in order]), strict=True
    ):
        assert_allclose(found, whole[k], rtol=0, atol=1e-12)
    for k in (0, 7):
        assert_allclose(model._fitted.frames([X[k]])[0], whole[k], rtol=0, atol=1e-12)
        assert model.predict([X[k]])[0] == model.predict(X)[k]
    longest = max(map(len, X))
    dense = np.array([np.pad(x, ((longest - len(x), 0), (0, 0)),
                             constant_values=np.nan) for x in X])  # fmt: skip
    assert_array_equal(model.predict(dense), model.predict(X))
    gaps = [np.insert(x, [0, 1], np.nan, axis=0) for x in X]
    assert_array_equal(model.predict(gaps), model.predict(X))


def test_sequences_that_share_rows():
    """Overlapping windows answer as copies of them do."""
    X, y = make_words()
    model = small(max_iter=10, learning_rate=0.05).fit(X, y)
    rows = np.concatenate(X[:6])
    starts, lengths = np.array([0, 3, 10, 3]), np.array([12, 9, 20, 0])
    shared = Sequences(rows, starts, lengths)
    apart = [rows[s : s + n] for s, n in zip(starts, lengths, strict=True)]
    for a, b in zip(
        model._fitted.frames(shared), model._fitted.frames(apart), strict=True
    ):
        assert_allclose(a, b, rtol=0, atol=1e-12)


def test_same_seed_same_bits():
    """Another seed learns other bits."""
    X, y = make_words()
    options = {"dtype": "float32", "dropout": 0.2, "max_iter": 10}
    a, b = (small(**options).fit(X, y) for _ in range(2))
    assert a.loss_curve_ == b.loss_curve_
    for p, q in zip(a._fitted.frames(X), b._fitted.frames(X), strict=True):
        assert_array_equal(p, q)
    other = small(**options, hidden_size=4).set_params(random_state=1).fit(X, y)
    assert other.loss_curve_ != a.loss_curve_


def test_batches_hold_sequences_of_similar_length():
    """Each sequence once per pass, in another order in the next, with short batches."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 100, 64)
    starts = np.cumsum(lengths) - lengths
    target = np.full((64, 3), -1)
    target[:, 0] = np.arange(64)
    rows = np.zeros((lengths.sum(), 1), dtype=np.float32)
    data = Encoded(rows, starts, lengths, target=target, texts=True)
    dataset = SequenceDataset(data, torch.device("cpu"))
    stream = RandomStream(0, torch.device("cpu"))
    batches = BatchesByLength(dataset, 8, stream)
    passes = [list(batches) for _ in range(2)]
    for one in passes:
        found = torch.cat([target[:, 0] for _, (target, _, _) in one])
        assert sorted(found.tolist()) == list(range(64))
    first, second = ([b[1][0][:, 0].tolist() for b in one] for one in passes)
    assert first != second
    spans = [np.ptp(counts.numpy()) for _, (_, _, counts) in passes[0]]
    assert np.mean(spans) < 40 < np.ptp(lengths)


def test_weights_count():
    """A weight of 0 leaves a sequence out, with its letters; weights count in score."""
    X, y = make_words()
    weights = np.ones(len(y))
    weights[:5] = 0
    a = small().fit(X, y, weights)
    b = small().fit(X[5:], y[5:])
    assert_allclose(a.loss_curve_, b.loss_curve_)
    halves = small().fit(X, y, np.full(len(y), 0.5))
    assert_allclose(halves.loss_curve_, small().fit(X, y).loss_curve_)
    only = np.zeros(len(y))
    only[3] = 1.0
    assert a.score(X, y, only) == a.score(X[3:4], y[3:4])


def test_early_stopping_keeps_the_best_epoch():
    """A part is held out, or validation data are passed."""
    X, y = make_words()
    model = small(max_iter=8, early_stopping=True, n_iter_no_change=2).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_
    best = int(np.argmax(model.validation_scores_)) + 1
    assert model.best_iteration_ == best
    given = small(max_iter=3, early_stopping=True).fit(X, y, X_val=X, y_val=y)
    assert len(given.validation_scores_) == 3


def test_warm_start_goes_on():
    """With the same alphabet; tokens that it lacks and another kind are refused."""
    X, y = make_words()
    model = small(warm_start=True).fit(X, y)
    assert model.fit(X, y).n_iter_ == 4
    with pytest.raises(InputError, match=r"has not seen: \['z'\]"):
        model.fit(X, ["z"] * len(y))
    with pytest.raises(InputError, match="y holds lists of tokens, such as"):
        model.fit(X, [["a"]] * len(y))
    assert model.n_iter_ == 4
    assert model.set_params(warm_start=False).fit(X, [["a"]] * len(y)).n_iter_ == 2


class Kill(Callback):
    """Ends a fit at an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("killed")


def test_killed_fit_goes_on_to_the_same_bits(tmp_path):
    """The order of a later epoch is that of the whole fit."""
    X, y = make_words()
    options = {"max_iter": 5, "dropout": 0.2, "early_stopping": True}
    expected = small(**options).fit(X, y)
    saved = Checkpoint(tmp_path, every=0)
    with pytest.raises(RuntimeError, match="killed"):
        small(**options, callbacks=[saved, Kill(3)]).fit(X, y)
    resumed = small(**options, callbacks=[Checkpoint(tmp_path, every=0)]).fit(X, y)
    assert resumed.loss_curve_ == expected.loss_curve_
    assert_array_equal(resumed.predict(X), expected.predict(X))


def test_failed_refit_leaves_the_model():
    """An error in an epoch of a warm start undoes what it did."""
    X, y = make_words()
    model = small(warm_start=True, callbacks=[Kill(3)]).fit(X, y)
    before = model._fitted.frames(X)
    with pytest.raises(RuntimeError, match="killed"):
        model.fit(X, y)
    for a, b in zip(model._fitted.frames(X), before, strict=True):
        assert_array_equal(a, b)
    assert model.n_iter_ == 2


def test_pickle_keeps_the_answers():
    """A copy predicts the same bits and can be trained on."""
    X, y = make_words()
    model = small(warm_start=True, beam_width=3).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    for a, b in zip(copied._fitted.frames(X), model._fitted.frames(X), strict=True):
        assert_array_equal(a, b)
    assert copied.fit(X, y).loss_curve_ == model.fit(X, y).loss_curve_


def test_frames_keep_their_places():
    """A frame without a value repeats the one before it; the first one is a blank."""
    X, y = make_words()
    model = small(max_iter=5).fit(X, y)
    gaps = [np.insert(x, [0, 1], np.nan, axis=0) for x in X]
    for plain, found in zip(
        model.frame_log_proba(X), model.frame_log_proba(gaps), strict=True
    ):
        assert_array_equal(found[0], [0, -np.inf, -np.inf, -np.inf])
        assert_array_equal(found[2], found[1])
        assert_allclose(np.delete(found, [0, 2], axis=0), plain, rtol=0, atol=1e-12)
        assert_allclose(np.exp(found).sum(axis=1), 1)
    texts = ["".join(model.alphabet_[k - 1] for k in best_path(log_p))
             for log_p in model.frame_log_proba(gaps)]  # fmt: skip
    assert_array_equal(texts, model.predict(X))


# -- inside scikit-learn -------------------------------------------------------------------


def test_inside_scikit_learn():
    """scikit-learn's checks for input of this kind pass, and a search runs."""
    results = run_checks(small())
    assert {r["status"] for r in results} == {"passed"}
    X, y = make_words()
    search = GridSearchCV(small(), {"hidden_size": [2, 4], "beam_width": [1, 2]}, cv=2)
    assert search.fit(X, y).predict(X).shape == (len(X),)
    with pytest.raises(NotFittedError):
        small().predict(X)


def test_what_a_transcriber_is_not_for():
    """Streams, graphs and embeddings read one answer per sequence."""
    X, y = make_words()
    model = small(bidirectional=False).fit(X, y)
    with pytest.raises(StreamError, match="this is a GRUTranscriber"):
        Stream(model)
    with pytest.raises(ExportError, match="this is a GRUTranscriber"):
        export.to_onnx(model, "never.onnx")
    with pytest.raises(InvalidParameterError, match="a GRURegressor or GRUClassifier"):
        SequenceEmbedding(model).fit(X)


# -- texts of a kind -----------------------------------------------------------------------


def test_empty_and_one_symbol_texts():
    """An empty text is learned as silence; a sequence without values has none."""
    X, _ = make_words(n=20)
    y = ["" if k % 2 else "a" for k in range(20)]
    model = small(max_iter=5).fit(X, y)
    assert model.alphabet_.tolist() == ["a"]
    found = model.predict([np.full((3, 2), np.nan), X[0], np.empty((0, 2))])
    assert found[0] == found[2] == ""
    assert model.predict([np.full((3, 2), np.nan)]).tolist() == [""]


def test_kinds_of_containers():
    """Arrays and series of strings, tuples and frames are read as lists are."""
    X, y = make_words()
    expected = small().fit(X, y).loss_curve_
    for texts in (np.array(y), pd.Series(y, index=range(7, 47)), tuple(y)):
        assert small().fit(X, texts).loss_curve_ == expected
    frames = [pd.DataFrame(x, columns=["height", "one"]) for x in X]
    model = small().fit(frames, y)
    assert model.loss_curve_ == expected
    assert model.feature_names_in_.tolist() == ["height", "one"]


def bad_cases():
    """Arguments of fit and what the error says."""
    X, y = make_words(n=4)
    X, y = X[:3], ["ab", "a", "c"]
    two = [x[:2] for x in X]
    gaps = [X[0], np.where(np.arange(len(X[1]))[:, None] > 1, np.nan, X[1]), X[2]]
    return {
        "longer": (two, ["a", "abc", "b"], "Sequence 1 has 2 frames .* 'abc' needs 3"),
        "repeated": (two, ["a", "b", "aa"], "Sequence 2 has 2 frames .* 'aa' needs 3"),
        "gaps": (gaps, ["a", "aab", "c"], "Sequence 1 has 2 frames with a value"),
        "missing y": (X, None, "requires y to be passed"),
        "one string": (X, "abc", r"y is 'abc'; expected one text .* y=\[...\]"),
        "number": (X, 3, "y is 3; expected one text per sequence"),
        "numbers": (X, [1, 2, 3], "Item 0 of y is 1, of type int"),
        "missing": (X, ["a", None, "b"], "Item 1 of y is None, of type NoneType"),
        "nan": (X, ["a", "b", np.nan], "Item 2 of y is nan, of type float"),
        "mixed": (X, ["a", ["b"], "c"], r"item 0 is 'a', item 1 is \['b'\]"),
        "nested": (X, [[["a"]], ["b"], ["c"]], "Item 0 of y is"),
        "frame": (X, pd.DataFrame({"a": y}), "y is a DataFrame"),
        "fewer": (X, y[:2], r"inconsistent numbers of samples: \[3, 2\]"),
        "all empty": (X, ["", "", ""], "Every text in y is empty"),
        "infinite": ([X[0], np.full((9, 2), np.inf), X[2]], y, "infinity"),
        "no values": ([np.full((3, 2), np.nan)] * 3, y, "has an observed step"),
    }


@pytest.mark.parametrize("case", bad_cases())
def test_bad_input(case):
    """It is refused with what was seen and what was expected."""
    X, y, message = bad_cases()[case]
    with pytest.raises(ValueError, match=message):
        small().fit(X, y)


def test_bad_input_of_score():
    """Texts of another number or kind than the predictions."""
    X, y = make_words()
    model = small().fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(X, y[:3])
    with pytest.raises(InputError, match="fit was given strings"):
        model.score(X, [list(word) for word in y])
    with pytest.raises(ValueError, match="requires y to be passed"):
        model.score(X, None)


@pytest.mark.parametrize("width", [0, 1.5, "auto"])
def test_beam_width_is_a_positive_integer(width):
    """In fit, and in predict, where it may have been set since."""
    X, y = make_words(n=10)
    with pytest.raises(InvalidParameterError, match="beam_width"):
        small(beam_width=width).fit(X, y)
    with pytest.raises(InvalidParameterError, match="beam_width"):
        small().fit(X, y).set_params(beam_width=width).predict(X)
