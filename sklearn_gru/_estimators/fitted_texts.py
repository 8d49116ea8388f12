"""The result of the fit of an estimator that reads texts off the frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._engines.torch.device import torch_threads
from sklearn_gru._engines.training import outputs
from sklearn_gru._estimators.fitted import Fitted
from sklearn_gru._model.encoded import Encoded


@dataclass(frozen=True, eq=False)
class FittedTexts(Fitted):
    """A fitted model with a distribution over tokens at every frame."""

    streams: ClassVar[bool] = False

    def frames(self, X: Any) -> list[np.ndarray]:
        """Return the log-probabilities (n_frames, n_outputs) of each sequence.

        Frames without any value are left out.
        """
        return self._of_frames(self.encoder.read(X))

    def all_frames(self, X: Any) -> list[np.ndarray]:
        """Return the log-probabilities of all frames.

        A frame without a value has those of the frame before it, which leaves the best
        path as it is; the first ones are silent.
        """
        given = self.encoder.read(X)
        observed = given.observed_rows()
        with np.errstate(divide="ignore"):
            silent = np.log(self.task.without_input)[None]
        answers = []
        for start, n, found in zip(
            given.starts, given.lengths, self._of_frames(given), strict=True
        ):
            latest = np.cumsum(observed[start : start + n])  # 0 before the first
            answers.append(np.concatenate([silent, found])[latest])
        return answers

    def _of_frames(self, given: Sequences) -> list[np.ndarray]:
        sequences = without_shared_rows(self.encoder.condense(given))
        starts, ends = sequences.starts, sequences.starts + sequences.lengths
        observed = sequences.lengths > 0
        if not observed.any():
            return [np.empty((0, self.task.n_outputs))] * len(sequences)
        self.encoder.warn_unseen(sequences)
        with torch_threads(1) as threads:
            rows = self.encoder.rows(sequences, self.dtype)
            encoded = self.encoder.encode(sequences[observed], rows)
            found = self.task.decode(outputs(self.net, encoded, threads))
        return [found[start:end] for start, end in zip(starts, ends, strict=True)]

    def _with_target(
        self, data: Any, weights: np.ndarray | None, rows: np.ndarray
    ) -> Encoded:
        return replace(super()._with_target(data, weights, rows), texts=True)


def without_shared_rows(sequences: Sequences) -> Sequences:
    """Return the sequences over rows of which each belongs to one of them alone."""
    if sequences.coverage().max(initial=0) <= 1:
        return sequences
    lengths = sequences.lengths
    starts = np.cumsum(lengths) - lengths
    step = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    rows = np.repeat(sequences.starts, lengths) + step
    return sequences._with(values=sequences.values[rows], starts=starts)
