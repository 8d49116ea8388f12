"""How the kernels are compiled."""
