"""A minute of what ``make soak`` runs for hours."""

import os

import pytest

from tests import soaking

pytestmark = pytest.mark.slow
linux_only = pytest.mark.skipif(not os.path.exists("/proc"), reason="reads /proc")


@linux_only
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_killed_fits_go_on_to_the_same_bits():
    """SIGKILL at random moments, as often as it takes."""
    found = soaking.kill_fits(12)
    assert found["from a checkpoint"] == found["fits"]


@linux_only
def test_memory_files_and_threads_do_not_grow():
    """Over fits of several kinds and widths."""
    soaking.fit_and_predict(60, 600)


def test_threads_share_models():
    """Predictions, fits and pickles in eight threads."""
    soaking.use_in_threads(160)


def test_random_sequences_are_read_rightly_or_refused():
    """Edge values of int64 in starts and lengths."""
    found = soaking.fuzz_sequences(5000)
    assert 100 < found["accepted"] < 4900


def test_random_changes_of_a_state_do_not_crash():
    """Numbers and sizes of a fitted model."""
    assert soaking.fuzz_states(80)["errors"] > 10


def test_random_bytes_of_a_checkpoint_are_refused():
    """Or do not matter."""
    assert soaking.fuzz_checkpoints(60)["refused"] > 10


def test_damaged_stores_are_refused():
    """Or the damage is none, as of two equal pages that change places."""
    found = soaking.fuzz_stores(3000)
    assert found["refused"] > 2000


def test_random_times_never_see_the_future():
    """Edge values of int64."""
    soaking.fuzz_times(150)
