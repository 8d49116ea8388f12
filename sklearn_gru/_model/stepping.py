"""Recurrent states that are kept between rows: the interface, and NumPy's version.

A stepper holds one table of states per key. With one slot, a key carries the state of
its whole sequence. With W slots that roll, it carries the states of all W windows that
hold its newest row: each position starts one window in a slot of zeros, all slots read
the row, and the slot of the oldest window has the answer. Windows that start at
different rows share nothing but the row that they read, so W of them cost one product
of W rows per step instead of W steps per row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from sklearn_gru._model.arrays import NUMPY
from sklearn_gru._model.cells import CELLS
from sklearn_gru._model.poolings import POOLINGS
from sklearn_gru._model.spec import NetworkSpec

INFINITE = -1  # what a stepper returns for a row that holds infinity


@dataclass(frozen=True, eq=False)
class Scales:
    """From a row to what the network reads, and from its outputs to y.

    Attributes
    ----------
    mean, scale : ndarray of shape (n_features,)
        The network reads ``(x - mean) / scale``.
    marked : ndarray of shape (n_marked,)
        Features whose missing cells are marked, in inputs after those of the features.
    embedded : ndarray of shape (n_embedded,)
        Features that are codes of categories; their indices are the last inputs.
    center, unit : ndarray of shape (n_outputs,)
        An answer is ``output * unit + center``.
    """

    mean: np.ndarray
    scale: np.ndarray
    marked: np.ndarray
    embedded: np.ndarray
    center: np.ndarray
    unit: np.ndarray

    def marks(self) -> np.ndarray:
        """Return the input that marks each feature, -1 for none."""
        marks = np.full(len(self.mean), -1, dtype=np.int64)
        n_numeric = len(self.mean) - len(self.embedded)
        marks[self.marked] = n_numeric + np.arange(len(self.marked))
        return marks

    def places(self) -> np.ndarray:
        """Return the input of each feature, or -1 - k for that of table k."""
        places = np.empty(len(self.mean), dtype=np.int64)
        numeric = np.delete(np.arange(len(self.mean)), self.embedded)
        places[numeric] = np.arange(len(numeric))
        places[self.embedded] = -1 - np.arange(len(self.embedded))
        return places


class Stepper(Protocol):
    """Recurrent states of any number of keys, advanced one row at a time.

    Attributes
    ----------
    row : float64 array (n_features,)
        The row to read, written by the caller.
    out : float64 array (n_nets * n_outputs,)
        The answer of each network; without meaning if no step was read.
    """

    row: np.ndarray
    out: np.ndarray

    @property
    def step(self) -> Callable[[int, int], int]:
        """Function of a key and a position, which lets the key read `row`.

        It returns how many steps the answer `out` has read, or INFINITE. The position
        matters only to slots that roll.
        """
        ...

    def reserve(self, capacity: int) -> None:
        """Make room for keys 0 to capacity - 1; states so far are kept."""
        ...

    def step_many(
        self, keys: np.ndarray, positions: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let n different keys read a row each; return answers and steps read."""
        ...

    def clear(self, key: int) -> None:
        """Set a key to the state before its first row."""
        ...

    def saved(self, keys: np.ndarray) -> States:
        """Return copies of what keys remember."""
        ...

    def put_back(self, keys: np.ndarray, states: States) -> None:
        """Let keys remember what was saved."""
        ...


class States(NamedTuple):
    """Memory of n keys.

    Attributes
    ----------
    tables : array (n, n_tables, n_slots, hidden_size)
        Hidden and collected states, one network after the other.
    counts : int64 array (n, n_slots)
        How many steps each slot has read.
    latest : float64 array (n, n_steps, n_columns), or None
        The latest rows, as a linear part reads them.
    """

    tables: np.ndarray
    counts: np.ndarray
    latest: np.ndarray | None = None


