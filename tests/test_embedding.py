"""SequenceEmbedding: the input of the head, whatever the estimator and the layout."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_gru import (
    GRUClassifier,
    GRURegressor,
    SequenceEmbedding,
    SlidingWindow,
)
from sklearn_gru.exceptions import InputError, InvalidParameterError
from tests.builders import make_list

SMALL = {"hidden_size": 6, "max_iter": 2, "random_state": 0}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"pooling": "mean_max", "bidirectional": True},
        {"pooling": "attention", "num_layers": 2},
        {"cell": "lstm", "segment_length": 2},
        {"conv_filters": (8, 8)},
        {"normalization": "standard"},
        {"max_iter": 30, "dtype": "float32"},
    ],
)
def test_the_head_of_the_states_is_the_prediction(params):
    """Whatever the network, its head reads what transform returns."""
    params = {"linear_share": 0, "normalization": None} | params
    items = make_list(0, lengths=np.random.default_rng(0).integers(1, 15, size=300))
    y = np.array([np.nansum(x) for x in items])
    model = GRURegressor(**{**SMALL, **params}).fit(items, y)
    embedding = SequenceEmbedding(model, prefit=True).fit(items)
    states = torch.from_numpy(embedding.transform(items))
    head = model.module_.head
    with torch.no_grad():
        output = head(states.to(head.weight)).double().numpy()
    np.testing.assert_allclose(
        model._fitted.task.decode(output)[:, 0], model.predict(items), rtol=1e-4
    )


def test_it_fits_an_estimator_to_y():
    """The clone is fitted, not the estimator that was given."""
    X = np.random.default_rng(0).normal(size=(60, 5, 2))
    y = np.where(X[:, -1, 0] > 0, "up", "down")
    estimator = GRUClassifier(**SMALL)
    model = make_pipeline(SequenceEmbedding(estimator), LogisticRegression())
    assert model.fit(X, y).predict(X).shape == (60,)
    assert not hasattr(estimator, "net_")


def test_without_an_estimator_no_y_is_needed():
    """The newest step is learned from those before it, on windows as on arrays."""
    t = np.arange(400)
    X = pd.DataFrame({"a": np.sin(t / 5), "b": np.cos(t / 5)}, index=t)
    model = make_pipeline(SlidingWindow(12), SequenceEmbedding(random_state=0))
    states = model.fit(X).transform(X)
    assert states.shape == (400, 128)
    assert np.isfinite(states).all()
    again = clone(model).fit(X).transform(X)
    np.testing.assert_array_equal(states, again)


def test_names_and_output_containers():
    """The names count the states; set_output gives a frame."""
    X = np.random.default_rng(0).normal(size=(40, 5, 2))
    embedding = SequenceEmbedding(GRURegressor(3, max_iter=1))
    embedding.set_output(transform="pandas")
    frame = embedding.fit(X, X[:, -1, 0]).transform(X)
    names = [f"sequenceembedding{j}" for j in range(3)]
    assert list(frame.columns) == names == list(embedding.get_feature_names_out())


def test_nothing_observed_is_zeros():
    """A sequence without any value has no state."""
    X = np.random.default_rng(0).normal(size=(40, 5, 2))
    embedding = SequenceEmbedding(random_state=0).fit(X)
    X[3] = np.nan
    states = embedding.transform(X)
    assert (states[3] == 0).all()
    assert (states[4] != 0).any()


def test_pickles_hold_the_network_once():
    """The net without a head is made again from the estimator."""
    X = np.random.default_rng(0).normal(size=(40, 5, 2))
    embedding = SequenceEmbedding(random_state=0).fit(X)
    data = pickle.dumps(embedding)
    assert len(data) < 1.2 * len(pickle.dumps(embedding.estimator_))
    loaded = pickle.loads(data)
    np.testing.assert_array_equal(loaded.transform(X), embedding.transform(X))


@pytest.mark.parametrize(
    ("embedding", "X", "error", "message"),
    [
        (SequenceEmbedding(prefit=True), None, InvalidParameterError, "fitted estim"),
        (SequenceEmbedding("gru"), None, InvalidParameterError, "a GRURegressor or"),
        (SequenceEmbedding(GRURegressor(), prefit=True), None, NotFittedError, "fit"),
        (SequenceEmbedding(), np.zeros((5, 1, 2)), InputError, "n_features=1"),
        (SequenceEmbedding(), np.zeros((1, 4, 2)), InputError, "Found 1 sample"),
        (SequenceEmbedding(GRURegressor()), None, ValueError, "requires y"),
    ],
)
def test_bad_input_is_named(embedding, X, error, message):
    """What was seen, what was expected."""
    X = np.random.default_rng(0).normal(size=(30, 6, 2)) if X is None else X
    with pytest.raises(error, match=message):
        embedding.fit(X)


def test_other_sequences_are_refused():
    """As the estimator would refuse them."""
    X = np.random.default_rng(0).normal(size=(30, 6, 2))
    embedding = SequenceEmbedding(GRURegressor(**SMALL)).fit(X, X[:, -1, 0])
    with pytest.raises(InputError, match="X has 3 features"):
        embedding.transform(np.zeros((2, 6, 3)))
