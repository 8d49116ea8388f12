"""Bind programs to a kind of cell.

A program is written once, as a plain function that calls the steps of `cell`, a global
name of its module. `bind` copies the function with the cell's module under that name,
so everything below is compiled for this cell: its gates are inlined into the loops,
and nothing is compiled or imported for cells that are not used. A closure over the
cell would do the same, but numba cannot cache closures on disk; a copy has a name of
its own, under which numba caches it like any function.
"""

import functools
import importlib
import types
from typing import Any, NamedTuple

from sklearn_gru._engines.numba.compile.jit import entry, of_same_types
from sklearn_gru._engines.numba.programs.layers import run_layers, run_layers_backward
from sklearn_gru._engines.numba.programs.predict import predict
from sklearn_gru._engines.numba.programs.step import step, step_many
from sklearn_gru._engines.numba.programs.train import share_blocks, train_epoch


class Programs(NamedTuple):
    """The programs of one kind of cell."""

    saved_slots: int
    train_epoch: Any
    share_blocks: Any
    predict: Any
    run_layers: Any
    run_layers_backward: Any
    step: Any
    step_many: Any


TEMPLATES: tuple[Any, ...] = (
    train_epoch,
    share_blocks,
    predict,
    run_layers,
    run_layers_backward,
    step,
    step_many,
)


@functools.cache
def programs_of(cell: str) -> Programs:
    """Return the programs of a kind of cell, which `cells/<cell>.py` implements."""
    module = importlib.import_module(f"sklearn_gru._engines.numba.cells.{cell}")
    bound = Programs(module.SAVED_SLOTS, *(bind(t, module, cell) for t in TEMPLATES))
    return bound._replace(
        train_epoch=of_same_types(bound.train_epoch),
        predict=of_same_types(bound.predict),
    )


def bind(template: types.FunctionType, module: types.ModuleType, cell: str) -> Any:
    """Return a copy of the template that calls the functions of a cell's module."""
    name = bound_name(template.__name__, cell)
    globals_ = {**template.__globals__, "cell": module}
    bound = types.FunctionType(template.__code__, globals_, name)
    bound.__qualname__ = name  # copied from the code otherwise, as is the cache's name
    # A step takes less than a microsecond, a sixth of which it took to release the
    # interpreter's lock and to take it again. All other programs release it.
    return entry(bound, nogil=template is not step)


def bound_name(program: str, cell: str) -> str:
    """Return the name under which a program is cached for a kind of cell."""
    return f"{program}_{cell}"
