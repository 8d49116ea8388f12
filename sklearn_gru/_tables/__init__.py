"""Data frames, and the columns, keys and time grids read from them."""
