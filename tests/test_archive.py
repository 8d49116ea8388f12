"""Nets as arrays: what is kept, and what is left to skorch."""

import pickle

import numpy as np
import pytest
import torch

from sklearn_gru import GRURegressor
from sklearn_gru._engines.torch.archive import to_archive

X = np.random.default_rng(0).normal(size=(30, 5, 3))
Y = np.random.default_rng(1).normal(size=30)


@pytest.fixture
def fitted():
    return GRURegressor(16, max_iter=2, warm_start=True, random_state=0).fit(X, Y)


def goes_on_alike(model):
    """Predictions and further training of a pickle are those of the model."""
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(
        again.fit(X, Y).predict(X), model.fit(X, Y).predict(X)
    )
    return again


def test_every_array_is_kept_once():
    """A pickle costs the parameters and their two moments, and little else."""
    model = GRURegressor(128, max_iter=1, random_state=0).fit(X, Y)
    nbytes = sum(p.numel() * p.element_size() for p in model.module_.parameters())
    assert len(pickle.dumps(model)) < 3 * nbytes + 40_000


def test_no_torch_object_is_left(fitted):
    """An archive holds no tensor and no module."""
    assert b"_rebuild_tensor" not in pickle.dumps(fitted)
    assert b"torch.nn" not in pickle.dumps(fitted)
    goes_on_alike(fitted)


def test_fixed_parameters_stay_fixed(fitted):
    """A parameter that a callback took out of training stays out."""
    fitted.module_.head.weight.requires_grad = False
    again = pickle.loads(pickle.dumps(fitted))
    fixed = [n for n, p in again.module_.named_parameters() if not p.requires_grad]
    assert fixed == ["head.weight"]


def exchange_optimizer(net):
    net.optimizer_ = torch.optim.SGD(net.module_.parameters(), lr=0.01)


def split_groups(net):
    first, *rest = net.module_.parameters()
    net.optimizer_ = torch.optim.AdamW([{"params": [first]}, {"params": rest}])


def exchange_part(net):
    net.module_.pooling = torch.nn.Identity()


def add_hook(net):
    net.module_.head.register_forward_hook(print)


@pytest.mark.parametrize(
    "change", [exchange_optimizer, split_groups, exchange_part, add_hook]
)
def test_what_is_not_ours_is_left_to_skorch(fitted, change):
    """Where a callback exchanged something, the net is not archived."""
    assert to_archive(fitted.net_) is not None
    change(fitted.net_)
    assert to_archive(fitted.net_) is None


def test_another_optimizer_survives(fitted):
    """What is left to skorch can be pickled as ever."""
    exchange_optimizer(fitted.net_)
    again = pickle.loads(pickle.dumps(fitted))
    assert type(again.net_.optimizer_) is torch.optim.SGD
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
