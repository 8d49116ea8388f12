"""Faults planted in a panel of eight channels are found, in the right channel."""

import pytest

from tests.benchmarks import planted_faults

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    """A detector of runs without faults."""
    return planted_faults.fit_detector()


@pytest.mark.parametrize("kind", planted_faults.FAULTS)
def test_a_planted_fault_is_found_and_named(model, kind):
    """The benchmark counts 200 draws; these are some of other seeds."""
    found, named = planted_faults.plant(model, kind, 40, seed=5)
    assert found >= 0.95
    assert named >= 0.9
