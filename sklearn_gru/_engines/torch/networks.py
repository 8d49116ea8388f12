"""The kinds of networks, by their description."""

from __future__ import annotations

import torch
from torch import nn

from sklearn_gru._engines.torch.device import RandomStream
from sklearn_gru._engines.torch.module import SequenceModel
from sklearn_gru._engines.torch.translator import Translator
from sklearn_gru._model.spec import NetworkSpec
from sklearn_gru._model.translation import TranslatorSpec

NETWORKS: tuple[type[nn.Module], ...] = (SequenceModel, Translator)


def make_module(
    spec: NetworkSpec, generator: torch.Generator | None, stream: RandomStream
) -> SequenceModel | Translator:
    """Return the network of a description; without a generator, without values."""
    if isinstance(spec, TranslatorSpec):
        return Translator(spec, generator, stream)
    return SequenceModel(spec, generator, stream)
