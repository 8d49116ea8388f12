"""The choice of an engine: the first in ``ENGINES`` that does not decline.

The choice depends only on the problem and the machine, never on the number of rows that
are predicted at once.
"""

from __future__ import annotations

from typing import NamedTuple

from sklearn_gru._engines.base import Engine, Plan
from sklearn_gru._engines.numba.engine import NumbaEngine
from sklearn_gru._engines.torch.compiled_layers import CompiledLayersEngine
from sklearn_gru._engines.torch.session import TorchEngine

# In the order in which they are tried; the last one accepts everything.
ENGINES: list[Engine] = [NumbaEngine(), CompiledLayersEngine(), TorchEngine()]


class Choice(NamedTuple):
    """An engine, and the reasons why the engines before it declined."""

    engine: Engine
    reasons: dict[str, str]


def choose(plan: Plan) -> Choice:
    """Return the first engine that accepts a plan."""
    reasons: dict[str, str] = {}
    for engine in ENGINES:
        reason = engine.declines(plan)
        if reason is None:
            return Choice(engine, reasons)
        reasons[engine.name] = reason
    raise RuntimeError(f"Every engine declined: {reasons}.")
