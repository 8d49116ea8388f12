"""Rows to sequences."""
