"""Splits and backtests for scikit-learn's model selection.

This package imports neither PyTorch nor skorch.
"""

from sklearn_gru.model_selection._backtest import backtest
from sklearn_gru.model_selection._panel_split import PanelTimeSeriesSplit

__all__ = ["PanelTimeSeriesSplit", "backtest"]
