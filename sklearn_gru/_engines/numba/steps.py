"""States that are kept between calls: memory and addresses of the step programs."""

import functools
from collections.abc import Callable

import numpy as np

from sklearn_gru._engines.numba.calls import Kernel, address, aligned_floats, checked
from sklearn_gru._engines.numba.compile.jit import of_integers
from sklearn_gru._engines.numba.memory import BLOCK
from sklearn_gru._engines.numba.programs.step import INFINITE, Embedded, StepPlan
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.poolings import POOLINGS
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.stepping import Scales, States

__all__ = ["INFINITE", "Stepper"]


class Stepper:
    """Recurrent states of any number of keys, advanced one row at a time.

    See :class:`sklearn_gru._model.stepping.Stepper` for the members.

    Parameters
    ----------
    network : NetworkSpec
        A network of one direction that `supports` accepts, without segments.
    params : float32 array (n_parameters,)
        Read at construction only.
    scales : Scales
        From a row to what the network reads, and from its outputs to y.
    n_slots : int
        States per key.
    rolls : bool
        Whether the slots are windows that start one after the other.
    """

    def __init__(
        self,
        network: NetworkSpec,
        params: np.ndarray,
        scales: Scales,
        n_slots: int = 1,
        *,
        rolls: bool = False,
    ) -> None:
        self.n_slots = n_slots
        self._hidden = network.hidden_size  # what follows it has no meaning
        self._kernel = Kernel(network, params)
        self._kernel.pack()
        shape = self._kernel.shape
        n_tables = shape.layers * len(CELLS[network.cell].state)
        n_tables += POOLINGS[network.pooling].n_collected or 0
        key_floats = n_tables * n_slots * shape.padded
        self.row = np.zeros(len(scales.mean))
        self.out = np.zeros(shape.n_outputs)
        self._tables = (n_tables, n_slots, shape.padded)
        self.states = np.zeros((0, *self._tables), dtype=np.float32)
        self.counts = np.zeros((0, n_slots), dtype=np.int64)
        self._arrays: dict[str, np.ndarray] = {
            "row": self.row,
            "out": self.out,
            "mean": np.tile(np.asarray(scales.mean, dtype=np.float64), BLOCK),
            "scale": np.tile(np.asarray(scales.scale, dtype=np.float64), BLOCK),
            "marks": scales.marks(),
            "places": scales.places(),
            "embeddings": _embeddings(network),
            "center": np.array(scales.center, dtype=np.float64),
            "unit": np.array(scales.unit, dtype=np.float64),
            "x": aligned_floats(BLOCK * shape.n_inputs),
            "table": aligned_floats(n_tables * BLOCK * shape.padded),
            "table_counts": np.zeros(BLOCK, dtype=np.int64),
            "slots": aligned_floats(BLOCK * shape.saved * shape.padded),
            "pooled": aligned_floats(BLOCK * shape.padded_pooled),
            "scores": aligned_floats(BLOCK * shape.padded_outputs),
            "packed": self._kernel.packed,
        }
        self._sizes = {
            "n_features": len(scales.mean),
            "n_slots": n_slots,
            "rolls": int(rolls),
            "key_floats": key_floats,
            "is_plain": int(len(scales.marked) + len(scales.embedded) == 0),
        }
        self._plan = np.zeros(len(shape) + len(StepPlan._fields), dtype=np.int64)
        # Without a method of Python in between, a step takes half the time.
        self._plan_address = address(self._plan)
        self.step: Callable[[int, int], int] = functools.partial(
            of_integers(self._kernel.programs.step, 3), self._plan_address
        )
        self.reserve(1)

    def reserve(self, capacity: int) -> None:
        """Make room for keys 0 to capacity - 1; states so far are kept."""
        n = len(self.counts)
        if capacity <= n:
            return
        capacity = max(capacity, 2 * n)
        states = aligned_floats(capacity * self._sizes["key_floats"])
        states = states.reshape(capacity, *self._tables)
        counts = np.zeros((capacity, self.n_slots), dtype=np.int64)
        states[:n], counts[:n] = self.states, self.counts
        before = self.states, self.counts  # the plan points to them until the end
        try:
            self.states, self.counts = states, counts
            self._write_plan()
        except BaseException:
            self.states, self.counts = before
            raise

    def _write_plan(self) -> None:
        arrays = {**self._arrays, "states": self.states, "counts": self.counts}
        places = {name: address(array) for name, array in arrays.items()}
        self._plan[:] = [*self._kernel.shape, *StepPlan(**places, **self._sizes)]

    def step_many(
        self, keys: np.ndarray, positions: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let n different keys read a row each; return answers and steps read.

        With infinity in a row, nothing changes and the steps are INFINITE.
        """
        n = len(keys)
        checked(keys, np.int64, n, "keys")
        checked(positions, np.int64, n, "positions")
        checked(rows, np.float64, n * len(self.row), "rows")
        if n and keys.view(np.uint64).max() >= len(self.counts):  # negative ones, too
            raise ValueError("keys name a key without a state: reserve room for it")
        out = np.empty((n, len(self.out)))
        found = np.empty(n, dtype=np.int64)
        done = self._kernel.programs.step_many(
            self._plan_address, n, address(keys), address(positions), address(rows),
            address(out), address(found),
        )  # fmt: skip
        if done == INFINITE:
            found[:] = INFINITE
        return out, found

    def clear(self, key: int) -> None:
        """Set a key to the state before its first row."""
        self.states[key] = 0.0
        self.counts[key] = 0

    def saved(self, keys: np.ndarray) -> States:
        """Return copies of what keys remember."""
        return States(self.states[keys][..., : self._hidden], self.counts[keys])

    def put_back(self, keys: np.ndarray, states: States) -> None:
        """Let keys remember what was saved."""
        self.states[keys, ..., : self._hidden] = states.tables
        self.counts[keys] = states.counts


def _embeddings(network: NetworkSpec) -> np.ndarray:
    """Return the tables of a network (n_tables, 4); see :class:`Embedded`."""
    first_input, start, found = network.n_columns - len(network.embeddings), 0, []
    for n_categories, width in network.embeddings:
        found.append(Embedded(n_categories, width, first_input, start))
        first_input += width
        start += (n_categories + 1) * width
    return np.array(found, dtype=np.int64).reshape(-1, len(Embedded._fields))
