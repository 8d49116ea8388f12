"""The result of the fit of an estimator that reads and writes texts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from sklearn_gru._engines.torch.device import torch_threads
from sklearn_gru._engines.torch.writing import Written, write_texts
from sklearn_gru._engines.training import check_shape
from sklearn_gru._estimators.fitted import Fitted
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.translation import Translation


@dataclass(frozen=True, eq=False)
class FittedTranslator(Fitted):
    """A fitted model that writes a text for a text."""

    def write(
        self, X: Any, width: int, max_length: int | None
    ) -> tuple[np.ndarray, list[Written]]:
        """Return the tokens (n,) of source texts, and what is written for each."""
        reader: Any = self.encoder.schema
        _, texts = reader.read(X)
        if not len(texts):
            return texts, []
        sequences, task = reader.sequences(texts), cast(Translation, self.task)
        most = task.longest if max_length is None else max_length
        with torch_threads(1):
            rows = self.encoder.rows(sequences, self.dtype)
            encoded = self.encoder.encode(sequences, rows)
            check_shape(self.net.module_.spec, encoded)
            return texts, write_texts(self.net.module_, encoded, width, most)

    def _with_target(
        self, data: Any, weights: np.ndarray | None, rows: np.ndarray
    ) -> Encoded:
        reader: Any = self.encoder.schema
        data = data._replace(y=reader.tokenizer.cut(data.y, "y"))
        encoded = super()._with_target(data, weights, rows)
        return replace(encoded, texts=True, reads_target=True)
