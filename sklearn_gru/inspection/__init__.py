"""Displays, importances and comparisons of fitted models.

Displays follow the convention of scikit-learn: a class method computes the data and
keeps them as attributes, ``plot(ax=)`` draws them, and ``ax_`` and ``figure_`` give
access to the result. matplotlib is imported only to draw, and PyTorch never.
"""

from sklearn_gru.inspection._attention import AttentionDisplay
from sklearn_gru.inspection._backtest_display import BacktestDisplay
from sklearn_gru.inspection._compare import compare
from sklearn_gru.inspection._compare_display import CompareDisplay
from sklearn_gru.inspection._forecast import ForecastDisplay
from sklearn_gru.inspection._gates import GateDisplay
from sklearn_gru.inspection._loss import LossCurveDisplay
from sklearn_gru.inspection._outliers import OutlierDisplay
from sklearn_gru.inspection._permutation import (
    StepImportanceDisplay,
    step_permutation_importance,
)

__all__ = [
    "AttentionDisplay",
    "BacktestDisplay",
    "CompareDisplay",
    "ForecastDisplay",
    "GateDisplay",
    "LossCurveDisplay",
    "OutlierDisplay",
    "StepImportanceDisplay",
    "compare",
    "step_permutation_importance",
]
