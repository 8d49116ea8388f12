"""A training run that several processes, its ranks, make together.

All ranks have the same data, parameters and random streams, so each makes the run by
itself. They share the computation of optimizer steps that are large enough, and decide
together when to stop.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from sklearn_gru._engines.run import Run
from sklearn_gru._support.ranks import Ranks
from sklearn_gru._support.warn import warn
from sklearn_gru.exceptions import DistributedFitError


def check_same_run(ranks: Ranks, run: Run) -> None:
    """Refuse ranks that would train on other data, or with other parameters."""
    every = ranks.gather(run.fingerprint(), patient=True)
    for rank, found in enumerate(every):
        other = [name for name, value in every[0].items() if found[name] != value]
        if other:
            raise DistributedFitError(
                f"Rank {rank} differs from rank 0 in: {', '.join(other)}. All ranks "
                "must call fit of the same estimator, in the same order."
            )


def share_steps(ranks: Ranks, net: Any, training: Any) -> None:
    """Let ranks share the steps of the open session, or warn why they do not."""
    n, longest = min(net.batch_size, len(training)), training.lengths.max(initial=1)
    why = net.session_.share(ranks, n, int(longest))
    if why is not None:
        warn(
            f"Each of the {ranks.size} ranks trains the whole network by itself: "
            f"{why}. The result is that of one process, and so is the time. Raise "
            "batch_size, or give every rank other candidates, folds or groups instead "
            "of one fit.",
            UserWarning,
        )


def stops_everywhere(ranks: Ranks, net: Any, *, stops: bool) -> bool:
    """Return whether any rank stops; refuse ranks whose networks differ.

    Processors of other kinds round differently.
    """
    digest = hashlib.blake2b(digest_size=16)
    for parameter in net.module_.parameters():
        digest.update(np.ascontiguousarray(parameter.detach().cpu().numpy()).tobytes())
    every = ranks.gather((stops, digest.digest()))
    if len({weights for _, weights in every}) > 1:
        raise DistributedFitError(
            f"The weights of the {ranks.size} ranks differ after epoch "
            f"{len(net.history)}. Use machines with the same processor and the same "
            "versions of numba and PyTorch, and no callback that changes weights."
        )
    return any(stop for stop, _ in every)
