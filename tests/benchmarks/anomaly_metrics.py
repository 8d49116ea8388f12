"""Volume under the surface of range precision and recall: VUS-PR.

Paparrizos et al. (2022). Volume Under the Surface: A New Accuracy Evaluation Measure for
Time-Series Anomaly Detection. PVLDB 15(11).
"""

import numpy as np


def soft_labels(labels, buffer):
    """Labels that fade out over half a buffer on both sides of every event."""
    soft = labels.astype(float)
    edges = np.diff(np.concatenate([[0], labels.astype(int), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    for begin, end in zip(begins, ends, strict=True):
        after = np.arange(end + 1, min(end + buffer // 2 + 1, len(soft)))
        soft[after] += np.sqrt(1 - (after - end) / buffer)
        before = np.arange(max(begin - buffer // 2, 0), begin)
        soft[before] += np.sqrt(1 - (begin - before) / buffer)
    return np.minimum(soft, 1)


def range_average_precision(labels, score, buffer, thresholds):
    """Area under precision and recall, with soft labels around the events."""
    soft = soft_labels(labels, buffer)
    falling = np.argsort(-score, kind="stable")
    n_alarms = np.searchsorted(-score[falling], -thresholds, side="right")
    hits = np.concatenate([[0], np.cumsum(soft[falling])])[n_alarms]
    around = np.where(labels, 0, soft)[falling]
    positives = labels.sum() + np.concatenate([[0], np.cumsum(around)])[n_alarms] / 2
    run = np.cumsum(np.diff(np.concatenate([[0], (soft > 0).astype(int)])) == 1)
    inside = soft > 0
    highest = np.full(run.max() + 1, -np.inf)
    np.maximum.at(highest, run[inside], score[inside])
    found = (highest[1:, None] >= thresholds).mean(axis=0)
    recall = np.minimum(hits / positives, 1) * found
    return float(np.diff(recall, prepend=0) @ (hits / n_alarms))


def vus_pr(labels, score, buffer=40, n_thresholds=250):
    """Mean of the range average precision over all buffers up to `buffer`."""
    labels = np.asarray(labels, dtype=bool)
    at = np.linspace(0, len(score) - 1, n_thresholds).astype(int)
    thresholds = -np.sort(-np.asarray(score))[at]
    return float(
        np.mean(
            [
                range_average_precision(labels, score, width, thresholds)
                for width in range(buffer + 1)
            ]
        )
    )
