"""One step of each cell, forward and backward."""
