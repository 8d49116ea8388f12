"""Texts written by a :class:`Translator`, token by token, with a beam search.

The search keeps the most probable beginnings of each text (Sutskever et al. 2014).
Finished ones stay among them. Of the final ones, the best has the largest mean
log-probability per token, its end among them: the sum would favor short texts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklearn_gru._engines.torch.batches import SequenceDataset, blocks_by_length
from sklearn_gru._engines.torch.translator import Source, Translator
from sklearn_gru._model.encoded import Encoded
from sklearn_gru._model.translation import END

# Beginnings that are extended at a time, of all texts together.
_AT_ONCE = 256


class Written(NamedTuple):
    """One text as codes without the end, and the attention (n_codes, n_source)."""

    codes: list[int]
    weights: np.ndarray


@torch.inference_mode()
def write_texts(
    module: Translator, data: Encoded, width: int, max_length: int
) -> list[Written]:
    """Return the text for each source text."""
    module.eval()
    dataset = SequenceDataset(data, module.head.weight.device)
    found: list[Written | None] = [None] * len(data)
    for index in blocks_by_length(data.lengths, max(1, _AT_ONCE // width)):
        inputs, _ = dataset.gather(torch.from_numpy(index))
        source = module.encode(inputs["values"], inputs.get("lengths"))
        beam = _Beam(module, source, width)
        for _ in range(max_length):
            beam.advance()
            if beam.is_done:
                break
        for k, written in zip(index, beam.best(data.lengths[index]), strict=True):
            found[k] = written
    return [written for written in found if written is not None]


class _Beam:
    """The most probable beginnings of the texts of a batch.

    Attributes
    ----------
    scores : Tensor of shape (B, W)
        Sums of log-probabilities; minus infinity for places that are empty.
    codes : list of Tensor of shape (B, W)
        Tokens of each step, as they were chosen; `origins` has the place in the step
        before of the beginning that each extends.
    """

    def __init__(self, module: Translator, source: Source, width: int) -> None:
        self.module = module
        self.n, self.width = len(source.first), width
        self.row = torch.arange(self.n, device=source.first.device)
        self.source = source.select(self.row.repeat_interleave(width))
        self.read = self.source.first
        self.state = module.begin(self.source)
        self.scores = self.read.new_full((self.n, width), -torch.inf)
        self.scores[:, 0] = 0.0
        self.done = torch.zeros_like(self.scores, dtype=torch.bool)
        self.sizes = torch.zeros_like(self.scores)
        self.codes: list[Tensor] = []
        self.origins: list[Tensor] = []
        self.weights: list[Tensor] = []

    @property
    def is_done(self) -> bool:
        """State of the search: True once every beginning has its end."""
        return bool(self.done.all())

    def advance(self) -> None:
        """Extend every beginning by one token, and keep the best."""
        output, weights, state = self.module.step(self.read, self.state, self.source)
        log_p = output.log_softmax(dim=1).view(self.n, self.width, -1)
        # A finished text goes on with its end, at no cost.
        log_p[self.done] = -torch.inf
        log_p[..., END][self.done] = 0.0
        n_outputs = log_p.shape[2]
        every = (self.scores[:, :, None] + log_p).view(self.n, -1)
        self.scores, best = every.topk(self.width, dim=1)
        origin = best // n_outputs
        code = best - origin * n_outputs
        self.sizes = self.sizes.gather(1, origin) + ~self.done.gather(1, origin)
        self.done = self.done.gather(1, origin) | (code == END)
        flat = (self.row[:, None] * self.width + origin).view(-1)
        self.state, self.read = state[flat], self.module.read(code.view(-1))
        self.codes.append(code)
        self.origins.append(origin)
        self.weights.append(weights.view(self.n, self.width, -1))

    def best(self, lengths: np.ndarray) -> list[Written]:
        """Return the best text of each source, which has so many tokens."""
        place = (self.scores / self.sizes).argmax(dim=1)
        row, codes, weights = self.row, [], []
        steps = zip(self.codes, self.origins, self.weights, strict=True)
        for code, origin, weight in reversed(list(steps)):
            codes.append(code[row, place])
            place = origin[row, place]
            weights.append(weight[row, place])
        written = torch.stack(codes[::-1], dim=1).cpu().numpy()
        attention = torch.stack(weights[::-1], dim=1).double().cpu().numpy()
        ends = np.where((written == END).any(axis=1), (written == END).argmax(axis=1),
                        written.shape[1])  # fmt: skip
        return [
            Written(written[k, :end].tolist(), attention[k, :end, :n])
            for k, (end, n) in enumerate(zip(ends, lengths, strict=True))
        ]
