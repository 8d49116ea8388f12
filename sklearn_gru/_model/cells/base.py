"""The interface of a recurrent cell, and the loop over its steps.

Parameters have the names and the layout of ``torch.nn.GRU``: the blocks of all gates
are stacked vertically in ``weight_ih``, ``weight_hh``, ``bias_ih`` and ``bias_hh``.

>>> import numpy as np
>>> from sklearn_gru._model.arrays import NUMPY
>>> from sklearn_gru._model.cells import CELLS
>>> cell = CELLS["gru"]
>>> shapes = cell.parameters(n_inputs=2, hidden_size=3)
>>> shapes
{'weight_ih': (9, 2), 'weight_hh': (9, 3), 'bias_ih': (9,), 'bias_hh': (9,)}
>>> weights = {name: np.ones(shape) for name, shape in shapes.items()}
>>> states, last, gates = run_steps(cell, weights, np.zeros((4, 5, 2)), NUMPY)
>>> states.shape, sorted(gates)
((4, 5, 3), ['reset', 'update'])
"""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn_gru._model.arrays import Arrays

Weights = dict[str, Any]
State = tuple[Any, ...]


class Cell:
    """Base class of the recurrent cells: their properties and equations.

    Attributes
    ----------
    name : str
        Name in the registry and value of the parameter `cell`.
    summary : str
        Description of the cell in the documentation of that parameter.
    blocks : tuple of str
        Blocks of the stacked parameters, in order. "candidate" is a block that is not a
        gate.
    state : tuple of str
        Parts of the state carried from step to step; the first is the output.
    persists : str or None
        Gate that keeps the old state when it is open; its bias starts at 1.
    n_apart : int
        Number of the last blocks whose sums over the input and over the state are kept
        apart, because a gate acts between them.
    torch_layer : str or None
        Class of ``torch.nn`` that computes the same cell. If None, :meth:`step` runs in
        a loop.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    blocks: ClassVar[tuple[str, ...]]
    state: ClassVar[tuple[str, ...]] = ("h",)
    persists: ClassVar[str | None] = None
    n_apart: ClassVar[int] = 0
    torch_layer: ClassVar[str | None] = None

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the blocks that are gates."""
        return tuple(block for block in self.blocks if block != "candidate")

    def parameters(self, n_inputs: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of one layer's parameters in one direction."""
        units = len(self.blocks) * hidden_size
        return {
            "weight_ih": (units, n_inputs),
            "weight_hh": (units, hidden_size),
            "bias_ih": (units,),
            "bias_hh": (units,),
        }

    def inputs(self, weights: Weights, x: Any, xp: Arrays) -> Any:
        """Return the input products (plus bias) for any number of steps at once."""
        return xp.linear(x, weights["weight_ih"], weights["bias_ih"])

    def step(
        self, weights: Weights, inputs: Any, state: State, xp: Arrays
    ) -> tuple[State, dict[str, Any]]:
        """Return the state after a step and the values of the gates.

        `inputs` is one step of the result of :meth:`inputs`; the state is in the order
        of :attr:`state`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no step")


def run_steps(
    cell: Cell, weights: Weights, x: Any, xp: Arrays, state: State | None = None
) -> tuple[Any, State, dict[str, Any]]:
    """Run a cell over sequences ``(B, T, n_inputs)`` from a state, or from zeros.

    Returns
    -------
    states : array of shape (B, T, hidden_size)
        Output at every step.
    state : tuple of arrays of shape (B, hidden_size)
        State after the last step.
    gates : dict of arrays of shape (B, T, hidden_size)
        Values of each gate at every step.
    """
    hidden_size = weights["weight_hh"].shape[1]
    if state is None:
        state = tuple(xp.zeros(x, x.shape[0], hidden_size) for _ in cell.state)
    # Compute all input products at once; the state products need the previous state.
    inputs = cell.inputs(weights, x, xp)
    outputs, gates = [], []
    for now in xp.unstack(inputs, 1):
        state, opened = cell.step(weights, now, state, xp)
        outputs.append(state[0])
        gates.append(opened)
    found = {
        gate: xp.stack([opened[gate] for opened in gates], 1) for gate in cell.gates
    }
    return xp.stack(outputs, 1), state, found
