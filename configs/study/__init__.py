"""Grids of runs for revisit.study."""
