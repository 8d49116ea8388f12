"""Frames, their columns, keys and grids."""
