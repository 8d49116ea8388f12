"""Transcription: the text of a sequence of frames, whose alignment is unknown.

The network gives a distribution over the tokens and a *blank* at every frame. A path
picks one of them per frame; a text is what is left of a path without repetitions and
then without blanks. The probability of a text is the sum over all its paths
(connectionist temporal classification, Graves et al. 2006). Two equal tokens in a row
need a blank between them, so a text may need more frames than it has tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from sklearn_gru._model.vocabulary import Vocabulary, padded
from sklearn_gru.exceptions import InputError

BLANK = 0  # the output of the blank; the others are the codes of the tokens


@dataclass(frozen=True, eq=False)
class Transcription:
    """Task of texts that are read off the frames, in their order.

    Attributes
    ----------
    vocabulary : Vocabulary
        The tokens; code 0 is the blank.
    """

    vocabulary: Vocabulary
    constant: tuple[int, ...] = ()
    loss: ClassVar[str] = "ctc"
    loss_parameters: ClassVar[tuple[float, ...]] = ()

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network at a frame, the blank among them."""
        return len(self.vocabulary) + 1

    @property
    def without_input(self) -> np.ndarray:
        """Distribution at a frame without any value: the blank."""
        return np.eye(1, self.n_outputs, BLANK)[0]

    def prepare(self, y: np.ndarray) -> np.ndarray:
        """Return texts (n,) as tuples of codes; refuse tokens that fit has not seen."""
        if new := self.vocabulary.unknown(y):
            raise InputError(
                f"Texts hold tokens that fit has not seen: {new[:10]}. Add texts with "
                "them to the training set, and fit it with warm_start=False."
            )
        out = np.empty(len(y), dtype=object)
        out[:] = [tuple(map(self.vocabulary.code, text)) for text in y]
        return out

    def encode(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return prepared texts as rows (n, longest) of codes, filled with -1."""
        return padded(y)

    def decode(self, output: np.ndarray) -> np.ndarray:
        """Return log-probabilities (n_frames, n_outputs) of outputs."""
        shifted = output - output.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def text(self, log_p: np.ndarray, width: int) -> Any:
        """Return the text of log-probabilities (n_frames, n_outputs)."""
        codes = best_path(log_p) if width == 1 else beam_search(log_p, width)
        tokens = self.vocabulary.tokens
        return self.vocabulary.join(tokens[code - 1] for code in codes)


def frames_needed(text: Any) -> int:
    """Return the smallest number of frames that can hold a text."""
    repeated = sum(a == b for a, b in pairwise(text))
    return len(text) + repeated


def best_path(log_p: np.ndarray) -> list[int]:
    """Return the text of the most probable path (n_frames, n_outputs)."""
    path = log_p.argmax(axis=1)
    starts = np.append(True, path[1:] != path[:-1])[: len(path)]
    return path[starts & (path != BLANK)].tolist()


def beam_search(log_p: np.ndarray, width: int) -> list[int]:
    """Return the most probable text found with `width` prefixes at a time.

    The probability of a prefix is the sum over its paths, in two parts: those that end
    with a blank, and those that end with its last token (Hannun et al. 2014). Only the
    latter become the same prefix if the token is repeated.
    """
    beam = _Prefixes(width)
    for frame in log_p:
        beam.advance(frame)
    return beam.best()


class _Prefixes:
    """The most probable prefixes after some frames, as nodes of a tree."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.parents, self.tokens = [-1], [BLANK]  # of all nodes; node 0 is empty
        self.children: dict[tuple[int, int], int] = {}
        self.nodes = [0]
        self.blank = np.zeros(1)  # log-probability of paths that end with a blank
        self.token = np.full(1, -np.inf)  # and of those that end with the token

    def advance(self, log_p: np.ndarray) -> None:
        """Read the log-probabilities (n_outputs,) of one frame."""
        last = np.array([self.tokens[node] for node in self.nodes])
        both = np.logaddexp(self.blank, self.token)
        stay_blank = both + log_p[BLANK]
        stay_token = self.token + log_p[last]
        longer = both[:, None] + log_p  # (n_prefixes, n_outputs)
        longer[np.arange(len(last)), last] = self.blank + log_p[last]
        longer[:, BLANK] = -np.inf
        place = {node: k for k, node in enumerate(self.nodes)}
        for k, node in enumerate(self.nodes):  # prefixes that extend each other
            parent = place.get(self.parents[node])
            if parent is not None:
                found = longer[parent, last[k]]
                stay_token[k] = np.logaddexp(stay_token[k], found)
                longer[parent, last[k]] = -np.inf
        self._keep(stay_blank, stay_token, longer)

    def _keep(self, blank: np.ndarray, token: np.ndarray, longer: np.ndarray) -> None:
        """Keep the best of the old prefixes and the longer ones."""
        n, n_outputs = longer.shape
        score = np.append(np.logaddexp(blank, token), longer)
        best = np.argsort(-score, kind="stable")[: self.width]
        best = best[score[best] > -np.inf]
        old, new = best[best < n], best[best >= n] - n
        added = [self._child(self.nodes[k // n_outputs], k % n_outputs) for k in new]
        self.nodes = [self.nodes[k] for k in old] + added
        self.blank = np.append(blank[old], np.full(len(new), -np.inf))
        self.token = np.append(token[old], longer.reshape(-1)[new])

    def _child(self, node: int, code: int) -> int:
        """Return the node of a prefix and one more token."""
        known = self.children.setdefault((node, int(code)), len(self.tokens))
        if known == len(self.tokens):
            self.parents.append(node)
            self.tokens.append(int(code))
        return known

    def best(self) -> list[int]:
        """Return the tokens of the most probable prefix."""
        score = np.logaddexp(self.blank, self.token)
        node, found = self.nodes[int(score.argmax())], []
        while node:
            found.append(self.tokens[node])
            node = self.parents[node]
        return found[::-1]
