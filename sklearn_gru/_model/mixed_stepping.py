"""A stepper of networks and of the linear part that is mixed with each of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sklearn_gru._model.linear import LinearPart
from sklearn_gru._model.stepping import INFINITE, States, Stepper


class MixedStepper:
    """Stepper that remembers the latest rows of each key, as the linear part reads.

    See :class:`~sklearn_gru._model.stepping.Stepper` for the members.

    Parameters
    ----------
    stepper : Stepper
        Of the networks; its answers are outputs, not yet on the scale of y.
    linear : LinearPart
        The linear part.
    read : function
        From rows (n, n_features) to what the network reads (n, n_inputs).
    decode : pair of arrays (n_outputs,)
        Center and unit: an answer is ``output * unit + center``.
    """

    def __init__(
        self,
        stepper: Stepper,
        linear: LinearPart,
        read: Callable[[np.ndarray], np.ndarray],
        decode: tuple[np.ndarray, np.ndarray],
    ) -> None:
        self._stepper = stepper
        self._linear = linear
        self._read = read
        self._center, self._unit = decode
        self.row = stepper.row
        self.out = np.zeros_like(stepper.out)
        # Views and memory of `step`: outputs (n_nets, n_outputs), and the latest rows.
        self._each = stepper.out.reshape(-1, len(linear.intercept))
        self._flat = np.zeros((linear.n_steps, linear.n_columns))
        shape = (0, linear.n_steps, linear.n_columns)
        self._latest = np.zeros(shape)  # a ring per key
        self._n_read = np.zeros(0, dtype=np.int64)  # rows that its ring has taken
        self.reserve(1)

    def reserve(self, capacity: int) -> None:
        """Make room for keys 0 to capacity - 1; states so far are kept."""
        self._stepper.reserve(capacity)
        n = len(self._n_read)
        if capacity > n:
            more = max(capacity, 2 * n) - n
            self._latest = np.pad(self._latest, [(0, more), (0, 0), (0, 0)])
            self._n_read = np.pad(self._n_read, (0, more))

    def step(self, key: int, position: int) -> int:
        """Let a key read `row`; return the steps that its answer `out` has read."""
        found = self._stepper.step(key, position)
        if found == INFINITE:
            return found
        # As for many keys, in a third of the time.
        n_steps, ring, row = self._linear.n_steps, self._latest[key], self.row
        if (row == row).any():
            read = self._read(row[None])[0, : self._linear.n_columns]
            ring[self._n_read[key] % n_steps] = read
            self._n_read[key] += 1
        oldest, x = self._n_read[key] % n_steps, self._flat
        x[: n_steps - oldest], x[n_steps - oldest :] = ring[oldest:], ring[:oldest]
        x[: max(0, n_steps - found)] = 0.0
        linear = self._linear.of_flat(x.reshape(1, -1))
        mixed = self._linear.mixed(self._each, linear)
        self.out[:] = (mixed * self._unit + self._center).ravel()
        return found

    def step_many(
        self, keys: np.ndarray, positions: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Let n different keys read a row each; return answers and steps read."""
        out, found = self._stepper.step_many(keys, positions, rows)
        if len(found) and found[0] == INFINITE:
            return out, found
        self._remember(keys, rows)
        return self._mixed(keys, out, found), found

    def clear(self, key: int) -> None:
        """Set a key to the state before its first row."""
        self._stepper.clear(key)
        self._latest[key] = 0
        self._n_read[key] = 0

    def saved(self, keys: np.ndarray) -> States:
        """Return copies of what keys remember, the latest rows oldest first."""
        tables, counts, _ = self._stepper.saved(keys)
        return States(tables, counts, self._latest[keys[:, None], self._places(keys)])

    def put_back(self, keys: np.ndarray, states: States) -> None:
        """Let keys remember what was saved."""
        self._stepper.put_back(keys, states)
        self._latest[keys] = states.latest
        self._n_read[keys] = self._linear.n_steps

    def _remember(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Let rings take the rows that hold a value."""
        seen = ~np.isnan(rows).all(axis=1)
        if seen.any():
            some = keys[seen]
            read = self._read(rows[seen])[:, : self._linear.n_columns]
            self._latest[some, self._n_read[some] % self._linear.n_steps] = read
            self._n_read[some] += 1

    def _mixed(
        self, keys: np.ndarray, out: np.ndarray, found: np.ndarray
    ) -> np.ndarray:
        """Return answers (n, n_nets * n_outputs) from the outputs of the networks."""
        n_steps = self._linear.n_steps
        x = self._latest[keys[:, None], self._places(keys)]
        # Rows before those that the answer has read are outside its window.
        x[np.arange(n_steps) < n_steps - found[:, None]] = 0.0
        linear = self._linear.of_flat(x.reshape(len(x), -1))
        each = out.reshape(len(out), -1, linear.shape[1])  # (n, n_nets, n_outputs)
        mixed = self._linear.mixed(each, linear[:, None])
        return (mixed * self._unit + self._center).reshape(out.shape)

    def _places(self, keys: np.ndarray) -> np.ndarray:
        """Return the places (n, n_steps) of the rows in the rings, oldest first."""
        n_steps = self._linear.n_steps
        return (self._n_read[keys, None] + np.arange(n_steps)) % n_steps
