"""The engines, which train networks and compute predictions."""
