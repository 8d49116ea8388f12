"""Looking at fitted models: displays, importances, and the cheap models beside them.

Displays follow scikit-learn's convention: a class method computes what is shown and
keeps it as attributes, ``plot(ax=)`` draws it, and ``ax_`` and ``figure_`` are there to
go on with. matplotlib is imported when something is drawn, PyTorch never.
"""

from sklearn_gru.inspection._attention import AttentionDisplay
from sklearn_gru.inspection._compare import compare
from sklearn_gru.inspection._compare_display import CompareDisplay
from sklearn_gru.inspection._forecast import ForecastDisplay
from sklearn_gru.inspection._gates import GateDisplay
from sklearn_gru.inspection._loss import LossCurveDisplay
from sklearn_gru.inspection._permutation import (
    StepImportanceDisplay,
    step_permutation_importance,
)

__all__ = [
    "AttentionDisplay",
    "CompareDisplay",
    "ForecastDisplay",
    "GateDisplay",
    "LossCurveDisplay",
    "StepImportanceDisplay",
    "compare",
    "step_permutation_importance",
]
