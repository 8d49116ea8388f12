"""Streams: predictions from rows that arrive one at a time."""
