"""Tokens and their codes: what a network reads and writes instead of texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

PADDED = -1  # code after the end of a text


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens that fit has seen, and how to write texts of them.

    Attributes
    ----------
    tokens : ndarray of shape (n_tokens,)
        The tokens; token k has the code ``first + k``.
    first : int
        Code of the first token. Lower codes have another meaning.
    are_strings : bool
        Whether texts are strings.
    separator : str
        What stands between the tokens of a string.
    """

    tokens: np.ndarray
    first: int
    are_strings: bool
    separator: str = ""

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_codes"}

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def _codes(self) -> dict[Any, int]:
        return {token: self.first + k for k, token in enumerate(self.tokens.tolist())}

    def code(self, token: Any) -> int | None:
        """Return the code of a token; None if fit has not seen it."""
        return self._codes.get(token)

    def unknown(self, texts: Iterable[Iterable[Any]]) -> list[Any]:
        """Return the tokens of texts that have no code, each once."""
        found = dict.fromkeys(token for text in texts for token in text)
        return [token for token in found if token not in self._codes]

    def join(self, tokens: Iterable[Any]) -> Any:
        """Return tokens as a string or a list, as texts were given."""
        tokens = list(tokens)
        return self.separator.join(tokens) if self.are_strings else tokens

    def collect(self, texts: list[Any]) -> Any:
        """Return predicted texts: an array of strings, or a list of token lists."""
        return np.array(texts, dtype=str) if self.are_strings else texts


def padded(codes: Iterable[Iterable[int]]) -> np.ndarray:
    """Return texts as rows (n, longest) of codes, filled with -1 at the end."""
    rows = [list(row) for row in codes]
    out = np.full((len(rows), max(1, *map(len, rows))), PADDED, dtype=np.int64)
    for row, code in zip(out, rows, strict=True):
        row[: len(code)] = code
    return out
