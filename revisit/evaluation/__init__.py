"""Metrics, and the loop that scores every example once."""
