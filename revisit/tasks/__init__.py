"""What a backbone is trained for: each task is a row of functions."""
