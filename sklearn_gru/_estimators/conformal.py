"""How far predictions were off where the network did not learn: intervals from that.

Split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018): if the rows that
judged and the rows to come are exchangeable, an interval widened by the right quantile
of the errors covers a new y with at least the probability asked for, whatever the
network and whatever the distribution. With quantiles the error is how far y lies
outside the band of two of them, negative inside (Romano, Patterson & Candès 2019),
counted in widths of the band (Sesia & Candès 2020), so that a band is widened and
narrowed in proportion. A single number is a band without width; its error is absolute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklearn_gru.exceptions import InvalidParameterError

# A band narrower than this share of the mean width counts as that wide.
_NARROWEST = 0.01


@dataclass(frozen=True, eq=False)
class Calibration:
    """Errors of bands, and how much each row counts.

    Attributes
    ----------
    errors : ndarray of shape (m, n_outputs, n_bands)
        How far y lies outside each band, in its units; negative inside. float32: they
        may outnumber the parameters of the network.
    weights : ndarray of shape (m,) or None
        Of mean 1.
    least : ndarray of shape (n_outputs, n_bands)
        The least unit of each band.
    """

    errors: np.ndarray
    weights: np.ndarray | None
    least: np.ndarray

    @classmethod
    def measure(
        cls,
        y: np.ndarray,
        bands: tuple[np.ndarray, np.ndarray],
        weights: np.ndarray | None,
    ) -> Calibration:
        """Errors of bands (m, n_outputs, n_bands) for y (m, n_outputs)."""
        lower, upper = bands
        width = np.broadcast_to(upper - lower, (len(y), *lower.shape[1:]))
        least = _NARROWEST * np.average(width, axis=0, weights=weights)
        least[least == 0] = 1.0  # no band: errors are in units of y
        outside = np.maximum(lower - y[:, :, None], y[:, :, None] - upper)
        errors = outside / np.maximum(width, least)
        if weights is not None:
            weights = weights / weights.mean()
        return cls(errors.astype(np.float32), weights, least)

    def interval(
        self, lower: np.ndarray, upper: np.ndarray, coverage: float, band: int
    ) -> np.ndarray:
        """The band (n, n_outputs) widened to a coverage; (n, n_outputs, 2).

        Or narrowed, at most to its middle.
        """
        margin = self.quantile(coverage, band) * np.maximum(
            upper - lower, self.least[:, band]
        )
        margin = np.maximum(margin, (lower - upper) / 2)
        return np.stack([lower - margin, upper + margin], axis=-1)

    def quantile(self, coverage: float, band: int) -> np.ndarray:
        """The error (n_outputs,) to allow for.

        That which a share ``coverage * (m + 1) / m`` of the weight does not exceed: the
        row to come counts as one more, of weight 1.
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
