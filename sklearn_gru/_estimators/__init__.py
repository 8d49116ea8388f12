"""What a user constructs and fits."""
