"""Experiments: one file each, whose get_config() returns all that is run."""
