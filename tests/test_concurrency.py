"""Fits in several threads leave the process as they found it."""

import threading

import numpy as np
import pytest
import torch

from sklearn_gru import GRURegressor
from sklearn_gru._engines import numba as kernels
from sklearn_gru._engines.torch.device import torch_threads


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_the_number_of_torch_threads_returns_in_every_order_of_ends(
    two_threads, first_ends_first
):
    """In each thread that ran a fit, and in threads that begin later."""
    began, end = threading.Event(), threading.Event()
    found = {}

    def other():
        with torch_threads(1):
            began.set()
            end.wait(10)
            found["inside"] = torch.get_num_threads()
        found["other"] = torch.get_num_threads()

    thread = threading.Thread(target=other)
    with torch_threads(1):
        thread.start()
        assert began.wait(10)
        if not first_ends_first:
            end.set()
            thread.join()
        with torch_threads(1):  # a prediction in a callback
            pass
        found["nested"] = torch.get_num_threads()
    end.set()
    thread.join()
    assert found == {"inside": 1, "nested": 1, "other": 2}
    assert torch.get_num_threads() == 2
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


def test_a_fit_in_a_thread_that_began_first_restores_the_number(two_threads):
    """As with estimators in two threads."""
    X = np.random.default_rng(0).normal(size=(60, 8, 3))
    y = X.sum((1, 2))
    slow = GRURegressor(8, max_iter=60, random_state=0, dtype="float64")
    other = threading.Thread(target=slow.fit, args=(X, y))
    other.start()
    GRURegressor(8, max_iter=2, random_state=0, dtype="float64").fit(X, y)
    other.join()
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("spelling", ["", "0", "false", "False", "no", "OFF", " 0 "])
def test_false_spellings_leave_the_kernels_on(monkeypatch, spelling):
    """SKLEARN_GRU_NO_NUMBA=false does not mean true."""
    monkeypatch.setenv(kernels.OFF, spelling)
    assert kernels.reason() is None


@pytest.mark.parametrize("spelling", ["1", "true", "yes", "on"])
def test_true_spellings_turn_the_kernels_off(monkeypatch, spelling):
    """And the reason says so."""
    monkeypatch.setenv(kernels.OFF, spelling)
    assert kernels.OFF in kernels.reason()
