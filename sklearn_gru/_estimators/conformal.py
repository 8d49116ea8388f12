"""Split-conformal prediction intervals, calibrated on held-out errors.

Split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018): if the held-out
rows and future rows are exchangeable, an interval widened by the right quantile of the
held-out errors covers a new y with at least the requested probability, for any network
and any distribution. With quantiles, the error is the distance by which y lies outside
the band between two of them, negative inside (Romano, Patterson & Candès 2019), in
units of the width of the band (Sesia & Candès 2020), so that bands are widened and
narrowed in proportion. A point prediction is a band of width zero; its error is
absolute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklearn_gru.exceptions import InvalidParameterError

# A band narrower than this fraction of the mean width is treated as having that width.
_NARROWEST = 0.01


@dataclass(frozen=True, eq=False)
class Calibration:
    """Errors of bands, and the weight of each row.

    Attributes
    ----------
    errors : ndarray of shape (m, n_outputs, n_bands)
        Distance by which y lies outside each band, in units of the band; negative
        inside. Stored as float32, because there may be more errors than network
        parameters.
    weights : ndarray of shape (m,) or None
        Weights with mean 1.
    least : ndarray of shape (n_outputs, n_bands)
        The smallest unit of each band.
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
        """Measure the errors of bands (m, n_outputs, n_bands) for y (m, n_outputs)."""
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
        """Return the band (n, n_outputs) fitted to a coverage; (n, n_outputs, 2).

        The band is widened or narrowed, at most down to its middle.
        """
        margin = self.quantile(coverage, band) * np.maximum(
            upper - lower, self.least[:, band]
        )
        margin = np.maximum(margin, (lower - upper) / 2)
        return np.stack([lower - margin, upper + margin], axis=-1)

    def quantile(self, coverage: float, band: int) -> np.ndarray:
        """Return the error (n_outputs,) to allow for.

        It is the error that a share ``coverage * (m + 1) / m`` of the weight does not
        exceed: the future row counts as one more row, with weight 1.
        """
        errors = self.errors[:, :, band].astype(np.float64)
        m = len(errors)
        needed = coverage * (m + 1) * (1 - 1e-12)
        if needed > m:
            least = int(np.ceil(coverage / (1 - coverage) * (1 - 1e-12)))
            raise InvalidParameterError(
                f"coverage={coverage:g} needs at least {least} sequences in the "
                f"validation set, but there are {m}. Ask for a coverage of at most "
                f"{np.floor(m / (m + 1) * 1000) / 1000:g}, raise validation_fraction, "
                "or pass a larger X_val to fit. To find rare rows among few, rank "
                "them by GRUOutlierDetector().fit(X).score_samples(X)."
            )
        order = np.argsort(errors, axis=0)
        weights = np.ones(m) if self.weights is None else self.weights
        reached = np.cumsum(weights[order], axis=0)  # (m, n_outputs)
        at = np.minimum((reached < needed).sum(axis=0), m - 1)
        return errors[order[at, range(len(at))], range(len(at))]
