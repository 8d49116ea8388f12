"""The way from rows to sequences."""
