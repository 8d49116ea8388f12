"""Real data, read once, and what a unit test should never leave behind."""

import signal

import numpy as np
import pandas as pd
import pytest

from sklearn_gru import datasets
from sklearn_gru._engines.numba.compile import checked


def pytest_runtest_setup(item):
    """Skip what the checked build, which is slow and has one thread, cannot do."""
    if checked.ENABLED and item.get_closest_marker("unchecked"):
        pytest.skip("the checked build is slow and has one thread")


@pytest.fixture(scope="session")
def bikes():
    """Hourly bike rentals with the target as a column: X, y, columns known ahead."""
    frame = datasets.load_bike_sharing().frame.astype(np.float64)
    known = [c for c in frame.columns if c != "bikers"]
    return frame, frame["bikers"], known


@pytest.fixture(scope="session")
def speakers():
    """JapaneseVowels, official split."""
    train = datasets.load_japanese_vowels(subset="train", return_X_y=True)
    test = datasets.load_japanese_vowels(subset="test", return_X_y=True)
    return (*train, *test)


@pytest.fixture
def hourly():
    """A small regular series with a daily pattern."""
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=200, freq="h")
    wave = np.sin(np.arange(200) * 2 * np.pi / 24)
    return pd.DataFrame(
        {"load": wave + 0.1 * rng.normal(size=200), "temp": rng.normal(size=200)},
        index=index,
    )


def pytest_configure(config):
    """Hear Ctrl-C, which shells let processes in the background ignore."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
