"""Numbers that several folders compute alike."""

from __future__ import annotations

import numpy as np


def nonzero_scale(std: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return `std`, or 1 where the column is constant up to rounding."""
    rounding = 10 * np.finfo(np.float64).eps * np.abs(mean)
    return np.where(std > rounding, std, 1.0)
