"""Faults planted in a panel of eight channels are found, in the right channel."""

import numpy as np
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


def test_the_first_rows_of_a_run_raise_no_more_alarms_than_others(model):
    """A forecast from few steps errs more, which is usual."""
    alarms = model.predict(planted_faults.panel(2, 100)) == -1
    at = np.arange(len(alarms)) % planted_faults.LENGTH
    assert alarms[at < 20].mean() < 0.05
    assert alarms[at >= 20].mean() < 0.03
    lengths = [usual.least for usual in model[-1]._errors.usual]
    assert lengths == [1, 2, 4, 8, 16]
