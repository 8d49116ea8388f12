"""What is learned, without saying who computes it."""
