"""X, y and weights to numbers."""
