"""Shared parts: rules of parameters, warnings, links to the docs."""
