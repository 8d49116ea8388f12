"""Translation: a text for a text, written token by token.

Codes of target tokens are outputs of the network: the end of a text, an unknown token,
and the tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.vocabulary import Vocabulary, padded

END, UNKNOWN, FIRST = 0, 1, 2


@dataclass(frozen=True)
class TranslatorSpec(NetworkSpec):
    """Description of an encoder, which the other fields describe, and its decoder.

    The decoder has as many layers as the encoder and reads vectors of the tokens
    written so far, `embedding_size` wide.
    """

    decoder_size: int = 0
    embedding_size: int = 0

    @property
    def decoder(self) -> NetworkSpec:
        """Recurrent layers of the decoder."""
        return NetworkSpec(
            self.cell,
            self.embedding_size,
            self.decoder_size,
            self.num_layers,
            dropout=self.dropout,
            per_step=True,
        )


@dataclass(frozen=True, eq=False)
class Translation:
    """Task of texts that are written token by token.

    Attributes
    ----------
    vocabulary : Vocabulary
        The target tokens.
    longest : int
        Number of tokens of the longest target text of the first fit.
    label_smoothing : float
        Share of every token spread over all of them.
    """

    vocabulary: Vocabulary
    longest: int
    label_smoothing: float
    constant: tuple[int, ...] = ()
    loss: ClassVar[str] = "token_cross_entropy"

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network at a step."""
        return len(self.vocabulary) + FIRST

    @property
    def loss_parameters(self) -> tuple[float, ...]:
        """The label smoothing."""
        return (self.label_smoothing,)

    @property
    def without_input(self) -> np.ndarray:
        """Distribution of an answer to nothing: its end."""
        return np.eye(1, self.n_outputs, END)[0]

    def prepare(self, y: np.ndarray) -> np.ndarray:
        """Return texts (n,) of tokens as tuples of codes, with their end."""
        code = self.vocabulary.code
        out = np.empty(len(y), dtype=object)
        out[:] = [(*(code(token) or UNKNOWN for token in text), END) for text in y]
        return out

    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return prepared texts as rows (n, longest) of codes, filled with -1."""
        return padded(y)

    def text(
        self, codes: Sequence[int], weights: np.ndarray, source: Sequence[Any]
    ) -> Any:
        """Return the text of codes; an unknown token is copied from the source.

        It is the source token that the attention `weights` (n_codes, n_source) of the
        step are largest at (Luong et al. 2015); none, if the source is empty.
        """
        tokens = []
        for code, row in zip(codes, weights, strict=True):
            if code >= FIRST:
                tokens.append(self.vocabulary.tokens[code - FIRST])
            elif code == UNKNOWN and len(source):
                tokens.append(source[int(row[: len(source)].argmax())])
        return self.vocabulary.join(tokens)
