"""Source texts as sequences of codes: X of an estimator that reads texts.

A text is read as its tokens and an end, so that no text is empty. Tokens that fit has
not seen often enough share one code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_gru._encoding.sequences import Sequences
from sklearn_gru._encoding.texts import (
    alphabet_of,
    check_same_kind,
    given_as,
    read_texts,
)
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.vocabulary import Vocabulary
from sklearn_gru._tables.codebook import object_array
from sklearn_gru.exceptions import InputError

# Codes of an unknown source token, of the end of a text, and of the first token; 0 is
# the row of an embedding that is never read.
UNKNOWN, END, FIRST = 1, 2, 3

# Ways to cut a string, and what joins the tokens again.
TOKENIZERS: dict[str, tuple[Callable[[str], list[str]], str]] = {
    "word": (str.split, " "),
    "char": (list, ""),
}


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """The way from texts to tokens, and back.

    Attributes
    ----------
    given : {"word", "char"} or callable
        The parameter of the estimator.
    min_count : int
        How often a token must occur to be known.
    """

    given: Any
    min_count: int

    @property
    def separator(self) -> str:
        """Text between the tokens of a string."""
        return TOKENIZERS[self.given][1] if isinstance(self.given, str) else " "

    def cut(self, texts: Iterable[Any], name: str) -> np.ndarray:
        """Return texts as tuples of tokens (n,); lists of tokens are cut already."""
        given = self.given
        cut = TOKENIZERS[given][0] if isinstance(given, str) else given
        return object_array(
            _checked(cut(text), text, name) if isinstance(text, str) else text
            for text in texts
        )

    def vocabulary(
        self, texts: Iterable[tuple[Any, ...]], first: int, are_strings: bool
    ) -> Vocabulary:
        """Return the tokens that occur often enough, sorted."""
        counts = Counter(token for text in texts for token in text)
        known = [token for token, n in counts.items() if n >= self.min_count]
        return Vocabulary(alphabet_of([known]), first, are_strings, self.separator)


def _checked(tokens: Any, text: str, name: str) -> tuple[str, ...]:
    """Return what a tokenizer made of a text, if these are strings."""
    if not isinstance(tokens, str) and isinstance(tokens, Iterable):
        found = tuple(tokens)
        if all(isinstance(token, str) for token in found):
            return found
    raise InputError(
        f"The tokenizer made {tokens!r} of {given_as(text)} in {name}; expected a list "
        "of strings, whose join with spaces is the text that is predicted."
    )


@dataclass(frozen=True, eq=False)
class TokenReader:
    """Reader of source texts, which the first X teaches its vocabulary.

    Attributes
    ----------
    owner : str
        Name of the estimator, for messages.
    tokenizer : Tokenizer
        Way from texts to tokens.
    vocabulary : Vocabulary or None
        Known tokens; None before learning.
    """

    owner: str
    tokenizer: Tokenizer
    vocabulary: Vocabulary | None = None

    def read(self, X: Any) -> tuple[TokenReader, np.ndarray]:
        """Learn from the first X, and check each later one; return tuples of tokens."""
        items, are_strings = read_texts(X, "X", of="sample")
        texts = self.tokenizer.cut(items, "X")
        if self.vocabulary is None:
            known = self.tokenizer.vocabulary(texts, FIRST, are_strings)
            return replace(self, vocabulary=known), texts
        if len(items):
            check_same_kind(items[0], self.vocabulary, "X")
        return self, texts

    def sequences(self, texts: Iterable[tuple[Any, ...]]) -> Sequences:
        """Return tokens as sequences of one column of codes, each with its end."""
        assert self.vocabulary is not None
        code = self.vocabulary.code
        rows = [[*(code(t) or UNKNOWN for t in text), END] for text in texts]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        values = np.array([c for row in rows for c in row], dtype=np.float32)[:, None]
        return Sequences(values, np.cumsum(lengths) - lengths, lengths)


@dataclass(frozen=True, eq=False)
class TokenEncoder:
    """Encoder of codes, with the interface of :class:`Encoder`: codes are the rows."""

    schema: TokenReader
    n_dense: int = 0
    n_differences: int = 0

    @property
    def n_codes(self) -> int:
        """Number of codes, without 0."""
        assert self.schema.vocabulary is not None
        return len(self.schema.vocabulary) + FIRST - 1

    def at_precision(self, precision: float) -> TokenEncoder:
        """Return the same encoder, as codes are exact."""
        return self

    def having_seen(self, sequences: Sequences) -> TokenEncoder:
        """Return the same encoder, as codes have no range."""
        return self

    def recode(self, data: Any) -> Any:
        """Return the same data, which have the codes of fit already."""
        return data

    def rows(self, sequences: Sequences, dtype: np.dtype) -> np.ndarray:
        """Return the codes as the network reads them."""
        return sequences.values.astype(dtype)

    def encode(
        self,
        sequences: Sequences,
        rows: np.ndarray,
        target: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> Encoded:
        """Return sequences and the rows they refer to."""
        starts = np.ascontiguousarray(sequences.starts)
        lengths = np.ascontiguousarray(sequences.lengths)
        return Encoded(rows, starts, lengths, target=target, weight=weight)
