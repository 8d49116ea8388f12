"""Compilation of the kernels."""
