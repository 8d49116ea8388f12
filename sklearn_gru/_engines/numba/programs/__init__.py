"""Compiled programs, the functions that Python calls."""
