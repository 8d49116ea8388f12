"""Building blocks of the compiled programs."""
