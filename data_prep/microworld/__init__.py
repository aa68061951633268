"""The embedded picture world."""
