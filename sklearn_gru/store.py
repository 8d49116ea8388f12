"""Rows on disk, for panels that are larger than memory."""

from sklearn_gru._tables.row_store import RowStore

__all__ = ["RowStore"]
