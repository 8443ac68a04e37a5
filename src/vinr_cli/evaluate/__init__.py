"""How good the pictures are, against the truth and against other methods."""
