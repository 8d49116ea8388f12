"""The estimators and their fitted state."""
