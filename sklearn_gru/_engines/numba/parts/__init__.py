"""What programs are made of."""
