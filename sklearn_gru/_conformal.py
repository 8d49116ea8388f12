"""How far predictions were off where the network did not learn: intervals from that.

Split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018): if the rows that
judged and the rows to come are exchangeable, an interval widened by the right quantile
of the errors covers a new y with at least the probability asked for, whatever the
network and whatever the distribution. With quantiles the error is how far y lies
outside the band of two of them, negative inside (Romano, Patterson & Candès 2019); a
single number is a band without width, and its error the absolute one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklearn_gru.exceptions import InvalidParameterError


@dataclass(frozen=True, eq=False)
class Calibration:
    """Errors of bands, and how much each row counts.

    Attributes
    ----------
    errors : ndarray of shape (m, n_outputs, n_bands)
        How far y lies outside each band; negative inside. float32: they outnumber the
        parameters of a small network.
    weights : ndarray of shape (m,) or None
        Of mean 1.
    """

    errors: np.ndarray
    weights: np.ndarray | None

    @classmethod
    def measure(
        cls,
        y: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        weights: np.ndarray | None,
    ) -> Calibration:
        """Errors of bands (m, n_outputs, n_bands) for y (m, n_outputs)."""
        outside = np.maximum(lower - y[:, :, None], y[:, :, None] - upper)
        if weights is not None:
            weights = weights / weights.mean()
        return cls(outside.astype(np.float32), weights)

    def margin(self, coverage: float, band: int) -> np.ndarray:
        """What to add on both sides of a band for a coverage, (n_outputs,).

        The error that a share ``coverage * (m + 1) / m`` of the weight does not exceed:
        the row to come counts as one more, of weight 1.
        """
        errors = self.errors[:, :, band].astype(np.float64)
        m = len(errors)
        needed = coverage * (m + 1) * (1 - 1e-12)
        if needed > m:
            least = int(np.ceil(coverage / (1 - coverage) * (1 - 1e-12)))
            raise InvalidParameterError(
                f"coverage={coverage:g} needs at least {least} sequences in the "
                f"validation part, of which there are {m}: a finite interval cannot "
                "promise more than they have seen. Ask for a coverage of at most "
                f"{np.floor(m / (m + 1) * 1000) / 1000:g}, raise validation_fraction, "
                "or give a larger X_val."
            )
        order = np.argsort(errors, axis=0)
        weights = np.ones(m) if self.weights is None else self.weights
        reached = np.cumsum(weights[order], axis=0)  # (m, n_outputs)
        at = np.minimum((reached < needed).sum(axis=0), m - 1)
        return errors[order[at, range(len(at))], range(len(at))]


def widen(lower: np.ndarray, upper: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Intervals (n, n_outputs, 2); one that a negative margin turns over is a point."""
    margin = np.maximum(margin, (lower - upper) / 2)
    return np.stack([lower - margin, upper + margin], axis=-1)