class Network(NamedTuple):
    """The weights of a network of one direction, as arrays.

    Attributes
    ----------
    layers : list of dict
        Weights of each layer by their names in the equations.
    pooling : dict
        Weights of the pooling.
    head : pair of arrays
        Weight (n_outputs, n_pooled) and bias (n_outputs,).
    tables : list of arrays
        Embeddings (n_categories + 1, width) of the last inputs.
    """

    layers: list[dict[str, np.ndarray]]
    pooling: dict[str, np.ndarray]
    head: tuple[np.ndarray, np.ndarray]
    tables: list[np.ndarray]


class NumpyStepper:
    """Stepper of a network of one direction, by the equations of its cell.

    It computes in the dtype of the weights; see :class:`Stepper` for the members.

    Parameters
    ----------
    spec : NetworkSpec
        The network, which reads one step at a time and pools step by step.
    network : Network
        Its weights.
    read : function
        From rows (n, n_features) to what the network reads (n, n_inputs).
    n_features : int
        Width of a row.
    decode : pair of arrays (n_outputs,)
        Center and unit: an answer is ``output * unit + center``.
    n_slots, rolls : int and bool
        States per key, and whether they are windows that start one after the other.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        network: Network,
        read: Callable[[np.ndarray], np.ndarray],
        n_features: int,
        decode: tuple[np.ndarray, np.ndarray],
        n_slots: int = 1,
        *,
        rolls: bool = False,
    ) -> None:
        self.network = network
        self.n_slots = n_slots
        self.rolls = rolls
        self.row = np.zeros(n_features)
        self.out = np.zeros(spec.n_outputs)
        self._cell = CELLS[spec.cell]
        self._pooling = POOLINGS[spec.pooling]
        self._read = read
        self._center, self._unit = decode
        n_tables = spec.num_layers * len(self._cell.state)
        n_tables += self._pooling.n_collected or 0
        shape = (0, n_tables, n_slots, spec.hidden_size)
        self.states = np.zeros(shape, dtype=network.head[0].dtype)
        self.counts = np.zeros((0, n_slots), dtype=np.int64)
        self.reserve(1)

    def reserve(self, capacity: int) -> None:
        """Make room for keys 0 to capacity - 1; states so far are kept."""
        n = len(self.counts)
        if capacity <= n:
            return
        more = max(capacity, 2 * n) - n
        self.states, self.counts = (
            np.pad(a, [(0, more)] + [(0, 0)] * (a.ndim - 1))
            for a in (self.states, self.counts)
        )

    def step(self, key: int, position: int) -> int:
        """Let a key read `row`; return the steps that its answer `out` has read."""
        if np.isinf(self.row).any():
            return INFINITE
        states, counts, answer = self.states[key], self.counts[key], 0
        if self.rolls:
            start = position % self.n_slots
            states[:, start], counts[start] = 0, 0
            answer = (position + 1) % self.n_slots
        if not np.isnan(self.row).all():
            self._advance(self._inputs(self.row[None]), states, counts)
        if counts[answer]:
            at = slice(answer, answer + 1)
            self.out[:] = self._answers(states[:, at], counts[at])[0]
        return int(counts[answer])

    def step_many(
        self, keys: np.ndarray, positions: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let n different keys read a row each; return answers and steps read."""
        out = np.zeros((len(keys), len(self.out)))
        if np.isinf(rows).any():
            return out, np.full(len(keys), INFINITE)
        found = np.empty(len(keys), dtype=np.int64)
        if self.rolls:
            for i, key in enumerate(keys):
                self.row[:] = rows[i]
                found[i] = self.step(key, positions[i])
                out[i] = self.out
            return out, found
        seen = ~np.isnan(rows).all(axis=1)
        if seen.any():
            some = keys[seen]
            states = self.states[some, :, 0].swapaxes(0, 1).copy()  # (tables, m, H)
            counts = self.counts[some, 0]
            self._advance(self._inputs(rows[seen]), states, counts)
            self.states[some, :, 0] = states.swapaxes(0, 1)
            self.counts[some, 0] = counts
        found[:] = self.counts[keys, 0]
        known = np.flatnonzero(found)
        if len(known):
            states = self.states[keys[known], :, 0].swapaxes(0, 1)
            out[known] = self._answers(states, found[known])
        return out, found

    def clear(self, key: int) -> None:
        """Set a key to the state before its first row."""
        self.states[key] = 0
        self.counts[key] = 0

    def saved(self, keys: np.ndarray) -> States:
        """Return copies of what keys remember."""
        return States(self.states[keys], self.counts[keys])

    def put_back(self, keys: np.ndarray, states: States) -> None:
        """Let keys remember what was saved."""
        self.states[keys], self.counts[keys] = states.tables, states.counts

    def _inputs(self, rows: np.ndarray) -> np.ndarray:
        """Return what the first layer reads (n, n_inputs) of observed rows."""
        x, tables = self._read(rows), self.network.tables
        if not tables:
            return x
        n_dense = x.shape[1] - len(tables)
        index = x[:, n_dense:].astype(np.int64)
        vectors = [table[index[:, k]] for k, table in enumerate(tables)]
        return np.concatenate([x[:, :n_dense], *vectors], axis=1)

    def _advance(self, x: np.ndarray, states: np.ndarray, counts: np.ndarray) -> None:
        """Let all rows of the tables (n_tables, n, H) read x (n or 1, n_inputs)."""
        parts = len(self._cell.state)
        for k, weights in enumerate(self.network.layers):
            own = states[k * parts : (k + 1) * parts]
            inputs = self._cell.inputs(weights, x, NUMPY)
            own[:], _ = self._cell.step(weights, inputs, tuple(own), NUMPY)
            x = own[0]
        collected = states[len(self.network.layers) * parts :]
        if len(collected):
            collected[:] = self._pooling.collect(
                self.network.pooling, tuple(collected), x, counts[:, None]
            )
        counts += 1

    def _answers(self, states: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the outputs (n, n_outputs) of the tables on the scale of y."""
        parts = len(self._cell.state)
        n_layers = len(self.network.layers)
        last, collected = states[(n_layers - 1) * parts], states[n_layers * parts :]
        pooled = self._pooling.pooled(tuple(collected), last, counts[:, None])
        output = NUMPY.linear(pooled, *self.network.head).astype(np.float64)
        return output * self._unit + self._center


class JointStepper:
    """Steppers of several networks, which read the same rows.

    See :class:`Stepper` for the members.
    """

    def __init__(self, steppers: Sequence[Stepper]) -> None:
        self.steppers = steppers
        self.row = np.zeros_like(steppers[0].row)
        self.out = np.concatenate([stepper.out for stepper in steppers])
        self._parts = np.split(self.out, len(steppers))

    def reserve(self, capacity: int) -> None:
        """Make room for keys 0 to capacity - 1; states so far are kept."""
        for stepper in self.steppers:
            stepper.reserve(capacity)

    def step(self, key: int, position: int) -> int:
        """Let a key read `row`; return the steps that its answer `out` has read."""
        found = 0
        for stepper, part in zip(self.steppers, self._parts, strict=True):
            stepper.row[:] = self.row
            found = stepper.step(key, position)
            part[:] = stepper.out
        return found

    def step_many(
        self, keys: np.ndarray, positions: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let n different keys read a row each; return answers and steps read."""
        found = [stepper.step_many(keys, positions, rows) for stepper in self.steppers]
        return np.concatenate([out for out, _ in found], axis=1), found[0][1]

    def clear(self, key: int) -> None:
        """Set a key to the state before its first row."""
        for stepper in self.steppers:
            stepper.clear(key)

    def saved(self, keys: np.ndarray) -> States:
        """Return copies of what keys remember."""
        each = [stepper.saved(keys) for stepper in self.steppers]
        return States(np.concatenate([s.tables for s in each], axis=1), each[0].counts)

    def put_back(self, keys: np.ndarray, states: States) -> None:
        """Let keys remember what was saved."""
        parts = np.split(states.tables, len(self.steppers), axis=1)
        for stepper, tables in zip(self.steppers, parts, strict=True):
            stepper.put_back(keys, States(tables, states.counts))
