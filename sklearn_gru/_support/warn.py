"""Warnings that point at the line of the user.

The number of calls between a check and that line depends on the caller: a pipeline, a
search, the wrappers of scikit-learn. So the stack is searched for the line.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from types import FrameType

import joblib
import sklearn

_PACKAGES = (
    Path(__file__).parents[1],
    Path(sklearn.__file__).parent,
    Path(joblib.__file__).parent,
)
_INSIDE = tuple(f"{folder}{os.sep}" for folder in _PACKAGES)


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line outside this package, scikit-learn and joblib."""
    level, frame = 1, sys._getframe()
    caller: FrameType | None = frame
    while caller is not None and caller.f_code.co_filename.startswith(_INSIDE):
        level, caller = level + 1, caller.f_back
    warnings.warn(message, category, stacklevel=level)
