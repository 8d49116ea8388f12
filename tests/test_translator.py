"""The translator: against the equations and all possible answers, and its contract."""

import importlib.util
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
from torch import nn

from sklearn_gru import SequenceEmbedding, export
from sklearn_gru._engines.torch.changes import why_changed
from sklearn_gru._engines.torch.compiled_layers import CompiledLayers
from sklearn_gru._estimators.text_scores import chrf
from sklearn_gru.callbacks import Checkpoint
from sklearn_gru.exceptions import (
    ExportError,
    InputError,
    InvalidParameterError,
    StreamError,
)
from sklearn_gru.live import Stream
from sklearn_gru.text import GRUTranslator
from tests.contract_cases import run_checks
from tests.reference_translator import (
    best_text,
    greedy_text,
    log_probabilities,
    slow_chrf,
)


def make_texts(seed=0, n=40, letters="ab", most=5):
    """Words of some letters, and their letters in reverse order."""
    rng = np.random.default_rng(seed)
    X = ["".join(rng.choice(list(letters), rng.integers(0, most))) for _ in range(n)]
    return X, [word[::-1] for word in X]


def small(**changes):
    """A translator that is fitted in a moment, in float64."""
    given = {"hidden_size": 4, "embedding_size": 3, "max_iter": 2, "batch_size": 20}
    given |= {"random_state": 0, "dtype": "float64", "tokenizer": "char"}
    return GRUTranslator(**{**given, **changes})


