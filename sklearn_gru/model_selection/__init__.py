"""Splits, search spaces and backtests for scikit-learn's model selection.

This package imports neither PyTorch nor skorch.
"""

from sklearn_gru.model_selection._backtest import backtest
from sklearn_gru.model_selection._optuna import optuna_space, suggest
from sklearn_gru.model_selection._panel_split import PanelTimeSeriesSplit
from sklearn_gru.model_selection._search_space import search_space

__all__ = [
    "PanelTimeSeriesSplit",
    "backtest",
    "optuna_space",
    "search_space",
    "suggest",
]
