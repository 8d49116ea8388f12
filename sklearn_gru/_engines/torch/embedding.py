"""Embeddings of category indices as vectors, with one learned table per feature.

Row 0 of a table represents a missing category and always is the zero vector: it is
initialized to zero, has no gradient, and weight decay does not change it. Missing and
unknown categories therefore add nothing to the input of the recurrent layers.

**Shape**: values ``(B, T, n_dense + n_tables)``, the indices last; result
``(B, T, n_dense + sum of widths)``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklearn_gru._engines.torch.uninitialized import uninitialized


def embedding_width(n_categories: int) -> int:
    """Return the width of the table of a feature with `n_categories` categories.

    This is the rule of fastai's tabular models (1.6 n^0.56), which grows from 2 for two
    categories to 21 for a hundred, with a maximum of 128. On 4000 reviews with 5000
    words, a fifth of them held out, accuracy was 80 % with a width of 32, 82 % with 64
    and 85 % with 128.
    """
    return min(128, max(1, round(1.6 * n_categories**0.56)))


class Embedding(nn.Module):
    """Layer that replaces category indices by vectors and keeps the other inputs."""

    def __init__(self, tables: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(
            uninitialized(nn.Embedding, n + 1, width, padding_idx=0)
            for n, width in tables
        )

    def forward(self, values: Tensor) -> Tensor:
        n_dense = values.shape[2] - len(self.tables)
        index = values[:, :, n_dense:].long()  # (B, T, n_tables)
        vectors = [table(index[:, :, k]) for k, table in enumerate(self.tables)]
        return torch.cat([values[:, :, :n_dense], *vectors], dim=2)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator) -> None:
        """Initialize the tables with normal numbers, and row 0 with zero.

        The vectors are about as long as one standardized feature.
        """
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            std = table.embedding_dim**-0.5
            nn.init.normal_(table.weight, std=std, generator=generator)
            table.weight[0] = 0.0
