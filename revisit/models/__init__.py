"""Backbones, and weights to and from other libraries."""