def scrambled(model, seed=0):
    """The same model with large weights, so that outputs differ from each other."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.module_.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def codes_of(model, texts):
    """Source codes of texts, each with its end."""
    sequences = model._fitted.encoder.schema.sequences(texts)
    codes = sequences.values[:, 0].astype(int)
    ends = np.cumsum(sequences.lengths)[:-1]
    return np.split(codes, ends)


# -- truth ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["gru", "lstm", "gru_reset_before"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_loss_is_that_of_the_equations(cell, num_layers):
    """The first epoch, at a learning rate of about 0, with label smoothing."""
    X, y = make_texts(n=12)
    model = small(
        cell=cell,
        num_layers=num_layers,
        dropout=0.0,
        label_smoothing=0.3,
        learning_rate=1e-12,
        max_iter=1,
        hidden_size=5,
    ).fit(X, y)
    state, losses = model.module_.state_dict(), []
    for source, target in zip(codes_of(model, X), model._fitted.task.prepare(
        [tuple(text) for text in y]), strict=True):  # fmt: skip
        log_p, _ = log_probabilities(state, source, target[:-1], cell=cell)
        each = log_p[np.arange(len(target)), target]
        losses += (-0.7 * each - 0.3 * log_p.mean(axis=1)).tolist()
    assert model.loss_curve_ == pytest.approx([np.mean(losses)], rel=1e-9)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_greedy_texts_and_attention_are_those_of_the_equations(cell, num_layers):
    """Each text is read anew for each token."""
    X, y = make_texts(n=15)
    model = small(cell=cell, num_layers=num_layers, max_length=5).fit(X, y)
    different = set()
    for seed in range(4):
        state = scrambled(model, seed).module_.state_dict()
        _, sources, written = model._write(X)
        for source, (codes, weights) in zip(
            codes_of(model, sources), written, strict=True
        ):
            assert codes == greedy_text(state, source, 5, cell=cell)
            _, attention = log_probabilities(state, source, codes, cell=cell)
            assert_allclose(weights, attention[: len(codes)], rtol=0, atol=1e-12)
            different.add(tuple(codes))
    assert len(different) > 3
    found = model.attention_weights(X)
    assert [w.shape[1] for w in found] == [len(text) + 1 for text in X]
    for weights in found:
        assert_allclose(weights.sum(axis=1), 1)


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_beam_finds_the_best_of_all_texts(seed):
    """Of every text of at most three tokens, the unknown one among them."""
    X, y = make_texts()
    model = scrambled(small().fit(X, y), seed)
    state = model.module_.state_dict()
    model.set_params(max_length=3, beam_width=200)
    _, sources, written = model._write(X[:4])
    n_outputs = model.n_outputs_
    assert n_outputs == 4
    for source, (codes, weights) in zip(codes_of(model, sources), written, strict=True):
        assert codes == best_text(state, source, 3, n_outputs, cell="gru")
        _, attention = log_probabilities(state, source, codes, cell="gru")
        assert_allclose(weights, attention[: len(codes)], rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_chrf_against_its_definition(seed):
    """Of random texts, with spaces and empty ones."""
    rng = np.random.default_rng(seed)
    found, true = (
        ["".join(rng.choice(list("abc "), rng.integers(0, 9))) for _ in range(8)]
        for _ in range(2)
    )
    assert chrf(found, true) == pytest.approx(slow_chrf(found, true))
    twice = chrf([*found, found[0]], [*true, true[0]])
    weights = np.array([2.0, *[1.0] * 7])
    assert chrf(found, true, weights) == pytest.approx(twice)


def test_ends_of_chrf():
    """1 for equal texts, 0 without a common character; a value of sacreBLEU."""
    assert chrf(["a b", ""], ["ab", ""]) == 1.0
    assert chrf(["", ""], ["", ""]) == 1.0
    assert chrf(["abc"], ["xyz"]) == chrf([""], ["x"]) == 0.0
    # sacrebleu 2.6.0: corpus_chrf(found, [true]).score / 100
    found = ["the cat sat on a mat .", "two dogs"]
    true = ["the cat is on the mat .", "two big dogs run"]
    assert chrf(found, true) == pytest.approx(CHRF, abs=1e-12)


CHRF = 0.3331544369118417


# -- learning ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("change", [str, lambda text: text[::-1]])
def test_copies_and_reverses(change):
    """Words of 3 to 8 letters that it has never seen."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), rng.integers(3, 9)))
             for _ in range(2300)]  # fmt: skip
    X, X_test = words[:2000], words[2000:]
    model = GRUTranslator(
        96, 32, tokenizer="char", dropout=0.1, learning_rate=0.005, max_iter=20,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    model.fit(X, list(map(change, X)))
    right = model.predict(X_test) == np.array(list(map(change, X_test)))
    assert right.mean() >= 0.98
    assert model.score(X_test, list(map(change, X_test))) > 0.98


@pytest.mark.slow
def test_copies_words_that_it_does_not_know():
    """Attention finds the name in a sentence, and the name is copied."""
    rng = np.random.default_rng(0)
    names = iter(f"name{k}" for k in range(9000))
    known = ["one", "two", "three", "four", "five"]
    X = [
        " ".join(next(names) if rng.random() < 0.3 else rng.choice(known)
                 for _ in range(rng.integers(2, 5)))
        for _ in range(900)
    ]  # fmt: skip
    model = GRUTranslator(
        48, 16, min_count=2, learning_rate=0.01, dropout=0.1, max_iter=20,
        early_stopping=False, random_state=0,
    ).fit(X[:800], [text.upper() for text in X[:800]])  # fmt: skip
    assert model.target_vocabulary_.tolist() == sorted(word.upper() for word in known)
    copied = [" ".join(word.upper() if word in known else word for word in text.split())
              for text in X[800:]]  # fmt: skip
    right = model.predict(X[800:]) == np.array(copied)
    assert right.mean() > 0.95


def test_the_source_token_is_where_attention_looks():
    """An unknown token is the source token of the largest weight, never the end."""
    X, y = make_texts()
    task = small().fit(X, y)._fitted.task
    weights = np.array([[0.2, 0.3, 0.5], [0.5, 0.1, 0.4], [0.1, 0.2, 0.7]])
    assert task.text([1, 2, 1], weights, ("x", "y")) == "yay"
    assert task.text([1], np.ones((1, 1)), ()) == ""


def test_compiled_layers_compute_what_pytorch_computes():
    """Outputs and gradients of encoder and decoder agree up to rounding."""
    X, y = make_texts(n=60)
    model = small(dtype="float32", max_iter=12, num_layers=2).fit(X, y)
    if model.engine_ == "torch":
        pytest.skip(f"the layers are not compiled here: {model.net_.declined}")
    module = model.module_.eval()
    values = torch.tensor([[3, 4, 2], [4, 2, 0]]).float()[:, :, None]
    lengths, target = torch.tensor([3, 2]), torch.tensor([[2, 3, 0], [3, 0, -1]])
    layers = CompiledLayers(module.recurrent)
    layers.decoder = CompiledLayers(module.decoder)
    found = []
    for run in (None, layers):
        module.zero_grad()
        output = module(values, lengths, target=target, layers=run)
        output.square().sum().backward()
        grads = [p.grad.clone() for p in module.parameters()]
        found.append([output.detach(), *grads])
    for plain, compiled in zip(*found, strict=True):
        assert_allclose(compiled, plain, rtol=1e-4, atol=1e-4)


def test_changed_parts_are_left_to_pytorch():
    """A hook in the decoder or other layers turn the kernels off, not the user."""
    X, y = make_texts()
    module = small().fit(X, y).module_
    assert why_changed(module) is None
    handle = module.decoder.layers[0][0].register_forward_hook(lambda *a: None)
    assert "has a hook" in why_changed(module, layers_only=True)
    handle.remove()
    module.decoder.layers[0][0] = nn.GRU(3, 5, batch_first=True).double()
    assert "instead of" in why_changed(module, layers_only=True)


# -- properties ----------------------------------------------------------------------------


def test_batch_mates_and_order_change_nothing():
    """A text is its own, alone or among others, for one candidate or several."""
    X, y = make_texts()
    model = scrambled(small(max_length=8).fit(X, y))
    order = np.random.default_rng(1).permutation(len(X))
    for width in (1, 3):
        model.set_params(beam_width=width)
        whole, attention = model.predict(X), model.attention_weights(X)
        assert_array_equal(model.predict([X[k] for k in order]), whole[order])
        for k in range(0, len(X), 7):
            assert model.predict([X[k]])[0] == whole[k]
            alone = model.attention_weights([X[k]])[0]
            assert_allclose(alone, attention[k], rtol=0, atol=1e-12)


def test_blocks_change_nothing(monkeypatch):
    """Many texts are written a few at a time."""
    X, y = make_texts(n=30)
    model = scrambled(small(max_length=8).fit(X, y))
    whole = model.predict(X)
    monkeypatch.setattr("sklearn_gru._engines.torch.writing._AT_ONCE", 4)
    assert_array_equal(model.predict(X), whole)


def test_same_seed_same_bits():
    """Another seed learns other bits."""
    X, y = make_texts()
    options = {"dtype": "float32", "dropout": 0.3, "max_iter": 12}
    a, b = (small(**options).fit(X, y) for _ in range(2))
    assert a.loss_curve_ == b.loss_curve_
    assert_array_equal(a.predict(X), b.predict(X))
    assert small(**options).set_params(random_state=1).fit(X, y).loss_curve_ != (
        a.loss_curve_
    )


def test_weights_count():
    """A weight of 0 leaves a text out; weights count in the score."""
    X, y = make_texts()
    weights = np.ones(len(X))
    weights[:5] = 0
    model = small().fit(X, y, weights)
    assert_allclose(model.loss_curve_, small().fit(X[5:], y[5:]).loss_curve_)
    assert small().fit(X, y, np.full(len(X), 3.0)).loss_curve_ == pytest.approx(
        small().fit(X, y).loss_curve_
    )
    only = np.zeros(len(X))
    only[9] = 1.0
    assert model.score(X, y, only) == model.score(X[9:10], y[9:10])


def test_early_stopping_keeps_the_best_epoch():
    """A part is held out, or validation data are passed; its loss is per token."""
    X, y = make_texts()
    model = small(max_iter=6, early_stopping=True, n_iter_no_change=2).fit(X, y)
    assert model.best_iteration_ == int(np.argmax(model.validation_scores_)) + 1
    given = small(max_iter=1, early_stopping=True, label_smoothing=0.0, dropout=0.0)
    given.fit(X, y, X_val=X[:7], y_val=y[:7])
    state, losses = given.module_.state_dict(), []
    targets = given._fitted.task.prepare([tuple(text) for text in y[:7]])
    for source, target in zip(codes_of(given, X[:7]), targets, strict=True):
        log_p, _ = log_probabilities(state, source, target[:-1], cell="gru")
        losses += (-log_p[np.arange(len(target)), target]).tolist()
    assert given.validation_scores_ == pytest.approx([-np.mean(losses)])


def test_warm_start_goes_on():
    """With the same vocabularies; what they lack is unknown."""
    X, y = make_texts()
    model = small(warm_start=True).fit(X, y)
    assert model.fit(["zz", "ab"], ["zz", "ba"]).n_iter_ == 4
    assert model.target_vocabulary_.tolist() == ["a", "b"]
    with pytest.raises(InputError, match="y holds lists of tokens, such as"):
        model.fit(X, [["a"]] * len(y))
    with pytest.raises(InputError, match="X holds lists of tokens, such as"):
        model.fit([["a"]] * len(y), y)
    with pytest.raises(InvalidParameterError, match="warm_start=True continues"):
        model.set_params(hidden_size=6).fit(X, y)


class Kill(Callback):
    """Ends a fit at an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise RuntimeError("killed")


def test_killed_fit_goes_on_to_the_same_bits(tmp_path):
    """The order of a later epoch is that of the whole fit."""
    X, y = make_texts()
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
    X, y = make_texts()
    model = small(warm_start=True, callbacks=[Kill(3)]).fit(X, y)
    before = model.attention_weights(X)
    with pytest.raises(RuntimeError, match="killed"):
        model.fit(X, y)
    for a, b in zip(model.attention_weights(X), before, strict=True):
        assert_array_equal(a, b)
    assert model.n_iter_ == 2


def test_pickle_keeps_the_answers():
    """A copy writes the same texts and can be trained on; it holds no classes of torch."""
    X, y = make_texts()
    model = small(warm_start=True, beam_width=2).fit(X, y)
    stored = pickle.dumps(model)
    assert b"sklearn_gru._engines.torch.translator" not in stored
    copied = pickle.loads(stored)
    for a, b in zip(
        copied.attention_weights(X), model.attention_weights(X), strict=True
    ):
        assert_array_equal(a, b)
    assert copied.fit(X, y).loss_curve_ == model.fit(X, y).loss_curve_


@pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None,
    reason="sklearn.callback is new in scikit-learn 1.9",
)
def test_epochs_are_scored():
    """scikit-learn's callbacks see the model after each epoch."""
    from sklearn.callback import ScoringMonitor

    X, y = make_texts()
    monitor = ScoringMonitor(scoring={"chrf": lambda model, X, y: model.score(X, y)})
    model = small(max_iter=3).set_callbacks(monitor).fit(X, y)
    rows = [r for r in monitor.get_logs().data if r["task_name"] == "epoch"]
    assert [row["task_id"] for row in rows] == [0, 1, 2]
    assert rows[-1]["chrf"] == model.score(X, y)


# -- inside scikit-learn -------------------------------------------------------------------


def test_inside_scikit_learn():
    """scikit-learn's checks for input of this kind pass, and a search runs."""
    assert {r["status"] for r in run_checks(small())} == {"passed"}
    X, y = make_texts()
    search = GridSearchCV(small(), {"hidden_size": [2, 4]}, cv=2)
    assert search.fit(X, y).predict(X).shape == (len(X),)
    with pytest.raises(NotFittedError):
        small().predict(X)


def test_what_a_translator_is_not_for():
    """Streams, graphs and embeddings read sequences of numbers."""
    X, y = make_texts()
    model = small().fit(X, y)
    with pytest.raises(StreamError, match="this is a GRUTranslator"):
        Stream(model)
    with pytest.raises(ExportError, match="this is a GRUTranslator"):
        export.to_onnx(model, "never.onnx")
    with pytest.raises(InvalidParameterError, match="a GRURegressor or GRUClassifier"):
        SequenceEmbedding(model).fit(X)


# -- texts of a kind -----------------------------------------------------------------------


def test_empty_and_unknown_texts():
    """The empty text has an answer, in fit and later; so have unknown letters."""
    X, y = make_texts()
    assert "" in X
    model = small(max_length=4).fit(X, y)
    found = model.predict(["", "zzz", "a"])
    assert found.shape == (3,)
    assert all(len(text) <= 4 for text in found)
    assert len(model.predict([])) == 0
    one = small().fit(["a"] * 4, ["b"] * 4)
    assert one.n_outputs_ == 3


def test_longest_answers():
    """As long as the longest y of fit, or `max_length`."""
    X, y = make_texts()
    model = scrambled(small().fit(X, y), 3)
    model.module_.head.bias.data[0] = -100.0  # no end
    lengths = {len(codes) for codes, _ in model._write(X)[2]}
    assert lengths == {max(map(len, y))}
    assert {len(c) for c, _ in model.set_params(max_length=9)._write(X)[2]} == {9}


def test_ways_to_cut():
    """White space, characters and a function; lists of tokens stay as they are."""
    X, y = ["a bc", "bc  a"] * 10, ["x yz", "yz x"] * 10
    words = small(tokenizer="word").fit(X, y)
    assert words.source_vocabulary_.tolist() == ["a", "bc"]
    assert set(words.predict(X)) <= {"", *(" ".join(t) for t in _products(["x", "yz"]))}
    chars = small().fit(X, y)
    assert chars.source_vocabulary_.tolist() == [" ", "a", "b", "c"]
    cut = small(tokenizer=str.split).fit(X, y)
    assert cut.loss_curve_ == words.loss_curve_
    lists = small().fit([t.split() for t in X], [t.split() for t in y])
    assert lists.loss_curve_ == words.loss_curve_
    assert [" ".join(t) for t in lists.predict([t.split() for t in X])] == list(
        words.predict(X)
    )
    numbers = small().fit([[1, 2], [2]] * 9, [[7], [8, 7]] * 9)
    assert numbers.target_vocabulary_.tolist() == [7, 8]
    for text in numbers.predict([[1], [5]]):
        assert set(text) <= {1, 5, 7, 8}
    assert 0 <= numbers.score([[1], [5]], [[7], [8]]) <= 1


def _products(words):
    return [[a] for a in words] + [[a, b] for a in words for b in words]


def test_min_count():
    """Rare tokens are unknown on both sides."""
    X, y = ["a b", "a c", "a d"], ["x y", "x y", "z x"]
    model = small(tokenizer="word", min_count=2).fit(X, y)
    assert model.source_vocabulary_.tolist() == ["a"]
    assert model.target_vocabulary_.tolist() == ["x", "y"]
    with pytest.raises(InputError, match="No token of y occurs 9 times"):
        clone(model).set_params(min_count=9).fit(X, y)


def test_kinds_of_containers():
    """Arrays, series and tuples are read as lists are."""
    X, y = make_texts()
    expected = small().fit(X, y).loss_curve_
    for kind in (np.array, tuple, lambda t: pd.Series(t, index=range(7, 47))):
        assert small().fit(kind(X), kind(y)).loss_curve_ == expected
    model = small().fit(X, y)
    assert model.score(np.array(X), pd.Series(y)) == model.score(X, y)


def bad_cases():
    """Arguments of fit and what the error says."""
    X, y = ["ab", "a", "c"], ["x", "y", "z"]
    return {
        "missing y": (X, None, {}, "requires y to be passed"),
        "one string": ("abc", y, {}, r"X is 'abc'; expected one text per sample"),
        "numbers": (np.zeros((3, 2)), [1, 2, 3], {}, "Item 0 of y is"),
        "numbers in X": ([1, 2, 3], y, {}, "Item 0 of X is 1, of type int"),
        "missing": (["a", None, "b"], y, {}, "Item 1 of X is None"),
        "mixed": (["a", ["b"], "c"], y, {}, r"item 0 is 'a', item 1 is \['b'\]"),
        "fewer": (X, y[:2], {}, "inconsistent numbers of samples"),
        "none": ([], [], {}, "0 sample"),
        "all empty": (X, ["", "", ""], {}, "No token of y occurs 1 times"),
        "tokenizer": (X, y, {"tokenizer": len}, "The tokenizer made 2 of 'ab' in X"),
        "other tokens": (X, y, {"tokenizer": lambda t: [1]}, r"made \[1\] of 'ab'"),
        "a frame": (pd.DataFrame({"a": X}), y, {}, "X is a DataFrame"),
        "weights": (X, y, {"sample_weight": [1, 2]}, "one weight"),
    }


@pytest.mark.parametrize("case", bad_cases())
def test_bad_input(case):
    """It is refused with what was seen and what was expected."""
    X, y, options, message = bad_cases()[case]
    weights = options.pop("sample_weight", None)
    with pytest.raises(ValueError, match=message):
        small(**options).fit(X, y, weights)


def test_bad_input_of_a_fitted_model():
    """Texts of another kind, in X or y."""
    X, y = make_texts()
    model = small().fit(X, y)
    with pytest.raises(InputError, match="X holds lists of tokens, such as"):
        model.predict([["a"]])
    with pytest.raises(InputError, match="fit was given strings"):
        model.score(X, [list(text) for text in y])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(X, y[:3])


@pytest.mark.parametrize(
    "options",
    [
        {"beam_width": 0},
        {"max_length": 0},
        {"min_count": 0},
        {"tokenizer": "words"},
        {"embedding_size": 1.5},
        {"label_smoothing": 1.0},
    ],
    ids=lambda options: next(iter(options)),
)
def test_rules_of_parameters(options):
    """The message names the parameter."""
    X, y = make_texts(n=10)
    (name,) = options
    with pytest.raises(InvalidParameterError, match=f"{name}="):
        small(**options).fit(X, y)
