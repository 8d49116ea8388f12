"""Recurrent cells, listed by name in the registry ``CELLS``.

To add a cell, write one class in one module and list it here. If there is a module of
the same name in ``_engines/numba/cells``, the compiled engine trains the cell;
otherwise PyTorch does.
"""

from sklearn_gru._model.cells.base import Cell
from sklearn_gru._model.cells.gru import GRU
from sklearn_gru._model.cells.gru_reset_before import GRUResetBefore
from sklearn_gru._model.cells.lstm import LSTM
from sklearn_gru._model.cells.rnn import RNN

__all__ = ["CELLS", "Cell"]

CELLS: dict[str, Cell] = {
    cell.name: cell for cell in (GRU(), GRUResetBefore(), LSTM(), RNN())
}
