"""The result of the fit of an estimator that answers every row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._engines.torch.device import torch_threads
from sklearn_gru._engines.training import outputs
from sklearn_gru._estimators.fitted import Fitted, Prediction
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._windows.recordings import RecordingReader


@dataclass(frozen=True, eq=False)
class FittedRows(Fitted):
    """A fitted model that answers every row of a recording.

    Attributes
    ----------
    reader : RecordingReader
        Reader of X into recordings.
    chunk_length : int or None
        Most rows that training reads at once.
    """

    reader: RecordingReader = field(kw_only=True)
    chunk_length: int | None = None

    streams: ClassVar[bool] = False

    def recode(self, data: Any) -> Any:
        """Return labeled rows in the codes of the first fit, without empty rows."""
        sequences = self.encoder.categories.encode(data.sequences)
        if sequences is data.sequences:
            return data
        coded = data._replace(sequences=sequences).without_gaps()
        return coded.checked("X, in the categories that fit has seen,")

    def predict(self, X: Any) -> Prediction:
        """Return the predictions of all rows, in the float dtype of X."""
        recordings = self.reader.check(X)
        sequences = self.encoder.categories.encode(recordings.sequences)
        known = sequences.observed_rows()
        values = np.empty((len(known), *self.task.without_input.shape))
        values[:] = self.task.without_input
        if known.any():
            values[known] = self._of_observed(sequences._keep_rows(known))
            both = self.net.module_.spec.bidirectional
            source = answered_by(known, sequences, after=both)
            values = np.where((source >= 0)[:, None], values[source], values)
            known = source >= 0
        place = recordings.place
        return Prediction(values[place].astype(sequences.dtype), known[place])

    def _of_observed(self, sequences: Sequences) -> np.ndarray:
        """Return the prediction of every row of recordings whose rows hold values."""
        self.encoder.warn_unseen(sequences)
        with torch_threads(1) as threads:
            rows = self.encoder.rows(sequences, self.dtype)
            encoded = self.encoder.encode(sequences[sequences.lengths > 0], rows)
            found = [outputs(net, encoded, threads) for net in self.nets]
        return self.mean(found, sequences)

    def _with_target(
        self, data: Any, weights: np.ndarray | None, rows: np.ndarray
    ) -> Encoded:
        encoded = super()._with_target(data, weights, rows)
        return replace(encoded, by_row=True, piece_length=self.chunk_length)


def answered_by(known: np.ndarray, sequences: Sequences, *, after: bool) -> np.ndarray:
    """Return the row (n_rows,) whose answer a row has; -1 for none.

    A row without any value has the answer of the latest row before it that has one; if
    there is none and `after` is True, that of the next.
    """
    n = len(known)
    row = np.arange(n)
    begin = np.repeat(sequences.starts, sequences.lengths)
    source = np.maximum.accumulate(np.where(known, row, -1))
    source[source < begin] = -1
    if after:
        end = np.repeat(sequences.starts + sequences.lengths, sequences.lengths)
        following = np.minimum.accumulate(np.where(known, row, n)[::-1])[::-1]
        use = (source < 0) & (following < end)
        source[use] = following[use]
    return source
