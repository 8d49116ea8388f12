"""The interface between a stream and the series that it follows."""

from __future__ import annotations

from collections.abc import Hashable, KeysView, Sequence
from typing import Any, Protocol

import numpy as np


class Feed(Protocol):
    """Series that grow row by row, each with the answer for its newest row."""

    def update(self, row: Any, key: Hashable, time: Any) -> Any:
        """Append a row; return the answer for it."""
        ...

    def update_many(
        self, rows: Any, keys: Sequence[Hashable] | None, times: Any
    ) -> np.ndarray:
        """Append rows; return the answers for them."""
        ...

    def predict(self, row: Any, key: Hashable, time: Any) -> Any:
        """Return the answer for the newest row, or for one more that is not kept."""
        ...

    def warm(self, X: Any, key: Hashable) -> None:
        """Append many rows without answers."""
        ...

    def forget(self, key: Hashable) -> None:
        """Drop a series."""
        ...

    def reset(self) -> None:
        """Go back to the start."""
        ...

    def refresh(self) -> None:
        """Take over what changed in the model."""
        ...

    def keys(self) -> KeysView[Hashable]:
        """Return the keys of the series."""
        ...

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return everything that `restore` needs, as plain arrays."""
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over a snapshot."""
        ...
