"""The encoding of X, y and weights as numbers."""
