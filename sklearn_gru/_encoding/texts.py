"""Targets that are texts: strings, or lists of tokens, one per sequence.

Inside the package, a text is a tuple of tokens. What predictions look like follows from
what fit was given: strings if y holds strings, else lists of tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_gru._model.vocabulary import Vocabulary
from sklearn_gru._tables.codebook import object_array, sorted_order
from sklearn_gru.exceptions import InputError

Tokens = tuple[Any, ...]


class Texts(NamedTuple):
    """Texts as tokens, and the form in which they were given.

    Attributes
    ----------
    items : ndarray of shape (n,)
        A string, or a tuple of tokens, for each text.
    are_strings : bool
        Whether the items are strings.
    """

    items: np.ndarray
    are_strings: bool


def read_texts(given: Any, name: str, *, of: str = "sequence") -> Texts:
    """Return texts as an array of strings or of tuples; refuse everything else."""
    expected = f"expected one text per {of}: a string or a list of tokens"
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        shown = repr(given[:40] if isinstance(given, (str, bytes)) else given)
        raise InputError(f"{name} is {shown}; {expected}. Pass a list: {name}=[...].")
    if isinstance(given, pd.DataFrame) or getattr(given, "ndim", 1) == 0:
        raise InputError(
            f"{name} is a {type(given).__name__}; {expected}. Pass one column of it, "
            "or a list."
        )
    items = [_item(value, name, k, expected) for k, value in enumerate(given)]
    kinds = [isinstance(item, str) for item in items]
    if any(kinds) and not all(kinds):
        odd = kinds.index(not kinds[0])
        raise InputError(
            f"{name} holds strings and lists of tokens: item 0 is {given_as(items[0])},"
            f" item {odd} is {given_as(items[odd])}. Make all of them lists, or all "
            "strings."
        )
    return Texts(object_array(items), all(kinds))


def given_as(item: Any) -> str:
    """Return a text as an error message shows it."""
    shown = repr(item if isinstance(item, str) else list(item))
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _item(value: Any, name: str, k: int, expected: str) -> Any:
    """Return one text as a string or a tuple of tokens."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, tuple, np.ndarray, pd.Series)) and np.ndim(value) != 0:
        tokens = tuple(value.tolist() if hasattr(value, "tolist") else value)
        if not any(isinstance(token, (list, dict, set)) for token in tokens):
            return tokens
    raise InputError(
        f"Item {k} of {name} is {value!r}, of type {type(value).__name__}; {expected}."
    )


def alphabet_of(texts: Iterable[Iterable[Any]]) -> np.ndarray:
    """Return the different tokens of texts, sorted if they can be sorted."""
    found = list(dict.fromkeys(token for text in texts for token in text))
    return object_array(found[k] for k in sorted_order(found))


def check_same_kind(text: Any, known: Vocabulary, name: str) -> None:
    """Refuse a text in another form than the texts of fit had."""
    if isinstance(text, str) != known.are_strings:
        kinds = "lists of tokens", "strings"
        now, then = kinds[isinstance(text, str)], kinds[known.are_strings]
        raise InputError(
            f"{name} holds {now}, such as {given_as(text)}, but fit was given {then}. "
            "Pass the same kind."
        )
